"""§5: send windows, holidays, business days, and the contact's own timezone."""

from __future__ import annotations

import pytest

from .base import contact, contract
from .samples import DRIP, ONE_NOTICE, RENEWAL
from .story import Story, Teller

RECIPIENT = "    timezone: recipient\n"
OFFICE = '    send_window: {days: [mon-fri], from: "08:00", to: "18:00"}\n'
# In 2026, 6 April is a Monday.
HOLIDAYS = "holidays: {own: {also: [2026-04-06, 2026-12-31]}, songkran: {country: TH, except: [2026-04-15]}}\n"


def noticed(tell: Teller, step: str, more: str, *end_dates: str, zone: str = "Asia/Bangkok") -> Story:
    """One notice at this time of contracts 1, 2, … with these dates."""
    contracts = [contract(number, end_date=day) for number, day in enumerate(end_dates, 1)]
    return tell(ONE_NOTICE.replace("before: 30d", step) + more, *contracts, zone=zone, more=HOLIDAYS)


def test_5_4_a_due_moment_outside_goes_to_the_next_open_one(tell: Teller) -> None:
    """5.4: Friday 18:00 is outside ([from, to)) and goes to Monday 08:00, Saturday too; 17:59 and 08:00 stay, 07:59 goes to 08:00."""
    dates = ("2026-03-06", "2026-03-07", "2026-03-09")
    said = {}
    for at in ("07:59", "08:00", "17:59", "18:00"):
        story = noticed(tell, f'before: 0d, at: "{at}"', OFFICE + "    expires: 30d\n", *dates)
        said[at] = [line.rpartition(", ")[2] for line in story.plan("2026-03-17 12:00")]
    assert said == {
        "07:59": ["2026-03-06 08:00", "2026-03-09 08:00", "2026-03-09 08:00"],
        "08:00": ["2026-03-06 08:00", "2026-03-09 08:00", "2026-03-09 08:00"],
        "17:59": ["2026-03-06 17:59", "2026-03-09 08:00", "2026-03-09 17:59"],
        "18:00": ["2026-03-09 08:00", "2026-03-09 08:00", "2026-03-10 08:00"],
    }


def test_6_7_what_only_the_window_keeps_waits_for_it(tell: Teller) -> None:
    """6.7: not due before Saturday 09:00; then kept by the window alone until Monday 08:00; and what is due goes only while now is inside."""
    story = noticed(tell, "before: 0d", OFFICE, "2026-03-07")
    assert story.plan("2026-03-07 08:59") == []
    assert story.funnel("2026-03-07 08:59").counts["upcoming"] == 1
    assert story.sends("2026-03-09 07:59") == []
    assert story.plan("2026-03-09 08:00") == ["1>1 notice: send due, 2026-03-09 08:00"]
    assert story.plan("2026-03-09 18:00") == ["1>1 notice: wait send_window, 2026-03-09 08:00"]
    assert story.planned("2026-03-09 18:00").decisions.to_pylist()[0]["detail"] == "opens: 2026-03-10T01:00:00Z"


def test_6_7_a_wait_moved_by_the_window_is_not_due_first(tell: Teller) -> None:
    """6.7: on the path since Wednesday, the tips are due on Saturday: `not_due` until then, `send_window` until Monday, with Monday's due moment all the while."""
    story = tell(DRIP + OFFICE)
    story.enroll("drip", 1, "2026-03-04 10:00")
    assert story.apply("2026-03-04 10:00") == ["1 welcome: send due, 2026-03-04 10:00"]
    assert story.plan("2026-03-07 09:59") == ["1 tips: wait not_due, 2026-03-09 08:00"]
    assert story.plan("2026-03-07 10:00") == ["1 tips: wait send_window, 2026-03-09 08:00"]
    assert story.plan("2026-03-09 08:00") == ["1 tips: send due, 2026-03-09 08:00"]


def test_5_6_expires_counts_from_the_window(tell: Teller) -> None:
    """5.6: due on Saturday, sent from Monday 08:00: one day later on Tuesday it is over, and not on Sunday."""
    story = noticed(tell, "before: 0d", OFFICE + "    expires: 1d\n", "2026-03-07")
    assert story.sends("2026-03-09 17:59") == ["1>1 notice: send due, 2026-03-09 08:00"]
    assert story.plan("2026-03-10 08:00") == []
    assert story.funnel("2026-03-10 08:00").named == {"closed": 1}


