"""A world on disk, so that the real engine can run on it: engine.yaml, definitions/**, and the CRM as a DuckDB file."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import yaml

from .facts import Rows
from .model import Project

FOLDERS = ("types", "templates", "segments", "sequences", "enrollments")
COLUMNS = {
    "text": "VARCHAR",
    "integer": "BIGINT",
    "decimal": "DECIMAL(14,2)",
    "boolean": "BOOLEAN",
    "date": "DATE",
    "timestamp": "TIMESTAMP",
}


def write_project(path: Path, project: Project, facts: Rows) -> None:
    """Everything; a ledger that is already in `state/` stays as it is."""
    write_definitions(path, project)
    write_facts(path, project, facts)


def write_definitions(path: Path, project: Project) -> None:
    """One object a file, named by its id; files of objects that are gone are gone."""
    definitions = path / "definitions"
    if definitions.exists():
        shutil.rmtree(definitions)
    _dump(path / "engine.yaml", project["engine"])
    _dump(definitions / "crm.yaml", project["crm"])
    for folder in FOLDERS:
        for name, raw in (project.get(folder) or {}).items():
            _dump(definitions / folder / f"{name}.yaml", raw)


def _dump(path: Path, raw: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(
        yaml.safe_dump(raw, sort_keys=False, allow_unicode=True), encoding="utf-8"
    )


def write_facts(path: Path, project: Project, facts: Rows) -> None:
    """The tables of crm.yaml, with typed columns; a file that is there is replaced."""
    import duckdb

    file = path / "state" / "crm.duckdb"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.unlink(missing_ok=True)
    connection = duckdb.connect(str(file))
    try:
        for name, entity in project["crm"]["entities"].items():
            columns = {entity["key"]: "BIGINT"} | {
                field: COLUMNS[kind if isinstance(kind, str) else kind["type"]]
                for field, kind in entity["fields"].items()
            }
            spelled = ", ".join(
                f'"{column}" {kind}' for column, kind in columns.items()
            )
            connection.execute(f'CREATE TABLE "{entity["table"]}" ({spelled})')
            marks = ", ".join("?" for _ in columns)
            for row in facts.get(name, ()):
                values = [row.get(column) for column in columns]
                connection.execute(
                    f'INSERT INTO "{entity["table"]}" VALUES ({marks})', values
                )
    finally:
        connection.close()
