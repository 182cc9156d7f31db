"""Which columns the definitions need: all that are named somewhere, with the keys of relations on the way, and no more."""

from __future__ import annotations

from engine.facts.needs import everything, needed, together
from tests.facts.maps import CRM, SEQUENCE, TYPE, definitions

CONTACT_MAP = {"email", "name", "is_active", "unsubscribed", "zone", "company_id"}


def test_the_smallest_project() -> None:
    """The contact map, the trigger and its `where`, the way to the contacts, the variable."""
    found = needed(definitions())
    assert found == {"contact": CONTACT_MAP, "contract": {"end_date", "status", "company_id"}, "company": frozenset()}


def test_rules_everywhere_are_followed() -> None:
    """`if`, goal, exit, audience, groups and paths through to-one and to-many relations."""
    sequence = SEQUENCE.replace(
        "steps:", "goal: {contract.signed_at: {is_not_empty: true}}\nexit_when: {not: {company.founded: {is_empty: true}}}\nsteps:"
    ).replace("template: renewal", "template: renewal, if: {any: [{contract.monthly_value: {greater_than: 5}}, {exists: {company.contacts: {zone: UTC}}}]}")
    found = needed(definitions(sequence=sequence))
    assert found["contract"] == {"end_date", "status", "company_id", "signed_at", "monthly_value"}
    assert found["company"] == {"founded"}


def test_variables_of_every_kind() -> None:
    """value, text with paths in braces, list with fields and where, sum, days, money with a currency."""
    crm = CRM.replace("    relations:\n      contacts:", "    relations:\n      contracts: {many: contract, via: contract.company_id}\n      contacts:")
    template_type = (
        TYPE
        + """\
  who: {text: "{company.name}, {contact.name}", description: Who, sample: x}
  total: {sum: company.contracts.monthly_value, where: {status: active}, description: Total, sample: 1}
  days: {days_until: contract.signed_at, description: Days, sample: 1}
"""
    )
    found = needed(definitions(crm, type=template_type))
    assert found["company"] == {"name"}
    assert found["contract"] == {"end_date", "status", "company_id", "signed_at", "monthly_value"}


def test_two_revisions_over_one_snapshot() -> None:
    """What either needs."""
    wider = definitions(sequence=SEQUENCE.replace("status: active}", "status: active, contract.monthly_value: {greater_than: 5}}"))
    found = together(needed(definitions()), needed(wider))
    assert found["contract"] == {"end_date", "status", "company_id", "monthly_value"}
    assert everything(wider)["company"] == {"name", "founded"}
