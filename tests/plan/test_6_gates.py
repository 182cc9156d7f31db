"""§6: the gates in their order. The first that does not pass gives the decision and its reason."""

from __future__ import annotations

import pytest

from engine.plan.gates import GATES

from .base import contact, contract
from .samples import DRIP, ONE_LETTER, ONE_NOTICE, RENEWAL, TRIAL
from .story import Teller

DAY = "2026-03-02"


@pytest.mark.parametrize(
    ("verb", "keys", "reason"),
    [
        ("stop", {}, "stopped"),
        ("stop", {"sequence": "renewal"}, "stopped"),
        ("pause", {}, "paused_project"),
        ("pause", {"sequence": "renewal"}, "paused_sequence"),
        ("pause", {"sequence": "renewal", "contact": "1"}, "paused_enrollment"),
    ],
)
def test_6_1_what_is_stopped_or_paused_is_held(tell: Teller, verb: str, keys: dict[str, str], reason: str) -> None:
    """6.1: a stop of everything or of the sequence, a paused project, sequence, enrollment: hold; lifted, it goes."""
    story = tell(RENEWAL, contract(7, end_date="2026-04-01"), contact(1))
    story.apply("2026-03-02 09:00")
    story.order(verb, "2026-03-02 10:00", **keys)
    assert story.apply("2026-03-18 09:00") == [f"7>1 notice-14: hold {reason}, 2026-03-18 09:00"]
    story.order({"stop": "start", "pause": "resume"}[verb], "2026-03-18 10:00", **keys)
    assert story.plan("2026-03-18 10:00") == ["7>1 notice-14: send due, 2026-03-18 09:00"]


def test_6_1_of_several_stops_the_first_of_the_gate_is_told(tell: Teller) -> None:
    """6.1: stopped, paused as a project and as a sequence: `stopped` comes first."""
    story = tell(RENEWAL, contract(7, end_date="2026-04-01"))
    story.order("pause", "2026-03-01 09:00", sequence="renewal")
    story.order("pause", "2026-03-01 09:00")
    assert story.plan("2026-03-02 09:00") == ["7>1 notice-30: hold paused_project, 2026-03-02 09:00"]
    story.order("stop", "2026-03-01 09:00")
    assert story.plan("2026-03-02 09:00") == ["7>1 notice-30: hold stopped, 2026-03-02 09:00"]


@pytest.mark.parametrize(
    ("rule", "reason"), [("goal: {contract.status: renewed}", "goal_met"), ("exit_when: {any: [{contract.status: renewed}, {contact.kind: staff}]}", "exit_condition")]
)
def test_6_2_goal_and_exit_condition(tell: Teller, rule: str, reason: str) -> None:
    """6.2: asked before the trigger's `where`, which no longer holds either, and final."""
    story = tell(RENEWAL + f"    {rule}\n", contract(7, end_date="2026-04-01"))
    story.apply("2026-03-02 09:00")
    story.now_has(contract(7, end_date="2026-04-01", status="renewed"))
    assert story.apply("2026-03-03 09:00") == [f"7>1: exit {reason}"]
    story.now_has(contract(7, end_date="2026-04-01"))
    assert story.plan("2026-03-18 09:00") == []


def test_6_2_cancelled_by_a_person_is_final(tell: Teller) -> None:
    """6.2: cancelled for one contact; the other goes on."""
    story = tell(RENEWAL, contract(7, end_date="2026-04-01"), contact(1), contact(2))
    story.apply("2026-03-02 09:00")
    story.order("cancel", "2026-03-03 09:00", sequence="renewal", entity="contract", record="7", occurrence="2026-04-01", contact="1")
    assert story.apply("2026-03-18 09:00") == ["7>2 notice-14: send due, 2026-03-18 09:00", "7>1: exit cancelled"]
    assert story.plan("2026-03-25 09:00") == ["7>2 notice-7: send due, 2026-03-25 09:00"]


def test_6_2_goal_is_not_asked_where_the_contact_is_not_there(tell: Teller) -> None:
    """6.2: the contact is gone and the goal is met: that is 6.4, so that it may come back and be asked."""
    story = tell(RENEWAL + "    goal: {contract.monthly_value: 1}\n", contract(7, end_date="2026-04-01"), contact(1), contact(2))
    story.apply("2026-03-02 09:00")
    story.now_has(contract(7, end_date="2026-04-01", monthly_value=1))
    story.lost("contact", 1)
    assert story.plan("2026-03-03 09:00") == ["7>1: exit left_audience", "7>2: exit goal_met"]


