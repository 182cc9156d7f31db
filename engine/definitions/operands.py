"""What an operand must be for the field that it is compared with (semantics 7.1, 7.2)."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
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


@dataclass(frozen=True, slots=True)
class Compared:
    """Where a comparison stands: its operator, its value, and the declaration of the field."""

    operator: Origin
    value: Origin
    declared: Origin


def misfit(rule: Compare, field: Field, name: str, places: Callable[[], Compared]) -> Problem | None:
    """The operator or the operand does not fit the field; None when both do. Places are asked for only then."""
    known = OPERATORS_OF[field.type]
    if rule.operator not in known:
        why = " (text has no order)" if field.type == "text" and rule.operator in ORDER_OPERATORS else ""
        message = f"`{rule.operator}` does not fit `{name}`, which is {_named(field.type)}{why}"
        return Problem(
            "E302", message, places().operator, f"fitting here: {', '.join(known)}", ((places().declared, f"`{name}` is declared as {field.type} here"),)
        )
    if rule.operator in (*_EMPTY, "within_last", "within_next"):
        return None
    operands = rule.operand if isinstance(rule.operand, tuple) else (rule.operand,)
    typed = []
    for operand in operands:
        try:
            typed.append(operand_of(field.type, operand))
        except ValueError:
            message = f"`{name}` is {_named(field.type)}, and {_told(operand)} is not"
            return Problem("E303", message, places().value, _instead(field.type, operand), ((places().declared, f"`{name}` is declared as {field.type} here"),))
    if rule.operator == "between" and _day(typed[0]) > _day(typed[1]):
        low, high = operands
        return Problem("E305", f"`between` has the larger value first: {low} and {high}", places().value, f"write [{high}, {low}]")
    if rule.operator in _EQUALITY and field.choices is not None:
        return _choice(operands, field.choices, name, places)
    return None


def _choice(operands: tuple[Any, ...], choices: tuple[str, ...], name: str, places: Callable[[], Compared]) -> Problem | None:
    known = {_folded(choice) for choice in choices}
    for operand in operands:
        if _folded(str(operand)) not in known:
            meant = closest(str(operand), choices)
            hint = f"did you mean `{meant}`? " if meant else ""
            help = f"{hint}{'Its' if hint else 'its'} choices are: {', '.join(choices)}"
            return Problem("E304", f"`{name}` is never `{operand}`", places().value, help, ((places().declared, "its choices are declared here"),))
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
