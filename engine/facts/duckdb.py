"""A CRM in a DuckDB file: attached read-only, so that tables are read where they lie."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import duckdb

from engine.definitions.crm import Entity
from engine.errors import FactsUnreadable
from engine.facts.map_sql import select_of, stage_select, types_of
from engine.facts.names import find, literal, quoted
from engine.facts.sandbox import first_line, seal
from engine.facts.staging import NoTable, Raw


class DuckdbSource:
    """`columns` and `stage` of a DuckDB file. The map's SQL runs in it with the file's tables in sight, and nothing else."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, path: Path) -> None:
        self._connection = connection
        _attach(connection, path)
        self._inside = connection.cursor()
        self._inside.execute("USE source.main")
        seal(connection)
        rows = connection.execute(
            "SELECT schema_name, table_name FROM duckdb_tables() WHERE database_name = 'source' AND NOT internal"
            " UNION ALL SELECT schema_name, view_name FROM duckdb_views() WHERE database_name = 'source' AND NOT internal ORDER BY ALL"
        ).fetchall()
        self._tables = {(table if schema == "main" else f"{schema}.{table}"): f"source.{quoted(schema)}.{quoted(table)}" for schema, table in rows}

    def columns(self, name: str, entity: Entity) -> Sequence[str]:
        return tuple(types_of(self._inside, self._relation(entity)))

    def stage(self, name: str, entity: Entity, columns: Sequence[str]) -> Raw:
        relation = self._relation(entity)
        if entity.sql is None:
            return Raw(relation, types_of(self._inside, relation), copied=False)
        return stage_select(self._inside, name, relation, columns)

    def _relation(self, entity: Entity) -> str:
        if entity.sql is not None:
            return select_of(entity.sql)
        table = entity.table or ""
        found = find(table.removeprefix("main."), self._tables)
        if found is None:
            raise NoTable(table, tuple(self._tables))
        return self._tables[found]


def _attach(connection: duckdb.DuckDBPyConnection, path: Path) -> None:
    if not path.is_file():
        raise FactsUnreadable(
            f"the CRM file {path.name} is not there ({path})", help="the environment's `facts:` in engine.yaml names it; `engine init` makes a demo CRM"
        )
    try:
        connection.execute(f"ATTACH {literal(str(path))} AS source (READ_ONLY)")
    except duckdb.IOException as error:
        text = first_line(error)
        if "lock" in text:
            holder = text.partition("held in ")[2].partition(". See")[0]
            raise FactsUnreadable(
                f"the CRM file {path.name} is open for writing in another program" + (f": {holder}" if holder else ""),
                help="a DuckDB file cannot be read while another process writes to it; close that program, or let it write a copy",
            ) from None
        raise FactsUnreadable(f"the CRM file {path.name} cannot be opened: {text}") from None
    except duckdb.Error as error:
        raise FactsUnreadable(f"the CRM file {path.name} cannot be opened: {first_line(error)}", help="is it a DuckDB database?") from None
