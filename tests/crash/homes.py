"""Where a life that is killed has its ledger: a file, or a schema of a Postgres. The words of one lead any process to it."""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from shutil import copytree
from typing import Any, Protocol

import psycopg

from engine.ledger.ledger import Ledger
from engine.ledger.postgres import PostgresLedger
from tests.delivery.ledgers import open_ledger
from tests.ledger.postgres_homes import PostgresHome

_APART = "#"


class Home(Protocol):
    """A ledger that lives and dies with processes, looked at from outside."""

    words: str

    def bury(self, owner: str = "") -> None:
        """The leases of the dead run out: of all, or of the one worker."""

    def rows(self) -> Mapping[str, tuple[str, str]]:
        """State and reason of every send, by its key."""

    def close(self) -> None: ...


class InAFile:
    """A DuckDB file; its one process dies with its lock, and nobody waits for a lease."""

    def __init__(self, blank: Path, folder: Path) -> None:
        self.path = copytree(blank, folder) / "ledger.duckdb"
        self.words = str(self.path)

    def bury(self, owner: str = "") -> None:
        pass

    def rows(self) -> Mapping[str, tuple[str, str]]:
        # Opened as the engine does, so that a write-ahead log that a kill left is read.
        with open_ledger(self.path) as ledger:
            found = ledger.connection.execute("SELECT send_key::VARCHAR, state, coalesce(reason, '') FROM sends").fetchall()
        return {key: (state, reason) for key, state, reason in found}

    def close(self) -> None:
        pass


class OnPostgres:
    """A schema with nothing in it."""

    def __init__(self, home: PostgresHome) -> None:
        home.wipe()
        self._home = home
        self._asking: psycopg.Connection[tuple[Any, ...]] | None = None
        self.words = f"{home.url}{_APART}{home.schema}"

    def bury(self, owner: str = "") -> None:
        until = time.monotonic() + 60
        # Its backend notices a moment later that nobody is there; what it had not committed is gone then.
        while not owner and self.count("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'engine' AND datname = current_database()"):
            assert time.monotonic() < until, "a backend of a dead process is still there"
            time.sleep(0.005)
        self._ask(
            "UPDATE sends SET lease_until = lease_until - interval '1 hour' WHERE lease_until IS NOT NULL AND (%(owner)s = '' OR owner LIKE %(owner)s || ' %%')",
            {"owner": owner},
        )
        if not owner:
            self._ask("UPDATE plan_lock SET lease_until = lease_until - interval '1 hour'")

    def rows(self) -> Mapping[str, tuple[str, str]]:
        assert self.count("SELECT count(*) - max(serial) FROM transactions") == 0, "a link of the chain is missing"
        found = self._ask("SELECT send_key::text, state, coalesce(reason, '') FROM sends").fetchall()
        return {key: (state, reason) for key, state, reason in found}

    def count(self, query: str) -> int:
        row = self._ask(query).fetchone()
        return int(row[0]) if row else 0

    def close(self) -> None:
        if self._asking is not None:
            self._asking.close()
            self._asking = None

    def _ask(self, query: str, values: Mapping[str, Any] | None = None) -> psycopg.Cursor[tuple[Any, ...]]:
        if self._asking is None:
            self._asking = psycopg.connect(self._home.url, autocommit=True, application_name="judge")
            self._asking.execute(f'SET search_path = "{self._home.schema}"'.encode())
        return self._asking.execute(query.encode(), values)


def open_home(words: str, now: datetime, *, lock: bool = True) -> Ledger:
    """The ledger that the words name, in whatever process."""
    url, apart, schema = words.partition(_APART)
    if apart:
        return PostgresLedger.open(url, "acme", "production", schema=schema, command="engine apply", lock=lock)
    return open_ledger(Path(words), now)


