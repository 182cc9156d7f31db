"""Rules, one story each: what the page says, with the records in sight."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from engine.definitions.paths import Scope
from engine.definitions.rules import parse_rule
from engine.relations.binding import Binder, sql
from engine.relations.joins import Joins
from engine.relations.rules import predicate
from engine.relations.segments import members, segment_table

from .build import ask, define, snapshot

NOW = datetime(2026, 1, 6, 1)


def who(rule: dict[str, Any], rows: dict[str, Sequence[dict[str, Any]]], *, now: datetime = NOW, timezone: str = "Asia/Bangkok", others: Sequence[dict[str, Any]] = ()) -> str:
    """The keys of the contacts for whom the rule holds, in natural order, with spaces between."""
    definitions = define(timezone=timezone, segments=[{"id": "asked", "entity": "contact", "rules": rule}, *others])
    return " ".join(row[0] for row in segment_table(snapshot(definitions, rows), definitions, "asked", now).page())


def contacts(field: str, *values: Any) -> dict[str, Sequence[dict[str, Any]]]:
    """Contacts 1, 2, 3, … with these values in one field."""
    return {"contact": [{"_key": str(index), field: value} for index, value in enumerate(values, 1)]}


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("100%", "1"),
        ({"contains": "%"}, "1"),
        ({"contains": "_"}, "2"),
        ({"contains": "\\"}, "3"),
        ({"contains": "'"}, "4"),
        ({"ends_with": "b"}, "2 3 6"),
        ({"not_contains": "b"}, "1 4 5 7 8"),
        ({"not_equals": "a_b"}, "1 3 4 5 6 7 8"),
        ({"is_empty": True}, "7 8"),
        ({"is_empty": False}, "1 2 3 4 5 6"),
        (["A_B", "X"], "2 5"),
    ],
)
def test_7_2_text(said: Any, expected: str) -> None:
    """`%`, `_`, `\\` and quotes are ordinary; case does not matter, white space does; no value matches the negative ones."""
    names = ("100%", "a_b", "a\\b", "O'Hara", "x", "a xb", " \u00a0", None)
    assert who({"contact.name": said}, contacts("name", *names)) == expected


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ({"greater_than": 4.5}, "3 4"),
        ({"greater_than_or_equal": 4.5}, "2 3 4"),
        ({"less_than": 4.5}, "1"),
        ({"less_than_or_equal": Decimal("4.5")}, "1 2"),
        ({"between": [Decimal("4.4999999999"), 4.5]}, "1 2"),
        ({"equals": Decimal("4.50")}, "2"),
        ({"equals": Decimal("4.50000000001")}, ""),
        ({"less_than": Decimal("4.50000000001")}, "1 2"),
        ({"less_than": 10**40}, "1 2 3 4"),
        ({"greater_than": -(10**40)}, "1 2 3 4"),
        ({"not_equals": 10**40}, "1 2 3 4 5"),
        ([10**40, 4500], "4"),
    ],
)
def test_7_2_decimals_are_exact(said: Any, expected: str) -> None:
    """To the last digit, whatever the operand's size and number of digits; no value is matched by not_equals only."""
    values = [Decimal(text) for text in ("4.4999999999", "4.5", "4.5000000001", "4500")]
    assert who({"contact.score": said}, contacts("score", *values, None)) == expected


def test_7_2_the_least_and_the_greatest_integer_are_ordinary_values() -> None:
    """A bound one step inside the range of the column still leaves the last value out."""
    rows = contacts("visits", -(2**63), -(2**63) + 1, 2**63 - 2, 2**63 - 1)
    assert who({"contact.visits": {"greater_than": -(2**63)}}, rows) == "2 3 4"
    assert who({"contact.visits": {"between": [-(2**63) + 1, 2**63 - 2]}}, rows) == "2 3"
    assert who({"contact.visits": {"between": [-(2**63), 2**63]}}, rows) == "1 2 3 4"
    assert who({"contact.visits": [-(2**63), 2**63 - 1, 2**63]}, rows) == "1 4"


@pytest.mark.parametrize(
    ("said", "expected"),
    [({"greater_than": 4.5}, "3"), ({"less_than": 4.5}, "1 2"), ({"greater_than": 4}, "3"), ({"between": [3.5, 4.5]}, "2"), (4.0, "2"), (4.5, ""), ({"greater_than": 2**63}, "")],
)
def test_7_2_integers_meet_fractions_exactly(said: Any, expected: str) -> None:
    """A whole number is compared with 4.5 as a number, not as a rounded one."""
    assert who({"contact.visits": said}, contacts("visits", 3, 4, 5)) == expected


