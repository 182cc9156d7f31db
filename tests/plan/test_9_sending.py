"""§9: what a plan makes of rows that an interrupted or doubtful run has left."""

from __future__ import annotations

import pytest

from engine.errors import LedgerRefused

from .base import contact, contract
from .samples import DRIP, ONE_NOTICE, RENEWAL, TRIAL
from .story import Story, Teller

NEWS = TRIAL.replace("template: hello", "template: news")
DAY = "2026-03-02"


def interrupted(tell: Teller, text: str = TRIAL) -> Story:
    """A run that was killed right after its commit: the mail is planned, and nobody has claimed it."""
    story = tell(text, contact(1, trial_end=DAY))
    story.committed("2026-03-02 09:00")
    assert story.state_of(1, "ends") == "planned"
    return story


def test_9_1_apply_refuses_a_now_before_the_last(tell: Teller) -> None:
    """9.1: after an apply at 09:00, one at 08:59 is refused and one at 09:00 is not."""
    story = tell(ONE_NOTICE, contract(7, end_date="2026-04-01"))
    story.applied("2026-03-02 09:00")
    with pytest.raises(LedgerRefused):
        story.applied("2026-03-02 08:59")
    story.applied("2026-03-02 09:00")


def test_9_1_skip_takes_the_send_key(tell: Teller) -> None:
    """9.1: passed over because its condition was false, the notice does not go when the condition comes true an hour later."""
    story = tell(ONE_NOTICE.replace("template: notice", "template: notice, if: {contract.monthly_value: 1}"), contract(7, end_date="2026-04-01"))
    story.applied("2026-03-02 09:00")
    assert story.state_of(1, "notice") == "skipped"
    story.now_has(contract(7, end_date="2026-04-01", monthly_value=1))
    assert story.plan("2026-03-02 10:00") == []


def test_9_4_claimed_rows_of_a_dead_run_are_neither_planned_again_nor_lost(tell: Teller) -> None:
    """9.4: claimed, the row is not sent a second time by another plan; taken in again, it is."""
    story = interrupted(tell)
    story.ledger.claim("gone", 10, story.utc("2026-03-02 09:00"))
    assert story.sends("2026-03-02 09:05") == []
    story.ledger.recover(story.utc("2026-03-02 12:00"))
    assert story.sends("2026-03-02 12:00") == ["1 ends: send due, 2026-03-02 09:00"]
    story.applied("2026-03-02 12:00")
    assert story.sent() == ["1>1 ends sent"]


@pytest.mark.parametrize(
    ("template", "said", "expected"),
    [("hello", "", "unknown"), ("news", "", "sent"), ("hello", "assume_sent", "sent"), ("news", "ask", "unknown"), ("hello", "resend", "planned")],
)
def test_9_5_unknown_is_settled_as_the_sequence_says(tell: Teller, template: str, said: str, expected: str) -> None:
    """9.5: ask for transactional and assume_sent for marketing where nothing is said."""
    story = tell(TRIAL.replace("template: hello", f"template: {template}") + (f"    on_unknown: {said}\n" if said else ""), contact(1, trial_end=DAY))
    story.applied("2026-03-02 09:00", person1="unknown")
    choices = {id: sequence.on_unknown for id, sequence in story.definitions.sequences.items() if sequence.on_unknown}
    story.ledger.settle_unknown(choices, story.utc("2026-03-02 10:00"))
    assert story.state_of(1, "ends") == expected


def test_9_6_planned_row_goes_with_the_next_run(tell: Teller) -> None:
    """9.6: judged again and passed, the same key is sent once."""
    story = interrupted(tell)
    assert story.apply("2026-03-02 10:00") == ["1 ends: send due, 2026-03-02 09:00"]
    assert story.sent() == ["1>1 ends sent"]


def test_9_6_planned_row_is_cancelled_when_paused_meanwhile_and_revived_later(tell: Teller) -> None:
    """9.6: paused between the two runs: cancelled with the reason; resumed, the same mail goes after all, once."""
    story = interrupted(tell)
    story.order("pause", "2026-03-02 09:10")
    assert story.apply("2026-03-02 10:00") == ["1 ends: hold paused_project, 2026-03-02 09:00"]
    assert story.state_of(1, "ends") == "cancelled"
    story.order("resume", "2026-03-02 10:10")
    assert story.apply("2026-03-02 11:00") == ["1 ends: send due, 2026-03-02 09:00"]
    assert story.sent() == ["1>1 ends sent"]


