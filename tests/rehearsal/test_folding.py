"""A thought ledger answers as a real one would after the same applies."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import pyarrow as pa
import pytest

from engine.ledger.records import VIEW, Candidates
from engine.plan.plan import Plan
from engine.plan.planning import make_plan
from engine.rehearsal.folding import Folded
from engine.runs.applying import apply
from engine.runs.opening import Site
from tests.cutover.world import RENEWAL, WELCOME
from tests.plan.base import Row, company, contact, contract
from tests.runs.ground import Ground

NOTES = "id: fair\nsequence: welcome\ncontacts: [1, 2]\n"


def plan(site: Site, view: object) -> Plan:
    with site.read_facts() as snapshot:
        return make_plan(site.definitions, snapshot, view, site.now, environment="dev", address_key=site.pseudonyms.address_key)  # type: ignore[arg-type]  # a bound method


def records(status: str = "active", end: str = "2026-04-01") -> dict[str, list[Row]]:
    return {"company": [company(1)], "contact": [contact(1), contact(2), contact(3, company_id=2)], "contract": [contract(7, end_date=end, status=status), contract(8, end_date="2026-04-03")]}


def test_plans_on_it_are_plans_on_the_ledger(tmp_path: Path) -> None:
    """Days of sends, skips, an exit, a return, a moved date and enrollments by hand: the same decisions, counts and changes each time."""
    ground = Ground.make(tmp_path / "shop", RENEWAL, WELCOME)
    ground.write("definitions/enrollments/fair.yaml", NOTES)
    days = [
        ("2026-03-02", records()), ("2026-03-03", records("draft")), ("2026-03-04", records()), ("2026-03-06", records(end="2026-04-05")),
        ("2026-03-12", records(end="2026-04-05")), ("2026-03-26", records(end="2026-04-05")),
    ]  # fmt: skip
    seen: set[str] = set()
    with Folded() as folded:
        for day, rows in days:
            ground.facts(rows)
            site = ground.site(f"{day}T09:30:00+07:00")
            with site.read_ledger() as ledger:
                real, thought = plan(site, ledger.view), plan(site, folded.view)
            assert thought.decisions.to_pylist() == real.decisions.to_pylist(), day
            assert thought.summary == real.summary
            assert {name: table.to_pylist() for name, table in thought.changes.items()} == {name: table.to_pylist() for name, table in real.changes.items()}
            seen |= {f"{row['decision']}: {row['reason']}" for row in real.decisions.to_pylist()}
            seen |= {name for name, table in real.changes.items() if table.num_rows}
            ground.apply(f"{day}T09:30:00+07:00")
            folded.fold(thought.changes, site.now)
    assert {"send: due", "exit: trigger_gone", "exit: date_moved", "skip: too_soon", "returns", "complete: complete"} <= seen


def test_it_lies_over_a_ledger_and_sees_it_as_of_a_moment(tmp_path: Path) -> None:
    """What the ledger decided later is not there; what is folded in comes on top."""
    ground = Ground.make(tmp_path / "shop", RENEWAL)
    ground.facts(records())
    ground.apply("2026-03-02T09:30:00+07:00")
    ground.apply("2026-03-04T09:30:00+07:00")
    with ground.site("2026-03-05T09:00:00+07:00").read_ledger() as ledger:
        keys = pa.table({"sequence": ["renewal"] * 2, "entity": ["contract"] * 2, "record": ["7", "8"], "occurrence": ["2026-04-01", "2026-04-03"]})
        asked = Candidates(keys, (), datetime(2026, 1, 1))
        whole, before = Folded(ledger.view).view(asked), Folded(ledger.view, before=datetime(2026, 3, 4)).view(asked)
        assert {name: table.schema for name, table in whole.tables.items()} == dict(VIEW)
        assert set(whole.tables["decided"]["record"].to_pylist()) == {"7", "8"} and set(before.tables["decided"]["record"].to_pylist()) == {"7"}
        assert set(before.tables["recent_sends"]["record"].to_pylist()) == {"7"} and set(before.tables["enrollments"]["record"].to_pylist()) == {"7"}


def test_what_was_planned_there_goes_once(tmp_path: Path) -> None:
    """A row that the ledger has planned and nobody has sent is in the next plan, and in thought not in the one after it."""
    ground = Ground.make(tmp_path / "shop", RENEWAL)
    ground.facts(records())
    apply(ground.site("2026-03-02T09:30:00+07:00"), environ=ground.environ, reason="a test", by="test", plan_only=True)
    site = ground.site("2026-03-02T09:45:00+07:00")
    with site.read_ledger() as ledger, Folded(ledger.view) as folded:
        first = plan(site, folded.view)
        assert first.summary["send"] == 2
        folded.fold(first.changes, site.now)
        assert plan(ground.site("2026-03-02T10:00:00+07:00"), folded.view).summary["send"] == 0


@pytest.mark.parametrize("name", sorted(VIEW))
def test_an_empty_one_has_every_table(name: str) -> None:
    """As a ledger to which nothing has happened."""
    asked = Candidates(pa.table({key: pa.array([], pa.string()) for key in ("sequence", "entity", "record", "occurrence")}), (), datetime(2026, 1, 1))
    with Folded() as folded:
        assert folded.view(asked).tables[name].equals(VIEW[name].empty_table())


def test_3_3_a_look_at_one_sequence_leaves_the_rosters_of_others_out() -> None:
    """3.3: a plan of one sequence sees no roster of another, which it would lay down; the other's own plan sees it as it was left."""
    asked = Candidates(pa.table({key: pa.array([], pa.string()) for key in ("sequence", "entity", "record", "occurrence")}), (), datetime(2026, 1, 1))
    said = {"rosters": [{"sequence": one, "digest": one} for one in ("a", "b")], "memberships": [{"sequence": one, "record": "7", "member": True} for one in ("a", "b")]}
    with Folded() as folded:
        folded.fold({name: pa.Table.from_pylist(rows, VIEW[name]) for name, rows in said.items()}, datetime(2026, 1, 2))
        only = pa.table({"sequence": ["b"], "record": pa.array([None], pa.string())})
        for name in said:
            assert folded.view(asked, only).tables[name].to_pylist() == said[name][1:]
            assert folded.view(asked).tables[name].to_pylist() == said[name]
