"""The one rule language (semantics §7) as a tree: for segments, `where`, `if`, `exit_when` and `goal`.

Parsing here knows only form. What a path leads to and whether an operator fits its type is `checking.py`;
what SQL it becomes is `engine.relations.rules`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from difflib import get_close_matches
from typing import Annotated, Any, Literal

from pydantic import WithJsonSchema
from pydantic.functional_validators import PlainValidator
from pydantic_core import PydanticCustomError

from engine.clock import Duration
from engine.definitions.base import Loc

Operand = str | int | float | Decimal | bool | date | datetime | Duration | tuple[Any, ...] | None

TEXT_OPERATORS = ("contains", "not_contains", "starts_with", "ends_with")
ORDER_OPERATORS = ("greater_than", "greater_than_or_equal", "less_than", "less_than_or_equal", "between")
DATE_OPERATORS = ("before", "after", "on", "within_last", "within_next")
OPERATORS: tuple[str, ...] = (
    "equals", "not_equals", *TEXT_OPERATORS, *ORDER_OPERATORS, "in_list", "is_empty", "is_not_empty", *DATE_OPERATORS,
)  # fmt: skip
HISTORY = ("received", "opened", "clicked", "enrolled")
GROUPS = ("all", "any", "not", "segment", "exists", "none", "count", *HISTORY)


@dataclass(frozen=True, slots=True)
class Compare:
    """`path: {operator: operand}`; the operand is as parsed from YAML (dates as date, lists as tuple, durations parsed)."""

    path: tuple[str, ...]
    operator: str
    operand: Operand
    at: Loc

    @property
    def dotted(self) -> str:
        return ".".join(self.path)


@dataclass(frozen=True, slots=True)
class All:
    """Every rule holds."""

    rules: tuple[Rule, ...]
    at: Loc


@dataclass(frozen=True, slots=True)
class AnyOf:
    """At least one rule holds."""

    rules: tuple[Rule, ...]
    at: Loc


@dataclass(frozen=True, slots=True)
class Not:
    """The rule does not hold (every rule answers true or false, never unknown: 7.3)."""

    rule: Rule
    at: Loc


@dataclass(frozen=True, slots=True)
class InSegment:
    """Member of another segment."""

    segment: str
    at: Loc


@dataclass(frozen=True, slots=True)
class Related:
    """`exists`, `none` or `count` over a to-many path; inside, bare names are the related record's.

    exists is at_least 1, none is at_most 0.
    """

    kind: Literal["exists", "none", "count"]
    path: tuple[str, ...]
    where: Rule | None
    at_least: int | None
    at_most: int | None
    at: Loc


@dataclass(frozen=True, slots=True)
class History:
    """`received`, `opened`, `clicked` or `enrolled`: what the ledger has of the contact in (now - within, now] (7.6).

    Of mails by sequence, step and template, of enrollments by sequence; without `within` ever.
    """

    kind: Literal["received", "opened", "clicked", "enrolled"]
    sequence: str | None
    step: str | None
    template: str | None
    within: Duration | None
    at: Loc


Rule = Compare | All | AnyOf | Not | InSegment | Related | History


class RuleFormError(Exception):
    """A rule is not well formed; `at` leads from the rule's root to the place."""

    def __init__(self, at: Loc, message: str, *, help: str = "", code: str = "E301") -> None:
        super().__init__(message)
        self.at, self.message, self.help, self.code = at, message, help, code


def walk(rule: Rule) -> Iterator[Rule]:
    """The rule and every rule below it, in the order of the file."""
    yield rule
    if isinstance(rule, All | AnyOf):
        for child in rule.rules:
            yield from walk(child)
    elif isinstance(rule, Not):
        yield from walk(rule.rule)
    elif isinstance(rule, Related) and rule.where is not None:
        yield from walk(rule.where)


def parse_rule(value: Any, at: Loc = ()) -> Rule:
    """A rule from parsed YAML. Raises RuleFormError with the place.

    >>> parse_rule({"company.industry": "hotel"})
    Compare(path=('company', 'industry'), operator='equals', operand='hotel', at=('company.industry',))
    """
    if not isinstance(value, dict):
        raise RuleFormError(at, "a rule is a mapping; write `company.industry: hotel`, and several under `all:` or `any:`")
    if not value:
        raise RuleFormError(at, "a rule is empty; it would hold for everybody: write a condition, or take the key out")
    rules = tuple(_entry(key, operand, (*at, key)) for key, operand in value.items())
    return rules[0] if len(rules) == 1 else All(rules, at)


