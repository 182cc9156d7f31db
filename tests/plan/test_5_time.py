"""§5: when a step is due, to the minute, and until when it may go."""

from __future__ import annotations

import pytest

from .base import contact, contract, template
from .samples import DRIP, ONE_LETTER, ONE_NOTICE, RENEWAL, TRIAL
from .story import Story, Teller

DAY = "2026-03-02"


def dated(tell: Teller, end_date: str, step: str, *, zone: str = "Asia/Bangkok", more: str = "") -> Story:
    """One notice at this time of a contract with this date."""
    return tell(ONE_NOTICE.replace("before: 30d", step) + more, contract(7, end_date=end_date), zone=zone)


def signed(tell: Teller, instant: str, step: str, *, zone: str = "Asia/Bangkok") -> Story:
    """One notice at this time of a contract that was signed at this instant (UTC)."""
    return tell(ONE_NOTICE.replace("before: 30d", step).replace("end_date", "signed_at"), contract(7, signed_at=instant), zone=zone)


@pytest.mark.parametrize(
    ("end_date", "step", "due"),
    [
        ("2026-03-31", "before: 1mo", "2026-02-28 09:00"),
        ("2026-01-31", "after: 1mo", "2026-02-28 09:00"),
        ("2026-05-31", "before: 3mo", "2026-02-28 09:00"),
        ("2028-03-31", "before: 1mo", "2028-02-29 09:00"),
        ("2028-02-29", "before: 1y", "2027-02-28 09:00"),
        ("2024-02-29", "after: 4y", "2028-02-29 09:00"),
        ("2026-03-16", "before: 2w", "2026-03-02 09:00"),
        ("2026-03-02", "before: 0d", "2026-03-02 09:00"),
        ("2028-03-01", "before: 1d", "2028-02-29 09:00"),
    ],
)
def test_5_1_days_weeks_months_and_years(tell: Teller, end_date: str, step: str, due: str) -> None:
    """5.1: before and after count from the base in calendar time, and months clamp to the last day."""
    assert dated(tell, end_date, step).goes_exactly_at(due) == [f"7>1 notice: send due, {due}"]


def test_5_1_minutes_and_hours_are_exact(tell: Teller) -> None:
    """5.1: signed at 02:00 UTC, 90 minutes later is 10:30 in Bangkok."""
    assert signed(tell, "2026-03-02T02:00:00", "after: 90min").goes_exactly_at("2026-03-02 10:30") != []


def test_5_1_wait_counts_from_the_run_that_decided_the_previous_step(tell: Teller) -> None:
    """5.1: due on 2 March, decided by the run of the 3rd at 15:30: three days later is the 6th, 15:30."""
    story = tell(DRIP)
    story.enroll("drip", 1, "2026-03-02 10:00")
    assert story.apply("2026-03-03 15:30") == ["1 welcome: send due, 2026-03-02 10:00"]
    assert story.goes_exactly_at("2026-03-06 15:30") == ["1 tips: send due, 2026-03-06 15:30"]


def test_5_1_wait_after_an_expired_step_counts_from_its_due_moment(tell: Teller) -> None:
    """5.1: the welcome of 2 March was held by a pause until it expired; the tips are due three days after 2 March, 10:00, all the same."""
    story = tell(DRIP.replace("template: tips", "template: tips, expires: 30d"))
    story.enroll("drip", 1, "2026-03-02 10:00")
    story.order("pause", "2026-03-02 10:00", sequence="drip")
    story.apply("2026-03-02 10:00")
    story.order("resume", "2026-03-10 10:00", sequence="drip")
    assert story.plan("2026-03-10 10:00") == ["1 welcome: skip expired, 2026-03-02 10:00", "1 tips: send due, 2026-03-05 10:00"]


def test_5_1_wait_counts_from_the_last_decided_step_also_when_it_was_removed(tell: Teller) -> None:
    """5.1: the welcome was sent and then taken out of the file; the tips still wait three days from its run."""
    story = tell(DRIP)
    story.enroll("drip", 1, "2026-03-02 10:00")
    story.apply("2026-03-04 12:00")
    story.change("  - {id: welcome, wait: 0d, template: hello}\n", "")
    assert story.goes_exactly_at("2026-03-07 12:00") == ["1 tips: send due, 2026-03-07 12:00"]


