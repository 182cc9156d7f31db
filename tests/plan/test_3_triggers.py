"""§3: which records have a reason to be in a sequence, from when, until when, and whether again."""

from __future__ import annotations

import pytest

from .base import contact, contract
from .samples import DRIP, ONE_LETTER, PROJECT_LETTERS, RENEWAL, TRIAL
from .story import Teller

# --- 3.1 date ---------------------------------------------------------------------------------------------------------


def test_3_1_key_of_a_date_is_the_date(tell: Teller) -> None:
    """3.1: the occurrence of a contract that ends on 1 April 2026 has the key 2026-04-01, and 30 days before is 2 March, 09:00."""
    story = tell(RENEWAL, contract(7, end_date="2026-04-01"))
    plan = story.planned("2026-03-02 09:00")
    assert story.lines(plan) == ["7>1 notice-30: send due, 2026-03-02 09:00"]
    assert plan.decisions["occurrence"].to_pylist() == ["2026-04-01"]


def test_3_1_key_of_a_timestamp_is_its_instant(tell: Teller) -> None:
    """3.1: a timestamp's key is its UTC instant, its base the instant: 48 h after 02:00 UTC is 09:00 in Bangkok two days later."""
    story = tell(
        """
        id: signed
        about: contract
        status: active
        active_from: 2026-01-01
        trigger: {date: contract.signed_at}
        steps: [{id: thanks, after: 48h, template: notice}]
        """,
        contract(7, signed_at="2026-03-01T02:00:00"),
    )
    plan = story.planned("2026-03-03 09:00")
    assert story.lines(plan) == ["7>1 thanks: send due, 2026-03-03 09:00"]
    assert plan.decisions["occurrence"].to_pylist() == ["2026-03-01T02:00:00Z"]


def test_3_1_no_value_or_one_out_of_range_is_no_occurrence(tell: Teller) -> None:
    """3.1: none, 1970-01-01 and 2101-01-01 are no occurrence; 2100-12-31 is one, and upcoming."""
    story = tell(RENEWAL, contract(1), contract(2, end_date="1970-01-01"), contract(3, end_date="2101-01-01"), contract(4, end_date="2100-12-31"))
    summary = story.funnel("2026-03-02 09:00")
    assert (summary.counts["considered"], summary.counts["upcoming"], dict(summary.named)) == (0, 1, {})


# --- 3.5 manual -------------------------------------------------------------------------------------------------------


def test_3_5_file_begins_at_the_first_apply_that_sees_it(tell: Teller) -> None:
    """3.5: the key is the file's id, the base the first apply that sees it; a later apply counts from that base."""
    story = tell(DRIP)
    story.file("enrollments/spring", "{id: spring, sequence: drip, contacts: [1]}")
    plan = story.applied("2026-03-02 10:00")
    assert story.lines(plan) == ["1 welcome: send due, 2026-03-02 10:00"]
    assert plan.decisions["occurrence"].to_pylist() == ["spring"]
    assert story.plan("2026-03-05 10:00") == ["1 tips: send due, 2026-03-05 10:00"]


def test_3_5_who_is_taken_out_of_the_file_exits(tell: Teller) -> None:
    """3.5: a contact taken out of the file exits as trigger_gone, the other goes on; put back, the first lives again."""
    story = tell(DRIP, contact(1), contact(2))
    story.file("enrollments/spring", "{id: spring, sequence: drip, contacts: [1, 2]}")
    story.apply("2026-03-02 10:00")
    story.file("enrollments/spring", "{id: spring, sequence: drip, contacts: [2]}")
    assert story.apply("2026-03-03 10:00") == ["2 tips: wait not_due, 2026-03-05 10:00", "1: exit trigger_gone"]
    story.file("enrollments/spring", "{id: spring, sequence: drip, contacts: [1, 2]}")
    assert story.plan("2026-03-05 10:00") == ["1 tips: send due, 2026-03-05 10:00", "2 tips: send due, 2026-03-05 10:00"]


