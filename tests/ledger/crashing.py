"""A small apply that can be killed anywhere: `python -m tests.ledger.crashing FOLDER TTL`. What was really delivered is in FOLDER/delivered."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from engine.failpoints import failpoint
from engine.ledger.duckdb import DuckdbLedger
from engine.ledger.ledger import Ledger
from engine.ledger.records import Claimed
from tests.ledger.stories import MONDAY, changes, dispatch, run, said, send

DUE = [str(place) for place in range(6)]
IN_FLIGHT = 3


def apply(folder: Path, ttl: int) -> None:
    """Everything from the lock to the end of the run, with a provider that knows keys for `ttl` seconds."""
    apply_to(DuckdbLedger.open(folder / "ledger.duckdb", "acme", "production", command="apply", now=MONDAY), folder, ttl)


def apply_to(ledger: Ledger, folder: Path, ttl: int) -> None:
    """The same for an open ledger of any home."""
    ledger.recover(MONDAY)
    one = run()
    ledger.commit(one, changes(sends=[send(record) for record in DUE]))
    send_planned(ledger, folder, ttl)
    ledger.finish_run(one.run_id, "done", {}, MONDAY)
    ledger.close()


def send_planned(ledger: Ledger, folder: Path, ttl: int) -> None:
    """Whatever is planned, until nothing is."""
    while rows := ledger.claim("w1", IN_FLIGHT, MONDAY):
        leaving = ledger.begin_dispatch([dispatch(row, ttl=ttl) for row in rows], MONDAY)
        going = [row for row in rows if row.send_key in leaving]
        for row in going:
            _hand_over(folder, row, ttl)
        ledger.settle([said(row, "sent", code=250) for row in going], MONDAY)


def _hand_over(folder: Path, row: Claimed, ttl: int) -> None:
    failpoint("FP8")
    if not ttl or row.send_key not in delivered(folder):
        handle = os.open(folder / "delivered", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        os.write(handle, f"{row.send_key}\n".encode())
        os.close(handle)
    failpoint("FP9")
    failpoint("FP10")


def delivered(folder: Path) -> list[str]:
    """What the receiving server took, in order."""
    path = folder / "delivered"
    return path.read_text().split() if path.exists() else []


if __name__ == "__main__":
    apply(Path(sys.argv[1]), int(sys.argv[2]))
