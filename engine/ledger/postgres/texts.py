"""What Postgres cannot hold or says in another way: the character NUL in a text, and instants that are naive UTC here.

A text with NUL is kept with each NUL as SUB 0 and each SUB as SUB 1 (SUB is U+001A): every text has one such form and every form
one text, so equal texts stay equal. Nearly no text has either character, and all others are kept as they are.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import psycopg
import pyarrow as pa
import pyarrow.compute as pc
from psycopg.abc import Buffer
from psycopg.adapt import Dumper, Loader
from psycopg.types.datetime import TimestamptzLoader

_TIMESTAMPTZ = 1184


def kept(text: str) -> str:
    """The text as Postgres can hold it.

    >>> kept("a\\0b\\x1a"), kept("ก")
    ('a\\x1a0b\\x1a1', 'ก')
    """
    if "\0" in text or "\x1a" in text:
        return text.replace("\x1a", "\x1a1").replace("\0", "\x1a0")
    return text


def meant(text: str) -> str:
    """The text that was kept.

    >>> meant(kept("a\\0b\\x1a\\x1a0"))
    'a\\x00b\\x1a\\x1a0'
    """
    if "\x1a" in text:
        return text.replace("\x1a0", "\0").replace("\x1a1", "\x1a")
    return text


def kept_column(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """The same for a column of texts."""
    if pc.any(pc.match_substring_regex(column, "[\\x00\\x1a]")).as_py():
        return pa.chunked_array([pa.array([None if text is None else kept(text) for text in column.to_pylist()], pa.string())])
    return column


def meant_column(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """The texts that were kept."""
    if pc.any(pc.match_substring(column, "\x1a")).as_py():
        return pa.chunked_array([pa.array([None if text is None else meant(text) for text in column.to_pylist()], pa.string())])
    return column


class _TextDumper(Dumper):
    def dump(self, obj: Any) -> bytes:
        return kept(obj).encode("utf-8")


class _TextLoader(Loader):
    def load(self, data: Buffer) -> str:
        return meant(bytes(data).decode("utf-8"))


class _InstantDumper(Dumper):
    oid = _TIMESTAMPTZ

    def dump(self, obj: Any) -> bytes:
        instant: datetime = obj
        return (instant if instant.tzinfo is None else instant.astimezone(UTC).replace(tzinfo=None)).isoformat().encode("ascii") + b"+00"


class _InstantLoader(TimestamptzLoader):
    def load(self, data: Buffer) -> datetime:
        return super().load(data).astimezone(UTC).replace(tzinfo=None)


def adapt(connection: psycopg.Connection[Any]) -> None:
    """Let the connection take and give texts and instants as the engine means them."""
    connection.adapters.register_dumper(str, _TextDumper)
    connection.adapters.register_dumper(datetime, _InstantDumper)
    for name in ("text", "varchar", "name"):
        connection.adapters.register_loader(name, _TextLoader)
    connection.adapters.register_loader("timestamptz", _InstantLoader)
