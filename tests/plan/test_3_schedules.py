"""§3.4: schedules and `once`, and §3.3: members who enter a segment."""

from __future__ import annotations

from datetime import datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from engine.clock import offsets, to_local, to_utc, zones
from engine.definitions.cron import Cron
from engine.plan.triggers.ticks import last_of
from tests.laws import cases

from .base import contact
from .story import Teller

GUESTS = "{id: guests, name: Guests, entity: contact, rules: {contact.kind: guest}}"
MONTHLY = """
    id: monthly
    about: contact
    status: active
    trigger: {schedule: "0 9 1 * *", for: guests}
    steps:
      - {id: hello, wait: 0d, template: hello, expires: 3d}
      - {id: tips, wait: 2d, template: tips}
"""
LETTER = """
    id: letter
    about: contact
    status: active
    trigger: {once: "2026-03-02T09:00", for: guests}
    steps: [{id: hello, wait: 0d, template: hello}]
"""
NEW_GUESTS = """
    id: guests
    about: contact
    status: active
    trigger: {enters: guests}
    steps:
      - {id: hello, wait: 0d, template: hello}
      - {id: tips, wait: 2d, template: tips}
"""


# --- 3.4 --------------------------------------------------------------------------------------------------------------


def test_3_4_tick_is_taken_once_with_the_members_of_that_moment(tell: Teller) -> None:
    """3.4: the first apply at or after the tick enrolls the members there are; later ones wait for the next, and leaving ends nothing."""
    story = tell(MONTHLY, contact(1, kind="guest"), contact(2), contact(3), segments=(GUESTS,))
    assert story.apply("2026-02-20 10:00") == []
    assert story.plan("2026-03-01 08:59") == []
    plan = story.applied("2026-03-01 09:20")
    assert story.lines(plan) == ["1 hello: send due, 2026-03-01 09:00"]
    assert plan.decisions["occurrence"].to_pylist() == ["2026-03-01T09:00"]
    story.now_has(contact(1), contact(2, kind="guest"))
    assert story.apply("2026-03-01 10:00") == ["1 tips: wait not_due, 2026-03-03 09:20"]
    assert story.apply("2026-03-03 09:20") == ["1 tips: send due, 2026-03-03 09:20"]
    assert story.plan("2026-04-01 09:00") == ["2 hello: send due, 2026-04-01 09:00", "1: complete complete"]


def test_3_4_of_missed_ticks_only_the_latest_and_none_too_late(tell: Teller) -> None:
    """3.4: after three months away only the last tick counts, and not when its first step has expired; a tick that nobody was there for is closed."""
    story = tell(MONTHLY, contact(1, kind="guest"), segments=(GUESTS,))
    story.apply("2026-02-20 10:00")
    late = story.planned("2026-05-03 09:00")
    assert late.decisions["occurrence"].to_pylist() == ["2026-05-01T09:00"]
    assert story.plan("2026-05-04 09:00") == []
    assert story.planned("2026-05-04 09:00").changes["ticks"].num_rows == 0
    story.now_has(contact(1))
    assert story.apply("2026-05-01 09:00") == []
    story.now_has(contact(1, kind="guest"))
    assert story.plan("2026-05-01 12:00") == []


def test_3_4_once(tell: Teller) -> None:
    """3.4, 3.7: a moment before the sequence's start is none of its own; `backfill` moves the start back. A draft and a paused segment take nothing."""
    story = tell(LETTER, contact(1, kind="guest"), segments=(GUESTS,))
    assert story.plan("2026-03-02 08:59") == []
    assert story.plan("2026-03-03 00:00") == []
    story.change("status: active", "status: active\nbackfill: 2d")
    assert story.plan("2026-03-03 00:00") == ["1 hello: send due, 2026-03-02 09:00"]
    story.change("status: active", "status: draft")
    assert story.plan("2026-03-02 09:00") == []
    story.change("status: draft", "status: active")
    story.file("segments/guests", GUESTS.replace("name:", "status: paused, name:"))
    assert story.apply("2026-03-02 09:00") == []
    story.file("segments/guests", GUESTS)
    assert story.plan("2026-03-02 10:00") == []