def test_6_8_too_late_is_too_late_also_while_the_window_is_closed(tell: Teller) -> None:
    """6.7, 6.8: it is not only the window that keeps a late step: at night it is passed over, and the next one waits."""
    story = tell(DRIP.replace("template: hello", "template: hello, expires: 1d") + OFFICE)
    story.enroll("drip", 1, "2026-03-04 10:00")
    story.order("pause", "2026-03-04 10:00", sequence="drip")
    story.apply("2026-03-04 10:00")
    story.order("resume", "2026-03-04 18:00", sequence="drip")
    assert story.plan("2026-03-04 19:00") == ["1 welcome: wait send_window, 2026-03-04 10:00"]
    assert story.plan("2026-03-05 19:00") == ["1 welcome: skip expired, 2026-03-04 10:00", "1 tips: wait not_due, 2026-03-09 08:00"]


def test_9_6_a_planned_row_outside_the_window_is_cancelled_and_comes_again(tell: Teller) -> None:
    """9.6: planned at 17:59 and not taken by any worker, it does not pass at 18:10; the next morning it is planned anew."""
    story = noticed(tell, "before: 0d", OFFICE, "2026-03-09")
    story.committed("2026-03-09 17:59")
    assert story.applied("2026-03-09 18:10").decisions.to_pylist()[0]["reason"] == "send_window"
    assert story.sent() == ["1>1 notice cancelled"]
    assert story.apply("2026-03-10 08:00") == ["1>1 notice: send due, 2026-03-09 09:00"]
    assert story.state_of(1, "notice") == "sent"


@pytest.mark.parametrize(("at", "leaves"), [("17:58", 1), ("17:59", 1), ("18:00", 0), ("18:09", 0)])
def test_5_4_a_worker_hands_nothing_over_behind_the_closing(tell: Teller, at: str, leaves: int) -> None:
    """5.4: planned at 17:50 for half an hour (9.6), a row may leave until the window closes at 18:00, and not behind it."""
    story = noticed(tell, "before: 0d", OFFICE, "2026-03-09")
    story.committed("2026-03-09 17:50")
    assert len(story.deliver(f"2026-03-09 {at}")) == leaves


def test_5_4_the_closing_is_that_of_the_zone_of_whoever_is_written_to(tell: Teller) -> None:
    """5.3, 5.4: at 17:50 in Bangkok it is 19:50 in Tokyo and closed, and 16:20 in Kabul is not near its end."""
    story = tell(DRIP + OFFICE + RECIPIENT, contact(1), contact(2, zone="Asia/Kabul"), contact(3, zone="Asia/Tokyo"))
    for record in (1, 2, 3):
        story.enroll("drip", record, "2026-03-09 10:00")
    rows = {row["contact"]: row["open_until"] for row in story.planned("2026-03-09 17:50").changes["sends"].to_pylist()}
    assert rows == {"1": story.utc("2026-03-09 18:00"), "2": None}


@pytest.mark.parametrize(
    ("window", "at", "closes"),
    [
        # One that ends with the day goes on where the next day is open too.
        ("{days: [mon-fri]}", "2026-03-09 23:50", None),
        ("{days: [mon-fri]}", "2026-03-13 23:50", "2026-03-14 00:00"),
        ("{days: [mon-fri], holidays: own}", "2026-12-30 23:40", "2026-12-31 00:00"),
        ('{to: "12:00"}', "2026-03-09 11:29", None),
        ('{to: "12:00"}', "2026-03-09 11:30", "2026-03-09 12:00"),
        # New York leaves out the hour from 02:00 on 8 March 2026, and has the one from 01:00 twice on 1 November.
        ('{to: "02:30"}', "2026-03-08T01:45-05:00", "2026-03-08T03:00-04:00"),
        ('{to: "01:30"}', "2026-11-01T01:10-04:00", "2026-11-01T01:30-04:00"),
        ('{to: "01:30"}', "2026-11-01T01:10-05:00", "2026-11-01T01:30-05:00"),
    ],
)
def test_5_4_until_when_a_window_is_open(tell: Teller, window: str, at: str, closes: str | None) -> None:
    """5.4, 5.5: the end that a plan writes down is the first minute of its half hour at which the window is closed, on days that go on, before holidays, and where the clocks change."""
    zone = "America/New_York" if "T" in at else "Asia/Bangkok"
    story = noticed(tell, 'before: 0d, at: "00:00"', f"    send_window: {window}\n", at[:10], zone=zone)
    (row,) = story.planned(at).changes["sends"].to_pylist()
    assert row["open_until"] == (None if closes is None else story.utc(closes))