def test_6_3_trigger_goes_before_the_audience(tell: Teller) -> None:
    """6.3, 6.4: the value moved and the contact left: date_moved."""
    story = tell(RENEWAL, contract(7, end_date="2026-04-01"), contact(1), contact(2, company_id=2))
    story.apply("2026-03-02 09:00")
    story.now_has(contract(7, end_date="2026-06-01"))
    story.lost("contact", 1)
    assert story.plan("2026-03-03 09:00") == ["7>1: exit date_moved"]


def test_6_4_left_audience(tell: Teller) -> None:
    """6.4: the contact is not of the audience's `where` any more."""
    story = tell(RENEWAL + "    audience: {where: {contact.kind: billing}}\n", contract(7, end_date="2026-04-01"), contact(1, kind="billing"))
    story.apply("2026-03-02 09:00")
    story.now_has(contact(1, kind="staff"))
    assert story.plan("2026-03-03 09:00") == ["7>1: exit left_audience"]


def test_6_5_complete_when_no_step_is_left(tell: Teller) -> None:
    """6.5: the run after the last send completes; completed is final."""
    story = tell(ONE_NOTICE, contract(7, end_date="2026-04-01"))
    story.apply("2026-03-02 09:00")
    assert story.apply("2026-03-02 10:00") == ["7>1: complete complete"]
    assert story.plan("2026-03-02 11:00") == []


def test_6_6_before_introduction_goes_before_not_due_and_expired(tell: Teller) -> None:
    """6.6, 6.8: due before the sequence's start and expired too: before_introduction."""
    story = tell(RENEWAL.replace("2026-01-01", "2026-03-20"), contract(7, end_date="2026-04-01"))
    assert story.plan("2026-03-20 09:00")[0] == "7>1 notice-30: skip before_introduction, 2026-03-02 09:00"


def test_6_7_not_due(tell: Teller) -> None:
    """6.7: due in the future, also by a minute: wait."""
    story = tell(RENEWAL, contract(7, end_date="2026-04-01"))
    story.apply("2026-03-02 09:00")
    assert story.plan("2026-03-18 08:59") == ["7>1 notice-14: wait not_due, 2026-03-18 09:00"]


def test_6_8_expired_goes_before_inactive_and_condition(tell: Teller) -> None:
    """6.8, 6.9: a step that is too late, switched off and not meant is expired."""
    text = RENEWAL.replace("before: 30d, template: notice", "before: 30d, template: notice, active: false, if: {contract.monthly_value: 1}")
    story = tell(text, contract(7, end_date="2026-04-01"))
    assert story.plan("2026-03-10 09:00")[0] == "7>1 notice-30: skip expired, 2026-03-02 09:00"


@pytest.mark.parametrize(
    ("said", "expected"),
    [("if: {contact.kind: billing}", "skip condition_false, 2026-03-02 09:00"), ("active: false", "skip step_inactive")],
)
def test_6_9_step_inactive_or_condition_false(tell: Teller, said: str, expected: str) -> None:
    """6.9: passed over, and the walk goes on to the end."""
    story = tell(TRIAL.replace("template: hello", f"template: hello, {said}"), contact(1, trial_end=DAY))
    assert sorted(story.plan("2026-03-02 09:00")) == [f"1 ends: {expected}", "1: complete complete"]


def test_6_9_condition_of_a_due_step_is_asked_when_it_is_due(tell: Teller) -> None:
    """6.9: the condition is not asked before; what holds on the day decides."""
    story = tell(ONE_NOTICE.replace("template: notice", "template: notice, if: {contract.monthly_value: 100}"), contract(7, end_date="2026-04-01"))
    story.apply("2026-03-02 08:59")
    story.now_has(contract(7, end_date="2026-04-01", monthly_value=100))
    assert story.sends("2026-03-02 09:00") == ["7>1 notice: send due, 2026-03-02 09:00"]


@pytest.mark.parametrize(
    ("said", "reason"),
    [({"is_active": False}, "contact_inactive"), ({"email": None}, "no_address"), ({"email": "   "}, "no_address"), ({"email": "desk at example"}, "invalid_address"),
     ({"email": "x", "is_active": False}, "contact_inactive")],
)  # fmt: skip
def test_6_10_contact_who_cannot_be_mailed_is_held(tell: Teller, said: dict[str, object], reason: str) -> None:
    """6.10: where the contact is the record it is held, and goes when it is mended in time."""
    story = tell(TRIAL, contact(1, trial_end=DAY, **said))
    assert story.apply("2026-03-02 09:00") == [f"1 ends: hold {reason}, 2026-03-02 09:00"]
    story.now_has(contact(1, trial_end=DAY))
    assert story.plan("2026-03-04 09:00") == ["1 ends: send due, 2026-03-02 09:00"]


