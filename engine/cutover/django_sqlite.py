"""The Django CRM's tables in an SQLite file, which `manage.py` makes where no database server is named. Opened so that nothing can be written."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import quote, unquote

from engine.errors import FactsUnreadable
from engine.facts.names import quoted
from engine.facts.staging import NoTable

SCHEME = "sqlite:///"
_HEX = re.compile(r"[0-9a-f]{32}")
_MOMENT = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(\.\d+)?")
_CANNOT = "check the path behind sqlite:///, and that this user may read the file"


class SqliteTables:
    """The tables of one moment."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def rows(self, table: str) -> tuple[Sequence[str], list[tuple[str | None, ...]]]:
        """Columns and rows as text, as Postgres would write them. NoTable where there is none of this name."""
        described = self._connection.execute("SELECT name, lower(type) FROM pragma_table_info(?)", [table]).fetchall()
        if not described:
            raise NoTable(table, ())
        columns = [str(name) for name, _ in described]
        types = [str(kind) for _, kind in described]
        shown = ", ".join(f"CAST({quoted(column)} AS TEXT)" for column in columns)
        found = self._connection.execute(f"SELECT {shown} FROM {quoted(table)}")
        return columns, [tuple(_as_postgres(value, kind) for value, kind in zip(row, types, strict=True)) for row in found]


@contextmanager
def opened_sqlite(url: str) -> Iterator[SqliteTables]:
    """The file for the time of the block. Raises FactsUnreadable."""
    path = Path(unquote(url.removeprefix(SCHEME)))
    if not path.is_file():
        raise FactsUnreadable(f"there is no file {path}", help=_CANNOT)
    try:
        with closing(sqlite3.connect(f"file:{quote(str(path))}?mode=ro", uri=True, isolation_level=None)) as connection:
            connection.text_factory = lambda raw: raw.decode("utf-8", "replace")
            # The file is somebody else's: its views and triggers get no functions that reach out, and nothing is written whatever they say.
            connection.execute("PRAGMA trusted_schema = OFF")
            connection.execute("PRAGMA query_only = ON")
            connection.execute("BEGIN")
            yield SqliteTables(connection)
    except sqlite3.Error as error:
        raise FactsUnreadable(f"{path} cannot be read as an SQLite database: {error}", help=_CANNOT) from None


def _as_postgres(value: str | None, kind: str) -> str | None:
    """Django keeps UUIDs without hyphens there, and moments in UTC without saying so.

    >>> _as_postgres("00000000000000000000000000000011", "char(32)"), _as_postgres("2026-03-01 02:00:00", "datetime")
    ('00000000-0000-0000-0000-000000000011', '2026-03-01 02:00:00+00')
    """
    if value is None:
        return None
    if kind == "char(32)" and _HEX.fullmatch(value):
        return f"{value[:8]}-{value[8:12]}-{value[12:16]}-{value[16:20]}-{value[20:]}"
    if kind == "datetime" and _MOMENT.fullmatch(value):
        return f"{value}+00"
    return value