@pytest.mark.parametrize(
    ("window", "end_date", "due"),
    [
        # From Friday over the weekend to Monday.
        ("{days: [fri-mon]}", "2026-03-10", "2026-03-13 00:00"),
        ("{days: [fri-mon]}", "2026-03-08", "2026-03-08 09:00"),
        ('{to: "08:30"}', "2026-03-08", "2026-03-09 00:00"),
        ('{from: "20:00"}', "2026-03-08", "2026-03-08 20:00"),
        # 4 and 5 April are a weekend, 6 April is a holiday of its own.
        ("{days: [mon-fri], holidays: own}", "2026-04-04", "2026-04-07 00:00"),
        # Songkran from 13 to 15 April, but for the 15th that was taken out.
        ("{days: [mon-fri], holidays: songkran}", "2026-04-13", "2026-04-15 00:00"),
    ],
)
def test_5_4_days_may_wrap_and_holidays_are_closed(tell: Teller, window: str, end_date: str, due: str) -> None:
    """5.4: days may wrap, hours may be left out, and the holidays of the calendar named are closed."""
    assert noticed(tell, "before: 0d", f"    send_window: {window}\n", end_date).dues(due)[0][:16] == due.replace(" ", "T")


def test_5_1_business_days(tell: Teller) -> None:
    """5.1: each goes to the next business day, none moves nothing; without a calendar they are Monday to Friday."""
    dues = {}
    for step in ("before: 1bd", "before: 3bd", "before: 0bd", "after: 1bd", "after: 5bd"):
        text = ONE_NOTICE.replace("before: 30d", step) + "    expires: 90d\n"
        story = tell(text, *[contract(number, end_date=day) for number, day in enumerate(("2026-03-07", "2026-03-09", "2026-03-13"), 1)])
        dues[step] = [line.rpartition(", ")[2][5:10] for line in sorted(story.plan("2026-03-30 12:00"))]
    assert dues == {
        "before: 1bd": ["03-06", "03-06", "03-12"],
        "before: 3bd": ["03-04", "03-04", "03-10"],
        "before: 0bd": ["03-07", "03-09", "03-13"],
        "after: 1bd": ["03-09", "03-10", "03-16"],
        "after: 5bd": ["03-13", "03-16", "03-20"],
    }


def test_5_4_business_days_leave_out_the_holidays_of_the_sequence_else_of_the_project(tell: Teller) -> None:
    """5.4: one business day after Friday 3 April is Tuesday the 7th by the project's first calendar; after the 10th it is the 13th, and with Songkran of the sequence's own the 15th."""
    project = noticed(tell, "after: 1bd", "", "2026-04-03")
    assert project.goes_exactly_at("2026-04-07 09:00") != []
    own = noticed(tell, "after: 1bd", "    holidays: songkran\n", "2026-04-10")
    assert own.goes_exactly_at("2026-04-15 09:00") != []
    other = noticed(tell, "after: 1bd", "", "2026-04-10")
    assert other.goes_exactly_at("2026-04-13 09:00") != []


def test_5_6_expires_in_business_days(tell: Teller) -> None:
    """5.6: due on Thursday with two business days, it goes until Monday 09:00."""
    story = noticed(tell, "before: 0d", "    expires: 2bd\n", "2026-03-05")
    assert story.sends("2026-03-09 08:59") != []
    assert story.sends("2026-03-09 09:00") == []


