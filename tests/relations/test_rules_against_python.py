"""The SQL of rules and a plain Python evaluator of semantics §7 agree, over text, numbers and dates that are hard."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from engine.relations.binding import Binder, sql
from engine.relations.segments import members
from tests.laws import cases

from .build import CRM, ask, define, snapshot
from .reference import Reference

ZONES = ("UTC", "Asia/Bangkok", "America/New_York", "America/St_Johns", "America/Havana", "Pacific/Apia", "Asia/Kathmandu")

NASTY = (
    "hotel", "HOTEL", " hotel", "hotel ", "Ho_el", "Ho%el", "100%", "a_b", "a\\b", "O'Hara", 'say "hi"', "'; DROP TABLE facts.contact; --",
    "é", "e\u0301", "É", "E\u0301", "İ", "I\u0307", "ı", "I", "i", "ẞ", "ß", "ss", "ΣΑΣ", "σας", "σασ", "\u212a", "k", "\u212b", "å", "a\u030a",
    "ก่", "กำ", "ก\u0e4d\u0e32", "😀", "👩\u200d🚀", "a\nb", "a\tb", "\u200b", "ﬁ", "fi", "ǅ", "ǆ", "한", "\u1112\u1161\u11ab", "$p1", "a\u0000b",
)  # fmt: skip
BLANK = ("", " ", "\u00a0", "\t\n", "\u3000 ", "\x1c\x85", "\u2028")
PIECE = st.text(alphabet="aAéEe\u0301İıIißẞΣσς%_\\'\"k\u212aก😀 \n\u00a0\u200b", min_size=1, max_size=4)

texts = st.sampled_from(NASTY) | PIECE
text_values = st.none() | st.sampled_from(BLANK) | texts
text_operands = texts.filter(lambda text: bool(text.strip()))
integers = st.integers(-3, 3) | st.sampled_from([2**63 - 1, -(2**63) + 1, 10**12])
decimals = st.sampled_from([Decimal(text) for text in ("0", "-0.5", "4.5", "4.50000", "4.4999999999", "4500", "9999999999999999999999999999", "-1")]) | st.decimals(
    -5, 5, places=2
)
numbers = integers | decimals | st.sampled_from([0.1, 4.5, 2**70, -(2**70), 10**40, Decimal("0.00000000001"), Decimal("4.49999999995"), Decimal("1E+50")])
days = st.sampled_from([date(2026, 3, 8), date(2026, 3, 9), date(2026, 11, 1), date(2011, 12, 30), date(2011, 12, 31), date(2010, 11, 7), date(2024, 2, 29)]) | st.dates(
    date(2026, 2, 20), date(2026, 4, 5)
)


@st.composite
def moments(draw: st.DrawFn) -> datetime:
    """Instants around local midnights and clock changes of the zones."""
    day = draw(days)
    hour = draw(st.sampled_from([0, 2, 3, 4, 5, 7, 10, 17, 18]))
    step = draw(st.sampled_from([timedelta(0), timedelta(microseconds=-1), timedelta(minutes=1), timedelta(minutes=30), timedelta(minutes=31)]))
    return datetime(day.year, day.month, day.day, hour) + step


def keys(options: str) -> st.SearchStrategy[int | None]:
    """A foreign key: to a record, to nowhere, or none."""
    return st.none() | st.sampled_from([int(option) for option in options])


companies = st.fixed_dictionaries(
    {"name": text_values, "industry": text_values, "founded": st.none() | days, "is_active": st.none() | st.booleans(), "staff": st.none() | integers}
)
contacts = st.fixed_dictionaries(
    {
        "name": text_values,
        "is_active": st.none() | st.booleans(),
        "score": st.none() | decimals,
        "visits": st.none() | integers,
        "born": st.none() | days,
        "last_seen": st.none() | moments(),
        "company_id": keys("129"),
    }
)
contracts = st.fixed_dictionaries({"company_id": keys("129"), "owner_id": st.none() | st.sampled_from(["1", "2", "x", " 1"]), "status": text_values})
invoices = st.fixed_dictionaries(
    {"company_id": keys("129"), "contract_id": st.none() | st.sampled_from([Decimal(1), Decimal("2.0"), Decimal(9)]), "amount": st.none() | decimals, "status": text_values}
)


def table(rows: st.SearchStrategy[dict[str, Any]], most: int) -> st.SearchStrategy[list[dict[str, Any]]]:
    return st.lists(rows, max_size=most).map(lambda found: [{"_key": str(index), **row} for index, row in enumerate(found, 1)])


crms = st.fixed_dictionaries({"company": table(companies, 2), "contact": table(contacts, 4), "contract": table(contracts, 3), "invoice": table(invoices, 4)})

ORDER = ("greater_than", "greater_than_or_equal", "less_than", "less_than_or_equal")
empty = st.tuples(st.sampled_from(["is_empty", "is_not_empty"]), st.booleans())


def simple(operators: tuple[str, ...], operands: st.SearchStrategy[Any]) -> st.SearchStrategy[tuple[str, Any]]:
    lists = st.lists(operands, min_size=1, max_size=3)
    found = st.tuples(st.sampled_from(operators), operands) | st.tuples(st.just("in_list"), lists) | empty
    return found | st.tuples(st.just("between"), st.tuples(operands, operands).map(list)) if "less_than" in operators else found


calendar = st.sampled_from(["0d", "1d", "30d", "2w", "1mo", "1y"])
moving = st.sampled_from(["within_last", "within_next"])
COMPARISONS: dict[str, st.SearchStrategy[tuple[str, Any]]] = {
    "text": simple(("equals", "not_equals", "contains", "not_contains", "starts_with", "ends_with"), text_operands),
    "boolean": simple(("equals", "not_equals"), st.booleans()),
    "integer": simple(("equals", "not_equals", *ORDER), numbers),
    "decimal": simple(("equals", "not_equals", *ORDER), numbers),
    "date": simple(("equals", "not_equals", "on", "before", "after", *ORDER), days) | st.tuples(moving, calendar),
    "timestamp": simple(("equals", "not_equals", "on", "before", "after", *ORDER), days | moments())
    | st.tuples(moving, calendar | st.sampled_from(["90min", "24h", "720h"])),
}


@st.composite
def conditions(draw: st.DrawFn, paths: dict[str, str]) -> dict[str, Any]:
    path = draw(st.sampled_from(sorted(paths)))
    operator, operand = draw(COMPARISONS[paths[path]])
    return {path: {operator: operand}}


OWN = {"contact.name": "text", "contact.is_active": "boolean", "contact.score": "decimal", "contact.visits": "integer", "contact.born": "date"}
OWN |= {"contact.last_seen": "timestamp", "company.industry": "text", "contact.company.name": "text", "company.founded": "date", "company.staff": "integer"}
OF_INVOICE = {"status": "text", "amount": "decimal", "company.name": "text", "contract.status": "text"}
OF_CONTACT = {"name": "text", "visits": "integer", "last_seen": "timestamp", "company.is_active": "boolean"}


def nested(base: st.SearchStrategy[dict[str, Any]], related: st.SearchStrategy[dict[str, Any]] | None = None) -> st.SearchStrategy[dict[str, Any]]:
    leaves = base if related is None else base | related
    return st.recursive(
        leaves,
        lambda inner: (
            st.fixed_dictionaries({"all": st.lists(inner, min_size=1, max_size=3)})
            | st.fixed_dictionaries({"any": st.lists(inner, min_size=1, max_size=3)})
            | st.fixed_dictionaries({"not": inner})
        ),
        max_leaves=4,
    )


def over(paths: tuple[str, ...], inner: st.SearchStrategy[dict[str, Any]]) -> st.SearchStrategy[dict[str, Any]]:
    """exists, none and count over these paths."""
    where: st.SearchStrategy[dict[str, Any]] = st.just({}) | inner
    bounds = st.fixed_dictionaries({"at_least": st.integers(0, 3)}) | st.fixed_dictionaries({"at_most": st.integers(0, 2)})
    counted = st.tuples(where, bounds).map(lambda pair: ({"where": pair[0]} if pair[0] else {}) | pair[1])
    found: st.SearchStrategy[dict[str, Any]] = st.tuples(st.sampled_from(["exists", "none"]), st.sampled_from(paths), where).map(lambda said: {said[0]: {said[1]: said[2]}})
    return found | st.tuples(st.sampled_from(paths), counted).map(lambda said: {"count": {said[0]: said[1]}})


colleagues = over(("company.contacts",), nested(conditions(OF_CONTACT)))
relations = over(("company.invoices", "contact.company.contracts.invoices"), nested(conditions(OF_INVOICE), colleagues)) | over(
    ("company.contracts.owner", "company.contacts"), nested(conditions(OF_CONTACT))
)
rules = nested(conditions(OWN), relations | st.sampled_from([{"segment": "listed"}, {"segment": "named"}]))


@given(crm=crms, rule=rules, zone=st.sampled_from(ZONES), now=moments())
def test_7_sql_and_python_agree(crm: dict[str, Any], rule: dict[str, Any], zone: str, now: datetime) -> None:
    """For any rule and any records, the members of the segment are those that the page says; nobody is both in and out."""
    segments: list[dict[str, Any]] = [
        {"id": "asked", "entity": "contact", "rules": rule},
        {"id": "turned", "entity": "contact", "rules": {"not": rule}},
        {"id": "listed", "entity": "contact", "members": [1, "3", "77"]},
        {"id": "named", "entity": "contact", "rules": {"company.name": {"is_not_empty": True}}},
    ]
    definitions = define(timezone=zone, segments=segments)
    connection = snapshot(definitions, crm)
    reference = Reference(crm, CRM["entities"], {segment["id"]: segment for segment in segments}, now, zone)
    found: dict[str, list[str]] = {}
    for id_ in ("asked", "turned"):
        binder = Binder()
        select = members(definitions, id_, now, binder)
        assert binder.of(select) == binder.values
        found[id_] = [key for (key,) in ask(connection, select, binder)]
    assert set(found["asked"]) == reference.members("asked")
    assert sorted(found["asked"] + found["turned"]) == sorted(row["_key"] for row in crm["contact"])
    connection.close()


def full() -> dict[str, list[dict[str, Any]]]:
    """Contacts that hold every hard value once, so that one comparison meets all of them."""
    names = [None, *BLANK, *NASTY, *(f"x{text}y" for text in NASTY)]
    edges = [day for day, _ in EDGES]
    instants = [None, *(datetime(day.year, day.month, day.day) + timedelta(minutes=minutes, microseconds=tick) for day in edges for minutes in MINUTES for tick in (0, -1))]
    amounts = [None, *map(Decimal, ("0", "-0.5", "4.4999999999", "4.5", "4.5000000001", "4500", "9999999999999999999999999999.9999999999", "-1"))]
    counts = [None, 0, 1, -1, 4, 5, 2**63 - 1, -(2**63)]
    born = [None, *(day + timedelta(days=away) for day in edges for away in (-31, -30, -1, 0, 1, 30, 31))]
    rows = [
        {
            "name": names[index % len(names)],
            "last_seen": instants[index % len(instants)],
            "score": amounts[index % len(amounts)],
            "visits": counts[index % len(counts)],
            "born": born[index % len(born)],
            "is_active": (None, True, False)[index % 3],
            "company_id": (None, 1, 2, 9)[index % 4],
        }
        for index in range(max(len(names), len(instants), len(amounts), len(counts), len(born)))
    ]
    firms: list[dict[str, Any]] = [{"_key": "1", "name": "e\u0301", "industry": "HOTEL", "founded": date(2026, 3, 8), "staff": 5}, {"_key": "2", "name": "\u00a0"}]
    return {"company": firms, "contact": [{"_key": str(index), **row} for index, row in enumerate(rows)]}


# Days on which clocks change or a day is left out, with a zone where they do.
EDGES = (
    (date(2026, 3, 8), "America/New_York"),
    (date(2026, 11, 1), "America/Havana"),
    (date(2010, 11, 7), "America/St_Johns"),
    (date(2011, 12, 30), "Pacific/Apia"),
    (date(2026, 1, 5), "Asia/Bangkok"),
)
MINUTES = (0, 60, 150, 151, 180, 210, 240, 300, 420, 600, 1020, 1080)
FULL = full()
FULL_CONNECTION = snapshot(define(), FULL)


@cases(4)
@given(data=st.data(), edge=st.sampled_from(EDGES), type_=st.sampled_from(sorted(COMPARISONS)))
def test_7_2_each_comparison_agrees_on_every_hard_value(data: st.DataObject, edge: tuple[date, str], type_: str) -> None:
    """One comparison over a table that holds every hard value: text, numbers to the last digit, days at clock changes."""
    day, zone = edge
    near = st.sampled_from([day + timedelta(days=away) for away in (-1, 0, 1)])
    instant = st.sampled_from([datetime(day.year, day.month, day.day) + timedelta(minutes=minutes) for minutes in MINUTES])
    if type_ in ("date", "timestamp"):
        operands = near if type_ == "date" else near | instant
        comparisons = simple(("equals", "not_equals", "on", "before", "after", *ORDER), operands) | st.tuples(moving, calendar)
    else:
        comparisons = COMPARISONS[type_]
    path = data.draw(st.sampled_from([path for path, of in OWN.items() if of == type_]))
    operator, operand = data.draw(comparisons)
    now = data.draw(instant) + data.draw(st.sampled_from([timedelta(0), timedelta(days=1), timedelta(days=30), timedelta(days=-14)]))
    rule = {path: {operator: operand}}
    segments = [{"id": "asked", "entity": "contact", "rules": rule}]
    binder = Binder()
    select = members(define(timezone=zone, segments=segments), "asked", now, binder)
    found = {key for (key,) in ask(FULL_CONNECTION, select, binder)}
    assert found == Reference(FULL, CRM["entities"], {"asked": segments[0]}, now, zone).members("asked")


@given(rule=rules, now=moments())
def test_no_operand_stands_in_the_text_of_a_statement(rule: dict[str, Any], now: datetime) -> None:
    """Rules that differ in their operands alone are one statement: what differs is bound."""
    texts_of = [_statement(rule, now), _statement(_other_texts(rule), now)]
    assert texts_of[0] == texts_of[1]


def _statement(rule: dict[str, Any], now: datetime) -> str:
    listed = {"id": "listed", "entity": "contact", "members": [1]}
    named = {"id": "named", "entity": "contact", "rules": {"company.name": {"is_not_empty": True}}}
    definitions = define(segments=[{"id": "asked", "entity": "contact", "rules": rule}, listed, named])
    return sql(members(definitions, "asked", now, Binder()))


def _other_texts(rule: Any, path: str = "") -> Any:
    """The same rule with another text in place of each text operand."""
    if isinstance(rule, dict):
        return {key: said if key in ("segment", "within_last", "within_next") else _other_texts(said, key) for key, said in rule.items()}
    if isinstance(rule, list):
        return [_other_texts(item) for item in rule]
    return f"x{rule}'" if isinstance(rule, str) else rule