@pytest.mark.parametrize(("what", "said"), [("wait: 5m", "minutes or months"), ("wait: -1d", "negative"), ("wait: 1.5d", "duration")])
def test_5_1_durations_that_are_errors(tell: Teller, what: str, said: str) -> None:
    """5.1: one whole number and one unit; a bare `m` is an error that asks which."""
    with pytest.raises(AssertionError, match=said):
        tell(ONE_LETTER.replace("wait: 0d", what))


def test_5_1_steps_out_of_time_order_are_an_error(tell: Teller) -> None:
    """5.1: before/after steps stand strictly in time order."""
    with pytest.raises(AssertionError, match="notice-60"):
        tell(RENEWAL + "      - {id: notice-60, before: 60d, template: reminder}\n")


def test_5_2_at_sets_the_time_of_day(tell: Teller) -> None:
    """5.2: on the step, or on the sequence for all; without it a date has 09:00."""
    assert dated(tell, "2026-04-01", 'before: 30d, at: "16:45"').goes_exactly_at("2026-03-02 16:45") != []
    assert dated(tell, "2026-04-01", "before: 30d", more='    at: "07:15"\n').goes_exactly_at("2026-03-02 07:15") != []
    assert dated(tell, "2026-04-01", "before: 30d").goes_exactly_at("2026-03-02 09:00") != []


def test_5_2_days_keep_the_time_of_a_timestamp(tell: Teller) -> None:
    """5.2: signed at 13:20 in Bangkok, a day later is 13:20."""
    assert signed(tell, "2026-03-01T06:20:00", "after: 1d").goes_exactly_at("2026-03-02 13:20") != []


def test_5_2_hours_move_the_instant_of_a_date(tell: Teller) -> None:
    """5.2: 48 h before a date are 48 h before its 09:00."""
    assert dated(tell, "2026-04-01", "before: 48h").goes_exactly_at("2026-03-30 09:00") != []


@pytest.mark.parametrize(("at", "due"), [("09:00", "2026-03-03 09:00"), ("10:00", "2026-03-02 10:00"), ("11:00", "2026-03-02 11:00")])
def test_5_2_at_before_the_base_is_the_next_day(tell: Teller, at: str, due: str) -> None:
    """5.2: enrolled at 10:00 with `wait: 0d`, an `at` of 09:00 is tomorrow's, of 10:00 or 11:00 today's."""
    story = tell(ONE_LETTER.replace("wait: 0d", f'wait: 0d, at: "{at}"'))
    story.enroll("letter", 1, "2026-03-02 10:00")
    assert story.sends(due) == [f"1 hello: send due, {due}"]
    assert story.plan("2026-03-02 10:00")[0].endswith(due)


def test_5_2_at_beside_hours_is_an_error(tell: Teller) -> None:
    """5.2: h and min move the instant, and `at` beside them is an error."""
    with pytest.raises(AssertionError, match="`at"):
        dated(tell, "2026-04-01", 'before: 48h, at: "09:00"')


def test_5_3_timezone_of_the_sequence_goes_before_the_project(tell: Teller) -> None:
    """5.3: 09:00 in Berlin on 1 June is 14:00 in Bangkok."""
    assert dated(tell, "2026-07-01", "before: 30d", more="    timezone: Europe/Berlin\n").goes_exactly_at("2026-06-01 14:00") != []


@pytest.mark.parametrize(
    ("zone", "end_date", "at", "due"),
    [
        # New York skips 02:00 to 03:00 on 8 March 2026, and has 01:00 to 02:00 twice on 1 November.
        ("America/New_York", "2026-04-07", "02:30", "2026-03-08T03:00:00-04:00"),
        ("America/New_York", "2026-04-07", "01:59", "2026-03-08T01:59:00-05:00"),
        ("America/New_York", "2026-04-07", "03:00", "2026-03-08T03:00:00-04:00"),
        ("America/New_York", "2026-12-01", "01:30", "2026-11-01T01:30:00-04:00"),
        ("America/New_York", "2026-12-01", "02:00", "2026-11-01T02:00:00-05:00"),
        # Berlin skips 02:00 to 03:00 on 29 March 2026, and has 02:00 to 03:00 twice on 25 October.
        ("Europe/Berlin", "2026-04-28", "02:30", "2026-03-29T03:00:00+02:00"),
        ("Europe/Berlin", "2026-04-28", "01:30", "2026-03-29T01:30:00+01:00"),
        ("Europe/Berlin", "2026-11-24", "02:30", "2026-10-25T02:30:00+02:00"),
        ("Europe/Berlin", "2026-11-24", "03:00", "2026-10-25T03:00:00+01:00"),
    ],
)
def test_5_5_wall_times_that_clocks_skip_or_repeat(tell: Teller, zone: str, end_date: str, at: str, due: str) -> None:
    """5.5: a wall time that is skipped becomes the first valid moment after it; one that occurs twice is the first of the two."""
    story = dated(tell, end_date, f'before: 30d, at: "{at}"', zone=zone)
    assert story.goes_exactly_at(due) != []
    assert story.dues(due) == [due]


