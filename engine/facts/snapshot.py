"""What a snapshot is: the CRM's records at one moment, in a DuckDB connection of their own."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from types import TracebackType
from typing import Self

import duckdb

from engine.facts.names import quoted

# Which fields of which entities are read; an entity with an empty set is read for its keys alone.
Needs = Mapping[str, frozenset[str]]


@dataclass(frozen=True)
class Snapshot:
    """Schema `facts` of `connection` has a table or view per entity: "_key" VARCHAR, and one column per field.

    text VARCHAR, integer BIGINT, decimal DECIMAL(38,10), boolean BOOLEAN, date DATE, timestamp TIMESTAMP (naive UTC).
    Dates and timestamps beyond the years 1 to 9999, infinity too, stand at the nearest end of them.
    The connection can read no file and no network; tables may be created in it. `close()` gives the source back.
    """

    connection: duckdb.DuckDBPyConnection
    taken_at: datetime
    counts: Mapping[str, int]
    left_out: Mapping[str, int]
    fields: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    # When the source was last written, where it is files; None for a database that is read as it is, and for rows by hand.
    written_at: datetime | None = None

    @cached_property
    def digest(self) -> str:
        """Of the records as a set: the order of rows, and the kind of source they came from, are not in it."""
        content = hashlib.sha256()
        cursor = self.connection.cursor()
        for entity in sorted(self.counts):
            names = sorted(self.fields[entity])
            columns = ", ".join(quoted(name) for name in ("_key", *names))
            # A record's hash is summed: independent of the order, and of how DuckDB splits the work between threads.
            row = cursor.execute(f"SELECT count(*), sum(hash({columns})), bit_xor(hash('x', {columns})) FROM facts.{quoted(entity)}").fetchone()
            content.update(repr((entity, names, row)).encode())
        cursor.close()
        return f"sha256:{content.hexdigest()}"

    def close(self) -> None:
        self.connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()
