"""§10: an audience that drifts, though nobody changed a definition."""

from __future__ import annotations

from .base import contact
from .samples import ONE_NOTICE
from .story import Story, Teller
from .test_10_guards import OTHER, contracts, failed

DRIFT = "guards: {max_drift: 2}"
FIRST, NEXT, LATER = "2026-02-01 09:00", "2026-02-02 09:00", "2026-02-03 09:00"


def more_people(story: Story, first: int, last: int, of: int = 1) -> None:
    """Contacts of one company, and so of each of its contracts."""
    story.now_has(*(contact(i, company_id=of) for i in range(first, last + 1)))


def test_10_1_max_drift_compares_with_the_last_apply(tell: Teller) -> None:
    """10.1: from 25 people to 50 is twice and goes; 51 are more, are held, and stay held until they are fewer again or somebody allows it."""
    story = contracts(tell, 25, more=DRIFT)
    assert failed(story, FIRST) == []
    story.applied(FIRST)
    more_people(story, 101, 125)
    assert failed(story, NEXT) == []
    more_people(story, 126, 126)
    assert failed(story, NEXT) == [("max_drift", "renewal", 2, 2.04)]
    (guard,) = [guard for guard in story.planned(NEXT).guards if not guard.passed]
    assert guard.detail == "25 people on 2026-02-01 09:00, 51 now" and story.planned(NEXT).applyable
    story.applied(NEXT)
    assert failed(story, LATER) == [("max_drift", "renewal", 2, 2.04)]
    story.lost("contact", 126)
    story.applied(LATER)
    more_people(story, 126, 126)
    assert failed(story, "2026-02-04 09:00") == []


def test_10_2_drift_holds_the_sequence_and_its_mails(tell: Teller) -> None:
    """10.2: of two sequences the one that a broken join made many is held with `guard`, the other goes."""
    story = contracts(tell, 25, text=ONE_NOTICE + "    guards: {max_drift: 3}\n")
    story.file("sequences/other", OTHER)
    story.applied(FIRST)
    more_people(story, 101, 160)
    plan = story.planned("2026-03-02 09:00")
    assert [(guard.id, guard.sequence, guard.passed) for guard in plan.guards] == [("max_drift", "renewal", False)]
    assert {s.id: (s.counts["send"], dict(s.reasons)) for s in plan.sequences} == {"renewal": (0, {"guard": 85}), "other": (85, {"due": 85})}
    story.allowed = {"max_drift": 4}
    assert failed(story, "2026-03-02 09:00") == []


def test_10_1_drift_is_no_change_of_a_definition(tell: Teller) -> None:
    """10.1: where the trigger, the audience or the map was edited it is the edit that moved the people, which `diff` shows; a text is no such edit."""
    story = contracts(tell, 25, more=DRIFT)
    story.applied(FIRST)
    more_people(story, 101, 160)
    story.change("template: notice", "template: reminder")
    assert [guard[0] for guard in failed(story, NEXT)] == ["max_drift"]
    story.change("trigger: {date", "audience: {max: 90}\ntrigger: {date")
    assert failed(story, NEXT) == []


def test_10_1_a_handful_is_no_drift_and_few_are(tell: Teller) -> None:
    """10.1: fewer than 20 count as 20: from 2 to 39 is nothing, from 45 to 2 is too few."""
    story = contracts(tell, 2, more=DRIFT)
    story.applied(FIRST)
    more_people(story, 101, 137)
    assert failed(story, NEXT) == []
    more_people(story, 138, 143)
    story.applied(NEXT)
    assert failed(story, LATER) == [("max_drift", "renewal", 2, 2.25)]
    down = contracts(tell, 45, more=DRIFT)
    down.applied(FIRST)
    for id in range(3, 46):
        down.lost("contract", id)
    assert failed(down, NEXT) == [("max_drift", "renewal", 2, 2.25)]


def test_10_1_drift_holds_only_where_it_is_said(tell: Teller) -> None:
    """10.1: without `max_drift` nothing is counted and nothing kept; said for the first time it has nothing to compare with."""
    story = contracts(tell, 25)
    assert story.planned(FIRST).changes["audiences"].num_rows == 0
    story.applied(FIRST)
    more_people(story, 101, 160)
    assert failed(story, NEXT) == []
