"""An open DuckDB ledger: its connection, its transactions, and the chain that ties each of them to all before it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from hashlib import sha256
from typing import Any

import duckdb
import pyarrow as pa

from engine.errors import LedgerRefused
from engine.failpoints import failpoint
from engine.ledger.chain import Transaction
from engine.ledger.duckdb.files import LedgerFiles, Witness
from engine.ledger.history import Head
from engine.ledger.ledger import LedgerBroken
from engine.ledger.names import Calling, Names
from engine.ledger.witness import RESTORE
from engine.tables import ask, execute, give, put


class Home(Calling):
    """The connection and the head. One process and one thread write."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, files: LedgerFiles) -> None:
        self.connection = connection
        self.files = files
        self._broken = False
        self._writing = False
        row = self._row(
            "SELECT project, environment, lineage::VARCHAR, serial, head_hash, last_now, next_number FROM ledger_meta",
        )
        self._head = Head(*row[:6])
        self._next_number: int = row[6]
        # Where the rows claimed here lie in the table: with it a join reads one block in place of the whole column.
        self._numbers: dict[str, int] = {}

    def head(self) -> Head:
        return self._head

    def names(self) -> Names:
        """What sequences and steps are called now."""
        return self._followed_names().with_renamed(self._renamed)

    def _followed_names(self) -> Names:
        """What applies have followed. A plan asks under these: it may be of other definitions, and says itself what they renamed."""
        return Names.of(self._rows("SELECT sequence, step, name, since FROM names ORDER BY since, serial"))

    # --- asking ---------------------------------------------------------------------------------------------

    def _rows(self, sql: str, values: dict[str, Any] | None = None) -> list[tuple[Any, ...]]:
        with self._readable():
            return execute(self.connection, sql, values).fetchall()

    def _row(self, sql: str, values: dict[str, Any] | None = None) -> tuple[Any, ...]:
        return self._rows(sql, values)[0]

    def _arrow(self, sql: str, schema: pa.Schema, values: dict[str, Any] | None = None) -> pa.Table:
        with self._readable():
            return ask(self.connection, sql, schema, values)

    @contextmanager
    def _readable(self) -> Iterator[None]:
        """A damaged block shows when it is read: LedgerRefused then. While something is written the transaction says what happened."""
        try:
            yield
        except duckdb.Error as error:
            if self._writing or isinstance(error, (duckdb.ProgrammingError, duckdb.DataError, duckdb.IntegrityError)):
                raise
            raise LedgerRefused(
                f"the ledger {self.files.ledger} cannot be read: it is damaged, or its disk is", help="run `engine state verify`; " + RESTORE
            ) from error

    def _stage(self, name: str, table: pa.Table, columns: str = "*") -> None:
        """A temporary table out of an Arrow table; `columns` is what is selected from it."""
        put(self.connection, name, table, columns)

    def _arriving(self, table: pa.Table, sql: str, values: dict[str, Any] | None = None) -> None:
        """Run a statement that reads the Arrow table as `arriving`."""
        give(self.connection, table, sql, values)

    # --- writing --------------------------------------------------------------------------------------------

    @contextmanager
    def _transaction(self, kind: str, now: datetime, *, inside: str = "", after: str = "") -> Iterator[Transaction]:
        """One committed transaction, or none. Any failure to write ends this ledger for the process."""
        if self._broken:
            raise LedgerBroken("the ledger failed to write before; nothing more is recorded", help="look at the disk, then run again")
        transaction = Transaction(self._head.serial + 1)
        number = self._next_number
        self._writing = True
        try:
            self.connection.execute("BEGIN TRANSACTION")
            try:
                yield transaction
            except BaseException:
                with suppress(duckdb.Error):
                    self.connection.execute("ROLLBACK")
                self._next_number = number
                raise
            if transaction.abandoned:
                self.connection.execute("ROLLBACK")
                self._next_number = number
                return
            head_hash = self._chain(transaction, kind, now)
            failpoint(inside)
            self.connection.execute("COMMIT")
        except duckdb.Error as error:
            self._broken = True
            raise LedgerBroken(
                f"the ledger {self.files.ledger} could not be written ({kind})", help="nothing more is sent; look at the disk, then run again"
            ) from error
        finally:
            self._writing = False
        head = self._head
        last_now = now if kind == "plan" else head.last_now
        self._head = Head(head.project, head.environment, head.lineage, transaction.serial, head_hash, last_now)
        failpoint(after)
        try:
            self.files.write_witness(Witness(head.lineage, transaction.serial, head_hash))
        except OSError as error:
            self._broken = True
            raise LedgerBroken(f"the witness {self.files.witness} could not be written", help="look at the disk; nothing more is sent") from error

    def _chain(self, transaction: Transaction, kind: str, now: datetime) -> str:
        text = f"{self._head.head_hash}\n{transaction.serial}{transaction.tail(kind, now)}"
        head_hash = sha256(text.encode("utf-8")).hexdigest()
        execute(
            self.connection,
            "INSERT INTO transactions (serial, head_hash, kind, done_at, covers) VALUES ($1, $2, $3, $4, $5)",
            [transaction.serial, head_hash, kind, now, transaction.digest.hexdigest()],
        )
        last_now = ", last_now = greatest(last_now, $4)" if kind == "plan" else ""
        values: list[Any] = [transaction.serial, head_hash, self._next_number]
        moved = f"UPDATE ledger_meta SET serial = $1, head_hash = $2, next_number = $3{last_now}"
        execute(self.connection, moved, values + ([now] if last_now else []))
        return head_hash

    def _take_numbers(self, count: int) -> int:
        """Reserve `count` numbers; the first is one more than what is returned."""
        before = self._next_number
        self._next_number += count
        return before
