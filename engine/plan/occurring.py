"""Occurrences (semantics §3): which records have a reason to be in a sequence now, and whether old reasons still stand."""

from __future__ import annotations

from datetime import datetime, timedelta

import duckdb
import pyarrow as pa
from sqlglot import exp

from engine.definitions.definitions import Definitions
from engine.definitions.sequences import DateTrigger, EnrollmentFile, ManualTrigger, Sequence
from engine.ledger.records import LedgerView
from engine.plan.introducing import restored_at
from engine.plan.statements import append, run
from engine.relations.binding import Binder, sql
from engine.relations.joins import facts, key
from engine.relations.segments import members
from engine.relations.triggers import trigger_values


def dated(definitions: Definitions) -> list[Sequence]:
    """The sequences with a date trigger that are not archived, in the order of their ids."""
    chosen = [s for s in definitions.sequences.values() if isinstance(s.trigger, DateTrigger) and s.status != "archived"]
    return sorted(chosen, key=lambda sequence: sequence.id)


def date_occurrences(cursor: duckdb.DuckDBPyConnection, definitions: Definitions, now: datetime) -> None:
    """Fill valued, bases and occ: the value of each date trigger for every record, the distinct ones, and the records whose occurrence is open (3.6)."""
    sequences = dated(definitions)
    if not sequences:
        return
    for sequence in sequences:
        binder = Binder()
        values = sql(trigger_values(definitions, sequence, now, binder))
        cursor.execute(f"INSERT INTO valued SELECT '{sequence.id}', record, value_at, in_range, matches FROM ({values})", binder.values)
    run(cursor, "distinct_values")
    run(cursor, "life")
    run(cursor, "open_occurrences")


def standings(cursor: duckdb.DuckDBPyConnection, definitions: Definitions) -> None:
    """Fill standing for the records of known enrollments and hand-made occurrences: is the record there, and what is its value now (6.3)."""
    run(cursor, "standings")
    undated = {s.about for s in definitions.sequences.values() if not isinstance(s.trigger, DateTrigger) or s.status == "archived"}
    for entity in sorted(undated):
        record = exp.select(exp.alias_(key("record"), "record")).from_(facts(entity, "record"))
        cursor.execute(
            f"INSERT INTO standing SELECT w.sequence, w.record, true, NULL FROM wanted w JOIN seqs s USING (sequence) JOIN ({sql(record)}) r USING (record) "
            "WHERE s.entity = $1 AND (s.kind <> 'date' OR s.status = 'archived')",
            [entity],
        )


def known_bases(cursor: duckdb.DuckDBPyConnection) -> None:
    """Enrollments keep their base when the value has moved away: their occurrences get due moments too."""
    added = cursor.execute(
        "INSERT INTO bases SELECT DISTINCT k.sequence, k.occurrence, NULL::TIMESTAMP, k.base_date, k.base_at, 0 FROM known k JOIN seqs s USING (sequence) "
        "WHERE s.kind = 'date' AND NOT EXISTS (FROM bases b WHERE b.sequence = k.sequence AND b.occurrence = k.occurrence)"
    ).fetchone()
    if added and added[0]:
        run(cursor, "life")


def hand_made(cursor: duckdb.DuckDBPyConnection, definitions: Definitions, view: LedgerView, now: datetime) -> None:
    """Fill taken: occurrences made by hand (3.5), from the ledger and, fresh, from the enrollment files."""
    manual = {s.id: s for s in definitions.sequences.values() if isinstance(s.trigger, ManualTrigger)}
    cursor.execute(
        "INSERT INTO taken SELECT o.sequence, o.entity, o.record, o.occurrence, o.base_at, o.source, o.override, false, '' "
        "FROM occurrences o JOIN seqs s USING (sequence) WHERE o.source <> 'file' AND s.kind = 'manual'"
    )
    restored = restored_at(view)
    # The first plan after a restore cannot tell a new file from one whose people had their mails: it began before.
    base = restored - timedelta(seconds=1) if restored is not None and (view.last_now is None or view.last_now < restored) else now
    for file in sorted(definitions.enrollments.values(), key=lambda file: file.id):
        sequence = manual.get(file.sequence)
        if sequence is not None and sequence.status != "archived":
            _from_file(cursor, definitions, sequence, file, now)
            # The base is the first apply that sees the file, also one that comes before the sequence starts (3.5, 3.7).
            cursor.execute(_TAKEN_FROM_FILE, {"sequence": sequence.id, "entity": sequence.about, "file": file.id, "base": base, "note": file.note})


# What the ledger has of a file keeps its base; the row without a record only says that a segment's members were taken.
_TAKEN_FROM_FILE = """
INSERT INTO taken SELECT $sequence, coalesce(o.entity, $entity), l.record, $file, coalesce(o.base_at, $base), 'file', coalesce(o.override, false), o.record IS NULL, $note
FROM listed l LEFT JOIN occurrences o ON o.source = 'file' AND o.sequence = $sequence AND o.occurrence = $file AND o.record = l.record
WHERE l.record <> '' OR o.record IS NULL
"""


def _from_file(cursor: duckdb.DuckDBPyConnection, definitions: Definitions, sequence: Sequence, file: EnrollmentFile, now: datetime) -> None:
    """Fill listed: the records that an enrollment file names. A segment's are its members at the first apply of the file."""
    cursor.execute("CREATE OR REPLACE TEMP TABLE listed (record VARCHAR)")
    if file.contacts is not None:
        append(cursor, "listed", pa.table({"record": pa.array(dict.fromkeys(str(item) for item in file.contacts), pa.string())}))
        return
    kept = "FROM occurrences WHERE source = 'file' AND sequence = $1 AND occurrence = $2"
    if cursor.execute(f"SELECT count(*) {kept} AND record = ''", [sequence.id, file.id]).fetchall()[0][0]:
        cursor.execute(f"INSERT INTO listed SELECT record {kept}", [sequence.id, file.id])
        return
    cursor.execute("INSERT INTO listed VALUES ('')")
    segment = file.segment or ""
    if definitions.segments[segment].status != "paused":
        binder = Binder()
        cursor.execute(f"INSERT INTO listed SELECT key FROM ({sql(members(definitions, segment, now, binder))})", binder.values)


def manual_occurrences(cursor: duckdb.DuckDBPyConnection, definitions: Definitions) -> None:
    """Add to occ the hand-made occurrences that are open (3.6) and began after their sequence's start (3.7)."""
    taken = cursor.execute("SELECT count(*) FROM taken").fetchone()
    if not taken or not taken[0]:
        return
    cursor.execute(
        "CREATE OR REPLACE TEMP TABLE chain AS SELECT DISTINCT sequence, base_at, -1 AS pos, base_at AS moved_at FROM taken JOIN seqs USING (sequence) WHERE kind = 'manual'"
    )
    for position in range(max((len(s.steps) for s in definitions.sequences.values() if isinstance(s.trigger, ManualTrigger)), default=0)):
        cursor.execute("UPDATE clock SET pass = $1", [position])
        run(cursor, "wait_life")
    run(cursor, "wait_closes")
    run(cursor, "taken_occurrences")
