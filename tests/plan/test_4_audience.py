"""§4: who of a record's contacts gets the mail, and what is said where nobody can."""

from __future__ import annotations

import pytest

from .base import contact, contract
from .samples import ONE_NOTICE, PROJECT_LETTERS, RENEWAL, TRIAL
from .story import Teller

NOTICE = "notice: send due, 2026-03-02 09:00"


def test_4_1_path_to_the_contacts_may_be_left_out(tell: Teller) -> None:
    """4.1: one path leads from a contract to contacts, through its company: nobody has to write it, and writing it changes nothing."""
    for audience in ("", "    audience: {from: contract.company.contacts}\n"):
        story = tell(ONE_NOTICE + audience, contract(7, end_date="2026-04-01"), contact(1), contact(2, company_id=2))
        assert story.plan("2026-03-02 09:00") == [f"7>1 {NOTICE}"]


def test_4_1_contact_itself_needs_no_audience(tell: Teller) -> None:
    """4.1: where `about` is the contact, it is written to itself."""
    story = tell(TRIAL, contact(1, trial_end="2026-03-02"), contact(2))
    assert story.plan("2026-03-02 09:00") == ["1 ends: send due, 2026-03-02 09:00"]


def test_4_2_first_group_that_can_be_mailed(tell: Teller) -> None:
    """4.2: the only billing contact has no address, so the group `all` it is; with an address it is the billing contact alone."""
    audience = ONE_NOTICE + "    audience: {first_of: [{contact.kind: billing}, all]}\n"
    story = tell(audience, contract(7, end_date="2026-04-01"), contact(1, kind="billing", email=None), contact(2), contact(3))
    assert story.plan("2026-03-02 09:00") == [f"7>2 {NOTICE}", f"7>3 {NOTICE}"]
    story.now_has(contact(1, kind="billing"))
    assert story.plan("2026-03-02 09:00") == [f"7>1 {NOTICE}"]


@pytest.mark.parametrize(("template", "expected"), [("notice", "1"), ("upsell", "2")])
def test_4_2_mailed_means_for_the_category_of_an_active_step(tell: Teller, template: str, expected: str) -> None:
    """4.2: a billing contact who is unsubscribed can be mailed a transactional notice, not marketing: then the next group is asked."""
    audience = ONE_NOTICE.replace("template: notice", f"template: {template}") + "    audience: {first_of: [{contact.kind: billing}, all]}\n"
    story = tell(audience, contract(7, end_date="2026-04-01"), contact(1, kind="billing", unsubscribed=True), contact(2))
    assert story.plan("2026-03-02 09:00") == [f"7>{expected} {NOTICE}"]


def test_4_3_record_with_nobody_is_unreached(tell: Teller) -> None:
    """4.3: counted beside the funnel, with the step that would go; never final: with a contact the notice goes after all."""
    story = tell(RENEWAL, contract(7, end_date="2026-04-01"), contact(1, is_active=False))
    assert story.apply("2026-03-02 09:00") == ["7>- notice-30: unreached no_recipient, 2026-03-02 09:00"]
    summary = story.funnel("2026-03-02 09:00")
    assert (summary.counts["unreached"], summary.counts["considered"]) == (1, 0)
    story.now_has(contact(1))
    assert story.plan("2026-03-03 09:00") == ["7>1 notice-30: send due, 2026-03-02 09:00"]


def test_4_3_walk_of_the_record_begins_behind_the_furthest_step(tell: Teller) -> None:
    """4.3: the contact who got the 30-day notice has left: nothing is unreached until the 14-day one is due."""
    story = tell(RENEWAL, contract(7, end_date="2026-04-01"))
    story.apply("2026-03-02 09:00")
    story.now_has(contact(1, is_active=False))
    assert story.apply("2026-03-03 09:00") == ["7>1: exit left_audience"]
    assert story.plan("2026-03-18 08:59") == []
    assert story.plan("2026-03-18 09:00") == ["7>- notice-14: unreached no_recipient, 2026-03-18 09:00"]


def test_4_3_condition_on_the_contact_sees_no_values(tell: Teller) -> None:
    """4.3: a step only for billing contacts would not go to nobody; one for everybody but them would. Nobody is a member of a segment."""
    others = "{id: others, name: Others, entity: contact, rules: {not: {contact.kind: billing}}}"
    for condition, unreached in [("{contact.kind: billing}", 0), ("{not: {contact.kind: billing}}", 1), ("{segment: others}", 0), ("{not: {segment: others}}", 1)]:
        text = ONE_NOTICE.replace("template: notice", f"template: notice, if: {condition}")
        story = tell(text, contract(7, end_date="2026-04-01"), nobody=True, segments=(others,))
        assert story.funnel("2026-03-02 09:00").counts["unreached"] == unreached


