"""1.1: what waits in the inbox, and what a killed run held, is in a plan as the apply after it finds it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest

from engine.ledger.duckdb.files import LedgerFiles
from engine.ledger.orders import Order
from engine.plan.plan import Plan
from engine.rehearsal.simulating import simulation
from engine.runs.applying import apply
from engine.runs.attending import attention
from engine.runs.explaining import explain
from engine.runs.inbox import FOLDER, leave_order, waiting
from engine.runs.planning import plan_now, plan_on
from tests.plan.base import contract
from tests.plan.samples import RENEWAL
from tests.runs.ground import Ground

AT = "2026-03-02T09:00:00+07:00"
LATER = "2026-03-18T09:00:00+07:00"
STOP: Mapping[str, Any] = {"verb": "stop"}
PAUSE: Mapping[str, Any] = {"verb": "pause", "sequence": "renewal"}
START: Mapping[str, Any] = {"verb": "start"}
RESUME: Mapping[str, Any] = {"verb": "resume", "sequence": "renewal"}
CANCEL: Mapping[str, Any] = {"verb": "cancel", "sequence": "renewal", "contact": "1"}
SUPPRESS: Mapping[str, Any] = {"verb": "suppress", "reason": "bounce"}


def on_the_way(root: Path) -> Ground:
    """Contract 7 has had its notice of 30 days; that of 14 is due LATER."""
    ground = Ground.make(root, RENEWAL, contract(7, end_date="2026-04-01"))
    ground.apply(AT)
    return ground


def leave(ground: Ground, *orders: Mapping[str, Any]) -> None:
    site = ground.site(LATER)
    for said in orders:
        about = {"address_key": site.pseudonyms.address_key("person1@example.com")} if said["verb"] == "suppress" else {}
        leave_order(site.state, Order(at=site.now - timedelta(hours=1), by="somebody", **said, **about))


def told(plan: Plan) -> list[tuple[str, str, str]]:
    return [(row["decision"], row["reason"], row["step"]) for row in plan.decisions.to_pylist()]


@pytest.mark.parametrize(
    ("orders", "reason"),
    [
        ((), "due"),
        ((STOP,), "stopped"),
        ((PAUSE,), "paused_sequence"),
        ((STOP, PAUSE), "stopped"),
        ((STOP, START), "due"),
        ((PAUSE, RESUME), "due"),
        ((CANCEL,), "cancelled"),
        ((SUPPRESS,), "left_audience"),
    ],
)
def test_1_1_9_8_a_plan_has_taken_in_what_waits(tmp_path: Path, orders: tuple[Mapping[str, Any], ...], reason: str) -> None:
    """1.1, 9.8: plan, simulate and explain say what the apply does, and the order is still there for it to take in, exactly once."""
    ground = on_the_way(tmp_path)
    leave(ground, *orders)
    site = ground.site(LATER)
    plan = plan_now(site).plan
    assert reason in {row[1] for row in told(plan)}
    assert reason in {sheet.reason for sheet in explain(site, contact="1").sheets}
    assert simulation(site, site.now).mails == plan.summary["send"] == (1 if reason == "due" else 0)
    assert len(waiting(site.state)) == len(orders)
    applied = ground.apply(LATER)
    assert told(applied.plan) == told(plan) and not waiting(site.state)
    assert len(ground.mails()) == 1 + plan.summary["send"]


def test_1_1_a_waiting_start_lifts_only_what_was_ordered_before_it(tmp_path: Path) -> None:
    """1.1, 9.8: a stop that the ledger has already, and that was given after the start, holds on in the plan as in the apply."""
    ground = on_the_way(tmp_path)
    site = ground.site(LATER)
    with site.open_ledger("stop") as ledger:
        ledger.take_in({"the stop": Order("stop", site.now, "somebody")}, site.now)
    leave(ground, START)
    assert told(plan_now(site).plan) == [("hold", "stopped", "notice-14")] == told(ground.apply(LATER).plan)


def test_1_1_two_plans_on_one_reading_are_one(tmp_path: Path) -> None:
    """1.1: what was taken in for the first is not taken in again for the second, and what came between them is."""
    ground = on_the_way(tmp_path)
    site = ground.site(LATER)
    with site.read_facts() as snapshot, site.read_ledger() as ledger:
        for orders, reason in (((PAUSE,), "paused_sequence"), ((), "paused_sequence"), ((RESUME,), "due")):
            leave(ground, *orders)
            assert [row[1] for row in told(plan_on(site, snapshot, ledger))] == [reason]


def test_1_1_attention_knows_what_waits(tmp_path: Path) -> None:
    """1.1: a hold that only the inbox knows of is about to run out, and is named."""
    ground = on_the_way(tmp_path)
    leave(ground, PAUSE)
    found = attention(ground.site(LATER), soon=timedelta(days=30)).findings
    assert "paused_sequence" in {one.why for one in found}


def test_9_8_an_unreadable_order_is_said(tmp_path: Path) -> None:
    """9.8: it may have been a stop, and no apply sends while it lies there; a plan says so in place of a mail that would go."""
    ground = on_the_way(tmp_path)
    site = ground.site(LATER)
    leave(ground, START)
    (site.state / FOLDER / "20260318T020000.000000Z-0001-x.json").write_text("{", encoding="utf-8")
    plan = plan_now(site).plan
    assert [row[1] for row in told(plan)] == ["stopped"]
    assert any("20260318T020000.000000Z-0001-x.json" in text and "may have been meant as a stop" in text for text in plan.diagnostics)


@pytest.mark.parametrize(("state", "on_unknown"), [("claimed", "ask"), ("dispatching", "ask"), ("dispatching", "resend"), ("unknown", "resend"), ("unknown", "assume_sent")])
def test_1_1_9_4_a_plan_has_what_a_killed_run_held(tmp_path: Path, state: str, on_unknown: str) -> None:
    """1.1, 9.4, 9.5: what was claimed goes again, what was being handed over is a doubt, settled as the sequence says: in the plan as in the apply."""
    ground = Ground.make(tmp_path, f"{RENEWAL}\n    on_unknown: {on_unknown}\n", contract(7, end_date="2026-04-01"))
    apply(ground.site(AT), environ=ground.environ, by="test", plan_only=True)
    _as_if_killed(ground, state)
    at = "2026-03-02T09:05:00+07:00"
    plan = plan_now(ground.site(at)).plan
    doubts = [(one.count, one.since) for one in attention(ground.site(at)).findings if one.kind == "unknown"]
    assert len(doubts) == (1 if (state, on_unknown) == ("dispatching", "ask") else 0), "9.5: told is what the next apply leaves to a person"
    applied = ground.apply(at)
    assert told(plan) == told(applied.plan)
    assert plan.summary["send"] == (1 if state == "claimed" or on_unknown == "resend" else 0)


def _as_if_killed(ground: Ground, state: str) -> None:
    """The one row as a process left it that died; the witness knows of the head only, which stays."""
    path = ground.site(AT).ledger_path
    with duckdb.connect(str(path)) as ledger:
        ledger.execute(
            "UPDATE sends SET state = $1, token = token + 1, attempts = 1, payload_hash = 'x', first_dispatch_at = decided_at, owner = CASE WHEN $1 <> 'unknown' THEN 'w' END, "
            "lease_until = CASE WHEN $1 <> 'unknown' THEN decided_at END, reason = CASE WHEN $1 = 'unknown' THEN 'process_died' END",
            [state],
        )
    # Readers look into the copy where it is as new.
    shutil.copyfile(path, LedgerFiles(path).copy)


def test_the_ledger_is_not_written_by_a_plan(tmp_path: Path) -> None:
    """Reading is reading: the same head, to the byte, before and after, whatever waits."""
    ground = on_the_way(tmp_path)
    leave(ground, STOP, SUPPRESS, CANCEL)
    path = ground.site(LATER).ledger_path
    before = path.read_bytes()
    assert json.dumps(plan_now(ground.site(LATER)).plan.summary)
    assert path.read_bytes() == before
