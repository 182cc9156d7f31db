"""Audience drift (semantics 10.1): a sequence's people became many more or far fewer, and nobody changed its definitions.

The ledger keeps how many people each sequence was for at its last apply, under a digest of what decides it. A sequence that is over its
`max_drift` keeps that number until the people are as many as they were, or somebody allows it: else the next run would find nothing.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from datetime import datetime
from functools import lru_cache
from typing import Any

import duckdb
import pyarrow as pa

from engine.clock import to_local
from engine.definitions.definitions import Definitions
from engine.definitions.sequences import Sequence
from engine.definitions.triggers import DateTrigger, OfSegment
from engine.definitions.using import segments_in
from engine.ledger.records import AUDIENCES, LedgerView
from engine.plan.plan import GuardResult
from engine.plan.sequence_guards import SMALLEST_FOR_SHARES
from engine.relations.audiences import audience
from engine.relations.binding import Binder, sql
from engine.relations.segments import members
from engine.tables import execute


def drift(
    cursor: duckdb.DuckDBPyConnection, definitions: Definitions, view: LedgerView, now: datetime, allowed: Mapping[str, float]
) -> tuple[list[GuardResult], pa.Table]:
    """The guard `max_drift` of each active sequence that says it or for which the project does, and the numbers that an apply keeps."""
    known = {row["sequence"]: row for row in view.tables["audiences"].to_pylist()}
    results: list[GuardResult] = []
    kept: list[dict[str, object]] = []
    for sequence in sorted(definitions.sequences.values(), key=lambda s: s.id):
        own = sequence.guards.max_drift if sequence.guards else None
        said = own if own is not None else definitions.project.guards.max_drift
        people = _people(cursor, definitions, sequence, now) if said is not None and sequence.status == "active" else None
        if said is None or people is None:
            continue
        row = {"sequence": sequence.id, "digest": audience_digest(definitions, sequence), "people": people}
        before = known.get(sequence.id)
        if before is not None and before["digest"] == row["digest"]:
            limit, times = allowed.get("max_drift", said), _times(before["people"], people)
            counted = to_local(before["counted_at"], definitions.project.timezone)
            detail = f"{before['people']:,} people on {counted:%Y-%m-%d %H:%M}, {people:,} now"
            results.append(GuardResult("max_drift", sequence.id, limit, times, times <= limit, detail, before["counted_at"]))
            if times > limit:
                continue
        kept.append(row)
    return results, pa.Table.from_pylist(kept, AUDIENCES)


def _times(before: int, now: int) -> float:
    """How many times as many, or as few. A handful says nothing: fewer than 20 count as 20."""
    less, more = sorted((max(before, SMALLEST_FOR_SHARES), max(now, SMALLEST_FOR_SHARES)))
    return round(more / less, 4)


def _people(cursor: duckdb.DuckDBPyConnection, definitions: Definitions, sequence: Sequence, now: datetime) -> int | None:
    """Contacts of all records that the sequence is for, due or not, a contact once for each record; None where nothing says who they are."""
    binder, trigger = Binder(), sequence.trigger
    if isinstance(trigger, DateTrigger):
        execute(cursor, "CREATE OR REPLACE TEMP TABLE asked_here AS SELECT record FROM valued WHERE sequence = $1 AND matches AND in_range", [sequence.id])
    elif isinstance(trigger, OfSegment):
        of_segment = Binder()
        chosen = sql(members(definitions, trigger.segment, now, of_segment))
        execute(cursor, f"CREATE OR REPLACE TEMP TABLE asked_here AS SELECT key AS record FROM ({chosen})", of_segment.values)
    else:
        return None
    query = f"SELECT count(*) FROM ({sql(audience(definitions, sequence, now, binder, 'asked_here'))})"
    return int(execute(cursor, query, binder.values).fetchall()[0][0])


def audience_digest(definitions: Definitions, sequence: Sequence) -> str:
    """Equal where the same records and contacts are meant: trigger, audience, the segments behind them with their lists, and the map."""
    said = _compiled(definitions.compiled)
    own = said["sequences"].get(sequence.id, {})
    segments = {id: {key: value for key, value in said["segments"].get(id, {}).items() if key in _OF_A_SEGMENT} for id in _segments(definitions, sequence)}
    parts = [own.get("about"), own.get("trigger"), own.get("audience"), segments, said["crm"]]
    return hashlib.sha256(json.dumps(parts, sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass")).hexdigest()[:20]


_OF_A_SEGMENT = ("entity", "rules", "members")


def _segments(definitions: Definitions, sequence: Sequence) -> list[str]:
    """The segments that trigger and audience name, and those that these name."""
    found: set[str] = set()
    to_read: list[Any] = [sequence.trigger, sequence.audience]
    while to_read:
        for id in segments_in(to_read.pop()):
            if id not in found and id in definitions.segments:
                found.add(id)
                to_read.append(definitions.segments[id])
    return sorted(found)


@lru_cache(maxsize=4)
def _compiled(compiled: str) -> Mapping[str, Any]:
    said: Mapping[str, Any] = json.loads(compiled)
    return said
