"""Which contacts of a record get the mail (semantics §4), with their group and their place."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.relations.audiences import audience
from engine.relations.binding import Binder

from .build import ask, define, snapshot
from .reference import folded, key_order
from .test_rules_against_python import text_values

NOW = datetime(2026, 1, 6, 1)
STEPS = [{"id": "one", "wait": "0d", "template": "t"}]

CRM: dict[str, Sequence[dict[str, Any]]] = {
    "company": [{"_key": "1", "industry": "hotel"}, {"_key": "2", "industry": "spa"}],
    "contact": [
        {"_key": "9", "company_id": 1, "name": "bo", "contact_type": "Billing", "is_active": True},
        {"_key": "10", "company_id": 1, "name": "Ana", "contact_type": "primary", "is_active": True},
        {"_key": "11", "company_id": 1, "name": " ", "contact_type": "billing", "is_active": False},
        {"_key": "12", "company_id": 2, "name": "Cy", "contact_type": None, "is_active": True},
        {"_key": "13", "company_id": 3, "name": "Di", "contact_type": "billing", "is_active": True},
    ],
    "contract": [
        {"_key": "7", "company_id": 1, "owner_id": "12", "status": "active"},
        {"_key": "8", "company_id": 1, "owner_id": "12", "status": "draft"},
        {"_key": "x", "company_id": None},
    ],
}


def people(about: str, said: dict[str, Any] | None, *records: str, rows: dict[str, Sequence[dict[str, Any]]] = CRM) -> list[tuple[Any, ...]]:
    """The audience of these records: (record, contact, group, place), by record and place."""
    sequence = {"id": "s", "about": about, "trigger": "manual", "steps": STEPS} | ({} if said is None else {"audience": said})
    definitions = define(sequences=[sequence])
    connection = snapshot(definitions, rows)
    connection.execute("CREATE TABLE candidates (record VARCHAR)")
    connection.executemany("INSERT INTO candidates VALUES (?)", [[record] for record in records])
    binder = Binder()
    select = audience(definitions, definitions.sequences["s"], NOW, binder)
    assert binder.of(select) == binder.values
    return sorted(ask(connection, select, binder), key=lambda row: (row[0], row[3]))


def test_4_1_where_one_path_leads_to_contacts_it_is_taken() -> None:
    """A company's contacts are found without `from`, for the candidates only, in the natural order of their keys."""
    assert people("company", None, "1") == [("1", "9", 0, 1), ("1", "10", 0, 2), ("1", "11", 0, 3)]


def test_4_1_about_a_contact_it_is_the_contact_itself() -> None:
    """Each record is its own audience; a record that is not there has none."""
    assert people("contact", None, "9", "9", "77") == [("9", "9", 0, 1)]


def test_4_2_each_contact_has_the_lowest_of_its_groups() -> None:
    """Billing first, then all; who is in both counts as billing."""
    said = {"from": "contract.company.contacts", "first_of": [{"contact_type": "billing"}, "all"]}
    assert people("contract", said, "7") == [("7", "9", 0, 1), ("7", "10", 1, 2), ("7", "11", 0, 3)]


def test_4_2_who_is_in_no_group_is_left_out() -> None:
    """Without `all` the groups are the whole audience."""
    said = {"first_of": [{"contact_type": "decision"}, {"contact_type": "billing"}]}
    assert people("company", said, "1") == [("1", "9", 1, 1), ("1", "11", 1, 2)]


def test_4_1_where_narrows_by_the_contact_and_by_the_record() -> None:
    """Bare names are the contact's; a path may start at the record or the contact by name, or at the contact's company."""
    said = {"from": "contract.company.contacts", "where": {"is_active": True, "company.industry": "hotel", "contract.status": "active", "contact.name": "ANA"}}
    assert people("contract", said, "7", "8") == [("7", "10", 0, 1)]


def test_4_1_a_contact_reached_twice_appears_once() -> None:
    """Two contracts of a company have one owner."""
    assert people("company", {"from": "company.contracts.owner"}, "1", "1") == [("1", "12", 0, 1)]


def test_4_4_order_by_compares_text_and_puts_no_value_last() -> None:
    """Ana before bo; a blank name is no name."""
    said = {"order_by": "contact.name"}
    assert [row[1] for row in people("company", said, "1")] == ["10", "9", "11"]


def test_4_3_a_record_without_contacts_has_no_row() -> None:
    """No company, or a company without contacts: the planner tells that nobody can be told."""
    assert people("contract", {"from": "contract.company.contacts"}, "x") == []


def test_4_1_more_than_one_path_must_be_said() -> None:
    """Checking refuses it before; here it is a sentence."""
    with pytest.raises(ValueError, match="needs `audience"):
        people("invoice", None, "7", rows={})


@given(st.lists(st.tuples(st.sampled_from(["1", "2", "10", "010", "-3", "a", "Z"]), text_values), unique_by=lambda pair: pair[0], max_size=6))
def test_4_4_the_order_is_the_one_of_the_page(given_: list[tuple[str, str | None]]) -> None:
    """For any names: those with a name by their folded text, then the others, and the key decides between equals."""
    rows: dict[str, Sequence[dict[str, Any]]] = {"company": [{"_key": "1"}], "contact": [{"_key": key, "company_id": 1, "name": name} for key, name in given_]}
    expected = sorted(given_, key=lambda pair: (not (pair[1] or "").strip(), folded(pair[1] or "") if (pair[1] or "").strip() else "", key_order(pair[0])))
    assert [row[1] for row in people("company", {"order_by": "name"}, "1", rows=rows)] == [key for key, _ in expected]
