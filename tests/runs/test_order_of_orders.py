"""9.8: orders are carried out in the order in which people gave them, wherever they waited."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from engine.ledger.orders import Order
from engine.runs.inbox import leave_order, waiting

NOW = datetime(2026, 11, 23, 2)


def test_9_8_orders_of_one_instant_keep_their_order(tmp_path: Path) -> None:
    """9.8: a start and then a stop, both told with one `--now`: it stays stopped, forty times of forty."""
    verbs = ["start", "stop"] * 20
    for verb in verbs:
        leave_order(tmp_path, Order(verb, NOW, "mia"))  # type: ignore[arg-type]  # verbs are written above
    assert [order.verb for _, order in sorted(waiting(tmp_path).items())] == verbs


def test_9_8_an_earlier_order_comes_first_whenever_it_was_left(tmp_path: Path) -> None:
    """9.8: names begin with the moment of the order."""
    leave_order(tmp_path, Order("stop", NOW, "mia"))
    leave_order(tmp_path, Order("start", NOW.replace(hour=1), "mia"))
    assert [order.verb for _, order in sorted(waiting(tmp_path).items())] == ["start", "stop"]
