"""§10: limits that stop a mistake before the first mail."""

from __future__ import annotations

from dataclasses import replace

import pytest

from engine.plan.planning import make_plan
from engine.plan.sequence_guards import growth, rounded_up

from .base import Row, company, contact, contract
from .samples import DRIP, ONE_NOTICE
from .story import KEY, Story, Teller

OTHER = ONE_NOTICE.replace("id: renewal", "id: other").replace("template: notice", "template: reminder")


def contracts(tell: Teller, count: int, *, more: str = "", text: str = ONE_NOTICE) -> Story:
    """So many contracts that end on 1 April, each with a company and a contact of its own."""
    rows = [(contract(i, end_date="2026-04-01", company_id=i), company(i), contact(i, company_id=i)) for i in range(1, count + 1)]
    return tell(text, *(row for three in rows for row in three), more=more)


def failed(story: Story, at: str) -> list[tuple[str, str | None, float, float]]:
    return [(guard.id, guard.sequence, guard.limit, guard.observed) for guard in story.planned(at).guards if not guard.passed]


def test_10_1_max_sends_per_run(tell: Teller) -> None:
    """10.1: three mails with `per_run: 3` go; with 2 everything is blocked."""
    assert contracts(tell, 3, more="guards: {max_sends: {per_run: 3}}").planned("2026-03-02 09:00").applyable
    assert failed(contracts(tell, 3, more="guards: {max_sends: {per_run: 2}}"), "2026-03-02 09:00") == [("max_sends.per_run", None, 2, 3)]


def test_10_1_max_sends_per_day_counts_ledger_and_plan_over_a_rolling_day(tell: Teller) -> None:
    """10.1: two on 2 March at 09:00 and two more on the 3rd: at 08:59 they are four, at 09:00 two."""
    story = contracts(tell, 2, more="guards: {max_sends: {per_day: 3}}")
    story.apply("2026-03-02 09:00")
    story.now_has(*(contract(i, end_date="2026-04-01", company_id=1) for i in (11, 12)))
    assert failed(story, "2026-03-03 08:59") == [("max_sends.per_day", None, 3, 4)]
    assert failed(story, "2026-03-03 09:00") == []


def test_10_1_max_per_contact_counts_ledger_and_plan(tell: Teller) -> None:
    """10.1: two contracts of one contact within 24 h are over `max: 1`, a day later the second is not."""
    story = contracts(tell, 1, more="guards: {max_per_contact: {max: 1, per: 24h}}")
    story.apply("2026-03-02 09:00")
    story.now_has(contract(11, end_date="2026-04-01", company_id=1))
    assert failed(story, "2026-03-02 15:00") == [("max_per_contact", None, 1, 2)]
    assert failed(story, "2026-03-03 09:00") == []


def test_10_1_first_run_max_is_for_a_sequence_that_has_never_sent(tell: Teller) -> None:
    """10.1: two first mails are over `first_run_max: 1`; a sequence that has sent one is not asked."""
    story = contracts(tell, 1, more="guards: {first_run_max: 1}")
    story.apply("2026-03-02 09:00")
    story.now_has(*(contract(i, end_date="2026-04-02", company_id=1) for i in (11, 12)))
    assert failed(story, "2026-03-03 09:00") == []
    assert failed(contracts(tell, 2, more="guards: {first_run_max: 1}"), "2026-03-02 09:00") == [("first_run_max", "renewal", 1, 2)]


def test_10_1_min_facts_is_one_where_a_live_enrollment_needs_it(tell: Teller) -> None:
    """10.1: an empty table of contacts under a live enrollment blocks, without a word in engine.yaml; before anybody is on the way it does not."""
    story = contracts(tell, 1)
    assert failed(story, "2026-03-01 09:00") == []
    story.apply("2026-03-02 09:00")
    story.rows["contact"] = []
    assert failed(story, "2026-03-03 09:00") == [("min_facts", None, 1, 0)]


@pytest.mark.parametrize("ending", ["archived", "removed"])
def test_10_1_min_facts_is_not_asked_for_a_sequence_that_is_over(tell: Teller, ending: str) -> None:
    """10.1, 8.13: with the sequence the table of contracts goes. Who was on the way exits, and nothing blocks for ever; while the sequence is there it blocks."""
    story = contracts(tell, 1)
    story.apply("2026-03-02 09:00")
    story.rows["contract"] = []
    assert failed(story, "2026-03-03 09:00") == [("min_facts", None, 1, 0)]
    if ending == "archived":
        story.change("status: active", "status: archived")
    else:
        story.remove("sequences/renewal")
    assert failed(story, "2026-03-03 09:00") == []
    assert story.apply("2026-03-03 09:00") == ["1>1: exit sequence_removed"]


