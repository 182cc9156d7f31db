"""An embedded ledger on its way to another home: its rows, read at one moment, and the file put aside for good."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Any

from engine.errors import LedgerRefused
from engine.ledger.duckdb import opening
from engine.ledger.duckdb.files import LedgerFiles
from engine.ledger.duckdb.rebuilding import fold_in, sync
from engine.ledger.duckdb.verifying import head_of, verify
from engine.ledger.identity import Identity
from engine.ledger.witness import Witness

# What a home decides alone, or makes itself.
OWN = {"sends": frozenset({"number"}), "pii": frozenset({"number"}), "payloads": frozenset({"number"})}
_PIECE = 5_000

Rows = Iterator[tuple[Any, ...]]


class Leaving:
    """A whole embedded ledger, read-only, while its lock is held."""

    def __init__(self, files: LedgerFiles, identity: Identity) -> None:
        """LedgerRefused for one that is not whole, or of another project or environment."""
        opening.refuse_missing(files)
        opening.connect_patiently(files).close()
        fold_in(files.ledger)
        checked = verify(files.ledger, files.read_witness())
        if checked.faults or checked.head is None:
            fault = checked.faults[0]
            raise LedgerRefused(f"the ledger {files.ledger} is not whole ({fault.asked}: {fault.fault}); nothing was moved", help="run `engine state verify`")
        self.files, self.head = files, checked.head
        self.connection = opening.connect(files.ledger, read_only=True)
        opening.check(self.connection, files, identity)

    def meta(self) -> tuple[Witness, datetime | None]:
        """Where it stands, and the now of its last apply."""
        (last_now,) = self.connection.execute("SELECT last_now FROM ledger_meta").fetchall()[0]
        return head_of(self.connection), last_now

    def tables(self) -> tuple[str, ...]:
        """Every table but the head."""
        rows = self.connection.execute("SELECT table_name FROM duckdb_tables() WHERE NOT temporary AND table_name <> 'ledger_meta' ORDER BY 1").fetchall()
        return tuple(name for (name,) in rows)

    def columns(self, table: str) -> tuple[str, ...]:
        """The columns that another home has too."""
        rows = self.connection.execute(
            "SELECT column_name FROM duckdb_columns() WHERE table_name = $1 AND NOT internal ORDER BY column_index", [table]
        ).fetchall()
        return tuple(name for (name,) in rows if name not in OWN.get(table, frozenset()))

    def rows(self, table: str) -> Rows:
        """All rows, in the order in which they were written."""
        named = ", ".join(f'"{name}"' for name in self.columns(table))
        with closing(self.connection.cursor()) as cursor:
            cursor.execute(f"SELECT {named} FROM {table} ORDER BY {'number' if table == 'sends' else 'rowid'}")
            while piece := cursor.fetchmany(_PIECE):
                yield from piece

    def close(self) -> None:
        self.connection.close()


def put_aside(files: LedgerFiles, now: datetime) -> Path:
    """Take the file away from where an apply would open it; where it is now. A ledger that is gone while its witness is there is refused."""
    aside = files.ledger.with_name(f"{opening.MOVED}{now:%Y%m%dT%H%M%SZ}.duckdb")
    os.replace(files.ledger, aside)
    files.copy.unlink(missing_ok=True)
    sync(aside.parent)
    return aside
