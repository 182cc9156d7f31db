"""Guards (semantics §10): limits that stop a mistake before the first mail. Ledger and plan are counted together."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime

import duckdb

from engine.clock import Duration, shift
from engine.definitions.definitions import Definitions
from engine.ledger.records import LedgerView
from engine.plan.plan import GuardResult
from engine.relations.audiences import contact_hops

# Shares say nothing about a handful of records (10.1).
SMALLEST_FOR_SHARES = 20
_DAY = Duration(24, "h")

# What each guard counts, for messages and the reference page.
GUARDS: Mapping[str, str] = {
    "max_sends.per_run": "mails in one run",
    "max_sends.per_day": "mails within 24 hours, this run included",
    "max_per_contact": "mails to one contact within the time it names, this run included",
    "first_run_max": "mails of a sequence that has never sent one",
    "min_facts": "records of an entity that must be there",
    "max_shrink": "share of an entity's records gone since the last run",
}


def first_runs(cursor: duckdb.DuckDBPyConnection, definitions: Definitions, view: LedgerView, allowed: Mapping[str, float]) -> list[GuardResult]:
    """first_run_max, for each sequence of which the ledger has no send; its own limit goes before the project's (10.4)."""
    sent = set(view.tables["sequences_sent"].column("sequence").to_pylist())
    counts = dict(
        cursor.execute("SELECT sequence, count(*) FROM decisions WHERE decision = 'send' OR (decision = 'hold' AND reason = 'guard') GROUP BY ALL").fetchall()
    )
    results = []
    for sequence in sorted(definitions.sequences.values(), key=lambda s: s.id):
        own = sequence.guards.first_run_max if sequence.guards else None
        limit = allowed.get("first_run_max", own if own is not None else definitions.project.guards.first_run_max)
        observed = counts.get(sequence.id, 0)
        if limit is not None and sequence.id not in sent and observed:
            results.append(GuardResult("first_run_max", sequence.id, limit, observed, observed <= limit))
    return results


def project_guards(
    cursor: duckdb.DuckDBPyConnection,
    definitions: Definitions,
    view: LedgerView,
    counts: Mapping[str, int],
    now: datetime,
    allowed: Mapping[str, float],
) -> list[GuardResult]:
    """The guards about the project and the facts; one that fails blocks everything (10.2)."""
    return [
        *_max_sends(cursor, definitions, now, allowed),
        *_max_per_contact(cursor, definitions, now, allowed),
        *_min_facts(cursor, definitions, counts, allowed),
        *_max_shrink(definitions, view, counts, allowed),
    ]


def _check(id: str, said: float | None, observed: float, allowed: Mapping[str, float], detail: str = "") -> Iterable[GuardResult]:
    limit = allowed.get(id, said)
    if limit is not None:
        yield GuardResult(id, None, limit, observed, observed <= limit, detail)


def _one(cursor: duckdb.DuckDBPyConnection, query: str, *values: object) -> int:
    row = cursor.execute(query, list(values)).fetchone()
    return int(row[0] or 0) if row else 0


# A planned row that nobody has claimed is judged again in this plan, and counted there.
_EARLIER = "FROM recent_sends WHERE state <> 'planned' AND decided_at > $1"


def _max_sends(cursor: duckdb.DuckDBPyConnection, definitions: Definitions, now: datetime, allowed: Mapping[str, float]) -> Iterable[GuardResult]:
    said = definitions.project.guards.max_sends
    planned = _one(cursor, "SELECT count(*) FROM decisions WHERE decision = 'send'")
    yield from _check("max_sends.per_run", said.per_run if said else None, planned, allowed)
    day = shift(now, _DAY, "UTC", -1)
    earlier = _one(cursor, f"SELECT count(*) {_EARLIER}", day)
    yield from _check("max_sends.per_day", said.per_day if said else None, planned + earlier, allowed)


def _max_per_contact(cursor: duckdb.DuckDBPyConnection, definitions: Definitions, now: datetime, allowed: Mapping[str, float]) -> Iterable[GuardResult]:
    said = definitions.project.guards.max_per_contact
    if said is None:
        return
    since = shift(now, said.per, definitions.project.timezone, -1)
    most = _one(
        cursor,
        "SELECT max(n) FROM (SELECT contact, count(*) AS n, bool_or(fresh) AS fresh FROM ("
        f"SELECT contact, false AS fresh {_EARLIER} UNION ALL SELECT contact, true FROM decisions WHERE decision = 'send') GROUP BY contact) WHERE fresh",
        since,
    )
    yield from _check("max_per_contact", said.max, most, allowed, f"within {said.per}")


def _min_facts(cursor: duckdb.DuckDBPyConnection, definitions: Definitions, counts: Mapping[str, int], allowed: Mapping[str, float]) -> Iterable[GuardResult]:
    needed: set[str] = set()
    for id, entity in cursor.execute("SELECT DISTINCT sequence, entity FROM known WHERE exit_reason IS NULL").fetchall():
        needed |= {entity, definitions.crm.contact.entity} & set(definitions.crm.entities)
        sequence = definitions.sequences.get(id)
        if sequence is not None and sequence.about != definitions.crm.contact.entity:
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
        if before[entity] < SMALLEST_FOR_SHARES:
            continue
        gone = max(0.0, (before[entity] - counts.get(entity, 0)) / before[entity])
        yield from _check("max_shrink", said, round(gone, 4), allowed, entity)
