"""Durations, time zones and local days: pure functions, no clock is read here.

Wall times follow semantics 5.5: one that a clock change skips is the first valid moment after it, one that occurs
twice is the first of the two. Instants are naive UTC datetimes below the doors; `aware` and `naive_utc` convert at them.
"""

from __future__ import annotations

import calendar
import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import Literal
from zoneinfo import ZoneInfo, available_timezones

Unit = Literal["min", "h", "d", "w", "mo", "y", "bd"]
UNITS: tuple[Unit, ...] = ("min", "h", "d", "w", "mo", "y", "bd")
_DURATION = re.compile(r"^\s*(\d{1,6})\s*([a-z]+)\s*$")

# Dates outside this range belong to no occurrence (semantics 3.1); zone tables cover it with a margin.
FIRST_DAY = date(1970, 1, 2)
LAST_DAY = date(2100, 12, 31)
_TABLE_FROM, _TABLE_TO = datetime(1969, 1, 1), datetime(2103, 1, 1)


@dataclass(frozen=True, slots=True)
class Duration:
    """One whole number and one unit. min and h are exact; d, w, mo, y and bd are calendar time in a zone (5.1).

    >>> Duration.parse("30d")
    Duration(count=30, unit='d')
    """

    count: int
    unit: Unit

    @classmethod
    def parse(cls, text: str) -> Duration:
        """Read `30d`, `48h`, `2mo`. Raises ValueError with a sentence for the author of the file."""
        match = _DURATION.match(text) if isinstance(text, str) else None
        if match is None:
            if isinstance(text, str) and text.strip().startswith("-"):
                raise ValueError(f"`{text}` is negative; durations count forward; what goes before a date says `before:`")
            raise ValueError(f"`{text}` is not a duration; write one whole number and one unit, such as 30d, 48h, 2w, 3mo")
        count, unit = int(match[1]), match[2]
        if unit == "m":
            raise ValueError(f"`{text}`: does `m` mean minutes or months? Write `{count}min` or `{count}mo`")
        if unit not in UNITS:
            raise ValueError(f"`{text}`: unknown unit `{unit}`; the units are min, h, d, w, mo, y, bd")
        return cls(count, unit)

    @property
    def exact(self) -> bool:
        """True when the duration moves an instant and not a calendar day."""
        return self.unit in ("min", "h")

    def __str__(self) -> str:
        return f"{self.count}{self.unit}"


def parse_time_of_day(text: str) -> time:
    """Read `09:00` or `9:30`. Raises ValueError with a sentence for the author of the file."""
    match = re.match(r"^(\d{1,2}):(\d{2})$", text) if isinstance(text, str) else None
    if match is None or int(match[1]) > 23 or int(match[2]) > 59:
        raise ValueError(f'`{text}` is not a time of day; write hours and minutes, such as "09:00"')
    return time(int(match[1]), int(match[2]))


def is_zone(name: str) -> bool:
    """Whether the name is an IANA time zone."""
    return name in _zones()


@lru_cache(maxsize=1)
def _zones() -> frozenset[str]:
    return frozenset(available_timezones())


def zones() -> frozenset[str]:
    """Every IANA time zone known here."""
    return _zones()


def naive_utc(moment: datetime) -> datetime:
    """An aware instant as naive UTC."""
    if moment.tzinfo is None:
        raise ValueError("an instant needs an offset")
    return moment.astimezone(UTC).replace(tzinfo=None)


def aware(moment: datetime, zone: str = "UTC") -> datetime:
    """A naive UTC instant, in the zone."""
    return moment.replace(tzinfo=UTC).astimezone(ZoneInfo(zone))


def to_local(moment: datetime, zone: str) -> datetime:
    """A naive UTC instant as the wall time of the zone, naive.

    >>> to_local(datetime(2026, 1, 5, 2, 0), "Asia/Bangkok")
    datetime.datetime(2026, 1, 5, 9, 0)
    """
    return aware(moment, zone).replace(tzinfo=None)


def to_utc(wall: datetime, zone: str) -> datetime:
    """A naive wall time of the zone as a naive UTC instant; gaps and repeats as in 5.5.

    >>> to_utc(datetime(2026, 3, 8, 2, 30), "America/New_York")     # skipped: the first valid moment is 03:00
    datetime.datetime(2026, 3, 8, 7, 0)
    >>> to_utc(datetime(2026, 11, 1, 1, 30), "America/New_York")    # twice: the first of the two
    datetime.datetime(2026, 11, 1, 5, 30)
    """
    info = ZoneInfo(zone)
    first = wall.replace(tzinfo=info, fold=0).astimezone(UTC).replace(tzinfo=None)
    if to_local(first, zone) == wall:
        return first
    # In a gap fold=0 uses the offset before it, so `first` lies after the change by the part that was skipped.
    low, high = first - timedelta(hours=30), first
    offset_before = aware(low, zone).utcoffset()
    while high - low > timedelta(microseconds=1):
        middle = low + (high - low) / 2
        if aware(middle, zone).utcoffset() == offset_before:
            low = middle
        else:
            high = middle
    return high


