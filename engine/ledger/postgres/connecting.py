"""A connection to the server that keeps a ledger: how it is made, what it is called, and which servers are refused."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote, urlsplit

import psycopg
from psycopg.conninfo import conninfo_to_dict

from engine.errors import LedgerRefused
from engine.ledger.ledger import LedgerBroken
from engine.ledger.postgres.statements import quoted
from engine.ledger.postgres.texts import adapt

Connection = psycopg.Connection[tuple[Any, ...]]
# A link that is gone is noticed within half a minute, on both sides; a process that was stopped in a transaction lets go after two.
_LINK: dict[str, Any] = {
    "connect_timeout": 10,
    "keepalives": 1,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 30_000,
}
_SETTINGS = (
    "TimeZone = 'UTC'",
    "DateStyle = 'ISO, YMD'",
    "lock_timeout = '30s'",
    "idle_in_transaction_session_timeout = '2min'",
    "jit = off",
)


@dataclass(frozen=True)
class Place:
    """Where a ledger is: a database and a schema of it. Its text names both and no secret."""

    url: str = field(repr=False)
    schema: str

    def __post_init__(self) -> None:
        if not self.schema or len(self.schema.encode()) > 63 or self.schema.startswith("pg_") or "\0" in self.schema:
            raise LedgerRefused(f"`{self.schema}` cannot be a schema of Postgres", help="name another one under `ledger:` in engine.yaml")

    def __str__(self) -> str:
        try:
            # A URL, or `host=… dbname=…`: either may hold a password.
            said = conninfo_to_dict(self.url)
        except psycopg.Error:
            return f"the ledger in schema `{self.schema}`"
        database = f"/{said['dbname']}" if said.get("dbname") else ""
        return f"the ledger in schema `{self.schema}` of {said.get('host') or said.get('hostaddr') or 'localhost'}{database}"

    def connect(self) -> Connection:
        """A connection in autocommit; every transaction is begun and ended by name, and every setting ends with it, so that a pooler
        may stand between. Raises LedgerBroken when the server does not answer."""
        try:
            connection = psycopg.connect(self.url, autocommit=True, prepare_threshold=None, client_encoding="utf8", application_name="engine", **_LINK)
        except psycopg.Error as error:
            raise LedgerBroken(f"{self} cannot be reached: {self._masked(str(error))}", help="look at the server, and at the URL under `ledger:`") from None
        adapt(connection)
        return connection

    def begin(self, kind: str, settings: Sequence[str] = ()) -> bytes:
        """The statements that begin a transaction: `READ WRITE`, or `ISOLATION LEVEL REPEATABLE READ` and so on."""
        every = (f"search_path = {quoted(self.schema)}, pg_temp", *_SETTINGS, *settings)
        return "; ".join((f"BEGIN {kind}", *(f"SET LOCAL {setting}" for setting in every))).encode()

    def _masked(self, text: str) -> str:
        line = next(iter(text.strip().splitlines()), "")
        try:
            parts = urlsplit(self.url)
            given = [self.url, parts.password]
        except ValueError:
            given = [self.url]
        for secret in [form for value in given if value for form in (value, unquote(value))]:
            line = line.replace(secret, "***")
        return line


@contextmanager
def transaction(connection: Connection, place: Place, kind: str) -> Iterator[None]:
    """One transaction: committed, or rolled back when the block raises."""
    connection.execute(place.begin(kind))
    try:
        yield
    except BaseException:
        # A link that is lost has rolled back already.
        with suppress(psycopg.Error):
            connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


def refuse_server(connection: Connection, place: Place) -> None:
    """A server that forgets what it acknowledged, that follows another one, or that cannot hold every text."""
    row = connection.execute(
        """SELECT current_setting('synchronous_commit'), current_setting('fsync'), current_setting('full_page_writes'), pg_is_in_recovery(),
                  current_setting('server_encoding'), current_setting('server_version_num')::int"""
    ).fetchone()
    synchronous, fsync, full_pages, is_standby, encoding, version = row or ("", "", "", False, "", 0)
    if is_standby:
        raise LedgerRefused(f"{place} is on a standby, which may be behind", help="name the primary in the URL (target_session_attrs=read-write finds it)")
    for name, value in (("synchronous_commit", synchronous), ("fsync", fsync), ("full_page_writes", full_pages)):
        if value == "off":
            raise LedgerRefused(
                f"{place} is on a server with {name} = off: after a crash it would have forgotten what was sent",
                help=f"set {name} = on for this role and database",
            )
    if encoding != "UTF8":
        raise LedgerRefused(f"{place} is in a database with the encoding {encoding}", help="make the database with ENCODING 'UTF8'")
    if version < 130_000:
        raise LedgerRefused(f"{place} is on PostgreSQL {version // 10_000}, and 13 is the oldest that keeps one", help="use a newer server")


def warnings_of(connection: Connection) -> tuple[str, ...]:
    """What an operator should know and nothing refuses: a standby that may lack the last commits when it takes over."""
    row = connection.execute("SELECT current_setting('synchronous_standby_names') = '' AND EXISTS (SELECT FROM pg_stat_get_wal_senders())").fetchone()
    if row and row[0]:
        return ("the ledger's standby is asynchronous: after a failover to it, what was sent last may be missing; the witness finds that out",)
    return ()
