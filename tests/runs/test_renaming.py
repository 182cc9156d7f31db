"""8.7 through the runs: a renamed sequence under a selection, in the words of a plan, in the counts of a segment and in a difference."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.runs.applying import apply
from engine.runs.planning import plan_now
from engine.views.naming import Naming
from engine.views.plan_json import PlanPage
from engine.views.plan_text import as_text
from tests.plan.base import company, contact, contract
from tests.plan.samples import ONE_LETTER, RENEWAL
from tests.rehearsal.test_differing import commit, compared
from tests.runs.ground import Ground

FILE = "definitions/sequences/renewal.yaml"
RENAMED = "definitions/sequences/ending.yaml"
MONTHLY = """
    id: renewal
    about: contact
    status: active
    active_from: 2026-01-01
    trigger: {schedule: "0 9 1 * *", for: guests}
    steps: [{id: hello, wait: 0d, template: hello}]
"""


def rename(ground: Ground) -> None:
    ground.change(FILE, "id: renewal", "id: ending\nrenamed_from: renewal")
    (ground.root / FILE).rename(ground.root / RENAMED)


def apply_only(ground: Ground, at: str, *sequences: str) -> None:
    apply(ground.site(at), environ=ground.environ, by="test", sequences=sequences)


def test_8_7_a_renamed_sequence_goes_with_its_selection(tmp_path: Path) -> None:
    """8.7, 9.1: `--select` names it as the file does; its sends are written though the ledger keeps them under the first id."""
    ground = Ground.make(tmp_path, RENEWAL, contract(7, end_date="2026-04-01"))
    ground.apply("2026-03-02T09:00:00+07:00")
    rename(ground)
    for day, mails in (("18", 2), ("19", 2), ("25", 3)):
        apply_only(ground, f"2026-03-{day}T09:00:00+07:00", "ending")
        assert len(ground.mails()) == mails


@pytest.mark.parametrize("selected", ["ending", "letter"])
def test_8_7_a_rename_is_remembered_whatever_is_selected(tmp_path: Path, selected: str) -> None:
    """8.7, 9.1: the first apply after the rename is of a selection; `renamed_from` may go then, and nobody gets the notice twice."""
    ground = Ground.make(tmp_path, RENEWAL, ONE_LETTER, contract(7, end_date="2026-04-01"))
    ground.apply("2026-03-02T09:00:00+07:00")
    rename(ground)
    ground.change(RENAMED, "id: notice-14,", "id: two-weeks, renamed_from: notice-14,")
    apply_only(ground, "2026-03-03T09:00:00+07:00", selected)
    ground.change(RENAMED, "\nrenamed_from: renewal", "")
    ground.change(RENAMED, " renamed_from: notice-14,", "")
    ground.apply("2026-03-04T09:00:00+07:00")
    assert len(ground.mails()) == 1
    ground.apply("2026-03-18T09:00:00+07:00")
    assert len(ground.mails()) == 2


def test_8_7_a_plan_counts_the_mails_of_a_renamed_sequence(tmp_path: Path) -> None:
    """8.7: two records of it get a mail now, and that is two mails."""
    ground = Ground.make(tmp_path, RENEWAL, contract(7, end_date="2026-04-01"), contract(8, end_date="2026-04-01"))
    ground.apply("2026-03-02T09:00:00+07:00")
    rename(ground)
    site = ground.site("2026-03-18T09:00:00+07:00")
    plan = plan_now(site).plan
    assert plan.mails("ending") == 2
    assert "0 mails" not in as_text(PlanPage(plan, Naming(site.definitions, site.pseudonyms, False), True, (), None, None, (), (), "x"))


def test_8_7_d6_a_segment_keeps_counting_what_a_renamed_sequence_took(tmp_path: Path) -> None:
    """8.7, D6: three months, the name changed after the first: three uses of the segment."""
    segments = tmp_path / "definitions" / "segments"
    segments.mkdir(parents=True)
    (segments / "guests.yaml").write_text("{id: guests, name: Guests, entity: contact, rules: {contact.kind: guest}}", encoding="utf-8")
    ground = Ground.make(tmp_path, MONTHLY, contact(1, kind="guest"))
    ground.apply("2026-03-01T09:00:00+07:00")
    rename(ground)
    for month in ("04", "05"):
        ground.apply(f"2026-{month}-01T09:00:00+07:00")
    with ground.site("2026-05-01T09:00:00+07:00").read_ledger() as ledger:
        assert [(use.sequence, use.enrolled) for use in ledger.segment_history("guests").uses] == [("ending", 1)] * 3


def test_8_7_a_difference_knows_who_only_enters_in_a_renamed_sequence(tmp_path: Path) -> None:
    """8.7: a contract that would enter in this plan is on no way yet, whatever its sequence was called."""
    ground = Ground.make(tmp_path, RENEWAL, contract(7, end_date="2026-04-01"))
    ground.apply("2026-03-02T09:00:00+07:00")
    rename(ground)
    ground.apply("2026-03-03T09:00:00+07:00")
    ground.write(".gitignore", "state/\n")
    commit(tmp_path)
    ground.facts({"company": [company(1)], "contact": [contact(1)], "contract": [contract(7, end_date="2026-04-01"), contract(8, end_date="2026-04-03")]})
    ground.change(RENAMED, "notice-30, before: 30d", "notice-30, before: 29d")
    assert compared(ground, "2026-03-04T09:00:00+07:00").flights == ()


def test_8_7_a_rename_alone_moves_nobody(tmp_path: Path) -> None:
    """8.7: who is done with the last step, which the next apply will write, is done under both names."""
    ground = Ground.make(tmp_path, RENEWAL, contract(7, end_date="2026-04-01"))
    for day in ("02", "18", "25"):
        ground.apply(f"2026-03-{day}T09:00:00+07:00")
    ground.write(".gitignore", "state/\n")
    commit(tmp_path)
    rename(ground)
    assert compared(ground, "2026-03-25T10:00:00+07:00").flights == ()
