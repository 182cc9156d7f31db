"""`diff`: both revisions on the same facts, ledger and now, over the days to come."""

from __future__ import annotations

import subprocess
from datetime import date, datetime, timedelta
from pathlib import Path

import pytest

from engine.clock import Duration, naive_utc
from engine.errors import EngineError, WrongUsage
from engine.rehearsal.difference import Difference, StepChange, Unreached
from engine.rehearsal.differing import difference
from engine.rehearsal.personas import personas
from engine.views.difference_words import notes, untouched
from tests.plan.base import company, contact, contract
from tests.plan.samples import DRIP, ONE_NOTICE
from tests.plan.samples import RENEWAL as SEVERAL
from tests.runs.ground import Ground

AT = "2026-03-02T09:00:00+07:00"
RENEWAL = "definitions/sequences/renewal.yaml"


def committed(root: Path, *more: object) -> Ground:
    """In git: a notice 30 days before; contract 7 is due now, contract 8 would be with 20 days."""
    rows = [company(1), company(2), contract(7, end_date="2026-04-01"), contract(8, end_date="2026-03-22", company_id=2), contact(1), contact(2, company_id=2)]
    ground = Ground.make(root, ONE_NOTICE, *rows, *more)
    ground.write(".gitignore", "state/\n")
    commit(root)
    return ground


def commit(root: Path) -> None:
    for words in (["init", "-q"], ["add", "."], ["-c", "user.name=T", "-c", "user.email=t@example.com", "commit", "-qm", "base"]):
        subprocess.run(["git", *words], cwd=root, check=True, capture_output=True)


def compared(ground: Ground, at: str = AT, days: int = 30) -> Difference:
    return difference(ground.root, "HEAD", None, None, ground.environ, naive_utc(datetime.fromisoformat(at)), Duration(days, "d"))


def test_8_diff_of_equal_revisions_is_empty(tmp_path: Path) -> None:
    """§8: nothing changed, and a comment or another order of keys is nothing: no step is touched, one digest."""
    ground = committed(tmp_path)
    text = (tmp_path / RENEWAL).read_text(encoding="utf-8")
    first, _, rest = text.partition("\n")
    ground.write(RENEWAL, f"# a comment\n{rest.rstrip()}\n{first}\n")
    found = compared(ground)
    assert (found.steps, found.flights, found.unreached, found.blocked, found.changes_mail) == ((), (), (), (), False)
    assert found.same_definitions


def test_8_diff_of_a_changed_before_gains_and_moves(tmp_path: Path) -> None:
    """§8: with 20 days in place of 30, contract 8 gains its notice of today, and contract 7 has its own ten days later."""
    ground = committed(tmp_path)
    ground.change(RENEWAL, "before: 30d", "before: 20d")
    found = compared(ground)
    (step,) = found.steps
    assert (step.sequence, step.step, dict(step.counts), step.gaining) == ("renewal", "notice", {"gain": 1, "move": 1}, ("2",))
    assert (step.shifts, step.first, found.first) == (((timedelta(days=10), 1),), date(2026, 3, 2), date(2026, 3, 2))
    assert (found.was.mails, found.will.mails, found.will.most, found.touched) == (1, 2, 1, 2)


def test_8_diff_tells_what_comes_later_from_what_is_lost(tmp_path: Path) -> None:
    """§8: a mail that the head sends after the days looked at is later; one that it never sends is lost, and the reason is told."""
    ground = committed(tmp_path)
    ground.change(RENEWAL, "before: 30d", "before: 20d")
    (step,) = compared(ground, days=5).steps
    assert dict(step.counts) == {"gain": 1, "later": 1}
    ground.change(RENEWAL, "before: 20d, template: notice", "before: 30d, template: notice, if: {contract.status: draft}")
    (step,) = compared(ground).steps
    assert (dict(step.counts), step.reasons, step.losing) == ({"loss": 1}, (("condition_false", 1),), ("1",))


def test_8_diff_counts_mails_of_several_records_as_one(tmp_path: Path) -> None:
    """4.8, §8: who was told of three contracts in three mails gets one: two mails fewer, and the one that goes tells of other records."""
    ground = committed(tmp_path, contract(9, end_date="2026-04-01"), contract(10, end_date="2026-04-02"))
    with_combine = (tmp_path / RENEWAL).read_text(encoding="utf-8").rstrip() + "\ncombine: contact\n"
    ground.write(RENEWAL, with_combine)
    found = compared(ground)
    (step,) = found.steps
    assert (found.was.mails, found.will.mails, found.was.most, found.will.most) == (3, 2, 3, 2)
    assert (dict(step.counts), step.changed, step.mails, step.items) == ({"same": 2, "loss": 1}, 1, (3, 2), (3, 3))
    assert (step.reasons, step.records, step.untouched) == ((("in_another_mail", 1),), 0, 1)
    assert "records: 3 in 3 mails before, 3 in 2 mails after" in notes(step)


