"""What an operand must be for the field that it is compared with (semantics 7.1, 7.2)."""

from __future__ import annotations

import re
import unicodedata
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from engine.definitions.crm import Field, FieldType
from engine.definitions.rules import DATE_OPERATORS, ORDER_OPERATORS, TEXT_OPERATORS, Compare
from engine.definitions.translating import closest
from engine.problems import Origin, Problem

_EMPTY = ("is_empty", "is_not_empty")
_EQUALITY = ("equals", "not_equals", "in_list")
OPERATORS_OF: dict[FieldType, tuple[str, ...]] = {
    "text": (*_EQUALITY, *TEXT_OPERATORS, *_EMPTY),
    "integer": (*_EQUALITY, *ORDER_OPERATORS, *_EMPTY),
    "decimal": (*_EQUALITY, *ORDER_OPERATORS, *_EMPTY),
    "boolean": (*_EQUALITY, *_EMPTY),
    "date": (*_EQUALITY, *ORDER_OPERATORS, *DATE_OPERATORS, *_EMPTY),
    "timestamp": (*_EQUALITY, *ORDER_OPERATORS, *DATE_OPERATORS, *_EMPTY),
}
_DAY = re.compile(r"\d{4}-\d\d-\d\d\Z")
_MOMENT = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d")
_TEXT_INSTEAD = {"greater_than": "contains", "less_than": "contains", "on": "equals", "before": "contains", "after": "contains"}


def operand_of(type_: FieldType, operand: Any) -> Any:
    """The operand as the field's type means it: the text of a date as a date. Raises ValueError when it does not fit.

    >>> operand_of("date", "2026-12-31")
    datetime.date(2026, 12, 31)
    """
    if type_ == "text":
        fits: bool = isinstance(operand, str)
    elif type_ == "boolean":
        fits = isinstance(operand, bool)
    elif type_ in ("integer", "decimal"):
        fits = isinstance(operand, int | float | Decimal) and not isinstance(operand, bool)
    else:
        return _moment(type_, operand)
    if not fits:
        raise ValueError(operand)
    return operand


def _moment(type_: FieldType, operand: Any) -> date | datetime:
    if isinstance(operand, datetime):
        return operand
    if isinstance(operand, date):
        return operand
    if isinstance(operand, str) and _DAY.match(operand):
        return date.fromisoformat(operand)
    if type_ == "timestamp" and isinstance(operand, str) and _MOMENT.match(operand):
        return datetime.fromisoformat(operand)
    raise ValueError(operand)


def misfit(rule: Compare, field: Field, name: str, operator_place: Origin, value_place: Origin, declared: Origin) -> Problem | None:
    """The operator or the operand does not fit the field; None when both do."""
    related = ((declared, f"`{name}` is declared as {field.type} here"),)
    known = OPERATORS_OF[field.type]
    if rule.operator not in known:
        why = " (text has no order)" if field.type == "text" and rule.operator in ORDER_OPERATORS else ""
        return Problem("E302", f"`{rule.operator}` does not fit `{name}`, which is {_named(field.type)}{why}", operator_place, f"fitting here: {', '.join(known)}", related)
    if rule.operator in (*_EMPTY, "within_last", "within_next"):
        return None
    operands = rule.operand if isinstance(rule.operand, tuple) else (rule.operand,)
    typed = []
    for operand in operands:
        try:
            typed.append(operand_of(field.type, operand))
        except ValueError:
            return Problem("E303", f"`{name}` is {_named(field.type)}, and {_told(operand)} is not", value_place, _instead(field.type, operand), related)
    if rule.operator == "between" and _day(typed[0]) > _day(typed[1]):
        return Problem("E305", f"`between` has the larger value first: {rule.operand[0]} and {rule.operand[1]}", value_place, f"write [{rule.operand[1]}, {rule.operand[0]}]")  # type: ignore[index]  # between has a tuple of two
    if rule.operator in _EQUALITY and field.choices is not None:
        return _choice(operands, field.choices, name, value_place, declared)
    return None


def _choice(operands: tuple[Any, ...], choices: tuple[str, ...], name: str, place: Origin, declared: Origin) -> Problem | None:
    known = {_folded(choice) for choice in choices}
    for operand in operands:
        if _folded(str(operand)) not in known:
            meant = closest(str(operand), choices)
            hint = f"did you mean `{meant}`? " if meant else ""
            return Problem("E304", f"`{name}` is never `{operand}`", place, f"{hint}{'Its' if hint else 'its'} choices are: {', '.join(choices)}", ((declared, "its choices are declared here"),))
    return None


def _folded(text: str) -> str:
    return unicodedata.normalize("NFC", text).lower()


def _day(value: Any) -> Any:
    return value.date() if isinstance(value, datetime) else value


def _named(type_: FieldType) -> str:
    return {"text": "text", "integer": "a whole number", "decimal": "a number", "boolean": "true or false", "date": "a date", "timestamp": "a timestamp"}[type_]


def _told(operand: Any) -> str:
    if isinstance(operand, bool):
        return f"`{str(operand).lower()}`"
    return f"the number {operand}" if isinstance(operand, int | float | Decimal) else f"the text `{operand}`"


def _instead(type_: FieldType, operand: Any) -> str:
    if type_ == "text":
        shown = str(operand).lower() if isinstance(operand, bool) else operand
        return f'put it in quotes: "{shown}"'
    if type_ == "boolean":
        return "write true or false, without quotes"
    if type_ in ("integer", "decimal"):
        try:
            return f"take the quotes away: {Decimal(str(operand).strip())}" if isinstance(operand, str) else "write a number"
        except ArithmeticError:
            return "write a number"
    return "write year, month and day, such as 2026-12-31" + (", or a moment, such as 2026-12-31T09:00" if type_ == "timestamp" else "")
