"""The fixed SQL of `sql/` and the numbered migrations, by name."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from psycopg import sql

_HERE = Path(__file__).parent


@cache
def statement(name: str) -> bytes:
    """The text of `sql/NAME.sql`."""
    return (_HERE / "sql" / f"{name}.sql").read_bytes()


@cache
def with_controls(name: str) -> bytes:
    """The same, asking whether a stop, a pause or a cancellation is about each row."""
    controlled = statement("controlled")
    return statement(name).replace(b"/* controlled */ TRUE", b"NOT " + controlled).replace(b"/* controlled */ FALSE", controlled)


@cache
def migrations() -> tuple[bytes, ...]:
    """The migrations in order: the first makes schema version 1."""
    return tuple(path.read_bytes() for path in sorted((_HERE / "migrations").glob("*.sql")))


SCHEMA_VERSION = len(migrations())


def in_schema(name: str, schema: str) -> bytes:
    """`sql/NAME.sql` for a schema of that name."""
    return statement(name).replace(b"{schema}", quoted(schema).encode())


def quoted(name: str) -> str:
    """The name as an identifier.

    >>> print(quoted('my "x" engine'))
    "my ""x"" engine"
    """
    return sql.Identifier(name).as_string()
