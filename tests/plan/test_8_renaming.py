"""8.7: a sequence or a step under a new id: its history, its pauses and its counts follow, and nothing is sent twice."""

from __future__ import annotations

from datetime import timedelta

import pytest

from engine.errors import DefinitionsInError
from engine.ledger.history import EnrollmentFilter, SendFilter

from .base import company, contact, contract
from .samples import DRIP, RENEWAL
from .story import Story, Teller

# Two people ahead of and two behind the 14-day notice, one who is done, one who is paused; two drips, one of them begun by hand.
PEOPLE = [row for n in (1, 2, 3, 4) for row in (company(n), contact(n, company_id=n))]
ENDS = {1: "2026-03-30", 2: "2026-04-02", 3: "2026-04-15", 4: "2026-03-24"}


def begun(tell: Teller) -> Story:
    """On 17 March: 1 and 4 are behind the 14-day notice, 2 and 3 ahead of it; 2 is paused; the drip's welcome went to 1."""
    rows = [contract(n, company_id=n, end_date=day) for n, day in ENDS.items()]
    story = tell(RENEWAL, DRIP, *PEOPLE, *rows, more="guards: {first_run_max: 100, max_per_contact: {max: 9, per: 30d}}")
    story.enroll("drip", 1, "2026-03-16 10:00")
    for day in ("2026-03-03 09:00", "2026-03-16 10:00"):
        story.apply(day)
    story.order("pause", "2026-03-16 11:00", sequence="renewal", contact="2")
    return story


def rename(story: Story, old: str, new: str) -> None:
    """The file of a sequence under its new id, with `renamed_from`."""
    text = story.files.pop(f"definitions/sequences/{old}.yaml")
    lines = [line for line in text.splitlines() if not line.startswith("renamed_from")]
    story.write("\n".join(lines).replace(f"id: {old}\n", f"id: {new}\nrenamed_from: {old}\n", 1))


def called(lines: list[str], *names: tuple[str, str]) -> list[str]:
    for old, new in names:
        lines = [line.replace(old, new) for line in lines]
    return lines


def test_8_7_enrolled_by_hand_before_the_rename_was_applied_is_another_time(tell: Teller) -> None:
    """8.7, 3.9: who is on the way under the old name and is enrolled under the new one, before an apply knows of it, is on the way once; by
    override it is a second time, with a key of its own, and never the first one's twice."""
    story = tell(DRIP, contact(1))
    story.enroll("drip", 1, "2026-03-02 10:00")
    story.apply("2026-03-02 10:00")
    rename(story, "drip", "letters")
    story.enroll("letters", 1, "2026-03-02 11:00")
    assert story.plan("2026-03-05 10:00") == ["1 tips: send due, 2026-03-05 10:00"]
    story.enroll("letters", 1, "2026-03-05 09:00", override=True)
    assert story.apply("2026-03-05 10:00") == ["1 tips: send due, 2026-03-05 10:00"]
    assert story.apply("2026-03-05 10:10") == ["1: complete complete"]
    assert story.sends("2026-03-05 10:20") == ["1 welcome: send due, 2026-03-05 09:00"]


def test_8_7_a_renamed_sequence_goes_on_as_if_it_were_the_old_one(tell: Teller) -> None:
    """8.7: renamed, and renamed again before anybody applied, and applied, and once more: every plan is the old one's, key by key."""
    story, twin = begun(tell), begun(tell)
    assert story.planned("2026-03-17 09:00").decisions.equals(twin.planned("2026-03-17 09:00").decisions)
    rename(story, "renewal", "notices")
    rename(story, "drip", "letters")
    for moment, again in (("2026-03-19 09:00", ""), ("2026-03-20 10:00", "endings"), ("2026-03-26 09:00", "")):
        if again:
            rename(story, "notices", again)
        mine, old = story.applied(moment), twin.applied(moment)
        assert mine.applyable and old.applyable
        assert sorted(story.lines(mine)) == sorted(twin.lines(old))
        assert sorted(filter(None, mine.decisions["send_key"].to_pylist())) == sorted(filter(None, old.decisions["send_key"].to_pylist()))
        assert {s.id: s.counts for s in mine.sequences if s.id in ("notices", "endings")}.popitem()[1] == {s.id: s.counts for s in old.sequences}["renewal"]
    assert story.sent() == twin.sent() and len(story.sent()) == len(set(story.sent()))
    rows = story.ledger.enrollments(EnrollmentFilter(sequence="endings"), limit=100).rows
    assert {row.sequence for row in rows} == {"endings"} and len(rows) == 4
    assert story.ledger.sends(SendFilter(sequence="letters")).total == twin.ledger.sends(SendFilter(sequence="drip")).total > 1


def test_8_7_pauses_and_orders_follow_the_id(tell: Teller) -> None:
    """8.7: a pause under the old id holds under the new one and is lifted by it, also where the order came before the first apply."""
    story = begun(tell)
    rename(story, "renewal", "notices")
    assert "2>2 notice-14: hold paused_enrollment, 2026-03-19 09:00" in story.apply("2026-03-19 09:00")
    story.order("pause", "2026-03-19 10:00", sequence="notices")
    assert {line.split(": ")[1].split(",")[0] for line in story.plan("2026-03-20 09:00", of="notices")} == {"hold paused_sequence"}
    assert [row.sequence for row in story.ledger.status().controls] == ["notices", "notices"]
    story.order("resume", "2026-03-20 10:00", sequence="notices")
    story.order("resume", "2026-03-20 10:00", sequence="notices", contact="2")
    assert "2>2 notice-14: send due, 2026-03-19 09:00" in story.sends("2026-03-20 10:00")
    story.enroll("drip", 2, "2026-03-20 10:00")
    rename(story, "drip", "letters")
    story.apply("2026-03-20 10:00")
    story.enroll("letters", 3, "2026-03-20 11:00")
    assert [line for line in story.apply("2026-03-20 11:00") if "welcome" in line] == ["3 welcome: send due, 2026-03-20 11:00"]


