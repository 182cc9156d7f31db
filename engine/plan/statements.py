"""The planner's fixed SQL: files in `sql/`, run whole in their order of sentences."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache, lru_cache
from importlib import resources

import duckdb
import pyarrow as pa


@cache
def _sentences(name: str) -> tuple[duckdb.Statement, ...]:
    # Kept as DuckDB has parsed them: parsing is a fifth of what a plan of a few records costs.
    text = resources.files("engine.plan").joinpath("sql", f"{name}.sql").read_text(encoding="utf-8")
    return tuple(duckdb.extract_statements(text))


def run(cursor: duckdb.DuckDBPyConnection, name: str) -> None:
    """Run every statement of sql/NAME.sql."""
    for sentence in _sentences(name):
        cursor.execute(sentence)


# Up to so many values are said in the statement itself: to register an Arrow table costs three times as much as to insert a few rows of it.
_FEW = 200
_TYPES: Mapping[pa.DataType, str] = {
    pa.string(): "VARCHAR",
    pa.int64(): "BIGINT",
    pa.int32(): "INTEGER",
    pa.float64(): "DOUBLE",
    pa.bool_(): "BOOLEAN",
    pa.date32(): "DATE",
    pa.timestamp("us"): "TIMESTAMP",
}


def put(cursor: duckdb.DuckDBPyConnection, table: str, rows: pa.Table, columns: str = "*") -> None:
    """Make a temporary table of these rows; `columns` may say more of them than they hold."""
    if columns == "*" and _few(rows):
        shape = ", ".join(f'"{field.name}" {_TYPES[field.type]}' for field in rows.schema)
        cursor.execute(_parsed(f'CREATE OR REPLACE TEMP TABLE "{table}" ({shape})'))
        _insert(cursor, table, rows)
        return
    cursor.register("arriving", rows)
    try:
        cursor.execute(f'CREATE OR REPLACE TEMP TABLE "{table}" AS SELECT {columns} FROM arriving')
    finally:
        cursor.unregister("arriving")


def append(cursor: duckdb.DuckDBPyConnection, table: str, rows: pa.Table) -> None:
    """Add rows to a temporary table, by column name."""
    # A column in which nothing stands has no type of its own.
    rows = rows.select([field.name for field in rows.schema if not pa.types.is_null(field.type)])
    if _few(rows):
        _insert(cursor, table, rows)
        return
    cursor.register("arriving", rows)
    try:
        cursor.execute(f'INSERT INTO "{table}" BY NAME SELECT * FROM arriving')
    finally:
        cursor.unregister("arriving")


def _few(rows: pa.Table) -> bool:
    return rows.num_rows * rows.num_columns <= _FEW and all(field.type in _TYPES for field in rows.schema)


def _insert(cursor: duckdb.DuckDBPyConnection, table: str, rows: pa.Table) -> None:
    if rows.num_rows:
        names = ", ".join(f'"{name}"' for name in rows.column_names)
        places = iter(range(1, rows.num_rows * rows.num_columns + 1))
        said = ", ".join("(" + ", ".join(f"${next(places)}" for _ in rows.column_names) + ")" for _ in range(rows.num_rows))
        values = [value for row in zip(*(column.to_pylist() for column in rows.columns), strict=True) for value in row]
        cursor.execute(_parsed(f'INSERT INTO "{table}" ({names}) VALUES {said}'), values)


@lru_cache(maxsize=2048)
def _parsed(sentence: str) -> duckdb.Statement:
    (statement,) = duckdb.extract_statements(sentence)
    return statement
