"""Dates (3.1): the value of a record's field, or the days on which it comes round."""

from __future__ import annotations

from datetime import date, datetime, timedelta

import duckdb
import pyarrow as pa

from engine.clock import Duration, to_local
from engine.definitions.definitions import Definitions
from engine.definitions.sequences import Sequence
from engine.definitions.triggers import DateTrigger
from engine.plan.statements import run
from engine.plan.timing import lives, there_is
from engine.relations.binding import Binder, sql
from engine.relations.triggers import trigger_values
from engine.tables import execute, put

# At most so many days in one unit; a business day may stand behind a long holiday.
_DAYS = {"min": 0, "h": 0, "d": 1, "w": 7, "mo": 31, "y": 366, "bd": 4}
# A window or a holiday moves a step a little further.
_MARGIN = 40


def dated(definitions: Definitions) -> list[Sequence]:
    """The sequences with a date trigger that are not archived, in the order of their ids."""
    chosen = [s for s in definitions.sequences.values() if isinstance(s.trigger, DateTrigger) and s.status != "archived"]
    return sorted(chosen, key=lambda sequence: sequence.id)


def date_occurrences(cursor: duckdb.DuckDBPyConnection, definitions: Definitions, now: datetime, only: pa.Table | None = None) -> None:
    """Fill valued, bases and occ: the value of each date trigger for every record, the distinct ones, and the records whose occurrence is open (3.6)."""
    sequences = dated(definitions)
    if not sequences:
        return
    if only is None:
        for sequence in sequences:
            take_values(cursor, definitions, sequence, now)
    else:
        _take_values_of(cursor, definitions, sequences, only, now)
    run(cursor, "distinct_values")
    if any(every_of(sequence) is not None for sequence in sequences):
        run(cursor, "recurring_values")
    if there_is(cursor, "bases"):
        lives(cursor, definitions)
        run(cursor, "open_occurrences")


def take_values(cursor: duckdb.DuckDBPyConnection, definitions: Definitions, sequence: Sequence, now: datetime, where: str = "") -> None:
    """Add to valued what the trigger sees of each record, or of those that `where` leaves."""
    binder = Binder()
    values = sql(trigger_values(definitions, sequence, now, binder))
    execute(cursor, f"INSERT INTO valued SELECT '{sequence.id}', record, value_at, in_range, matches FROM ({values}) {where}", binder.values)


def _take_values_of(cursor: duckdb.DuckDBPyConnection, definitions: Definitions, sequences: list[Sequence], only: pa.Table, now: datetime) -> None:
    put(cursor, "looked_at", only)
    asked = dict(execute(cursor, "SELECT sequence, bool_or(record IS NULL) FROM looked_at GROUP BY ALL").fetchall())
    for sequence in sequences:
        if sequence.id in asked:
            some = "" if asked[sequence.id] else f"WHERE record IN (SELECT record FROM looked_at WHERE sequence = '{sequence.id}')"
            take_values(cursor, definitions, sequence, now, some)


def every_of(sequence: Sequence) -> Duration | None:
    """What `every` says, where the date comes round."""
    return sequence.trigger.every if isinstance(sequence.trigger, DateTrigger) else None


def period(every: Duration) -> tuple[int, bool]:
    """How long `every` is: a number of months, or of days; true for months."""
    if every.unit in ("mo", "y"):
        return every.count * (12 if every.unit == "y" else 1), True
    return every.count * (7 if every.unit == "w" else 1), False


def horizon(sequence: Sequence, every: Duration, now: datetime, zone: str) -> tuple[date, date]:
    """Between which days an occurrence can be open now, or be the next one ahead."""
    today = to_local(now, zone).date()
    ahead = max((_days(step.duration) for step in sequence.steps if step.kind == "before"), default=0)
    behind = max((_days(step.duration) for step in sequence.steps if step.kind == "after"), default=0)
    lasts = max(_days(sequence.expires_of(step)) for step in sequence.steps)
    return _moved(today, -(behind + lasts + _MARGIN)), _moved(today, ahead + _days(every) + _MARGIN)


def _days(duration: Duration) -> int:
    return duration.count * _DAYS[duration.unit] + duration.count // (24 if duration.unit == "h" else 1440) + 1


def _moved(day: date, days: int) -> date:
    try:
        return day + timedelta(days=days)
    except OverflowError:
        return date.min if days < 0 else date.max