def test_3_4_tick_whose_mail_waits_for_a_window_is_taken_as_long_as_it_may_go(tell: Teller) -> None:
    """3.4, 5.6: a tick of Saturday whose first step goes on Monday at 08:00 and expires a day after that, not a day after the tick."""
    weekdays = """
        id: saturday
        about: contact
        status: active
        active_from: 2026-03-01
        trigger: {once: "2026-03-07T09:00", for: guests}
        send_window: {days: [mon-fri], from: "08:00"}
        steps: [{id: hello, wait: 0d, template: hello, expires: 1d}]
    """
    for late, expected in [("2026-03-09 12:00", ["1 hello: send due, 2026-03-09 08:00"]), ("2026-03-10 08:00", [])]:
        story = tell(weekdays, contact(1, kind="guest"), segments=(GUESTS,))
        story.apply("2026-03-06 10:00")
        assert story.plan(late) == expected


def test_3_4_blocked_plan_takes_no_tick_and_no_entry(tell: Teller) -> None:
    """10.2: a guard of the project writes nothing, so the tick is taken when it has been lifted."""
    story = tell(LETTER, contact(1, kind="guest"), more="guards: {max_sends: {per_run: 0}}", segments=(GUESTS,))
    assert not story.applied("2026-03-02 09:00").applyable
    story.allowed = {"max_sends.per_run": 5}
    assert story.apply("2026-03-02 10:00") == ["1 hello: send due, 2026-03-02 09:00"]


@cases(1)
@given(st.sampled_from(sorted(zones())), st.integers(0, 23), st.sampled_from([0, 15, 30, 59]), st.data())
def test_3_4_each_local_tick_comes_exactly_once(zone: str, hour: int, minute: int, data: st.DataObject) -> None:
    """3.4, 5.5: whoever looks every half hour takes each day's tick once, over every change of the clocks; a skipped one comes with the first valid moment."""
    changes = [row.utc_from for row in offsets(zone) if datetime(2024, 1, 1) < row.utc_from < datetime(2030, 1, 1)]
    now = (data.draw(st.sampled_from(changes)) if changes else datetime(2026, 3, 29)) - timedelta(hours=40)
    times = Cron.parse(f"{minute} {hour} * * *")
    end = now + timedelta(hours=80)
    before = last_of(times, now, zone)
    assert before is not None
    taken = [before]
    while now < end:
        now += timedelta(minutes=30)
        tick = last_of(times, now, zone)
        assert tick is not None and tick.at <= now and tick.at == to_utc(tick.wall, zone)
        if tick != taken[-1]:
            assert tick.at > taken[-1].at
            taken.append(tick)
    days = [tick.wall.date() for tick in taken]
    assert days == [days[0] + timedelta(days=n) for n in range(len(days))]
    assert taken[-1].wall + timedelta(days=1) > to_local(end, zone) - timedelta(minutes=30)


# --- 3.3 --------------------------------------------------------------------------------------------------------------


def test_3_3_who_enters_after_the_first_apply(tell: Teller) -> None:
    """3.3: at the first apply nobody enters; then who is a member and was none, at the now of that apply, the key the count of entries. Leaving ends nothing."""
    story = tell(NEW_GUESTS, contact(1, kind="guest"), contact(2), contact(3), segments=(GUESTS,))
    assert story.funnel("2026-03-02 10:00").named == {"members_recorded": 1}
    assert story.apply("2026-03-02 10:00") == []
    assert story.funnel("2026-03-02 11:00").named == {}
    story.now_has(contact(2, kind="guest"))
    plan = story.applied("2026-03-03 10:00")
    assert story.lines(plan) == ["2 hello: send due, 2026-03-03 10:00"]
    assert plan.decisions["occurrence"].to_pylist() == ["1"]
    story.now_has(contact(2))
    assert story.apply("2026-03-05 10:00") == ["2 tips: send due, 2026-03-05 10:00"]
    story.now_has(contact(2, kind="guest"))
    # 3.9: `never` if not said; the entry is written all the same, and counted.
    assert story.apply("2026-03-08 10:00") == ["2: complete complete"]
    story.now_has(contact(2))
    story.apply("2026-03-09 10:00")
    story.now_has(contact(2, kind="guest"))
    story.change("status: active", "status: active\nreenter: every_occurrence")
    plan = story.planned("2026-03-10 10:00")
    assert [row["occurrence"] for row in plan.decisions.to_pylist() if row["decision"] == "send"] == ["2", "3"]


