"""Occurrences (semantics §3): whether the reasons to be in a sequence still stand, and which of them are open now.

What each kind of trigger has begun is in `triggers/`, one file a kind.
"""

from __future__ import annotations

from datetime import datetime

import duckdb
import pyarrow as pa
from sqlglot import exp

from engine.definitions.definitions import Definitions
from engine.definitions.triggers import DateTrigger
from engine.ledger.records import CHANGES, OF_TRIGGERS, LedgerView
from engine.plan.statements import run
from engine.plan.timing import chain_of_waits, lives
from engine.plan.triggers.enters import entered, enters, kept
from engine.plan.triggers.event import events, leave_out_ahead
from engine.plan.triggers.manual import hand_made
from engine.plan.triggers.ticks import ticking, ticks
from engine.relations.binding import sql
from engine.relations.joins import facts, key
from engine.tables import ask, execute


def take(cursor: duckdb.DuckDBPyConnection, definitions: Definitions, view: LedgerView, now: datetime) -> None:
    """Fill taken: the occurrences that have begun and are no date's, of every kind of trigger."""
    hand_made(cursor, definitions, view, now)
    events(cursor, definitions, view, now)
    ticks(cursor, definitions, view, now)
    enters(cursor, definitions, view, now)


def taken_changes(cursor: duckdb.DuckDBPyConnection, definitions: Definitions, view: LedgerView) -> dict[str, pa.Table]:
    """What an apply writes of ticks and memberships (9.1)."""
    found = {name: CHANGES[name].empty_table() for name in OF_TRIGGERS}
    if ticking(definitions):
        found["ticks"] = ask(
            cursor,
            "SELECT sequence, occurrence AS tick, base_at FROM taken WHERE fresh AND record = '' AND source IN ('schedule', 'once') ORDER BY ALL",
            CHANGES["ticks"],
        )
    if entered(definitions) or kept(view):
        for name in ("memberships", "rosters"):
            found[name] = ask(cursor, f"FROM new_{name} ORDER BY ALL", CHANGES[name])
    return found


def standings(cursor: duckdb.DuckDBPyConnection, definitions: Definitions) -> None:
    """Fill standing for the records of known enrollments and hand-made occurrences: is the record there, and what is its value now (6.3)."""
    run(cursor, "standings")
    undated = {s.about for s in definitions.sequences.values() if not isinstance(s.trigger, DateTrigger) or s.status == "archived"}
    for entity in sorted(undated):
        record = exp.select(exp.alias_(key("record"), "record")).from_(facts(entity, "record"))
        execute(
            cursor,
            f"INSERT INTO standing SELECT w.sequence, w.record, true, NULL, NULL FROM wanted w JOIN seqs s USING (sequence) JOIN ({sql(record)}) r USING (record) "
            "WHERE s.entity = $1 AND (s.kind <> 'date' OR s.status = 'archived')",
            [entity],
        )


def known_bases(cursor: duckdb.DuckDBPyConnection, definitions: Definitions) -> None:
    """Enrollments keep their base when the value has moved away: their occurrences get due moments too."""
    added = execute(
        cursor,
        "INSERT INTO bases SELECT DISTINCT k.sequence, k.occurrence, NULL::TIMESTAMP, k.base_date, k.base_at, 0 FROM known k JOIN seqs s USING (sequence) "
        "WHERE s.kind = 'date' AND NOT EXISTS (FROM bases b WHERE b.sequence = k.sequence AND b.occurrence = k.occurrence)",
    ).fetchone()
    if added and added[0]:
        lives(cursor, definitions)


def open_taken(cursor: duckdb.DuckDBPyConnection, definitions: Definitions) -> None:
    """Add to occ what is taken and is open (3.6), and began after its sequence's start (3.7)."""
    leave_out_ahead(cursor, definitions)
    taken = execute(cursor, "SELECT count(*) FROM taken").fetchone()
    if not taken or not taken[0]:
        return
    execute(
        cursor,
        "CREATE OR REPLACE TEMP TABLE chain AS SELECT DISTINCT sequence, base_at, zone, -1 AS pos, base_at AS moved_at FROM taken JOIN seqs USING (sequence) WHERE kind <> 'date'",
    )
    chain_of_waits(cursor, definitions)
    if ticking(definitions):
        run(cursor, "ticks_passed")
    run(cursor, "taken_occurrences")
