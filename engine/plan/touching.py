"""Whom a change of the definitions touches: people on the way, counted on the tables of a plan that has been made (§8)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import duckdb

from engine.plan.change import Change
from engine.plan.gates import Reason
from engine.plan.revisions import Revisions
from engine.tables import execute

_ON_THE_WAY = "FROM standings WHERE sequence = $sequence AND origin <> 'new'"
_PEOPLE = "SELECT count(DISTINCT contact)"
# Why people leave because of a change; of what is not here each reason can be.
_LEAVE_BY: Mapping[str, tuple[Reason, ...]] = {
    "audience": (Reason.LEFT_AUDIENCE,),
    "where": (Reason.TRIGGER_GONE, Reason.DATE_MOVED, Reason.TRIGGER_CHANGED),
    "trigger": (Reason.TRIGGER_GONE, Reason.DATE_MOVED, Reason.TRIGGER_CHANGED),
    "ends": (Reason.GOAL_MET, Reason.EXIT_CONDITION),
    "removed": (Reason.SEQUENCE_REMOVED,),
    "archived": (Reason.SEQUENCE_REMOVED,),
}
_PRESENT = "record_there AND contact_there AND ended IS NULL AND gone IS NULL AND in_audience"


@dataclass(frozen=True, slots=True)
class Touched:
    """One change, and to how many people each thing happens, with however many records each of them is on the way. Names of `counts`: on_the_way, ahead, behind, completed, too_late, waited, overdue,
    leave, newcomers, held."""

    change: Change
    counts: Mapping[str, int] = field(default_factory=dict)


def touched(cursor: duckdb.DuckDBPyConnection, changes: Sequence[Change], both: Revisions) -> tuple[Touched, ...]:
    """The changes with their counts. The cursor has the tables of a plan of the later definitions."""
    return tuple(Touched(change, _counts(cursor, change, both)) for change in changes)


def _counts(cursor: duckdb.DuckDBPyConnection, change: Change, both: Revisions) -> dict[str, int]:
    if change.sequence is None:
        return {}
    found = {"on_the_way": _one(cursor, f"{_PEOPLE} {_ON_THE_WAY}", sequence=change.sequence)}
    match change.what:
        case "step_inserted" | "step_appended" | "step_moved" | "step_on" | "step_off" | "time" | "expires" | "text" | "template" | "condition" if (
            change.step is not None
        ):
            found |= _around(cursor, change.sequence, change.step)
        case "step_removed" if change.step is not None:
            found |= _waited(cursor, change.sequence, change.step, both)
        case "audience" | "where" | "trigger" | "ends" | "segment" | "members" | "map" | "enrolled" | "removed" | "archived":
            reasons = [str(reason) for reason in _LEAVE_BY.get(change.what, tuple(Reason))]
            leaving = f"{_PEOPLE} FROM decisions WHERE sequence = $sequence AND decision = 'exit' AND reason IN (FROM (SELECT unnest($reasons::VARCHAR[])))"
            found["leave"] = _one(cursor, leaving, sequence=change.sequence, reasons=reasons)
            # Who enters does so whatever ends the way.
            entering = f"{_PEOPLE} FROM enrollments WHERE sequence = $sequence AND origin = 'new'"
            found["newcomers"] = 0 if change.what == "ends" else _one(cursor, entering, sequence=change.sequence)
        case "paused" | "drafted":
            found["held"] = _one(cursor, f"{_PEOPLE} FROM decisions WHERE sequence = $sequence AND decision = 'hold'", sequence=change.sequence)
    return found


def _around(cursor: duckdb.DuckDBPyConnection, sequence: str, step: str) -> dict[str, int]:
    """8.2, 8.3: who has not passed the step's place, who has, and for whom it comes too late; 8.4: who had completed."""
    late = "sequence = $sequence AND step = $step AND decision = 'skip' AND reason IN ('before_introduction', 'expired')"
    ahead, behind = execute(
        cursor,
        f"SELECT count(DISTINCT s.contact) FILTER (s.pos <= p.pos AND (s.record, s.occurrence, s.contact) NOT IN (SELECT (record, occurrence, contact) FROM decisions WHERE {late})), "
        "count(DISTINCT s.contact) FILTER (s.pos > p.pos) "
        f"FROM standings s, (SELECT pos FROM steps WHERE sequence = $sequence AND step = $step) p WHERE s.sequence = $sequence AND s.origin <> 'new' AND {_PRESENT}",
        {"sequence": sequence, "step": step},
    ).fetchall()[0]
    passed = _one(cursor, f"{_PEOPLE} FROM decisions WHERE {late}", sequence=sequence, step=step)
    completed = _one(cursor, f"{_PEOPLE} FROM known WHERE sequence = $sequence AND exit_reason = 'complete'", sequence=sequence)
    return {"ahead": ahead, "behind": behind, "too_late": passed, "completed": completed}


def _waited(cursor: duckdb.DuckDBPyConnection, sequence: str, step: str, both: Revisions) -> dict[str, int]:
    """8.5: who stood before the removed step, and for whom the next one is due or too late at once."""
    old, _ = both.kind("sequences")
    before = next((was for was, now in both.renamed.items() if now == sequence), sequence)
    called = both.steps_renamed(sequence)
    order = [called.get(one["id"], one["id"]) for one in old[before]["steps"]]
    waited, overdue = execute(
        cursor,
        "WITH was AS (SELECT unnest($order::VARCHAR[]) AS step, generate_subscripts($order::VARCHAR[], 1) - 1 AS pos), stood AS ("
        " SELECT s.id, s.sequence, s.record, s.occurrence, s.contact, coalesce(max(was.pos), -1) AS furthest FROM standings s "
        " LEFT JOIN decided d ON d.sequence = s.sequence AND d.record = s.record AND d.occurrence = s.occurrence AND d.contact = s.contact AND d.state <> 'planned' "
        f" LEFT JOIN was ON was.step = d.step WHERE s.sequence = $sequence AND s.origin <> 'new' AND {_PRESENT} GROUP BY ALL) "
        "SELECT count(DISTINCT contact), count(DISTINCT contact) FILTER (EXISTS (FROM decisions n, clock WHERE n.sequence = t.sequence AND n.record = t.record AND n.occurrence = t.occurrence "
        " AND n.contact = t.contact AND n.decision IN ('send', 'skip') AND n.due <= now)) FROM stood t WHERE t.furthest + 1 = $at",
        {"order": order, "sequence": sequence, "at": order.index(step)},
    ).fetchall()[0]
    return {"waited": waited, "overdue": overdue}


def _one(cursor: duckdb.DuckDBPyConnection, query: str, **values: object) -> int:
    return int(execute(cursor, query, values).fetchall()[0][0])
