"""§8: what an edit of the definitions does to people who are already on the way."""

from __future__ import annotations

from .base import contact, contract, invoice, template
from .samples import DRIP, ONE_NOTICE, PROJECT_LETTERS, RENEWAL
from .story import Story, Teller


def on_the_way(tell: Teller) -> Story:
    """A contract that ends on 1 April, whose contact got the 30-day notice on 2 March."""
    story = tell(RENEWAL, contract(7, end_date="2026-04-01"))
    assert story.apply("2026-03-02 09:00") == ["7>1 notice-30: send due, 2026-03-02 09:00"]
    return story


def drip_begun(tell: Teller) -> Story:
    """A drip whose welcome went on 2 March at 10:00."""
    story = tell(DRIP)
    story.enroll("drip", 1, "2026-03-02 10:00")
    assert story.apply("2026-03-02 10:00") == ["1 welcome: send due, 2026-03-02 10:00"]
    return story


def test_8_1_changed_text_sends_nothing_again(tell: Teller) -> None:
    """8.1: a new text of the 30-day notice is for whoever has not been sent it; who has, goes on."""
    story = on_the_way(tell)
    story.file("templates/notice", template("notice", body="Another text about {{ number }}."))
    story.now_has(contract(8, end_date="2026-04-02"))
    assert story.plan("2026-03-03 09:00") == ["8>1 notice-30: send due, 2026-03-03 09:00", "7>1 notice-14: wait not_due, 2026-03-18 09:00"]


def test_8_2_step_inserted_ahead_runs_when_it_is_reached(tell: Teller) -> None:
    """8.2: a 20-day notice inserted on 5 March goes on 12 March; a drip's new step waits from the welcome's run."""
    story = on_the_way(tell)
    story.change("  - {id: notice-14", "  - {id: notice-20, before: 20d, template: reminder}\n  - {id: notice-14")
    story.apply("2026-03-05 09:00")
    assert story.goes_exactly_at("2026-03-12 09:00") == ["7>1 notice-20: send due, 2026-03-12 09:00"]
    drip = drip_begun(tell)
    drip.change("  - {id: tips", "  - {id: more, wait: 1d, template: tips}\n  - {id: tips")
    assert drip.goes_exactly_at("2026-03-03 10:00") == ["1 more: send due, 2026-03-03 10:00"]


def test_8_3_step_inserted_behind_never_runs(tell: Teller) -> None:
    """8.3: a 25-day notice put before the 14-day one that has been sent is behind: it never runs for them."""
    story = on_the_way(tell)
    story.apply("2026-03-18 09:00")
    story.change("  - {id: notice-14", "  - {id: notice-25, before: 25d, template: reminder, expires: 60d}\n  - {id: notice-14")
    assert story.plan("2026-03-18 10:00") == ["7>1 notice-7: wait not_due, 2026-03-25 09:00"]


def test_8_3_step_moved_behind_never_runs(tell: Teller) -> None:
    """8.3: of a drip the welcome was sent; the tips moved before it are behind, so the path is at its end."""
    story = drip_begun(tell)
    story.write(DRIP.replace("      - {id: welcome, wait: 0d, template: hello}\n", "") + "      - {id: welcome, wait: 1h, template: hello}\n")
    assert story.plan("2026-03-05 10:00") == ["1: complete complete"]


def test_8_3_with_no_decided_step_left_the_path_stands_before_the_first(tell: Teller) -> None:
    """8.3: the sent step was removed and another put first: it runs."""
    story = drip_begun(tell)
    story.change("{id: welcome, wait: 0d, template: hello}", "{id: second-try, wait: 1d, template: hello}")
    assert story.goes_exactly_at("2026-03-03 10:00") == ["1 second-try: send due, 2026-03-03 10:00"]


def test_8_4_step_appended_after_completion_is_not_for_them(tell: Teller) -> None:
    """8.4: completed on 2 March, appended on the 3rd: nothing; with `backfill` the enrollment lives again while its occurrence is open."""
    for backfill, expected in [("", []), ("    backfill: 30d\n", ["1 tips: send due, 2026-03-05 10:00"])]:
        only_welcome = DRIP.replace("      - {id: tips, wait: 3d, template: tips}\n", "")
        story = tell(only_welcome)
        story.enroll("drip", 1, "2026-03-02 10:00")
        story.apply("2026-03-02 10:00")
        assert story.apply("2026-03-02 11:00") == ["1: complete complete"]
        story.write(DRIP + backfill)
        story.apply("2026-03-03 10:00")
        assert story.sends("2026-03-05 10:00") == expected


def test_8_5_whoever_waited_for_a_removed_step_goes_on_to_the_next(tell: Teller) -> None:
    """8.5: the 14-day notice is removed on 20 March, held until then: the 7-day one is waited for."""
    story = on_the_way(tell)
    story.change("  - {id: notice-14, before: 14d, template: reminder}\n", "")
    assert story.plan("2026-03-20 09:00") == ["7>1 notice-7: wait not_due, 2026-03-25 09:00"]