@pytest.mark.parametrize(
    ("zone", "instant", "step", "due"),
    [
        ("America/New_York", "2026-03-07T14:00:00", "after: 1d", "2026-03-08T09:00:00-04:00"),
        ("America/New_York", "2026-03-07T14:00:00", "after: 24h", "2026-03-08T10:00:00-04:00"),
        ("America/New_York", "2026-10-31T13:00:00", "after: 1d", "2026-11-01T09:00:00-05:00"),
        ("America/New_York", "2026-10-31T13:00:00", "after: 24h", "2026-11-01T08:00:00-05:00"),
        ("Europe/Berlin", "2026-03-28T08:00:00", "after: 1d", "2026-03-29T09:00:00+02:00"),
        ("Europe/Berlin", "2026-03-28T08:00:00", "after: 24h", "2026-03-29T10:00:00+02:00"),
        ("Europe/Berlin", "2026-10-24T07:00:00", "after: 24h", "2026-10-25T08:00:00+01:00"),
    ],
)
def test_5_5_a_day_is_not_24_hours_when_clocks_change(tell: Teller, zone: str, instant: str, step: str, due: str) -> None:
    """5.5, 5.1: days keep the wall time over a change of the clocks, hours are exact."""
    assert signed(tell, instant, step, zone=zone).dues(due) == [due]


def test_5_6_step_goes_until_seven_days_after_it_was_due(tell: Teller) -> None:
    """5.6: [due, due + 7 d): due on 2 March at 09:00 it goes on 9 March at 08:59 and is passed over at 09:00."""
    story = tell(RENEWAL, contract(7, end_date="2026-04-01"))
    assert story.plan("2026-03-09 08:59") == ["7>1 notice-30: send due, 2026-03-02 09:00"]
    assert story.plan("2026-03-09 09:00") == ["7>1 notice-30: skip expired, 2026-03-02 09:00", "7>1 notice-14: wait not_due, 2026-03-18 09:00"]


def test_5_6_step_expires_when_a_later_active_step_is_due(tell: Teller) -> None:
    """5.6: with 30 days to go, the first notice is over when the next is due, whatever its condition; not when the next is inactive."""
    long = RENEWAL.replace("before: 30d, template: notice", "before: 30d, template: notice, expires: 30d")
    condition = long.replace("before: 14d, template: reminder", "before: 14d, template: reminder, if: {contract.monthly_value: 1}")
    inactive = long.replace("before: 14d, template: reminder", "before: 14d, template: reminder, active: false")
    for text, sends in [
        (long, ["7>1 notice-14: send due, 2026-03-18 09:00"]),
        (condition, []),
        (inactive, ["7>1 notice-30: send due, 2026-03-02 09:00"]),
    ]:
        story = tell(text, contract(7, end_date="2026-04-01"))
        assert story.sends("2026-03-18 08:59") == ["7>1 notice-30: send due, 2026-03-02 09:00"]
        assert story.sends("2026-03-18 09:00") == sends


def test_5_6_later_step_is_active_where_the_contact_s_own_template_is(tell: Teller) -> None:
    """5.6, 5.7: the 14-day notice has an inactive template for billing contacts. Theirs of 30 days goes on; for everybody else it is over."""
    choices = "template: [{if: {contact.kind: billing}, use: upsell}, {use: reminder}]"
    text = RENEWAL.replace("before: 30d, template: notice", "before: 30d, template: notice, expires: 30d").replace("before: 14d, template: reminder", f"before: 14d, {choices}")
    story = tell(text, contract(7, end_date="2026-04-01"), contact(1, kind="billing"), contact(2))
    story.file("templates/upsell", template("upsell", status="inactive"))
    assert story.sends("2026-03-18 09:00") == ["7>1 notice-30: send due, 2026-03-02 09:00", "7>2 notice-14: send due, 2026-03-18 09:00"]
    assert story.sends("2026-03-25 09:00") == ["7>1 notice-7: send due, 2026-03-25 09:00", "7>2 notice-7: send due, 2026-03-25 09:00"]


