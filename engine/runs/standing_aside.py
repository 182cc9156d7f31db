"""Why a record is on no way that an event, a segment or a schedule begins, for explain (semantics 3.2 to 3.4)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

import duckdb

from engine.definitions.definitions import Definitions
from engine.definitions.sequences import Sequence
from engine.definitions.triggers import EntersTrigger, EventTrigger, OfSegment, OnceTrigger, ScheduleTrigger
from engine.plan.triggers.ticks import next_tick
from engine.relations.binding import Binder, sql
from engine.relations.segments import members
from engine.relations.triggers import not_matching, where_of

# A sequence, a reason, and when it will be otherwise, where that is known.
Aside = tuple[str, str, datetime | None]


def beside(cursor: duckdb.DuckDBPyConnection, definitions: Definitions, now: datetime, entity: str, key: str, only: str | None = None) -> Iterator[Aside]:
    """For each sequence about the record's entity that an event, a segment or a schedule begins: why the record has no occurrence that is open."""
    for sequence in sorted(definitions.sequences.values(), key=lambda sequence: sequence.id):
        if sequence.about != entity or sequence.status == "archived" or only not in (None, sequence.id) or _is_open(cursor, sequence, key):
            continue
        closed = _closed_to_all(cursor, sequence)
        if closed and isinstance(sequence.trigger, EventTrigger | OfSegment):
            yield sequence.id, closed, None
        elif isinstance(sequence.trigger, EventTrigger):
            yield sequence.id, *_no_event(cursor, definitions, sequence, now, key)
        elif isinstance(sequence.trigger, OfSegment):
            yield sequence.id, *_no_member(cursor, definitions, sequence, sequence.trigger, now, key)


def _closed_to_all(cursor: duckdb.DuckDBPyConnection, sequence: Sequence) -> str:
    """Why nobody at all enters it, as the reason; '' where somebody may."""
    if sequence.status == "draft":
        return "draft"
    return "" if _there(cursor, "FROM seqs WHERE sequence = $1 AND may_enter", [sequence.id]) else "not_started"


def _is_open(cursor: duckdb.DuckDBPyConnection, sequence: Sequence, key: str) -> bool:
    return _there(cursor, "FROM occ WHERE sequence = $1 AND record = $2", [sequence.id, key])


def _no_event(cursor: duckdb.DuckDBPyConnection, definitions: Definitions, sequence: Sequence, now: datetime, key: str) -> tuple[str, datetime | None]:
    assert isinstance(sequence.trigger, EventTrigger)
    binder = Binder()
    if where_of(sequence) is not None and _there(
        cursor, f"FROM ({sql(not_matching(definitions, sequence, now, binder))}) WHERE record = $the_key", {**binder.values, "the_key": key}
    ):
        return "where_fails", None
    if _there(cursor, "FROM taken t JOIN seqs s USING (sequence) WHERE t.sequence = $1 AND t.record = $2 AND t.base_at < s.start", [sequence.id, key]):
        return "before_introduction", None
    if _there(cursor, "FROM taken WHERE sequence = $1 AND record = $2", [sequence.id, key]):
        return "closed", None
    ahead = cursor.execute("SELECT min(base_at) FROM ahead_of_now WHERE sequence = $1 AND record = $2", [sequence.id, key]).fetchall()[0][0]
    return ("event_ahead", ahead) if ahead is not None else ("no_event", None)


def _no_member(
    cursor: duckdb.DuckDBPyConnection, definitions: Definitions, sequence: Sequence, trigger: OfSegment, now: datetime, key: str
) -> tuple[str, datetime | None]:
    binder = Binder()
    found = sql(members(definitions, trigger.segment, now, binder))
    if not _there(cursor, f"FROM ({found}) WHERE key = $the_key", {**binder.values, "the_key": key}):
        return "not_a_member", None
    if definitions.segments[trigger.segment].status == "paused":
        return "segment_paused", None
    if isinstance(trigger, EntersTrigger):
        return "member_already", None
    assert isinstance(trigger, ScheduleTrigger | OnceTrigger)
    tick = next_tick(trigger, now, definitions.project.timezone)
    return ("next_tick", tick.at) if tick is not None else ("tick_passed", None)


def _there(cursor: duckdb.DuckDBPyConnection, query: str, values: object) -> bool:
    return bool(cursor.execute(f"SELECT count(*) {query}", values).fetchall()[0][0])
