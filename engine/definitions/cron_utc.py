"""A cron of local time as crons in UTC, for schedulers that know nothing else. An offset holds until the clocks change."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from engine.clock import aware, offsets
from engine.definitions.cron import Cron

_DAY = 24 * 60
# The days that can be a month's last.
_LAST_DAYS = frozenset({28, 29, 30, 31})


@dataclass(frozen=True, slots=True)
class InUtc:
    """Five fields in UTC. `more_days`: it also comes on days that the job does not name, because UTC has another month there."""

    text: str
    more_days: bool = False


def in_utc(cron: Cron, offset: timedelta) -> tuple[InUtc, ...]:
    """The same moments in UTC where local time is UTC plus `offset`; as many crons as it takes.

    >>> in_utc(Cron.parse("0 9 * * 1-5"), timedelta(hours=7))
    (InUtc(text='0 2 * * 1-5', more_days=False),)
    """
    minute, hour, day, month, weekday = cron.fields
    restricted = not (day is None and month is None and weekday is None)
    shift = int(offset.total_seconds() // 60)
    groups: dict[int, dict[int, set[int]]] = defaultdict(lambda: defaultdict(set))
    for local in (h * 60 + m for h in hour or range(24) for m in minute or range(60)):
        moved = local - shift
        groups[moved // _DAY if restricted else 0][moved % 60].add(moved % _DAY // 60)
    found: list[InUtc] = []
    for days, by_minute in sorted(groups.items()):
        when, more = _days(day, month, weekday, days)
        together: dict[frozenset[int], set[int]] = defaultdict(set)
        for one, at in by_minute.items():
            together[frozenset(at)].add(one)
        for hours, minutes in sorted(together.items(), key=lambda item: sorted(item[0])):
            found.append(InUtc(f"{_said(minutes, range(60))} {_said(hours, range(24))} {when}", more))
    return tuple(dict.fromkeys(found))


def _days(day: frozenset[int] | None, month: frozenset[int] | None, weekday: frozenset[int] | None, shift: int) -> tuple[str, bool]:
    """Day of month, month and day of week when the UTC day is `shift` days from the local one."""
    more = False
    if shift and (day is not None or month is not None):
        # A month's first day is another month's last in UTC: every day that it could be is named.
        more = True
        if day is not None:
            beyond = {1} if shift > 0 and day & _LAST_DAYS else set(_LAST_DAYS) if shift < 0 and 1 in day else set()
            day = frozenset({one + shift for one in day if 1 <= one + shift <= 31} | beyond)
            if len(day) == 31:
                # `*` beside a day of the week would leave that alone: either matches, so every day does.
                day = weekday = None
        if month is not None:
            month = frozenset(month | {(one + shift - 1) % 12 + 1 for one in month})
    if weekday is not None:
        weekday = frozenset((one + shift) % 7 for one in weekday)
    return f"{_said(day, range(1, 32))} {_said(month, range(1, 13))} {_said(weekday, range(7), steps=day is None)}", more


def _said(values: Iterable[int] | None, whole: range, *, steps: bool = True) -> str:
    """Numbers as a field: a step where they are even, ranges where they are neighbors.

    Without `steps` where either of two fields is to match: of one that begins with a star crontab(5) makes that both must.
    """
    numbers = sorted(values) if values is not None else list(whole)
    if numbers == list(whole):
        return "*"
    for step in (5, 10, 15, 20, 30, 2, 3, 4, 6, 8, 12):
        if steps and whole.start == 0 and len(numbers) > 2 and numbers == list(range(0, len(whole), step)):
            return f"*/{step}"
    runs: list[list[int]] = []
    for number in numbers:
        if runs and runs[-1][-1] + 1 == number:
            runs[-1].append(number)
        else:
            runs.append([number])
    return ",".join(str(run[0]) if len(run) == 1 else ",".join(map(str, run)) if len(run) == 2 else f"{run[0]}-{run[-1]}" for run in runs)


def plain(cron: Cron) -> str:
    """The same cron in numbers, with Sunday as 0: some schedulers know neither names nor a seventh day."""
    minute, hour, day, month, weekday = cron.fields
    days = f"{_said(day, range(1, 32))} {_said(month, range(1, 13))} {_said(weekday, range(7), steps=day is None)}"
    return f"{_said(minute, range(60))} {_said(hour, range(24))} {days}"


def of_crontab(cron: Cron) -> str:
    """The cron as crontab(5) means the same by it: as it is written, but in numbers where it has a star beside a day of the month or of the week.

    >>> of_crontab(Cron.parse("0 9 1 * */2")), of_crontab(Cron.parse("0 9 * * mon-fri"))
    ('0 9 1 * 0,2,4,6', '0 9 * * mon-fri')
    """
    fields, said = cron.fields, cron.text.split()
    either = fields[2] is not None and fields[4] is not None
    return plain(cron) if either and (said[2].startswith("*") or said[4].startswith("*")) else cron.text


def offset_at(moment: datetime, zone: str) -> timedelta:
    """How far local time is ahead of UTC at this moment (naive UTC)."""
    return aware(moment, zone).utcoffset() or timedelta()


def next_change(moment: datetime, zone: str) -> datetime | None:
    """When the clocks of the zone change next, within two years (naive UTC); None where they do not."""
    return next((row.utc_from for row in offsets(zone) if moment < row.utc_from <= moment + timedelta(days=731)), None)
