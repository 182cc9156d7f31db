"""Rule 4.8: several records of one contact that are due for one step in one run are one mail, in caps and guards as well."""

from __future__ import annotations

from .base import contact, contract, template
from .story import Story, Teller

# Every contract of company 1 that has run out; a marketing mail, so that caps count it.
OFFER = """
    id: offer
    about: contract
    status: active
    active_from: 2026-01-01
    trigger: {date: contract.end_date, where: {contract.status: active}}
    combine: contact
    at: "09:00"
    steps:
      - {id: offer, after: 1d, template: upsell}
      - {id: again, after: 5d, template: upsell}
"""
CAPPED = "caps: [{max: 1, per: 7d, of: all}]"
AT, LATER = "2026-03-03 09:00", "2026-03-03 09:10"


def contracts(*ids: int, end_date: str = "2026-03-02") -> list[dict[str, object]]:
    return [contract(id, end_date=end_date) for id in ids]


def mails(story: Story, at: str = AT) -> list[tuple[str, list[str]]]:
    """What a plan would send: by contact and template the records of each mail, in their order."""
    found: dict[tuple[str, str], list[tuple[int, str]]] = {}
    for row in story.planned(at).changes["sends"].to_pylist():
        found.setdefault((row["contact"], row["message"]), []).append((row["item"], row["record"]))
    return [(contact, [record for _, record in sorted(records)]) for (contact, _), records in found.items()]


def test_4_8_three_records_are_one_mail(tell: Teller) -> None:
    """4.8: each record is decided by itself and keeps its own send key; the mail has them in the order of their bases."""
    story = tell(OFFER, contract(9, end_date="2026-03-01"), *contracts(7, 8))
    assert story.plan(AT) == [
        "9>1 offer: send due, 2026-03-02 09:00", "7>1 offer: send due, 2026-03-03 09:00", "8>1 offer: send due, 2026-03-03 09:00",
    ]  # fmt: skip
    assert mails(story) == [("1", ["9", "7", "8"])]
    rows = story.planned(AT).changes["sends"].to_pylist()
    assert len({row["send_key"] for row in rows}) == 3 and {row["message"] for row in rows} == {next(row["send_key"] for row in rows if row["record"] == "9")}


def test_4_8_one_mail_for_each_contact_and_step(tell: Teller) -> None:
    """4.8: two contacts get one each; another step is another mail."""
    story = tell(OFFER, *contracts(7, 8), contract(5, end_date="2026-02-26"), contact(1), contact(2))
    assert sorted(mails(story)) == [("1", ["5"]), ("1", ["7", "8"]), ("2", ["5"]), ("2", ["7", "8"])]


def test_4_8_without_combine_each_record_is_a_mail(tell: Teller) -> None:
    """4.8: nothing is one mail by itself."""
    story = tell(OFFER.replace("    combine: contact\n", ""), *contracts(7, 8))
    assert {(row["message"], row["item"]) for row in story.planned(AT).changes["sends"].to_pylist()} == {(None, None)}


def test_4_8_another_template_is_another_mail(tell: Teller) -> None:
    """4.8: where the template depends on the record, those that have the same one are one mail."""
    chosen = OFFER.replace("template: upsell}\n      - {id: again", "template: [{if: {contract.monthly_value: {greater_than: 100}}, use: notice}, {use: upsell}]}\n      - {id: again")
    story = tell(chosen, *contracts(7, 8), contract(9, end_date="2026-03-02", monthly_value=500))
    assert sorted(mails(story)) == [("1", ["7", "8"]), ("1", ["9"])]


def test_6_21_a_mail_of_three_takes_one_place(tell: Teller) -> None:
    """4.8, 6.21: a cap of one lets the mail of three through, and the next one waits: the ledger counts it as one too."""
    story = tell(OFFER, *contracts(7, 8, 9), more=CAPPED)
    assert len(story.sends(AT)) == 3
    story.apply(AT)
    assert story.sent() == ["7>1 offer sent", "8>1 offer sent", "9>1 offer sent"]
    assert story.plan("2026-03-07 09:00") == [f"{id}>1 again: hold frequency_cap, 2026-03-07 09:00" for id in (7, 8, 9)]
    assert len(story.sends("2026-03-10 09:00")) == 3
    two = tell(OFFER, *contracts(7, 8, 9), more="caps: [{max: 2, per: 7d, of: all}]")
    two.apply(AT)
    assert len(two.sends("2026-03-07 09:00")) == 3


