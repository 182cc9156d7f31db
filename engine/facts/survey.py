"""How an entity is read from its raw records, and what stands in them: keys, misfits and far dates, counted in one scan."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import duckdb
import pyarrow as pa

from engine.clock import walls as walls_of
from engine.definitions.crm import Entity
from engine.facts.columns import Typed, as_text, has_text, kind_of, naive_wall, typed
from engine.facts.names import literal, quoted
from engine.facts.staging import Raw, field_column, key_column
from engine.tables import execute, make

_WALLS = "memory.staging._walls"


@dataclass(frozen=True, slots=True)
class Shape:
    """The typed key and fields of an entity as SQL over `source`: its raw records, joined to the zones of its timestamps."""

    name: str
    raw: Raw
    source: str
    key: Typed
    fields: Mapping[str, Typed]
    zones: tuple[str, ...]
    # The column itself where it tells records apart as well as its text does: whole numbers are much faster to compare.
    key_number: str | None = None

    @property
    def identity(self) -> str:
        return self.key_number or self.key.value

    @property
    def has_key(self) -> str:
        if self.key_number is not None:
            return f"({self.key_number} IS NOT NULL)"
        return f"(({self.key.value}) IS NOT NULL AND {has_text(self.key.value)})"


@dataclass(frozen=True, slots=True)
class Survey:
    """Counts of one entity: records, those without a key, keys that occur more than once and their records, misfits by field.

    `far` are the fields that hold a date or timestamp beyond the years 1 to 9999.
    """

    records: int
    without_key: int
    double_keys: int
    double_records: int
    key_misfits: int
    misfits: Mapping[str, int]
    far: frozenset[str]


def shape(name: str, entity: Entity, raw: Raw, wanted: Iterable[str], project_zone: str) -> Shape:
    """The entity's key and wanted fields. Columns that are not there are left out here: they are problems told elsewhere."""
    columns = tuple(raw.types)
    key = key_column(entity, columns)[1] or ""
    fields: dict[str, Typed] = {}
    zones: list[str] = []
    source = f"{raw.relation} AS r"
    for field_name in wanted:
        field = entity.fields[field_name]
        column = field_column(field_name, field, columns)[1]
        if column is None:
            continue
        at, duckdb_type = f"r.{quoted(column)}", raw.types[column]
        alias = None
        wall = naive_wall(at, duckdb_type) if field.type == "timestamp" and field.timezone not in (None, "UTC") else None
        if wall is not None:
            alias = f"z{len(zones)}"
            zones.append(str(field.timezone))
            # A wall time meets the last change of its zone before it; LEFT keeps the records that have none.
            source += (
                f" ASOF LEFT JOIN (SELECT wall_from, offset_s, fixed FROM {_WALLS} WHERE zone = {literal(zones[-1])}) AS {alias} ON {wall} >= {alias}.wall_from"
            )
        fields[field_name] = typed(at, duckdb_type, field.type, alias, project_zone)
    key_at = f"r.{quoted(key)}"
    number = key_at if kind_of(raw.types[key]) == "whole" else None
    return Shape(name, raw, source, as_text(key_at, raw.types[key]), fields, tuple(zones), number)


def prepare_walls(connection: duckdb.DuckDBPyConnection, zones: Iterable[str]) -> None:
    """The table that naive timestamps of these zones are joined with (semantics 5.5)."""
    rows = [
        {
            "zone": zone,
            "wall_from": row.wall_from,
            "offset_s": None if row.offset is None else int(row.offset.total_seconds()),
            "fixed": row.fixed,
        }
        for zone in sorted(set(zones))
        for row in walls_of(zone)
    ]
    moment = pa.timestamp("us")
    schema = pa.schema([("zone", pa.string()), ("wall_from", moment), ("offset_s", pa.int64()), ("fixed", moment)])
    make(connection, f"CREATE OR REPLACE TABLE {_WALLS}", pa.Table.from_pylist(rows, schema=schema))


def survey(connection: duckdb.DuckDBPyConnection, shape: Shape) -> Survey:
    """Count what stands there, in one scan, and in a second only where a key occurs twice."""
    counted = ["count(*)", f"count(*) FILTER ({shape.has_key})", f"count(DISTINCT {shape.identity}) FILTER ({shape.has_key})"]
    counted.append(f"count(*) FILTER ({shape.key.misfit})" if shape.key.misfit else "0")
    misfit = [name for name, field in shape.fields.items() if field.misfit is not None]
    outside = [name for name, field in shape.fields.items() if field.outside is not None]
    counted += [f"count(*) FILTER ({shape.fields[name].misfit})" for name in misfit]
    counted += [f"count(*) FILTER ({shape.fields[name].outside})" for name in outside]
    row = _one(connection, f"SELECT {', '.join(counted)} FROM {shape.source}")
    records, with_key, distinct, key_misfits = row[:4]
    misfits = dict(zip(misfit, row[4 : 4 + len(misfit)], strict=True))
    far = frozenset(name for name, count in zip(outside, row[4 + len(misfit) :], strict=True) if count)
    double_keys = double_records = 0
    if distinct < with_key:
        keys = f"SELECT count(*) AS n FROM {shape.source} WHERE {shape.has_key} GROUP BY {shape.identity} HAVING n > 1"
        double_keys, double_records = _one(connection, f"SELECT count(*), coalesce(sum(n), 0) FROM ({keys})")
    return Survey(records, records - with_key - key_misfits, double_keys, int(double_records), key_misfits, misfits, far)


def build(connection: duckdb.DuckDBPyConnection, shape: Shape, counts: Survey) -> None:
    """Make the entity's table in schema facts; a view where every column stands as it is and the source is one table."""
    costly = bool(shape.zones)
    columns = [f"{shape.key.value} AS {quoted('_key')}"]
    costly |= shape.key.plain is None
    for name, field in shape.fields.items():
        plain = field.plain if name not in counts.far else None
        costly |= plain is None
        columns.append(f"{plain or field.value} AS {quoted(name)}")
    where = f" WHERE {shape.has_key}" if counts.without_key or counts.key_misfits else ""
    kind = "TABLE" if costly else "VIEW"
    connection.execute(f"CREATE {kind} memory.facts.{quoted(shape.name)} AS SELECT {', '.join(columns)} FROM {shape.source}{where}")
    if costly and shape.raw.copied:
        connection.execute(f"DROP TABLE IF EXISTS {shape.raw.relation}")


def _one(connection: duckdb.DuckDBPyConnection, sql: str) -> tuple[int, ...]:
    return execute(connection, sql).fetchone() or ()