def test_3_5_segment_of_a_file_means_its_members_at_the_first_apply(tell: Teller) -> None:
    """3.5: who joins the segment after the first apply of the file is not enrolled by it."""
    story = tell(DRIP, contact(1, kind="guest"), contact(2, kind="staff"))
    story.file("segments/guests", "{id: guests, name: Guests, entity: contact, rules: {contact.kind: guest}}")
    story.file("enrollments/spring", "{id: spring, sequence: drip, segment: guests}")
    assert story.apply("2026-03-02 10:00") == ["1 welcome: send due, 2026-03-02 10:00"]
    story.now_has(contact(2, kind="guest"), contact(1, kind="staff"))
    assert story.plan("2026-03-03 10:00") == ["1 tips: wait not_due, 2026-03-05 10:00"]


def test_3_5_enrolled_by_hand_begins_at_the_moment_of_the_command(tell: Teller) -> None:
    """3.5: `engine enroll` at 09:10 is the base, also when the first apply comes at 12:00; the key is a number."""
    story = tell(DRIP)
    story.enroll("drip", 1, "2026-03-02 09:10")
    plan = story.planned("2026-03-02 12:00")
    assert story.lines(plan) == ["1 welcome: send due, 2026-03-02 09:10"]
    assert plan.decisions["occurrence"].to_pylist() == ["1"]


@pytest.mark.parametrize(
    ("trigger", "step"),
    [("manual", "before: 3d"), ("manual", "after: 3d"), ("{date: contract.end_date}", "wait: 3d"), ("{date: contract.end_date}", "before: -3d")],
)
def test_3_5_misfit_of_trigger_and_step_is_an_error(tell: Teller, trigger: str, step: str) -> None:
    """3.5: `before` and `after` belong to date triggers, `wait` to all others; a misfit and a negative duration are errors."""
    with pytest.raises(AssertionError, match="negative" if "-" in step else step.split(":")[0]):
        tell(f"{{id: odd, about: contract, trigger: {trigger}, steps: [{{id: one, {step}, template: notice}}]}}")


# --- 3.6 a life -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("every", ["", ", every: 1y"])
@pytest.mark.parametrize("more", ["", "guards: {max_exits: 100%}"])
def test_3_6_what_an_edit_puts_ahead_again_is_upcoming_unless_somebody_is_considered(tell: Teller, every: str, more: str) -> None:
    """3.6, 6.18 (A141): everybody's way has ended for good, and the step that began it is taken out: the record is in the calendar again, whatever
    the guards ask of the ledger. Who is on the way is considered, and not upcoming beside it."""
    text = RENEWAL.replace("end_date,", f"end_date{every},").replace("    steps", "    goal: {contract.monthly_value: 1}\n    steps")
    end = "2025-04-01" if every else "2026-04-01"
    story = tell(text, contract(1, end_date=end, monthly_value=1), contract(2, end_date=end, monthly_value=2), more=more)
    story.applied("2026-03-02 09:00")
    story.change("  - {id: notice-30, before: 30d, template: notice}\n", "")
    counts = story.funnel("2026-03-02 10:00").counts
    assert (counts["upcoming"], counts["considered"], counts["wait"]) == (1, 1, 1)


def test_3_6_occurrence_is_upcoming_until_its_first_step_is_due(tell: Teller) -> None:
    """3.6: a minute before the first step it is counted and not considered; an apply records nothing of it."""
    story = tell(RENEWAL, contract(7, end_date="2026-04-01"))
    assert story.apply("2026-03-02 08:59") == []
    summary = story.funnel("2026-03-02 08:59")
    assert (summary.counts["upcoming"], summary.counts["considered"]) == (1, 0)
    assert story.ledger.enrollments().rows == ()
    assert story.funnel("2026-03-02 09:00").counts["upcoming"] == 0


def test_3_6_occurrence_closes_when_its_last_step_has_expired(tell: Teller) -> None:
    """3.6: the 7-day notice of 25 March may go until 1 April, 09:00: first seen a minute before it goes, then it does not exist."""
    story = tell(RENEWAL, contract(7, end_date="2026-04-01"))
    assert story.plan("2026-04-01 08:59") == [
        "7>1 notice-30: skip expired, 2026-03-02 09:00",
        "7>1 notice-14: skip expired, 2026-03-18 09:00",
        "7>1 notice-7: send due, 2026-03-25 09:00",
    ]
    assert story.plan("2026-04-01 09:00") == []
    assert story.funnel("2026-04-01 09:00").named == {"closed": 1}


