"""Arrow tables in and out of Postgres, by COPY (CSV: both sides read and write it without a Python object a row)."""

from __future__ import annotations

import io

import pyarrow as pa
from pyarrow import csv

from engine.ledger.postgres.connecting import Connection
from engine.ledger.postgres.statements import quoted
from engine.ledger.postgres.texts import kept_column, meant_column

_TYPES = {pa.string(): "text", pa.timestamp("us"): "timestamptz", pa.date32(): "date", pa.bool_(): "boolean", pa.int64(): "bigint"}
_PIECE = 1 << 20


def stage(connection: Connection, name: str, table: pa.Table) -> None:
    """A table of this transaction alone with the rows of an Arrow table. A column `send_key` is a uuid."""
    columns = ", ".join(f"{quoted(field.name)} {'uuid' if field.name == 'send_key' else _TYPES[field.type]}" for field in table.schema)
    connection.execute(f"CREATE TEMPORARY TABLE {quoted(name)} ({columns}) ON COMMIT DROP".encode())
    if table.num_rows:
        texts = pa.table([kept_column(column) if pa.types.is_string(column.type) else column for column in table.columns], names=table.schema.names)
        written = io.BytesIO()
        # Texts are quoted and NULL is not: an empty text and no text stay two things.
        csv.write_csv(texts, written, csv.WriteOptions(include_header=False))
        view = written.getbuffer()
        with connection.cursor().copy(f"COPY {quoted(name)} FROM STDIN (FORMAT csv)".encode()) as copy:
            for start in range(0, len(view), _PIECE):
                copy.write(view[start : start + _PIECE])
    # A fresh table has no statistics, and the planner would take it for a small one.
    connection.execute(f"ANALYZE {quoted(name)}".encode())


def fetch(connection: Connection, query: bytes, schema: pa.Schema) -> pa.Table:
    """The rows of a query without parameters, as an Arrow table of that schema."""
    written = io.BytesIO()
    with connection.cursor().copy(b"COPY (" + query + b") TO STDOUT (FORMAT csv)") as copy:
        for piece in copy:
            written.write(piece)
    if not written.tell():
        return schema.empty_table()
    written.seek(0)
    types = {field.name: pa.timestamp("us", "UTC") if pa.types.is_timestamp(field.type) else field.type for field in schema}
    table = csv.read_csv(
        written,
        csv.ReadOptions(column_names=schema.names, block_size=16 << 20),
        csv.ParseOptions(newlines_in_values=True),
        csv.ConvertOptions(
            column_types=types, null_values=[""], strings_can_be_null=True, quoted_strings_can_be_null=False, true_values=["t"], false_values=["f"]
        ),
    )
    columns = [meant_column(column) if pa.types.is_string(column.type) else column for column in table.columns]
    return pa.table(columns, names=schema.names).cast(schema)
