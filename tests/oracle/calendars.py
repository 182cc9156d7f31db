"""5.3, 5.4 Holidays, business days and send windows: day by day and minute by minute."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from typing import Any
from zoneinfo import ZoneInfo

import holidays

WEEK = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
FreeDays = frozenset[date]
NO_DAYS: FreeDays = frozenset()
A_DAY = timedelta(days=1)


@cache
def _public(country: str) -> FreeDays:
    return frozenset(holidays.country_holidays(country, years=range(2005, 2036)))


def free_days(engine: Mapping[str, Any], name: str | None) -> FreeDays:
    """5.4 A calendar by name: the holidays of a country, with own days and without others."""
    if name is None:
        return NO_DAYS
    said = engine["holidays"][name]
    public = _public(said["country"]) if "country" in said else NO_DAYS
    also = {date.fromisoformat(str(day)) for day in said.get("also", ())}
    without = {date.fromisoformat(str(day)) for day in said.get("except", ())}
    return (public | also) - without


def business_free_days(
    engine: Mapping[str, Any], sequence: Mapping[str, Any]
) -> FreeDays:
    """5.4 `bd` uses the sequence's `holidays`, else the project's (its first), else Monday to Friday."""
    first = next(iter(engine.get("holidays") or {}), None)
    return free_days(engine, sequence.get("holidays") or first)


def business_day(day: date, count: int, sign: int, free: FreeDays) -> date:
    """5.1 Each goes to the next business day; 0bd moves nothing."""
    for _ in range(count):
        day += sign * A_DAY
        while day.weekday() >= 5 or day in free:
            day += sign * A_DAY
    return day


@dataclass(frozen=True)
class SendWindow:
    """5.4 On these days of the week, in [opens, closes), on no holiday."""

    days: frozenset[int]
    opens: time
    closes: time | None
    free: FreeDays

    def open_day(self, day: date) -> bool:
        return day.weekday() in self.days and day not in self.free

    def holds(self, wall: datetime) -> bool:
        before_end = self.closes is None or wall.time() < self.closes
        return (
            self.open_day(wall.date()) and self.opens <= wall.time() and before_end
        )

    def next(self, instant: datetime, zone: ZoneInfo) -> datetime:
        """5.4 The next moment inside: the moment itself, or the `from` of the next open day."""
        return _next(self, instant, str(zone))


@cache
def _next(window: SendWindow, instant: datetime, zone_name: str) -> datetime:
    from .moments import local, start_of_day

    zone = ZoneInfo(zone_name)
    while not window.holds(local(instant, zone)):
        wall = local(instant, zone)
        if window.open_day(wall.date()) and wall.time() < window.opens:
            # Minute by minute, as a clock on the wall goes: also through an hour that is skipped or doubled.
            instant = instant.replace(second=0, microsecond=0) + timedelta(minutes=1)
        else:
            tomorrow = start_of_day(wall.date() + A_DAY, zone)
            assert tomorrow > instant
            instant = tomorrow
    return instant.astimezone(UTC)


def send_window(
    engine: Mapping[str, Any], raw: Mapping[str, Any] | None
) -> SendWindow | None:
    if raw is None:
        return None
    days = frozenset(
        day for said in raw.get("days", ["mon-sun"]) for day in _days(said)
    )
    opens = time.fromisoformat(raw.get("from", "00:00"))
    closes = time.fromisoformat(raw["to"]) if "to" in raw else None
    return SendWindow(days, opens, closes, free_days(engine, raw.get("holidays")))


def _days(said: str) -> list[int]:
    """5.4 `mon`, `mon-fri`; days may wrap."""
    first, _, last = said.partition("-")
    number = WEEK.index(first)
    found = [number]
    while WEEK[number] != (last or first):
        number = (number + 1) % 7
        found.append(number)
    return found
