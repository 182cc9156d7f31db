"""Occurrences (semantics §3): which records have a reason to be in a sequence now, and whether old reasons still stand."""

from __future__ import annotations

from datetime import datetime, timedelta

import duckdb
import pyarrow as pa
from sqlglot import exp

from engine.definitions.definitions import Definitions
from engine.definitions.paths import Path
from engine.definitions.sequences import DateTrigger, EnrollmentFile, ManualTrigger, Sequence
from engine.ledger.records import LedgerView
from engine.plan.introducing import restored_at
from engine.plan.statements import append, run
from engine.relations.binding import Binder, sql
from engine.relations.joins import facts, key
from engine.relations.segments import members
from engine.relations.triggers import trigger_path, trigger_values

# The key of a date is the date, of a timestamp its UTC instant; a fraction of a second stands only where there is one (3.1).
_DATE_KEY = "strftime(value_at, '%Y-%m-%d')"
_INSTANT_KEY = (
    "strftime(value_at, '%Y-%m-%dT%H:%M:%S') || CASE WHEN value_at <> date_trunc('second', value_at) THEN '.' || strftime(value_at, '%f') ELSE '' END || 'Z'"
)


def _key_and_bases(path: Path) -> tuple[str, str, str]:
    if path.field is not None and path.field.type == "date":
        return _DATE_KEY, "value_at::DATE", "NULL::TIMESTAMP"
    return _INSTANT_KEY, "NULL::DATE", "value_at"


def dated(definitions: Definitions) -> list[Sequence]:
    """The sequences with a date trigger that are not archived, in the order of their ids."""
    chosen = [s for s in definitions.sequences.values() if isinstance(s.trigger, DateTrigger) and s.status != "archived"]
    return sorted(chosen, key=lambda sequence: sequence.id)


def date_occurrences(cursor: duckdb.DuckDBPyConnection, definitions: Definitions, now: datetime) -> None:
    """Fill bases and occ: the distinct values of each date trigger, and the records whose occurrence is open (3.6)."""
    for sequence in dated(definitions):
        binder = Binder()
        values = sql(trigger_values(definitions, sequence, now, binder))
        text, base_date, base_at = _key_and_bases(trigger_path(definitions, sequence))
        cursor.execute(
            f"INSERT INTO bases SELECT '{sequence.id}', {text}, value_at, {base_date}, {base_at}, records "
            f"FROM (SELECT value_at, count(*) AS records FROM ({values}) WHERE matches AND in_range GROUP BY value_at)",
            binder.values,
        )
    run(cursor, "life")
    for sequence in dated(definitions):
        binder = Binder()
        values = sql(trigger_values(definitions, sequence, now, binder))
        cursor.execute(
            f"INSERT INTO occ SELECT '{sequence.id}', '{sequence.about}', v.record, b.occurrence, b.base_date, b.base_at, false "
            f"FROM ({values}) v JOIN bases b ON b.sequence = '{sequence.id}' AND b.value_at = v.value_at "
            "JOIN life l ON l.sequence = b.sequence AND l.occurrence = b.occurrence "
            "WHERE v.matches AND v.in_range AND l.opens <= (SELECT now FROM clock) AND l.closes > (SELECT now FROM clock)",
            binder.values,
        )