def test_d3_booleans_compare_as_booleans() -> None:
    """Equal, not equal, and no value that is neither true nor false."""
    rows = contacts("is_active", True, False, None)
    assert who({"contact.is_active": True}, rows) == "1"
    assert who({"contact.is_active": {"not_equals": True}}, rows) == "2 3"
    assert who({"not": {"contact.is_active": False}}, rows) == "1 3"


TODAY = date(2026, 1, 6)


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ({"within_last": "30d"}, "2 3 4"),
        ({"within_next": "1d"}, "4 5"),
        ({"before": TODAY}, "1 2 3"),
        ({"after": TODAY}, "5"),
        ({"on": TODAY}, "4"),
        ({"between": [TODAY - timedelta(days=1), TODAY]}, "3 4"),
        ({"greater_than_or_equal": TODAY}, "4 5"),
    ],
)
def test_7_2_dates(said: Any, expected: str) -> None:
    """`within_last: 30d` has both ends, in local days; at 01:00 UTC it is 08:00 of the 6th in Bangkok."""
    days = [TODAY + timedelta(days=away) for away in (-31, -30, -1, 0, 1)]
    assert who({"contact.born": said}, contacts("born", *days, None)) == expected


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ({"on": date(2026, 1, 5)}, "2 3"),
        (date(2026, 1, 5), "2 3"),
        ({"not_equals": date(2026, 1, 5)}, "1 4 5 6 7"),
        ({"before": date(2026, 1, 5)}, "1"),
        ({"after": date(2026, 1, 5)}, "4 5 6"),
        ({"less_than_or_equal": date(2026, 1, 5)}, "1 2 3"),
        ({"between": [date(2026, 1, 5), date(2026, 1, 5)]}, "2 3"),
        ({"within_last": "8h"}, "4 5"),
        ({"within_last": "1d"}, "3 4 5"),
        ({"within_next": "1h"}, "5 6"),
        ({"after": datetime(2026, 1, 5, 17)}, "5 6"),
        ({"on": datetime(2026, 1, 5, 17)}, "4"),
    ],
)
def test_7_2_a_day_against_a_timestamp_is_its_local_date(said: Any, expected: str) -> None:
    """The 5th of January in Bangkok is from 17:00 UTC of the 4th; within_last is [now - d, now], both ends in it."""
    start, tick = datetime(2026, 1, 4, 17), timedelta(microseconds=1)
    moments = (start - tick, start, start + timedelta(days=1) - tick, start + timedelta(days=1), NOW, NOW + timedelta(hours=1))
    rule = {"contact.last_seen": said}
    assert who(rule, contacts("last_seen", *moments, None)) == expected


CRM: dict[str, Sequence[dict[str, Any]]] = {
    "company": [{"_key": "1", "industry": "Hotel"}, {"_key": "2", "industry": "spa"}],
    "contact": [
        {"_key": "1", "company_id": 1, "name": "Ana"},
        {"_key": "2", "company_id": 2, "name": "Bo"},
        {"_key": "3", "company_id": 99, "name": "Cy"},
        {"_key": "4", "company_id": None, "name": "Di"},
    ],
    "contract": [{"_key": "7", "company_id": 1, "owner_id": "1"}, {"_key": "8", "company_id": 1, "owner_id": "1"}],
    "invoice": [
        {"_key": "a", "company_id": 1, "contract_id": Decimal(7), "status": "overdue"},
        {"_key": "b", "company_id": 1, "contract_id": Decimal(8), "status": "paid"},
        {"_key": "c", "company_id": 2, "contract_id": None, "status": "paid"},
    ],
}


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ({"company.industry": "hotel"}, "1"),
        ({"not": {"company.industry": "hotel"}}, "2 3 4"),
        ({"company.industry": {"is_empty": True}}, "3 4"),
        ({"exists": {"company.invoices": {"status": "overdue"}}}, "1"),
        ({"none": {"company.invoices": {"status": "overdue"}}}, "2 3 4"),
        ({"exists": {"company.invoices": {}}}, "1 2"),
        ({"count": {"company.invoices": {"at_least": 2}}}, "1"),
        ({"count": {"company.invoices": {"where": {"status": "paid"}, "at_least": 1, "at_most": 1}}}, "1 2"),
        ({"count": {"company.invoices": {"at_most": 0}}}, "3 4"),
        ({"count": {"company.contracts.invoices": {"at_least": 2}}}, "1"),
        ({"count": {"company.contracts.owner": {"at_least": 2}}}, ""),
        ({"count": {"company.contracts.owner": {"at_least": 1}}}, "1"),
        ({"exists": {"company.invoices": {"exists": {"contract.invoices": {"status": "paid"}}}}}, "1"),
        ({"exists": {"company.invoices": {"company.industry": "spa"}}}, "2"),
        ({"any": [{"company.industry": "spa"}, {"all": [{"contact.name": "di"}, {"not": {"segment": "listed"}}]}]}, "2 4"),
        ({"segment": "listed"}, "1 3"),
        ({"segment": "hotels"}, "1"),
        ({"exists": {"company.contacts": {"segment": "hotels"}}}, "1"),
    ],
)
def test_7_related_records_and_segments(rule: dict[str, Any], expected: str) -> None:
    """A record that is not there has no value (7.5) and no related records; one reached by two ways counts once."""
    others: list[dict[str, Any]] = [
        {"id": "listed", "entity": "contact", "members": [1, "3", 77]},
        {"id": "hotels", "entity": "contact", "rules": {"company.industry": "hotel"}},
    ]
    assert who(rule, CRM, others=others) == expected