def test_3_6_wait_occurrence_that_enrolled_nobody_closes_with_its_first_step(tell: Teller) -> None:
    """3.6: enrolled by hand on 2 March at 10:00 and never applied, it closes on 9 March at 10:00."""
    story = tell(DRIP)
    story.enroll("drip", 1, "2026-03-02 10:00")
    assert story.plan("2026-03-09 09:59") == ["1 welcome: send due, 2026-03-02 10:00"]
    assert story.plan("2026-03-09 10:00") == []


def test_3_6_wait_occurrence_that_enrolled_somebody_closes_with_its_last_step(tell: Teller) -> None:
    """3.6: base 2 March 10:00, three days' wait, seven days to expire: a second contact may join until 12 March, 10:00."""
    story = tell(PROJECT_LETTERS, contract(7))
    story.file("enrollments/spring", "{id: spring, sequence: letters, contacts: [7]}")
    assert story.apply("2026-03-02 10:00") == ["7>1 first: send due, 2026-03-02 10:00"]
    story.now_has(contact(2))
    joined = ["7>2 first: skip expired, 2026-03-02 10:00", "7>2 second: send due, 2026-03-05 10:00"]
    assert [line for line in story.plan("2026-03-12 09:59") if line.startswith("7>2")] == joined
    assert [line for line in story.plan("2026-03-12 10:00") if line.startswith("7>2")] == []


# --- 3.7 switching on -------------------------------------------------------------------------------------------------

NEW_RENEWAL = RENEWAL.replace("active_from: 2026-01-01", "expires: 20d")


def test_3_7_new_sequence_gives_what_is_due_from_today(tell: Teller) -> None:
    """3.7: a contract with 20 days left gets its 14- and 7-day notices, not the 30-day one."""
    story = tell(NEW_RENEWAL, contract(7, end_date="2026-04-01"))
    assert story.apply("2026-03-12 15:00") == ["7>1 notice-30: skip before_introduction, 2026-03-02 09:00", "7>1 notice-14: wait not_due, 2026-03-18 09:00"]
    assert story.apply("2026-03-18 09:00") == ["7>1 notice-14: send due, 2026-03-18 09:00"]


def test_3_7_sequence_starts_with_the_local_day_of_its_first_apply(tell: Teller) -> None:
    """3.7: switched on at 15:00 on the day when it was due at 09:00 it goes; on the next day, also at 00:00, it does not."""
    story = tell(NEW_RENEWAL, contract(7, end_date="2026-04-01"))
    assert story.plan("2026-03-02 23:59") == ["7>1 notice-30: send due, 2026-03-02 09:00"]
    assert story.sends("2026-03-03 00:00") == []


def test_3_7_backfill_moves_the_start_back(tell: Teller) -> None:
    """3.7: `backfill: 10d` on 12 March reaches back to 2 March, 00:00; 9d does not; `all` reaches everything that has not expired."""
    for backfill, sends in [("9d", []), ("10d", ["7>1 notice-30: send due, 2026-03-02 09:00"]), ("all", ["7>1 notice-30: send due, 2026-03-02 09:00"])]:
        story = tell(NEW_RENEWAL.replace("expires: 20d", f"expires: 20d\n    backfill: {backfill}"), contract(7, end_date="2026-04-01"))
        assert story.sends("2026-03-12 15:00") == sends


def test_3_7_plan_says_what_backfill_would_send(tell: Teller) -> None:
    """3.7: the first run tells how many earlier ones are not sent, and how many of them `backfill` would still send."""
    story = tell(NEW_RENEWAL, contract(7, end_date="2026-04-01"), contract(8, end_date="2026-03-20"))
    # Contract 8: the 30-day notice was due on 18 February and is over since the 14-day one of 6 March, which may still go.
    hint = story.funnel("2026-03-12 15:00").backfill_hint
    assert (hint["earlier"], hint["would_send"]) == (3, 2)