def test_4_3_a_step_that_was_removed_is_not_the_furthest(tell: Teller) -> None:
    """4.3, 8.5: one had only a step that is no more, another the first on 5 March; both are gone: the second is unreached three days after the first."""
    text = PROJECT_LETTERS.replace("steps:\n", "expires: 30d\n    steps:\n      - {id: zero, wait: 0d, template: notice}\n").replace(
        "{id: first, wait: 0d", "{id: first, wait: 1d"
    )
    story = tell(text, contract(7))
    story.enroll("letters", 7, "2026-03-01 09:00", entity="contract")
    story.apply("2026-03-01 09:00")
    story.now_has(contact(1, is_active=False), contact(2))
    story.apply("2026-03-01 10:00")
    story.change("  - {id: zero, wait: 0d, template: notice}\n", "")
    story.apply("2026-03-05 10:00")
    story.now_has(contact(2, is_active=False))
    assert story.plan("2026-03-08 09:59") == ["7>2: exit left_audience"]
    assert story.plan("2026-03-08 10:00") == ["7>- second: unreached no_recipient, 2026-03-08 10:00", "7>2: exit left_audience"]


def test_4_3_a_record_that_somebody_cancelled_is_not_unreached(tell: Teller) -> None:
    """4.3, 6.2: nobody can be told of contract 7, and nobody is to be: cancelled, or paused until then, it is not counted."""
    for verb in ("cancel", "pause"):
        story = tell(PROJECT_LETTERS, contract(7), contact(1, is_active=False))
        story.enroll("letters", 7, "2026-03-01 09:00", entity="contract")
        assert story.plan("2026-03-01 10:00") == ["7>- first: unreached no_recipient, 2026-03-01 09:00"]
        story.order(verb, "2026-03-01 10:00", sequence="letters", entity="contract", record="7")
        assert story.plan("2026-03-01 10:00") == []


def test_4_4_over_max_is_of_records_with_something_open(tell: Teller) -> None:
    """4.4: the contract was renewed by a year: three months later nothing of it is open, and nobody is over its `max`."""
    story = tell(RENEWAL + "    audience: {max: 1}\n", contract(7, end_date="2026-04-01"), contact(1), contact(2))
    story.apply("2026-03-02 09:00")
    assert story.funnel("2026-03-02 10:00").named["over_max"] == 1
    story.now_has(contract(7, end_date="2027-04-01"))
    story.apply("2026-03-03 09:00")
    assert "over_max" not in story.funnel("2026-06-03 09:00").named


def test_4_4_max_keeps_who_is_on_the_way(tell: Teller) -> None:
    """4.4: Zoe is on the way; Ana, who comes first by name, joins and stays outside."""
    text = RENEWAL + "    audience: {max: 1, order_by: contact.name}\n"
    story = tell(text, contract(7, end_date="2026-04-01"), contact(2, name="Zoe"))
    story.apply("2026-03-02 09:00")
    story.now_has(contact(1, name="Ana"))
    assert story.plan("2026-03-18 09:00") == ["7>2 notice-14: send due, 2026-03-18 09:00"]
    assert story.funnel("2026-03-18 09:00").named["over_max"] == 1


def test_4_4_place_is_kept_in_every_occurrence_of_the_record(tell: Teller) -> None:
    """4.4: enrolled by hand once more while Zoe is on the way, the contract still writes to Zoe alone, and Ana, now first by name, gets no second walk."""
    by_hand = """
        id: review
        about: contract
        status: active
        trigger: manual
        reenter: every_occurrence
        audience: {max: 1, order_by: contact.name}
        steps:
          - {id: first, wait: 0d, template: notice}
          - {id: second, wait: 2d, template: reminder}
    """
    story = tell(by_hand, contract(7), contact(2, name="Zoe"))
    story.apply("2026-03-01 09:00")
    story.enroll("review", 7, "2026-03-02 09:00", entity="contract")
    assert story.apply("2026-03-02 10:00") == ["7>2 first: send due, 2026-03-02 09:00"]
    story.now_has(contact(1, name="Ana"))
    story.enroll("review", 7, "2026-03-03 09:00", entity="contract")
    assert story.apply("2026-03-03 10:00") == ["7>2 first: send due, 2026-03-03 09:00", "7>2 second: wait not_due, 2026-03-04 10:00"]
    # When both walks are over and closed, the order decides.
    story.apply("2026-03-05 10:00")
    assert story.plan("2026-04-01 09:00") == ["7>2: complete complete", "7>2: complete complete"]
    story.apply("2026-04-01 09:00")
    story.enroll("review", 7, "2026-04-01 10:00", entity="contract")
    assert story.plan("2026-04-01 10:00") == ["7>1 first: send due, 2026-04-01 10:00"]


