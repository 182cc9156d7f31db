"""Another system's log as rows of text: a CSV or Parquet file, or a SELECT against a database."""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb

from engine.definitions.crm import Entity
from engine.definitions.project import DuckdbFacts, PostgresFacts
from engine.errors import EngineError, WrongUsage
from engine.facts.names import literal, quoted
from engine.facts.sandbox import first_line, open_sandbox, seal
from engine.facts.staging import SqlRefused
from engine.runs.opening import Site

KINDS = (".csv", ".parquet", ".sql")
# A field of a CSV file longer than this is a file that is none.
_LONGEST_FIELD = 1 << 20


@dataclass(frozen=True, slots=True)
class LogRow:
    """One row as it was found; what is blank has no value. `line` is the line of a CSV file where it begins, else its number."""

    line: int
    values: Mapping[str, str]


@dataclass(frozen=True)
class Log:
    """A log as it was read. `counts` is what a number of a row counts: lines or rows; `digest` is of its content."""

    name: str
    counts: str
    columns: tuple[str, ...]
    rows: Sequence[LogRow]
    digest: str


def read_log(site: Site, path: Path, url: str | None = None) -> Log:
    """All of it. A `.sql` file is one SELECT, run against `url` or else the environment's facts. Raises EngineError for what cannot be read."""
    if path.suffix.lower() not in KINDS:
        raise WrongUsage(f"{path.name} is of no kind that is known here", help=f"known are {', '.join(KINDS)}; a .sql file holds one SELECT")
    if not path.is_file():
        raise EngineError(f"there is no file {path}", help="name the log of the other system")
    if path.suffix.lower() == ".csv":
        if url is not None:
            raise WrongUsage("--url belongs to a .sql file")
        return _read_csv(path)
    if path.suffix.lower() == ".parquet":
        columns, rows = _read_parquet(path)
    else:
        columns, rows = _read_sql(site, path, url)
    found = [LogRow(number, _filled(columns, row)) for number, row in enumerate(rows, 1)]
    return Log(path.name, "row", _distinct(columns, path), found, _digest(columns, rows))


def _filled(columns: Sequence[str], values: Sequence[str | None]) -> dict[str, str]:
    return {column: value.strip() for column, value in zip(columns, values, strict=False) if value is not None and value.strip()}


def _digest(columns: Sequence[str], rows: Sequence[Sequence[str | None]]) -> str:
    content = hashlib.sha256(repr(tuple(columns)).encode())
    for row in rows:
        content.update(repr(tuple(row)).encode())
    return content.hexdigest()


def _distinct(columns: Sequence[str], path: Path) -> tuple[str, ...]:
    double = sorted({name for name in columns if columns.count(name) > 1})
    if double:
        raise EngineError(f"{path.name} has two columns named `{double[0]}`", help="name each column once")
    return tuple(columns)


def _read_csv(path: Path) -> Log:
    csv.field_size_limit(_LONGEST_FIELD)
    content = hashlib.sha256(path.read_bytes())
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            header = file.readline()
            delimiter = max((",", ";", "\t"), key=header.count)
            file.seek(0)
            reader = csv.reader(file, delimiter=delimiter)
            columns = [name.strip() for name in next(reader, [])]
            rows = list(_lines(reader, columns))
    except UnicodeDecodeError as error:
        raise EngineError(f"{path.name} is not UTF-8 (byte {error.start:,})", help="save it as UTF-8") from None
    except csv.Error as error:
        raise EngineError(f"{path.name} is not a CSV file that can be read: {error}") from None
    if not columns:
        raise EngineError(f"{path.name} is empty", help="its first line must have the names of the columns")
    return Log(path.name, "line", _distinct(columns, path), rows, content.hexdigest())


def _lines(reader: Iterator[list[str]], columns: Sequence[str]) -> Iterator[LogRow]:
    """A row begins on the line behind the one where the row before it ended: a quoted field may hold line breaks."""
    begins = getattr(reader, "line_num", 1) + 1
    for row in reader:
        if row:
            yield LogRow(begins, _filled(columns, row))
        begins = getattr(reader, "line_num", begins) + 1


def _read_parquet(path: Path) -> tuple[list[str], list[tuple[str | None, ...]]]:
    connection = open_sandbox()
    try:
        return _texts(connection, f"read_parquet({literal(str(path))})")
    except duckdb.Error as error:
        raise EngineError(f"{path.name} cannot be read: {first_line(error)[:200]}") from None
    finally:
        connection.close()


def _texts(connection: duckdb.DuckDBPyConnection, relation: str) -> tuple[list[str], list[tuple[str | None, ...]]]:
    """Every value as text; an instant with an offset stands in UTC."""
    columns = [str(row[0]) for row in connection.execute(f"DESCRIBE SELECT * FROM {relation}").fetchall()]
    shown = ", ".join(f"CAST({quoted(column)} AS VARCHAR)" for column in columns)
    return columns, connection.execute(f"SELECT {shown} FROM {relation}").fetchall()


def _read_sql(site: Site, path: Path, url: str | None) -> tuple[list[str], list[tuple[str | None, ...]]]:
    facts = site.environment.facts
    entity = Entity(sql=path.read_text(encoding="utf-8-sig"), key="key", fields={})
    connection = open_sandbox()
    try:
        if url is not None or isinstance(facts, PostgresFacts):
            return _from_postgres(
                connection, entity, url if url is not None else str(getattr(facts, "postgres", "")), None if url else getattr(facts, "schema_", None)
            )
        if isinstance(facts, DuckdbFacts):
            from engine.facts.duckdb import DuckdbSource

            source = DuckdbSource(connection, site.root / facts.duckdb)
            return _texts(connection, source.stage("log", entity, list(source.columns("log", entity))).relation)
    except SqlRefused as refused:
        raise EngineError(f"the SQL of {path.name} cannot be run: {refused}", help="it has to be one SELECT in the database's own dialect") from None
    finally:
        connection.close()
    raise WrongUsage("a .sql file needs a database: the facts of this environment are files", help="name one with --url postgresql://…")


def _from_postgres(connection: duckdb.DuckDBPyConnection, entity: Entity, url: str, schema: str | None) -> tuple[list[str], list[tuple[str | None, ...]]]:
    from engine.facts.postgres import opened_postgres

    seal(connection)
    with opened_postgres(connection, url, schema) as source:
        return _texts(connection, source.stage("log", entity, list(source.columns("log", entity))).relation)
