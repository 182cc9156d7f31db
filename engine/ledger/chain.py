"""The chain that ties each transaction of a ledger to all before it (reliability.md §3.2): what it covers, and its link."""

from __future__ import annotations

import importlib.metadata
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any

import pyarrow as pa


@dataclass
class Transaction:
    """One transaction on its way. What it covers goes into the head hash; one that turns out to change nothing is abandoned."""

    serial: int
    digest: Any = field(default_factory=sha256)
    abandoned: bool = False

    def cover(self, *parts: object) -> None:
        for part in parts:
            self.digest.update(part if isinstance(part, bytes) else str(part).encode("utf-8"))
            self.digest.update(b"\x1f")

    def abandon(self) -> None:
        self.abandoned = True

    def tail(self, kind: str, now: datetime) -> str:
        """What a link of the chain says after the head hash and the serial; the next head hash is the sha256 of the whole."""
        return f"\n{kind}\n{now.isoformat()}\n{self.digest.hexdigest()}"


def digest_of(table: pa.Table) -> bytes:
    """The same for equal tables, however they are cut into chunks."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as stream:
        stream.write_table(table.combine_chunks())
    return sha256(sink.getvalue()).digest()


def known_for(key_ttl_seconds: int) -> timedelta | None:
    """How long a provider surely knows a key after its first use: what it promises, less two minutes or a fifth (T8)."""
    if key_ttl_seconds <= 0:
        return None
    return timedelta(seconds=key_ttl_seconds - max(120, key_ttl_seconds * 0.2))


def tzdata_version() -> str | None:
    """The zones that a run reckoned with, where Python brings its own."""
    try:
        return importlib.metadata.version("tzdata")
    except importlib.metadata.PackageNotFoundError:
        return None