def test_5_4_nothing_is_guessed_where_no_holidays_are_known(tell: Teller) -> None:
    """5.4: the holidays of Sri Lanka are known until 2026: what would need a later year has no due moment, and nothing is sent."""
    text = ONE_NOTICE.replace("before: 30d", "after: 2bd")
    story = tell(text, contract(1, end_date="2026-12-30"), contract(2, end_date="2026-12-28"), more="holidays: {lk: {country: LK}}\n")
    assert story.sends("2026-12-30 09:00") == ["2>1 notice: send due, 2026-12-30 09:00"]
    later = story.planned("2027-01-04 09:00")
    assert later.sequences[0].counts["upcoming"] == 1
    assert later.diagnostics == ("the holidays of LK are known until 2026: a step that needs a later year has no due moment",)


def test_5_3_each_contact_by_their_own_clock(tell: Teller) -> None:
    """5.3: 09:00 on 2 March is 03:00 in Bangkok for Auckland, 15:00 for Berlin; who has no zone, or an unknown one, goes by the project's."""
    zones = ("Pacific/Auckland", "Europe/Berlin", None, "Nowhere/Land", "Asia/Bangkok")
    people = [contact(number, zone=zone) for number, zone in enumerate(zones, 1)]
    story = tell(RENEWAL + RECIPIENT, contract(7, end_date="2026-04-01"), *people)
    dues = {1: "03:00", 2: "15:00", 3: "09:00", 4: "09:00", 5: "09:00"}
    assert story.funnel("2026-03-02 02:59").counts["upcoming"] == 1
    for now in ("03:00", "09:00", "15:00"):
        expected = [f"7>{n} notice-30: {'send due' if due <= now else 'wait not_due'}, 2026-03-02 {due}" for n, due in dues.items()]
        assert sorted(story.plan(f"2026-03-02 {now}")) == expected


def test_5_3_a_window_in_the_zone_of_the_contact(tell: Teller) -> None:
    """5.3, 5.4: at 10:00 in Bangkok it is night in New York and in Berlin: each is written to in the morning of their own."""
    story = tell(DRIP + RECIPIENT + OFFICE, contact(1, zone="America/New_York"), contact(2, zone="Europe/Berlin"), contact(3))
    for person in (1, 2, 3):
        story.enroll("drip", person, "2026-03-04 10:00")
    assert sorted(story.plan("2026-03-04 10:00")) == [
        "1 welcome: wait send_window, 2026-03-04 20:00", "2 welcome: wait send_window, 2026-03-04 14:00", "3 welcome: send due, 2026-03-04 10:00",
    ]  # fmt: skip


def test_5_6_a_job_that_was_down_for_a_week_never_bursts(tell: Teller) -> None:
    """5.6: after eight days without a run each person gets one mail, the one that is due now, and the next only when it is due; also with windows."""
    text = RENEWAL.replace("before: 30d", "before: 9d").replace("before: 14d", "before: 5d").replace("before: 7d", "before: 2d") + OFFICE
    story = tell(text + RECIPIENT, contract(7, end_date="2026-03-12"), contract(8, end_date="2026-03-15"), contact(1), contact(2, zone="Europe/Berlin"))
    story.apply("2026-03-02 12:00")
    found = story.apply("2026-03-10 15:00")
    assert sorted(line for line in found if ": send " in line) == [
        "7>1 notice-7: send due, 2026-03-10 09:00", "7>2 notice-7: send due, 2026-03-10 15:00",
        "8>1 notice-14: send due, 2026-03-10 09:00", "8>2 notice-14: send due, 2026-03-10 15:00",
    ]  # fmt: skip
    assert [line for line in story.apply("2026-03-10 15:20") if ": send " in line] == []


def test_5_6_a_drip_after_a_week_sends_one_step_a_person(tell: Teller) -> None:
    """5.6: the week's steps of a drip come one after the other, each counted from the run that decided the one before."""
    story = tell(DRIP + OFFICE + RECIPIENT, contact(1), contact(2, zone="Europe/Berlin"))
    for person in (1, 2):
        story.enroll("drip", person, "2026-03-02 10:00")
    assert len([line for line in story.apply("2026-03-06 16:00") if ": send " in line]) == 2
    assert [line for line in story.apply("2026-03-06 16:20") if ": send " in line] == []
    assert story.goes_exactly_at("2026-03-09 16:00") == ["1 tips: send due, 2026-03-09 16:00", "2 tips: send due, 2026-03-09 16:00"]
