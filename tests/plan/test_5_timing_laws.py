"""§5, many moments at once: what SQL says of a moment, a duration and a window is what the plain functions of the clock say."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from typing import Any

import duckdb
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.calendars import Holidays, Window, business_day, next_open, weekdays_of
from engine.clock import Duration, Unit, shift_wall, to_local, to_utc
from engine.plan.outline import fill_zones
from engine.plan.statements import run
from engine.plan.timing import calendar_name, fill_calendars, window_name
from engine.tables import put
from tests.laws import cases

ZONES = ("Asia/Bangkok", "Europe/Berlin", "America/New_York", "Pacific/Apia", "Australia/Lord_Howe", "America/St_Johns", "Africa/Casablanca", "UTC")
CALENDARS: tuple[Holidays | None, ...] = (None, Holidays(also=(date(2026, 3, 9), date(2026, 4, 6), date(2026, 10, 26))), Holidays("TH", also=(date(2026, 12, 31),)))
WINDOWS = (
    Window(frozenset(weekdays_of("mon-fri")), time(8), time(18), None),
    Window(frozenset(weekdays_of("fri-mon")), time(0), None, CALENDARS[1]),
    Window(frozenset(range(7)), time(2), time(3), None),
    Window(frozenset(range(7)), time(1, 30), time(2, 15), None),
    Window(frozenset(weekdays_of("mon-fri")), time(9, 30), time(12), CALENDARS[2]),
    Window(frozenset(weekdays_of("sun")), time(23), None, None),
)
# Days on which the clocks of these zones change, and what lies around them; and the edges of what a table knows.
NEAR = [datetime(2026, 3, 8), datetime(2026, 3, 29), datetime(2026, 11, 1), datetime(2026, 10, 25), datetime(2026, 4, 5), datetime(2011, 12, 30)]
NEAR += [datetime(2026, 2, 15), datetime(2028, 2, 28), datetime(2006, 10, 29), datetime(1970, 1, 2), datetime(2100, 12, 30), datetime(2099, 12, 31)]
UNITS: tuple[Unit, ...] = ("min", "h", "d", "w", "mo", "y", "bd")

near = st.builds(lambda day, minutes, seconds: day + timedelta(minutes=minutes, seconds=seconds), st.sampled_from(NEAR), st.integers(-2880, 2880), st.sampled_from([0, 0, 30]))
anywhere = st.datetimes(datetime(1970, 1, 2), datetime(2100, 12, 31), allow_imaginary=True).map(lambda moment: moment.replace(microsecond=0))
moments = st.one_of(near, near, anywhere)
durations = st.builds(Duration, st.one_of(st.integers(0, 40), st.integers(0, 40), st.integers(0, 9000)), st.sampled_from(UNITS))
rows = st.tuples(moments, st.sampled_from(ZONES), durations, st.sampled_from([1, -1]), st.one_of(st.none(), st.integers(0, 1439)), st.sampled_from(CALENDARS), st.booleans())


@pytest.fixture(scope="module")
def cursor() -> Iterator[duckdb.DuckDBPyConnection]:
    connection = duckdb.connect()
    for name in ("timing", "tables", "calendars"):
        run(connection, name)
    fill_zones(connection, frozenset(ZONES))
    fill_calendars(connection, CALENDARS, WINDOWS, ZONES)
    yield connection
    connection.close()


def moved(moment: datetime, zone: str, duration: Duration, sign: int, at: int | None, holidays: Holidays | None, on_a_date: bool) -> datetime | None:
    """5.1, 5.2 and 5.5 with the clock's own functions; `moment` is a wall time where the base is a date. None is beyond what can be written."""
    if duration.exact:
        start = to_utc(moment, zone) if on_a_date else moment
        return start + sign * timedelta(minutes=duration.count * (60 if duration.unit == "h" else 1))
    if duration.count == 0 and at is None and not on_a_date:
        return moment
    wall = moment if on_a_date else to_local(moment, zone)
    try:
        if duration.unit == "bd":
            day = business_day(wall.date(), duration.count, sign, holidays)
            if day is None:
                return None
            wall = datetime.combine(day, wall.time())
        else:
            wall = shift_wall(wall, duration, sign)
        if at is not None:
            wall = datetime.combine(wall.date(), time(at // 60, at % 60))
        return to_utc(wall, zone)
    except OverflowError:
        return None


@given(st.lists(rows, min_size=20, max_size=80))
@cases(1)
def test_sql_moves_a_moment_as_the_clock_does(cursor: duckdb.DuckDBPyConnection, drawn: list[Any]) -> None:
    """5.1, 5.2, 5.5: for random moments, zones, durations (business days among them) and times of day, SQL and the clock say the same."""
    table = [
        {"id": n, "zone": zone, "from_at": None if on_a_date else moment, "from_wall": moment if on_a_date else None, "sign": sign, "count": by.count, "unit": by.unit,
         "at_us": None if at is None else at * 60_000_000, "cal": calendar_name(frozenset(range(5)), holidays)}
        for n, (moment, zone, by, sign, at, holidays, on_a_date) in enumerate(drawn)
    ]  # fmt: skip
    schema = pa.schema([("id", pa.int64()), ("zone", pa.string()), ("from_at", pa.timestamp("us")), ("from_wall", pa.timestamp("us")), ("sign", pa.int32()),
                        ("count", pa.int64()), ("unit", pa.string()), ("at_us", pa.int64()), ("cal", pa.string())])  # fmt: skip
    put(cursor, "drawn", pa.Table.from_pylist(table, schema))
    cursor.execute("CREATE OR REPLACE TEMP TABLE drawn AS FROM in_days('drawn')")
    found = cursor.execute("SELECT CASE WHEN year(moved_at) BETWEEN 1969 AND 2102 THEN moved_at END FROM moved('drawn') ORDER BY id").fetchall()
    for (sql,), row in zip(found, drawn, strict=True):
        clock = moved(*row)
        # Beyond the tables an offset may be another one; both must say that it lies beyond.
        assert sql == (clock if clock is not None and 1969 <= clock.year <= 2102 else None), row


@given(st.lists(st.tuples(moments, st.sampled_from(ZONES), st.sampled_from(WINDOWS)), min_size=20, max_size=80))
@cases(1)
def test_sql_finds_the_next_open_moment_as_the_clock_does(cursor: duckdb.DuckDBPyConnection, drawn: list[Any]) -> None:
    """5.4: for random moments, zones and windows, also where the clocks swallow a window or give it twice."""
    table = [{"id": n, "zone": zone, "win": window_name(window), "due": moment, "from_at": moment} for n, (moment, zone, window) in enumerate(drawn)]
    put(cursor, "drawn", pa.Table.from_pylist(table, pa.schema([("id", pa.int64()), ("zone", pa.string()), ("win", pa.string()), ("due", pa.timestamp("us")), ("from_at", pa.timestamp("us"))])))
    found = cursor.execute("SELECT CASE WHEN year(due) <= 9999 THEN due END FROM windowed('drawn') ORDER BY id").fetchall()
    for (sql,), (moment, zone, window) in zip(found, drawn, strict=True):
        opens = next_open(moment, window, zone)
        assert sql == opens, (moment, zone, window)
        if opens is not None:
            wall = to_local(opens, zone)
            assert opens >= moment and wall.weekday() in window.weekdays and window.holds(wall.time()), (moment, zone, window)


@given(st.lists(st.tuples(near, st.sampled_from(ZONES), st.sampled_from(WINDOWS)), min_size=1, max_size=3))
@cases(0.5)
def test_no_open_minute_is_passed_over(drawn: list[Any]) -> None:
    """5.4: between a moment and the next open one no minute lies in the window."""
    for moment, zone, window in drawn:
        opens = next_open(moment, window, zone)
        assert opens is not None
        minute = moment
        while minute < min(opens, moment + timedelta(days=3)):
            wall = to_local(minute, zone)
            free = window.holidays is not None and wall.date() in window.holidays.also
            assert not (wall.weekday() in window.weekdays and window.holds(wall.time())) or free or window.holidays == CALENDARS[2], (moment, minute)
            minute += timedelta(minutes=1)
