"""Holidays, business days and send windows: pure functions of local days and instants (semantics 5.1, 5.4).

A calendar of a country ends where the library's knowledge ends: nothing is guessed for a year outside, and what would need
one has no answer (None).
"""

from __future__ import annotations

import re
import warnings
from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from functools import lru_cache

from engine.clock import OffsetFrom, WallFrom, offsets, to_local, to_utc, walls

WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
WORKDAYS = frozenset(range(5))
# Occurrences lie in 1970 to 2100; what is counted from them may lie a little outside.
FIRST_YEAR, LAST_YEAR = 1969, 2102
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Holidays:
    """The days on which a country, or a company, does not work: the country's public holidays, with days of one's own."""

    country: str | None = None
    subdivision: str | None = None
    also: tuple[date, ...] = ()
    without: tuple[date, ...] = ()


@dataclass(frozen=True, slots=True)
class Window:
    """When mail may leave: from `opens` (included) to `closes` (not; None is the end of the day) on these weekdays (0 is Monday), but on no holiday."""

    weekdays: frozenset[int]
    opens: time
    closes: time | None
    holidays: Holidays | None

    def holds(self, at: time) -> bool:
        return self.opens <= at and (self.closes is None or at < self.closes)


def weekdays_of(said: str) -> tuple[int, ...]:
    """`mon`, `mon-fri`, or with a wrap `fri-mon`, as weekdays from 0. Raises ValueError with a sentence for the author of the file.

    >>> weekdays_of("sat-mon")
    (5, 6, 0)
    """
    names = said.strip().lower().split("-") if isinstance(said, str) else []
    if not 1 <= len(names) <= 2 or any(name not in WEEKDAYS for name in names):
        raise ValueError(f"`{said}` is no day of the week; write one such as mon, or a range such as mon-fri")
    first, last = WEEKDAYS.index(names[0]), WEEKDAYS.index(names[-1])
    return tuple((first + step) % 7 for step in range((last - first) % 7 + 1))


@lru_cache(maxsize=1)
def countries() -> tuple[str, ...]:
    """The countries whose holidays are known, by their letters of ISO 3166, also those of three."""
    # Imported where a country is named: the library takes a tenth of a second, and its list of countries with their parts as long again.
    from holidays.registry import EntityLoader

    return tuple(EntityLoader.get_country_codes(include_aliases=True))


def parts_of(country: str) -> tuple[str, ...]:
    """The subdivisions that have holidays of their own, of a country that is known."""
    import holidays

    return tuple(getattr(holidays, country).subdivisions)


@lru_cache(maxsize=32)
def _of_country(country: str, subdivision: str | None) -> tuple[frozenset[date], int, int]:
    """The public holidays, and the first and last year for which they are known."""
    import holidays

    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        known = holidays.country_holidays(country, subdiv=subdivision)
        first, last = max(FIRST_YEAR, known.start_year), min(LAST_YEAR, known.end_year)
        known = holidays.country_holidays(country, subdiv=subdivision, years=range(first, last + 1))
    for warning in said:
        # Some countries know a part of their holidays for fewer years, and say it only so.
        years = re.search(r"available only from (\d{4}) to (\d{4})", str(warning.message))
        if years is not None:
            first, last = max(first, int(years[1])), min(last, int(years[2]))
    return frozenset(known), first, last


def known_years(holidays: Holidays | None) -> tuple[int, int]:
    """The first and last year whose holidays are known."""
    if holidays is None or holidays.country is None:
        return FIRST_YEAR, LAST_YEAR
    return _of_country(holidays.country, holidays.subdivision)[1:]


def free_days(holidays: Holidays | None) -> frozenset[date]:
    """Every day of the calendar on which nobody works."""
    if holidays is None:
        return frozenset()
    public = frozenset[date]() if holidays.country is None else _of_country(holidays.country, holidays.subdivision)[0]
    return (public | frozenset(holidays.also)) - frozenset(holidays.without)


@lru_cache(maxsize=64)
def open_days(weekdays: frozenset[int], holidays: Holidays | None) -> tuple[date, ...]:
    """The days of these weekdays that are no holiday, in the years that are known, in their order."""
    return tuple(map(date.fromordinal, open_ordinals(weekdays, holidays)))


