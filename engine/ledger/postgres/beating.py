"""The heartbeat of a process that holds something: a thread with a connection of its own."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta

import psycopg

from engine.ledger.ledger import LedgerBroken
from engine.ledger.postgres.connecting import Connection, Place, transaction


class Heartbeat:
    """Calls `beat` inside a transaction every now and then, until it is stopped. A beat that fails is made up for by the next one:
    what it extends is guarded by tokens, so a missed beat costs a claim and never a second mail."""

    def __init__(self, place: Place, beat: Callable[[Connection], None], every: timedelta) -> None:
        self._place, self._beat, self._every = place, beat, every
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="ledger-heartbeat", daemon=True)

    def start(self) -> None:
        """Begin; a second start does nothing."""
        if not self._thread.is_alive() and not self._ended.is_set():
            self._thread.start()

    def stop(self) -> None:
        """No beat begins after this returns."""
        self._ended.set()
        if self._thread.is_alive():
            self._thread.join(timeout=30)

    def _run(self) -> None:
        connection: Connection | None = None
        try:
            while not self._ended.wait(self._every.total_seconds()):
                with suppress(LedgerBroken, psycopg.Error):
                    if connection is None or connection.closed:
                        connection = self._place.connect()
                    with transaction(connection, self._place, "READ WRITE"):
                        self._beat(connection)
        finally:
            if connection is not None:
                connection.close()
