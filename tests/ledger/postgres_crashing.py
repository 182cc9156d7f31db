"""Processes that can be killed, on a ledger in Postgres. What was really delivered is in FOLDER/delivered.

`python -m tests.ledger.postgres_crashing apply URL SCHEMA FOLDER TTL` is a small apply; `deliver` in its place is a worker that goes on
until FOLDER/end is there, and begins anew when its ledger breaks.
"""

from __future__ import annotations

import sys
import time
from contextlib import suppress
from pathlib import Path

from engine.ledger.ledger import LedgerBroken
from engine.ledger.postgres import PostgresLedger
from tests.ledger.crashing import apply_to, send_planned
from tests.ledger.stories import MONDAY


def apply(url: str, schema: str, folder: Path, ttl: int) -> None:
    """Everything from the lock to the end of the run."""
    apply_to(PostgresLedger.open(url, "acme", "production", schema=schema, command="engine apply"), folder, ttl)


def deliver(url: str, schema: str, folder: Path, ttl: int) -> None:
    """A worker as a supervisor keeps it running."""
    while not (folder / "end").exists():
        with suppress(LedgerBroken), PostgresLedger.open(url, "acme", "production", schema=schema, command="engine deliver", lock=False) as ledger:
            while not (folder / "end").exists():
                ledger.recover(MONDAY)
                send_planned(ledger, folder, ttl)
                time.sleep(0.05)
        time.sleep(0.05)


if __name__ == "__main__":
    {"apply": apply, "deliver": deliver}[sys.argv[1]](sys.argv[2], sys.argv[3], Path(sys.argv[4]), int(sys.argv[5]))
