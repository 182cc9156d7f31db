"""A plan for machines: interface.md §4, the same plan the same bytes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from engine import __version__
from engine.plan.gates import Decided
from engine.plan.plan import COUNTERS, GuardResult, Plan, SequenceSummary
from engine.plan.touching import Touched
from engine.problems import Problem
from engine.views.changed import changed_rows
from engine.views.escaping import to_json
from engine.views.naming import Naming
from engine.views.phrases import iso
from engine.views.reasons import held_for

FORMAT_VERSION = "1.0"


@dataclass(frozen=True)
class PlanPage:
    """A plan with what a view needs beside it. `all` shows the waits too; `select` and `job` say which sequences it was narrowed to.

    `digest` tells a plan that would do the same; `saved` is what a file needs to be applied later.
    """

    plan: Plan
    naming: Naming
    all: bool = False
    warnings: Sequence[Problem] = ()
    select: str | None = None
    job: str | None = None
    changed: Sequence[Touched] = ()
    refused: Sequence[Problem] = ()
    digest: str = ""
    saved: Mapping[str, Any] | None = None

    @property
    def narrowed(self) -> bool:
        return self.select is not None or self.job is not None

    @property
    def applyable(self) -> bool:
        """False where an apply would refuse: for a guard of the project, or a change of the definitions that it does not follow."""
        return self.plan.applyable and not self.refused

    @property
    def zone(self) -> str:
        return self.plan.definitions.project.timezone


def as_json(page: PlanPage) -> str:
    """One key a line and one decision a line, so that two plans compare well."""
    head = [f" {to_json(key)}: {to_json(value)}" for key, value in _head(page).items()]
    decisions = ",\n".join(f"  {to_json(row)}" for row in decisions_of(page))
    tail = [f" {to_json(key)}: {to_json(value)}" for key, value in _tail(page).items()]
    return "{\n" + ",\n".join([*head, ' "decisions": [' + (f"\n{decisions}\n " if decisions else "") + "]", *tail]) + "\n}\n"


def as_json_lines(page: PlanPage) -> Iterator[str]:
    """The plan without its decisions first, then one decision a line."""
    yield to_json({**_head(page), **_tail(page)}) + "\n"
    for row in decisions_of(page):
        yield to_json({"kind": "decision", **row}) + "\n"


def _head(page: PlanPage) -> dict[str, Any]:
    plan = page.plan
    return {
        "format_version": FORMAT_VERSION,
        "kind": "plan",
        "engine_version": __version__,
        "project": plan.definitions.project.name,
        "env": plan.environment,
        "now": iso(plan.now, page.zone),
        "timezone": page.zone,
        "definitions": {"digest": plan.definitions.digest, "commit": plan.definitions.commit},
        "facts": {"digest": plan.facts_digest, "taken_at": iso(plan.facts_taken_at, page.zone)},
        "ledger_head": plan.ledger_head,
        "digest": page.digest,
        **({"saved": page.saved} if page.saved else {}),
        "selection": {"select": page.select, "job": page.job} if page.narrowed else None,
        "applyable": page.applyable,
        "has_changes": plan.has_changes,
        "summary": {name: plan.summary[name] for name in COUNTERS},
        "changed": changed_rows(page.changed),
        "sequences": [_sequence(sequence) for sequence in plan.sequences],
    }


def _tail(page: PlanPage) -> dict[str, Any]:
    told = [{"severity": "note", "code": None, "message": text, "help": None, "source": None} for text in page.plan.diagnostics]
    return {
        "guards": [guard_row(guard) for guard in page.plan.guards],
        "diagnostics": [*told, *(diagnostic(problem) for problem in (*page.refused, *page.warnings))],
    }


def _sequence(sequence: SequenceSummary) -> dict[str, Any]:
    counts = {name: sequence.counts.get(name, 0) for name in COUNTERS}
    return {
        "id": sequence.id,
        **counts,
        "reasons": dict(sorted(sequence.reasons.items())),
        "beside": dict(sorted(sequence.named.items())),
        "backfill": dict(sequence.backfill_hint),
    }


def guard_row(guard: GuardResult) -> dict[str, Any]:
    return {
        "id": guard.id,
        "sequence": guard.sequence,
        "limit": plain(guard.limit),
        "observed": plain(guard.observed),
        "passed": guard.passed,
        "detail": guard.detail or None,
    }


def plain(value: float) -> float | int:
    """A count as a whole number, a share as it is."""
    return int(value) if float(value).is_integer() else value


def diagnostic(problem: Problem) -> dict[str, Any]:
    """A problem as a program reads it beside a plan or a difference."""
    origin = problem.origin
    source = None if origin is None else {"file": origin.file, "line": origin.line}
    return {"severity": problem.severity, "code": problem.code, "message": problem.message, "help": problem.help or None, "source": source}


def decisions_of(page: PlanPage) -> Iterator[dict[str, Any]]:
    """The decisions by sequence, due moment, record and contact; waits only where all are asked for."""
    table = page.plan.decisions
    if not page.all:
        table = table.filter(pc.not_equal(table.column("decision"), pa.scalar(str(Decided.WAIT))))
    sources = {
        (sequence.id, step.id): _source(page.plan, sequence.id, place)
        for sequence in page.plan.definitions.sequences.values()
        for place, step in enumerate(sequence.steps)
    }
    sends = page.plan.changes["sends"]
    combined = sends.filter(pc.is_valid(sends.column("message"))).select(["send_key", "message"])
    messages = dict(zip(*(column.to_pylist() for column in combined.columns), strict=True))
    for batch in _in_shown_order(page, table).to_batches():
        for row in batch.to_pylist():
            yield _decision(page, row, sources, messages.get(row["send_key"]))


def _in_shown_order(page: PlanPage, decisions: pa.Table) -> pa.Table:
    """By the keys that are shown: the order of the CRM's own would tell which pseudonym is whose (interface.md §4)."""
    naming = page.naming
    if naming.show_pii:
        return decisions
    record = [naming.record(entity, key) for entity, key in zip(decisions["entity"].to_pylist(), decisions["record"].to_pylist(), strict=True)]
    contact = [naming.contact(key) for key in decisions["contact"].to_pylist()]
    shown = (
        decisions.select(["sequence", "due"]).append_column("record", pa.array(record, pa.string())).append_column("contact", pa.array(contact, pa.string()))
    )
    # The sort is stable: of one contact and record the steps stay in their order.
    by = [(name, "ascending") for name in shown.schema.names]
    return decisions.take(pc.sort_indices(shown, sort_keys=by))