@lru_cache(maxsize=64)
def open_ordinals(weekdays: frozenset[int], holidays: Holidays | None) -> tuple[int, ...]:
    """The open days by their numbers: day 1 is the first of January of the year 1, a Monday."""
    first, last = known_years(holidays)
    free = {day.toordinal() for day in free_days(holidays)}
    start, end = date(first, 1, 1).toordinal(), date(last, 12, 31).toordinal()
    return tuple(number for number in range(start, end + 1) if (number - 1) % 7 in weekdays and number not in free)


def business_day(day: date, count: int, sign: int, holidays: Holidays | None) -> date | None:
    """So many business days later (or, with sign -1, earlier): each goes to the next one, and none moves nothing.

    None where it would need a year whose holidays are not known.

    >>> business_day(date(2026, 3, 6), 1, 1, None)
    datetime.date(2026, 3, 9)
    """
    if count == 0:
        return day
    first, last = known_years(holidays)
    days = open_days(WORKDAYS, holidays)
    pivot = day if sign > 0 else day - _DAY
    if not first - 1 <= pivot.year <= last or pivot < date(first - 1, 12, 31):
        return None
    place = bisect_right(days, day) + count - 1 if sign > 0 else bisect_left(days, day) - count
    return days[place] if 0 <= place < len(days) else None


@lru_cache(maxsize=512)
def swallowed(window: Window, zone: str) -> frozenset[date]:
    """The days on which a change of the clocks leaves nothing of the window: a whole day in Samoa, or 02:00 to 03:00 in spring."""
    found = set()
    table: tuple[OffsetFrom, ...] = offsets(zone)
    rows: tuple[WallFrom, ...] = walls(zone)
    if len(table) == 1:
        return frozenset()
    for row, after in zip(rows, rows[1:], strict=False):
        if row.offset is not None:
            continue
        day = row.wall_from.date()
        while day <= after.wall_from.date():
            opens = datetime.combine(day, window.opens)
            closes = datetime.combine(day, window.closes) if window.closes is not None else datetime.combine(day, time()) + _DAY
            if row.wall_from <= opens and closes <= after.wall_from:
                found.add(day)
            day += _DAY
    return frozenset(found)


def next_open(moment: datetime, window: Window, zone: str) -> datetime | None:
    """The moment itself if it lies in the window, else the opening of the next open day; None where no year is known that has one.

    >>> next_open(datetime(2026, 3, 7, 12), Window(WORKDAYS, time(8), time(18), None), "UTC")
    datetime.datetime(2026, 3, 9, 8, 0)
    """
    wall = to_local(moment, zone)
    days, gone = open_days(window.weekdays, window.holidays), swallowed(window, zone)
    if wall.date().year > known_years(window.holidays)[1]:
        return None
    place = bisect_left(days, wall.date() if wall.time() < window.opens or window.holds(wall.time()) else wall.date() + _DAY)
    while place < len(days) and days[place] in gone:
        place += 1
    if place == len(days):
        return None
    if days[place] == wall.date() and window.holds(wall.time()):
        return moment
    opens = datetime.combine(days[place], window.opens)
    found = to_utc(opens, zone)
    # In an hour that the clocks give twice the opening may be the second of the two.
    return found if found >= moment else opens - (wall - moment)


def closing(moment: datetime, window: Window, zone: str, within: timedelta) -> datetime | None:
    """The first minute behind the moment, and in this time, at which the window that is open at the moment is not; None where it stays open.

    >>> closing(datetime(2026, 3, 6, 17, 50), Window(WORKDAYS, time(8), time(18), None), "UTC", timedelta(minutes=30))
    datetime.datetime(2026, 3, 6, 18, 0)
    """
    # Windows close at whole minutes, and clocks change at whole minutes: so each is looked at, and no rule of either is told again here.
    minute = moment.replace(second=0, microsecond=0)
    while (minute := minute + timedelta(minutes=1)) <= moment + within:
        if next_open(minute, window, zone) != minute:
            return minute
    return None