def test_6_21_a_mail_is_held_whole(tell: Teller) -> None:
    """6.15: with the cap full before it, all records of the mail are held, and none of them takes a place."""
    first = OFFER.replace("id: offer\n    about", "id: urgent\n    priority: urgent\n    about").replace("    combine: contact\n", "")
    story = tell(first, OFFER, *contracts(7, 8), more="caps: [{max: 2, per: 7d, of: all}]")
    assert story.plan(AT, of="offer") == ["7>1 offer: hold frequency_cap, 2026-03-03 09:00", "8>1 offer: hold frequency_cap, 2026-03-03 09:00"]


def test_10_1_guards_count_mails(tell: Teller) -> None:
    """10.1: what one contact gets is one mail, in this run and in the day before; so is the first run of a sequence."""
    guards = "guards: {max_per_contact: {max: 1, per: 24h}, max_sends: {per_run: 1, per_day: 1}, first_run_max: 1}"
    story = tell(OFFER, *contracts(7, 8, 9), more=guards)
    assert [(guard.id, guard.observed) for guard in story.planned(AT).guards if guard.id != "min_facts"] == [
        ("first_run_max", 1), ("max_sends.per_run", 1), ("max_sends.per_day", 1), ("max_per_contact", 1),
    ]  # fmt: skip
    story.apply(AT)
    story.now_has(contract(5, end_date="2026-02-26"))
    observed = {guard.id: guard.observed for guard in story.planned(LATER).guards}
    assert (observed["max_sends.per_run"], observed["max_sends.per_day"], observed["max_per_contact"]) == (1, 2, 2)


def test_10_2_what_a_guard_holds_is_counted_as_mails(tell: Teller) -> None:
    """10.2: two mails where one is allowed hold the sequence, with all records of both."""
    story = tell(OFFER, *contracts(7, 8), contact(1), contact(2), more="guards: {first_run_max: 1}")
    plan = story.planned(AT)
    assert [(guard.observed, guard.passed) for guard in plan.guards if guard.id == "first_run_max"] == [(2, False)]
    assert {row["decision"] for row in plan.decisions.to_pylist()} == {"hold"}


def test_4_6_one_address_of_two_contacts_gets_one_mail(tell: Teller) -> None:
    """4.6: the same address gets each record once; the lowest key has them all."""
    story = tell(OFFER, *contracts(7, 8), contact(1), contact(2, email="PERSON1@example.com"))
    assert mails(story) == [("1", ["7", "8"])]


def test_9_6_what_passes_no_longer_is_left_out(tell: Teller) -> None:
    """9.6: planned and not sent yet; one contract is renewed, another ran out: the mail has what is due at the next plan."""
    story = tell(OFFER, *contracts(7, 8))
    story.committed(AT)
    story.now_has(contract(7, end_date="2026-03-02", status="renewed"), contract(9, end_date="2026-03-02"))
    story.committed(LATER)
    assert story.deliver(LATER) == ["person1@example.com"]
    assert story.sent() == ["7>1 offer cancelled", "8>1 offer sent", "9>1 offer sent"]


def test_1_2_what_was_sent_is_not_sent_again(tell: Teller) -> None:
    """1.2: each record has its own send key, so a later one is a mail of its own."""
    story = tell(OFFER, *contracts(7, 8))
    story.apply(AT)
    assert story.sends(LATER) == []
    story.now_has(contract(9, end_date="2026-03-02"))
    assert mails(story, LATER) == [("1", ["9"])]


def test_9_5_a_mail_in_doubt_is_one_doubt(tell: Teller) -> None:
    """6.19, 9.5: all records of it are in doubt, and one answer settles them."""
    story = tell(OFFER, *contracts(7, 8))
    story.apply(AT, person1="unknown")
    assert story.sent() == ["7>1 offer unknown", "8>1 offer unknown"]
    story.ledger.resolve(story.ledger.sends().rows[0].send_key, "sent", by="test", note="", now=story.utc(LATER))
    assert story.sent() == ["7>1 offer sent", "8>1 offer sent"]


def test_6_13_each_record_needs_its_values(tell: Teller) -> None:
    """6.13: a variable that the template asks of each of `items` must be there for every record; one without is held, the others go."""
    story = tell(OFFER.replace("upsell", "notice"), *contracts(7, 8), contract(9, end_date="2026-03-02", number=None))
    story.file("templates/notice", template("notice", body="{% for one in items %}{{ one.number }} {% endfor %}"))
    assert story.plan(AT) == [
        "7>1 offer: send due, 2026-03-03 09:00", "8>1 offer: send due, 2026-03-03 09:00", "9>1 offer: hold missing_variable, 2026-03-03 09:00",
    ]  # fmt: skip