def test_4_4_place_is_kept_where_a_date_comes_round(tell: Teller) -> None:
    """4.4, 3.1: Zoe is on the way in this month's occurrence; Ana joins, and neither takes her place nor gets what is Zoe's."""
    monthly = """
        id: monthly
        about: contract
        status: active
        active_from: 2026-01-01
        trigger: {date: contract.end_date, every: 1mo}
        audience: {max: 1, order_by: contact.name}
        steps:
          - {id: early, before: 3d, template: notice}
          - {id: late, after: 2d, template: reminder}
    """
    story = tell(monthly, contract(7, end_date="2026-02-10"), contact(2, name="Zoe"))
    assert story.apply("2026-03-07 09:00") == ["7>2 early: send due, 2026-03-07 09:00"]
    story.now_has(contact(1, name="Ana"))
    assert story.apply("2026-03-12 09:00") == ["7>2 late: send due, 2026-03-12 09:00"]
    story.apply("2026-03-13 09:00")
    assert story.plan("2026-04-07 09:00") == ["7>1 early: send due, 2026-04-07 09:00"]


def test_4_4_who_leaves_an_old_occurrence_keeps_no_place(tell: Teller) -> None:
    """4.4, 3.8: the end moves while Zoe is on the way: her walk is over, and the new one begins with who is first."""
    text = RENEWAL + "    audience: {max: 1, order_by: contact.name}\n"
    story = tell(text, contract(7, end_date="2026-04-01"), contact(2, name="Zoe"))
    story.apply("2026-03-02 09:00")
    story.now_has(contact(1, name="Ana"), contract(7, end_date="2026-04-20"))
    assert story.plan("2026-03-21 09:00") == ["7>1 notice-30: send due, 2026-03-21 09:00", "7>2: exit date_moved"]


def test_4_4_max_takes_the_order_then_the_key(tell: Teller) -> None:
    """4.4: by name where `order_by` says so, else by key, and 9 is before 10."""
    rows = contact(9, name="Ben"), contact(10, name="Ana")
    for order, chosen in [(", order_by: contact.name", "10"), ("", "9")]:
        story = tell(ONE_NOTICE + f"    audience: {{max: 1{order}}}\n", contract(7, end_date="2026-04-01"), *rows)
        assert story.plan("2026-03-02 09:00") == [f"7>{chosen} {NOTICE}"]


def test_4_5_newcomer_gets_what_has_not_expired(tell: Teller) -> None:
    """4.5: who joins on the day of the 14-day notice has the same base: the 30-day one is past, the 14-day one goes."""
    story = tell(RENEWAL, contract(7, end_date="2026-04-01"))
    story.apply("2026-03-02 09:00")
    story.now_has(contact(2))
    assert story.plan("2026-03-18 09:00") == [
        "7>2 notice-30: skip expired, 2026-03-02 09:00",
        "7>1 notice-14: send due, 2026-03-18 09:00",
        "7>2 notice-14: send due, 2026-03-18 09:00",
    ]


def test_4_5_who_can_no_longer_be_mailed_exits(tell: Teller) -> None:
    """4.5: moved to another company, without an address, inactive, or bounced: left_audience."""
    for said in ({"company_id": 2}, {"email": " "}, {"is_active": False}):
        story = tell(RENEWAL, contract(7, end_date="2026-04-01"))
        story.apply("2026-03-02 09:00")
        story.now_has(contact(1, **said))
        assert story.plan("2026-03-03 09:00") == ["7>1: exit left_audience"]
    story = tell(RENEWAL, contract(7, end_date="2026-04-01"))
    story.apply("2026-03-02 09:00")
    story.order("suppress", "2026-03-02 10:00", address="person1@example.com", reason="bounce")
    assert story.plan("2026-03-03 09:00") == ["7>1: exit left_audience"]


def test_4_6_same_address_gets_one_mail_by_the_lowest_key(tell: Teller) -> None:
    """4.6: 9 and 10 have the same address after trimming and lower case; 9 gets the mail, also on the next day nobody else does."""
    story = tell(ONE_NOTICE, contract(7, end_date="2026-04-01"), contact(10, email="desk@example.com"), contact(9, email=" Desk@Example.com "))
    assert story.apply("2026-03-02 09:00") == ["7>9 notice: send due, 2026-03-02 09:00", "7>10 notice: skip duplicate_address, 2026-03-02 09:00", "7>10: complete complete"]
    story.now_has(contact(11, email="DESK@example.com"))
    assert "7>11 notice: skip duplicate_address, 2026-03-02 09:00" in story.plan("2026-03-03 09:00")