def test_8_6_the_new_time_counts_from_the_same_base_and_nobody_is_left_out(tell: Teller) -> None:
    """8.6: notices at 30 and 14 days become 40 and 10 on 20 March: who has not reached them gets the new time, unless that is past; then the old one."""
    days = {7: "2026-04-01", 8: "2026-04-05", 9: "2026-04-24", 10: "2026-05-09"}
    story = tell(RENEWAL.replace("active_from: 2026-01-01", "active_from: 2026-01-01\n    min_gap: 1h"), *(contract(n, end_date=day) for n, day in days.items()))
    story.apply("2026-03-06 09:00")
    story.change("before: 30d", "before: 40d")
    story.change("before: 14d", "before: 10d")
    # 7 and 8 are behind the first, and 10 days before is ahead. 9 ends in 36 days: 40 before are past, so the 30 of then hold. 10 is ahead of both.
    assert story.apply("2026-03-19 09:00") == [
        "7>1 notice-14: wait not_due, 2026-03-22 09:00",
        "8>1 notice-14: wait not_due, 2026-03-26 09:00",
    ]
    assert story.sends("2026-03-25 09:00") == ["7>1 notice-7: send due, 2026-03-25 09:00", "9>1 notice-30: send due, 2026-03-25 09:00"]
    assert "10>1 notice-30: send due, 2026-03-30 09:00" in story.sends("2026-03-30 09:00")


def test_8_6_a_wait_made_shorter_is_never_past(tell: Teller) -> None:
    """8.6: three days become one on the second day: the old time holds; who comes later waits one day. Longer again, the longest holds that is ahead."""
    story = drip_begun(tell)
    story.change("wait: 3d", "wait: 1d")
    story.enroll("drip", 2, "2026-03-04 10:30")
    story.now_has(contact(2))
    assert story.apply("2026-03-04 10:30") == ["2 welcome: send due, 2026-03-04 10:30", "1 tips: wait not_due, 2026-03-05 10:00"]
    assert story.plan("2026-03-05 11:00") == ["1 tips: send due, 2026-03-05 10:00", "2 tips: send due, 2026-03-05 10:30"]
    story.change("wait: 1d", "wait: 2d")
    assert story.plan("2026-03-05 09:00") == ["1 tips: wait not_due, 2026-03-05 10:00", "2 tips: wait not_due, 2026-03-06 10:30"]


def test_8_6_business_days_hold_when_nothing_counts_them_any_more(tell: Teller) -> None:
    """8.6, 5.1: three business days from a Thursday become an hour, which is past, and ten before a date become thirty days: Tuesday and the 18th
    hold, though no step of the project says `bd` now."""
    story = tell(DRIP.replace("wait: 3d", "wait: 3bd"), contact(1))
    story.enroll("drip", 1, "2026-03-05 10:00")
    story.apply("2026-03-05 10:00")
    story.change("wait: 3bd", "wait: 1h")
    assert story.apply("2026-03-06 10:00") == ["1 tips: wait not_due, 2026-03-10 10:00"]
    assert story.sends("2026-03-10 10:00") == ["1 tips: send due, 2026-03-10 10:00"]
    dated = tell(ONE_NOTICE.replace("before: 30d", "before: 10bd"), contract(7, end_date="2026-04-01"))
    dated.apply("2026-03-02 10:00")
    dated.change("before: 10bd", "before: 30d")
    assert dated.apply("2026-03-12 10:00") == []
    assert dated.sends("2026-03-18 09:00") == ["7>1 notice: send due, 2026-03-18 09:00"]


def test_8_6_the_hour_that_a_sequence_gives_a_date_holds_for_hours_too(tell: Teller) -> None:
    """8.6, 5.2: a day of hours after a date at the sequence's 18:00; at 13:00 of that day it becomes 08:00, which is past: 18:00 holds, as for a day."""
    for after in ("24h", "1d"):
        text = f"""
            id: late
            about: invoice
            status: active
            active_from: 2026-01-01
            at: "18:00"
            trigger: {{date: invoice.due_date}}
            steps: [{{id: first, after: {after}, template: late, expires: 4h}}]
        """
        story = tell(text, invoice(5, due_date="2026-03-10"))
        story.apply("2026-03-10 09:00")
        story.change('at: "18:00"', 'at: "08:00"')
        story.apply("2026-03-11 13:00")
        assert story.sends("2026-03-11 18:00") == ["5>1 first: send due, 2026-03-11 18:00"]