def test_9_6_planned_row_is_skipped_when_unsubscribed_meanwhile(tell: Teller) -> None:
    """9.6: unsubscribed between the two runs: skipped, and that is final."""
    story = interrupted(tell, NEWS)
    story.now_has(contact(1, trial_end=DAY, unsubscribed=True))
    assert "1 ends: skip unsubscribed, 2026-03-02 09:00" in story.apply("2026-03-02 10:00")
    assert story.state_of(1, "ends") == "skipped"
    story.now_has(contact(1, trial_end=DAY))
    assert story.plan("2026-03-02 11:00") == []


def test_9_6_planned_row_of_who_left_is_cancelled(tell: Teller) -> None:
    """9.6: the trial was given up between the two runs: exit, and the planned mail is cancelled as trigger_gone."""
    story = interrupted(tell)
    story.now_has(contact(1))
    assert story.apply("2026-03-02 10:00") == ["1: exit trigger_gone"]
    assert story.state_of(1, "ends") == "cancelled"
    assert story.deliver("2026-03-02 10:00") == []


def test_9_6_planned_row_of_a_removed_sequence_is_cancelled(tell: Teller) -> None:
    """9.6, 8.13: the file was taken out between the two runs: nothing leaves."""
    story = interrupted(tell)
    story.remove("sequences/trial")
    assert story.apply("2026-03-02 10:00") == ["1: exit sequence_removed"]
    assert story.state_of(1, "ends") == "cancelled"


def test_9_6_planned_row_goes_to_the_address_of_now(tell: Teller) -> None:
    """9.6: the address was corrected between the two runs: judged again, the mail goes to the new one; also after it was cancelled."""
    story = interrupted(tell)
    story.now_has(contact(1, trial_end=DAY, email="right@example.com"))
    story.committed("2026-03-02 10:00")
    assert story.deliver("2026-03-02 10:00") == ["right@example.com"]
    paused = interrupted(tell)
    paused.order("pause", "2026-03-02 09:10")
    paused.committed("2026-03-02 09:20")
    paused.order("resume", "2026-03-02 09:30")
    paused.now_has(contact(1, trial_end=DAY, email="right@example.com"))
    paused.committed("2026-03-02 10:00")
    assert paused.deliver("2026-03-02 10:00") == ["right@example.com"]


def test_9_6_cancelled_row_does_not_take_the_address(tell: Teller) -> None:
    """9.6, 4.6: contact 1 of the planned mail has left, and contact 2 with the same address has come: somebody gets the mail."""
    story = tell(ONE_NOTICE, contract(7, end_date="2026-04-01"), contact(1, email="desk@example.com"))
    story.committed("2026-03-02 09:00")
    story.lost("contact", 1)
    story.now_has(contact(2, email="desk@example.com"))
    assert "7>2 notice: send due, 2026-03-02 09:00" in story.apply("2026-03-02 10:00")
    assert sorted(story.sent()) == ["7>1 notice cancelled", "7>2 notice sent"]


def test_9_6_row_judged_more_than_half_an_hour_ago_does_not_leave(tell: Teller) -> None:
    """9.6: half an hour after it was judged the row may still be claimed, a minute later it may not."""
    for minute, claimed in [(30, 1), (31, 0)]:
        story = interrupted(tell)
        assert len(story.ledger.claim("late", 10, story.utc(f"2026-03-02 09:{minute}"))) == claimed


def test_9_6_a_doubt_that_somebody_resends_is_judged_again_when_all_was_over(tell: Teller) -> None:
    """The last step's send is in doubt, the enrollment completes, and then a person chooses to send it again: it goes, once."""
    story = tell(ONE_NOTICE, contract(7, end_date="2026-04-01"), contact(1))
    story.apply("2026-03-02 09:00", person1="unknown")
    assert story.apply("2026-03-02 10:00") == ["7>1: complete complete"]
    story.resend(1, "notice", "2026-03-02 11:00")
    assert story.plan("2026-03-02 12:00") == ["7>1 notice: send due, 2026-03-02 09:00"]
    story.apply("2026-03-02 12:00")
    assert story.sent() == ["7>1 notice sent"]
    assert story.plan("2026-03-02 13:00") == ["7>1: complete complete"]


def test_9_6_a_resend_of_an_earlier_step_does_not_repeat_the_later_ones(tell: Teller) -> None:
    """The first step is in doubt, the second went, and the first is sent again: the second is not."""
    story = tell(RENEWAL, contract(7, end_date="2026-04-01"), contact(1))
    story.apply("2026-03-02 09:00", person1="unknown")
    assert [line.split(",")[0] for line in story.apply("2026-03-18 09:00")] == ["7>1 notice-14: send due"]
    story.resend(1, "notice-30", "2026-03-18 10:00")
    plan = story.plan("2026-03-18 11:00")
    assert plan[0].startswith("7>1 notice-30: skip expired"), "a later step is due: it is too late for the first"
    assert not [line for line in plan if "notice-14" in line], "what was sent is not asked again"
    story.apply("2026-03-18 11:00")
    assert "7>1 notice-14 sent" in story.sent() and story.state_of(1, "notice-30") == "skipped"


