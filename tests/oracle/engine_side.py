"""The real engine on its way through a story of the oracle: real loader, real DuckDB facts, real ledger, every send settled."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import yaml

from engine.clock import naive_utc
from engine.definitions.definitions import Definitions
from engine.definitions.loading import load
from engine.definitions.trees import MemoryTree
from engine.ledger.duckdb import DuckdbLedger
from engine.ledger.feedback import Feedback
from engine.ledger.history import EnrollmentFilter, SendFilter
from engine.ledger.orders import Order
from engine.ledger.pseudonyms import Pseudonyms
from engine.ledger.records import Changes, Claimed, Dispatch, Frozen, Run, Settlement
from engine.plan.plan import Plan
from engine.plan.planning import make_plan
from tests.quick import Records, new_ledger

from .timeline import Apply, Cancel, ChangeFacts, EditDefinitions, Enroll, Operation, Pause, Raw, Respond, Resume, Rows, Start, Stop, Suppress, Tell
from .writing import FOLDERS


def frozen(c: Claimed) -> Frozen:
    return Frozen(payload=b"x", payload_hash=c.send_key, sender="a@example.com", recipient=c.address, message_id=f"<{c.send_key}@example.com>", subject="s")


KEY = Pseudonyms(b"oracle" * 6)
Row = tuple[str, ...]


def _text(raw: Raw) -> bytes:
    # libyaml's writer, twenty times quicker than PyYAML's own, for ten files at each edit of a world.
    return yaml.dump(raw, Dumper=yaml.CSafeDumper, allow_unicode=True, sort_keys=False).encode()  # type: ignore[no-any-return]  # PyYAML has no types


def definitions_of(project: Raw) -> Definitions:
    """The project through the real loader; a world that does not validate is a mistake of the world."""
    files = {"engine.yaml": project["engine"], "definitions/crm.yaml": project["crm"]}
    for folder in FOLDERS:
        for name, raw in (project.get(folder) or {}).items():
            files[f"definitions/{folder}/{name}.yaml"] = raw
    loaded = load(MemoryTree({path: _text(raw) for path, raw in files.items()}))
    errors = [f"{problem.code} {problem.message} ({problem.origin})" for problem in loaded.problems if problem.severity == "error"]
    assert loaded.definitions is not None and not errors, errors
    return loaded.definitions


@dataclass
class EnginePlay:
    """As `timeline.Play`, by the engine."""

    project: Raw
    facts: Rows
    folder: Path
    ledger: DuckdbLedger = field(init=False)
    definitions: Definitions = field(init=False)
    records: Records = field(default_factory=Records, init=False)

    def __post_init__(self) -> None:
        self.ledger = new_ledger(self.folder, "oracle", KEY)
        self.definitions = definitions_of(self.project)

    def perform(self, operation: Operation, moment: datetime) -> Plan | None:
        now = naive_utc(moment)
        match operation:
            case Apply(failing):
                return self.apply(now, dict(failing))
            case ChangeFacts(_, facts):
                self.facts = facts
            case EditDefinitions(_, project):
                self.project, self.definitions = project, definitions_of(project)
                self.ledger.know(self.definitions.former_names)
            case Enroll(sequence, entity, record):
                self.ledger.enroll_by_hand(sequence, entity, [str(record)], by="test", note="", now=now)
            case Respond(contact, kind):
                rows = [row for state in ("sent", "unknown") for row in self.ledger.sends(SendFilter(contact=contact, state=state), limit=1000).rows]
                self.ledger.take_feedback("test", [Feedback(row.send_key, kind, now) for row in rows], now)  # type: ignore[arg-type]  # the oracle's words are ours
            case _:
                self.order(operation, now)
        return None

    def order(self, operation: Operation, now: datetime) -> None:
        orders: list[Order] = []
        match operation:
            case Pause(sequence, contact) | Resume(sequence, contact):
                verb = "pause" if isinstance(operation, Pause) else "resume"
                orders = [Order(verb, now, "test", sequence=sequence, **keys) for keys in self.targets(sequence, contact)]
            case Cancel(sequence, contact):
                orders = [Order("cancel", now, "test", sequence=sequence, **keys) for keys in self.targets(sequence, contact)]
            case Stop(sequence):
                orders = [Order("stop", now, "test", sequence=sequence)]
            case Start(sequence):
                orders = [Order("start", now, "test", sequence=sequence)]
            case Tell(event, entity, record, id, at):
                orders = [Order("event", now, "test", event=event, event_id=id, entity=entity, record=record, happened_at=naive_utc(at))]
            case Suppress(address, reason, topic):
                orders = [Order("suppress", now, "test", address_key=KEY.address_key(address), reason=reason, topic=topic)]  # type: ignore[arg-type]  # the oracle's words are ours
        self.ledger.take_in({str(uuid4()): order for order in orders}, now)

    def targets(self, sequence: str | None, contact: str | None) -> list[dict[str, str]]:
        """The enrollments that live now, as the command line resolves them; without a contact the sequence or the project."""
        if contact is None:
            return [{}]
        page = self.ledger.enrollments(EnrollmentFilter(sequence=sequence, contact=str(contact), live=True), limit=1000)
        return [{"entity": row.entity, "record": row.record, "occurrence": row.occurrence, "contact": row.contact} for row in page.rows]

    def plan(self, now: datetime) -> Plan:
        snapshot = self.records.snapshot(self.definitions, self.facts, now)
        return make_plan(self.definitions, snapshot, self.ledger.view, now, environment="dev", address_key=KEY.address_key)

    def apply(self, now: datetime, failing: dict[str, str]) -> Plan:
        plan = self.plan(now)
        if not plan.applyable:
            return plan
        run = Run(str(uuid4()), now, "0", plan.definitions.digest, None, "{}", plan.facts_digest, "x", "host", 1)
        self.ledger.commit(run, Changes(plan.changes))
        self.deliver(now, failing)
        self.ledger.finish_run(run.run_id, "done", {}, now)
        return plan

    def deliver(self, now: datetime, failing: dict[str, str]) -> None:
        claimed = self.ledger.claim("test", 10_000, now)
        group = [Dispatch(c.send_key, c.token, frozen(c), "test", 0, c.holds if c.items else ()) for c in claimed]
        assert self.ledger.begin_dispatch(group, now) == {c.send_key for c in claimed}
        self.ledger.settle([Settlement(c.send_key, c.token, failing.get(c.address, "sent"), items=c.holds if c.items else ()) for c in claimed], now)  # type: ignore[arg-type]  # failed and unknown are states

    def close(self) -> None:
        self.ledger.close()
        self.records.close()


def held_for(row: dict[str, Any]) -> str:
    """5.6 What held the step of a decision that came too late, or nothing."""
    return (row["detail"] or "").removeprefix("held_for: ") if row["reason"] == "expired" else ""


def rows_of(plan: Plan) -> list[Row]:
    """The plan as `OraclePlan.as_rows` writes it."""
    rows = []
    for row in plan.decisions.to_pylist():
        due = "" if row["due"] is None else row["due"].strftime("%Y-%m-%dT%H:%M:%SZ")
        sent = row["decision"] == "send"
        rows.append((
            row["sequence"], due, row["entity"], row["record"], row["occurrence"], row["contact"] or "", row["step"] or "",
            row["decision"], row["reason"], row["template"] if sent else "", row["locale"] if sent else "",
            held_for(row),
        ))  # fmt: skip
    return sorted(rows)
