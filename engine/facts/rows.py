"""Records from Python values: campaign tests, the oracle, and workbooks. Values become text, and the map types them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from math import isnan
from typing import Any

import duckdb
import pyarrow as pa

from engine.definitions.crm import Entity
from engine.facts.names import quoted
from engine.facts.staging import NoTable, Raw
from engine.tables import make


def text_of(value: Any) -> str | None:
    """A value as the text that the map's types read back without loss.

    >>> text_of(12.0), text_of(True), text_of(date(2026, 1, 31)), text_of(None)
    ('12', 'true', '2026-01-31', None)
    """
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        if isnan(value):
            return None
        return str(int(value)) if value.is_integer() and abs(value) <= 2**53 else repr(value)
    if isinstance(value, Decimal):
        text = format(value, "f")
        return text.rstrip("0").rstrip(".") if "." in text else text
    if isinstance(value, datetime):
        return value.isoformat(sep=" ")
    if isinstance(value, date | time):
        return value.isoformat()
    if isinstance(value, timedelta):
        return str(value)
    return str(value)


def store(connection: duckdb.DuckDBPyConnection, relation: str, columns: Sequence[str], rows: Iterable[Sequence[str | None]]) -> Raw:
    """A staging table of text columns."""
    by_column = list(zip(*rows, strict=True)) or [()] * len(columns)
    table = pa.table([pa.array(values, pa.string()) for values in by_column], names=list(columns))
    make(connection, f"CREATE TABLE {relation}", table)
    return Raw(relation, dict.fromkeys(columns, "VARCHAR"), copied=True)


class RowsSource:
    """`columns` and `stage` of Python rows, by entity; a row names the key, and fields by their names in the map."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, rows: Mapping[str, Sequence[Mapping[str, Any]]]) -> None:
        self._connection, self._rows = connection, rows

    def columns(self, name: str, entity: Entity) -> Sequence[str]:
        if name not in self._rows:
            raise NoTable(name, tuple(self._rows))
        columns = dict.fromkeys([entity.key])
        for field_name, field in entity.fields.items():
            columns[field.column or field_name] = None
        return tuple(columns)

    def stage(self, name: str, entity: Entity, columns: Sequence[str]) -> Raw:
        names = {(field.column or field_name): field_name for field_name, field in entity.fields.items()}

        def value(row: Mapping[str, Any], column: str) -> str | None:
            field_name = names.get(column, column)
            return text_of(row[field_name] if field_name in row else row.get(column))

        content = [[value(row, column) for column in columns] for row in self._rows[name]]
        return store(self._connection, f"memory.staging.{quoted(name)}", columns, content)