def test_5_6_expires_is_calendar_time_too(tell: Teller) -> None:
    """5.6: `expires: 1d` over the night when New York's clocks go forward ends at 09:00 of the next day, 23 hours later."""
    text = RENEWAL.replace("before: 30d", "before: 25d").replace("    steps:", "    expires: 1d\n    steps:")
    story = tell(text, contract(7, end_date="2026-04-01"), zone="America/New_York")
    assert story.sends("2026-03-08 08:59") == ["7>1 notice-30: send due, 2026-03-07 09:00"]
    assert story.sends("2026-03-08 09:00") == []


CHAIN = """
    id: drip
    about: contact
    status: active
    active_from: 2026-01-01
    trigger: manual
    steps:
      - {id: first, wait: 1h, template: hello, expires: 1d}
      - {id: second, wait: 3d, template: tips, expires: 1d}
      - {id: third, wait: 1d, template: hello, expires: 1d}
      - {id: last, wait: 10d, template: tips, expires: 5d}
"""


@pytest.mark.parametrize(
    ("condition", "removed", "due"),
    [("", "third", "2026-03-15 10:00"), ("", "second", "2026-03-15 10:00"), (", if: {contact.kind: never}", "third", "2026-03-15 12:00")],
)
def test_5_1_the_last_decided_counts_also_if_it_has_been_removed(tell: Teller, condition: str, removed: str, due: str) -> None:
    """5.1, 8.5: one run passed over three steps after a pause. The last of them counts: a step of it that is taken out since moves nothing."""
    text = CHAIN.replace("wait: 1d, template: hello", f"wait: 1d, template: hello{condition}")
    story = tell(text, contact(1))
    story.enroll("drip", 1, "2026-03-01 09:00")
    story.order("pause", "2026-03-01 09:00", sequence="drip")
    story.apply("2026-03-01 09:00")
    story.order("resume", "2026-03-05 09:00", sequence="drip")
    story.apply("2026-03-06 10:00" if not condition else "2026-03-05 12:00")
    line = next(line for line in text.splitlines() if f"id: {removed}" in line)
    assert story.plan("2026-03-07 09:00") == [f"1 last: wait not_due, {due}"]
    story.change(line.removeprefix("    ") + "\n", "")
    assert story.plan("2026-03-07 09:00") == [f"1 last: wait not_due, {due}"]


def test_5_2_hours_count_from_the_time_of_day_that_a_date_has(tell: Teller) -> None:
    """5.2: with `at: "10:00"` for the sequence six hours after a date are 16:00; without it they are 15:00."""
    assert dated(tell, "2026-03-02", "after: 6h").goes_exactly_at("2026-03-02 15:00") != []
    assert dated(tell, "2026-03-02", "after: 6h", more='    at: "10:00"\n').goes_exactly_at("2026-03-02 16:00") != []


@pytest.mark.parametrize("said", ["min_gap: 3000y", "backfill: 3000y", "backfill: 999999d", "expires: 999999y", "reenter: {after: 999999y}"])
def test_5_1_a_span_beyond_the_calendar_is_for_ever(tell: Teller, said: str) -> None:
    """5.1: longer than there are dates; the plan is made all the same, and the mail goes once."""
    story = tell(ONE_NOTICE + f"    {said}\n", contract(7, end_date="2026-04-01"))
    assert story.apply("2026-03-02 09:00") == ["7>1 notice: send due, 2026-03-02 09:00"]
    assert story.apply("2026-03-03 09:00") == ["7>1: complete complete"]


def too_late(story: Story) -> list[str | None]:
    """What the first plan says that held a step of 2 March, looked at then and when it is over."""
    story.order("pause", "2026-03-01 09:00")
    story.apply("2026-03-02 09:00")
    story.order("resume", "2026-03-03 09:00")
    return [row["detail"] for row in story.applied("2026-03-09 09:00").decisions.to_pylist() if row["reason"] == "expired"]


@pytest.mark.parametrize(
    ("number", "condition", "held_for"),
    [(None, "", "held_for: missing_variable"), ("C-7", "", None), (None, ", if: {contract.monthly_value: 1}", None)],
)
def test_5_6_what_came_too_late_says_what_held_it(tell: Teller, number: str | None, condition: str, held_for: str | None) -> None:
    """5.6: the contract has no number until the notice is over: passed over, and it is said what held it; not where it would not have gone at all."""
    assert too_late(tell(ONE_NOTICE.replace("template: notice", f"template: notice{condition}"), contract(7, end_date="2026-04-01", number=number))) == [held_for]