def test_10_1_min_facts_where_it_is_said(tell: Teller) -> None:
    """10.1: `min_facts: {contact: 3}` with two contacts blocks."""
    assert failed(contracts(tell, 2, more="guards: {min_facts: {contact: 3}}"), "2026-03-02 09:00") == [("min_facts", None, 3, 2)]


def test_10_1_max_shrink_against_the_last_run(tell: Teller) -> None:
    """10.1: of twenty contracts four gone are 20% and pass, five are 25% and block; below twenty nothing is said."""
    story = contracts(tell, 20, more="guards: {max_shrink: 20%}")
    story.apply("2026-02-01 09:00")
    for id in (1, 2, 3, 4):
        story.lost("contract", id)
    assert failed(story, "2026-02-02 09:00") == []
    story.lost("contract", 5)
    assert failed(story, "2026-02-02 09:00") == [("max_shrink", None, 0.2, 0.25)]
    small = contracts(tell, 19, more="guards: {max_shrink: 20%}")
    small.apply("2026-02-01 09:00")
    small.rows["contract"] = small.rows["contract"][:3]
    assert failed(small, "2026-02-02 09:00") == []


def test_10_1_guard_holds_only_where_it_is_said(tell: Teller) -> None:
    """10.1: without a word, sixty first mails go."""
    assert contracts(tell, 60).funnel("2026-03-02 09:00").counts["send"] == 60


def test_10_2_guard_of_one_sequence_holds_that_sequence_only(tell: Teller) -> None:
    """10.2: `renewal` is over its first run and held; `other` goes."""
    story = contracts(tell, 2, text=ONE_NOTICE + "    guards: {first_run_max: 1}\n")
    story.write(OTHER)
    plan = story.applied("2026-03-02 09:00")
    assert plan.applyable
    assert story.sent() == ["1>1 notice sent", "2>2 notice sent"]
    assert {row["sequence"] for row in plan.decisions.to_pylist() if row["decision"] == "send"} == {"other"}


def test_10_2_project_guard_blocks_everything(tell: Teller) -> None:
    """10.2: no send, no exit, no entry is written; with fewer contracts the next run does all of it."""
    story = contracts(tell, 2, more="guards: {max_sends: {per_run: 1}}")
    assert not story.applied("2026-03-02 09:00").applyable
    assert story.ledger.enrollments().rows == ()
    assert story.ledger.sends().rows == ()
    story.lost("contract", 2)
    assert story.apply("2026-03-02 10:00") == ["1>1 notice: send due, 2026-03-02 09:00"]


def test_10_3_nothing_is_cut_to_a_first_few(tell: Teller) -> None:
    """10.3: five due and two allowed: the plan shows all five, and none leaves."""
    story = contracts(tell, 5, more="guards: {max_sends: {per_run: 2}}")
    assert len(story.sends("2026-03-02 09:00")) == 5
    story.apply("2026-03-02 09:00")
    assert story.sent() == []


def test_10_4_sequence_may_raise_its_own_guard(tell: Teller) -> None:
    """10.4: the project says 1, the sequence's file says 2; another sequence keeps the project's."""
    story = contracts(tell, 2, more="guards: {first_run_max: 1}", text=ONE_NOTICE + "    guards: {first_run_max: 2}\n")
    assert failed(story, "2026-03-02 09:00") == []
    story.write(OTHER)
    assert failed(story, "2026-03-02 09:00") == [("first_run_max", "other", 1, 2)]


def test_10_4_guard_allowed_for_one_run(tell: Teller) -> None:
    """10.4: `--allow max_sends.per_run=2` lets two go that the project's 1 blocks."""
    story = contracts(tell, 2, more="guards: {max_sends: {per_run: 1}}")
    story.allowed = {"max_sends.per_run": 2}
    assert story.planned("2026-03-02 09:00").applyable


DAILY = """
    id: daily
    about: contact
    status: active
    active_from: 2026-01-01
    trigger: {date: contact.trial_end}
    steps:
      - {id: mail, after: 0d, template: hello, expires: 1d}
"""


def days(first: int, *counts: int) -> list[Row]:
    """Contacts whose trial ends on consecutive days of March: so many each day."""
    ends = [f"2026-03-{first + number:02}" for number, count in enumerate(counts) for _ in range(count)]
    return [contact(i, trial_end=end) for i, end in enumerate(ends, 1)]


