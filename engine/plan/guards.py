"""Guards (semantics §10): limits that stop a mistake before the first mail. Ledger and plan are counted together.

Those of one sequence are in sequence_guards.py; these are about the project and the facts, and block everything (10.2).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

import duckdb

from engine.clock import Duration, reach_back, shift
from engine.definitions.definitions import Definitions
from engine.facts.snapshot import Snapshot
from engine.ledger.records import LedgerView
from engine.plan.plan import GuardResult
from engine.plan.sequence_guards import ONE_MAIL, SMALLEST_FOR_SHARES, growth, has_days_before, mails_by_day, rounded_up
from engine.relations.audiences import contact_hops
from engine.tables import execute

_DAY = Duration(24, "h")
_HOUR, _TICK = timedelta(hours=1), timedelta(microseconds=1)

# What each guard counts, for messages and the reference page.
GUARDS: Mapping[str, str] = {
    "max_sends.per_run": "mails in one run",
    "max_sends.per_day": "mails within 24 hours, this run included",
    "max_per_contact": "mails to one contact within the time it names, this run included",
    "first_run_max": "mails of a sequence that has never sent one",
    "min_facts": "records of an entity that must be there",
    "max_shrink": "the share of an entity's records gone since the last run",
    "max_growth": "mails within 24 hours, this run included, against the greatest such day of the 14 before; fewer than 50 are never too many",
    "max_share_of_audience": "the share of all the contacts that a sequence is for who get a mail of it within 24 hours; fewer than 20 contacts are not asked about",
    "max_exits": "the share of the enrollments on their way that leave within 24 hours, this run included; fewer than 20 are not asked about",
    "max_drift": "how many times as many people a sequence is for as at its last apply, or as few, though nobody changed its trigger, its audience, "
    "their segments or the map; fewer than 20 count as 20",
    "facts_max_age": "the hours since the CRM's file was last written, of several the oldest; a database that is read as it is has no age",
}


def project_guards(
    cursor: duckdb.DuckDBPyConnection,
    definitions: Definitions,
    view: LedgerView,
    snapshot: Snapshot,
    now: datetime,
    allowed: Mapping[str, float],
) -> list[GuardResult]:
    """The guards about the project and the facts; one that fails blocks everything (10.2)."""
    counts = snapshot.counts
    return [
        *_max_sends(cursor, definitions, now, allowed),
        *_max_per_contact(cursor, definitions, now, allowed),
        *_min_facts(cursor, definitions, counts, allowed),
        *_max_shrink(definitions, view, counts, allowed),
        *_max_growth(cursor, definitions, view, now, allowed),
        *_max_exits(cursor, definitions, now, allowed),
        *_facts_max_age(definitions, snapshot, allowed),
    ]


def _check(id: str, said: float | None, observed: float, allowed: Mapping[str, float], detail: str = "") -> Iterable[GuardResult]:
    # A guard holds only where it is said (10.1): allowing more than nobody limited makes no limit.
    if said is not None:
        limit = allowed.get(id, said)
        yield GuardResult(id, None, limit, observed, observed <= limit, detail)


def _one(cursor: duckdb.DuckDBPyConnection, query: str, *values: object) -> int:
    row = execute(cursor, query, list(values)).fetchone()
    return int(row[0] or 0) if row else 0


# A planned row that nobody has claimed is judged again in this plan, and counted there.
_EARLIER = "FROM recent_mails WHERE decided_at > $1"
_PLANNED = f"FROM decisions WHERE decision = 'send' AND {ONE_MAIL}"


def _max_sends(cursor: duckdb.DuckDBPyConnection, definitions: Definitions, now: datetime, allowed: Mapping[str, float]) -> Iterable[GuardResult]:
    said = definitions.project.guards.max_sends
    planned = _one(cursor, f"SELECT count(*) {_PLANNED}")
    yield from _check("max_sends.per_run", said.per_run if said else None, planned, allowed)
    day = shift(now, _DAY, "UTC", -1)
    earlier = _one(cursor, f"SELECT count(*) {_EARLIER}", day)
    yield from _check("max_sends.per_day", said.per_day if said else None, planned + earlier, allowed)


def _max_per_contact(cursor: duckdb.DuckDBPyConnection, definitions: Definitions, now: datetime, allowed: Mapping[str, float]) -> Iterable[GuardResult]:
    said = definitions.project.guards.max_per_contact
    if said is None:
        return
    since = reach_back(now, said.per, definitions.project.timezone)
    most = _one(
        cursor,
        "SELECT max(n) FROM (SELECT contact, count(*) AS n, bool_or(fresh) AS fresh FROM ("
        f"SELECT contact, false AS fresh {_EARLIER} UNION ALL SELECT contact, true {_PLANNED}) GROUP BY contact) WHERE fresh",
        since,
    )
    yield from _check("max_per_contact", said.max, most, allowed, f"within {said.per}")


def _min_facts(cursor: duckdb.DuckDBPyConnection, definitions: Definitions, counts: Mapping[str, int], allowed: Mapping[str, float]) -> Iterable[GuardResult]:
    needed: set[str] = set()
    for (id,) in execute(cursor, "SELECT DISTINCT sequence FROM known WHERE exit_reason IS NULL").fetchall():
        sequence = definitions.sequences.get(id)
        if sequence is None or sequence.status == "archived":
            # 8.13: whoever is on its way leaves, whatever the CRM says, and may leave because its table is no longer filled.
            continue
        needed |= {sequence.about, definitions.crm.contact.entity}
        if sequence.about != definitions.crm.contact.entity:
            needed |= {hop.relation.entity for hop in contact_hops(definitions.crm, sequence)}
    limits: dict[str, float] = dict.fromkeys(needed, 1)
    limits.update(definitions.project.guards.min_facts or {})
    for entity in sorted(limits):
        limit = allowed.get("min_facts", limits[entity])
        observed = counts.get(entity, 0)
        yield GuardResult("min_facts", None, limit, observed, observed >= limit, entity)


def _max_shrink(definitions: Definitions, view: LedgerView, counts: Mapping[str, int], allowed: Mapping[str, float]) -> Iterable[GuardResult]:
    said = definitions.project.guards.max_shrink
    before = {row["entity"]: row["records"] for row in view.tables["fact_counts"].to_pylist()}
    for entity in sorted(before):
        # An entity that no definition names any more is not read, and so not counted.
        if before[entity] < SMALLEST_FOR_SHARES or entity not in counts:
            continue
        gone = max(0, before[entity] - counts[entity])
        yield from _check("max_shrink", said, rounded_up(gone, before[entity]), allowed, entity)


def _max_growth(
    cursor: duckdb.DuckDBPyConnection, definitions: Definitions, view: LedgerView, now: datetime, allowed: Mapping[str, float]
) -> Iterable[GuardResult]:
    said = definitions.project.guards.max_growth
    # A project that has never sent anything has nothing to grow from: its sequences' first runs are guarded.
    if said is None or not view.tables["sequences_sent"].num_rows:
        return
    days: dict[int, int] = {}
    for of_sequence in mails_by_day(cursor, now).values():
        for day, mails in of_sequence.items():
            days[day] = days.get(day, 0) + mails
    planned = _one(cursor, f"SELECT count(*) {_PLANNED}")
    if has_days_before(days, view, now):
        yield from growth(None, allowed.get("max_growth", said), planned, days)


def _max_exits(cursor: duckdb.DuckDBPyConnection, definitions: Definitions, now: datetime, allowed: Mapping[str, float]) -> Iterable[GuardResult]:
    said = definitions.project.guards.max_exits
    if said is None:
        return
    live, left = execute(
        cursor,
        "SELECT count(*) FILTER (exit_reason IS NULL), count(*) FILTER (exit_reason <> 'complete' AND exit_at > $1) FROM known",
        [shift(now, _DAY, "UTC", -1)],
    ).fetchall()[0]
    leaving = _one(cursor, "SELECT count(*) FROM decisions d SEMI JOIN enrollments e ON e.sequence = d.sequence AND e.record = d.record "
                   "AND e.occurrence = d.occurrence AND e.contact = d.contact AND e.origin = 'live' WHERE d.decision = 'exit'")  # fmt: skip
    if live + left >= SMALLEST_FOR_SHARES:
        share = rounded_up(leaving + left, live + left)
        yield from _check("max_exits", said, share, allowed, f"{leaving + left:,} of {live + left:,} enrollments")


def _facts_max_age(definitions: Definitions, snapshot: Snapshot, allowed: Mapping[str, float]) -> Iterable[GuardResult]:
    said = definitions.project.guards.facts_max_age
    if said is None:
        return
    age = max(timedelta(), snapshot.taken_at - snapshot.written_at) if snapshot.written_at is not None else timedelta()
    oldest = (snapshot.taken_at - reach_back(snapshot.taken_at, said, definitions.project.timezone)) / _HOUR
    yield from _check("facts_max_age", oldest, rounded_up(age // _TICK, _HOUR // _TICK, 2), allowed)
