"""Which occurrence a mail of another system belonged to, reckoned from the day when it was sent (semantics 3.1, 3.5, 5.1)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

from engine.clock import shift, shift_wall, to_local, to_utc
from engine.cutover.finding import Value
from engine.definitions.definitions import Definitions
from engine.definitions.sequences import Sequence, Step
from engine.plan.introducing import zone_of

# The occurrence of people who were enrolled by hand in the other system, where the file names none.
BY_HAND = "import"
_NINE = time(9)
# Another system may have sent it on an earlier day than ours is due on: rather known as sent than sent again.
_EARLY = timedelta(days=14)
# Its job may have run a day behind the last moment that the step has here.
_LATE = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Occasion:
    """One occurrence: its key, and its base as a date or as an instant (naive UTC). `reckoned` says that it was
    found by counting back from the day of the mail."""

    key: str
    base_date: date | None
    base_at: datetime | None
    reckoned: bool = False


def key_of(value: datetime, *, is_date: bool) -> str:
    """An occurrence's key for a date trigger's value.

    >>> key_of(datetime(2026, 12, 31), is_date=True), key_of(datetime(2026, 12, 31, 2), is_date=False)
    ('2026-12-31', '2026-12-31T02:00:00Z')
    """
    if is_date:
        return value.date().isoformat()
    return f"{value:%Y-%m-%dT%H:%M:%S}" + (f".{value:%f}" if value.microsecond else "") + "Z"


def value_of(key: str) -> tuple[date | None, datetime | None]:
    """The base of a date trigger's occurrence by its key. ValueError for a key that is none."""
    return (None, datetime.fromisoformat(key[:-1])) if key.endswith("Z") else (date.fromisoformat(key), None)


def occasion_of_date(definitions: Definitions, sequence: Sequence, step: Step | None, value: Value | None, sent_at: datetime, *, is_date: bool) -> Occasion:
    """The CRM's own value where the mail fits it in time; else the value that would have made the step due on the day it was sent."""
    zone = zone_of(definitions, sequence)
    if value is not None and value.at is not None and (step is None or _fits(sequence, step, value.at, sent_at, zone, is_date=is_date)):
        return _occasion(value.at, is_date=is_date)
    if step is None:
        return _occasion(sent_at, is_date=is_date, reckoned=True)
    sign = 1 if step.before is not None else -1
    if is_date:
        day = shift_wall(datetime.combine(to_local(sent_at, zone).date(), time()), step.duration, sign) if _is_calendar(step) else to_local(sent_at, zone)
        return _occasion(datetime.combine(day.date(), time()), is_date=True, reckoned=True)
    return _occasion(shift(sent_at, step.duration, zone, sign), is_date=False, reckoned=True)


def base_by_hand(definitions: Definitions, sequence: Sequence, step: Step, sent_at: datetime) -> datetime:
    """When somebody who got this step then must have been enrolled: the waits before it, counted back."""
    zone = zone_of(definitions, sequence)
    base = sent_at
    for one in sequence.steps:
        base = shift(base, one.duration, zone, -1)
        if one.id == step.id:
            break
    return base


def _occasion(value: datetime, *, is_date: bool, reckoned: bool = False) -> Occasion:
    return Occasion(key_of(value, is_date=is_date), value.date() if is_date else None, None if is_date else value, reckoned)


def _is_calendar(step: Step) -> bool:
    return step.duration.unit not in ("h", "min")


def _fits(sequence: Sequence, step: Step, value: datetime, sent_at: datetime, zone: str, *, is_date: bool) -> bool:
    """Whether a mail of that moment can be this value's: not long before the step was due, and not after it expired."""
    sign = -1 if step.before is not None else 1
    at = step.at or sequence.at
    try:
        if is_date:
            due = (
                to_utc(shift_wall(datetime.combine(value.date(), at or _NINE), step.duration, sign), zone)
                if _is_calendar(step)
                else value + sign * _exact(step)
            )
        else:
            due = shift(value, step.duration, zone, sign)
        ends = shift(due, sequence.expires_of(step), zone)
    except OverflowError:
        return False
    return due - _EARLY <= sent_at <= ends + _LATE


def _exact(step: Step) -> timedelta:
    return timedelta(hours=step.duration.count) if step.duration.unit == "h" else timedelta(minutes=step.duration.count)
