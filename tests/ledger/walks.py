"""Random walks over a ledger: anything, in any order, by anyone."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any

from engine.ledger.ledger import Ledger
from engine.ledger.orders import Order
from engine.ledger.records import Claimed
from engine.ledger.transitions import State
from tests.ledger.stories import MONDAY, changes, dispatch, key, run, said, send, skip


def walk(ledger: Ledger, seed: int, *, steps: int, lapse: Callable[[Ledger], None] = lambda ledger: None) -> Iterator[tuple[State | None, State]]:
    """Do `steps` random things to five sends of one contract each; each change of a row's state."""
    dice = random.Random(seed)
    records = [f"{seed}-{place}" for place in range(5)]
    held: list[Claimed] = []
    now = (ledger.head().last_now or MONDAY) + timedelta(minutes=1)
    before = _states(ledger)
    for step in range(steps):
        now += timedelta(seconds=dice.choice([1, 60, 600]))
        _one(ledger, dice, records, held, now, f"{seed}-{step}", lapse)
        after = _states(ledger)
        for send_key, state in after.items():
            if before.get(send_key) != state:
                yield before.get(send_key), state
        before = after


def _states(ledger: Ledger) -> dict[str, Any]:
    return {row.send_key: row.state for row in ledger.sends(limit=1000).rows}


def _one(ledger: Ledger, dice: random.Random, records: list[str], held: list[Claimed], now: datetime, name: str, lapse: Callable[[Ledger], None]) -> None:
    record = dice.choice(records)
    old = dice.choice(held) if held else None
    match dice.choice(["plan", "plan", "claim", "claim", "dispatch", "dispatch", "settle", "settle", "other", "recover"]):
        case "plan":
            what = dice.choice(["sends", "sends", "sends", "skips", "cancels"])
            rows: dict[str, Any] = {"sends": [send(r, now=now) for r in records], "skips": [skip(record)], "cancels": [{"send_key": key(record), "reason": "r"}]}
            ledger.commit(run(now), changes(**{what: rows[what]}))
        case "claim":
            held += ledger.claim(dice.choice("ab"), dice.randint(1, 3), now)
        case "dispatch" if old:
            shown = ledger.show(old.send_key)
            if shown is not None and shown.payload_hash in (None, dispatch(old).frozen.payload_hash):
                ledger.begin_dispatch([dispatch(old, ttl=dice.choice([0, 0, 3600]))], now)
        case "settle" if old:
            ledger.settle([said(old, dice.choice(["sent", "failed", "retry", "unknown"]))], now, max_attempts=2)
        case "recover":
            if dice.random() < 0.8:
                lapse(ledger)
            ledger.recover(now)
        case "other" if old:
            shown = ledger.show(old.send_key)
            if shown is not None and shown.row.state == "unknown":
                ledger.resolve(old.send_key, dice.choice(["sent", "failed", "resend"]), by="mia", note="", now=now)
            elif dice.random() < 0.5:
                ledger.release([(old.send_key, old.token)], now)
            else:
                ledger.take_in({name: Order("suppress", now, "mia", address_key=f"k:{old.contact}@example.com", reason="bounce")}, now)
