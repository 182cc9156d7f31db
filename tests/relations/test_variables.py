"""What a template may say: which variables have no value, and the values as JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import pytest

from engine.definitions.variables import variables_of
from engine.relations.binding import Binder
from engine.relations.variables import missing, values

from .build import ask, define, snapshot

NOW = datetime(2026, 1, 6, 1)


def variable(**said: Any) -> dict[str, Any]:
    return {"description": "d", "sample": "s", **said}


TYPES: list[dict[str, Any]] = [
    {"id": "common", "variables": {"company_name": variable(value="company.name"), "contact_name": variable(value="contact.name")}},
    {"id": "base", "about": "contract", "abstract": True, "variables": {"number": variable(value="contract.contract_number")}},
    {
        "id": "renewal",
        "about": "contract",
        "extends": "base",
        "variables": {
            "end": variable(value="contract.end_date", format="date"),
            "days_left": variable(days_until="contract.end_date"),
            "days_signed": variable(days_since="contract.signed_at"),
            "signed": variable(value="contract.signed_at"),
            "monthly": variable(value="contract.monthly_value", format="money", currency="contract.currency"),
            "baht": variable(value="contract.monthly_value", currency="THB"),
            "plain": variable(value="contract.monthly_value", default=""),
            "open_count": variable(count="company.invoices", where={"status": "overdue"}),
            "open_sum": variable(sum="company.invoices.amount", where={"status": "overdue"}),
            "copies": variable(sum="company.invoices.copies"),
            "open_list": variable(list="company.invoices", where={"status": "overdue"}, fields=["invoice_number", "amount", "copies", "due_date"]),
            "owed": variable(sum="company.invoices.amount", format="money", currency="contract.currency"),
            "owners": variable(count="company.contracts.owner"),
            "place": variable(text="{company.name}, { company.city }: {contract.end_date} {contract.monthly_value}"),
            "active": variable(value="contact.is_active"),
        },
    },
    {"id": "hello", "about": "contact", "variables": {"bills": variable(count="company.invoices")}},
]

CRM: dict[str, Sequence[dict[str, Any]]] = {
    "company": [{"_key": "1", "name": "O'Hara \"x\" {{ y }}", "city": "ก่"}, {"_key": "2", "name": "Lone", "city": " \u00a0"}],
    "contact": [{"_key": "1", "name": "Ana", "is_active": False, "company_id": 1}],
    "contract": [
        {
            "_key": "7",
            "company_id": 1,
            "contract_number": "C-1",
            "end_date": date(2026, 2, 1),
            "signed_at": datetime(2026, 1, 5, 17),
            "monthly_value": Decimal("4500.50"),
            "currency": "THB",
            "owner_id": "1",
        },
        {"_key": "8", "company_id": 2, "contract_number": "C-2", "monthly_value": Decimal(100), "currency": "\t"},
        {"_key": "9", "company_id": 1, "owner_id": "1"},
    ],
    "invoice": [
        {"_key": "10", "company_id": 1, "invoice_number": "I-10", "amount": Decimal(100), "copies": 3, "due_date": date(2026, 1, 1), "status": "overdue"},
        {"_key": "9", "company_id": 1, "invoice_number": " ", "amount": Decimal("1.50"), "copies": None, "status": "OVERDUE"},
        {"_key": "x", "company_id": 1, "invoice_number": "I-x", "amount": None, "copies": 2, "status": "paid"},
    ],
}


def told(record: str, contact: str = "1", *, type_id: str = "renewal", about: str = "contract", timezone: str = "Asia/Bangkok") -> dict[str, Any]:
    """The variables of one pair."""
    definitions = define(types=TYPES, timezone=timezone)
    connection = snapshot(definitions, CRM)
    connection.execute("CREATE TABLE pairs AS SELECT $r AS record, $c AS contact", {"r": record, "c": contact})
    binder = Binder()
    select = values(definitions, type_id, list(variables_of(definitions, type_id)), "pairs", about, NOW, binder)
    assert binder.of(select) == binder.values
    ((found_record, found_contact, text),) = ask(connection, select, binder)
    assert (found_record, found_contact) == (record, contact)
    found = json.loads(text)
    assert isinstance(found, dict)
    return found


def lacking(record: str, *names: str, contact: str = "1") -> str | None:
    """The first of these variables without a value."""
    definitions = define(types=TYPES)
    connection = snapshot(definitions, CRM)
    connection.execute("CREATE TABLE pairs AS SELECT $r AS record, $c AS contact", {"r": record, "c": contact})
    binder = Binder()
    select = missing(definitions, "renewal", names, "pairs", "contract", NOW, binder)
    assert binder.of(select) == binder.values
    ((_, _, found),) = ask(connection, select, binder)
    return None if found is None else str(found)


def test_values_of_each_kind() -> None:
    """Text as it is, dates ISO, decimals as text without trailing zeros, money with its currency, lists by key."""
    assert told("7") == {
        "company_name": "O'Hara \"x\" {{ y }}",
        "contact_name": "Ana",
        "number": "C-1",
        "end": "2026-02-01",
        "days_left": 26,
        "days_signed": 0,
        "signed": "2026-01-05T17:00:00Z",
        "monthly": {"amount": "4500.5", "currency": "THB"},
        "baht": {"amount": "4500.5", "currency": "THB"},
        "plain": "4500.5",
        "open_count": 2,
        "open_sum": "101.5",
        "copies": 5,
        "open_list": [
            {"invoice_number": None, "amount": "1.5", "copies": None, "due_date": None},
            {"invoice_number": "I-10", "amount": "100", "copies": 3, "due_date": "2026-01-01"},
        ],
        "owed": {"amount": "101.5", "currency": "THB"},
        "owners": 1,
        "place": "O'Hara \"x\" {{ y }}, ก่: 2026-02-01 4500.5",
        "active": False,
    }


def test_7_3_what_has_no_value_is_null() -> None:
    """Blank text, no date, money without a currency; a count, a sum and a list of nothing are values."""
    found = told("8")
    assert {name for name, value in found.items() if value is None} == {"end", "days_left", "days_signed", "signed", "monthly", "owed", "place"}
    assert (found["open_count"], found["open_sum"], found["copies"], found["open_list"], found["owners"]) == (0, "0", 0, [], 0)
    assert found["baht"] == {"amount": "100", "currency": "THB"}


def test_7_5_a_record_or_contact_that_is_not_there_has_no_values() -> None:
    """Every pair has its row all the same."""
    found = told("77", "77")
    assert {name for name, value in found.items() if value is not None} == {"open_count", "open_sum", "copies", "open_list", "owners"}


@pytest.mark.parametrize(("timezone", "left", "since"), [("Asia/Bangkok", 26, 0), ("UTC", 26, 1), ("America/New_York", 27, 0), ("Pacific/Kiritimati", 26, 0)])
def test_days_are_local_days_of_the_project(timezone: str, left: int, since: int) -> None:
    """At 01:00 UTC it is still yesterday in New York; the instant of the signature is told by its local date too."""
    found = told("7", timezone=timezone)
    assert (found["days_left"], found["days_signed"]) == (left, since)


def test_about_a_contact_the_record_is_the_contact() -> None:
    """The common variables and the counts start at the contact's company."""
    found = told("1", type_id="hello", about="contact")
    assert (found["company_name"], found["contact_name"], found["bills"]) == ("O'Hara \"x\" {{ y }}", "Ana", 3)


def test_6_13_the_first_missing_variable_in_declared_order() -> None:
    """Common ones first, then those of the type that is extended, then its own; only those that the template names."""
    assert lacking("7", "end", "days_left", "monthly", "place", "active", "company_name") is None
    assert lacking("8", "place", "monthly", "end") == "end"
    assert lacking("8", "place", "monthly") == "monthly"
    assert lacking("9", "number", "company_name") == "number"
    assert lacking("9", "days_signed") == "days_signed"
    assert lacking("77", "number", "company_name") == "company_name"
    assert lacking("8", "current_year", "unsubscribe_url") is None


def test_6_13_a_default_counts_and_nothing_gathered_is_ever_missing() -> None:
    """`plain` has an empty default; counts, sums and lists of nothing are values, but an amount needs its currency."""
    assert lacking("9", "plain", "open_count", "open_sum", "open_list", "copies", "owners") is None
    assert lacking("9", "owed") == "owed"
    assert lacking("9", "baht") == "baht"