def test_3_7_nobody_enters_before_active_from(tell: Teller) -> None:
    """3.7: with `active_from: 2026-03-20` nobody enters on the 19th; on the 20th the 14-day notice of the 18th is passed over."""
    story = tell(RENEWAL.replace("2026-01-01", "2026-03-20"), contract(7, end_date="2026-04-01"))
    assert story.apply("2026-03-19 23:59") == []
    assert story.funnel("2026-03-19 23:59").named == {"not_started": 1}
    assert story.plan("2026-03-20 00:00") == [
        "7>1 notice-30: skip before_introduction, 2026-03-02 09:00",
        "7>1 notice-14: skip before_introduction, 2026-03-18 09:00",
        "7>1 notice-7: wait not_due, 2026-03-25 09:00",
    ]


def test_3_7_step_that_comes_later_starts_with_that_day(tell: Teller) -> None:
    """3.7: a 20-day notice added after 12 March, 09:00 still goes on the 12th, and is passed over from the 13th, whatever `active_from` says."""
    for today, expected in [
        ("2026-03-12 18:00", "7>1 notice-20: send due, 2026-03-12 09:00"),
        ("2026-03-13 00:00", "7>1 notice-20: skip before_introduction, 2026-03-12 09:00"),
    ]:
        story = tell(RENEWAL, contract(7, end_date="2026-04-01"))
        story.apply("2026-03-02 09:00")
        story.change("  - {id: notice-14", "  - {id: notice-20, before: 20d, template: reminder}\n  - {id: notice-14")
        assert story.plan(today)[0] == expected


def test_3_7_wait_sequence_enrolls_nobody_who_began_before_its_start(tell: Teller) -> None:
    """3.7: enrolled by hand on 1 March, first applied on 2 March without `active_from`: counted before_introduction, nobody is written to."""
    story = tell(DRIP.replace("active_from: 2026-01-01", ""))
    story.enroll("drip", 1, "2026-03-01 12:00")
    assert story.apply("2026-03-02 10:00") == []
    assert story.funnel("2026-03-02 10:00").counts["before_introduction"] == 1


# --- 3.8 the value moves ----------------------------------------------------------------------------------------------


def test_3_8_moved_value_begins_anew_but_not_too_soon(tell: Teller) -> None:
    """3.8: sent on 2 March, moved by four days: the old occurrence exits, and the same step four days later is too soon."""
    story = tell(RENEWAL, contract(7, end_date="2026-04-01"))
    story.apply("2026-03-02 09:00")
    story.now_has(contract(7, end_date="2026-04-05"))
    assert story.apply("2026-03-06 09:00") == [
        "7>1 notice-30: skip too_soon, 2026-03-06 09:00",
        "7>1 notice-14: wait not_due, 2026-03-22 09:00",
        "7>1: exit date_moved",
    ]


def test_3_8_exactly_seven_days_later_is_free(tell: Teller) -> None:
    """3.8: decided by the run of 2 March, 09:01, the step is too soon until 9 March, 09:00, and free at 09:01."""
    story = tell(RENEWAL, contract(7, end_date="2026-04-01"))
    story.apply("2026-03-02 09:01")
    story.now_has(contract(7, end_date="2026-04-08"))
    assert "7>1 notice-30: skip too_soon, 2026-03-09 09:00" in story.plan("2026-03-09 09:00")
    assert story.sends("2026-03-09 09:01") == ["7>1 notice-30: send due, 2026-03-09 09:00"]


def test_3_8_value_that_comes_back_after_none_goes_at_once(tell: Teller) -> None:
    """3.8: sends of an occurrence that ended as trigger_gone do not count for the gap."""
    story = tell(RENEWAL, contract(7, end_date="2026-04-01"))
    story.apply("2026-03-02 09:00")
    story.now_has(contract(7))
    assert story.apply("2026-03-03 09:00") == ["7>1: exit trigger_gone"]
    story.now_has(contract(7, end_date="2026-04-03"))
    assert story.plan("2026-03-04 09:00") == ["7>1 notice-30: send due, 2026-03-04 09:00"]


@pytest.mark.parametrize(
    ("said", "reason"),
    [({"status": "ended", "end_date": "2026-04-01"}, "trigger_gone"), ({"end_date": None}, "trigger_gone"), ({"end_date": "2101-01-01"}, "date_moved")],
)
def test_3_8_what_ends_an_occurrence(tell: Teller, said: dict[str, str], reason: str) -> None:
    """3.8: no value, or `where` false, is trigger_gone; another value, also one out of range, is date_moved."""
    story = tell(RENEWAL, contract(7, end_date="2026-04-01"))
    story.apply("2026-03-02 09:00")
    story.now_has(contract(7, **said))
    assert story.plan("2026-03-03 09:00") == [f"7>1: exit {reason}"]


