"""Dates, money and numbers as readers of a language write them; pure functions over Babel, remembered.

Thai dates show the Buddhist year (the Gregorian one and 543): it is what a Thai reader expects beside a Thai month, and
Babel has no such calendar.
"""

from __future__ import annotations

import re
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from functools import lru_cache

from babel import Locale, UnknownLocaleError
from babel.core import get_global
from babel.dates import format_date, format_datetime, format_time
from babel.numbers import format_currency, format_decimal, get_territory_currencies

BUDDHIST = 543


@lru_cache(maxsize=64)
def locale_of(name: str) -> Locale:
    """Babel's locale for a language of the project; English where Babel knows nothing of it."""
    try:
        return Locale.parse(name, sep="-" if "-" in name else "_")
    except (UnknownLocaleError, ValueError):
        return Locale("en")


def as_date(value: object) -> date:
    """A date from a date, a datetime or ISO text. ValueError for anything else."""
    if isinstance(value, datetime):
        return value.date()
    if isinstance(value, date):
        return value
    if isinstance(value, str):
        return date.fromisoformat(value[:10])
    raise ValueError(f"`{value}` is not a date")


def as_datetime(value: object) -> datetime:
    """A wall time from a datetime, a date or ISO text. ValueError for anything else."""
    if isinstance(value, datetime):
        return value
    if isinstance(value, date):
        return datetime(value.year, value.month, value.day)
    if isinstance(value, str):
        return datetime.fromisoformat(value)
    raise ValueError(f"`{value}` is not a moment")


def as_decimal(value: object) -> Decimal:
    """A finite number from a number or text. ValueError for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float | str | Decimal):
        raise ValueError(f"`{value}` is not a number")
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        raise ValueError(f"`{value}` is not a number") from None
    # An exponent in the CRM's data must not become a megabyte of zeros.
    if not number.is_finite() or abs(number.adjusted()) > 40:
        raise ValueError(f"`{value}` is not a number that can be shown")
    return number


@lru_cache(maxsize=65536)
def show_date(day: date, locale: str, length: str = "medium") -> str:
    """A day in medium or long form.

    >>> show_date(date(2026, 12, 31), "en"), show_date(date(2026, 12, 31), "th", "long")
    ('Dec 31, 2026', '31 ธันวาคม 2569')
    """
    babel = locale_of(locale)
    if babel.language == "th":
        # Babel's own long form names the Christian era (ค.ศ.), which the Buddhist year must not stand beside.
        return f"{format_date(day, format='d MMMM' if length == 'long' else 'd MMM', locale=babel)} {day.year + BUDDHIST}"
    return format_date(day, format=length, locale=babel)


@lru_cache(maxsize=65536)
def show_datetime(moment: datetime, locale: str) -> str:
    """A wall time, to the minute.

    >>> show_datetime(datetime(2026, 12, 31, 9, 5), "en")
    'Dec 31, 2026, 9:05\u202fAM'
    """
    babel = locale_of(locale)
    day = show_date(moment.date(), locale)
    if babel.language == "th":
        return f"{day} {format_datetime(moment, format='HH:mm', locale=babel)} น."
    return f"{day}, {format_time(moment, format='short', locale=babel)}"


@lru_cache(maxsize=65536)
def show_money(amount: Decimal, currency: str, locale: str) -> str:
    """An amount with its currency; without one it is a plain number.

    >>> show_money(Decimal("4500"), "THB", "th")
    '฿4,500.00'
    """
    if not re.fullmatch(r"[A-Z]{3}", currency):
        return show_number(amount, locale)
    # CLDR asks for a space between letters and digits (THB 4,500.00); Babel leaves it out.
    return re.sub(rf"{currency}(?=\d)", f"{currency}\u00a0", format_currency(amount, currency, locale=locale_of(locale)))


@lru_cache(maxsize=65536)
def show_number(number: Decimal, locale: str) -> str:
    """A number with the separators of the language, without needless zeros.

    >>> show_number(Decimal("21500.50"), "en")
    '21,500.5'
    """
    return format_decimal(number, format="#,##0.##########", locale=locale_of(locale))


@lru_cache(maxsize=64)
def currency_at(zone: str) -> str:
    """The currency of the country in which a time zone lies, for samples that name none.

    >>> currency_at("Asia/Bangkok")
    'THB'
    """
    territory = get_global("zone_territories").get(zone)
    found = get_territory_currencies(territory) if territory else []
    return found[0] if found else "EUR"
