"""3.4 Five cron fields, minute by minute: is this wall time one of them?"""

from __future__ import annotations

from datetime import datetime


def values(field: str, low: int, high: int) -> set[int]:
    """`*`, numbers, lists, ranges, steps."""
    found: set[int] = set()
    for part in field.split(","):
        body, _, step = part.partition("/")
        if body == "*":
            first, last = low, high
        elif "-" in body:
            first, last = (int(end) for end in body.split("-"))
        else:
            first = last = int(body)
        found |= set(range(first, last + 1, int(step or 1)))
    return found


def comes_at(cron: str, wall: datetime) -> bool:
    """3.4 Day of month and day of week both given: either matches, as cron does."""
    minute, hour, day, month, weekday = cron.split()
    if wall.minute not in values(minute, 0, 59) or wall.hour not in values(hour, 0, 23):
        return False
    if wall.month not in values(month, 1, 12):
        return False
    by_day = wall.day in values(day, 1, 31)
    by_weekday = wall.isoweekday() % 7 in {one % 7 for one in values(weekday, 0, 7)}
    if day != "*" and weekday != "*":
        return by_day or by_weekday
    return by_day and by_weekday