def _entry(key: Any, value: Any, at: Loc) -> Rule:
    if not isinstance(key, str):
        raise RuleFormError(at, f"`{key}` is not a field; a rule is a mapping from a field to a value")
    if key in ("all", "any"):
        rules = _group(key, value, at)
        return All(rules, at) if key == "all" else AnyOf(rules, at)
    if key == "not":
        return Not(parse_rule(value, at), at)
    if key == "segment":
        if not isinstance(value, str) or not value:
            raise RuleFormError(at, "`segment:` takes the id of one segment; for several write `any: [{segment: a}, {segment: b}]`")
        return InSegment(value, at)
    if key in ("exists", "none", "count"):
        return _related(key, value, at)
    if key in HISTORY:
        return _history(key, value, at)
    if key in OPERATORS:
        raise RuleFormError(at, f"`{key}` is an operator and has no field; write it under a field: `company.name: {{{key}: …}}`")
    return _compare(key, value, at)


def _group(key: str, value: Any, at: Loc) -> tuple[Rule, ...]:
    if not isinstance(value, list):
        raise RuleFormError(at, f"`{key}:` takes a list of rules; write `{key}: [{{…}}, {{…}}]`")
    if not value:
        raise RuleFormError(at, f"`{key}:` is empty; write at least one rule, or take it out")
    return tuple(parse_rule(item, (*at, index)) for index, item in enumerate(value))


def _related(kind: Literal["exists", "none", "count"] | str, value: Any, at: Loc) -> Rule:
    if not isinstance(value, dict) or len(value) != 1:
        raise RuleFormError(at, f"`{kind}:` takes one to-many path; write `{kind}: {{company.invoices: {{status: overdue}}}}`")
    ((path, inner),) = value.items()
    here = (*at, path)
    if not isinstance(path, str):
        raise RuleFormError(here, f"`{path}` is not a path; write entity.relation")
    steps = tuple(path.split("."))
    if kind != "count":
        where = None if inner in ({}, None) else parse_rule(inner, here)
        return Related("exists", steps, where, 1, None, here) if kind == "exists" else Related("none", steps, where, None, 0, here)
    if not isinstance(inner, dict):
        raise RuleFormError(here, "`count:` needs a bound; write `{where: …, at_least: 3}` or `{at_most: 3}`")
    unknown = set(inner) - {"where", "at_least", "at_most"}
    if unknown:
        raise RuleFormError(
            (*here, sorted(map(str, unknown))[0]), f"`{sorted(map(str, unknown))[0]}` is not known here; `count:` knows where, at_least, at_most"
        )
    bounds = {name: inner.get(name) for name in ("at_least", "at_most")}
    for name, bound in bounds.items():
        if bound is not None and (isinstance(bound, bool) or not isinstance(bound, int) or bound < 0):
            raise RuleFormError((*here, name), f"`{name}` takes a whole number; write 0 or more")
    if bounds["at_least"] is None and bounds["at_most"] is None:
        raise RuleFormError(here, "`count:` has no bound; add `at_least: 1` or `at_most: 3`")
    where = parse_rule(inner["where"], (*here, "where")) if inner.get("where") is not None else None
    return Related("count", steps, where, bounds["at_least"], bounds["at_most"], here)


def _history(kind: str, value: Any, at: Loc) -> History:
    known = ("sequence", "within") if kind == "enrolled" else ("sequence", "step", "template", "within")
    if not isinstance(value, dict) or not value:
        raise RuleFormError(at, f"`{kind}:` takes a mapping; write `{kind}: {{sequence: onboarding, within: 30d}}`")
    for key, said in value.items():
        if key not in known:
            close = get_close_matches(str(key), known, 1)
            raise RuleFormError(
                (*at, key), f"`{key}` is not known here", help=f"did you mean `{close[0]}`?" if close else f"`{kind}:` knows {', '.join(known)}"
            )
        if not isinstance(said, str) or not said:
            raise RuleFormError((*at, key), f"`{key}` takes a text", help="write 30d, 48h or the like" if key == "within" else f"write the id of one {key}")
    if "step" in value and "sequence" not in value:
        raise RuleFormError((*at, "step"), "a step is one of a sequence; add `sequence:`")
    within = None
    if "within" in value:
        try:
            within = Duration.parse(value["within"])
        except ValueError as error:
            raise RuleFormError((*at, "within"), str(error), code="E116") from None
        if within.unit == "bd" or not within.count:
            raise RuleFormError((*at, "within"), f"`{value['within']}` is no span to look back; write such as 30d or 48h", code="E116")
    return History(kind, value.get("sequence"), value.get("step"), value.get("template"), within, at)  # type: ignore[arg-type]  # one of HISTORY