def start_of_day(moment: datetime, zone: str) -> datetime:
    """The first instant of the local day that holds this naive UTC instant, as naive UTC."""
    return to_utc(datetime.combine(to_local(moment, zone).date(), time()), zone)


def shift_wall(wall: datetime, duration: Duration, sign: int = 1) -> datetime:
    """Move a wall time by calendar units (d, w, mo, y); months clamp to the last day. OverflowError beyond year 9999.

    >>> shift_wall(datetime(2026, 1, 31, 9), Duration(1, "mo"))
    datetime.datetime(2026, 2, 28, 9, 0)
    """
    count = sign * duration.count
    if duration.unit == "d":
        return wall + timedelta(days=count)
    if duration.unit == "w":
        return wall + timedelta(weeks=count)
    if duration.unit in ("mo", "y"):
        months = wall.year * 12 + wall.month - 1 + count * (12 if duration.unit == "y" else 1)
        year, month = divmod(months, 12)
        if not 1 <= year <= 9999:
            raise OverflowError("date value out of range")
        return wall.replace(year=year, month=month + 1, day=min(wall.day, calendar.monthrange(year, month + 1)[1]))
    raise ValueError(f"{duration} does not move a wall time")


# Before every moment that a definition can name: where `backfill: all` moves a start. As a step's recorded start it says that the step
# came with its sequence, and starts with it.
EVER = datetime(1, 1, 3)


def reach_back(moment: datetime, duration: Duration, zone: str) -> datetime:
    """The naive UTC instant that lies the duration before; EVER, where that leads beyond what there is."""
    try:
        return max(shift(moment, duration, zone, -1), EVER)
    except (OverflowError, ValueError):
        return EVER


def shift(moment: datetime, duration: Duration, zone: str, sign: int = 1) -> datetime:
    """Move a naive UTC instant by the duration: exact for min and h, calendar time of the zone for the others."""
    if duration.unit == "min":
        return moment + sign * timedelta(minutes=duration.count)
    if duration.unit == "h":
        return moment + sign * timedelta(hours=duration.count)
    return to_utc(shift_wall(to_local(moment, zone), duration, sign), zone)


@dataclass(frozen=True, slots=True)
class OffsetFrom:
    """From this UTC instant on, the wall clock is UTC plus `offset`, until the next row of the zone."""

    utc_from: datetime
    offset: timedelta


@dataclass(frozen=True, slots=True)
class WallFrom:
    """From this wall time on, UTC is wall minus `offset`; in a gap `offset` is None and every wall time is `fixed`."""

    wall_from: datetime
    offset: timedelta | None
    fixed: datetime | None


@lru_cache(maxsize=1024)
def offsets(zone: str) -> tuple[OffsetFrom, ...]:
    """The zone's offsets from 1969 to 2103 as a table to join; the same answers as `to_local`."""
    info = ZoneInfo(zone)
    local = info.fromutc

    def offset_at(moment: datetime) -> timedelta:
        return local(moment).utcoffset() or timedelta()

    step = timedelta(days=3)
    # Moments of UTC in the clothes of the zone, as `fromutc` takes them: sixteen thousand are asked.
    low, end = _TABLE_FROM.replace(tzinfo=info), _TABLE_TO.replace(tzinfo=info)
    low_offset = offset_at(low)
    rows = [OffsetFrom(datetime(1, 1, 2), low_offset)]
    while low < end:
        high = low + step
        high_offset = offset_at(high)
        if high_offset != low_offset:
            left, right = low, high
            while right - left > timedelta(seconds=1):
                middle = (left + (right - left) / 2).replace(microsecond=0)
                if offset_at(middle) == low_offset:
                    left = middle
                else:
                    right = middle
            rows.append(OffsetFrom(right.replace(tzinfo=None), high_offset))
        low, low_offset = high, high_offset
    return tuple(rows)


@lru_cache(maxsize=1024)
def walls(zone: str) -> tuple[WallFrom, ...]:
    """The way back: wall times of the zone to UTC, gaps and repeats as in 5.5; the same answers as `to_utc`."""
    table = offsets(zone)
    rows = [WallFrom(datetime(1, 1, 3), table[0].offset, None)]
    for before, after in zip(table, table[1:], strict=False):
        change = after.utc_from
        if after.offset > before.offset:
            rows.append(WallFrom(change + before.offset, None, change))
        # When clocks go back the earlier offset holds until the repeated hour is over: the first of the two.
        rows.append(WallFrom(change + max(before.offset, after.offset), after.offset, None))
    return tuple(rows)
