"""8.6: the time of a step was changed. Where the new one lies before the change was first applied, the old one holds.

Nobody is late or left out because of an edit. Without such an edit nothing here costs a statement.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import duckdb
import pyarrow as pa

from engine.definitions.definitions import Definitions
from engine.plan import timing
from engine.plan.statements import run
from engine.tables import execute, put

# sign, count, unit, time of day in microseconds: what the planner's SQL counts with.
Time = tuple[int, int, str, int | None]

_TIMES = pa.schema([
    ("sequence", pa.string()), ("step", pa.string()), ("ago", pa.int32()), ("sign", pa.int32()), ("count", pa.int64()), ("unit", pa.string()),
    ("at_us", pa.int64()), ("since", pa.timestamp("us")), ("first", pa.bool_()),
])  # fmt: skip
_COLUMNS = "sign = t.sign, count = t.count, unit = t.unit, at_us = t.at_us"


@dataclass(frozen=True, slots=True)
class Held:
    """A time that a step had, since the now of the apply that first followed it."""

    time: Time
    since: datetime


Earlier = Mapping[tuple[str, str], Sequence[Held]]


def fill_earlier(cursor: duckdb.DuckDBPyConnection, definitions: Definitions, earlier: Earlier) -> None:
    """Fill held_times: of each step with more than one time, the present one (ago 0) and those before it; the first that it had always holds."""
    rows = [
        {
            "sequence": sequence, "step": step, "ago": ago, "sign": one.time[0], "count": one.time[1], "unit": one.time[2], "at_us": one.time[3],
            "since": one.since, "first": ago == len(times) - 1,
        }
        for (sequence, step), times in earlier.items() for ago, one in enumerate(reversed(times))
    ]  # fmt: skip
    put(cursor, "held_times", pa.Table.from_pylist(rows, _TIMES))
    timing.keep_calendars(cursor, definitions, {sequence for (sequence, _), times in earlier.items() if _in_days(times)})


def _in_days(times: Sequence[Held]) -> bool:
    return any(one.time[2] == "bd" for one in times)


def _turns(earlier: Earlier) -> range:
    """How many times back there is one: 0, 1, …"""
    return range(max(len(times) for times in earlier.values()))


def earlier_dues(cursor: duckdb.DuckDBPyConnection, definitions: Definitions, earlier: Earlier) -> None:
    """Fill dues and life anew, each step of each distinct value by the time that holds for it."""
    execute(cursor, "CREATE OR REPLACE TEMP TABLE all_dues AS SELECT *, 0 AS ago FROM dues LIMIT 0")
    in_days = any(_in_days(times) for times in earlier.values())
    # The present time comes last, so that steps are as they were.
    for ago in reversed(_turns(earlier)):
        _set_times(cursor, "steps", "steps.sequence = t.sequence AND steps.step = t.step", ago)
        timing.lives(cursor, definitions, held_in_days=in_days)
        execute(cursor, "INSERT INTO all_dues SELECT *, $1 FROM dues", [ago])
    run(cursor, "earlier_dues")


def earlier_waits(cursor: duckdb.DuckDBPyConnection, definitions: Definitions, earlier: Earlier) -> None:
    """Fill waits by the time that holds for each who stands at this position; `waits` has those by the present one."""
    execute(cursor, "CREATE OR REPLACE TEMP TABLE all_waits AS SELECT *, 0 AS ago FROM waits LIMIT 0")
    in_days = any(_in_days(times) for times in earlier.values())
    for ago in reversed(_turns(earlier)):
        _set_times(cursor, "here", "here.sequence = t.sequence AND here.step = t.step", ago)
        timing.waits(cursor, definitions, held_in_days=in_days)
        execute(cursor, "INSERT INTO all_waits SELECT *, $1 FROM waits", [ago])
    run(cursor, "earlier_waits")


def _set_times(cursor: duckdb.DuckDBPyConnection, table: str, same: str, ago: int) -> None:
    execute(cursor, f"UPDATE {table} SET {_COLUMNS} FROM held_times t WHERE {same} AND t.ago = $1", [ago])