def test_8_7_a_pause_by_the_new_name_before_the_rename_was_applied(tell: Teller) -> None:
    """8.7, 9.8: paused by the name that the file has since a minute, nothing goes; also after an apply has followed the rename, until it is resumed."""
    story = tell(DRIP, contact(1))
    story.enroll("drip", 1, "2026-03-02 10:00")
    story.apply("2026-03-02 10:00")
    rename(story, "drip", "letters")
    story.order("pause", "2026-03-05 09:00", sequence="letters")
    story.order("pause", "2026-03-05 09:00", sequence="letters", contact="1")
    assert story.apply("2026-03-05 10:00") == ["1 tips: hold paused_sequence, 2026-03-05 10:00"]
    story.order("resume", "2026-03-05 11:00", sequence="letters")
    assert story.apply("2026-03-05 11:00") == ["1 tips: hold paused_enrollment, 2026-03-05 10:00"]
    story.order("resume", "2026-03-05 12:00", sequence="letters", contact="1")
    assert story.apply("2026-03-05 12:00") == ["1 tips: send due, 2026-03-05 10:00"]


def test_8_7_the_line_may_go_once_it_was_applied(tell: Teller) -> None:
    """8.7: `renamed_from` taken out after an apply, of a sequence and of a step: the ledger remembers, and nobody gets a thing again."""
    story, twin = begun(tell), begun(tell)
    rename(story, "renewal", "notices")
    story.change("{id: notice-30, ", "{id: first, renamed_from: notice-30, ")
    story.apply("2026-03-17 10:00")
    twin.apply("2026-03-17 10:00")
    story.change("renamed_from: renewal\n", "")
    story.change("renamed_from: notice-30, ", "")
    assert sorted(story.apply("2026-03-19 09:00")) == sorted(twin.apply("2026-03-19 09:00"))
    story.now_has(contract(5, company_id=4, end_date="2026-04-20"))
    assert "5>4 first: send due, 2026-03-21 09:00" in story.plan("2026-03-21 09:00")


def test_8_7_two_cannot_have_one_history(tell: Teller) -> None:
    """8.7: an id that was renamed away is not given to another; two that claim one old id, and one that has a history of its own, are refused."""
    story = begun(tell)
    old = story.files["definitions/sequences/renewal.yaml"]
    rename(story, "renewal", "notices")
    story.apply("2026-03-17 10:00")
    notices = story.files["definitions/sequences/notices.yaml"]
    for files, expected in (
        ([notices.replace("renamed_from: renewal\n", ""), old], "`renewal` was renamed to `notices`, which has its history"),
        ([notices.replace("renamed_from: renewal\n", ""), old.replace("id: renewal", "id: third\nrenamed_from: renewal")], "`renamed_from: renewal`: its history went to `notices`"),
    ):
        story.files = {path: text for path, text in story.files.items() if "/sequences/" not in path}
        story.write(*files)
        with pytest.raises(DefinitionsInError) as refused:
            story.plan("2026-03-18 09:00")
        assert [(problem.code, problem.message) for problem in refused.value.problems] == [("E262", expected)]


def test_8_7_renamed_from_comes_too_late_for_who_has_a_history(tell: Teller) -> None:
    """8.7: applied under its new id without `renamed_from`, it has a history of its own; to take the old one's too would forget it."""
    story = begun(tell)
    text = story.files.pop("definitions/sequences/renewal.yaml")
    story.write(text.replace("id: renewal", "id: notices"))
    story.apply("2026-03-17 10:00")
    story.write(text.replace("id: renewal", "id: notices\nrenamed_from: renewal"))
    with pytest.raises(DefinitionsInError) as refused:
        story.plan("2026-03-18 09:00")
    assert [(problem.code, problem.message) for problem in refused.value.problems] == [
        ("E262", "`notices` has a history of its own, and cannot take that of `renewal` too")
    ]


def test_8_7_a_renaming_may_be_taken_back(tell: Teller) -> None:
    """8.7: the old id again, with `renamed_from` of the new one: the same history as before."""
    story, twin = begun(tell), begun(tell)
    rename(story, "renewal", "notices")
    story.apply("2026-03-17 10:00")
    twin.apply("2026-03-17 10:00")
    rename(story, "notices", "renewal")
    assert sorted(story.apply("2026-03-19 09:00")) == sorted(twin.apply("2026-03-19 09:00"))


def test_8_7_a_planned_send_of_a_renamed_step_is_the_same_send(tell: Teller) -> None:
    """8.7, 9.6: planned under the old id and not yet claimed, it is judged again under the new one and goes once."""
    story = begun(tell)
    story.committed("2026-03-19 09:00")
    before = story.ledger.sends(SendFilter(state="planned")).rows
    rename(story, "renewal", "notices")
    story.change("{id: notice-14, ", "{id: middle, renamed_from: notice-14, ")
    plan = story.applied("2026-03-19 09:10")
    assert before and {row.send_key for row in before} <= set(plan.decisions["send_key"].to_pylist())
    assert story.ledger.sends(SendFilter(state="planned")).total == 0 and story.ledger.sends(SendFilter(state="cancelled")).total == 0
    assert story.ledger.sends(SendFilter(sequence="notices", state="sent", since=story.utc("2026-03-19 09:00") - timedelta(minutes=1))).total == len(before)
