"""Five cron fields and the local minutes that they mean. Naive wall times in and out: the zone and its clock changes are the caller's.

croniter says which minutes match; what it knows beyond the five plain fields (names of days apart) is refused, since
other schedulers would read it otherwise.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

from croniter import croniter

FIELDS = ("minute", "hour", "day of month", "month", "day of week")
_RANGES = ((0, 59), (0, 23), (1, 31), (1, 12), (0, 7))
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_PART = re.compile(r"(?:\*|(?P<low>\w+)(?:-(?P<high>\w+))?)(?:/(?P<step>\d{1,3}))?\Z")


@dataclass(frozen=True, slots=True)
class Cron:
    """When something happens, in local time. Day of month and day of week both given: either matches, as cron does.

    >>> Cron.parse("0 9 * * mon-fri").after(datetime(2026, 11, 27, 9, 0))
    datetime.datetime(2026, 11, 30, 9, 0)
    """

    text: str

    @classmethod
    def parse(cls, text: str) -> Cron:
        """Raises ValueError with a sentence for the author of the file."""
        fields = text.split() if isinstance(text, str) else []
        if len(fields) != 5:
            said = f"{len(fields)} field{'' if len(fields) == 1 else 's'}"
            raise ValueError(f"`{text}` has {said}; a cron has five: minute, hour, day of month, month, day of week, such as `0 9 * * 1-5`")
        for name, field, span in zip(FIELDS, fields, _RANGES):
            for part in field.lower().split(","):
                if not _is_part(part, name, span):
                    raise ValueError(f"`{part}` is no {name}; write numbers from {span[0]} to {span[1]}, lists `1,15`, ranges `1-5`, steps `*/20`, or `*`")
        cron = cls(" ".join(fields).lower())
        if cron._next(datetime(2024, 1, 1)) is None:
            raise ValueError(f"`{text}` never comes; no month has such a day")
        return cron

    def at_or_before(self, wall: datetime) -> datetime | None:
        """The last of its minutes that is not after this wall time."""
        minute = wall.replace(second=0, microsecond=0)
        plain = _plain(self.text)
        if croniter.match(plain, minute):
            return minute
        try:
            found: datetime = croniter(plain, minute, ret_type=datetime).get_prev()
        except (ValueError, KeyError, OverflowError):
            return None
        return found

    def after(self, wall: datetime) -> datetime:
        """The first of its minutes after this wall time."""
        found = self._next(wall)
        assert found is not None  # parse has refused those that never come
        return found

    def _next(self, wall: datetime) -> datetime | None:
        try:
            found: datetime = croniter(_plain(self.text), wall, ret_type=datetime).get_next()
        except (ValueError, KeyError, OverflowError):
            return None
        return found

    @property
    def fields(self) -> tuple[frozenset[int] | None, ...]:
        """What each field allows, as numbers; None for all of them. Sunday is 0."""
        return _days_together(self.text)


@lru_cache(maxsize=256)
def _fields(text: str) -> tuple[frozenset[int] | None, ...]:
    found: list[frozenset[int] | None] = []
    for name, field, (low, high) in zip(FIELDS, text.split(), _RANGES):
        values: set[int] = set()
        for part in field.split(","):
            match = _PART.match(part)
            assert match is not None  # parse has refused others
            first = low if match["low"] is None else _number(match["low"], name)
            last = (
                (_number(match["high"], name) if match["high"] else first) if match["low"] is not None and not (match["step"] and not match["high"]) else high
            )
            values |= set(range(first, last + 1, int(match["step"] or 1)))
        values = {value % 7 for value in values} if name == "day of week" else values
        whole = set(range(low, high + 1)) if name != "day of week" else set(range(7))
        found.append(None if values == whole else frozenset(values))
    return tuple(found)


def _plain(text: str) -> str:
    """The same times as lists of numbers: croniter takes a range such as `0-0` for every minute."""
    return " ".join("*" if values is None else ",".join(map(str, sorted(values))) for values in _days_together(text))


@lru_cache(maxsize=256)
def _days_together(text: str) -> tuple[frozenset[int] | None, ...]:
    fields = _fields(text)
    said = text.split()
    days = [2, 4]
    # Each day of the month, written as a range, beside days of the week: either matches, so every day does.
    if any(fields[place] is None and not said[place].startswith("*") for place in days) and not any(said[place].startswith("*") for place in days):
        return (*fields[:2], None, fields[3], None)
    return fields


def _is_part(part: str, name: str, span: tuple[int, int]) -> bool:
    match = _PART.match(part)
    if match is None or match["step"] == "0":
        return False
    ends = [_number(text, name) for text in (match["low"], match["high"]) if text is not None]
    return all(span[0] <= end <= span[1] for end in ends) and ends == sorted(ends)


def _number(text: str, name: str) -> int:
    """A number, or a month or day by its name; -1 for neither."""
    names = {"month": _MONTHS, "day of week": _DAYS}.get(name, ())
    if text in names:
        return names.index(text) + (1 if name == "month" else 0)
    return int(text) if text.isdecimal() and text.isascii() and len(text) <= 3 else -1
