"""Small ledgers in a line: what a plan would write for a few contacts of a few contracts."""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import datetime, timedelta
from hashlib import sha256
from itertools import count
from typing import Any

import pyarrow as pa

from engine.ledger.keys import send_key
from engine.ledger.records import CHANGES, Candidates, Changes, Claimed, Dispatch, Frozen, Run, Settlement

MONDAY = datetime(2026, 1, 5, 2, 0)
DUE_ON = "2026-02-04"
_run_ids = count(1)


def run(now: datetime = MONDAY, **given: Any) -> Run:
    """One apply."""
    values: dict[str, Any] = {
        "run_id": f"run-{os.getpid()}-{next(_run_ids)}", "now": now, "engine_version": "0.1.0", "definitions_digest": "sha256:d1", "commit": "abc", "compiled": "{}",
        "facts_digest": "sha256:f1", "plan_digest": "sha256:p1", "host": "here", "pid": 1,
    }  # fmt: skip
    return Run(**{**values, **given})


def who(record: str, contact: str | None = None, *, sequence: str = "renewal", occurrence: str = DUE_ON) -> dict[str, Any]:
    """One enrollment's five keys; the contact is named after the record where it is not said."""
    return {"sequence": sequence, "entity": "contract", "record": record, "occurrence": occurrence, "contact": contact or f"ann-{record}"}


def key(record: str, contact: str | None = None, *, step: str = "notice-30", sequence: str = "renewal", occurrence: str = DUE_ON) -> str:
    """Its send key for one step."""
    return send_key(sequence, step, "contract", record, occurrence, contact or f"ann-{record}")


def send(record: str, contact: str | None = None, *, step: str = "notice-30", now: datetime = MONDAY, **given: Any) -> dict[str, Any]:
    """One row of `sends`."""
    names = {name: given.pop(name) for name in ("sequence", "occurrence") if name in given}
    enrollment = who(record, contact, **names)
    address = given.pop("address", f"{enrollment['contact']}@example.com")
    values = {
        "send_key": key(record, contact, step=step, **names), **enrollment, "step": step, "due_at": now, "expires_at": now + timedelta(days=7),
        "template": "renewal-30-days", "locale": "en", "category": "transactional", "topic": None, "address_key": f"k:{address}", "address": address,
        "name": "Ann", "variables": '{"contract_number":"C-1"}', "position": int(record) if record.isdigit() else 0,
    }  # fmt: skip
    return {**values, **given}


def skip(record: str, contact: str | None = None, *, step: str = "notice-30", reason: str = "expired") -> dict[str, Any]:
    """One row of `skips`."""
    return {"send_key": key(record, contact, step=step), **who(record, contact), "step": step, "reason": reason, "detail": None, "due_at": MONDAY}


def changes(**tables: Sequence[dict[str, Any]]) -> Changes:
    """Rows by table."""
    return Changes({name: pa.Table.from_pylist(list(rows), schema=CHANGES[name]) for name, rows in tables.items()})


def enrollment(record: str, contact: str | None = None, **given: Any) -> dict[str, Any]:
    """One row of `enrollments`."""
    return {**who(record, contact, **given), "base_date": datetime(2026, 2, 4).date(), "base_at": None}


def frozen(row: Claimed, text: str = "Dear Ann") -> Frozen:
    """A message for a claimed row."""
    payload = f"{text} {row.send_key}".encode()
    return Frozen(payload, sha256(payload).hexdigest(), "us@example.com", row.address, f"<{row.send_key}@example.com>", "Your contract")


def dispatch(row: Claimed, *, ttl: int = 0, text: str = "Dear Ann", transport: str = "smtp") -> Dispatch:
    """The row, about to leave."""
    return Dispatch(row.send_key, row.token, row.frozen or frozen(row, text), transport, ttl, row.holds if row.items else ())


def said(row: Claimed, state: Any, **given: Any) -> Settlement:
    """What a transport said of it."""
    return Settlement(row.send_key, row.token, state, items=row.holds if row.items else (), **given)


def candidates(
    *occurrences: tuple[str, str, str, str], whole: tuple[str, ...] = (), since: datetime = MONDAY - timedelta(days=30), events: tuple[str, ...] = ()
) -> Candidates:
    """What a plan asks about."""
    names = ("sequence", "entity", "record", "occurrence")
    table = pa.table({name: pa.array([row[place] for row in occurrences], pa.string()) for place, name in enumerate(names)})
    return Candidates(table, whole, since, events=events, ticks=True, memberships=True)
