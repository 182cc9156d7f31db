"""From a send's variables (JSON) to what a template shows: defaults applied, dates and money written for the reader."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from engine.clock import naive_utc, to_local
from engine.definitions.definitions import Definitions
from engine.definitions.paths import PathError, Scope, resolve
from engine.definitions.types import Variable
from engine.definitions.variables import about_of, variables_of
from engine.messages import formats

# What a rule of the CRM's map says of one value; `list` has one for each field of its items.
Kind = str


class MissingVariable(Exception):
    """A variable has no value and no default (the plan holds such a mail: 6.13)."""

    def __init__(self, name: str) -> None:
        super().__init__(f"`{name}` has no value and no default")
        self.name = name


@dataclass(frozen=True, slots=True)
class Shown:
    """How one variable becomes what the template sees."""

    name: str
    variable: Variable
    show: Callable[[Any], Any]


def kind_of(definitions: Definitions, about: str | None, variable: Variable) -> Kind:
    """The type of the variable's value: that of its field, or of its function."""
    if variable.function in ("days_until", "days_since", "count"):
        return "integer"
    if variable.function == "sum":
        return "decimal"
    if variable.function == "list":
        return "list"
    if variable.function == "text":
        return "text"
    return _field_type(definitions, about, variable.path) or "text"


def _field_type(definitions: Definitions, about: str | None, path: str) -> str | None:
    try:
        found = resolve(definitions.crm, Scope(record=about, contact=True), tuple(path.split(".")))
    except (PathError, KeyError):
        return None
    return found.field.type if found.field is not None else None


def item_kinds(definitions: Definitions, about: str | None, variable: Variable) -> Mapping[str, Kind]:
    """The fields of a list's items, with their types."""
    try:
        found = resolve(definitions.crm, Scope(record=about, contact=True), tuple(variable.path.split(".")))
        fields = definitions.crm.entities[found.end].fields
    except (PathError, KeyError):
        return dict.fromkeys(variable.fields or (), "text")
    return {name: fields[name].type if name in fields else "text" for name in variable.fields or ()}


def plain(value: Any, kind: Kind) -> Any:
    """A value that no format asks about: numbers stay numbers, so that `{% if days < 7 %}` works."""
    if value is None:
        return ""
    if kind in ("integer", "decimal") and isinstance(value, str | int | float | Decimal) and not isinstance(value, bool):
        try:
            number = formats.as_decimal(value)
        except ValueError:
            return str(value)
        return int(number) if number == number.to_integral_value() else number
    if isinstance(value, str | int | float | Decimal | bool):
        return value
    if isinstance(value, list | dict):
        return ""
    return str(value)


def shower(definitions: Definitions, about: str | None, variable: Variable, locale: str) -> Callable[[Any], Any]:
    """The function from the JSON's value to what the template sees, for one variable and language."""
    kind, zone = kind_of(definitions, about, variable), definitions.project.timezone
    if kind == "list":
        kinds = item_kinds(definitions, about, variable)
        return lambda value: [_item(item, kinds, zone) for item in value] if isinstance(value, list | tuple) else []
    if variable.format == "money" or variable.currency is not None:
        return lambda value: _money(value, variable, locale, zone)
    match variable.format:
        case "date":
            return lambda value: formats.show_date(_day(value, kind, zone), locale)
        case "long_date":
            return lambda value: formats.show_date(_day(value, kind, zone), locale, "long")
        case "datetime":
            return lambda value: formats.show_datetime(_moment(value, kind, zone), locale)
        case "number":
            return lambda value: formats.show_number(formats.as_decimal(value), locale)
        case "text":
            return lambda value: value if isinstance(value, str) else str(plain(value, kind))
    return lambda value: plain(value, kind)


def _item(item: Any, kinds: Mapping[str, Kind], zone: str) -> dict[str, Any]:
    source = item if isinstance(item, dict) else {}
    return {
        name: _moment(source[name], kind, zone).isoformat() if kind == "timestamp" and source.get(name) else plain(source.get(name), kind)
        for name, kind in kinds.items()
    }


def _moment(value: Any, kind: Kind, zone: str) -> datetime:
    moment = formats.as_datetime(value)
    moment = naive_utc(moment) if moment.tzinfo is not None else moment
    # Instants are UTC below the doors; a reader sees the project's wall clock.
    return to_local(moment, zone) if kind == "timestamp" else moment


def _day(value: Any, kind: Kind, zone: str) -> Any:
    return _moment(value, kind, zone).date() if kind == "timestamp" else formats.as_date(value)


def _money(value: Any, variable: Variable, locale: str, zone: str) -> str:
    amount, currency = (value.get("amount"), value.get("currency")) if isinstance(value, dict) else (value, None)
    if amount is None:
        return ""
    if currency is None and variable.currency is not None and variable.currency.isupper() and len(variable.currency) == 3:
        currency = variable.currency
    if currency is None and not isinstance(value, dict):
        # A sample is a bare number; shown in the project's own currency.
        currency = formats.currency_at(zone)
    return formats.show_money(formats.as_decimal(amount), str(currency or ""), locale)


class Values:
    """The variables of one type in one language."""

    def __init__(self, definitions: Definitions, type_id: str, locale: str) -> None:
        about = about_of(definitions, type_id)
        self.variables = variables_of(definitions, type_id)
        self._shown = tuple(Shown(name, variable, shower(definitions, about, variable, locale)) for name, variable in self.variables.items())

    def of(self, given: Mapping[str, Any], names: frozenset[str]) -> dict[str, Any]:
        """What a template sees of the variables that it names. Raises MissingVariable, or ValueError for a value of the wrong form."""
        return {shown.name: self._value(shown, given.get(shown.name)) for shown in self._shown if shown.name in names}

    def _value(self, shown: Shown, value: Any) -> Any:
        if is_missing(value):
            if shown.variable.function == "list":
                return []
            if not shown.variable.has_default:
                raise MissingVariable(shown.name)
            default = shown.variable.default
            return "" if default is None else default if isinstance(default, str) else shown.show(default)
        return shown.show(value)


def is_missing(value: Any) -> bool:
    """No value: none at all, a blank text, or money without an amount (7.3)."""
    if isinstance(value, dict):
        return value.get("amount") is None
    return value is None or (isinstance(value, str) and not value.strip())