def test_8_11_changed_rules_record_anew_and_nobody_enters(tell: Teller) -> None:
    """3.3, 8.11: another rule, also of a segment that is named, and another map record the members; a change of a list of members is entries."""
    segments = (
        "{id: guests, name: Guests, entity: contact, rules: {any: [{segment: inner}, {segment: listed}]}}",
        "{id: inner, name: Inner, entity: contact, rules: {contact.kind: guest}}",
        "{id: listed, name: Listed, entity: contact, members: [3]}",
    )
    story = tell(NEW_GUESTS, contact(1, kind="guest"), contact(2, kind="staff"), contact(3, kind="other"), contact(4, kind="boss"), segments=segments)
    assert story.apply("2026-03-02 10:00") == []
    story.file("segments/inner", "{id: inner, name: Inner, entity: contact, rules: {contact.kind: [guest, staff]}}")
    assert story.apply("2026-03-02 11:00") == []
    assert story.apply("2026-03-02 12:00") == []
    story.file("segments/listed", "{id: listed, name: Listed, entity: contact, members: [3, 4]}")
    assert story.plan("2026-03-02 13:00") == ["4 hello: send due, 2026-03-02 13:00"]
    story.files["definitions/crm.yaml"] = story.files["definitions/crm.yaml"].replace("trial_end: date\n", "trial_end: {type: date, column: trial_end}\n")
    story.load()
    assert story.plan("2026-03-02 13:00") == []


def test_3_3_members_are_kept_from_the_sequence_s_start(tell: Teller) -> None:
    """3.3: before `active_from`, and while it is a draft, nothing is kept: whoever joined then does not enter when it goes on. A paused segment lets nobody in."""
    story = tell(NEW_GUESTS.replace("status: active", "status: active\n    active_from: 2026-03-02"), contact(1, kind="guest"), contact(2), contact(3), contact(4), segments=(GUESTS,))
    story.apply("2026-03-01 10:00")
    story.now_has(contact(2, kind="guest"))
    assert story.apply("2026-03-02 10:00") == []
    story.change("status: active", "status: draft")
    story.apply("2026-03-02 11:00")
    story.now_has(contact(3, kind="guest"))
    story.change("status: draft", "status: active")
    assert story.apply("2026-03-02 12:00") == []
    story.file("segments/guests", GUESTS.replace("name:", "status: paused, name:"))
    story.now_has(contact(4, kind="guest"))
    assert story.apply("2026-03-02 13:00") == []
    story.file("segments/guests", GUESTS)
    assert story.apply("2026-03-02 14:00") == []
    story.now_has(contact(4))
    story.apply("2026-03-02 15:00")
    story.now_has(contact(4, kind="guest"))
    assert story.plan("2026-03-02 16:00") == ["4 hello: send due, 2026-03-02 16:00"]


def test_8_12_a_wall_time_that_was_taken_is_not_taken_again_in_another_timezone(tell: Teller) -> None:
    """8.12, 3.4: taken at nine in Bangkok; when it is nine in New York the tick is closed: who has joined since is not written to, and nobody is on the way twice."""
    story = tell(LETTER.replace("2026-03-02T09:00", "2026-03-10T09:00").replace("template: hello}]", "template: hello}, {id: tips, wait: 2d, template: tips}]"),
                 contact(1, kind="guest"), contact(2), segments=(GUESTS,))  # fmt: skip
    story.apply("2026-03-01 10:00")
    assert story.apply("2026-03-10 09:20") == ["1 hello: send due, 2026-03-10 09:00"]
    story.now_has(contact(2, kind="guest"))
    story.files["engine.yaml"] = story.files["engine.yaml"].replace("timezone: Asia/Bangkok", "timezone: America/New_York")
    story.load()
    story.zone = "America/New_York"
    assert story.apply("2026-03-10 09:20") == ["1 tips: wait not_due, 2026-03-11 22:20"]
    assert story.apply("2026-03-12 09:30") == ["1 tips: send due, 2026-03-11 22:20"]
