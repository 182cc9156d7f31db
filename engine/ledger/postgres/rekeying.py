"""New keys for the records of one entity, wherever the ledger names them (semantics 8.10), in one transaction.

No key column is updated in place, so that keys may change places: the rows that change are taken out and put in again.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

import pyarrow as pa

from engine.errors import LedgerRefused
from engine.ledger.care import Rekeyed
from engine.ledger.chain import Transaction
from engine.ledger.identity import held_by
from engine.ledger.keys import send_key
from engine.ledger.postgres.home import Home
from engine.ledger.postgres.locking import has_lock, read_holder
from engine.ledger.postgres.statements import quoted
from engine.ledger.postgres.tables import stage
from engine.ledger.postgres.verifying import wrong_inside
from engine.ledger.rekeying import LAST_APPLIED, MISSING, ON_THE_WAY, TWICE, NewKeys, refuse

_IDENTITY = ("sequence", "step", "entity", "record", "occurrence", "contact")
_COLUMNS = b"SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = current_schema() ORDER BY table_name, ordinal_position"


class Rekeying(Home):
    """The part of a ledger that gives records other keys. Only the holder of the plan's lock does."""

    lock_token: int | None = None

    def rekey(self, wanted: NewKeys, *, way_back: Path | None, keep_missing: bool, now: datetime) -> Rekeyed:
        """All or nothing. Without `way_back` it is only told what would be done; else that file becomes the map that undoes it.

        LedgerRefused for a role that may not, LockHeld when another process plans. EngineError for two records that would be one, and while
        mails are on their way.
        """
        if way_back is not None:
            self._refuse_worker()

        def work(moving: Transaction) -> Rekeyed:
            tables = self._tables(wanted)
            if way_back is not None:
                if not has_lock(self.connection, self.lock_token or 0):
                    raise held_by(str(self.place), read_holder(self.connection))
                # Whoever writes them waits until the end, and whoever reads sees the ledger as it was. Sends come first, as with everybody.
                named = ", ".join(["sends", *(quoted(name) for name in tables if name != "sends")])
                self.connection.execute(f"LOCK TABLE {named} IN EXCLUSIVE MODE".encode())
                self._close_gate()
            found = self._looked_at(wanted)
            if way_back is None or (found.missing and not keep_missing):
                moving.abandon()
                return found
            sends = self._carried(wanted, tables)
            self._remember(wanted)
            moving.cover(*wanted.covered(found, sends))
            _write_map(way_back, wanted)
            return Rekeyed(found.known, found.missing, sends, way_back)

        try:
            return self._write("rekey", now, work, by_index=False)
        except BaseException:
            # A way back from what was not done would lead astray.
            if way_back is not None:
                way_back.unlink(missing_ok=True)
            raise

    def _refuse_worker(self) -> None:
        with self._reading():
            (may,) = self._row(b"SELECT has_table_privilege('sends', 'DELETE')")
        if not may:
            raise LedgerRefused(
                f"this role may not give {self.place} other keys: to a worker `sends` is append-only",
                help="run it with the role that owns the schema (engine_migrate)",
            )

    def _tables(self, wanted: NewKeys) -> Mapping[str, list[str]]:
        """The tables that name a record or a send, each with its columns in their order."""
        tables: dict[str, list[str]] = {}
        for table, column in self._rows(_COLUMNS):
            tables.setdefault(table, []).append(column)
        return {table: columns for table, columns in tables.items() if any(wanted.columns_of(table, set(columns)))}

    def _looked_at(self, wanted: NewKeys) -> Rekeyed:
        for name, table in wanted.tables().items():
            stage(self.connection, name, table)
        self.connection.execute(b"CREATE INDEX ON new_keys (old)")
        self.connection.execute(f"CREATE TEMPORARY TABLE known ON COMMIT DROP AS {wanted.known()}".encode())
        on_the_way, twice = (self._row(query.encode())[0] for query in (f"SELECT count(*) FROM sends WHERE {ON_THE_WAY}", TWICE))
        refuse(on_the_way, twice)
        missing = tuple(key for (key,) in self._rows(MISSING.encode()))
        (known,) = self._row(b"SELECT count(*) FROM known")
        return Rekeyed(known - len(missing), missing)

    def _carried(self, wanted: NewKeys, tables: Mapping[str, list[str]]) -> int:
        """Every row under the new keys; how many sends have another key now."""
        sends = self._reckon_send_keys(wanted, tables)
        for table, columns in tables.items():
            named = dict(wanted.columns_of(table, set(columns)))
            listed = ", ".join(quoted(column) for column in columns)
            became = ", ".join(f"{named[column]} AS {quoted(column)}" if column in named else f"t.{quoted(column)}" for column in columns)
            changed = " OR ".join(f"t.{quoted(column)} IS DISTINCT FROM {new}" for column, new in named.items())
            self.connection.execute(
                f"CREATE TEMPORARY TABLE anew ON COMMIT DROP AS SELECT t.ctid AS place, {became} FROM {quoted(table)} t WHERE {changed}".encode()
            )
            taken = self._run(f"DELETE FROM {quoted(table)} WHERE ctid = ANY (ARRAY(SELECT place FROM anew))".encode())
            given = self._run(f"INSERT INTO {quoted(table)} ({listed}) SELECT {listed} FROM anew".encode())
            self.connection.execute(b"DROP TABLE anew")
            if taken != given:
                raise LedgerRefused(f"giving {table} the new keys lost rows; the ledger is as it was", help="run `engine state verify`")
        if fault := wrong_inside(self.connection):
            raise LedgerRefused(f"the ledger with the new keys would not be whole ({fault}); it is as it was", help="run `engine state verify`")
        return sends

    def _reckon_send_keys(self, wanted: NewKeys, tables: Mapping[str, list[str]]) -> int:
        """Fill new_send_keys, of those that change."""
        named = dict(wanted.columns_of("sends", set(tables["sends"]) - {"send_key", "message"}))
        became = ", ".join(f"{named.get(column, f't.{column}')}" for column in _IDENTITY)
        changed = " OR ".join(f"t.{column} IS DISTINCT FROM {new}" for column, new in named.items())
        rows = self._rows(f"SELECT t.send_key::text, {became} FROM sends t WHERE {changed}".encode())
        keyed = pa.table({"was": pa.array([row[0] for row in rows], pa.string()), "becomes": pa.array([send_key(*row[1:]) for row in rows], pa.string())})
        stage(self.connection, "reckoned", keyed)
        self.connection.execute(b"CREATE TEMPORARY TABLE new_send_keys ON COMMIT DROP AS SELECT was::uuid AS old, becomes::uuid AS new FROM reckoned")
        self.connection.execute(b"CREATE UNIQUE INDEX ON new_send_keys (old)")
        self.connection.execute(b"ANALYZE new_send_keys")
        return int(self._row(b"SELECT count(*) FROM new_send_keys WHERE old <> new")[0])

    def _remember(self, wanted: NewKeys) -> None:
        """What identifies a record is as the definitions say it now, so that an apply follows them."""
        for digest, compiled in self._rows(LAST_APPLIED.encode()):
            kept = wanted.applied(compiled)
            if kept is not None:
                self._run(b"UPDATE definitions_applied SET compiled = %(kept)s WHERE digest = %(digest)s", {"kept": kept, "digest": digest})


def _write_map(path: Path, wanted: NewKeys) -> None:
    """The map from the new keys to the old, readable by its owner alone."""
    from pyarrow import csv

    table = pa.table({"old": pa.array(wanted.map.values(), pa.string()), "new": pa.array(wanted.map.keys(), pa.string())})
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "wb") as file:
        csv.write_csv(table, file)