def test_4_6_address_is_taken_by_who_passes_all_other_gates(tell: Teller) -> None:
    """4.6: the lowest key is not meant by the step's condition, so the other one gets the mail."""
    story = tell(
        ONE_NOTICE.replace("template: notice", "template: notice, if: {contact.kind: billing}"),
        contract(7, end_date="2026-04-01"),
        contact(1, email="desk@example.com"),
        contact(2, email="desk@example.com", kind="billing"),
    )
    assert story.sends("2026-03-02 09:00") == ["7>2 notice: send due, 2026-03-02 09:00"]


def test_4_6_who_is_too_soon_in_this_plan_leaves_the_address_to_the_next(tell: Teller) -> None:
    """4.6, 3.8: two reasons to write one letter in one run. For the second the desk is contact 2's, since contact 1 has just got the first."""
    text = PROJECT_LETTERS.replace("    steps:", "    min_gap: 7d\n    reenter: every_occurrence\n    steps:")
    story = tell(text, contract(7), contact(1, email="desk@example.com"), contact(2, email="desk@example.com"))
    for file in ("a", "b"):
        story.file(f"enrollments/{file}", f"{{id: {file}, sequence: letters, contacts: [7]}}")
    rows = [row for row in story.planned("2026-03-02 10:00").decisions.to_pylist() if row["step"] == "first"]
    assert sorted((row["occurrence"], row["contact"], row["reason"]) for row in rows) == [
        ("a", "1", "due"),
        ("a", "2", "duplicate_address"),
        ("b", "1", "duplicate_address"),
        ("b", "2", "due"),
    ]


@pytest.mark.parametrize(
    ("template", "said", "expected"),
    [
        ("hello", {"is_active": None}, "send due"),
        ("hello", {"is_active": False}, "hold contact_inactive"),
        ("news", {"unsubscribed": None}, "send due"),
        ("news", {"unsubscribed": True}, "skip unsubscribed"),
        ("offers", {"wants_offers": None}, "skip no_consent"),
        ("offers", {"wants_offers": True}, "send due"),
        ("offers", {"wants_offers": True, "unsubscribed": True}, "skip unsubscribed"),
    ],
)
def test_4_7_flags_without_a_value(tell: Teller, template: str, said: dict[str, bool | None], expected: str) -> None:
    """4.7: no value counts as active, as not unsubscribed, and for an opt_in topic as not consented."""
    story = tell(TRIAL.replace("template: hello", f"template: {template}"), contact(1, trial_end="2026-03-02", **said))
    assert story.plan("2026-03-02 09:00")[0] == f"1 ends: {expected}, 2026-03-02 09:00"


@pytest.mark.parametrize(
    ("template", "of_the_other", "expected"),
    [("news", {"unsubscribed": True}, "skip unsubscribed"), ("offers", {"wants_offers": True}, "send due"), ("offers", {"wants_offers": False}, "skip no_consent")],
)
def test_4_7_answers_hold_for_the_address(tell: Teller, template: str, of_the_other: dict[str, bool], expected: str) -> None:
    """4.7: one record of the address that says no silences them all; without one, one that says yes is enough."""
    story = tell(
        TRIAL.replace("template: hello", f"template: {template}"),
        contact(1, trial_end="2026-03-02", email="desk@example.com"),
        contact(2, email=" DESK@example.com", **of_the_other),
    )
    assert story.plan("2026-03-02 09:00")[0] == f"1 ends: {expected}, 2026-03-02 09:00"


def test_4_3_a_record_waits_from_where_the_one_was_who_got_furthest(tell: Teller) -> None:
    """4.3: contact 1 had the second letter on 4 March, contact 2 the first on the 5th; nobody is left on the 6th: the third would go three days after the second."""
    story = tell(PROJECT_LETTERS + "      - {id: third, wait: 3d, template: reminder}\n", contract(7), contact(1))
    story.enroll("letters", 7, "2026-03-01 09:00", entity="contract")
    story.apply("2026-03-01 09:00")
    story.apply("2026-03-04 09:00")
    story.now_has(contact(2))
    story.apply("2026-03-05 09:00")
    story.now_has(contact(1, is_active=False), contact(2, is_active=False))
    story.apply("2026-03-06 09:00")
    assert story.plan("2026-03-07 08:59") == []
    assert story.plan("2026-03-07 09:00") == ["7>- third: unreached no_recipient, 2026-03-07 09:00"]
