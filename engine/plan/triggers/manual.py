"""Enrollments by hand (3.5): from files that were reviewed, and from `engine enroll`."""

from __future__ import annotations

from datetime import datetime, timedelta

import duckdb
import pyarrow as pa

from engine.definitions.definitions import Definitions
from engine.definitions.sequences import EnrollmentFile, Sequence
from engine.definitions.triggers import ManualTrigger
from engine.ledger.records import LedgerView
from engine.plan.introducing import restored_at
from engine.relations.binding import Binder, sql
from engine.relations.segments import members
from engine.tables import append, execute


def hand_made(cursor: duckdb.DuckDBPyConnection, definitions: Definitions, view: LedgerView, now: datetime) -> None:
    """Fill taken: what the ledger has of occurrences that are recorded when they are taken, and, fresh, those of the enrollment files (3.5)."""
    manual = {s.id: s for s in definitions.sequences.values() if isinstance(s.trigger, ManualTrigger)}
    execute(
        cursor,
        "INSERT INTO taken SELECT o.sequence, o.entity, o.record, o.occurrence, o.base_at, o.source, o.override, false, '' "
        "FROM occurrences o JOIN seqs s USING (sequence) "
        "WHERE CASE WHEN s.kind = 'manual' THEN o.source NOT IN ('file', 'enters', 'schedule', 'once') ELSE o.source = s.kind END",
    )
    restored = restored_at(view)
    # The first plan after a restore cannot tell a new file from one whose people had their mails: it began before.
    base = restored - timedelta(seconds=1) if restored is not None and (view.last_now is None or view.last_now < restored) else now
    for file in sorted(definitions.enrollments.values(), key=lambda file: file.id):
        sequence = manual.get(file.sequence)
        if sequence is not None and sequence.status != "archived":
            _from_file(cursor, definitions, sequence, file, now)
            # The base is the first apply that sees the file, also one that comes before the sequence starts (3.5, 3.7).
            execute(cursor, _TAKEN_FROM_FILE, {"sequence": sequence.id, "entity": sequence.about, "file": file.id, "base": base, "note": file.note})


# What the ledger has of a file keeps its base; the row without a record only says that a segment's members were taken.
_TAKEN_FROM_FILE = """
INSERT INTO taken SELECT $sequence, coalesce(o.entity, $entity), l.record, $file, coalesce(o.base_at, $base), 'file', coalesce(o.override, false), o.record IS NULL, $note
FROM listed l LEFT JOIN occurrences o ON o.source = 'file' AND o.sequence = $sequence AND o.occurrence = $file AND o.record = l.record
WHERE l.record <> '' OR o.record IS NULL
"""


def _from_file(cursor: duckdb.DuckDBPyConnection, definitions: Definitions, sequence: Sequence, file: EnrollmentFile, now: datetime) -> None:
    """Fill listed: the records that an enrollment file names. A segment's are its members at the first apply of the file."""
    execute(cursor, "CREATE OR REPLACE TEMP TABLE listed (record VARCHAR)")
    if file.contacts is not None:
        append(cursor, "listed", pa.table({"record": pa.array(dict.fromkeys(str(item) for item in file.contacts), pa.string())}))
        return
    kept = "FROM occurrences WHERE source = 'file' AND sequence = $1 AND occurrence = $2"
    if execute(cursor, f"SELECT count(*) {kept} AND record = ''", [sequence.id, file.id]).fetchall()[0][0]:
        execute(cursor, f"INSERT INTO listed SELECT record {kept}", [sequence.id, file.id])
        return
    execute(cursor, "INSERT INTO listed VALUES ('')")
    segment = file.segment or ""
    if definitions.segments[segment].status != "paused":
        binder = Binder()
        execute(cursor, f"INSERT INTO listed SELECT key FROM ({sql(members(definitions, segment, now, binder))})", binder.values)