def test_8_7_renamed_step_keeps_its_history(tell: Teller) -> None:
    """8.7: the 30-day notice gets another id with `renamed_from`: nobody gets it a second time, and the path goes on behind it."""
    story = on_the_way(tell)
    story.change("{id: notice-30, before: 30d, template: notice}", "{id: first-notice, before: 30d, template: notice, renamed_from: notice-30}")
    assert story.plan("2026-03-03 09:00") == ["7>1 notice-14: wait not_due, 2026-03-18 09:00"]


def test_8_8_a_changed_trigger_starts_again_for_those_who_come_and_lets_the_others_go_on(tell: Teller) -> None:
    """8.8: `where` narrowed on 20 March: 7 still stands and keeps its own start; 8 exits; 9, which comes by it, gets only what is due from that day."""
    story = on_the_way(tell)
    story.now_has(*(contract(n, end_date=day, status=status) for n, day, status in ((8, "2026-04-05", "active"), (9, "2026-04-02", "sent"))))
    story.apply("2026-03-10 09:00")
    story.now_has(contract(7, end_date="2026-04-01", number="VIP"), contract(9, end_date="2026-04-02", status="sent", number="VIP"))
    story.change("where: {contract.status: active}", "where: {contract.number: VIP}")
    story.change("{id: notice-14, before: 14d, template: reminder}", "{id: notice-14, before: 14d, template: reminder, expires: 10d}")
    expected = [
        "9>1 notice-30: skip before_introduction, 2026-03-03 09:00",
        "7>1 notice-14: send due, 2026-03-18 09:00",
        "9>1 notice-14: skip before_introduction, 2026-03-19 09:00",
        "9>1 notice-7: wait not_due, 2026-03-26 09:00",
        "8>1: exit trigger_changed",
    ]
    assert story.apply("2026-03-20 09:00") == expected
    # The next day nothing was changed: who moves away now is moved, and who comes is judged by the new start.
    story.now_has(contract(7, end_date="2026-04-11", number="VIP"))
    assert story.apply("2026-03-21 09:00") == [
        "7>1 notice-30: skip before_introduction, 2026-03-12 09:00",
        "9>1 notice-7: wait not_due, 2026-03-26 09:00",
        "7>1 notice-14: wait not_due, 2026-03-28 09:00",
        "7>1: exit date_moved",
    ]
    # Changed back, whoever exited by the change lives again, with the start that was its own.
    story.change("where: {contract.number: VIP}", "where: {contract.status: active}")
    assert [line for line in story.plan("2026-03-22 09:00") if line.startswith("8")] == ["8>1 notice-14: send due, 2026-03-22 09:00"]


def test_8_8_old_times_count_from_nothing_that_a_new_trigger_has(tell: Teller) -> None:
    """8.8, 8.6: letters by hand became notices before a date: three days after a hand are nothing before an end, and only what is still due goes."""
    by_hand = PROJECT_LETTERS.replace("wait: 0d", "wait: 2d").replace("    active_from: 2026-01-01\n", "")
    story = tell(by_hand, contract(7, end_date="2026-04-01"))
    story.apply("2026-03-10 09:00")
    story.write(by_hand.replace("trigger: manual", "trigger: {date: contract.end_date}").replace("wait: 2d", "before: 30d").replace("wait: 3d", "before: 7d"))
    assert story.apply("2026-03-12 10:00") == ["7>1 first: skip before_introduction, 2026-03-02 09:00", "7>1 second: wait not_due, 2026-03-25 09:00"]
    assert story.apply("2026-03-25 09:00") == ["7>1 second: send due, 2026-03-25 09:00"]


def test_8_8_backfill_moves_the_new_start_and_active_from_does_not(tell: Teller) -> None:
    """8.8, 3.7: another date on 20 March, with `backfill: 3d`: due on the 18th goes, due on the 16th not, though `active_from` lies in January."""
    story = tell(RENEWAL, contract(7, end_date="2026-12-01", signed_at="2026-04-01 02:00"), contract(8, end_date="2026-12-01", signed_at="2026-03-30 02:00"))
    story.apply("2026-03-02 09:00")
    story.change("{date: contract.end_date,", "{date: contract.signed_at,")
    story.change("active_from: 2026-01-01", "active_from: 2026-01-01\nbackfill: 3d")
    assert [line for line in story.plan("2026-03-20 09:00") if "notice-14" in line] == [
        "8>1 notice-14: skip before_introduction, 2026-03-16 09:00",
        "7>1 notice-14: send due, 2026-03-18 09:00",
    ]


