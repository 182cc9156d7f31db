"""§10: limits that stop a mistake before the first mail."""

from __future__ import annotations

from .base import company, contact, contract
from .samples import ONE_NOTICE
from .story import Story, Teller

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
