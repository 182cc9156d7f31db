"""A CRM as `engine snapshot` left it: a folder with a Parquet file for each entity, its columns named as the map names them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import duckdb

from engine.definitions.crm import Entity
from engine.errors import FactsUnreadable
from engine.facts.names import literal, quoted
from engine.facts.sandbox import first_line, seal
from engine.facts.staging import NoTable, Raw

FOLDER = "facts"


class SavedSource:
    """`columns` and `stage` of a folder of facts. An entity's own SQL was run when the snapshot was made, and is not run again."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, folder: Path, entities: Iterable[str]) -> None:
        if not (folder / FOLDER).is_dir():
            raise FactsUnreadable(f"there is no snapshot in {folder}", help="`engine snapshot --anonymise --out DIR` makes one")
        self._tables: dict[str, Raw] = {}
        connection.execute("CREATE SCHEMA saved")
        for name in entities:
            path = folder / FOLDER / f"{name}.parquet"
            if not path.is_file():
                continue
            relation = f"memory.saved.{quoted(name)}"
            try:
                connection.execute(f"CREATE TABLE {relation} AS SELECT * FROM read_parquet({literal(str(path))})")
            except duckdb.Error as error:
                raise FactsUnreadable(f"the file {path.name} of the snapshot cannot be read: {first_line(error)[:200]}") from None
            self._tables[name] = Raw(relation, {str(row[0]): str(row[1]) for row in connection.execute(f"DESCRIBE {relation}").fetchall()}, copied=True)
        seal(connection)

    def columns(self, name: str, entity: Entity) -> Sequence[str]:
        return tuple(self._table(name).types)

    def stage(self, name: str, entity: Entity, columns: Sequence[str]) -> Raw:
        return self._table(name)

    def _table(self, name: str) -> Raw:
        if name not in self._tables:
            raise NoTable(name, tuple(self._tables))
        return self._tables[name]