def test_3_8_record_that_is_gone_is_trigger_gone(tell: Teller) -> None:
    """3.8: no record is trigger_gone; the contract beside it keeps the facts from looking empty."""
    story = tell(RENEWAL, contract(7, end_date="2026-04-01"), contract(8))
    story.apply("2026-03-02 09:00")
    story.lost("contract", 7)
    assert story.plan("2026-03-03 09:00") == ["7>1: exit trigger_gone"]


def test_3_8_without_a_date_trigger_the_gap_holds_only_where_it_is_said(tell: Teller) -> None:
    """3.8: two files on two days write the same letter twice, unless `min_gap: 7d` stands there."""
    for gap, expected in [("", "1 hello: send due, 2026-03-03 10:00"), ("min_gap: 7d", "1 hello: skip too_soon, 2026-03-03 10:00")]:
        story = tell(ONE_LETTER + f"    reenter: every_occurrence\n    {gap}\n")
        story.file("enrollments/a", "{id: a, sequence: letter, contacts: [1]}")
        story.apply("2026-03-02 10:00")
        story.file("enrollments/b", "{id: b, sequence: letter, contacts: [1]}")
        assert expected in story.plan("2026-03-03 10:00")


# --- 3.9 re-entry -----------------------------------------------------------------------------------------------------


def test_3_9_never_means_no_second_one_however_the_first_ended(tell: Teller) -> None:
    """3.9: `never` is the default for manual; a second file enrolls nobody who has been, and says so."""
    story = tell(ONE_LETTER)
    story.file("enrollments/a", "{id: a, sequence: letter, contacts: [1]}")
    story.apply("2026-03-02 10:00")
    assert story.apply("2026-03-02 11:00") == ["1: complete complete"]
    story.file("enrollments/b", "{id: b, sequence: letter, contacts: [1]}")
    assert story.plan("2026-06-02 10:00") == []
    assert story.funnel("2026-06-02 10:00").named["enrolled_before"] == 1


def test_3_9_person_can_override_never_by_hand(tell: Teller) -> None:
    """3.9: enrolled by hand over `never`, the contact gets the letter again."""
    story = tell(ONE_LETTER)
    story.enroll("letter", 1, "2026-03-02 10:00")
    story.apply("2026-03-02 10:00")
    story.apply("2026-03-02 11:00")
    story.enroll("letter", 1, "2026-03-03 10:00")
    assert story.sends("2026-03-03 10:00") == []
    story.enroll("letter", 1, "2026-03-03 10:30", override=True)
    assert story.sends("2026-03-03 11:00") == ["1 hello: send due, 2026-03-03 10:30"]


def test_3_9_after_counts_from_the_end_of_the_last(tell: Teller) -> None:
    """3.9: completed on 2 March at 11:00, `after: 90d` is free on 31 May at 11:00; refused before, it is looked at again while it is open."""
    story = tell(ONE_LETTER + "    reenter: {after: 90d}\n")
    story.file("enrollments/a", "{id: a, sequence: letter, contacts: [1]}")
    story.apply("2026-03-02 10:00")
    story.apply("2026-03-02 11:00")
    story.file("enrollments/b", "{id: b, sequence: letter, contacts: [1]}")
    assert story.apply("2026-05-31 10:59") == []
    assert story.plan("2026-05-31 11:00") == ["1 hello: send due, 2026-05-31 10:59"]


def test_3_9_while_one_lives_another_starts_none(tell: Teller) -> None:
    """3.9: on the way in one contract's letters, a contact starts none for another contract, whatever the record."""
    story = tell(PROJECT_LETTERS, contract(7), contract(8))
    story.file("enrollments/a", "{id: a, sequence: letters, contacts: [7]}")
    story.apply("2026-03-02 10:00")
    story.file("enrollments/b", "{id: b, sequence: letters, contacts: [8]}")
    assert story.plan("2026-03-03 10:00") == ["7>1 second: wait not_due, 2026-03-05 10:00"]
    assert story.funnel("2026-03-03 10:00").named["already_enrolled"] == 1


