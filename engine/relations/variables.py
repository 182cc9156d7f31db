"""What a template may say about a record and a contact: which variables have no value (6.13), and the values themselves."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import replace
from datetime import datetime

from sqlglot import exp

from engine.definitions.definitions import Definitions
from engine.definitions.paths import Path, Scope
from engine.definitions.types import Variable
from engine.definitions.variables import variables_of
from engine.relations.audiences import relation
from engine.relations.binding import Binder
from engine.relations.comparing import Now
from engine.relations.days import local_date
from engine.relations.joins import Joins, called, cast, chosen, facts, key, text_of
from engine.relations.joins import column as named
from engine.relations.paths import column
from engine.relations.rules import At, merges, owners, related
from engine.relations.text import call, has_no_value, has_value, key_order
from engine.relations.truth import any_of

GATHERED = ("count", "sum", "list")
_PART = re.compile(r"\{\s*([a-z][a-z0-9_.]*)\s*\}")
_CURRENCY_CODE = re.compile(r"[A-Z]{3}")


def text_parts(pattern: str) -> tuple[tuple[str, bool], ...]:
    """A `text:` pattern as its parts, each with whether it is a path.

    >>> text_parts("{company.name}, {company.city}")
    (('company.name', True), (', ', False), ('company.city', True))
    """
    pieces = _PART.split(pattern)
    return tuple((piece, index % 2 == 1) for index, piece in enumerate(pieces) if piece)


def missing(
    definitions: Definitions,
    type_id: str,
    names: Collection[str],
    pairs: str | exp.Table | exp.Select,
    about: str,
    now: datetime,
    binder: Binder,
) -> exp.Select:
    """SELECT record, contact, missing for each row of `pairs(record, contact)`.

    `missing` is the first of the named variables, in declared order, that has no value and no default; NULL when all
    have one. Blank text is no value; an amount of money without its currency is none; count, sum and list always have one.
    """
    given = _Given(definitions, pairs, about, now, binder)
    ifs: list[exp.Expression] = []
    for name, variable in variables_of(definitions, type_id).items():
        if name in names and not variable.has_default:
            absent = _absent(variable, given.at)
            if absent is not None:
                ifs.append(exp.If(this=absent, true=exp.Literal.string(name)))
    first = exp.Case(ifs=ifs) if ifs else exp.Null()
    return given.select("missing", first)


def values(
    definitions: Definitions,
    type_id: str,
    names: Collection[str],
    pairs: str | exp.Table | exp.Select,
    about: str,
    now: datetime,
    binder: Binder,
) -> exp.Select:
    """SELECT record, contact, variables for each row of `pairs(record, contact)`; `variables` is a JSON object as text.

    It holds the named variables that the type declares, in declared order, and `null` for one without a value (its
    default then stands for it). The values are

    - text: a string, as it stands in the CRM
    - integer, `count`, `days_until`, `days_since`: a number (days are whole local days of the project's timezone)
    - decimal: a string without trailing zeros, `"4500"`, `"0.5"`
    - boolean: `true` or `false`
    - date: `"2026-12-31"`; timestamp: the instant, `"2026-12-31T02:00:00Z"`
    - `sum`: as its field, `0` or `"0"` of nothing
    - with `format: money` or `currency`: `{"amount": "4500", "currency": "THB"}` (currency `null` where none is said)
    - `text`: a string, each part written as above
    - `list`: a list of objects with the fields that it names, values as above (`null` for none), in the order of the
      records' keys
    """
    given = _Given(definitions, pairs, about, now, binder)
    arguments: list[exp.Expression] = []
    for name, variable in variables_of(definitions, type_id).items():
        if name in names:
            arguments += [exp.Literal.string(name), _shown(variable, given)]
    return given.select("variables", call("JSON_OBJECT", *arguments))


class _Given:
    """The pairs of record and contact that a statement is about, with both at hand."""

    def __init__(self, definitions: Definitions, pairs: str | exp.Table | exp.Select, about: str, now: datetime, binder: Binder) -> None:
        contact = None if about == definitions.crm.contact.entity else "contact"
        self.pairs, self.about = pairs, about
        self.at = At(definitions, Scope(about, contact=True), "record", contact, Now(now, definitions.project.timezone), binder, Joins(definitions.crm))

    def select(self, name: str, value: exp.Expression) -> exp.Select:
        """SELECT record, contact and the value as text, under the name."""
        shown = called(cast(value, exp.DataType.Type.VARCHAR), name)
        return self._over(self.at.joins, named("pair", "record"), named("pair", "contact"), shown)

    def owners(self, path: Path) -> exp.Select:
        """The keys of the records that own the many records of the path, so that no others are gathered."""
        joins = Joins(self.at.definitions.crm)
        alias, _ = owners(path, replace(self.at, joins=joins))
        return self._over(joins, key(alias))

    def _over(self, joins: Joins, *columns: exp.Expression) -> exp.Select:
        select = chosen(*columns).from_(relation(self.pairs, "pair"), copy=False)
        select = select.join(facts(self.about, "record"), on=exp.EQ(this=key("record"), expression=named("pair", "record")), join_type="left", copy=False)
        if self.at.contact is not None:
            entity = self.at.definitions.crm.contact.entity
            on = exp.EQ(this=key(self.at.contact), expression=named("pair", "contact"))
            select = select.join(facts(entity, self.at.contact), on=on, join_type="left", copy=False)
        return joins.attach(select)


def _absent(variable: Variable, at: At) -> exp.Expression | None:
    """When the variable has no value; None for one that always has one."""
    absent = [] if variable.function in GATHERED else [has_no_value(value, type_) for value, type_ in _read(variable, at)]
    if _is_money(variable):
        currency = _currency_path(variable, at)
        absent += [] if currency is None else [has_no_value(currency, "text")]
    return any_of(*absent) if absent else None


def _read(variable: Variable, at: At) -> list[tuple[exp.Expression, str]]:
    """The fields that the variable is made of, each with its type."""
    paths = [piece for piece, is_path in text_parts(variable.path) if is_path] if variable.function == "text" else [variable.path]
    return [_field(path, at) for path in paths]


def _field(dotted: str, at: At) -> tuple[exp.Expression, str]:
    path = at.path(tuple(dotted.split(".")))
    if path.field is None:
        raise ValueError(f"`{dotted}` is a record, not a value")
    return column(path, record=at.record, contact=at.contact, joins=at.joins), path.field.type


def _shown(variable: Variable, given: _Given) -> exp.Expression:
    """What stands for the variable in JSON: NULL where it has no value."""
    at = given.at
    value, type_ = _gathered(variable, given) if variable.function in GATHERED else _single(variable, at)
    if _is_money(variable):
        currency: exp.Expression = exp.Null()
        if variable.currency is not None:
            currency = _currency_path(variable, at) or at.binder.bind(variable.currency)
        value = call("JSON_OBJECT", exp.Literal.string("amount"), text_of(value, type_), exp.Literal.string("currency"), currency)
    elif type_ != "json":
        value = _plain(value, type_)
    absent = _absent(variable, at)
    return value if absent is None else exp.Case(ifs=[exp.If(this=absent, true=exp.Null())], default=value)


def _single(variable: Variable, at: At) -> tuple[exp.Expression, str]:
    """value, days_until, days_since and text, with the type of what they give."""
    if variable.function == "text":
        parts = [
            cast(_plain(*_field(piece, at)), exp.DataType.Type.VARCHAR) if is_path else at.binder.bind(piece) for piece, is_path in text_parts(variable.path)
        ]
        return call("CONCAT", *parts), "text"
    value, type_ = _field(variable.path, at)
    if variable.function == "value":
        return value, type_
    day = local_date(value, at.now.zone, at.joins, at.binder) if type_ == "timestamp" else value
    today = cast(at.binder.bind(at.now.today), exp.DataType.Type.DATE)
    return (exp.Sub(this=day, expression=today) if variable.function == "days_until" else exp.Sub(this=today, expression=day)), "integer"


def _plain(value: exp.Expression, type_: str) -> exp.Expression:
    """A field as JSON takes it."""
    if type_ == "decimal":
        return text_of(value, type_)
    if type_ == "date":
        return cast(value, exp.DataType.Type.VARCHAR)
    if type_ == "timestamp":
        return call("STRFTIME", value, exp.Literal.string("%Y-%m-%dT%H:%M:%SZ"))
    return value


def _is_money(variable: Variable) -> bool:
    return variable.format == "money" or variable.currency is not None


def _currency_path(variable: Variable, at: At) -> exp.Expression | None:
    """The field that names the currency; None where none is said, or a code such as THB."""
    if variable.currency is None or _CURRENCY_CODE.fullmatch(variable.currency):
        return None
    return _field(variable.currency, at)[0]


def _gathered(variable: Variable, given: _Given) -> tuple[exp.Expression, str]:
    """count, sum and list, grouped once for the owners at hand and joined; with the type of what they give."""
    at = given.at
    path = at.path(tuple(variable.path.split(".")))
    alias, hops = owners(path, at)
    select, end, owner = related(hops, variable.where, at)
    fields = at.definitions.crm.entities[path.end].fields
    wanted = variable.fields or (() if path.field_name is None else (path.field_name,))
    inside = select.select(called(owner, "owner"), key(end), *(named(end, name) for name in wanted), copy=False)
    inside = inside.where(exp.In(this=owner.copy(), query=given.owners(path).subquery(copy=False)), copy=False)
    # Behind a to-one hop two ways may lead to one record, which counts once.
    inside = inside.distinct(copy=False) if merges(hops) else inside
    made: exp.Expression
    type_, nothing = "integer", exp.Literal.number(0)
    if variable.function == "count":
        made = exp.Count(this=exp.Star())
    elif variable.function == "sum":
        made, type_ = exp.Sum(this=named("each", wanted[0])), fields[wanted[0]].type
    else:
        made, type_, nothing = _list(wanted, {name: fields[name].type for name in wanted}), "json", exp.Literal.string("[]")
    grouped = chosen(named("each", "owner"), called(made, "made"))
    grouped = grouped.from_(inside.subquery(exp.to_identifier("each", quoted=True), copy=False), copy=False).group_by(named("each", "owner"), copy=False)
    value: exp.Expression = exp.Coalesce(this=named(at.joins.derived(alias, grouped, "owner"), "made"), expressions=[nothing])
    if type_ == "decimal":
        # Of nothing the sum is a bare 0; as a decimal it has the point that its zeros are cut back to.
        value = exp.cast(value, exp.DataType.build("DECIMAL(38, 10)", dialect="duckdb"))
    return (exp.cast(value, exp.DataType.Type.JSON) if type_ == "json" else value), type_


def _list(names: tuple[str, ...], types: dict[str, str]) -> exp.Expression:
    """A JSON list with an object for each record, in the natural order of the keys."""
    arguments: list[exp.Expression] = []
    for name in names:
        value = named("each", name)
        shown = _plain(value, types[name])
        if types[name] == "text":
            shown = exp.Case(ifs=[exp.If(this=has_value(value.copy(), "text"), true=shown)])
        arguments += [exp.Literal.string(name), shown]
    objects = exp.Order(this=call("JSON_OBJECT", *arguments), expressions=[*key_order(key("each"))])
    return exp.cast(call("TO_JSON", exp.ArrayAgg(this=objects)), exp.DataType.Type.VARCHAR)
