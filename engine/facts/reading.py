"""Read the CRM once and hand it on as a Snapshot: open the source, stage what is named, count, refuse or build."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb

from engine.definitions.crm import Entity
from engine.definitions.definitions import Definitions
from engine.definitions.project import DuckdbFacts, FilesFacts, PostgresFacts, SnapshotFacts
from engine.errors import DefinitionsInError
from engine.facts import problems as told
from engine.facts.names import suggestion
from engine.facts.needs import everything, needed
from engine.facts.rows import RowsSource
from engine.facts.sandbox import open_sandbox, seal
from engine.facts.snapshot import Needs, Snapshot
from engine.facts.staging import NoTable, Source, SqlRefused, field_column, key_column
from engine.facts.survey import Shape, Survey, build, prepare_walls, shape, survey
from engine.problems import Problem

Facts = DuckdbFacts | FilesFacts | PostgresFacts | SnapshotFacts


@dataclass
class Reading:
    """What was found of each entity, and what is wrong with it. Entities with an error have no table in schema facts."""

    connection: duckdb.DuckDBPyConnection
    shapes: dict[str, Shape] = field(default_factory=dict)
    surveys: dict[str, Survey] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    built: set[str] = field(default_factory=set)


def read_snapshot(definitions: Definitions, source: Facts, *, now: datetime, root: Path, needs: Needs | None = None) -> Snapshot:
    """The CRM at this moment: the fields of `needs`; if not said, those that the definitions name.

    Raises FactsUnreadable when the source cannot be opened, and DefinitionsInError when it does not fit the map: a table
    or column is missing, a value is not of its type, a key occurs twice.
    """
    named = needed(definitions) if needs is None else needs
    with opened(definitions, source, root, named) as (connection, tables):
        return replace(_snapshot(read(definitions, connection, tables, named), now), written_at=_written_at(source, root))


def _written_at(source: Facts, root: Path) -> datetime | None:
    """Naive UTC; of several files the oldest, since each of them may be the one that nobody renews."""
    if isinstance(source, PostgresFacts | SnapshotFacts):
        return None
    if isinstance(source, DuckdbFacts):
        file = root / source.duckdb
        # What was written last may still be beside the file.
        moments = [max(part.stat().st_mtime for part in (file, file.with_name(f"{file.name}.wal")) if part.exists())]
    else:
        moments = [path.stat().st_mtime for path in (root / name for name in source.files.values()) if path.exists()]
    return datetime.fromtimestamp(min(moments), UTC).replace(tzinfo=None) if moments else None


def snapshot_of_rows(definitions: Definitions, rows: Mapping[str, Sequence[Mapping[str, Any]]], *, now: datetime) -> Snapshot:
    """A snapshot of records written by hand, by entity; a row has the key and fields by their names in the map.

    What is not said has no value. Raises DefinitionsInError for an entity or field that the map does not have.
    """
    unknown = told.unknown_rows(definitions, rows)
    if unknown:
        raise DefinitionsInError(unknown)
    connection = open_sandbox()
    seal(connection)
    complete = {name: rows.get(name, ()) for name in definitions.crm.entities}
    # Few records: each statement costs less than its own transaction would.
    connection.begin()
    reading = read(definitions, connection, RowsSource(connection, complete), everything(definitions))
    connection.commit()
    return _snapshot(reading, now)


@contextmanager
def opened(definitions: Definitions, source: Facts, root: Path, needs: Needs) -> Iterator[tuple[duckdb.DuckDBPyConnection, Source]]:
    """The planner's DuckDB, sealed, and the source in it. On an error the connection is closed; else it stays open."""
    connection = open_sandbox()
    try:
        if isinstance(source, DuckdbFacts):
            from engine.facts.duckdb import DuckdbSource

            yield connection, DuckdbSource(connection, root / source.duckdb)
        elif isinstance(source, SnapshotFacts):
            from engine.facts.saved import SavedSource

            yield connection, SavedSource(connection, root / source.snapshot, needs)
        elif isinstance(source, FilesFacts):
            from engine.facts.files import FilesSource

            entities = {name: entity for name, entity in definitions.crm.entities.items() if name in needs}
            yield connection, FilesSource(connection, {name: root / path for name, path in source.files.items()}, entities)
        else:
            from engine.facts.postgres import opened_postgres

            seal(connection)
            with opened_postgres(connection, str(source.postgres), source.schema_) as postgres:
                yield connection, postgres
    except BaseException:
        connection.close()
        raise


def read(definitions: Definitions, connection: duckdb.DuckDBPyConnection, source: Source, needs: Needs) -> Reading:
    """Stage, count and build every entity that is needed; what does not fit is in `problems`, all of it."""
    reading = Reading(connection)
    for name, entity in definitions.crm.entities.items():
        if name not in needs:
            continue
        wanted = [field_name for field_name in entity.fields if field_name in needs[name]]
        found = _stage(definitions, reading, source, name, entity, wanted)
        if found is not None:
            reading.shapes[name] = found
    prepare_walls(connection, [zone for found in reading.shapes.values() for zone in found.zones])
    for name, found in reading.shapes.items():
        counts = _counted(connection, definitions, reading, found)
        if counts is None:
            continue
        reading.surveys[name] = counts
        wrong = told.of_records(definitions, name, found, counts)
        reading.problems.extend(wrong)
        if not any(problem.severity == "error" for problem in wrong):
            build(connection, found, counts)
            reading.built.add(name)
    reading.problems.sort(key=lambda problem: problem.sort_key)
    return reading


def _counted(connection: duckdb.DuckDBPyConnection, definitions: Definitions, reading: Reading, found: Shape) -> Survey | None:
    try:
        return survey(connection, found)
    except duckdb.Error as error:
        # A view of the source fails only when it is read: it names a file, or casts a value that does not convert.
        reading.problems.append(told.sql_refused(definitions, found.name, error))
        return None


def _stage(definitions: Definitions, reading: Reading, source: Source, name: str, entity: Entity, wanted: list[str]) -> Shape | None:
    """The entity's raw records with the columns that are there; problems for what is not."""
    try:
        columns = source.columns(name, entity)
        meant, key = key_column(entity, columns)
        if key is None:
            reading.problems.append(told.no_column(definitions, name, None, meant, columns))
        there = [key] if key is not None else []
        for field_name in wanted:
            meant, column = field_column(field_name, entity.fields[field_name], columns)
            if column is None:
                reading.problems.append(told.no_column(definitions, name, field_name, meant, columns))
            elif column not in there:
                there.append(column)
        if key is None:
            return None
        raw = source.stage(name, entity, there)
    except NoTable as missing:
        reading.problems.append(told.no_table(definitions, name, missing.table, suggestion(missing.table, missing.known)))
        return None
    except SqlRefused as refused:
        reading.problems.append(told.sql_refused(definitions, name, refused))
        return None
    return shape(name, entity, raw, wanted, definitions.project.timezone)


def _snapshot(reading: Reading, now: datetime) -> Snapshot:
    errors = [problem for problem in reading.problems if problem.severity == "error"]
    if errors:
        reading.connection.close()
        raise DefinitionsInError(errors)
    return Snapshot(
        connection=reading.connection,
        taken_at=now,
        counts={name: counts.records - counts.without_key for name, counts in reading.surveys.items()},
        left_out={name: counts.without_key for name, counts in reading.surveys.items()},
        fields={name: tuple(found.fields) for name, found in reading.shapes.items()},
    )
