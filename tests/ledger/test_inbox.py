"""Orders that never wait for a lock (semantics 9.8)."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest

from engine.ledger.duckdb import DuckdbLedger
from engine.ledger.orders import NotAnOrder, Order
from engine.runs.inbox import InboxUnreadable, leave_order, take_in_inbox, waiting
from tests.ledger.stories import MONDAY, candidates

ROOT = Path(__file__).parents[2]
STOP = Order("stop", MONDAY, "mia", note="wrong prices")


@pytest.fixture
def ledger(tmp_path: Path) -> DuckdbLedger:
    DuckdbLedger.create(tmp_path / "ledger.duckdb", "acme", "production", now=MONDAY)
    return DuckdbLedger.open(tmp_path / "ledger.duckdb", "acme", "production", command="apply", now=MONDAY)


def controls(ledger: DuckdbLedger) -> list[str]:
    return [row["action"] for row in ledger.view(candidates()).tables["controls"].to_pylist()]


def test_9_8_orders_are_taken_in_exactly_once(ledger: DuckdbLedger, tmp_path: Path) -> None:
    """In the order in which they were given; a file that comes back is nothing new."""
    path = leave_order(tmp_path, STOP)
    again = path.read_bytes()
    leave_order(tmp_path, Order("pause", MONDAY + timedelta(seconds=1), "mia", sequence="renewal"))
    assert [order.verb for order in waiting(tmp_path).values()] == ["stop", "pause"]
    assert len(take_in_inbox(ledger, tmp_path, MONDAY)) == 2
    assert controls(ledger) == ["stopped", "paused"]
    assert waiting(tmp_path) == {}
    leave_order(tmp_path, Order("start", MONDAY, "mia"))
    path.write_bytes(again)
    assert len(take_in_inbox(ledger, tmp_path, MONDAY)) == 1
    assert controls(ledger) == ["paused"]
    assert take_in_inbox(ledger, tmp_path, MONDAY) == ()
    ledger.close()


@pytest.mark.parametrize("content", ["", "{", "[]", '{"format": 2}', '{"format": 1, "verb": "stpo", "at": "2026-01-05T02:00:00Z", "by": "mia"}'])
def test_9_8_what_cannot_be_read_means_stop(ledger: DuckdbLedger, tmp_path: Path, content: str) -> None:
    """The readable orders are carried out, the other stays where it is, and nothing more is sent."""
    leave_order(tmp_path, STOP)
    (tmp_path / "inbox" / "20260105-x.json").write_text(content)
    for _ in range(2):
        with pytest.raises(InboxUnreadable, match="20260105-x.json"):
            take_in_inbox(ledger, tmp_path, MONDAY)
    assert controls(ledger) == ["stopped"]
    ledger.close()


def test_9_8_a_kill_between_ledger_and_file(tmp_path: Path) -> None:
    """The order is in the ledger and its file still there: the next run takes it for done."""
    path = tmp_path / "ledger.duckdb"
    DuckdbLedger.create(path, "acme", "production", now=MONDAY)
    leave_order(tmp_path, STOP)
    code = f"""
from pathlib import Path
from engine.ledger.duckdb import DuckdbLedger
from engine.runs.inbox import take_in_inbox
from tests.ledger.stories import MONDAY
take_in_inbox(DuckdbLedger.open(Path({str(path)!r}), "acme", "production", command="apply", now=MONDAY), Path({str(tmp_path)!r}), MONDAY)
"""
    ended = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env={**os.environ, "ENGINE_FAILPOINT": "INBOX", "PYTHONPATH": str(ROOT)}, check=False)
    assert ended.returncode == -signal.SIGKILL
    assert len(waiting(tmp_path)) == 1
    with DuckdbLedger.open(path, "acme", "production", command="apply", now=MONDAY) as ledger:
        assert controls(ledger) == ["stopped"]
        ledger.take_in({"later": Order("start", MONDAY, "mia")}, MONDAY)
        assert take_in_inbox(ledger, tmp_path, MONDAY) == ()
        assert controls(ledger) == []
    assert waiting(tmp_path) == {}


def test_an_order_is_what_it_was_after_reading() -> None:
    """Every word of it; and what makes no sense is no order."""
    for order in (
        STOP,
        Order("pause", MONDAY, "mia", sequence="renewal", contact="ก\"'", until=MONDAY + timedelta(days=1)),
        Order("suppress", MONDAY, "mia", address_key="ab", reason="manual", topic="news"),
    ):
        assert Order.from_json(order.to_json()) == order
    for wrong in ({"verb": "stop", "contact": "1"}, {"verb": "cancel"}, {"verb": "cancel", "sequence": "a"}, {"verb": "suppress", "address_key": "a"}):
        with pytest.raises(NotAnOrder):
            Order(at=MONDAY, by="mia", **wrong)  # type: ignore[arg-type]  # each case is one wrong value
