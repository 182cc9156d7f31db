"""The map's own SELECTs, run in a DuckDB that reaches nothing else: a pull request may bring them, so they end, too."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from threading import Event, Timer

import duckdb

from engine.facts.names import quoted
from engine.facts.sandbox import NotOneSelect, first_line, one_select
from engine.facts.staging import Raw, SqlRefused

# For one statement, as with a CRM in Postgres.
LONGEST_SECONDS = 600.0


def select_of(sql: str) -> str:
    """The SELECT as a relation. Raises SqlRefused for anything else."""
    try:
        return f"(\n{one_select(sql, 'duckdb')}\n)"
    except NotOneSelect as refused:
        raise SqlRefused(str(refused)) from None


def types_of(inside: duckdb.DuckDBPyConnection, relation: str) -> dict[str, str]:
    """The columns of a relation with their types. Raises SqlRefused."""
    with _limited(inside):
        rows = inside.execute(f"DESCRIBE SELECT * FROM {relation}").fetchall()
    return {str(row[0]): str(row[1]) for row in rows}


def stage_select(inside: duckdb.DuckDBPyConnection, name: str, relation: str, columns: Sequence[str]) -> Raw:
    """Run it once into a table of the entity's own: a view over it would run it again for every rule. Raises SqlRefused."""
    staged = f"memory.staging.{quoted(name)}"
    with _limited(inside):
        inside.execute(f"CREATE TABLE {staged} AS SELECT {', '.join(quoted(column) for column in columns)} FROM {relation}")
    return Raw(staged, types_of(inside, staged), copied=True)


@contextmanager
def _limited(inside: duckdb.DuckDBPyConnection) -> Iterator[None]:
    """What runs on the connection is interrupted when its time is over."""
    over = Event()

    def end() -> None:
        over.set()
        inside.interrupt()

    timer = Timer(LONGEST_SECONDS, end)
    timer.daemon = True
    timer.start()
    try:
        yield
    except duckdb.Error as error:
        raise SqlRefused(f"it takes longer than {LONGEST_SECONDS:g} seconds" if over.is_set() else first_line(error)) from None
    finally:
        timer.cancel()
