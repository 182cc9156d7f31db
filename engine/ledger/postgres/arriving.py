"""A ledger that arrives whole from another home: its rows, its chain and its lineage, in one transaction."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any

from engine.errors import LedgerRefused
from engine.ledger.chain import Transaction
from engine.ledger.postgres.home import Home
from engine.ledger.postgres.opening import hash_at
from engine.ledger.postgres.statements import quoted
from engine.ledger.witness import Witness

# A table: its name, its columns, its rows in the order in which they were written.
Table = tuple[str, tuple[str, ...], Iterator[tuple[Any, ...]]]


class Arriving(Home):
    """The part of a ledger that takes another one's place."""

    def is_empty(self) -> bool:
        """Whether nothing was ever written here."""
        return self.head().serial == 0

    def follows(self, head: Witness) -> bool:
        """Whether this ledger has that one's history, and went on from there."""
        with self._reading():
            (lineage,) = self._row(b"SELECT lineage::text FROM ledger_meta")
            return bool(lineage == head.lineage and hash_at(self.connection, head.serial) == head.head_hash)

    def take_place_of(self, head: Witness, last_now: datetime | None, tables: Iterable[Table], now: datetime) -> int:
        """Be the ledger that these are the rows of: how many they were. LedgerRefused where something was written already."""

        def work(moving: Transaction) -> int:
            (serial,) = self._row(b"SELECT serial FROM ledger_meta FOR UPDATE")
            if serial:
                raise LedgerRefused(f"{self.place} has rows of its own, and two ledgers cannot become one", help="name an empty schema under `ledger:`")
            count = sum(self._copy(*table) for table in tables)
            self._run(
                b"UPDATE ledger_meta SET lineage = %(lineage)s::uuid, serial = %(serial)s, head_hash = %(hash)s, last_now = %(last)s",
                {"lineage": head.lineage, "serial": head.serial, "hash": head.head_hash, "last": last_now},
            )
            moving.cover("move", head.lineage, head.serial, count)
            return count

        return self._write("move", now, work, by_index=False)

    def _copy(self, name: str, columns: tuple[str, ...], rows: Iterator[tuple[Any, ...]]) -> int:
        count = 0
        # How long a provider knows a key is said by two columns here, by the caller's now and by the server's clock.
        known = columns.index("known_until") if "known_until" in columns else None
        listed = ", ".join(map(quoted, (*columns, "known_by_clock") if known is not None else columns))
        with self.connection.cursor().copy(f"COPY {quoted(name)} ({listed}) FROM STDIN".encode()) as copy:
            for row in rows:
                copy.write_row(row if known is None else (*row, row[known]))
                count += 1
        return count
