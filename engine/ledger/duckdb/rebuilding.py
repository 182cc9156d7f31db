"""Writing a ledger's file anew: in a folder beside it, synced, verified, and only then in its place."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb

from engine.errors import EngineError
from engine.ledger.duckdb.opening import connect
from engine.ledger.duckdb.statements import migrations
from engine.tables import WORKERS

# Beside the ledger, for its file must come into place by a rename.
_WORKSHOP = "ledger.making.d"


@contextmanager
def workshop(ledger: Path) -> Iterator[Path]:
    """An empty private folder on the ledger's disk. It goes with whatever is left in it."""
    folder = ledger.parent / _WORKSHOP
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=0o700)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def attached(target: Path | None, **others: Path) -> duckdb.DuckDBPyConnection:
    """A connection to the target (in memory if None) that reads the others by their names, and reaches nothing else."""
    connection = duckdb.connect(
        str(target) if target else ":memory:",
        config={"autoinstall_known_extensions": False, "autoload_known_extensions": False, "threads": WORKERS},
    )
    try:
        for name, path in others.items():
            place = str(path).replace("'", "''")
            connection.execute(f"ATTACH '{place}' AS {name} (READ_ONLY)")
        connection.execute("SET TimeZone = 'UTC'")
        connection.execute("SET python_enable_replacements = false")
        connection.execute("SET enable_external_access = false")
    except BaseException:
        connection.close()
        raise
    return connection


def write_anew(source: Path, target: Path) -> None:
    """The same rows in a new file: nothing of what was deleted is in it."""
    connection = attached(target, source=source)
    try:
        for migration in migrations():
            connection.execute(migration)
        names = [name for (name,) in connection.execute("SELECT table_name FROM duckdb_tables() WHERE database_name = 'source' ORDER BY 1").fetchall()]
        for name in names:
            connection.execute(f"INSERT INTO {name} BY NAME SELECT * FROM source.{name} ORDER BY rowid")
        for name in names:
            counts = connection.execute(f"SELECT (SELECT count(*) FROM {name}), (SELECT count(*) FROM source.{name})").fetchall()[0]
            if counts[0] != counts[1]:
                raise EngineError(f"writing {source} anew lost rows of {name}; it was left as it is", help="run `engine state verify`")
        connection.execute("CHECKPOINT")
    finally:
        connection.close()


def write_without(source: Path, target: Path, erase: Callable[[duckdb.DuckDBPyConnection], None]) -> None:
    """The file anew, and nothing in it of what `erase` takes out."""
    erasing = target.with_name("erasing.duckdb")
    write_anew(source, erasing)
    connection = connect(erasing, read_only=False)
    try:
        erase(connection)
        connection.execute("CHECKPOINT")
    finally:
        connection.close()
    write_anew(erasing, target)


def fold_in(path: Path) -> None:
    """Everything of a closed ledger's log into its file."""
    connection = connect(path, read_only=False)
    try:
        connection.execute("CHECKPOINT")
    finally:
        connection.close()


def put_in_place(made: Path, place: Path) -> None:
    """Durably, all or nothing; the file keeps the rights of the one that it replaces, or is its owner's alone."""
    made.chmod(place.stat().st_mode & 0o777 if place.exists() else 0o600)
    sync(made)
    os.replace(made, place)
    sync(place.parent)


def sync(path: Path) -> None:
    """What was written to the file or the folder is on the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
