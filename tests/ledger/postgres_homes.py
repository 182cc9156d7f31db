"""Ledgers on a real Postgres for tests: one database, a schema for each story."""

from __future__ import annotations

from itertools import count

import psycopg

from engine.ledger.ledger import Ledger
from engine.ledger.postgres import PostgresLedger, PostgresReading
from tests.ledger.conformance import Home

_numbers = count(1)


class PostgresHome(Home):
    """A schema with one ledger."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.schema = f"engine {next(_numbers)}"

    def create(self) -> None:
        PostgresLedger.create(self.url, "acme", "production", schema=self.schema)

    def open(self) -> PostgresLedger:
        if not self.exists():
            self.create()
        return PostgresLedger.open(self.url, "acme", "production", schema=self.schema, command="engine apply")

    def worker(self) -> PostgresLedger:
        """The ledger for one that only delivers."""
        return PostgresLedger.open(self.url, "acme", "production", schema=self.schema, command="engine deliver", lock=False)

    def reading(self) -> PostgresReading:
        return PostgresReading.open(self.url, "acme", "production", schema=self.schema)

    def reopen(self, ledger: Ledger) -> PostgresLedger:
        ledger.close()
        return self.open()

    def lapse(self, ledger: Ledger | None = None) -> None:
        """An hour passes for leases: those of rows, not that of the lock."""
        self.execute("UPDATE sends SET lease_until = lease_until - interval '1 hour' WHERE lease_until IS NOT NULL")

    def lapse_lock(self) -> None:
        self.execute("UPDATE plan_lock SET lease_until = lease_until - interval '1 hour'")

    def wipe(self) -> None:
        """Empty again, and of a lineage as new: making the tables takes longer than most stories."""
        tables = self.execute("SELECT table_name FROM information_schema.tables WHERE table_schema = current_schema()")
        kept = {"ledger_meta", "plan_lock"}
        self.execute("; ".join(f"DELETE FROM {name}" for (name,) in tables if name not in kept))
        self.execute(f"UPDATE ledger_meta SET lineage = gen_random_uuid(), serial = 0, head_hash = '{'0' * 64}', last_now = NULL")
        self.execute("UPDATE plan_lock SET holder = NULL, host = NULL, pid = NULL, since = NULL, lease_until = NULL")

    def exists(self) -> bool:
        with psycopg.connect(self.url) as connection:
            return bool(connection.execute("SELECT 1 FROM pg_namespace WHERE nspname = %s", [self.schema]).fetchone())

    def execute(self, query: str) -> list[tuple[object, ...]]:
        """Something done behind the ledger's back."""
        with psycopg.connect(self.url) as connection:
            connection.execute(f'SET search_path = "{self.schema}"'.encode())
            cursor = connection.execute(query.encode())
            return cursor.fetchall() if cursor.description else []
