"""The guards of one sequence (semantics 10.1, 10.2, 10.4): over its limit it is held, and the others go."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta

import duckdb

from engine.definitions.definitions import Definitions
from engine.definitions.sequences import Sequence
from engine.definitions.triggers import DateTrigger
from engine.ledger.records import LedgerView
from engine.plan.plan import GuardResult
from engine.relations.audiences import audience
from engine.relations.binding import Binder, sql
from engine.tables import execute

# Shares say nothing about a handful of records, and growth nothing about a handful of mails (10.1).
SMALLEST_FOR_SHARES = 20
SMALLEST_FOR_GROWTH = 50
DAY = timedelta(hours=24)
DAYS_COMPARED = 14

# What the plan would send, also where a guard holds it by now. Caps are asked later (6.15), so that more is counted and not less.
_WOULD = "decision = 'send' OR (decision = 'hold' AND reason = 'guard')"
# Several records in one mail are one mail (4.8): its first stands for it.
ONE_MAIL = "coalesce(item, 1) = 1"


def sequence_guards(
    cursor: duckdb.DuckDBPyConnection, definitions: Definitions, view: LedgerView, now: datetime, allowed: Mapping[str, float]
) -> list[GuardResult]:
    """Each guard that a sequence says, or that holds for every sequence; its own limit goes before the project's (10.4)."""
    counts = dict(execute(cursor, f"SELECT sequence, count(*) FROM decisions WHERE ({_WOULD}) AND {ONE_MAIL} GROUP BY ALL").fetchall())
    sent = set(view.tables["sequences_sent"].column("sequence").to_pylist())
    grown = mails_by_day(cursor, now) if any(s.guards and s.guards.max_growth is not None for s in definitions.sequences.values()) else {}
    results: list[GuardResult] = []
    for sequence in sorted(definitions.sequences.values(), key=lambda s: s.id):
        observed = counts.get(sequence.id, 0)
        if not observed:
            continue
        if sequence.id not in sent:
            results += _first_run(definitions, sequence, observed, allowed)
        elif sequence.guards is not None and sequence.guards.max_growth is not None:
            days = grown.get(sequence.id, {})
            if has_days_before(days, view, now, sequence.id):
                results += growth(sequence.id, allowed.get("max_growth", sequence.guards.max_growth), observed, days)
        results += _share_of_audience(cursor, definitions, sequence, now, allowed)
    return results


def _first_run(definitions: Definitions, sequence: Sequence, observed: int, allowed: Mapping[str, float]) -> Iterator[GuardResult]:
    own = sequence.guards.first_run_max if sequence.guards else None
    said = own if own is not None else definitions.project.guards.first_run_max
    if said is not None:
        limit = allowed.get("first_run_max", said)
        yield GuardResult("first_run_max", sequence.id, limit, observed, observed <= limit)


def mails_by_day(cursor: duckdb.DuckDBPyConnection, now: datetime) -> dict[str, dict[int, int]]:
    """By sequence: how many mails the ledger has in each of the rolling days before now; 0 is the one that ends now."""
    found: dict[str, dict[int, int]] = {}
    for sequence, day, mails in execute(
        cursor,
        "SELECT sequence, floor(epoch_us($1 - decided_at) / 86400000000)::INTEGER AS day, count(*) FROM recent_mails GROUP BY ALL",
        [now],
    ).fetchall():
        found.setdefault(sequence, {})[day] = mails
    return found


def rounded_up(part: int, whole: int, digits: int = 4) -> float:
    """A share as it is shown, never below what it is: what is a hair over its limit is over it, and the override that is shown lets it pass.

    >>> rounded_up(1, 5), rounded_up(20_004, 100_000), rounded_up(20_001, 100_000)
    (0.2, 0.2001, 0.2001)
    """
    scale: int = 10**digits
    return -(-part * scale // whole) / scale


def has_days_before(days: Mapping[int, int], view: LedgerView, now: datetime, sequence: str | None = None) -> bool:
    """Whether the project, or the sequence, sent anything on a day before this one. Where the days that are compared are all that there were
    and had no mail, these are its first mails: there is nothing to compare them with, and `first_run_max` asked of the first of them."""
    if any(days.get(day) for day in range(1, DAYS_COMPARED + 1)):
        return True
    starts = [row["started"] for row in view.tables["starts"].to_pylist() if row["sequence"] and sequence in (None, row["sequence"])]
    return not starts or min(starts) <= now - (DAYS_COMPARED + 1) * DAY


def growth(sequence: str | None, limit: float, planned: int, days: Mapping[int, int]) -> Iterator[GuardResult]:
    """This rolling day with the plan against the greatest of the 14 before it: how many times as many."""
    today = planned + days.get(0, 0)
    greatest = max((days.get(day, 0) for day in range(1, DAYS_COMPARED + 1)), default=0)
    if today >= SMALLEST_FOR_GROWTH:
        times = rounded_up(today, max(greatest, 1))
        yield GuardResult("max_growth", sequence, limit, times, times <= limit, f"{today:,} mails, and {greatest:,} at most on a day before")


def _share_of_audience(
    cursor: duckdb.DuckDBPyConnection, definitions: Definitions, sequence: Sequence, now: datetime, allowed: Mapping[str, float]
) -> Iterator[GuardResult]:
    """How many of all contacts that the sequence is for get a mail of it within a rolling day."""
    own = sequence.guards.max_share_of_audience if sequence.guards else None
    said = own if own is not None else definitions.project.guards.max_share_of_audience
    if said is None:
        return
    limit = allowed.get("max_share_of_audience", said)
    values = {"sequence": sequence.id, "since": now - DAY}
    execute(
        cursor,
        f"CREATE OR REPLACE TEMP TABLE mailed AS SELECT contact FROM decisions WHERE sequence = $sequence AND ({_WOULD}) "
        "UNION SELECT contact FROM recent_mails WHERE sequence = $sequence AND decided_at > $since",
        values,
    )
    whole, binder = "SELECT contact FROM mailed UNION SELECT contact FROM enrollments WHERE sequence = $its_id", Binder()
    if isinstance(sequence.trigger, DateTrigger):
        # Also who is not due yet, or not any more: everybody whose record matches the trigger.
        execute(cursor, "CREATE OR REPLACE TEMP TABLE asked_here AS SELECT record FROM valued WHERE sequence = $1 AND matches AND in_range", [sequence.id])
        whole += f" UNION SELECT contact FROM ({sql(audience(definitions, sequence, now, binder, 'asked_here'))})"
    people, mailed = execute(cursor, f"SELECT count(*), (SELECT count(*) FROM mailed) FROM ({whole})", {**binder.values, "its_id": sequence.id}).fetchall()[0]
    if people >= SMALLEST_FOR_SHARES:
        share = rounded_up(mailed, people)
        yield GuardResult("max_share_of_audience", sequence.id, limit, share, share <= limit, f"{mailed:,} of {people:,} contacts")