@pytest.mark.parametrize(
    "text",
    ["'; DROP TABLE facts.contact; --", "' OR '1'='1", "$p1", "$1", "?", "%s", "{name}", '"', "\\'", "/*", "--", "x\0y", "';--\n", "\u2019", "\uff07 OR 1=1", "COALESCE(", "1); DELETE FROM facts.contact"],
)
def test_an_operand_is_never_a_statement(text: str) -> None:
    """Each of these texts finds itself and nothing else, and does not stand in the statement."""
    for operator in ("equals", "contains", "starts_with", "ends_with"):
        assert who({"contact.name": {operator: text}}, contacts("name", text, "plain", None)) == "1"
    definitions = define(segments=[{"id": "asked", "entity": "contact", "rules": {"contact.name": [text, "other"]}}])
    binder = Binder()
    select = members(definitions, "asked", NOW, binder)
    assert list(binder.values.values()) == [text, "other"]
    other = members(define(segments=[{"id": "asked", "entity": "contact", "rules": {"contact.name": ["a", "b"]}}]), "asked", NOW, Binder())
    assert sql(select) == sql(other)


def text_of(alias: str, name: str) -> str:
    return f'COALESCE(LOWER(NFC_NORMALIZE("{alias}"."{name}")) = LOWER(NFC_NORMALIZE($p1)), FALSE)'


GOLDEN: list[tuple[dict[str, Any], str]] = [
    ({"contact.name": "Ana"}, text_of("c", "name")),
    ({"contact.name": {"not_equals": "Ana"}}, "NOT " + text_of("c", "name")),
    ({"not": {"contact.name": {"not_equals": "Ana"}}}, text_of("c", "name")),
    ({"contact.name": ["a", "b"]}, 'COALESCE(LOWER(NFC_NORMALIZE("c"."name")) IN (LOWER(NFC_NORMALIZE($p1)), LOWER(NFC_NORMALIZE($p2))), FALSE)'),
    ({"contact.name": {"ends_with": "a"}}, 'COALESCE(SUFFIX(LOWER(NFC_NORMALIZE("c"."name")), LOWER(NFC_NORMALIZE($p1))), FALSE)'),
    ({"contact.name": {"is_empty": True}}, 'NOT COALESCE(REGEXP_MATCHES("c"."name", \'[^\\s\\x0b\\x1c-\\x1f\\x{85}\\p{Z}]\'), FALSE)'),
    ({"contact.score": {"is_empty": False}}, 'NOT "c"."score" IS NULL'),
    ({"contact.score": {"greater_than": 1}}, 'COALESCE("c"."score" >= CAST($p1 AS DECIMAL(38, 10)), FALSE)'),
    ({"contact.visits": 1}, 'COALESCE("c"."visits" = CAST($p1 AS BIGINT), FALSE)'),
    ({"contact.is_active": True}, 'COALESCE("c"."is_active" = $p1, FALSE)'),
    ({"contact.born": {"before": date(2026, 1, 1)}}, 'COALESCE("c"."born" < CAST($p1 AS DATE), FALSE)'),
    (
        {"contact.last_seen": {"on": date(2026, 1, 1)}},
        'COALESCE("c"."last_seen" >= CAST($p1 AS TIMESTAMP) AND "c"."last_seen" < CAST($p2 AS TIMESTAMP), FALSE)',
    ),
    (
        {"all": [{"any": [{"contact.visits": 1}, {"contact.visits": 2}]}, {"not": {"all": [{"contact.is_active": True}, {"contact.visits": 3}]}}]},
        '(COALESCE("c"."visits" = CAST($p1 AS BIGINT), FALSE) OR COALESCE("c"."visits" = CAST($p2 AS BIGINT), FALSE)) '
        + 'AND NOT (COALESCE("c"."is_active" = $p3, FALSE) AND COALESCE("c"."visits" = CAST($p4 AS BIGINT), FALSE))',
    ),
    ({"company.industry": "spa"}, text_of("c.company", "industry")),
    ({"none": {"company.invoices": {}}}, '"c.company#1"."found" IS NULL'),
]


