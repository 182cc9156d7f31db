"""§3.1 `every` and §3.2: dates that come round, and events of the inbox and of mapped tables."""

from __future__ import annotations

import pytest

from .base import contact, contract, invoice
from .story import Teller

ANNIVERSARY = """
    id: anniversary
    about: contract
    status: active
    active_from: 2026-01-01
    trigger: {date: contract.end_date, every: 1mo}
    steps:
      - {id: early, before: 3d, template: notice}
      - {id: late, after: 2d, template: reminder}
"""
VISITS = """
    id: visits
    about: contact
    status: active
    active_from: 2026-01-01
    trigger: {event: visited, where: {contact.kind: guest}}
    reenter: every_occurrence
    steps:
      - {id: hello, wait: 0d, template: hello}
      - {id: tips, wait: 2d, template: tips}
"""
SIGNED = """
    id: thanks
    about: contract
    status: active
    trigger: {event: signed, where: {contract.status: active}}
    reenter: every_occurrence
    steps:
      - {id: thanks, wait: 1d, template: notice}
      - {id: after, wait: 2d, template: reminder}
"""


# --- 3.1 every --------------------------------------------------------------------------------------------------------


def test_3_1_every_comes_round_from_one_period_after_the_value(tell: Teller) -> None:
    """3.1: value + 1P, 2P …, each with its own date as key; the value itself is none, and months clamp to their last day."""
    story = tell(
        ANNIVERSARY,
        contract(1, end_date="2026-01-31"),  # comes round on 28 February
        contract(2, end_date="2026-02-28"),  # not on its own day
        contract(3, end_date="2025-12-28"),  # the same day as the first
        contract(4, end_date="2026-02-27"),
    )
    plan = story.planned("2026-02-25 09:00")
    assert story.lines(plan) == ["1>1 early: send due, 2026-02-25 09:00", "3>1 early: send due, 2026-02-25 09:00"]
    assert plan.decisions["occurrence"].to_pylist() == ["2026-02-28", "2026-02-28"]
    assert story.funnel("2026-02-25 09:00").counts["upcoming"] == 4


def test_3_1_every_has_an_occurrence_of_its_own_each_time(tell: Teller) -> None:
    """3.1, 3.8: the next time is another occurrence; a value that moves ends the path with date_moved, unless the day is one of the new ones too."""
    story = tell(ANNIVERSARY, contract(1, end_date="2026-01-10"), contract(2, end_date="2025-12-10"), contract(3, end_date="2026-01-10"))
    assert story.apply("2026-02-07 09:00") == [f"{key}>1 early: send due, 2026-02-07 09:00" for key in (1, 2, 3)]
    story.now_has(contract(1, end_date="2026-01-11"), contract(2, end_date="2025-11-10"), contract(3))
    assert story.apply("2026-02-08 09:00") == [
        "1>1 early: skip too_soon, 2026-02-08 09:00",
        "2>1 late: wait not_due, 2026-02-12 09:00",
        "1>1 late: wait not_due, 2026-02-13 09:00",
        "1>1: exit date_moved",
        "3>1: exit trigger_gone",
    ]
    story.apply("2026-02-14 09:00")
    assert story.sends("2026-03-08 09:00") == ["2>1 early: send due, 2026-03-07 09:00", "1>1 early: send due, 2026-03-08 09:00"]


# --- 3.2 events of the inbox ------------------------------------------------------------------------------------------


def test_3_2_event_of_the_inbox_begins_at_its_moment(tell: Teller) -> None:
    """3.2: the key is the event's id, the base its instant; one that comes twice is one, and one ahead of now has not begun."""
    story = tell(VISITS, contact(1, kind="guest"), contact(2, kind="staff"), contact(3, kind="guest"))
    story.event("visited", 1, "v-1", "2026-03-02 10:00")
    story.event("visited", 1, "v-1", "2026-03-02 11:00")
    story.event("visited", 2, "v-2", "2026-03-02 10:00")
    story.event("visited", 3, "v-3", "2026-03-05 08:00", told="2026-03-02 10:00")
    story.event("visited", 9, "v-9", "2026-03-02 10:00")
    plan = story.applied("2026-03-02 12:00")
    assert story.lines(plan) == ["1 hello: send due, 2026-03-02 10:00"]
    assert plan.decisions["occurrence"].to_pylist() == ["v-1"]
    (summary,) = plan.sequences
    assert (summary.counts["upcoming"], dict(summary.named)) == (1, {"record_missing": 1})
    story.event("visited", 1, "v-4", "2026-03-03 09:00")
    assert story.plan("2026-03-05 08:00") == ["1 hello: send due, 2026-03-03 09:00", "1 tips: send due, 2026-03-04 12:00", "3 hello: send due, 2026-03-05 08:00"]
    # `where` must hold as long as the path lasts.
    story.now_has(contact(1, kind="staff"))
    assert story.plan("2026-03-04 08:00") == ["1: exit trigger_gone"]


