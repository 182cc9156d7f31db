"""The ledger's first home: one DuckDB file, one process that writes, its lock the mutex (reliability.md §3.8)."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Self

import duckdb

from engine.ledger.duckdb import caring, opening
from engine.ledger.duckdb.files import Hold, LedgerFiles
from engine.ledger.duckdb.forgetting import Forgetting
from engine.ledger.duckdb.importing import Importing
from engine.ledger.duckdb.listening import Listening
from engine.ledger.duckdb.ordering import Ordering
from engine.ledger.duckdb.reading import Reading
from engine.ledger.duckdb.segments import Noticing, SegmentReading
from engine.ledger.duckdb.sending import Sending
from engine.ledger.duckdb.writing import Writing
from engine.ledger.identity import Identity
from engine.ledger.pseudonyms import Pseudonyms


class DuckdbReading(Reading, SegmentReading):
    """A ledger, or the copy that the last run left, open to read. `copied_at` is None when it is as new as the ledger."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, files: LedgerFiles, copied_at: datetime | None) -> None:
        super().__init__(connection, files)
        self.copied_at = copied_at

    @classmethod
    def open(cls, path: Path, project: str, environment: str, *, pseudonyms: Pseudonyms | None = None) -> DuckdbReading:
        """Never waits for a lock: while a run holds the ledger this is the copy."""
        return cls(*opening.open_to_read(path, Identity.of(project, environment, pseudonyms)))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        self.close()


class DuckdbLedger(Reading, SegmentReading, Writing, Sending, Ordering, Listening, Noticing, Forgetting, Importing):
    """A ledger that this process alone may write, until it is closed. Open it only for an apply or a short command."""

    copied_at: datetime | None = None
    is_shared = False

    def __init__(self, connection: duckdb.DuckDBPyConnection, files: LedgerFiles, hold: Hold) -> None:
        super().__init__(connection, files)
        self._hold_of_files = hold
        self._opened_at = self._head.serial

    @staticmethod
    def create(path: Path, project: str, environment: str, *, now: datetime, pseudonyms: Pseudonyms | None = None) -> str:
        """Make an empty ledger; its lineage."""
        return opening.create(path, Identity.of(project, environment, pseudonyms), now)

    @classmethod
    def open(cls, path: Path, project: str, environment: str, *, command: str, now: datetime, pseudonyms: Pseudonyms | None = None) -> DuckdbLedger:
        """LockHeld when another process has it, LedgerRefused for any ledger but the one meant."""
        return cls(*opening.open_to_write(path, Identity.of(project, environment, pseudonyms), command=command, now=now))

    def clock(self) -> None:
        """One process writes, on one machine: its clock is the ledger's."""

    def let_others_plan(self) -> None:
        """Nothing: nobody else may open it until it is closed."""

    def close(self) -> None:
        """Leave the copy for readers and give the lock back. A second close does nothing."""
        opening.close(self.connection, self.files, self._hold_of_files, copy=self._head.serial != self._opened_at)

    def close_anew(self) -> None:
        """Close, and write the file anew: nothing that was erased is left in it, in its log or in the readers' copy."""
        caring.close_anew(self.connection, self.files, self._hold_of_files)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        self.close()