def test_8_9_newcomers_by_another_audience_get_only_what_is_due_from_that_day(tell: Teller) -> None:
    """8.9: billing contacts until 20 March, then all: 1 goes on, 2 comes and gets what is due from the 20th; narrowed again, 2 leaves."""
    text = RENEWAL.replace("    steps:", "    audience: {where: {contact.kind: billing}}\n    steps:").replace("14d, template: reminder}", "14d, template: reminder, expires: 10d}")
    story = tell(text, contract(7, end_date="2026-04-01"), contact(1, kind="billing"), contact(2, kind="other"), contact(3, kind="billing", is_active=False))
    story.apply("2026-03-02 09:00")
    story.change("audience: {where: {contact.kind: billing}}\n", "")
    assert story.apply("2026-03-20 09:00") == [
        "7>2 notice-30: skip before_introduction, 2026-03-02 09:00",
        "7>1 notice-14: send due, 2026-03-18 09:00",
        "7>2 notice-14: skip before_introduction, 2026-03-18 09:00",
        "7>2 notice-7: wait not_due, 2026-03-25 09:00",
    ]
    # 3 belongs to it from the first day, and could not be mailed: who comes after the change is a newcomer all the same.
    story.now_has(contact(3, kind="billing"))
    assert story.plan("2026-03-21 09:00")[1:3] == ["7>3 notice-14: skip before_introduction, 2026-03-18 09:00", "7>1 notice-7: wait not_due, 2026-03-25 09:00"]
    story.change("\nsteps:", "\naudience: {where: {contact.kind: billing}}\nsteps:")
    assert "7>2: exit left_audience" in story.apply("2026-03-25 09:00")


def test_8_12_due_moments_move_with_the_timezone_and_nothing_goes_twice(tell: Teller) -> None:
    """8.12: Bangkok, then Berlin: the next notice moves to 09:00 there; the one that was sent on its day in Bangkok is not sent on it again."""
    story = on_the_way(tell)
    story.apply("2026-03-18 09:00")
    story.change("about: contract\n", "about: contract\ntimezone: Europe/Berlin\n")
    assert story.plan("2026-03-18 16:00") == ["7>1 notice-7: wait not_due, 2026-03-25 15:00"]


def test_8_13_archived_sequence_sends_nothing_and_comes_back(tell: Teller) -> None:
    """8.13: archived or removed, live enrollments exit as sequence_removed and nothing is sent; brought back, they live again."""
    story = on_the_way(tell)
    story.change("\nstatus: active", "\nstatus: archived")
    assert story.apply("2026-03-03 09:00") == ["7>1: exit sequence_removed"]
    story.change("\nstatus: archived", "\nstatus: active")
    assert story.apply("2026-03-18 09:00") == ["7>1 notice-14: send due, 2026-03-18 09:00"]
    story.remove("sequences/renewal")
    assert story.plan("2026-03-25 09:00") == ["7>1: exit sequence_removed"]


def test_8_14_paused_then_active_is_never_a_burst(tell: Teller) -> None:
    """8.14: a sequence paused in its file over two notices: held, then only the last that has not expired goes."""
    story = on_the_way(tell)
    story.change("\nstatus: active", "\nstatus: paused")
    assert story.apply("2026-03-18 09:00") == ["7>1 notice-14: hold paused_sequence, 2026-03-18 09:00"]
    story.change("\nstatus: paused", "\nstatus: active")
    assert story.plan("2026-03-26 09:00") == ["7>1 notice-14: skip expired, 2026-03-18 09:00", "7>1 notice-7: send due, 2026-03-25 09:00"]


def test_8_15_draft_enrolls_nobody_and_holds_who_lives(tell: Teller) -> None:
    """8.15: a draft has not started; made a draft again, live enrollments hold as paused_sequence and nobody enters."""
    story = tell(RENEWAL.replace("    status: active", "    status: draft"), contract(7, end_date="2026-04-01"))
    assert story.apply("2026-03-02 09:00") == []
    assert story.funnel("2026-03-02 09:00").named == {"draft": 1}
    story.change("\nstatus: draft", "\nstatus: active")
    assert story.apply("2026-03-02 10:00") == ["7>1 notice-30: send due, 2026-03-02 09:00"]
    story.change("\nstatus: active", "\nstatus: draft")
    story.now_has(contract(8, end_date="2026-04-02"), contact(1))
    assert story.plan("2026-03-18 09:00") == ["7>1 notice-14: hold paused_sequence, 2026-03-18 09:00"]


def test_8_15_draft_starts_on_the_day_when_it_is_switched_on(tell: Teller) -> None:
    """8.15, 3.7: without `active_from` a draft of months starts with the first apply that has it as active."""
    text = RENEWAL.replace("    active_from: 2026-01-01\n", "")
    story = tell(text.replace("    status: active", "    status: draft"), contract(7, end_date="2026-04-01"))
    story.apply("2026-02-01 09:00")
    story.change("\nstatus: draft", "\nstatus: active")
    assert story.plan("2026-03-20 09:00") == [
        "7>1 notice-30: skip before_introduction, 2026-03-02 09:00",
        "7>1 notice-14: skip before_introduction, 2026-03-18 09:00",
        "7>1 notice-7: wait not_due, 2026-03-25 09:00",
    ]
