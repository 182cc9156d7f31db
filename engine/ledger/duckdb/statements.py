"""The fixed SQL of `sql/`, by name."""

from __future__ import annotations

from functools import cache
from pathlib import Path

_HERE = Path(__file__).parent


@cache
def statement(name: str) -> str:
    """The text of `sql/NAME.sql`."""
    return (_HERE / "sql" / f"{name}.sql").read_text(encoding="utf-8")


def migrations() -> tuple[str, ...]:
    """The migrations in order; the first makes schema version 1."""
    return tuple(path.read_text(encoding="utf-8") for path in sorted((_HERE / "migrations").glob("*.sql")))


SCHEMA_VERSION = len(migrations())
