"""A CRM in files: CSV, Parquet, JSON (DuckDB's own readers) and Excel workbooks, each a table by its name in engine.yaml."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import duckdb

from engine.definitions.crm import Entity
from engine.errors import FactsUnreadable
from engine.facts import rows
from engine.facts.map_sql import select_of, stage_select, types_of
from engine.facts.names import find, literal, quoted
from engine.facts.sandbox import first_line, seal
from engine.facts.staging import NoTable, Raw

KINDS = (".csv", ".parquet", ".json", ".jsonl", ".ndjson", ".xlsx")


class FilesSource:
    """`columns` and `stage` of files. Only the tables that an entity names are loaded; the map's SQL sees all of them."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, files: Mapping[str, Path], entities: Mapping[str, Entity]) -> None:
        self._connection = connection
        self._tables: dict[str, Raw] = {}
        connection.execute("CREATE SCHEMA files")
        everything = any(entity.sql is not None for entity in entities.values())
        named = {find(entity.table, files) for entity in entities.values() if entity.table is not None}
        for table, path in files.items():
            if everything or table in named:
                self._tables[table] = _load(connection, table, path)
        self._known = tuple(files)
        self._inside = connection.cursor()
        self._inside.execute("SET search_path = 'memory.files'")
        seal(connection)

    def columns(self, name: str, entity: Entity) -> Sequence[str]:
        if entity.sql is None:
            return tuple(self._table(entity).types)
        return tuple(types_of(self._inside, select_of(entity.sql)))

    def stage(self, name: str, entity: Entity, columns: Sequence[str]) -> Raw:
        if entity.sql is None:
            # Two entities may be of one table: it stays for the other, and is not the entity's own to drop.
            raw = self._table(entity)
            return Raw(raw.relation, raw.types, copied=False)
        return stage_select(self._inside, name, select_of(entity.sql), columns)

    def _table(self, entity: Entity) -> Raw:
        found = find(entity.table or "", self._tables)
        if found is None:
            raise NoTable(entity.table or "", self._known)
        return self._tables[found]


def _load(connection: duckdb.DuckDBPyConnection, table: str, path: Path) -> Raw:
    if not path.is_file():
        raise FactsUnreadable(f"the file {path.name} of the table `{table}` is not there ({path})", help="the environment's `facts:` in engine.yaml names it")
    kind = path.suffix.lower()
    relation = f"memory.files.{quoted(table)}"
    try:
        if kind == ".xlsx":
            return _load_workbook(connection, relation, table, path)
        if kind == ".csv":
            reader = _csv(path)
        elif kind == ".parquet":
            reader = f"read_parquet({literal(str(path))})"
        elif kind in (".json", ".jsonl", ".ndjson"):
            reader = _json(connection, path)
        else:
            raise FactsUnreadable(f"the file {path.name} of the table `{table}` is of no known kind", help=f"known are {', '.join(KINDS)}")
        connection.execute(f"CREATE TABLE {relation} AS SELECT * FROM {reader}")
    except duckdb.Error as error:
        raise FactsUnreadable(f"the file {path.name} of the table `{table}` cannot be read: {_without_content(error)}") from None
    described = connection.execute(f"DESCRIBE {relation}").fetchall()
    return Raw(relation, {str(row[0]): str(row[1]) for row in described}, copied=True)


def _without_content(error: duckdb.Error) -> str:
    # The lines below the first quote the file's own rows, which may be people.
    return first_line(error)[:200]


def _csv(path: Path) -> str:
    # Only the delimiter is guessed. Guessing more would skip lines that look odd, and take a first row for a header or not.
    return f"read_csv({literal(str(path))}, all_varchar = true, header = true, skip = 0, comment = '', quote = '\"', escape = '\"', sample_size = -1)"


def _json(connection: duckdb.DuckDBPyConnection, path: Path) -> str:
    place = literal(str(path))
    names = [str(row[0]) for row in connection.execute(f"DESCRIBE SELECT * FROM read_json({place}, sample_size = -1, maximum_depth = 1)").fetchall()]
    columns = ", ".join(f"{literal(name)}: 'VARCHAR'" for name in names)
    return f"read_json({place}, columns = {{{columns}}})"


def _load_workbook(connection: duckdb.DuckDBPyConnection, relation: str, table: str, path: Path) -> Raw:
    """The sheet named as the table, else the first. Its first row that is not empty has the names of the columns."""
    try:
        from python_calamine import CalamineError, CalamineWorkbook
    except ImportError:
        raise FactsUnreadable("Excel workbooks need the extra `excel`", help="pip install 'campaigns-as-code[excel]'") from None
    try:
        workbook = CalamineWorkbook.from_path(str(path))
        sheet = find(table, workbook.sheet_names) or workbook.sheet_names[0]
        cells: list[list[Any]] = workbook.get_sheet_by_name(sheet).to_python(skip_empty_area=True)
    except (CalamineError, OSError, IndexError) as error:
        raise FactsUnreadable(f"the workbook {path.name} of the table `{table}` cannot be read: {first_line(error)}") from None
    filled = [row for row in cells if any(cell not in (None, "") for cell in row)]
    if not filled:
        raise FactsUnreadable(f"the sheet `{sheet}` of {path.name} is empty", help="its first row must have the names of the columns")
    header = [rows.text_of(cell) or "" for cell in filled[0]]
    named = [index for index, name in enumerate(header) if name.strip()]
    names = [header[index].strip() for index in named]
    double = sorted({name for name in names if names.count(name) > 1})
    if double:
        raise FactsUnreadable(f"the sheet `{sheet}` of {path.name} has two columns named `{double[0]}`")
    content = [[rows.text_of(None if row[index] == "" else row[index]) for index in named] for row in filled[1:]]
    return rows.store(connection, relation, names, content)
