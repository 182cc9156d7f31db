"""The two homes of a ledger, each behind the same few doors. What Postgres needs is imported when a ledger is there."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from engine.errors import EngineError
from engine.ledger.care import Restored, Verified
from engine.ledger.duckdb import DuckdbLedger, DuckdbReading
from engine.ledger.duckdb.files import LedgerFiles
from engine.ledger.duckdb.migrating import migrate
from engine.ledger.identity import Identity
from engine.ledger.ledger import Ledger, Reading
from engine.ledger.pseudonyms import Pseudonyms

if TYPE_CHECKING:
    from engine.ledger.postgres import PostgresLedger, PostgresReading

# The schema of Postgres where engine.yaml says none.
SCHEMA = "engine"


@dataclass(frozen=True)
class EmbeddedHome:
    """A DuckDB file with its companions: one process writes at a time."""

    path: Path
    identity: Identity
    pseudonyms: Pseudonyms

    def __str__(self) -> str:
        return str(self.path)

    @property
    def files(self) -> LedgerFiles:
        return LedgerFiles(self.path)

    def read(self) -> Reading:
        return DuckdbReading.open(self.path, self.identity.project, self.identity.environment, pseudonyms=self.pseudonyms)

    def open(self, command: str, now: datetime, *, lock: bool = True) -> Ledger:
        """The lock of the file is all there is: it is taken whatever `lock` says."""
        return DuckdbLedger.open(self.path, self.identity.project, self.identity.environment, command=command, now=now, pseudonyms=self.pseudonyms)

    def migrate(self, now: datetime) -> tuple[int, int]:
        """Bring an older ledger to this engine's schema; the versions before and after."""
        return migrate(self.files, self.identity, now)

    def create(self, now: datetime) -> None:
        DuckdbLedger.create(self.path, self.identity.project, self.identity.environment, now=now, pseudonyms=self.pseudonyms)


@dataclass(frozen=True)
class Crm:
    """A CRM in Postgres: where, and the tables that the map names."""

    url: str = field(repr=False)
    schema: str | None
    tables: tuple[str, ...]


@dataclass(frozen=True)
class PostgresHome:
    """A schema of a Postgres database: any number of processes, on any number of hosts. `witness` is what this host last saw of it."""

    url: str = field(repr=False)
    schema: str
    witness: Path
    identity: Identity
    pseudonyms: Pseudonyms

    def __str__(self) -> str:
        _driver()
        from engine.ledger.postgres.connecting import Place

        return str(Place(self.url, self.schema))

    def read(self) -> Reading:
        """The ledger as it is at each question."""
        return self.reader.open(
            self.url, self.identity.project, self.identity.environment, schema=self.schema, pseudonyms=self.pseudonyms, witness=self.witness
        )

    def open(self, command: str, now: datetime, *, lock: bool = True, crm: Crm | None = None) -> Ledger:
        """LedgerRefused when the role may write the CRM of the same database."""
        if crm is not None and _same_database(self.url, crm.url):
            self.ledger.refuse_writer(self.url, self.schema, crm.schema, crm.tables)
        return self.ledger_to_write(command, lock=lock)

    def ledger_to_write(self, command: str, *, lock: bool = True) -> PostgresLedger:
        """The same, with what this home alone can do."""
        return self.ledger.open(
            self.url,
            self.identity.project,
            self.identity.environment,
            command=command,
            schema=self.schema,
            pseudonyms=self.pseudonyms,
            witness=self._witness_to_write(),
            lock=lock,
        )

    def create(self, now: datetime) -> None:
        self.ledger.create(
            self.url, self.identity.project, self.identity.environment, schema=self.schema, pseudonyms=self.pseudonyms, witness=self._witness_to_write()
        )

    def migrate(self, now: datetime) -> tuple[int, int]:
        """Bring an older ledger to this engine's schema; the versions before and after."""
        return self.ledger.migrate(self.url, self.identity.project, self.identity.environment, schema=self.schema, pseudonyms=self.pseudonyms)

    def verify(self) -> Verified:
        return self.reader.verify(
            self.url, self.identity.project, self.identity.environment, schema=self.schema, pseudonyms=self.pseudonyms, witness=self.witness
        )

    def restored(self, now: datetime, *, accept_rollback: bool, delivered: Collection[str]) -> Restored | None:
        """Take a ledger that the server's restore put back; None when it has all that this host saw."""
        return self.ledger.restored(
            self.url,
            self.identity.project,
            self.identity.environment,
            schema=self.schema,
            pseudonyms=self.pseudonyms,
            witness=self._witness_to_write(),
            now=now,
            accept_rollback=accept_rollback,
            delivered=delivered,
        )

    @property
    def ledger(self) -> type[PostgresLedger]:
        _driver()
        from engine.ledger.postgres import PostgresLedger

        return PostgresLedger

    @property
    def reader(self) -> type[PostgresReading]:
        _driver()
        from engine.ledger.postgres import PostgresReading

        return PostgresReading

    def _witness_to_write(self) -> Path:
        # A worker in a fresh container has no such folder yet.
        self.witness.parent.mkdir(parents=True, exist_ok=True)
        return self.witness


def _same_database(one: str, other: str) -> bool:
    """Whether two URLs may lead to one database: by port and name, for a host has many names. Psycopg is there by now."""
    from psycopg import ProgrammingError
    from psycopg.conninfo import conninfo_to_dict

    try:
        places = [conninfo_to_dict(url) for url in (one, other)]
    except ProgrammingError:
        return True
    first, second = ((str(place.get("port") or 5432), place.get("dbname") or place.get("user")) for place in places)
    return first == second


def roles_sql(schema: str) -> str:
    """The SQL that an administrator runs once: the roles, and the schema for the one that owns it."""
    _driver()
    from engine.ledger.postgres import roles_sql as made

    return made(schema)


def _driver() -> None:
    """EngineError where the driver is not installed."""
    try:
        import psycopg  # noqa: F401 - whether it can be imported is the question
    except ImportError as error:
        raise EngineError("the ledger is on Postgres, and the driver for it is not installed", help="install the extra `postgres`") from error
