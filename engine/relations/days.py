"""Local days as instants: which naive UTC moments have a local date between two days, in a zone."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta

from sqlglot import exp

from engine.clock import offsets
from engine.relations.binding import Binder
from engine.relations.joins import Joins, column

# From this instant (included) to that one (not included); None is without end.
Interval = tuple[datetime | None, datetime | None]


def instants(zone: str, first: date | None, last: date | None) -> tuple[Interval, ...]:
    """The intervals of instants whose local date is in [first, last]; None is without end on that side.

    One interval, but where clocks go back over midnight (St. John's until 2011) and a day is left and entered again,
    and none for a day that a zone leaves out (30 December 2011 in Samoa).

    >>> instants("Asia/Bangkok", date(2026, 1, 5), date(2026, 1, 5))
    ((datetime.datetime(2026, 1, 4, 17, 0), datetime.datetime(2026, 1, 5, 17, 0)),)
    """
    table = offsets(zone)
    found: list[Interval] = []
    for index, row in enumerate(table):
        start = row.utc_from if index else None
        end = table[index + 1].utc_from if index + 1 < len(table) else None
        low = _later(start, _midnight(first, row.offset))
        high = _earlier(end, _midnight(last, row.offset, 1))
        if low is not None and high is not None and low >= high:
            continue
        if found and found[-1][1] is not None and found[-1][1] == low:
            found[-1] = (found[-1][0], high)
        else:
            found.append((low, high))
    return tuple(found)


def _midnight(day: date | None, offset: timedelta, days: int = 0) -> datetime | None:
    if day is None:
        return None
    try:
        return datetime.combine(day, time()) + timedelta(days=days) - offset
    except OverflowError:
        return datetime.max if day.year > 5000 else datetime.min


def _later(one: datetime | None, other: datetime | None) -> datetime | None:
    return max((moment for moment in (one, other) if moment is not None), default=None)


def _earlier(one: datetime | None, other: datetime | None) -> datetime | None:
    return min((moment for moment in (one, other) if moment is not None), default=None)


def local_date(value: exp.Expression, zone: str, joins: Joins, binder: Binder) -> exp.Expression:
    """The local date of a timestamp in the zone, by the same table of offsets as `clock.to_local`."""
    table = offsets(zone)
    if len(table) == 1:
        shift: exp.Expression = exp.cast(binder.bind(table[0].offset), exp.DataType.Type.INTERVAL)
    else:
        rows = exp.select(
            exp.alias_(_unnest(binder, [row.utc_from for row in table], "TIMESTAMP[]"), "utc_from", quoted=True),
            exp.alias_(_unnest(binder, [row.offset for row in table], "INTERVAL[]"), "shift", quoted=True),
        )
        shift = column(joins.local(rows, value), "shift")
    return exp.cast(exp.Add(this=value.copy(), expression=shift), exp.DataType.Type.DATE)


def _unnest(binder: Binder, values: list[datetime] | list[timedelta], type_: str) -> exp.Expression:
    return exp.Anonymous(this="UNNEST", expressions=[exp.cast(binder.bind(values), exp.DataType.build(type_, dialect="duckdb"))])
