"""A story in a few lines: records, sequences in YAML, and what is planned and applied at which local moments.

    story = tell(RENEWAL, contract(7, end_date="2026-04-01"))
    assert story.plan("2026-03-02 09:00") == ["7>1 notice-30: send due, 2026-03-02 09:00"]

A line is `RECORD>CONTACT STEP: DECISION REASON, DUE`; what a decision does not have is left out. Moments are local to the
project's timezone. Applies are real: a DuckDB ledger, every send claimed, dispatched and settled.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from textwrap import dedent
from typing import Any
from uuid import uuid4
from zoneinfo import ZoneInfo

import yaml

from engine.definitions.definitions import Definitions
from engine.definitions.loading import load
from engine.definitions.trees import MemoryTree
from engine.ledger.duckdb import DuckdbLedger
from engine.ledger.history import SendFilter
from engine.ledger.orders import Order
from engine.ledger.pseudonyms import Pseudonyms
from engine.ledger.records import Changes, Claimed, Dispatch, Frozen, Run, Settlement
from engine.plan.plan import Plan, SequenceSummary
from engine.plan.planning import make_plan
from tests.quick import Records, new_ledger

from .base import Row, base_files, company, contact

KEY = Pseudonyms(b"stories" * 6)
# What tells the entity of a row that a story gives.
_OWN_FIELD = {"end_date": "contract", "signed_at": "contract", "number": "contract", "due_date": "invoice", "email": "contact", "industry": "company"}


@cache
def _loaded(files: tuple[tuple[str, str], ...]) -> Definitions:
    """The definitions of these files; many stories begin with the same."""
    loaded = load(MemoryTree({path: text.encode() for path, text in files}))
    errors = [f"{problem.code} {problem.message} ({problem.origin})" for problem in loaded.problems if problem.severity == "error"]
    assert loaded.definitions is not None and not errors, errors
    return loaded.definitions


@dataclass
class Story:
    """Definitions as files, records, and the ledger that remembers what the applies did."""

    folder: Path
    files: dict[str, str]
    rows: dict[str, list[Row]]
    zone: str
    allowed: Mapping[str, float] = field(default_factory=dict)
    ledger: DuckdbLedger = field(init=False)
    definitions: Definitions = field(init=False)
    records: Records = field(default_factory=Records, init=False)

    def __post_init__(self) -> None:
        self.ledger = new_ledger(self.folder, "stories", KEY)
        self.load()

    # --- what is there ------------------------------------------------------------------------------------------------

    def load(self) -> None:
        self.definitions = _loaded(tuple(sorted(self.files.items())))
        self.ledger.know(self.definitions.former_names)

    def write(self, *texts: str) -> None:
        """Write sequences over what was there."""
        self.files |= sequences(*texts)
        self.load()

    def change(self, old: str, new: str) -> None:
        """One text that stands once in all sequences, replaced."""
        names = [path for path, text in self.files.items() if old in text and "/sequences/" in path]
        assert len(names) == 1 and self.files[names[0]].count(old) == 1, f"{old!r} is in {names}"
        self.files[names[0]] = self.files[names[0]].replace(old, new)
        self.load()

    def remove(self, path: str) -> None:
        del self.files[f"definitions/{path}.yaml"]
        self.load()

    def file(self, path: str, text: str) -> None:
        """Write `definitions/PATH.yaml`."""
        self.files[f"definitions/{path}.yaml"] = dedent(text)
        self.load()

    def now_has(self, *rows: Row) -> None:
        """Records that are as they are said from now on; others stay."""
        for row in rows:
            entity = entity_of(row)
            others = [other for other in self.rows.get(entity, []) if other["id"] != row["id"]]
            self.rows[entity] = sorted([*others, row], key=lambda one: int(one["id"]))

    def lost(self, entity: str, id: int) -> None:
        self.rows[entity] = [row for row in self.rows[entity] if row["id"] != id]

    # --- what happens -------------------------------------------------------------------------------------------------

    def plan(self, at: str, *, of: str | None = None) -> list[str]:
        return self.lines(self.planned(at), of=of)

    def planned(self, at: str) -> Plan:
        snapshot = self.records.snapshot(self.definitions, self.rows, self.utc(at))
        return make_plan(self.definitions, snapshot, self.ledger.view, self.utc(at), environment="dev", address_key=KEY.address_key, allowed=self.allowed)

    def apply(self, at: str, *, of: str | None = None, **ends: str) -> list[str]:
        """Plan, write, and settle every send; `person1="failed"` is what becomes of that address."""
        return self.lines(self.applied(at, **ends), of=of)

    def applied(self, at: str, **ends: str) -> Plan:
        plan = self.committed(at)
        if plan.applyable:
            self.deliver(at, **ends)
        return plan

    def committed(self, at: str) -> Plan:
        """The first half of an apply: what the plan decided is written, and nothing is sent."""
        plan = self.planned(at)
        if plan.applyable:
            run = Run(str(uuid4()), plan.now, "0", plan.definitions.digest, None, "{}", plan.facts_digest, "x", "host", 1)
            self.ledger.commit(run, Changes(plan.changes))
            self.ledger.finish_run(run.run_id, "done", {}, plan.now)
        return plan

    def deliver(self, at: str, **ends: str) -> list[str]:
        """The second half: claim, dispatch, settle. Who was written to."""
        now = self.utc(at)
        claimed = self.ledger.claim("test", 10_000, now)
        assert self.ledger.begin_dispatch([Dispatch(c.send_key, c.token, _frozen(c), "test", 0, c.holds if c.items else ()) for c in claimed], now) == {c.send_key for c in claimed}
        outcomes: Any = [Settlement(c.send_key, c.token, ends.get(c.address.split("@")[0], "sent"), items=c.holds if c.items else ()) for c in claimed]  # type: ignore[arg-type]  # failed and unknown are states
        self.ledger.settle(outcomes, now)
        return sorted(c.address for c in claimed)

    def order(self, verb: str, at: str, **keys: Any) -> None:
        """`engine pause`, `cancel`, `stop` …; `address=` for suppressions."""
        if "address" in keys:
            keys["address_key"] = KEY.address_key(keys.pop("address"))
        self.ledger.take_in({str(uuid4()): Order(verb, self.utc(at), "test", **keys)}, self.utc(at))  # type: ignore[arg-type]  # verbs are written in the stories

    def enroll(self, sequence: str, record: int, at: str, *, entity: str = "contact", override: bool = False) -> None:
        self.ledger.enroll_by_hand(sequence, entity, [str(record)], by="test", note="", now=self.utc(at), override=override)

    def event(self, name: str, record: int, id: str, at: str, *, entity: str = "contact", told: str | None = None) -> None:
        """`engine event NAME --record ENTITY:KEY --id ID --at AT`."""
        self.order("event", told or at, event=name, event_id=id, entity=entity, record=str(record), happened_at=self.utc(at))

    def resend(self, contact: int, step: str, at: str) -> None:
        """`engine resolve SEND --as resend` of the one send in doubt."""
        keys = [row.send_key for row in self.ledger.sends(SendFilter(state="unknown"), limit=1000).rows if (row.contact, row.step) == (str(contact), step)]
        assert len(keys) == 1, keys
        self.ledger.resolve(keys[0], "resend", by="test", note="", now=self.utc(at))

    # --- what is said of it -------------------------------------------------------------------------------------------

    def utc(self, at: str) -> datetime:
        """The local moment as naive UTC; one with an offset is taken as it is."""
        moment = datetime.fromisoformat(at)
        return (moment if moment.tzinfo else moment.replace(tzinfo=ZoneInfo(self.zone))).astimezone(UTC).replace(tzinfo=None)

    def local(self, moment: datetime) -> datetime:
        return moment.replace(tzinfo=UTC).astimezone(ZoneInfo(self.zone))

    def lines(self, plan: Plan, *, of: str | None = None) -> list[str]:
        return [self.line(row) for row in plan.decisions.to_pylist() if of in (None, row["sequence"])]

    def line(self, row: Mapping[str, Any]) -> str:
        who = row["record"] if row["contact"] in (None, row["record"]) and row["entity"] == "contact" else f"{row['record']}>{row['contact'] or '-'}"
        where = f"{who} {row['step']}" if row["step"] else who
        due = "" if row["due"] is None else f", {self.local(row['due']):%Y-%m-%d %H:%M}"
        return f"{where}: {row['decision']} {row['reason']}{due}"

    def dues(self, at: str) -> list[str]:
        """The due moments with their offsets: what tells the two hours of one wall time apart."""
        return [self.local(row["due"]).isoformat() for row in self.planned(at).decisions.to_pylist() if row["due"]]

    def sends(self, at: str) -> list[str]:
        """Only the sends of a plan."""
        return [line for line in self.plan(at) if ": send " in line]

    def goes_exactly_at(self, at: str) -> list[str]:
        """The sends planned at this local minute; a minute earlier there is none."""
        before = (datetime.fromisoformat(at) - timedelta(minutes=1)).isoformat(" ")
        assert self.sends(before) == [], f"already due at {before}"
        return self.sends(at)

    def funnel(self, at: str, sequence: str | None = None) -> SequenceSummary:
        """The counters of the story's only sequence, or of the one named."""
        found = [summary for summary in self.planned(at).sequences if sequence in (None, summary.id)]
        assert len(found) == 1, [summary.id for summary in found]
        return found[0]

    def sent(self) -> list[str]:
        """Every send of the ledger with its state: `7>1 notice-30 sent`, the oldest first."""
        rows = self.ledger.sends(limit=1000).rows
        found = [(row.decided_at, f"{row.record}>{row.contact} {row.step} {row.state}") for row in rows if row.state != "skipped"]
        return [text for _, text in sorted(found)]

    def state_of(self, contact: int, step: str) -> str:
        """What the ledger says of one step: sent, failed, planned, cancelled, skipped …"""
        found = [row.state for row in self.ledger.sends(limit=1000).rows if (row.contact, row.step) == (str(contact), step)]
        assert len(found) == 1, found
        return str(found[0])