@pytest.mark.parametrize(
    ("template", "reason", "topic", "expected"),
    [
        ("hello", "bounce", None, "skip suppressed_bounce"),
        ("hello", "complaint", None, "skip suppressed_complaint"),
        ("hello", "unsubscribed", None, "send due"),
        ("news", "bounce", None, "skip suppressed_bounce"),
        ("news", "unsubscribed", None, "skip unsubscribed"),
        ("news", "unsubscribed", "product-news", "skip unsubscribed"),
        ("news", "unsubscribed", "partner-offers", "send due"),
        ("offers", "unsubscribed", "product-news", "skip no_consent"),
    ],
)
def test_6_11_suppressed_addresses(tell: Teller, template: str, reason: str, topic: str | None, expected: str) -> None:
    """6.11, 6.20: bounces and complaints stop everything, an unsubscribe stops the marketing that it names, and no consent stops what needs it."""
    story = tell(TRIAL.replace("template: hello", f"template: {template}"), contact(1, trial_end=DAY))
    story.order("suppress", "2026-03-01 09:00", address=" Person1@Example.com", reason=reason, topic=topic)
    assert story.plan("2026-03-02 09:00")[0] == f"1 ends: {expected}, 2026-03-02 09:00"


def test_6_12_same_address_goes_before_too_soon(tell: Teller) -> None:
    """6.12: in the new occurrence the address is contact 1's already by its key, so contact 2, who had the mail two days ago, is a duplicate first."""
    story = tell(RENEWAL, contract(7, end_date="2026-04-01"), contact(2, email="desk@example.com"))
    story.apply("2026-03-02 09:00")
    story.now_has(contract(7, end_date="2026-04-03"), contact(1, email="desk@example.com"))
    assert "7>2 notice-30: skip duplicate_address, 2026-03-04 09:00" in story.plan("2026-03-04 09:00")


def test_6_13_missing_variable_is_held_and_named(tell: Teller) -> None:
    """6.13: the contract has no number and the template shows it: held, and mended in time it goes."""
    story = tell(ONE_NOTICE, contract(7, end_date="2026-04-01", number=None))
    plan = story.applied("2026-03-02 09:00")
    assert story.lines(plan) == ["7>1 notice: hold missing_variable, 2026-03-02 09:00"]
    assert plan.decisions["detail"].to_pylist() == ["number"]
    story.now_has(contract(7, end_date="2026-04-01"))
    assert story.plan("2026-03-03 09:00") == ["7>1 notice: send due, 2026-03-02 09:00"]


def test_6_14_guard_of_the_sequence_holds_it(tell: Teller) -> None:
    """6.14: two first mails with `first_run_max: 1`: both are held, none is an arbitrary first."""
    story = tell(ONE_NOTICE + "    guards: {first_run_max: 1}\n", contract(7, end_date="2026-04-01"), contract(8, end_date="2026-04-01"))
    assert story.plan("2026-03-02 09:00") == ["7>1 notice: hold guard, 2026-03-02 09:00", "8>1 notice: hold guard, 2026-03-02 09:00"]


def test_6_16_otherwise_it_is_sent(tell: Teller) -> None:
    """6.16: whoever passes every gate gets the mail, in the contact's language where the template has it."""
    story = tell(TRIAL, contact(1, trial_end=DAY, language="th"), contact(2, trial_end=DAY, language="de"))
    plan = story.planned("2026-03-02 09:00")
    rows = [(row["contact"], row["decision"], row["reason"], row["template"], row["locale"], row["category"]) for row in plan.decisions.to_pylist()]
    assert rows == [("1", "send", "due", "hello", "th", "transactional"), ("2", "send", "due", "hello", "en", "transactional")]


def test_6_17_walk_passes_over_as_many_steps_as_it_must(tell: Teller) -> None:
    """6.17: a contract with five days left stands at the right step in one run; the skips are recorded and final."""
    story = tell(RENEWAL, contract(7, end_date="2026-04-01"))
    story.applied("2026-03-27 10:00")
    assert [story.state_of(1, step) for step in ("notice-30", "notice-14", "notice-7")] == ["skipped", "skipped", "sent"]
    story.change("before: 30d", "before: 14w")
    assert story.plan("2026-03-27 11:00") == ["7>1: complete complete"]


