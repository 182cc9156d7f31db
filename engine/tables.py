"""Tables on their way between Arrow and DuckDB, and statements as DuckDB has parsed them.

To register an Arrow table, to be handed one, or to parse a statement costs DuckDB most of a millisecond each, however little it is about, and a
plan of a few records is some hundred statements: what is few goes as values, and a statement is parsed once in a process.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping, Sequence
from functools import lru_cache
from threading import Lock
from typing import Any

import duckdb
import pyarrow as pa

# Half of the cores: most statements are of few rows, and for those a second worker costs more than it does. On two cores one worker plans
# 100,000 contacts a fifth quicker than two, and 500,000 as quickly.
WORKERS = max(1, (os.cpu_count() or 1) // 2)
# Rows that are asked for, and values that are said, by the short way.
_FEW_ROWS = 200
_FEW_VALUES = 200
_TYPES: Mapping[pa.DataType, str] = {
    pa.string(): "VARCHAR",
    pa.int64(): "BIGINT",
    pa.int32(): "INTEGER",
    pa.float64(): "DOUBLE",
    pa.bool_(): "BOOLEAN",
    pa.date32(): "DATE",
    pa.timestamp("us"): "TIMESTAMP",
}
_ARRIVING = "arriving"

# Filters of warnings are the whole process's.
_FILTERS = Lock()


@lru_cache(maxsize=4096)
def parsed(sql: str) -> tuple[duckdb.Statement, ...]:
    """Statements, to be executed as often as one likes and on any connection. Raises duckdb.ParserException."""
    return tuple(duckdb.extract_statements(sql))


def execute(cursor: duckdb.DuckDBPyConnection, sql: str, values: Any = None) -> duckdb.DuckDBPyConnection:
    """As the cursor's own, of what is said again and again. Raises duckdb.Error."""
    *first, last = parsed(sql)
    for statement in first:
        cursor.execute(statement)
    return cursor.execute(last, values)


def put(cursor: duckdb.DuckDBPyConnection, table: str, rows: pa.Table, columns: str = "*") -> None:
    """Make a temporary table of these rows; `columns` may say more of them than they hold."""
    make(cursor, f'CREATE OR REPLACE TEMP TABLE "{table}"', rows, columns)


def make(cursor: duckdb.DuckDBPyConnection, table: str, rows: pa.Table, columns: str = "*") -> None:
    """Make the table that `table` says how to create, of these rows."""
    values = _values(rows)
    if values is None:
        give(cursor, rows, f"{table} AS SELECT {columns} FROM {_ARRIVING}")
    else:
        execute(cursor, f"{table} AS SELECT {columns} FROM {_said(rows)}", values)


def append(cursor: duckdb.DuckDBPyConnection, table: str, rows: pa.Table) -> None:
    """Add rows to a table, by column name."""
    # A column in which nothing stands has no type of its own.
    rows = rows.select([field.name for field in rows.schema if not pa.types.is_null(field.type)])
    values = _values(rows)
    if values is None:
        give(cursor, rows, f'INSERT INTO "{table}" BY NAME SELECT * FROM {_ARRIVING}')
    elif rows.num_rows:
        names = ", ".join(f'"{name}"' for name in rows.column_names)
        execute(cursor, f'INSERT INTO "{table}" ({names}) {_listed(rows)}', values)


def give(cursor: duckdb.DuckDBPyConnection, rows: pa.Table, sentence: str, values: Any = None) -> None:
    """Execute a statement that reads these rows as `arriving`."""
    cursor.register(_ARRIVING, rows)
    try:
        execute(cursor, sentence, values)
    finally:
        cursor.unregister(_ARRIVING)


def ask(cursor: duckdb.DuckDBPyConnection, query: str, schema: pa.Schema, values: dict[str, Any] | None = None) -> pa.Table:
    """The answer to a query, with the schema's columns in their order. Raises duckdb.Error."""
    if all(field.type in _TYPES for field in schema):
        execute(cursor, query, values)
        names = [column[0] for column in cursor.description or ()]
        rows = cursor.fetchmany(_FEW_ROWS + 1)
        rest = _rest(cursor) if len(rows) > _FEW_ROWS else None
        first = _table(rows, names, schema)
        if first is not None:
            return first if rest is None else pa.concat_tables([first, rest.select(schema.names).cast(schema)])
    return cursor.sql(query, params=values).to_arrow_table().select(schema.names).cast(schema)


def _rest(cursor: duckdb.DuckDBPyConnection) -> pa.Table:
    """What is behind the rows that were fetched. DuckDB warns of a copy that it makes: to ask a second time would cost more."""
    with _FILTERS, warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        return cursor.to_arrow_table()


def _table(rows: Sequence[tuple[Any, ...]], names: Sequence[str], schema: pa.Schema) -> pa.Table | None:
    """None where a value has no counterpart in Python: a moment behind the year 9999 comes as text."""
    if not rows:
        return schema.empty_table()
    columns = dict(zip(names, zip(*rows, strict=True), strict=True))
    try:
        return pa.Table.from_arrays([pa.array(columns[field.name], field.type) for field in schema], schema=schema)
    except pa.ArrowException:
        return None


def _values(rows: pa.Table) -> list[Any] | None:
    """The values of few rows in their order; None where they are many, or of a type that is not said so."""
    if rows.num_rows * rows.num_columns > _FEW_VALUES or any(field.type not in _TYPES for field in rows.schema):
        return None
    try:
        return [value for row in zip(*(column.to_pylist() for column in rows.columns), strict=True) for value in row]
    except OverflowError:
        # A moment behind the year 9999.
        return None


def _said(rows: pa.Table) -> str:
    """Few rows as SQL reads them, each value a parameter."""
    names = ", ".join(f'"{field.name}"' for field in rows.schema)
    if not rows.num_rows:
        shape = ", ".join(f'NULL::{_TYPES[field.type]} AS "{field.name}"' for field in rows.schema)
        return f"(SELECT {shape} LIMIT 0) {_ARRIVING}"
    return f"({_listed(rows, [_TYPES[field.type] for field in rows.schema])}) {_ARRIVING}({names})"


def _listed(rows: pa.Table, types: Sequence[str] | None = None) -> str:
    """Types are said of the first row: the others follow it."""
    places = iter(range(1, rows.num_rows * rows.num_columns + 1))
    lines = [[f"${next(places)}" for _ in rows.column_names] for _ in range(rows.num_rows)]
    if types is not None:
        lines[0] = [f"{value}::{type}" for value, type in zip(lines[0], types, strict=True)]
    return "VALUES " + ", ".join("(" + ", ".join(line) + ")" for line in lines)
