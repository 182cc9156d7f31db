"""Pauses and cancellations as they stand over each way: by whom, until when and why."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from engine.ledger.history import ControlRow
from engine.views.phrases import iso, moment

_Key = tuple[str | None, str | None, str | None, str | None, str | None]


class Held:
    """The one order over a way that counts: a cancellation, else the pause that lasts longest."""

    def __init__(self, rows: Iterable[ControlRow], now: datetime) -> None:
        self._by_way: dict[_Key, ControlRow] = {}
        for row in rows:
            if row.until is not None and row.until <= now:
                continue
            key = (row.sequence, row.entity, row.record, row.occurrence, row.contact)
            other = self._by_way.get(key)
            if other is None or _rank(row) > _rank(other):
                self._by_way[key] = row

    def over(self, sequence: str, entity: str, record: str, occurrence: str, contact: str) -> ControlRow | None:
        # An order about a record that no plan had seen names no contact, and means any.
        found = [self._by_way.get((sequence, entity, record, occurrence, who)) for who in (contact, None)]
        return max((row for row in found if row is not None), key=_rank, default=None)


NOTHING_HELD = Held((), datetime.min)


def _rank(row: ControlRow) -> tuple[bool, bool, datetime]:
    return row.action == "cancelled", row.until is None, row.until or row.at


def held_json(row: ControlRow | None, zone: str) -> dict[str, Any] | None:
    return None if row is None else {"action": row.action, "until": iso(row.until, zone), "by": row.by, "at": iso(row.at, zone), "note": row.note}


def held_words(row: ControlRow, zone: str) -> str:
    """`paused until …, by …, on …: why`."""
    until = f" until {moment(row.until, zone)}" if row.until else ""
    return f"{row.action}{until}, by {row.by}, {moment(row.at, zone)}{': ' + row.note if row.note else ''}"