def _frozen(c: Claimed) -> Frozen:
    return Frozen(payload=b"x", payload_hash=c.send_key, sender="a@example.com", recipient=c.address, message_id=f"<{c.send_key}@example.com>", subject="s")


def sequences(*texts: str) -> dict[str, str]:
    """Files of sequences by path, from their texts."""
    found = {}
    for text in texts:
        plain = dedent(text)
        found[f"definitions/sequences/{yaml.safe_load(plain)['id']}.yaml"] = plain
    return found


def entity_of(row: Row) -> str:
    return next(entity for name, entity in _OWN_FIELD.items() if name in row)


class Teller:
    """Makes stories in a folder of their own and closes their ledgers."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.stories: list[Story] = []

    def __call__(self, *said: str | Row, zone: str = "Asia/Bangkok", more: str = "", nobody: bool = False, segments: tuple[str, ...] = ()) -> Story:
        """Texts are sequences, mappings are records. Company 1 and contact 1 are there unless others are said."""
        rows: dict[str, list[Row]] = {}
        for row in said:
            if isinstance(row, dict):
                rows.setdefault(entity_of(row), []).append(row)
        rows.setdefault("company", [company(1)])
        rows.setdefault("contact", [] if nobody else [contact(1)])
        files = base_files(zone, more) | sequences(*(text for text in said if isinstance(text, str)))
        files |= {f"definitions/segments/{yaml.safe_load(text)['id']}.yaml": text for text in segments}
        folder = self.folder / str(len(self.stories))
        folder.mkdir()
        story = Story(folder, files, rows, zone)
        self.stories.append(story)
        return story

    def close(self) -> None:
        for story in self.stories:
            story.ledger.close()
            story.records.close()


def teller(folder: Path) -> Iterator[Teller]:
    made = Teller(folder)
    try:
        yield made
    finally:
        made.close()
