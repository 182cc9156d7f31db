"""One story, played in both homes: a plan then sees the same ledger, to the last cell."""

from __future__ import annotations

import random
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from engine.ledger.history import EnrollmentFilter, SendFilter
from engine.ledger.ledger import Ledger
from engine.ledger.orders import Order
from engine.ledger.records import VIEW, Claimed
from tests.ledger.postgres_homes import PostgresHome
from tests.ledger.stories import DUE_ON, MONDAY, candidates, changes, dispatch, enrollment, key, run, said, send, skip, who
from tests.ledger.test_duckdb import DuckdbHome

NASTY = "o'\"\\\n\r,\t\x00\x0b\x1a0\x1f ก้ 🎵 \\N \\."
RECORDS = [*map(str, range(12)), NASTY, ""]


def play(ledger: Ledger, seed: int) -> None:
    """A few weeks of a few contracts: everything that a view shows is moved."""
    dice = random.Random(seed)
    now, held = MONDAY, list[Claimed]()
    for step in range(25):
        now += timedelta(minutes=dice.choice([1, 5, 40, 2000]))
        some = dice.sample(RECORDS, 5)
        plan = {
            "starts": [{"sequence": "renewal", "started": now}] if dice.random() < 0.2 else [],
            "step_starts": [{"sequence": "renewal", "step": "notice-30", "started": now}] if dice.random() < 0.2 else [],
            "occurrences": [{**_occurrence(some[0]), "base_at": now, "source": "schedule", "note": None}],
            "ticks": [{"sequence": dice.choice(["letters", NASTY]), "tick": f"2026-01-{step + 1:02}T09:00", "base_at": now}] if dice.random() < 0.5 else [],
            "memberships": [{"sequence": "guests", "record": r, "member": dice.random() < 0.6} for r in some] if dice.random() < 0.5 else [],
            "rosters": [{"sequence": "guests", "digest": dice.choice(["sha256:1", "sha256:2", ""])}] if dice.random() < 0.4 else [],
            "enrollments": [{**enrollment(r, f"c{r}"), "base_at": now, "base_date": None} if dice.random() < 0.3 else enrollment(r, f"c{r}") for r in some],
            "returns": [who(some[0], f"c{some[0]}")],
            "exits": [{**who(some[1], f"c{some[1]}"), "reason": dice.choice(["complete", "goal_met", "trigger_gone"]), "final": dice.random() < 0.5}],
            "sends": [send(r, f"c{r}", now=now, address=f"a{dice.choice(some)}@example.com", topic=dice.choice([None, "", NASTY])) for r in some],
            "skips": [{**skip(some[2], f"c{some[2]}"), "reason": dice.choice(["expired", NASTY])}] if dice.random() < 0.5 else [],
            "cancels": [{"send_key": key(r, f"c{r}"), "reason": "left_audience"} for r in dice.sample(RECORDS, 2)],
            "fact_counts": [{"entity": "contract", "records": step}],
            "segment_counts": [{"segment": NASTY, "members": step // 3}],
        }
        ledger.commit(run(now, run_id=f"run-{step}"), changes(**plan))
        held += ledger.claim("w1", 4, now)
        for row in held[-3:]:
            shown = ledger.show(row.send_key)
            if shown is None or shown.row.state != "claimed":
                continue
            if ledger.begin_dispatch([dispatch(row, ttl=dice.choice([0, 86400]))], now):
                ledger.settle([said(row, dice.choice(["sent", "failed", "retry", "unknown", "unknown"]), phase="dot", retry_at=now)], now)
        order = dice.choice(
            [
                Order("pause", now, "mia", sequence="renewal", record=some[3], until=now + timedelta(minutes=30)),
                Order("resume", now, "mia", sequence="renewal", record=some[3]),
                Order("cancel", now, "mia", contact=f"c{some[4]}", note=NASTY),
                Order("suppress", now, "mia", address_key=f"k:a{some[3]}@example.com", reason="unsubscribed", topic=dice.choice([None, "news"])),
                Order("event", now, "mia", event="signed", event_id=dice.choice(RECORDS) or "e", entity="contract", record=some[0] or "r", happened_at=now),
                Order("unsuppress", now, "mia", address_key=f"k:a{some[3]}@example.com"),
            ]
        )
        ledger.take_in({f"{step}": order}, now)
        ledger.enroll_by_hand("welcome", "contact", dice.sample(RECORDS, 2), by="mia", note="", now=now, override=dice.random() < 0.5)
        ledger.settle_unknown({"renewal": dice.choice(["ask", "assume_sent", "resend"])}, now)


def _occurrence(record: str) -> dict[str, Any]:
    return {name: value for name, value in who(record).items() if name != "contact"}


def seen(ledger: Ledger, since: datetime) -> tuple[dict[str, pa.Table], tuple[Any, ...]]:
    """Everything that a plan and a person see, in an order of its own."""
    asked = candidates(*(("renewal", "contract", record, DUE_ON) for record in RECORDS[::2]), ("x", "y", "z", NASTY), whole=("welcome",), since=since, events=("signed",))
    view = ledger.view(asked)
    assert all(table.schema.equals(VIEW[name]) for name, table in view.tables.items())
    tables = {name: table.sort_by([(column, "ascending") for column in table.schema.names]).combine_chunks() for name, table in view.tables.items()}
    # Not the lineage and the hash; the run's ids and the moments are the same.
    head = ledger.head()
    people = (
        view.head, view.last_now, head.serial, head.last_now, ledger.sends(limit=1000), ledger.enrollments(limit=1000), ledger.enrollments(EnrollmentFilter(live=True), limit=3, offset=1),
        ledger.sends(SendFilter(state="sent", record=NASTY)), [ledger.show(row.send_key) for row in ledger.sends(limit=1000).rows], ledger.applied_definitions(),
        [(row.run_id, row.counts, row.overrides) for row in ledger.status().runs], ledger.status().controls, ledger.status().states, ledger.status().suppressions,
        ledger.find_sends(key("1", "c1")[:7]), ledger.find_sends("no key"), ledger.show("no key"),
    )  # fmt: skip
    return tables, people


@pytest.mark.parametrize("seed", [1, 2, 3, *(pytest.param(seed, marks=pytest.mark.soak) for seed in range(4, 7))])
def test_one_story_in_two_homes(home_on_postgres: PostgresHome, tmp_path: Path, seed: int) -> None:
    """Views, pages and details are equal, whatever the texts are."""
    with DuckdbHome(tmp_path).open() as one, home_on_postgres.open() as other:
        play(one, seed)
        play(other, seed)
        for since in (MONDAY - timedelta(days=1), one.head().last_now or MONDAY):
            (tables, people), (others, other_people) = seen(one, since), seen(other, since)
            for name in VIEW:
                assert tables[name].equals(others[name]), (name, tables[name].to_pylist(), others[name].to_pylist())
            for said_here, said_there in zip(people, other_people, strict=True):
                assert said_here == said_there
        assert tables["decided"].num_rows > 5