def test_10_1_max_growth_against_the_greatest_of_fourteen_days(tell: Teller) -> None:
    """10.1: 20 mails on the greatest of the days before, so 60 pass `max_growth: 3` and 61 do not; below 50 it says nothing; one day later the 20 are one of the 14."""
    story = tell(DAILY, *days(2, 20, 10, 61), more="guards: {max_growth: 3}")
    story.applied("2026-03-02 09:00")
    story.applied("2026-03-03 09:00")
    assert failed(story, "2026-03-04 09:00") == [("max_growth", None, 3, 3.05)]
    assert [guard.detail for guard in story.planned("2026-03-04 09:00").guards if guard.id == "max_growth"] == ["61 mails, and 20 at most on a day before"]
    story.lost("contact", 91)
    assert failed(story, "2026-03-04 09:00") == []
    story.rows["contact"] = [row for row in story.rows["contact"] if row["id"] <= 79]
    story.now_has(*(contact(i, trial_end="2026-03-04") for i in range(31, 80)))
    assert "max_growth" not in {guard.id for guard in story.planned("2026-03-04 09:00").guards}


def test_10_1_max_growth_forgets_what_is_older_than_two_weeks(tell: Teller) -> None:
    """10.1: twenty mails 15 days and a minute ago are no day of the last 14, and 50 are fifty times too many; a project that has never sent is not asked."""
    story = tell(DAILY, *days(2, 20, *[0] * 14, 50), more="guards: {max_growth: 3}")
    assert "max_growth" not in {guard.id for guard in story.planned("2026-03-02 09:00").guards}
    story.applied("2026-03-02 09:00")
    assert failed(story, "2026-03-17 09:00") == [("max_growth", None, 3, 50.0)]
    assert failed(story, "2026-03-17 08:59") == []
    story.allowed = {"max_growth": 50}
    assert failed(story, "2026-03-17 09:00") == []


def test_10_1_on_the_day_of_the_first_mails_growth_has_nothing_to_compare(tell: Teller) -> None:
    """10.1: the second apply of a first day goes, of the project as of a sequence; from the next day on its mails are what is compared with."""
    guarded = DAILY.replace("    steps", "    guards: {max_growth: 2}\n    steps")
    early, late = [contact(i, trial_end="2026-03-04") for i in range(1, 31)], [contact(i, trial_end="2026-03-04") for i in range(31, 91)]
    story = tell(guarded, *early, more="guards: {max_growth: 2}")
    story.applied("2026-03-02 09:00")
    story.applied("2026-03-04 09:00")
    story.now_has(*late)
    assert failed(story, "2026-03-04 10:00") == [] and story.planned("2026-03-04 10:00").summary["send"] == 60
    story.applied("2026-03-04 10:00")
    story.now_has(*(contact(i, trial_end="2026-03-05") for i in range(101, 301)))
    assert failed(story, "2026-03-05 10:30") == [("max_growth", "daily", 2, 2.2223)]


def test_10_1_allowing_what_nobody_limits_makes_no_limit(tell: Teller) -> None:
    """10.1: a guard holds only where it is said; `--allow` raises one that is there, and brings none."""
    story = tell(DAILY, *days(2, 20, 5))
    story.allowed = {"max_sends.per_run": 1, "max_sends.per_day": 1, "first_run_max": 1, "max_shrink": 0.01}
    assert failed(story, "2026-03-02 09:00") == []
    story.applied("2026-03-02 09:00")
    story.lost("contact", 1)
    assert failed(story, "2026-03-03 09:00") == []


def test_10_1_max_growth_of_a_sequence_holds_that_sequence(tell: Teller) -> None:
    """10.1, 10.4: a sequence's own `max_growth` counts its own mails, and holds it alone."""
    guarded = DAILY.replace("    steps", "    guards: {max_growth: 2}\n    steps")
    story = tell(guarded, DAILY.replace("id: daily", "id: other"), *days(2, 20, 50))
    story.applied("2026-03-02 09:00")
    assert failed(story, "2026-03-03 09:00") == [("max_growth", "daily", 2, 2.5)]
    plan = story.planned("2026-03-03 09:00")
    assert plan.applyable and {summary.id: summary.counts["send"] for summary in plan.sequences} == {"daily": 0, "other": 50}