def standings(cursor: duckdb.DuckDBPyConnection, definitions: Definitions, now: datetime) -> None:
    """Fill standing for the records of known enrollments and hand-made occurrences: is the record there, and what is its value now (6.3)."""
    for sequence in sorted(definitions.sequences.values(), key=lambda s: s.id):
        wanted = f"(SELECT record FROM known WHERE sequence = '{sequence.id}' UNION SELECT record FROM taken WHERE sequence = '{sequence.id}')"
        if isinstance(sequence.trigger, DateTrigger):
            binder = Binder()
            values = sql(trigger_values(definitions, sequence, now, binder))
            text, _, _ = _key_and_bases(trigger_path(definitions, sequence))
            cursor.execute(
                f"INSERT INTO standing SELECT '{sequence.id}', record, matches, CASE WHEN in_range THEN {text} WHEN value_at IS NOT NULL THEN '' END "
                f"FROM ({values}) WHERE record IN {wanted}",
                binder.values,
            )
        else:
            record = exp.select(exp.alias_(key("record"), "record")).from_(facts(sequence.about, "record"))
            cursor.execute(f"INSERT INTO standing SELECT '{sequence.id}', record, true, NULL FROM ({sql(record)}) WHERE record IN {wanted}")


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
    recorded = view.tables["occurrences"].to_pylist()
    restored = restored_at(view)
    # The first plan after a restore cannot tell a new file from one whose people had their mails: it began before.
    base = restored - timedelta(seconds=1) if restored is not None and (view.last_now is None or view.last_now < restored) else now
    rows = [{**row, "fresh": False, "note": ""} for row in recorded if row["source"] != "file" and row["sequence"] in manual]
    by_file: dict[tuple[str, str], dict[str, dict[str, object]]] = {}
    for row in recorded:
        if row["source"] == "file":
            by_file.setdefault((row["sequence"], row["occurrence"]), {})[row["record"]] = row
    for file in sorted(definitions.enrollments.values(), key=lambda file: file.id):
        sequence = manual.get(file.sequence)
        if sequence is None or sequence.status == "archived":
            continue
        before = by_file.get((sequence.id, file.id), {})
        if file.contacts is not None:
            wanted = [str(item) for item in file.contacts]
        else:
            # The members of the first apply of the file; a row without a record says that it was taken.
            wanted = sorted(before) if "" in before else _segment_members(cursor, definitions, file.segment or "", now)
        fresh = [record for record in wanted if record not in before]
        rows += [{**before[record], "fresh": False, "note": file.note} for record in wanted if record in before and record]
        # The base is the first apply that sees the file, also one that comes before the sequence starts (3.5, 3.7).
        marker = [""] if file.contacts is None and "" not in before else []
        rows += [_fresh(sequence, file, record, base) for record in (*marker, *dict.fromkeys(fresh))]
    if rows:
        append(cursor, "taken", pa.Table.from_pylist(rows))


def _fresh(sequence: Sequence, file: EnrollmentFile, record: str, base: datetime) -> dict[str, object]:
    return {
        "sequence": sequence.id, "entity": sequence.about, "record": record, "occurrence": file.id, "base_at": base,
        "source": "file", "override": False, "fresh": True, "note": file.note,
    }  # fmt: skip


def _segment_members(cursor: duckdb.DuckDBPyConnection, definitions: Definitions, segment: str, now: datetime) -> list[str]:
    if definitions.segments[segment].status == "paused":
        return []
    binder = Binder()
    return [row[0] for row in cursor.execute(f"SELECT key FROM ({sql(members(definitions, segment, now, binder))}) ORDER BY key", binder.values).fetchall()]


def manual_occurrences(cursor: duckdb.DuckDBPyConnection, definitions: Definitions) -> None:
    """Add to occ the hand-made occurrences that are open (3.6) and began after their sequence's start (3.7)."""
    longest = max((len(s.steps) for s in definitions.sequences.values() if isinstance(s.trigger, ManualTrigger)), default=0)
    cursor.execute(
        "CREATE OR REPLACE TEMP TABLE chain AS SELECT DISTINCT sequence, base_at, -1 AS pos, base_at AS moved_at FROM taken JOIN seqs USING (sequence) WHERE kind = 'manual'"
    )
    taken = cursor.execute("SELECT count(*) FROM chain").fetchone()
    for position in range(longest if taken and taken[0] else 0):
        cursor.execute("UPDATE clock SET pass = $1", [position])
        run(cursor, "wait_life")
    run(cursor, "wait_closes")
    run(cursor, "taken_occurrences")