def _compare(key: str, value: Any, at: Loc) -> Rule:
    path = tuple(key.split("."))
    if not all(path):
        raise RuleFormError(at, f"`{key}` is not a path; write entity.field")
    if isinstance(value, dict):
        if not value:
            raise RuleFormError(at, f"`{key}` has no operator; write `{key}: {{equals: …}}`")
        comparisons = tuple(_operator(path, operator, operand, (*at, operator)) for operator, operand in value.items())
        return comparisons[0] if len(comparisons) == 1 else All(comparisons, at)
    if isinstance(value, list):
        if any(isinstance(item, dict) for item in value):
            close = get_close_matches(key, ("all", "any"), 1, 0.4)
            help = f"did you mean `{close[0]}`?" if close else "rules stand in a list under `all:` or `any:`"
            raise RuleFormError(at, f"`{key}` is followed by a list of rules, and it is no group", help=help)
        if not value:
            raise RuleFormError(at, f"`{key}` is followed by an empty list; name at least one value")
        return _operator(path, "in_list", value, at)
    return _operator(path, "equals", value, at)


def _operator(path: tuple[str, ...], operator: Any, operand: Any, at: Loc) -> Compare:
    if operator not in OPERATORS:
        close = get_close_matches(str(operator), OPERATORS, 1)
        help = f"did you mean `{close[0]}`?" if close else f"the operators are {', '.join(OPERATORS)}"
        raise RuleFormError(at, f"unknown operator `{operator}`", help=help)
    if operator in ("is_empty", "is_not_empty"):
        if not isinstance(operand, bool):
            raise RuleFormError(at, f"`{operator}` takes true or false; write `{operator}: true`")
        holds = operand == (operator == "is_empty")
        return Compare(path, "is_empty" if holds else "is_not_empty", None, at)
    if operand is None:
        raise RuleFormError(at, f"`{operator}` has no value; to ask for no value write `{{is_empty: true}}`")
    if operator in ("in_list", "between"):
        if not isinstance(operand, list) or not operand:
            raise RuleFormError(
                at, f"`{operator}` takes a list of values" + (", and it is empty; name at least one" if operand == [] else "; write it in brackets: [a, b]")
            )
        if operator == "between" and len(operand) != 2:
            raise RuleFormError(at, "`between` takes two values; write the smaller first: [1, 5]")
        if any(isinstance(item, dict | list) or item is None for item in operand):
            raise RuleFormError(at, f"`{operator}` takes plain values; a rule cannot stand in its list")
        if any(isinstance(item, str) and not item.strip() for item in operand):
            raise RuleFormError(at, f"`{operator}` has an empty value in its list; to ask for no value write `{{is_empty: true}}`")
        return Compare(path, operator, tuple(_exact(item, operator, at) for item in operand), at)
    if isinstance(operand, dict | list):
        raise RuleFormError(at, f"`{operator}` takes one value; for one of several write `in_list:`")
    if isinstance(operand, str) and not operand.strip():
        raise RuleFormError(at, f"`{operator}` has an empty value; to ask for no value write `{{is_empty: true}}`")
    if operator in ("within_last", "within_next"):
        try:
            duration = Duration.parse(str(operand))
        except ValueError as error:
            raise RuleFormError(at, str(error), code="E116") from None
        if duration.unit == "bd":
            raise RuleFormError(
                at, f"`{operand}`: business days belong to the steps of a sequence", help=f"count in days here, such as {duration.count}d", code="E116"
            )
        return Compare(path, operator, duration, at)
    return Compare(path, operator, _exact(operand, operator, at), at)


def _exact(operand: Any, operator: str, at: Loc) -> Operand:
    """A decimal number as it is written: 0.1 is a tenth, and not the nearest binary fraction."""
    if not isinstance(operand, float):
        return operand  # type: ignore[no-any-return]  # a scalar of YAML: text, int, bool
    if not math.isfinite(operand):
        raise RuleFormError(at, f"`{operator}` takes a finite number; write one")
    return Decimal(repr(operand))


def _validate(value: Any) -> Rule:
    try:
        return parse_rule(value)
    except RuleFormError as error:
        # `inside` leads the loader from the field to the very place; it is not part of Pydantic's own loc.
        raise PydanticCustomError("rule", "{reason}", {"reason": error.message, "inside": list(error.at), "help": error.help, "code": error.code}) from None


RuleField = Annotated[Rule, PlainValidator(_validate, json_schema_input_type=dict[str, Any]), WithJsonSchema({"x-rule": True})]
