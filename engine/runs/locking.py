"""Orders and the lock: carried out at once where the ledger is free or shared, left in the inbox of the run that holds it (semantics 9.8)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from engine.definitions.environments import resolve
from engine.definitions.loading import load
from engine.definitions.trees import WorkTree
from engine.errors import EngineError, LockHeld
from engine.ledger.duckdb.files import who_holds
from engine.ledger.identity import Holder
from engine.ledger.orders import Order
from engine.ledger.pseudonyms import read_pseudonyms
from engine.runs.homes import EmbeddedHome, PostgresHome
from engine.runs.inbox import FOLDER, leave_order, waiting
from engine.runs.opening import STATE, Site


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
        # What was left there before goes first: an older start must not undo this stop at the next run.
        orders = waiting(site.state)
        done = ledger.take_in(orders, site.now)
        for name in orders:
            (site.state / FOLDER / name).unlink(missing_ok=True)
    return Obeyed(done.get(path.name, 0))


def obey_in_spite(root: Path, env_name: str | None, environ: Mapping[str, str], order: Order, command: str, now: datetime) -> bool:
    """Carry the order out where the definitions are in error and the ledger is shared: an inbox of this host reaches no worker of another.

    False when it could not be: no ledger on Postgres, or engine.yaml itself is in error, or the ledger cannot be reached.
    """
    parts = load(WorkTree(root)).sound_parts
    if parts is None:
        return False
    try:
        environment = resolve(parts.project, env_name, environ)
        site = Site(root, parts, environment, now, read_pseudonyms(root / STATE, environ.get("ENGINE_PSEUDONYM_KEY")), (), False)
        return isinstance(site.home, PostgresHome) and obey(site, order, command).rows is not None
    except EngineError:
        return False