def test_3_9_of_two_in_one_plan_the_earlier_base_goes(tell: Teller) -> None:
    """3.9: contract 8 was enrolled by hand at 09:00, contract 7 at 09:30: the contact of both gets the letter about 8."""
    story = tell(PROJECT_LETTERS, contract(7), contract(8))
    story.enroll("letters", 8, "2026-03-02 09:00", entity="contract")
    story.enroll("letters", 7, "2026-03-02 09:30", entity="contract")
    assert story.plan("2026-03-02 10:00") == ["8>1 first: send due, 2026-03-02 09:00"]


def test_3_9_every_occurrence_is_the_default_for_dates(tell: Teller) -> None:
    """3.9: a contract renewed by a year has its notices again next year."""
    story = tell(RENEWAL, contract(7, end_date="2026-04-01"))
    story.apply("2026-03-02 09:00")
    story.now_has(contract(7, end_date="2027-04-01"))
    assert story.apply("2026-03-10 09:00") == ["7>1: exit date_moved"]
    assert story.sends("2027-03-02 09:00") == ["7>1 notice-30: send due, 2027-03-02 09:00"]


# --- 3.10 two kinds of exit -------------------------------------------------------------------------------------------


def test_3_10_half_empty_crm_loses_nobody(tell: Teller) -> None:
    """3.10: the contacts are not there for one run: exit, and with the same occurrence it lives again and goes on, without a second notice-30."""
    story = tell(RENEWAL, contract(7, end_date="2026-04-01"), contact(1), contact(2, company_id=None))
    story.apply("2026-03-02 09:00")
    story.lost("contact", 1)
    assert story.apply("2026-03-02 10:00") == ["7>1: exit left_audience"]
    story.now_has(contact(1))
    assert story.apply("2026-03-02 11:00") == ["7>1 notice-14: wait not_due, 2026-03-18 09:00"]
    assert story.apply("2026-03-18 09:00") == ["7>1 notice-14: send due, 2026-03-18 09:00"]
    assert story.sent() == ["7>1 notice-30 sent", "7>1 notice-14 sent"]


def test_3_10_steps_that_expired_meanwhile_stay_passed_over(tell: Teller) -> None:
    """3.10: away from 3 to 26 March, the contact is past the 14-day notice and gets the 7-day one."""
    story = tell(RENEWAL, contract(7, end_date="2026-04-01"))
    story.apply("2026-03-02 09:00")
    story.now_has(contact(1, is_active=False))
    story.apply("2026-03-03 09:00")
    story.now_has(contact(1))
    assert story.plan("2026-03-26 09:00") == ["7>1 notice-14: skip expired, 2026-03-18 09:00", "7>1 notice-7: send due, 2026-03-25 09:00"]


def test_3_10_final_exit_stays_when_its_cause_is_gone(tell: Teller) -> None:
    """3.10: a goal that was met is final, also when the record says later that it was not."""
    story = tell(RENEWAL + "    goal: {contract.monthly_value: {greater_than: 100}}\n", contract(7, end_date="2026-04-01"))
    story.apply("2026-03-02 09:00")
    story.now_has(contract(7, end_date="2026-04-01", monthly_value=500))
    assert story.apply("2026-03-03 09:00") == ["7>1: exit goal_met"]
    story.now_has(contract(7, end_date="2026-04-01", monthly_value=50))
    assert story.plan("2026-03-18 09:00") == []


@pytest.mark.parametrize(("every", "value"), [("1mo", "2026-12-01"), ("1y", "2099-06-30"), ("10d", "2028-02-29")])
def test_3_1_a_value_that_lies_ahead_comes_round_ahead(tell: Teller, every: str, value: str) -> None:
    """3.1, 6.18: the first time of every record is upcoming, however far it lies ahead; nobody drops out of all counts."""
    story = tell(TRIAL.replace("date: contact.trial_end", f"date: contact.trial_end, every: {every}"), contact(1, trial_end=value), contact(2, trial_end="2026-02-20"))
    assert story.funnel("2026-03-01 09:00").counts["upcoming"] == 2
