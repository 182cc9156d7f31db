"""Frequency caps (semantics 6.15, 6.21): a walk over the sends that a cap could touch, in their order. All others are decided in SQL."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import duckdb
import pyarrow as pa

from engine.clock import Duration, reach_back, start_of_day
from engine.definitions.caps import Cap
from engine.definitions.definitions import Definitions
from engine.ledger.keys import send_key
from engine.plan.identity import UNCHANGED, Identity
from engine.plan.statements import run
from engine.tables import execute, put

# What a cap is of, beside the address: the column that must be the same.
_SCOPES: Mapping[str, str] = {"all": "''", "topic": "coalesce(topic, '')", "sequence": "sequence", "type": "coalesce(type, '')"}
_REST = ("entity", "record", "occurrence", "contact")
_HELD = pa.schema([("id", pa.int64()), ("detail", pa.string()), ("winner", pa.string())])
_INSTANT_BEFORE = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Room:
    """One cap in one plan: what was decided after `since` takes a place."""

    cap: Cap
    since: datetime


@dataclass(frozen=True, slots=True)
class Mail:
    """One mail that takes a place, or asks for one: its address, and by cap what it counts under; None where the cap does not look at it."""

    address: str
    scopes: tuple[str | None, ...]


@dataclass(frozen=True, slots=True)
class Full:
    """A mail that found a cap full: the cap's number, and the mail that took the last place, by its number in earlier and asking together."""

    cap: int
    winner: int


def window(cap: Cap, now: datetime, zone: str) -> datetime:
    """The instant after which a send counts: hours roll, and exactly so many later is free; days are whole local ones, today included."""
    if cap.per.exact:
        return reach_back(now, cap.per, zone)
    return start_of_day(reach_back(start_of_day(now, zone), Duration(cap.per.count - 1, "d"), zone), zone) - _INSTANT_BEFORE


def admit(limits: Sequence[int], earlier: Sequence[Mail], asking: Sequence[Mail]) -> list[Full | None]:
    """For each that asks, in their order: None when every cap has room and it takes a place in each; else the first cap that is full."""
    taken: list[dict[tuple[str, str], list[int]]] = [{} for _ in limits]
    for number, mail in enumerate(earlier):
        for places, scope in zip(taken, mail.scopes, strict=True):
            if scope is not None:
                places.setdefault((mail.address, scope), []).append(number)
    verdicts: list[Full | None] = []
    for number, mail in enumerate(asking, len(earlier)):
        full = None
        for cap, (limit, places, scope) in enumerate(zip(limits, taken, mail.scopes, strict=True)):
            held = places.get((mail.address, scope), []) if scope is not None else []
            if scope is not None and len(held) >= limit:
                full = Full(cap, held[-1])
                break
        verdicts.append(full)
        if full is None:
            for places, scope in zip(taken, mail.scopes, strict=True):
                if scope is not None:
                    places.setdefault((mail.address, scope), []).append(number)
    return verdicts


def keep_caps(cursor: duckdb.DuckDBPyConnection, definitions: Definitions, now: datetime, called: Identity = UNCHANGED) -> None:
    """Turn the sends that find a cap full into holds; `detail` names the cap and the mail that won, `winner` is that one's send key."""
    caps = definitions.project.caps
    if not caps or not execute(cursor, "SELECT count(*) FROM decisions WHERE decision = 'send'").fetchall()[0][0]:
        return
    rooms = [Room(cap, window(cap, now, definitions.project.timezone)) for cap in caps]
    run(cursor, "capping")
    execute(cursor, f"CREATE OR REPLACE TEMP TABLE at_risk AS {_at_risk(rooms)}")
    asking = cursor.sql("SELECT c.*, now AS decided_at FROM capping c, clock WHERE address_key IN (FROM at_risk) ORDER BY place").to_arrow_table().to_pylist()
    if not asking:
        return
    earlier = (
        cursor.sql("SELECT * FROM capped_before WHERE address_key IN (FROM at_risk) ORDER BY decided_at, sequence, step, record, occurrence, contact")
        .to_arrow_table()
        .to_pylist()
    )
    verdicts = admit([room.cap.max for room in rooms], [_mail(row, rooms) for row in earlier], [_mail(row, rooms) for row in asking])
    held = list(_held(caps, [*earlier, *asking], asking, verdicts, called))
    if held:
        put(cursor, "capped", pa.Table.from_pylist(held, _HELD))
        run(cursor, "capped")


def _at_risk(rooms: Sequence[Room]) -> str:
    """The addresses that would have more mails than one of the caps allows, this plan included."""
    parts = []
    for room in rooms:
        scope, category = _SCOPES[room.cap.of], f"coalesce(category, '{room.cap.category}') = '{room.cap.category}'"
        parts.append(
            f"SELECT address_key FROM (SELECT address_key, {scope} AS scope FROM capping WHERE {category} UNION ALL "
            f"SELECT address_key, {scope} FROM capped_before WHERE {category} AND decided_at > TIMESTAMP '{room.since.isoformat(' ')}') "
            f"GROUP BY address_key, scope HAVING count(*) > {room.cap.max}"
        )
    return " UNION ".join(parts)


def _mail(row: Mapping[str, object], rooms: Sequence[Room]) -> Mail:
    return Mail(str(row["address_key"]), tuple(_scope(row, room) for room in rooms))


def _scope(row: Mapping[str, object], room: Room) -> str | None:
    at = row["decided_at"]
    if row["category"] not in (None, room.cap.category) or not isinstance(at, datetime) or at <= room.since:
        return None
    return "" if room.cap.of == "all" else str(row[room.cap.of] or "")


def _held(
    caps: Sequence[Cap], mails: Sequence[Mapping[str, object]], asking: Sequence[Mapping[str, object]], verdicts: Sequence[Full | None], called: Identity
) -> Iterator[dict[str, object]]:
    for row, full in zip(asking, verdicts, strict=True):
        if full is not None:
            winner = mails[full.winner]
            yield {
                "id": row["id"],
                "detail": f"{caps[full.cap]}, after {winner['sequence']}/{winner['step']}",
                "winner": send_key(*called.kept(str(winner["sequence"]), str(winner["step"])), *(str(winner[name]) for name in _REST)),
            }
