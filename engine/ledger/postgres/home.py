"""An open ledger on Postgres: its connection, its transactions, and the chain that ties each of them to all before it.

Who takes what first, so that no two ever wait for each other: rows of `sends` in the order of their keys, then the gate of orders
(shared by a dispatch, alone for orders and plans), then the head (`ledger_meta`), then everything else. A transaction that does not
touch sends begins at the gate. The head is taken as late as can be: it is where all commits stand in line.

Two clocks: leases, and how long a provider knows a key, are reckoned by the server's clock_timestamp(). What a plan decided by
its own now (due, expires, judged, put off, paused until, what is written as having happened) is compared with the caller's `now`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

import psycopg

from engine.failpoints import failpoint
from engine.ledger.chain import Transaction
from engine.ledger.history import Head
from engine.ledger.ledger import LedgerBroken
from engine.ledger.names import Calling, Names
from engine.ledger.postgres.connecting import Connection, Place, transaction, warnings_of
from engine.ledger.witness import Witness, write_witness

Done = TypeVar("Done")
Values = Mapping[str, Any]
# Nothing was written: the whole transaction is done once more.
_AGAIN = (psycopg.errors.DeadlockDetected, psycopg.errors.SerializationFailure, psycopg.errors.LockNotAvailable)
_TRIES = 5
# The first four letters of the engine's gate, so that it meets no advisory lock of another program; the migration has the same.
_GATE = 1701736292
# What a worker asks is found by a key or in the order of an index. Told so, the planner does not need to know how large a table has
# grown since it was last analyzed: right after a plan it takes `sends` for small, and would sort all that is planned for each claim.
_BY_INDEX = tuple(f"enable_{way} = off" for way in ("seqscan", "bitmapscan", "sort", "hashjoin", "mergejoin"))
_LINK = b"""
WITH head AS (
  UPDATE ledger_meta
  SET serial = serial + %(step)s, last_now = CASE WHEN %(plan)s THEN greatest(last_now, %(now)s) ELSE last_now END,
      head_hash = encode(sha256(convert_to(concat(head_hash, E'\\n', serial + %(step)s, %(tail)s::text), 'UTF8')), 'hex')
  RETURNING serial, head_hash, lineage
), linked AS (
  INSERT INTO transactions (serial, head_hash, kind, done_at, covers) SELECT serial, head_hash, %(kind)s, %(now)s, %(covers)s FROM head
)
SELECT serial, head_hash, lineage::text FROM head
"""


class Home(Calling):
    """The connection. One thread uses it; other processes and hosts have theirs."""

    def __init__(self, connection: Connection, place: Place, witness: Path | None) -> None:
        self.connection = connection
        self.place = place
        self._witness = witness
        self._broken = False

    def head(self) -> Head:
        with self._reading():
            return self._read_head()

    def clock(self) -> datetime:
        """The server's now, naive UTC: what workers on several hosts agree on."""
        with self._reading():
            now: datetime = self._row(b"SELECT clock_timestamp()")[0]
        return now

    def warnings(self) -> tuple[str, ...]:
        """What an operator should know of this server."""
        with self._reading():
            return warnings_of(self.connection)

    def _read_head(self) -> Head:
        return Head(*self._row(b"SELECT project, environment, lineage::text, serial, head_hash, last_now FROM ledger_meta"))

    def names(self) -> Names:
        """What sequences and steps are called now."""
        with self._reading():
            return self._read_names()

    def _read_names(self) -> Names:
        return self._followed_names().with_renamed(self._renamed)

    def _followed_names(self) -> Names:
        """What applies have followed. A plan asks under these: it may be of other definitions, and says itself what they renamed."""
        return Names.of(self._rows(b"SELECT sequence, step, name, since FROM names ORDER BY since, serial"))

    # --- asking ---------------------------------------------------------------------------------------------

    def _rows(self, query: bytes, values: Values | None = None) -> list[tuple[Any, ...]]:
        return self.connection.execute(query, values).fetchall()

    def _row(self, query: bytes, values: Values | None = None) -> tuple[Any, ...]:
        return self._rows(query, values)[0]

    def _run(self, query: bytes, values: Values | None = None) -> int:
        """Do it; the number of rows that it wrote."""
        return self.connection.execute(query, values).rowcount

    @contextmanager
    def _reading(self, kind: str = "READ ONLY") -> Iterator[None]:
        """All that is read inside is of one moment."""
        try:
            with transaction(self.connection, self.place, f"ISOLATION LEVEL REPEATABLE READ {kind}"):
                yield
        except psycopg.Error as error:
            raise LedgerBroken(f"{self.place} cannot be read", help="nothing was changed; look at the server, and at the rights of this role") from error

    # --- writing --------------------------------------------------------------------------------------------

    def _write(self, kind: str, now: datetime, work: Callable[[Transaction], Done], *, inside: str = "", after: str = "", by_index: bool = True) -> Done:
        """One committed transaction, or none. Any failure to write ends this ledger for the process."""
        if self._broken:
            raise LedgerBroken("the ledger failed to write before; nothing more is recorded", help="look at the server, then run again")
        for attempt in range(1, _TRIES + 1):
            try:
                return self._write_once(kind, now, work, inside, after, _BY_INDEX if by_index else ())
            except _AGAIN as error:
                if attempt == _TRIES:
                    raise self._failed(kind) from error
            except psycopg.Error as error:
                raise self._failed(kind) from error
        raise self._failed(kind)

    def _failed(self, kind: str) -> LedgerBroken:
        self._broken = True
        return LedgerBroken(f"{self.place} could not be written ({kind})", help="nothing more is sent; look at the server, then run again")

    def _write_once(self, kind: str, now: datetime, work: Callable[[Transaction], Done], inside: str, after: str, settings: Sequence[str]) -> Done:
        moving = Transaction(0)
        self.connection.execute(self.place.begin("ISOLATION LEVEL READ COMMITTED READ WRITE", settings))
        try:
            done = work(moving)
            if moving.abandoned:
                self.connection.execute("ROLLBACK")
                return done
            values = {"step": 0 if moving.serial else 1, "plan": kind == "plan", "kind": kind, "now": now, "tail": moving.tail(kind, now)}
            values["covers"] = moving.digest.hexdigest()
            serial, head_hash, lineage = self._row(_LINK, values)
        except BaseException:
            with suppress(psycopg.Error):
                self.connection.execute("ROLLBACK")
            raise
        failpoint(inside)
        self.connection.execute("COMMIT")
        failpoint(after)
        self._bear_witness(Witness(lineage, serial, head_hash))
        return done

    def _bear_witness(self, witness: Witness) -> None:
        if self._witness is None:
            return
        try:
            write_witness(self._witness, witness)
        except OSError as error:
            self._broken = True
            raise LedgerBroken(f"the witness {self._witness} could not be written", help="look at the disk; nothing more is sent") from error

    def _take_head(self, moving: Transaction) -> int:
        """Stand in line for the head now, for a transaction whose rows say their serial."""
        (moving.serial,) = self._row(b"UPDATE ledger_meta SET serial = serial + 1 RETURNING serial")
        return moving.serial

    def _lock_sends(self, keys: list[str]) -> None:
        """Hold these rows until the end. What is asked next sees them as they are now, and as they stay."""
        self._rows(b"SELECT 1 FROM sends WHERE send_key = ANY(%(keys)s::uuid[]) ORDER BY send_key FOR UPDATE", {"keys": keys})

    def _close_gate(self) -> None:
        """No dispatch looks or commits until this transaction ends."""
        self._rows(b"SELECT pg_advisory_xact_lock(%(gate)s, hashtext(current_schema()))::text", {"gate": _GATE})

    def _share_gate(self) -> None:
        """No order is taken in until this transaction ends."""
        self._rows(b"SELECT pg_advisory_xact_lock_shared(%(gate)s, hashtext(current_schema()))::text", {"gate": _GATE})