def test_3_2_an_event_that_is_moved_ahead_is_upcoming_unless_somebody_is_considered(tell: Teller) -> None:
    """3.2, 6.18 (A141): the way of the first contract ended for good, that of the second is open and ends now; both moments are moved ahead."""
    story = tell(SIGNED.replace("    steps", "    goal: {contract.monthly_value: 1}\n    steps"), *(contract(i, signed_at="2026-03-02T02:00:00", monthly_value=i) for i in (1, 2)))
    assert story.apply("2026-03-02 10:00") == ["2>1 thanks: wait not_due, 2026-03-03 09:00", "1>1: exit goal_met"]
    story.now_has(*(contract(i, signed_at="2026-03-09T02:00:00", monthly_value=i) for i in (1, 2)))
    counts = story.funnel("2026-03-02 11:00").counts
    assert (counts["upcoming"], counts["considered"], counts["exit"]) == (1, 1, 1)
    story.apply("2026-03-02 11:00")
    assert story.funnel("2026-03-02 12:00").counts["upcoming"] == 2


def test_3_2_event_that_began_before_the_start_enrolls_nobody(tell: Teller) -> None:
    """3.2, 3.7: ten years of mapped events enroll nobody when a sequence is new; what happens from that day on does, also on a date."""
    story = tell(
        SIGNED,
        contract(1, signed_at="2016-03-01T02:00:00"),
        contract(2, signed_at="2026-03-01T16:59:00"),  # 23:59 the day before
        contract(3, signed_at="2026-03-01T17:00:00"),
        contract(4, signed_at="2026-03-02T02:00:00", status="lost"),
        contract(5, signed_at="2026-03-04T02:00:00"),
        contract(6),
        contract(7, signed_at="2150-01-01T00:00:00"),
    )
    plan = story.applied("2026-03-02 10:00")
    assert story.lines(plan) == ["3>1 thanks: wait not_due, 2026-03-03 00:00"]
    assert plan.decisions["occurrence"].to_pylist() == ["3"]
    (summary,) = plan.sequences
    assert (summary.counts["upcoming"], summary.counts["before_introduction"], dict(summary.named)) == (1, 1, {"closed": 1})
    assert summary.backfill_hint == {"earlier": 2, "would_send": 1, "days": 2}
    # The record's key stays: a moment that is moved moves nobody who is on the way; one that is taken out ends the path.
    story.now_has(contract(3, signed_at="2026-03-02T12:00:00"))
    assert story.plan("2026-03-03 00:00") == ["3>1 thanks: send due, 2026-03-03 00:00"]
    story.now_has(contract(3))
    assert story.plan("2026-03-03 00:00") == ["3>1: exit trigger_gone"]


def test_3_2_event_on_a_date_begins_with_that_day(tell: Teller) -> None:
    """3.2: a date is the start of that day in the project's timezone."""
    story = tell(
        """
        id: paid
        about: invoice
        status: active
        active_from: 2026-01-01
        timezone: Europe/Berlin
        trigger: {event: fell_due}
        reenter: never
        steps: [{id: first, wait: 6h, template: late}]
        """,
        invoice(5, due_date="2026-03-02"),
    )
    assert story.goes_exactly_at("2026-03-02 06:00") == ["5>1 first: send due, 2026-03-02 06:00"]


@pytest.mark.parametrize(("again", "second"), [("never", []), ("every_occurrence", ["1 hello: send due, 2026-03-03 10:00"])])
def test_3_9_event_says_who_may_enter_again(tell: Teller, again: str, second: list[str]) -> None:
    """3.9: an event must say it; `never` is once for each contact, however the first ended."""
    story = tell(VISITS.replace("every_occurrence", again).replace("- {id: tips, wait: 2d, template: tips}", ""), contact(1, kind="guest"))
    story.event("visited", 1, "v-1", "2026-03-02 10:00")
    story.apply("2026-03-02 12:00")
    story.apply("2026-03-02 12:20")
    story.event("visited", 1, "v-2", "2026-03-03 10:00")
    assert story.plan("2026-03-03 12:00") == second