def _decision(page: PlanPage, row: dict[str, Any], sources: dict[tuple[str, str], dict[str, Any]], message: str | None) -> dict[str, Any]:
    naming = page.naming
    shown = {
        "send_key": row["send_key"],
        "decision": row["decision"],
        "reason": row["reason"],
        "sequence": row["sequence"],
        "step": row["step"],
        "about": {"entity": row["entity"], "key": naming.record(row["entity"], row["record"])},
        "occurrence": naming.occurrence(row["sequence"], row["entity"], row["record"], row["occurrence"]),
        "contact": naming.contact(row["contact"]),
        "due_at": iso(row["due"], page.zone),
        "template": row["template"],
        "locale": row["locale"],
        "variant": None,
        "detail": row["detail"],
        "source": sources.get((row["sequence"], row["step"])),
    }
    if row["winner"]:
        # The mail that took the last place of a frequency cap (6.21).
        shown["winner"] = row["winner"]
    if held_for(row["detail"]):
        # What held a step until it was too late (5.6).
        shown["held_for"] = held_for(row["detail"])
    if message is not None:
        # Those with the same one are one mail (4.8).
        shown["message"] = message
    if naming.show_pii:
        shown["address"] = row["address"]
    return shown


def _source(plan: Plan, sequence: str, place: int) -> dict[str, Any]:
    origin = plan.definitions.where("sequence", sequence).key("steps", place)
    return {"file": origin.file, "line": origin.line}