@pytest.mark.parametrize(("said", "reason"), [({"is_active": False}, "contact_inactive"), ({"email": None}, "no_address"), ({"email": "desk"}, "invalid_address")])
def test_5_6_a_contact_who_could_not_be_mailed_in_time(tell: Teller, said: dict[str, object], reason: str) -> None:
    """5.6, 6.10: the contact is the record, and was held until it was too late; the ledger keeps for what."""
    assert too_late(tell(TRIAL, contact(1, trial_end=DAY, **said))) == [f"held_for: {reason}"]


def test_5_6_of_two_with_one_address_each_says_what_held_it(tell: Teller) -> None:
    """5.6, 4.6: both came too late, neither took the address from the other."""
    story = tell(ONE_NOTICE, contract(7, end_date="2026-04-01", number=None), contact(1, email="desk@example.com"), contact(2, email="desk@example.com"))
    assert too_late(story) == ["held_for: missing_variable"] * 2


def test_5_6_pause_moves_no_due_moment(tell: Teller) -> None:
    """5.6: paused on the day, resumed three days later: it goes late, with the due moment that it had."""
    story = tell(RENEWAL, contract(7, end_date="2026-04-01"))
    story.order("pause", "2026-03-01 09:00")
    assert story.apply("2026-03-02 09:00") == ["7>1 notice-30: hold paused_project, 2026-03-02 09:00"]
    story.order("resume", "2026-03-05 09:00")
    assert story.plan("2026-03-05 09:00") == ["7>1 notice-30: send due, 2026-03-02 09:00"]


def test_5_7_inactive_wait_step_takes_no_time(tell: Teller) -> None:
    """5.7: the welcome is switched off: passed over at once, without a due moment, and the tips count from that run."""
    story = tell(DRIP.replace("template: hello", "template: hello, active: false"))
    story.enroll("drip", 1, "2026-03-02 10:00")
    assert sorted(story.apply("2026-03-02 10:00")) == ["1 tips: wait not_due, 2026-03-05 10:00", "1 welcome: skip step_inactive"]
    assert story.state_of(1, "welcome") == "skipped"


def test_5_7_inactive_dated_step_is_passed_over_when_it_is_due(tell: Teller) -> None:
    """5.7: switched off, the 14-day notice is waited for until 18 March and then passed over, without a due moment."""
    story = tell(RENEWAL.replace("before: 14d, template: reminder", "before: 14d, template: reminder, active: false"), contract(7, end_date="2026-04-01"))
    story.apply("2026-03-02 09:00")
    assert story.plan("2026-03-18 08:59") == ["7>1 notice-14: wait not_due, 2026-03-18 09:00"]
    assert sorted(story.plan("2026-03-18 09:00")) == ["7>1 notice-14: skip step_inactive", "7>1 notice-7: wait not_due, 2026-03-25 09:00"]


def test_5_7_inactive_template_is_as_an_inactive_step(tell: Teller) -> None:
    """5.7: a `wait` step whose template is inactive takes no time either."""
    story = tell(DRIP)
    story.file("templates/hello", template("hello", status="inactive"))
    story.enroll("drip", 1, "2026-03-02 10:00")
    assert sorted(story.plan("2026-03-02 10:00")) == ["1 tips: wait not_due, 2026-03-05 10:00", "1 welcome: skip step_inactive"]


def test_5_8_due_moments_of_a_plan(tell: Teller) -> None:
    """5.8: the due moment also when late or held; none for exit, complete, and a moment beyond the year 9999."""
    story = tell(DRIP.replace("wait: 3d", "wait: 8000y"))
    story.enroll("drip", 1, "2026-03-02 10:00")
    story.apply("2026-03-05 11:00")
    assert story.plan("2026-03-06 11:00") == ["1 tips: wait not_due"]


def test_5_8_today_is_the_local_date_of_the_project(tell: Teller) -> None:
    """5.8: five days before 1 April begin on 27 March at 00:00 in Bangkok, which is 17:00 UTC on the 26th."""
    story = tell(RENEWAL + "    exit_when: {contract.end_date: {within_next: 5d}}\n", contract(7, end_date="2026-04-01"), contact(1))
    story.apply("2026-03-02 09:00")
    assert "exit" not in str(story.plan("2026-03-26 23:59"))
    assert story.plan("2026-03-27 00:00") == ["7>1: exit exit_condition"]
