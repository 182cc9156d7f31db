"""Orders and the lock: carried out at once where the ledger is free or shared, left in the inbox of the run that holds it (semantics 9.8)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from engine.errors import LockHeld
from engine.ledger.duckdb.files import who_holds
from engine.ledger.identity import Holder
from engine.ledger.orders import Order
from engine.runs.homes import EmbeddedHome
from engine.runs.inbox import leave_order
from engine.runs.opening import Site


@dataclass(frozen=True, slots=True)
class Obeyed:
    """What became of an order: carried out, with the number of rows that it set or lifted, or left for the run that `holder` names."""

    rows: int | None
    holder: Holder | None = None
    left_at: Path | None = None


def obey(site: Site, order: Order, command: str) -> Obeyed:
    """Carry the order out, or leave it where a running apply looks before every group. Never waits, and never exits 5.

    On Postgres an order needs no lock: it is committed at once, and every worker's next dispatch sees it.
    """
    home = site.home
    try:
        ledger = site.open_ledger(command, lock=False)
    except LockHeld:
        return Obeyed(None, who_holds(home.files) if isinstance(home, EmbeddedHome) else None, leave_order(site.state, order))
    with ledger:
        # Through the inbox as well: an order that this process does not finish is found by the next run.
        path = leave_order(site.state, order)
        done = ledger.take_in({path.name: order}, site.now)
        path.unlink(missing_ok=True)
    return Obeyed(done.get(path.name, 0))
