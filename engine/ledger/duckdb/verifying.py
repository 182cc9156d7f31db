"""Whether a ledger is whole: read from the first row to the last, and told by everything that has to agree (reliability.md §5 B)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from hashlib import sha256
from pathlib import Path

import duckdb

from engine.ledger.care import Finding, Verified
from engine.ledger.duckdb.opening import connect
from engine.ledger.duckdb.statements import SCHEMA_VERSION
from engine.ledger.keys import define_send_key
from engine.ledger.transitions import STATES
from engine.ledger.witness import Witness

# A key is looked up by itself for at most so many rows of a table; the newest are among them.
LOOKED_UP = 2_000
_LIVE = "('planned', 'claimed', 'dispatching', 'sent', 'failed', 'unknown')"
_SLOT = "sequence, step, entity, record, occurrence, address_key"
# Each counts rows that must not be there.
_WRONG: dict[str, tuple[str, str]] = {
    "send keys": (
        "SELECT count(*) FROM sends WHERE send_key <> send_key(sequence, step, entity, record, occurrence, contact)",
        "do not fit what they name",
    ),
    "address slots": (
        f"""SELECT (SELECT count(*) FROM (SELECT {_SLOT} FROM sends WHERE state IN {_LIVE} GROUP BY ALL HAVING count(*) > 1))
                 + (SELECT count(*) FROM address_slots a ANTI JOIN sends s ON s.send_key = a.holder)""",
        "are held twice, or by a send that is not there",
    ),
    "rows beside sends": (
        "SELECT "
        + " + ".join(f"(SELECT count(*) FROM {table} b ANTI JOIN sends s ON s.send_key = b.send_key)" for table in ("pii", "payloads", "attempts", "outcomes"))
        + " + (SELECT count(*) FROM sends s WHERE s.state = 'dispatching' AND NOT EXISTS (FROM attempts a WHERE a.send_key = s.send_key AND a.token = s.token))",
        "belong to no send, or are missing",
    ),
    "numbers": (
        """SELECT (SELECT count(*) - count(DISTINCT number) FROM sends) + (SELECT count(*) FROM sends, ledger_meta WHERE number > next_number)""",
        "are used twice, or were never given out",
    ),
}


def verify(path: Path, witness: Witness | None, *, version: int = SCHEMA_VERSION) -> Verified:
    """Check the ledger in a file against itself and against what it was last seen to be. Never writes; damage is a finding."""
    try:
        connection = connect(path, read_only=True)
    except (duckdb.Error, OSError) as error:
        return Verified(path, None, (Finding("the file", "", f"cannot be opened as a ledger: {_first_line(error)}"),))
    with closing(connection):
        findings: list[Finding] = []
        head: Witness | None = None
        try:
            if not connection.execute("SELECT count(*) FROM duckdb_tables() WHERE table_name = 'ledger_meta'").fetchall()[0][0]:
                return Verified(path, None, (Finding("the file", "", "holds no ledger: copied while it was open, without its log, or never one"),))
            head = head_of(connection)
            define_send_key(connection)
            for finding in _findings(connection, head, witness, version):
                findings.append(finding)
        except (duckdb.Error, UnicodeDecodeError) as error:
            findings.append(Finding("reading", "", f"broke off: {_first_line(error)}"))
    return Verified(path, head, tuple(findings))


def head_of(connection: duckdb.DuckDBPyConnection) -> Witness:
    """Where the ledger of a connection stands. duckdb.Error when there is none."""
    rows = connection.execute("SELECT lineage::VARCHAR, serial, head_hash FROM ledger_meta").fetchall()
    if len(rows) != 1:
        raise duckdb.InvalidInputException(f"the ledger has {len(rows)} heads")
    return Witness(*rows[0])


def _findings(connection: duckdb.DuckDBPyConnection, head: Witness, witness: Witness | None, known: int) -> Iterator[Finding]:
    (version,) = connection.execute("SELECT schema_version FROM ledger_meta").fetchall()[0]
    if version != known:
        yield Finding("the schema", "", f"is {version}, this engine knows {known}; nothing further was checked")
        return
    yield _chain(connection, head)
    if witness is not None:
        yield _seen(connection, head, witness)
    yield from _tables(connection)
    yield _constraints(connection)
    yield _states(connection)
    for asked, (sql, fault) in _WRONG.items():
        (wrong,) = connection.execute(sql).fetchall()[0]
        yield Finding(asked, "agree", f"{wrong:,} {fault}" if wrong else "")


def _chain(connection: duckdb.DuckDBPyConnection, head: Witness) -> Finding:
    """Every link again from what it covers, from the first transaction to the head."""
    cursor = connection.execute("SELECT serial, head_hash, kind, done_at, covers FROM transactions ORDER BY serial")
    last, count = "0" * 64, 0
    while rows := cursor.fetchmany(10_000):
        for serial, said, kind, done_at, covers in rows:
            count += 1
            if serial != count:
                return Finding("the chain", "", f"breaks at {count:,}: the next transaction is {serial:,}")
            last = sha256(f"{last}\n{serial}\n{kind}\n{done_at.isoformat()}\n{covers}".encode()).hexdigest()
            if last != said:
                return Finding("the chain", "", f"breaks at {serial:,}: its hash is of other words")
    if (count, last) != (head.serial, head.head_hash):
        return Finding("the chain", "", f"ends at {count:,}, the head says {head.serial:,}")
    return Finding("the chain", f"{count:,} transactions, each tied to the one before it")


def _seen(connection: duckdb.DuckDBPyConnection, head: Witness, witness: Witness) -> Finding:
    if witness.lineage != head.lineage:
        return Finding("the witness", "", "is of another lineage: the ledger was made anew or exchanged")
    if witness.serial > head.serial:
        return Finding("the witness", "", f"saw {witness.serial:,} transactions, the ledger has {head.serial:,}: it was rolled back or lost its end")
    if hash_at(connection, witness.serial) != witness.head_hash:
        return Finding("the witness", "", f"saw another history up to {witness.serial:,}")
    more = head.serial - witness.serial
    return Finding("the witness", f"saw the same; {more} more were committed by a run that was killed" if more else "saw the same")


def hash_at(connection: duckdb.DuckDBPyConnection, serial: int) -> str | None:
    """The head hash after a transaction; None when the ledger has no such one."""
    rows = connection.execute("SELECT head_hash FROM transactions WHERE serial = $1", [serial]).fetchall()
    return str(rows[0][0]) if rows else "0" * 64 if serial == 0 else None


def _tables(connection: duckdb.DuckDBPyConnection) -> Iterator[Finding]:
    """Every block is read, so that its checksum is; and every key found by a scan is looked for by itself."""
    keys = connection.execute(
        "SELECT table_name, constraint_column_names FROM duckdb_constraints() WHERE constraint_type = 'PRIMARY KEY' ORDER BY 1"
    ).fetchall()
    total = looked_up = 0
    names = [name for (name,) in connection.execute("SELECT table_name FROM duckdb_tables() WHERE NOT temporary ORDER BY 1").fetchall()]
    for name in names:
        (count, _) = connection.execute(f"SELECT count(*), bit_xor(hash(t)) FROM {name} t").fetchall()[0]
        total += count
    for name, columns in keys:
        listed = ", ".join(f'"{column}"' for column in columns)
        (scanned, distinct) = connection.execute(
            f"SELECT (SELECT count(*) FROM {name}), (SELECT count(*) FROM (SELECT DISTINCT {listed} FROM {name}))"
        ).fetchall()[0]
        if scanned != distinct:
            yield Finding(f"the keys of {name}", "", f"{scanned - distinct:,} occur twice")
        ask = f"SELECT count(*) FROM {name} WHERE " + " AND ".join(f'"{column}" = ${place}' for place, column in enumerate(columns, 1))
        sample = connection.execute(
            f"(SELECT {listed} FROM {name} ORDER BY rowid DESC LIMIT {LOOKED_UP // 2}) UNION (SELECT {listed} FROM {name} ORDER BY hash(rowid) LIMIT {LOOKED_UP // 2})"
        ).fetchall()
        lost = sum(connection.execute(ask, list(key)).fetchall()[0][0] != 1 for key in sample)
        looked_up += len(sample)
        if lost:
            yield Finding(f"the keys of {name}", "", f"{lost:,} of {len(sample):,} are found by reading all, and not by their key")
    yield Finding("the rows", f"{total:,} read; {looked_up:,} looked up by their keys, all found")


def _constraints(connection: duckdb.DuckDBPyConnection) -> Finding:
    """What the tables promise, asked again of the rows that are there."""
    checks = connection.execute(
        "SELECT table_name, expression FROM duckdb_constraints() WHERE constraint_type = 'CHECK' "
        "UNION ALL SELECT table_name, format('\"{}\" IS NOT NULL', column_name) FROM duckdb_columns() WHERE NOT is_nullable AND NOT internal ORDER BY ALL"
    ).fetchall()
    for table, expression in checks:
        (wrong,) = connection.execute(f"SELECT count(*) FROM {table} WHERE NOT ({expression})").fetchall()[0]
        if wrong:
            return Finding("the rules of the tables", "", f"{wrong:,} rows of {table} break {expression}")
    return Finding("the rules of the tables", f"{len(checks)} hold for every row")


def _states(connection: duckdb.DuckDBPyConnection) -> Finding:
    """The states counted twice: by a scan of all, and by asking for each of them (an index or a zone map may lie)."""
    scanned = dict(connection.execute("SELECT state, count(*) FROM sends GROUP BY state").fetchall())
    asked = {state: connection.execute("SELECT count(*) FROM sends WHERE state = $1", [state]).fetchall()[0][0] for state in STATES}
    if wrong := [state for state in {*scanned, *STATES} if scanned.get(state, 0) != asked.get(state, 0)]:
        return Finding("the sends", "", f"counted by state they differ from counting all of them: {', '.join(sorted(wrong))}")
    return Finding("the sends", f"{sum(scanned.values()):,} in " + (", ".join(f"{scanned[s]:,} {s}" for s in STATES if s in scanned) or "no state"))


def _first_line(error: BaseException) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__)
