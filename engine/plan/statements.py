"""The planner's fixed SQL: files in `sql/`, run whole in their order of sentences."""

from __future__ import annotations

from functools import cache
from importlib import resources

import duckdb


@cache
def _sentences(name: str) -> tuple[duckdb.Statement, ...]:
    # Kept as DuckDB has parsed them: parsing is a fifth of what a plan of a few records costs.
    text = resources.files("engine.plan").joinpath("sql", f"{name}.sql").read_text(encoding="utf-8")
    return tuple(duckdb.extract_statements(text))


def run(cursor: duckdb.DuckDBPyConnection, name: str) -> None:
    """Run every statement of sql/NAME.sql."""
    for sentence in _sentences(name):
        cursor.execute(sentence)
