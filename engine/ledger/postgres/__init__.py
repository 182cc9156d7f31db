"""The ledger's second home: a schema of a Postgres database, for any number of workers on any number of hosts (reliability.md §3.9)."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path
from secrets import token_hex
from types import TracebackType
from typing import Self

import psycopg

from engine.ledger.care import Restored, Verified
from engine.ledger.identity import Identity
from engine.ledger.postgres import opening
from engine.ledger.postgres.arriving import Arriving
from engine.ledger.postgres.beating import Heartbeat
from engine.ledger.postgres.connecting import Connection, Place, refuse_server, transaction
from engine.ledger.postgres.forgetting import Forgetting
from engine.ledger.postgres.importing import Importing
from engine.ledger.postgres.least_rights import refuse_who_may_write
from engine.ledger.postgres.listening import Listening
from engine.ledger.postgres.locking import LOCK_LEASE, release_lock, renew_lock, take_lock
from engine.ledger.postgres.ordering import Ordering
from engine.ledger.postgres.reading import Reading
from engine.ledger.postgres.rekeying import Rekeying
from engine.ledger.postgres.restoring import Restoring
from engine.ledger.postgres.segments import Noticing, SegmentReading
from engine.ledger.postgres.sending import CLAIM_LEASE, Sending
from engine.ledger.postgres.statements import in_schema, statement
from engine.ledger.postgres.verifying import verify
from engine.ledger.postgres.writing import Writing
from engine.ledger.pseudonyms import Pseudonyms

SCHEMA = "engine"


def roles_sql(schema: str = SCHEMA) -> str:
    """The SQL that an administrator runs once, before `engine state create`: the roles, and the schema for the one that owns it."""
    return in_schema("roles", schema).decode()


class PostgresReading(Reading, SegmentReading):
    """A ledger open to read: as it is at each question, whoever works on it. `copied_at` is always None."""

    copied_at: datetime | None = None

    @classmethod
    def open(
        cls, url: str, project: str, environment: str, *, schema: str = SCHEMA, pseudonyms: Pseudonyms | None = None, witness: Path | None = None
    ) -> PostgresReading:
        """Never waits for a lock. LedgerRefused for any ledger but the one meant."""
        place = Place(url, schema)
        connection = place.connect()
        try:
            with opening.errors_told(place):
                opening.check(connection, place, Identity.of(project, environment, pseudonyms), witness)
        except BaseException:
            connection.close()
            raise
        return cls(connection, place, None)

    @classmethod
    def verify(
        cls, url: str, project: str, environment: str, *, schema: str = SCHEMA, pseudonyms: Pseudonyms | None = None, witness: Path | None = None
    ) -> Verified:
        """Read all of it, and check everything that has to agree. LedgerRefused for a ledger that is not there, or of another project."""
        place = Place(url, schema)
        with place.connect() as connection:
            opening.refuse_other(connection, place, Identity.of(project, environment, pseudonyms))
            return verify(connection, place, witness)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        self.close()


class PostgresLedger(Reading, SegmentReading, Writing, Sending, Ordering, Listening, Noticing, Forgetting, Rekeying, Restoring, Importing, Arriving):
    """A ledger that this process may write, with the plan's lock or without: a worker that only delivers, and an order, need none."""

    copied_at: datetime | None = None
    is_shared = True

    def __init__(self, connection: Connection, place: Place, witness: Path | None, lock_lease: timedelta) -> None:
        super().__init__(connection, place, witness)
        self._lock_lease = lock_lease
        # No other process has this name: what an earlier one of the same worker held is not extended by this one.
        self._session = token_hex(4)
        self._owners: Mapping[str, timedelta] = {}
        self._heartbeat = Heartbeat(place, self._beat, min(lock_lease, CLAIM_LEASE) / 4)

    @staticmethod
    def create(url: str, project: str, environment: str, *, schema: str = SCHEMA, pseudonyms: Pseudonyms | None = None, witness: Path | None = None) -> str:
        """Make an empty ledger; its lineage."""
        return opening.create(Place(url, schema), Identity.of(project, environment, pseudonyms), witness)

    @staticmethod
    def migrate(url: str, project: str, environment: str, *, schema: str = SCHEMA, pseudonyms: Pseudonyms | None = None) -> tuple[int, int]:
        """Bring an older ledger to this engine's schema; the versions before and after."""
        return opening.migrate(Place(url, schema), Identity.of(project, environment, pseudonyms))

    @classmethod
    def open(
        cls,
        url: str,
        project: str,
        environment: str,
        *,
        command: str,
        schema: str = SCHEMA,
        pseudonyms: Pseudonyms | None = None,
        witness: Path | None = None,
        lock: bool = True,
        lock_lease: timedelta = LOCK_LEASE,
    ) -> PostgresLedger:
        """LockHeld when another process plans and `lock` is wanted; LedgerRefused for any ledger but the one meant, and for a server
        that may forget. With `witness`, what this host last saw has to be in it, and each commit is noted there."""
        place = Place(url, schema)
        connection = place.connect()
        try:
            with opening.errors_told(place):
                refuse_server(connection, place)
                opening.check(connection, place, Identity.of(project, environment, pseudonyms), witness)
                ledger = cls(connection, place, witness, lock_lease)
                if lock:
                    ledger.lock_token = take_lock(connection, place, command, lock_lease)
                    ledger._heartbeat.start()
        except BaseException:
            connection.close()
            raise
        return ledger

    @staticmethod
    def refuse_writer(url: str, schema: str, crm_schema: str | None, tables: Sequence[str]) -> None:
        """LedgerRefused when this role may write one of the CRM's tables."""
        place = Place(url, schema)
        with place.connect() as connection:
            refuse_who_may_write(connection, place, crm_schema, tables)

    @classmethod
    def restored(
        cls,
        url: str,
        project: str,
        environment: str,
        *,
        witness: Path,
        now: datetime,
        schema: str = SCHEMA,
        pseudonyms: Pseudonyms | None = None,
        accept_rollback: bool = False,
        delivered: Collection[str] = (),
    ) -> Restored | None:
        """Take a ledger that the server's restore put back; None when it has all that this host saw. LedgerRefused without consent to
        what is forgotten, and for one of another lineage."""
        with cls.open(url, project, environment, command="engine state restore", schema=schema, pseudonyms=pseudonyms) as ledger:
            rolled_back = ledger.compare(witness)
            if not accept_rollback:
                if rolled_back:
                    raise rolled_back
                return None
            ledger._witness = witness
            return ledger.accept_rollback(delivered=delivered, now=now)

    def let_others_plan(self) -> None:
        """Give the plan's lock back before the end: what is planned is committed, and delivering needs none (9.1)."""
        if self.lock_token is None:
            return
        token, self.lock_token = self.lock_token, None
        # One that cannot be given back is over soon by itself.
        with suppress(psycopg.Error), transaction(self.connection, self.place, "READ WRITE"):
            release_lock(self.connection, token)

    def close(self) -> None:
        """Give the lock back. What is still claimed is free again when its lease is over. A second close does nothing."""
        self._heartbeat.stop()
        self.let_others_plan()
        self.connection.close()

    def close_anew(self) -> None:
        """Close, and write the tables anew that held what was erased."""
        try:
            self.rewrite_tables()
        finally:
            self.close()

    def _owner(self, worker: str) -> str:
        return f"{worker} {self._session}"

    def _hold_claims(self, worker: str, lease: timedelta) -> None:
        self._owners = {**self._owners, self._owner(worker): lease}
        self._heartbeat.start()

    def _beat(self, connection: Connection) -> None:
        """The heartbeat's, in its own thread and on its own connection: claims first, for the lock's row may be held by a commit."""
        for owner, lease in self._owners.items():
            connection.execute(statement("beat"), {"owners": [owner], "lease": lease})
        token = self.lock_token
        if token is not None:
            renew_lock(connection, token, self._lock_lease)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        self.close()