def test_6_17_send_ends_the_walk(tell: Teller) -> None:
    """6.17: two steps of a drip that are both due leave in two runs, not in one."""
    story = tell(DRIP.replace("wait: 3d", "wait: 1min"))
    story.enroll("drip", 1, "2026-03-02 10:00")
    assert story.apply("2026-03-02 10:00") == ["1 welcome: send due, 2026-03-02 10:00"]
    assert story.apply("2026-03-02 10:01") == ["1 tips: send due, 2026-03-02 10:01"]


def test_6_17_wait_and_hold_are_not_recorded(tell: Teller) -> None:
    """6.17: they are looked at afresh, and may expire: a held mail is too late a week later."""
    story = tell(TRIAL, contact(1, trial_end=DAY, email=None))
    story.apply("2026-03-02 09:00")
    assert story.ledger.sends().rows == ()
    assert story.plan("2026-03-09 09:00") == ["1 ends: skip expired, 2026-03-02 09:00", "1: complete complete"]


def test_6_18_everybody_is_counted_exactly_once(tell: Teller) -> None:
    """6.18: considered = send + wait + hold + exit + complete; skips, unreached and upcoming stand beside; every matching record is somewhere."""
    text = RENEWAL + "    exit_when: {contract.monthly_value: 1}\n"
    rows = [
        contract(1, end_date="2026-04-01"),  # sends its 30-day notice
        contract(2, end_date="2026-03-20"),  # its 14-day notice of 6 March is ahead: a skip and a wait
        contract(3, end_date="2026-04-01", monthly_value=1),  # exits
        contract(4, end_date="2026-04-01", number=None),  # held
        contract(5, end_date="2026-04-01", company_id=2),  # nobody to tell
        contract(6, end_date="2026-09-01"),  # upcoming
        contract(7, end_date="2026-03-01"),  # closed
        contract(8, end_date="2026-04-01", status="ended"),  # does not match
    ]
    summary = tell(text, *rows, contact(1)).funnel("2026-03-02 09:00")
    # The notice that leaves goes for contract 1; contracts 2 to 4 are the wait, the exit and the hold.
    expected = {"considered": 4, "send": 1, "wait": 1, "hold": 1, "exit": 1, "complete": 0, "skipped_steps": 1, "enroll": 4, "unreached": 1, "upcoming": 1}
    assert {name: summary.counts[name] for name in expected} == expected
    assert summary.named == {"closed": 1}
    assert summary.reasons == {"due": 1, "not_due": 1, "expired": 1, "exit_condition": 1, "missing_variable": 1, "no_recipient": 1}


@pytest.mark.parametrize("state", ["failed", "unknown"])
def test_6_19_failed_or_unknown_send_stops_its_own_step_only(tell: Teller, state: str) -> None:
    """6.19: the path goes on as if it had been sent: no second welcome, and the tips three days later."""
    story = tell(DRIP, contact(1))
    story.enroll("drip", 1, "2026-03-02 10:00")
    story.apply("2026-03-02 10:00", person1=state)
    assert story.state_of(1, "welcome") == state
    assert story.plan("2026-03-02 11:00") == ["1 tips: wait not_due, 2026-03-05 10:00"]
    assert story.sends("2026-03-05 10:00") == ["1 tips: send due, 2026-03-05 10:00"]


def test_6_20_transactional_ignores_marketing_unsubscribes(tell: Teller) -> None:
    """6.20: of one contact who has unsubscribed, the notice goes and the news does not."""
    story = tell(TRIAL, TRIAL.replace("id: trial", "id: news").replace("template: hello", "template: news"), contact(1, trial_end=DAY, unsubscribed=True))
    assert story.plan("2026-03-02 09:00", of="trial") == ["1 ends: send due, 2026-03-02 09:00"]
    assert story.plan("2026-03-02 09:00", of="news") == ["1 ends: skip unsubscribed, 2026-03-02 09:00", "1: complete complete"]


def test_6_gates_stand_once_in_the_order_of_the_page(tell: Teller) -> None:
    """6.1 to 6.16: the list of the code has the numbers of the page in their order, and no reason twice."""
    assert [gate.number for gate in GATES] == [f"6.{number}" for number in range(1, 17)]
    reasons = [reason for gate in GATES for reason in gate.reasons]
    assert len(reasons) == len(set(reasons))
    story = tell(ONE_LETTER)
    assert story.plan("2026-03-02 09:00") == []
