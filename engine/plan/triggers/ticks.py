"""Schedules and `once` (3.4): the members of a segment, at local wall times of the project's timezone."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

import duckdb

from engine.clock import to_local, to_utc
from engine.definitions.cron import Cron
from engine.definitions.definitions import Definitions
from engine.definitions.sequences import Sequence
from engine.definitions.triggers import OnceTrigger, ScheduleTrigger
from engine.ledger.records import LedgerView
from engine.relations.binding import Binder, sql
from engine.relations.segments import members
from engine.tables import execute

# No clock is set back by more; so far ahead of the present wall time a tick may lie that has come.
_SET_BACK = timedelta(hours=25)


@dataclass(frozen=True, slots=True)
class Tick:
    """One time of a schedule: its local wall time is its key, the instant (naive UTC) its base."""

    wall: datetime
    at: datetime

    @property
    def key(self) -> str:
        return self.wall.strftime("%Y-%m-%dT%H:%M")


def last_tick(trigger: ScheduleTrigger | OnceTrigger, now: datetime, zone: str) -> Tick | None:
    """The latest tick that has come: of several missed ones only this one counts."""
    if isinstance(trigger, OnceTrigger):
        tick = Tick(trigger.once, to_utc(trigger.once, zone))
        return tick if tick.at <= now else None
    return last_of(trigger.times, now, zone)


def last_of(times: Cron, now: datetime, zone: str) -> Tick | None:
    """The last of these wall times whose instant has come. They are counted in naive local time, and get the zone after (5.5)."""
    local = to_local(now, zone)
    # In an hour that comes twice the present wall time is before ticks whose (first) instant is over.
    again = to_local(now - _SET_BACK, zone) + _SET_BACK
    wall = times.at_or_before(max(local, again))
    while wall is not None:
        tick = Tick(wall, to_utc(wall, zone))
        if tick.at <= now:
            return tick
        wall = times.at_or_before(wall - timedelta(minutes=1))
    return None


def next_tick(trigger: ScheduleTrigger | OnceTrigger, now: datetime, zone: str) -> Tick | None:
    """The first tick that has not come."""
    if isinstance(trigger, OnceTrigger):
        tick = Tick(trigger.once, to_utc(trigger.once, zone))
        return tick if tick.at > now else None
    before = last_of(trigger.times, now, zone)
    wall = trigger.times.after(before.wall if before is not None else to_local(now, zone) - _SET_BACK)
    while (at := to_utc(wall, zone)) <= now:
        wall = trigger.times.after(wall)
    return Tick(wall, at)


def ticking(definitions: Definitions) -> list[Sequence]:
    """The sequences that a schedule or a moment starts, in the order of their ids."""
    chosen = [s for s in definitions.sequences.values() if isinstance(s.trigger, ScheduleTrigger | OnceTrigger) and s.status != "archived"]
    return sorted(chosen, key=lambda sequence: sequence.id)


def ticks(cursor: duckdb.DuckDBPyConnection, definitions: Definitions, view: LedgerView, now: datetime) -> None:
    """Add to taken the members of this moment for each tick that no apply has taken; the row without a record is the tick itself.

    Whether the sequence had started by then, and whether the first step may still go, is asked when lives are known.
    """
    sequences = ticking(definitions)
    if not sequences:
        return
    taken = sorted(view.tables["ticks"].to_pylist(), key=lambda row: row["base_at"])
    closed = {row["sequence"]: Tick(datetime.fromisoformat(row["tick"]), row["base_at"]) for row in taken}
    for sequence in sequences:
        assert isinstance(sequence.trigger, ScheduleTrigger | OnceTrigger)
        tick = last_tick(sequence.trigger, now, definitions.project.timezone)
        last = closed.get(sequence.id)
        # 8.12: in another timezone the wall time comes again, and was taken all the same.
        if tick is None or (last is not None and (tick.at <= last.at or tick.wall <= last.wall)):
            continue
        binder = Binder()
        # A paused segment is skipped: the tick is taken, and nobody is enrolled by it.
        frozen = definitions.segments[sequence.trigger.segment].status == "paused"
        keys = "" if frozen else f" UNION ALL SELECT key FROM ({sql(members(definitions, sequence.trigger.segment, now, binder))})"
        execute(
            cursor,
            f"INSERT INTO taken SELECT $the_sequence, $the_entity, record, $the_tick, $the_base, $the_kind, false, true, '' FROM (SELECT '' AS record{keys})",
            {
                **binder.values,
                "the_sequence": sequence.id, "the_entity": sequence.about, "the_tick": tick.key, "the_base": tick.at, "the_kind": sequence.trigger.kind,
            },
        )  # fmt: skip