def test_9_6_a_resend_of_a_drips_first_step_goes_before_what_comes_next(tell: Teller) -> None:
    """Welcome is in doubt, tips went; welcome is sent again, and after it nothing is left to do."""
    story = tell(DRIP, contact(1))
    story.enroll("drip", 1, "2026-03-02 09:00")
    story.apply("2026-03-02 09:00", person1="unknown")
    assert [line.split(",")[0] for line in story.apply("2026-03-05 09:00")] == ["1 tips: send due"]
    story.resend(1, "welcome", "2026-03-05 10:00")
    assert [line.split(",")[0] for line in story.apply("2026-03-05 11:00")] == ["1 welcome: send due"]
    assert story.plan("2026-03-05 12:00") == ["1: complete complete"]
    assert sorted(story.sent()) == ["1>1 tips sent", "1>1 welcome sent"]


def test_9_6_two_resends_of_one_path_go_one_after_the_other(tell: Teller) -> None:
    """9.6, 6.17: welcome and tips are in doubt, the third has gone; both doubts are resent: welcome with this run, tips with the next, each once."""
    text = DRIP + "      - {id: more, wait: 1d, template: tips}\n"
    story = tell(text)
    story.enroll("drip", 1, "2026-03-01 09:00")
    story.apply("2026-03-01 09:00", person1="unknown")
    story.apply("2026-03-04 09:00", person1="unknown")
    story.apply("2026-03-05 09:00")
    story.resend(1, "welcome", "2026-03-05 10:00")
    story.resend(1, "tips", "2026-03-05 10:00")
    assert story.apply("2026-03-05 10:00") == ["1 welcome: send due, 2026-03-01 09:00"]
    assert (story.state_of(1, "welcome"), story.state_of(1, "tips")) == ("sent", "planned")
    assert story.apply("2026-03-05 11:00") == ["1 tips: send due, 2026-03-04 09:00"]
    assert story.apply("2026-03-05 12:00") == ["1: complete complete"]
    assert [story.state_of(1, step) for step in ("welcome", "tips", "more")] == ["sent"] * 3


def test_9_6_a_row_of_a_killed_run_is_kept_behind_a_resend(tell: Teller) -> None:
    """9.6: tips was planned by a run that was killed, then welcome is resent: tips is not cancelled, and goes before it expires."""
    story = tell(DRIP.replace("template: tips}", "template: tips, expires: 2h}"))
    story.enroll("drip", 1, "2026-03-01 09:00")
    story.apply("2026-03-01 09:00", person1="unknown")
    story.committed("2026-03-04 09:00")
    story.resend(1, "welcome", "2026-03-04 09:40")
    assert story.apply("2026-03-04 09:45") == ["1 welcome: send due, 2026-03-01 09:00"]
    assert story.state_of(1, "tips") == "planned"
    assert story.apply("2026-03-04 10:00") == ["1 tips: send due, 2026-03-04 09:00"]
    assert (story.state_of(1, "welcome"), story.state_of(1, "tips")) == ("sent", "sent")


def test_9_6_a_resend_that_no_longer_passes_is_cancelled_with_the_reason(tell: Teller) -> None:
    """The goal is met meanwhile: nothing goes."""
    story = tell(ONE_NOTICE + "    goal: {contract.monthly_value: 1}\n", contract(7, end_date="2026-04-01"), contact(1))
    story.apply("2026-03-02 09:00", person1="unknown")
    story.resend(1, "notice", "2026-03-02 10:00")
    story.now_has(contract(7, end_date="2026-04-01", monthly_value=1))
    assert story.apply("2026-03-02 11:00") == ["7>1: exit goal_met"]
    assert story.state_of(1, "notice") == "cancelled" and story.sent() == ["7>1 notice cancelled"]


def test_9_1_the_last_step_of_several_that_expired_is_the_furthest(tell: Teller) -> None:
    """9.1: a contract that came late is passed over eight steps in one plan; `enrollments` shows the last of them for each."""
    steps = "".join(f"      - {{id: s{days}, before: {days}d, template: reminder}}\n" for days in (40, 35, 30, 25, 20, 15, 10, 5))
    text = "    id: many\n    about: contract\n    status: active\n    active_from: 2020-01-01\n    trigger: {date: contract.end_date}\n    expires: 1d\n    steps:\n" + steps
    story = tell(text, *(contract(key, end_date="2026-04-01") for key in (7, 8, 9)))
    story.apply("2026-03-19 09:00")
    assert {row.last_step for row in story.ledger.enrollments().rows} == {"s15"}
