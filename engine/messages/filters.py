"""The filters that templates have, and no others. None of them gives text that would pass unescaped into HTML."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from decimal import ROUND_HALF_UP, Decimal
from typing import Any
from urllib.parse import quote

from jinja2 import Undefined
from jinja2.exceptions import SecurityError

from engine.messages import formats

MAX_TEXT = 100_000
_SCHEME = re.compile(r"(https?://|mailto:)", re.IGNORECASE)
_CONTROLS = re.compile(r"[\x00-\x20\x7f-\x9f\u2028\u2029]")

# What each does, for the variable guide.
NAMES: Mapping[str, str] = {
    "default": 'another value where there is none; with `true` also for an empty text: `contact_name | default("customer", true)`',
    "d": "the same as default",
    "upper": "in capitals",
    "lower": "in small letters",
    "title": "each word with a capital",
    "capitalize": "the first letter in capitals",
    "trim": "without white space around it",
    "length": "how many items or characters",
    "count": "the same as length",
    "join": 'the items with a text between them: `names | join(", ")`',
    "first": "the first item",
    "last": "the last item",
    "round": "rounded to so many digits",
    "abs": "without its sign",
    "replace": "one text in place of another",
    "date": "a day, short: Dec 31, 2026",
    "long_date": "a day, long: December 31, 2026",
    "datetime": "a moment, to the minute",
    "money": "an amount with its currency: `invoice.amount | money(invoice.currency)`",
    "number": "a number with the separators of the language",
    "thai_year": "the Buddhist year of a date or year: 2569",
}
INTERNAL = ("_url", "_url_part", "_items")


def _text(value: object) -> str:
    if isinstance(value, Undefined):
        # Touching it raises Jinja2's own error, which names the variable.
        return str(value)
    if value is None:
        return ""
    if not isinstance(value, str | int | float | Decimal):
        raise SecurityError("this filter takes text or a number")
    return str(value)


def _default(value: object, other: object = "", boolean: bool = False) -> object:
    return other if isinstance(value, Undefined) or value is None or (boolean and not value) else value


def _length(value: object) -> int:
    if isinstance(value, str | list | tuple | dict):
        return len(value)
    raise SecurityError("`length` takes a list or a text")


def _sequence(value: object) -> list[Any] | tuple[Any, ...]:
    if not isinstance(value, list | tuple):
        raise SecurityError("this filter takes a list")
    return value


def _join(value: object, between: object = "") -> str:
    items, text = [_text(item) for item in _sequence(value)], _text(between)
    if sum(map(len, items)) + len(text) * len(items) > MAX_TEXT:
        raise SecurityError(f"a text has more than {MAX_TEXT} characters")
    return text.join(items)


def _first(value: object) -> object:
    items = _sequence(value)
    return items[0] if items else ""


def _last(value: object) -> object:
    items = _sequence(value)
    return items[-1] if items else ""


def _replace(value: object, old: object, new: object) -> str:
    text, before, after = _text(value), _text(old), _text(new)
    if len(text) + text.count(before) * len(after) > MAX_TEXT:
        raise SecurityError(f"a text has more than {MAX_TEXT} characters")
    return text.replace(before, after)


def _round(value: object, digits: int = 0) -> int | Decimal:
    if type(digits) is not int or not 0 <= digits <= 10:
        raise SecurityError("`round` takes 0 to 10 digits")
    rounded = formats.as_decimal(value).quantize(Decimal(1).scaleb(-digits), ROUND_HALF_UP)
    return rounded if digits else int(rounded)


def _url(value: object) -> str:
    """A whole link: only https, http and mailto, without white space."""
    text = _text(value).strip()
    if not text:
        return ""
    if _SCHEME.match(text) is None or _CONTROLS.search(text):
        raise SecurityError("a link begins with https:, http: or mailto:")
    return text


def _url_part(value: object) -> str:
    """A value inside a link, with everything escaped that could end or bend it."""
    return quote(_text(value), safe="")


def _thai_year(value: object) -> int:
    return (value if type(value) is int else formats.as_date(value).year) + formats.BUDDHIST


def _or_empty(show: Callable[..., str]) -> Callable[..., str]:
    """No value shows as nothing: an item of a list may lack a field."""

    def shown(value: object, *arguments: object) -> str:
        if isinstance(value, Undefined):
            return str(value)
        return "" if value is None or value == "" else show(value, *arguments)

    return shown


def table(locale: str) -> dict[str, Callable[..., Any]]:
    """The filters for one language."""

    def money(value: object, currency: object = "") -> str:
        return formats.show_money(formats.as_decimal(value), _text(currency), locale)

    return {
        "default": _default,
        "d": _default,
        "upper": lambda value: _text(value).upper(),
        "lower": lambda value: _text(value).lower(),
        "title": lambda value: _text(value).title(),
        "capitalize": lambda value: _text(value).capitalize(),
        "trim": lambda value: _text(value).strip(),
        "length": _length,
        "count": _length,
        "join": _join,
        "first": _first,
        "last": _last,
        "round": _round,
        "abs": lambda value: abs(formats.as_decimal(value)),
        "replace": _replace,
        "date": _or_empty(lambda value: formats.show_date(formats.as_date(value), locale)),
        "long_date": _or_empty(lambda value: formats.show_date(formats.as_date(value), locale, "long")),
        "datetime": _or_empty(lambda value: formats.show_datetime(formats.as_datetime(value), locale)),
        "money": _or_empty(money),
        "number": _or_empty(lambda value: formats.show_number(formats.as_decimal(value), locale)),
        "thai_year": _thai_year,
        "_url": _url,
        "_url_part": _url_part,
    }