@pytest.mark.parametrize(("rule", "expected"), GOLDEN)
def test_the_sql_of_a_rule(rule: dict[str, Any], expected: str) -> None:
    """The statement for each shape of rule, as it is."""
    definitions = define()
    binder, joins = Binder(), Joins(definitions.crm)
    found = predicate(definitions, parse_rule(rule), Scope("contact"), record="c", contact=None, now=NOW, binder=binder, joins=joins)
    assert sql(found) == expected


def test_one_hop_is_joined_once() -> None:
    """Two conditions over the company share its join; the plan has hash joins and no nested loops."""
    rule = {"all": [{"company.industry": "hotel"}, {"contact.company.name": {"contains": "x"}}, {"any": [{"exists": {"company.invoices": {}}}, {"company.name": "y"}]}]}
    definitions = define(segments=[{"id": "asked", "entity": "contact", "rules": rule}])
    binder = Binder()
    select = members(definitions, "asked", NOW, binder)
    assert sql(select).count('"facts"."company"') == 1
    firms: list[dict[str, Any]] = [{"_key": "1", "industry": "Hotel", "name": "Xenia"}, {"_key": "2", "industry": "spa", "name": "y"}]
    connection = snapshot(definitions, {**CRM, "company": firms})
    assert ask(connection, select, binder) == [("1",)]
    ((_, plan),) = connection.execute("EXPLAIN " + sql(select), binder.values).fetchall()
    assert "Hash Join" in plan
    assert not any(slow in plan for slow in ("Nested Loop", "Cross Product", "Delim"))


def test_a_segment_of_the_contact_is_asked_of_the_contact() -> None:
    """In a sequence about contracts `segment: hotels` is about the contact at hand; without one (4.3) nobody is a member."""
    definitions = define(segments=[{"id": "hotels", "entity": "contact", "rules": {"company.industry": "hotel"}}])
    joins = Joins(definitions.crm)
    found = predicate(
        definitions, parse_rule({"segment": "hotels"}), Scope("contract", contact=True), record="r", contact="c", now=NOW, binder=Binder(), joins=joins
    )
    assert sql(found) == f'NOT "c"."_key" IS NULL AND {text_of("c.company", "industry")}'


def test_a_circle_of_segments_ends_with_a_sentence() -> None:
    """Checking refuses it before; here it is no endless recursion."""
    definitions = define(segments=[{"id": name, "entity": "contact", "rules": {"segment": other}} for name, other in (("a", "b"), ("b", "a"))])
    with pytest.raises(ValueError, match="member of itself"):
        members(definitions, "a", NOW, Binder())


def test_d5_members_in_pages() -> None:
    """Count, and pages in the natural order of the keys with the columns that were asked for."""
    definitions = define(segments=[{"id": "all", "entity": "contact", "rules": {"contact.name": {"is_not_empty": True}}}])
    rows = [{"_key": key, "name": f"n{key}"} for key in ("10", "9", "b", "a", "100")]
    table = segment_table(snapshot(definitions, {"contact": rows}), definitions, "all", NOW)
    assert table.count() == 5
    assert table.page(["name"], limit=2, offset=1) == [("10", "n10"), ("100", "n100")]
    with pytest.raises(ValueError, match="no field `nope`"):
        table.page(["nope"])
