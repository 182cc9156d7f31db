"""Tables between Arrow and DuckDB: few rows and many, by the short way and by the long, are the same."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from datetime import date, datetime

import duckdb
import pyarrow as pa
import pytest

from engine.tables import append, ask, execute, give, put

ROWS = pa.schema([
    ("name", pa.string()), ("n", pa.int64()), ("part", pa.float64()), ("yes", pa.bool_()), ("day", pa.date32()), ("at", pa.timestamp("us")),
])  # fmt: skip


@pytest.fixture
def cursor() -> Iterator[duckdb.DuckDBPyConnection]:
    connection = duckdb.connect()
    yield connection
    connection.close()


def rows(count: int) -> pa.Table:
    """Every third row is empty."""
    full = {"name": 'a"b', "n": 2**40, "part": 0.5, "yes": True, "day": date(2026, 2, 28), "at": datetime(2026, 3, 1, 9, 0, 0, 5)}
    return pa.Table.from_pylist([dict.fromkeys(full) if row % 3 == 0 else full | {"n": row} for row in range(count)], ROWS)


@pytest.mark.parametrize("count", [0, 1, 2, 33, 34, 200, 201, 202, 1_000])
def test_what_is_put_and_added_is_what_is_asked(cursor: duckdb.DuckDBPyConnection, count: int) -> None:
    """On both sides of the limits of values that are said and of rows that are fetched; and DuckDB's warning of a copy reaches nobody."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        put(cursor, "here", rows(count))
        append(cursor, "here", rows(count))
        assert ask(cursor, "FROM here", ROWS) == pa.concat_tables([rows(count), rows(count)]).combine_chunks()
    # The connection is free again.
    assert execute(cursor, "SELECT count(*) FROM here").fetchone() == (2 * count,)


@pytest.mark.parametrize("count", [0, 2, 1_000])
def test_columns_may_say_more_than_the_rows_hold(cursor: duckdb.DuckDBPyConnection, count: int) -> None:
    put(cursor, "here", rows(count), "* EXCLUDE (n), coalesce(n, 0) + 1 AS beyond")
    assert execute(cursor, "SELECT count(beyond), typeof(any_value(beyond)) FROM here").fetchone() == (count, "BIGINT")


def test_a_moment_that_python_does_not_have_goes_both_ways(cursor: duckdb.DuckDBPyConnection) -> None:
    """5.8: behind the year 9999 there are due moments, and no datetime."""
    schema = pa.schema([("at", pa.timestamp("us"))])
    far = ask(cursor, "SELECT make_timestamp(10000, 1, 1, 0, 0, 0) AS at", schema)
    assert far.num_rows == 1 and far["at"].cast(pa.int64()).to_pylist() == [253_402_300_800_000_000]
    put(cursor, "here", far)
    append(cursor, "here", far)
    assert execute(cursor, 'SELECT count(*) FROM here WHERE year("at") = 10000').fetchone() == (2,)


def test_columns_come_as_the_schema_names_them(cursor: duckdb.DuckDBPyConnection) -> None:
    """In its order and of its types, whatever else the query says."""
    schema = pa.schema([("b", pa.int64()), ("a", pa.string())])
    for count in (1, 1_000):
        found = ask(cursor, f"SELECT 'x' AS a, 1 AS left_out, 7::INTEGER AS b FROM range({count})", schema)
        assert found.schema == schema and found.slice(0, 1).to_pylist() == [{"b": 7, "a": "x"}] and found.num_rows == count


def test_what_arrives_is_gone_after_the_statement(cursor: duckdb.DuckDBPyConnection) -> None:
    """Also when the statement is wrong."""
    with pytest.raises(duckdb.Error):
        give(cursor, rows(1), "SELECT nothing FROM arriving")
    with pytest.raises(duckdb.Error, match="arriving"):
        execute(cursor, "FROM arriving")