def test_10_1_max_share_of_audience_counts_contacts_of_a_day(tell: Teller) -> None:
    """10.1: six of thirty whose trial ends at all are 20% and go, with a seventh two hours later the sequence is held; the next day it is free; below twenty people it says nothing."""
    story = tell(DAILY, *days(2, 6, 1, 23), more="guards: {max_share_of_audience: 20%}")
    story.applied("2026-03-02 23:00")
    assert story.sent() and failed(story, "2026-03-03 09:00") == [("max_share_of_audience", "daily", 0.2, 0.2334)]
    assert story.planned("2026-03-03 09:00").decisions["decision"].to_pylist().count("send") == 0
    assert failed(story, "2026-03-03 23:00") == []
    small = tell(DAILY, *days(2, 19), more="guards: {max_share_of_audience: 1%}")
    assert failed(small, "2026-03-02 09:00") == []
    own = tell(DAILY.replace("    steps", "    guards: {max_share_of_audience: 100%}\n    steps"), *days(2, 20), more="guards: {max_share_of_audience: 1%}")
    assert failed(own, "2026-03-02 09:00") == []


def test_10_1_max_share_of_audience_of_a_contract(tell: Teller) -> None:
    """10.1: the audience are the contacts of all records that match the trigger, also of those that are not due."""
    story = contracts(tell, 25, more="guards: {max_share_of_audience: 20%}")
    story.now_has(*(contract(i, end_date="2026-09-01", company_id=i) for i in range(6, 26)))
    assert failed(story, "2026-03-02 09:00") == []
    story.now_has(contract(6, end_date="2026-04-01", company_id=6))
    assert failed(story, "2026-03-02 09:00") == [("max_share_of_audience", "renewal", 0.2, 0.24)]


def test_10_1_max_exits_counts_ledger_and_plan_over_a_rolling_day(tell: Teller) -> None:
    """10.1: two of thirty left this morning and five leave now: 23.33% block everything; a day after the first two it is five of 28, and passes."""
    story = tell(DRIP, *(contact(i) for i in range(1, 31)), more="guards: {max_exits: 20%}")
    for id in range(1, 31):
        story.enroll("drip", id, "2026-03-02 08:00")
    story.applied("2026-03-02 09:00")
    for id in (1, 2):
        story.lost("contact", id)
    assert "1: exit trigger_gone" in story.apply("2026-03-02 10:00")
    for id in range(3, 8):
        story.lost("contact", id)
    assert failed(story, "2026-03-03 09:59") == [("max_exits", None, 0.2, 0.2334)]
    assert not story.applied("2026-03-03 09:59").applyable
    assert failed(story, "2026-03-03 10:00") == []


def test_10_1_facts_max_age_asks_when_the_file_was_written(tell: Teller) -> None:
    """10.1: `facts_max_age: 36h` with a file that was written 37 hours ago blocks; `--allow facts_max_age=37` lets it pass; rows that have no file have no age."""
    story = contracts(tell, 1, more="guards: {facts_max_age: 36h}")
    assert failed(story, "2026-03-02 09:00") == []
    snapshot = story.records.snapshot(story.definitions, story.rows, story.utc("2026-03-02 09:00"))

    def found(**allowed: float) -> list[tuple[str, float, float]]:
        old = replace(snapshot, written_at=story.utc("2026-02-28 20:00"))
        plan = make_plan(
            story.definitions, old, story.ledger.view, story.utc("2026-03-02 09:00"), environment="dev", address_key=KEY.address_key, allowed=allowed
        )
        return [(guard.id, guard.limit, guard.observed) for guard in plan.guards if not guard.passed]

    assert found() == [("facts_max_age", 36, 37)]
    assert found(facts_max_age=37) == []


def test_10_1_an_entity_that_nobody_names_any_more_has_not_shrunk(tell: Teller) -> None:
    """10.1: when the last sequence about contracts goes, contracts are not read: that is no loss of records."""
    story = contracts(tell, 20, more="guards: {max_shrink: 20%}")
    story.apply("2026-02-01 09:00")
    snapshot = story.records.snapshot(story.definitions, story.rows, story.utc("2026-02-02 09:00"))
    fewer = replace(snapshot, counts={name: count for name, count in snapshot.counts.items() if name != "contract"})
    plan = make_plan(story.definitions, fewer, story.ledger.view, story.utc("2026-02-02 09:00"), environment="dev", address_key=KEY.address_key)
    assert plan.applyable


def test_10_1_a_hair_over_the_limit_is_over_it() -> None:
    """10.1: 100,000 mails against 33,333 are more than three times as many; what is shown says so too, and as an override it lets them pass."""
    (result,) = growth(None, 3.0, 100_000, {1: 33_333})
    assert (result.passed, result.observed) == (False, 3.0001)
    (allowed,) = growth(None, result.observed, 100_000, {1: 33_333})
    assert allowed.passed
    assert [rounded_up(part, 5) for part in range(6)] == [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]