def test_8_a_record_more_in_a_mail_is_no_other_mail(tmp_path: Path) -> None:
    """4.8, §8: the mail goes as it did and tells of one record more; nobody gets more mail."""
    ground = committed(tmp_path, contract(9, end_date="2026-04-01", status="draft"))
    ground.change(RENEWAL, "{date: contract.end_date}", "{date: contract.end_date, where: {contract.status: active}}\ncombine: contact")
    commit(tmp_path)
    ground.change(RENEWAL, "where: {contract.status: active}", "where: {contract.status: [active, draft]}")
    found = compared(ground)
    (step,) = found.steps
    assert (dict(step.counts), step.changed, step.items, found.will.mails) == ({"same": 1}, 1, (1, 2), 1)


def test_8_an_audience_of_fewer_is_told_as_such(tmp_path: Path) -> None:
    """§8: a contract told two people and tells one now: nobody new is told, and what stays as it is stands in no row but is counted."""
    ground = committed(tmp_path, contact(3), ONE_NOTICE.replace("id: renewal", "id: other"))
    ground.change(RENEWAL, "trigger:", "audience: {first_of: [all], max: 1}\ntrigger:")
    found = compared(ground)
    (step,) = found.steps
    assert (dict(step.counts), step.records, step.fewer, step.reasons) == ({"same": 1, "loss": 1}, 1, 1, (("not_enrolled", 1),))
    assert "audience: 1 record for fewer people than before" in notes(step)
    assert untouched(found) == "2 mails of other steps stay as they are."


def test_8_records_with_nobody_to_tell_are_told_where_there_are_others_than_before(tmp_path: Path) -> None:
    """4.3, §8: contract 9 has nobody in both, and an edit of a step is no news of it; a trigger that takes it in is."""
    ground = committed(tmp_path, company(3), contract(9, end_date="2026-04-01", company_id=3, status="draft"))
    ground.change(RENEWAL, "id: notice, before: 30d", "id: early, before: 31d")
    assert compared(ground).unreached == ()
    ground.change(RENEWAL, "id: early, before: 31d", "id: notice, before: 30d")
    ground.change(RENEWAL, "{date: contract.end_date}", "{date: contract.end_date, where: {contract.status: active}}")
    assert compared(ground).unreached == (Unreached("renewal", "notice", 1, 0),)


def test_8_6_who_keeps_the_old_date_is_counted_beside_who_moves() -> None:
    """8.6, §8: where the new time is past already the old one holds, and a reader sees how many that are."""
    moves = {"sequence": "renewal", "step": "notice", "shifts": ((timedelta(days=-7), 15),)}
    told = [list(notes(StepChange(counts={"move": 15} | same, **moves))) for same in ({}, {"same": 1}, {"same": 1200})]
    assert told == [
        ["moves: 7 days earlier (15)"],
        ["moves: 7 days earlier (15); 1 goes when it would have"],
        ["moves: 7 days earlier (15); 1,200 go when they would have"],
    ]


TWO = ONE_NOTICE.replace(
    "{id: notice, before: 30d, template: notice}", "{id: first, before: 30d, template: notice}\n      - {id: second, before: 14d, template: notice}"
)


def test_8_the_next_step_of_who_gets_a_mail_in_these_days_is_sooner_and_no_gain(tmp_path: Path) -> None:
    """§8: contract 7 gets its first notice in these days and the second one behind them; moved up into them it is sooner, and moved out of them later."""
    rows = [company(1), contract(7, end_date="2026-04-10"), contact(1)]
    ground = Ground.make(tmp_path, TWO, *rows)
    ground.write(".gitignore", "state/\n")
    commit(tmp_path)
    ground.change(RENEWAL, "before: 14d", "before: 21d")
    (step,) = compared(ground, days=20).steps
    assert (step.step, dict(step.counts)) == ("second", {"sooner": 1})
    commit(tmp_path)
    ground.change(RENEWAL, "before: 21d", "before: 14d")
    (step,) = compared(ground, days=20).steps
    assert (step.step, dict(step.counts)) == ("second", {"later": 1})


