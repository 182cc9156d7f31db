"""Section 5, the arithmetic of time: durations, wall times, clock changes. Instants are aware and UTC."""

from __future__ import annotations

import calendar
import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from .calendars import NO_DAYS, FreeDays, business_day

NINE = time(9, 0)
Base = date | datetime  # a local date, or an instant


@dataclass(frozen=True)
class Duration:
    """5.1 One whole number and one unit."""

    count: int
    unit: str

    @property
    def exact(self) -> bool:
        """5.1 h and min are exact; d, w, mo, y are calendar time."""
        return self.unit in ("min", "h")

    @property
    def delta(self) -> timedelta:
        return (
            timedelta(minutes=self.count)
            if self.unit == "min"
            else timedelta(hours=self.count)
        )


def duration(text: str) -> Duration:
    """5.1 min, h, d, w, mo, y, bd; a bare `m` is an error."""
    match = re.fullmatch(r"(\d+)(min|h|d|w|mo|y|bd)", text)
    if match is None:
        raise ValueError(f"not a duration that the oracle knows: {text!r}")
    return Duration(int(match[1]), match[2])


def time_of_day(text: str) -> time:
    hours, minutes = text.split(":")
    return time(int(hours), int(minutes))


def is_instant(base: Base) -> bool:
    return isinstance(base, datetime)


def local(instant: datetime, zone: ZoneInfo) -> datetime:
    """The wall time of an instant, without its offset."""
    return instant.astimezone(zone).replace(tzinfo=None)


def instant_of(wall: datetime, zone: ZoneInfo) -> datetime:
    """5.5 A skipped wall time is the first valid moment after it; a doubled one is the first of the two."""
    first = wall.replace(tzinfo=zone, fold=0).astimezone(UTC)
    if local(first, zone) == wall:
        return first
    # In a gap fold=1 lies before the change and fold=0 behind it: look for the minute of the change between them.
    moment = wall.replace(tzinfo=zone, fold=1).astimezone(UTC)
    before = moment.astimezone(zone).utcoffset()
    while moment.astimezone(zone).utcoffset() == before:
        moment += timedelta(minutes=1)
    return moment


def start_of_day(day: date, zone: ZoneInfo) -> datetime:
    return instant_of(datetime.combine(day, time(0, 0)), zone)


def start_of_local_day(instant: datetime, zone: ZoneInfo) -> datetime:
    """3.7 The start of the local day of an instant."""
    return start_of_day(local(instant, zone).date(), zone)


def moved_day(
    day: date, by: Duration, sign: int, free: FreeDays = NO_DAYS
) -> date:
    """5.1 Calendar time; months clamp to the last day; bd go over business days."""
    if by.unit == "bd":
        return business_day(day, by.count, sign, free)
    if by.unit == "d":
        return day + timedelta(days=sign * by.count)
    if by.unit == "w":
        return day + timedelta(weeks=sign * by.count)
    months = sign * by.count * (12 if by.unit == "y" else 1)
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    last = calendar.monthrange(year, month + 1)[1]
    return date(year, month + 1, min(day.day, last))


def moved(
    instant: datetime,
    by: Duration,
    zone: ZoneInfo,
    sign: int = 1,
    free: FreeDays = NO_DAYS,
) -> datetime:
    """5.1, 5.2 h and min move the instant; d, w, mo, y move the local date and keep the time of day."""
    if by.exact:
        return instant + sign * by.delta
    if by.count == 0:
        return instant  # nothing moves, also in an hour that the clocks give twice
    wall = local(instant, zone)
    return instant_of(
        datetime.combine(moved_day(wall.date(), by, sign, free), wall.time()), zone
    )


def base_instant(base: Base, zone: ZoneInfo, at: time | None = None) -> datetime:
    """5.2 A base that is a date has 09:00 if nothing is said."""
    if isinstance(base, datetime):
        return base
    return instant_of(datetime.combine(base, at or NINE), zone)


def due_from_base(
    base: Base,
    offset: Duration,
    sign: int,
    at: time | None,
    zone: ZoneInfo,
    free: FreeDays = NO_DAYS,
) -> datetime:
    """5.1, 5.2 `before` and `after` count from the base; `at` sets the time of day."""
    if offset.exact:
        return base_instant(base, zone, at) + sign * offset.delta
    if isinstance(base, datetime):
        if at is None:
            return moved(base, offset, zone, sign, free)
        day = local(base, zone).date()
    else:
        day = base
    return instant_of(
        datetime.combine(moved_day(day, offset, sign, free), at or NINE), zone
    )


def due_after(
    reference: datetime,
    wait: Duration,
    at: time | None,
    zone: ZoneInfo,
    free: FreeDays = NO_DAYS,
) -> datetime:
    """5.1, 5.2 `wait` counts from the reference; an `at` that would lie before it is the next day's."""
    if at is None or wait.exact:
        return moved(reference, wait, zone, 1, free)
    day = moved_day(local(reference, zone).date(), wait, 1, free)
    due = instant_of(datetime.combine(day, at), zone)
    if due < reference:
        due = instant_of(datetime.combine(day + timedelta(days=1), at), zone)
    return due
