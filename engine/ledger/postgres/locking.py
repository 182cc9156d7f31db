"""The plan's lock: a row with a holder and a lease by the server's clock (reliability.md §3.9). One plans at a time, on any number of hosts."""

from __future__ import annotations

import os
import socket
import time
from datetime import datetime, timedelta
from typing import Any

from engine.ledger.identity import Holder, held_by
from engine.ledger.postgres.connecting import Connection, Place, transaction

# A holder that was killed keeps the others out for this long; one that lives renews it four times in that time.
LOCK_LEASE = timedelta(seconds=40)
# Two that ask in the same moment: the one who comes second waits until the other's name is there to be told.
_PATIENCE = 20
_TAKE = b"""
WITH free AS MATERIALIZED (
  SELECT only_row FROM plan_lock WHERE holder IS NULL OR lease_until <= clock_timestamp() FOR UPDATE SKIP LOCKED
)
UPDATE plan_lock
SET token = plan_lock.token + 1, holder = %(holder)s, host = %(host)s, pid = %(pid)s, since = clock_timestamp(),
    lease_until = clock_timestamp() + %(lease)s
FROM free WHERE plan_lock.only_row = free.only_row AND (plan_lock.holder IS NULL OR plan_lock.lease_until <= clock_timestamp())
RETURNING plan_lock.token
"""
_HOLDER = b"SELECT pid, host, since, holder FROM plan_lock WHERE holder IS NOT NULL AND lease_until > clock_timestamp()"
# Held by this transaction until its end: nobody takes the lock over while a plan is being committed.
_FENCE = b"SELECT 1 FROM plan_lock WHERE token = %(token)s AND holder IS NOT NULL FOR UPDATE"
_RENEW = b"""
UPDATE plan_lock SET lease_until = clock_timestamp() + %(lease)s
WHERE only_row IN (SELECT only_row FROM plan_lock WHERE token = %(token)s AND holder IS NOT NULL FOR UPDATE SKIP LOCKED)
"""
_RELEASE = b"UPDATE plan_lock SET holder = NULL, host = NULL, pid = NULL, since = NULL, lease_until = NULL WHERE token = %(token)s AND holder IS NOT NULL"


def take_lock(connection: Connection, place: Place, command: str, lease: timedelta) -> int:
    """Take the lock; its token. LockHeld at once when another process has it, and it names that process."""
    values = {"holder": command, "host": socket.gethostname(), "pid": os.getpid(), "lease": lease}
    for _ in range(_PATIENCE):
        with transaction(connection, place, "READ WRITE"):
            taken = connection.execute(_TAKE, values).fetchone()
            holder = None if taken else read_holder(connection)
        if taken:
            return int(taken[0])
        if holder is not None:
            raise held_by(str(place), holder)
        time.sleep(0.02)
    raise held_by(str(place), None)


def read_holder(connection: Connection) -> Holder | None:
    """Who has the lock, inside a transaction. For people to read: only the row's lock decides."""
    row = connection.execute(_HOLDER).fetchone()
    if row is None:
        return None
    since: datetime = row[2]
    return Holder(row[0], row[1], since.isoformat(timespec="seconds") + "Z", row[3])


def has_lock(connection: Connection, token: int) -> bool:
    """Whether the lock is still this holder's, and it stays so until the transaction ends."""
    return connection.execute(_FENCE, {"token": token}).fetchone() is not None


def renew_lock(connection: Connection, token: int, lease: timedelta) -> None:
    """Extend the lease, inside a transaction; nothing when another has taken the lock over."""
    connection.execute(_RENEW, {"token": token, "lease": lease})


def release_lock(connection: Connection, token: int) -> None:
    """Give the lock back, inside a transaction; nothing when another has it."""
    values: dict[str, Any] = {"token": token}
    connection.execute(_RELEASE, values)
