"""New keys for the records of one entity, wherever the ledger names them (semantics 8.10): nothing that was sent is sent again.

No key column is updated in place (reliability.md §3.8): all rows go into a new file, which is verified and then takes the ledger's place.
"""

from __future__ import annotations

from contextlib import closing
from datetime import datetime
from pathlib import Path

import duckdb

from engine.errors import EngineError, LedgerRefused
from engine.ledger.care import Rekeyed
from engine.ledger.duckdb import opening
from engine.ledger.duckdb.caring import copy_held
from engine.ledger.duckdb.files import Hold, LedgerFiles, refuse_network_disk
from engine.ledger.duckdb.home import Home
from engine.ledger.duckdb.rebuilding import attached, put_in_place, workshop
from engine.ledger.duckdb.statements import migrations
from engine.ledger.duckdb.verifying import verify
from engine.ledger.identity import Identity
from engine.ledger.keys import define_send_key
from engine.ledger.ledger import LedgerBroken
from engine.ledger.rekeying import LAST_APPLIED, MISSING, ON_THE_WAY, TWICE, NewKeys, refuse
from engine.tables import put


def rekey(files: LedgerFiles, identity: Identity, wanted: NewKeys, *, backup: Path | None, keep_missing: bool, now: datetime) -> Rekeyed:
    """All or nothing, under the lock, with a backup first. Without `backup` it is only told what would be done.

    EngineError for keys of the ledger that the map lacks, but with `keep_missing`; for two records that would be one; and while mails
    are on their way.
    """
    opening.refuse_missing(files)
    refuse_network_disk(files.ledger.parent)
    with Hold(files, "state rekey", now):
        opening.require_space(files)
        with closing(opening.connect_patiently(files)) as connection:
            opening.check(connection, files, identity)
            connection.execute("CHECKPOINT")
        with closing(attached(None, source=files.ledger)) as connection:
            _stage(connection, wanted)
            found = _looked_at(connection, wanted)
        if backup is None or (found.missing and not keep_missing):
            return found
        copy_held(files, backup)
        try:
            return _rekeyed(files, wanted, found, backup, now)
        except duckdb.Error as error:
            raise LedgerBroken(f"the ledger {files.ledger} could not be written anew; it is as it was", help="look at the disk, then run it again") from error


def _stage(connection: duckdb.DuckDBPyConnection, wanted: NewKeys) -> None:
    """The question as tables of the connection."""
    for name, table in wanted.tables().items():
        put(connection, name, table)


def _looked_at(connection: duckdb.DuckDBPyConnection, wanted: NewKeys) -> Rekeyed:
    connection.execute(f"CREATE TEMP TABLE known AS {wanted.known('source.')}")
    on_the_way, twice = (connection.execute(query).fetchall()[0][0] for query in (f"SELECT count(*) FROM source.sends WHERE {ON_THE_WAY}", TWICE))
    refuse(on_the_way, twice)
    missing = connection.execute(MISSING).fetchall()
    (known,) = connection.execute("SELECT count(*) FROM known").fetchall()[0]
    return Rekeyed(known - len(missing), tuple(key for (key,) in missing))


def _rekeyed(files: LedgerFiles, wanted: NewKeys, found: Rekeyed, backup: Path, now: datetime) -> Rekeyed:
    with workshop(files.ledger) as folder:
        made = LedgerFiles(folder / "ledger.duckdb")
        with closing(attached(made.ledger, source=files.ledger)) as connection:
            for migration in migrations():
                connection.execute(migration)
            _stage(connection, wanted)
            sends = _copied(connection, wanted)
            _Rekeying(connection, made).remember(wanted, found, sends, now)
            connection.execute("CHECKPOINT")
        checked = verify(made.ledger, files.read_witness())
        if checked.faults or checked.head is None:
            fault = checked.faults[0]
            raise LedgerRefused(
                f"the ledger with the new keys is not whole ({fault.asked}: {fault.fault}); the ledger is as it was", help="run `engine state verify`"
            )
        put_in_place(made.ledger, files.ledger)
    files.write_witness(checked.head)
    files.leave_copy()
    return Rekeyed(found.known, found.missing, sends, backup)


def _copied(connection: duckdb.DuckDBPyConnection, wanted: NewKeys) -> int:
    """Every row of every table, under the new keys; how many sends have another key now."""
    define_send_key(connection)
    named = dict(wanted.columns_of("sends", {"entity", "record", "occurrence", "contact"}))
    connection.execute(
        "CREATE TEMP TABLE new_send_keys AS SELECT t.send_key AS old, send_key(t.sequence, t.step, t.entity, "
        f"{named['record']}, {named.get('occurrence', 't.occurrence')}, {named.get('contact', 't.contact')}) AS new FROM source.sends t"
    )
    columns: dict[str, set[str]] = {}
    for table, column in connection.execute("SELECT table_name, column_name FROM duckdb_columns() WHERE database_name = 'source' AND NOT internal").fetchall():
        columns.setdefault(table, set()).add(column)
    for table, its in sorted(columns.items()):
        replaced = ", ".join(f"{new} AS {column}" for column, new in wanted.columns_of(table, its))
        connection.execute(f"INSERT INTO {table} BY NAME SELECT *{f' REPLACE ({replaced})' if replaced else ''} FROM source.{table} t ORDER BY t.rowid")
        counts = connection.execute(f"SELECT (SELECT count(*) FROM {table}), (SELECT count(*) FROM source.{table})").fetchall()[0]
        if counts[0] != counts[1]:
            raise EngineError(f"giving {table} the new keys lost rows; the ledger is as it was", help="run `engine state verify`")
    return int(connection.execute("SELECT count(*) FROM new_send_keys WHERE old <> new").fetchall()[0][0])


class _Rekeying(Home):
    """The ledger that was written anew."""

    def remember(self, wanted: NewKeys, found: Rekeyed, sends: int, now: datetime) -> None:
        """One link of the chain; and what identifies a record is as the definitions say it now, so that an apply follows them."""
        with self._transaction("rekey", now) as transaction:
            transaction.cover(*wanted.covered(found, sends))
            for digest, compiled in self._rows(LAST_APPLIED):
                kept = wanted.applied(compiled)
                if kept is not None:
                    self._rows("UPDATE definitions_applied SET compiled = $kept WHERE digest = $digest", {"kept": kept, "digest": digest})
