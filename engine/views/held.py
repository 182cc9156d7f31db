"""Pauses, stops and cancellations as they stand over each way: by whom, how far they reach, until when and why."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from engine.definitions.definitions import Definitions
from engine.ledger.history import ControlRow
from engine.views.phrases import iso, moment

_Key = tuple[str | None, str | None, str | None, str | None, str | None]
Reach = Literal["enrollment", "sequence", "project", "file", "kill_switch"]
# Of several that end at one moment the widest is told: whoever lifts a narrower one has sent nothing yet.
_REACHES: tuple[Reach, ...] = ("enrollment", "file", "sequence", "project", "kill_switch")


@dataclass(frozen=True, slots=True)
class HeldBy:
    """What holds or ended a way. `by` is a person, or the file or switch that says it; `at` is None where nobody wrote it down."""

    reach: Reach
    action: str
    by: str
    until: datetime | None = None
    at: datetime | None = None
    note: str = ""


class Held:
    """The one order over a way that counts: a cancellation, else the pause or stop that lasts longest.

    `rows` are the ledger's, of any scope; `files` says which file holds a sequence, `kill_switch` whether all mail is held by it.
    """

    def __init__(self, rows: Iterable[ControlRow], now: datetime, *, files: Mapping[str, HeldBy] | None = None, kill_switch: bool = False) -> None:
        self._by_way: dict[_Key, HeldBy] = {}
        for row in rows:
            if row.until is not None and row.until <= now:
                continue
            self._take((row.sequence, row.entity, row.record, row.occurrence, row.contact), _held_by(row))
        for sequence, order in (files or {}).items():
            self._take((sequence, None, None, None, None), order)
        if kill_switch:
            self._take((None, None, None, None, None), HeldBy("kill_switch", "stopped", "state/STOP, or ENGINE_STOP"))

    def _take(self, key: _Key, order: HeldBy) -> None:
        other = self._by_way.get(key)
        if other is None or _rank(order) > _rank(other):
            self._by_way[key] = order

    def over(self, sequence: str, entity: str, record: str, occurrence: str, contact: str) -> HeldBy | None:
        # An order about a record that no plan had seen names no contact, and means any.
        ways: tuple[_Key, ...] = (
            (sequence, entity, record, occurrence, contact),
            (sequence, entity, record, occurrence, None),
            (sequence, None, None, None, None),
            (None, None, None, None, None),
        )
        found = [self._by_way.get(way) for way in ways]
        return max((order for order in found if order is not None), key=_rank, default=None)


NOTHING_HELD = Held((), datetime.min)


def held_by_files(definitions: Definitions) -> dict[str, HeldBy]:
    """The sequences whose own file holds those on their way: `status: paused`, or `draft`."""
    return {
        id: HeldBy("file", "paused", definitions.where("sequence", id).file, note=f"status: {sequence.status}")
        for id, sequence in definitions.sequences.items()
        if sequence.status in ("paused", "draft")
    }


def _held_by(row: ControlRow) -> HeldBy:
    reach: Reach = "project" if row.scope == "project" else "sequence" if row.scope == "sequence" else "enrollment"
    return HeldBy(reach, row.action, row.by, row.until, row.at, row.note)


def _rank(order: HeldBy) -> tuple[bool, bool, datetime, int, datetime]:
    until = order.until or datetime.max
    return order.action == "cancelled", order.until is None, until, _REACHES.index(order.reach), order.at or datetime.min


def held_json(order: HeldBy | None, zone: str) -> dict[str, Any] | None:
    if order is None:
        return None
    return {
        "action": order.action,
        "scope": order.reach,
        "until": iso(order.until, zone),
        "by": order.by,
        "at": iso(order.at, zone),
        "note": order.note,
    }


def held_words(order: HeldBy, zone: str) -> str:
    """`paused with the sequence until …, by …, on …: why`."""
    reach = {"sequence": " with the sequence", "project": " with the whole project"}.get(order.reach, "")
    until = f" until {moment(order.until, zone)}," if order.until else ""
    at = f", {moment(order.at, zone)}" if order.at else ""
    return f"{order.action}{reach}{until} by {order.by}{at}{': ' + order.note if order.note else ''}"
