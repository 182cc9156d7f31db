"""The ledger as it was at a past moment, for looking back: what came later is left out (semantics 1.1 at another now)."""

from __future__ import annotations

import re
from datetime import datetime
from functools import cache
from pathlib import Path

import pyarrow as pa

from engine.ledger.records import INSTANT

_TEXT = Path(__file__).with_name("as_of.sql")


@cache
def views(ledger: str) -> str:
    """The statements that put a past ledger's views before its tables; `ledger` is where those are, quoted."""
    return _TEXT.read_text(encoding="utf-8").replace("{ledger}", ledger)


@cache
def shadowed() -> tuple[str, ...]:
    """The tables that the views stand before."""
    return tuple(re.findall(r"^CREATE TEMPORARY VIEW (\w+)", _TEXT.read_text(encoding="utf-8"), re.MULTILINE))


def moment_table(moment: datetime) -> pa.Table:
    """The one row of `as_of`."""
    return pa.table({"moment": pa.array([moment], INSTANT)})
