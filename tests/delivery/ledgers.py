"""A real DuckDB ledger with planned rows, and a plain message for each: what the delivery and crash tests begin with."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa

from engine.ledger.duckdb import DuckdbLedger
from engine.ledger.keys import send_key
from engine.ledger.ledger import Ledger
from engine.ledger.records import SENDS, Changes, Claimed, Committed, Run
from engine.messages.message import Message

NOW = datetime(2026, 1, 5, 2, 0)


def make_ledger(folder: Path, now: datetime = NOW) -> Path:
    path = folder / "ledger.duckdb"
    DuckdbLedger.create(path, "harmony", "test", now=now)
    return path


def open_ledger(path: Path, now: datetime = NOW) -> DuckdbLedger:
    return DuckdbLedger.open(path, "harmony", "test", command="engine apply", now=now)


def key_of(number: int, sequence: str = "renewal") -> str:
    return send_key(sequence, "notice-30", "contract", str(number), "2026-02-04", f"c{number}")


def plan(
    ledger: Ledger, numbers: range, now: datetime = NOW, *, run: str = "run-1", more: Callable[[int], Mapping[str, Any]] = lambda number: {}
) -> Committed:
    """Commit one planned send for each number, due now, to person<number>@example.com; `more` changes columns of a row."""
    rows = []
    for number in numbers:
        row: dict[str, Any] = {
            "send_key": key_of(number), "sequence": "renewal", "entity": "contract", "record": str(number), "occurrence": "2026-02-04",
            "contact": f"c{number}", "step": "notice-30", "due_at": now, "expires_at": now + timedelta(days=1), "template": "renewal", "locale": "en",
            "category": "transactional", "topic": None, "address_key": f"{number:064x}", "address": f"person{number}@example.com",
            "name": f"Person {number}", "variables": "{}", "position": number,
        }  # fmt: skip
        rows.append(row | dict(more(number)))
    begun = Run(run, now, "0", "sha256:d", None, "{}", "sha256:f", "sha256:p", "localhost", os.getpid())
    return ledger.commit(begun, Changes({"sends": pa.Table.from_pylist(rows, schema=SENDS)}))


def render(row: Claimed) -> Message:
    """A message that is the same bytes each time it is made."""
    payload = f"To: <{row.address}>\r\nSubject: Your contract {row.record}\r\nX-Engine-Send: {row.send_key}\r\n\r\nIt ends soon.\r\n"
    return Message(row.send_key, "hello@example.org", row.address, f"<{row.send_key}@example.org>", f"Your contract {row.record}", payload.encode())


def states(ledger: DuckdbLedger) -> dict[str, int]:
    """How many rows are in each state, by the ledger's own table."""
    return dict(ledger.connection.execute("SELECT state, count(*) FROM sends GROUP BY state").fetchall())


@dataclass
class FastClock:
    """Time that moves only when somebody waits, so that a retry of five minutes is tested at once."""

    moment: datetime = NOW
    waits: list[float] = field(default_factory=list)

    def now(self) -> datetime:
        return self.moment

    def wait(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.moment += timedelta(seconds=seconds)


@dataclass
class Never:
    """Nothing stops this run."""

    groups: int = 0

    def before_group(self) -> str:
        self.groups += 1
        return ""

    def ending(self) -> bool:
        return False