def test_8_the_next_letter_of_a_path_is_sooner_and_no_gain(tmp_path: Path) -> None:
    """§8: the same where the second letter waits: three days behind the first, which is the last of these days, and then one."""
    ground = Ground.make(tmp_path, DRIP, contact(1))
    ground.write("definitions/enrollments/one.yaml", "id: one\nsequence: drip\ncontacts: [1]\n")
    ground.write(".gitignore", "state/\n")
    commit(tmp_path)
    ground.change("definitions/sequences/drip.yaml", "wait: 3d", "wait: 1d")
    (step,) = compared(ground, days=2).steps
    assert (step.step, dict(step.counts)) == ("tips", {"sooner": 1})


def test_8_diff_writes_nothing(tmp_path: Path) -> None:
    """§8: after a diff the ledger's head is where it was, and an apply of the work tree does what its plan said."""
    ground = committed(tmp_path)
    with ground.site(AT).read_ledger() as ledger:
        before = ledger.head()
    compared(ground)
    with ground.site(AT).read_ledger() as ledger:
        assert ledger.head() == before


def test_a_selection_tells_of_its_sequences_only(tmp_path: Path) -> None:
    """Item 11: two sequences change and one is selected: its steps and edits alone; what neither revision has is wrong usage."""
    other = ONE_NOTICE.replace("id: renewal", "id: other")
    ground = committed(tmp_path, other)
    for name in ("renewal", "other"):
        ground.change(f"definitions/sequences/{name}.yaml", "before: 30d", "before: 20d")
    whole, part = (difference(ground.root, "HEAD", None, None, ground.environ, naive_utc(datetime.fromisoformat(AT)), Duration(30, "d"), select=select)
                   for select in (None, "sequence:other"))  # fmt: skip
    assert {step.sequence for step in whole.steps} == {"other", "renewal"} and {step.sequence for step in part.steps} == {"other"}
    assert part.steps[0] == next(step for step in whole.steps if step.sequence == "other")
    assert {edit.sequence for edit in part.edits} == {"other"}
    with pytest.raises(WrongUsage, match="selects nothing"):
        difference(ground.root, "HEAD", None, None, ground.environ, naive_utc(datetime.fromisoformat(AT)), select="sequence:nowhere")


def test_a_selection_shows_its_mails_only(tmp_path: Path) -> None:
    """Item 11: a mail of another sequence with another text is no part of the comment about one."""
    ground = committed(tmp_path, ONE_NOTICE.replace("id: renewal", "id: other").replace("template: notice", "template: reminder"))
    ground.change("definitions/templates/notice.yaml", 'subject: {en: "', 'subject: {en: "New: ')
    at = naive_utc(datetime.fromisoformat(AT))
    shown = [{one.template for one in personas(difference(ground.root, "HEAD", None, None, ground.environ, at, select=select))[0]} for select in (None, "sequence:other")]
    assert shown == [{"notice"}, set()]


def test_8_one_person_on_the_way_with_two_contracts_is_one(tmp_path: Path) -> None:
    """§8: contact 1 waits for the notices of two contracts, and gets both now: one person, not two."""
    ground = Ground.make(tmp_path, SEVERAL, contract(7, end_date="2026-04-01"), contract(8, end_date="2026-04-01"))
    ground.write(".gitignore", "state/\n")
    commit(tmp_path)
    ground.apply(AT)
    ground.change(RENEWAL, "before: 14d", "before: 16d")
    (flight,) = compared(ground, "2026-03-16T09:00:00+07:00").flights
    assert (flight.was, flight.now, flight.people) == (("wait", "notice-14"), ("send", "notice-14"), 1)


def test_a_branch_does_not_choose_what_is_read(tmp_path: Path) -> None:
    """The environment is the base's: where it cannot be read that is an error, whatever the branch says; one that the base has not yet is the files', and is said."""
    ground = committed(tmp_path)
    ground.change("engine.yaml", "facts: {duckdb: state/crm.duckdb}", "facts: {duckdb: \"${CRM_FILE}\"}")
    commit(tmp_path)
    ground.change("engine.yaml", "\"${CRM_FILE}\"", "state/crm.duckdb")
    with pytest.raises(EngineError, match="CRM_FILE"):
        compared(ground)
    ground.change("engine.yaml", "  dev: {", "  other: {facts: {duckdb: state/crm.duckdb}, ledger: {duckdb: state/ledger.duckdb}, transport: outbox}\n  dev: {")
    at = naive_utc(datetime.fromisoformat(AT))
    with pytest.raises(WrongUsage, match="no environment `other`"):
        difference(ground.root, "HEAD", "HEAD", "other", ground.environ, at)
