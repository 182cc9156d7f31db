"""Campaign tests run: each case planned with the planner itself, on records and a ledger that are only thought.

A case costs one plan for each of its days. Records that stay as they are are read once, also for the cases that follow.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from hashlib import sha256
from typing import Any

import duckdb
import pyarrow as pa

from engine.definitions.cases import Case, Suppressed
from engine.definitions.definitions import Definitions
from engine.definitions.reading_cases import moments_of, utc_of
from engine.definitions.sequences import EnrollmentFile, Sequence
from engine.facts.reading import snapshot_of_rows
from engine.facts.snapshot import Snapshot
from engine.ledger.records import CHANGES, EVENTS, SUPPRESSIONS, Candidates, LedgerView
from engine.messages.rendering import Renderer, RenderFailed
from engine.plan.gates import GATES, Decided, Reason
from engine.plan.guards import GUARDS
from engine.plan.plan import Plan
from engine.plan.planning import make_plan
from engine.rehearsal.folding import Folded
from engine.rehearsal.given import rows_at
from engine.runs.filling import with_variables

ENVIRONMENT = "test"
_NO_LIMIT = 1e15
_LINK = "https://example.com/unsubscribe"
_KIND_OF = {"send": "sends", "skip": "skips", "hold": "holds", "exit": "exits", "complete": "exits", "unreached": "unreached"}
Inspect = Callable[[duckdb.DuckDBPyConnection], None]


def reasons_by_kind() -> dict[str, tuple[str, ...]]:
    """The reasons that a row of each kind can have."""
    found: dict[str, list[str]] = {kind: [] for kind in _KIND_OF.values()}
    for gate in GATES:
        if gate.decision in _KIND_OF:
            found[_KIND_OF[gate.decision]] += [str(reason) for reason in gate.reasons]
    found["unreached"] += [str(reason) for reason in Reason if reason not in (Reason.DUE, Reason.COMPLETE)]
    return {kind: tuple(sorted(set(reasons))) for kind, reasons in found.items()}


@dataclass(frozen=True)
class Happened:
    """One row that the plans decided. A hold is said anew each day: `moments` are all of them, naive UTC."""

    kind: str
    sequence: str
    step: str | None
    entity: str
    record: str
    contact: str | None
    occurrence: str
    reason: str
    moments: tuple[datetime, ...]
    due: datetime | None
    template: str | None = None
    locale: str | None = None
    address: str | None = None
    subject: str | None = None
    body: str | None = None
    broken: str = ""


@dataclass(frozen=True)
class Ran:
    """What came of one case: its rows in the order of time, every decision of every day (waits too), and how many plans were made."""

    rows: tuple[Happened, ...]
    decisions: tuple[Mapping[str, Any], ...]
    plans: int


@dataclass
class Prover:
    """Runs cases over one set of definitions, and keeps what the next one can use again."""

    definitions: Definitions
    _kept: tuple[str, Snapshot] | None = field(default=None, init=False)

    def run(self, case: Case, *, letters: bool = False, inspect: Inspect | None = None) -> Ran:
        """Every plan of the case. `letters` says that subjects and bodies are looked at; `inspect` sees the tables of the last day's plan."""
        definitions = definitions_for(self.definitions, case)
        moments = moments_of(case, definitions.project.timezone)
        found: dict[tuple[Any, ...], Happened] = {}
        decisions: list[Mapping[str, Any]] = []
        renderer = Renderer(definitions)
        with Folded(_below(definitions, case)) as folded:
            _begin(folded, definitions, case)
            for moment in moments:
                snapshot = self._snapshot(definitions, rows_at(definitions, case, moment), moment)
                plan = make_plan(
                    definitions, snapshot, folded.view, moment, environment=ENVIRONMENT, address_key=address_key,
                    allowed=dict.fromkeys(GUARDS, _NO_LIMIT), inspect=inspect if moment == moments[-1] else None,
                )  # fmt: skip
                written = _letters(definitions, snapshot, plan, renderer) if letters else {}
                for row in plan.decisions.to_pylist():
                    decisions.append({"moment": moment, **row})
                    _collect(found, row, moment, written.get(row["send_key"]))
                folded.fold(plan.changes, moment)
        return Ran(tuple(found.values()), tuple(decisions), len(moments))

    def _snapshot(self, definitions: Definitions, rows: Mapping[str, Any], moment: datetime) -> Snapshot:
        said = json.dumps(rows, sort_keys=True)
        if self._kept is None or self._kept[0] != said:
            self.close()
            self._kept = said, snapshot_of_rows(definitions, rows, now=moment)
        return replace(self._kept[1], taken_at=moment)

    def close(self) -> None:
        if self._kept is not None:
            self._kept[1].close()
            self._kept = None

    def __enter__(self) -> Prover:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def address_key(address: str) -> str:
    """Stands in for the keyed hash: nobody's real address is in a case."""
    return sha256(address.encode()).hexdigest()


def definitions_for(definitions: Definitions, case: Case) -> Definitions:
    """The definitions as the case sees them: its sequences, started when it says, and nobody enrolled but by the case."""
    sequences = {id: _as_given(sequence, case) for id, sequence in definitions.sequences.items() if case.sequences is None or id in case.sequences}
    enrollments: dict[str, EnrollmentFile] = {}
    for number, one in enumerate(case.given.enrolled, 1):
        if one.at is None:
            enrollments[f"by-hand-{number}"] = EnrollmentFile(id=f"by-hand-{number}", sequence=one.sequence, contacts=(one.record,))
    return replace(definitions, sequences=sequences, enrollments=enrollments)


def _as_given(sequence: Sequence, case: Case) -> Sequence:
    said: dict[str, Any] = {}
    if case.given.active_from is not None:
        said["active_from"] = case.given.active_from
    if case.sequences is not None and sequence.status == "draft":
        said["status"] = "active"
    return sequence.model_copy(update=said) if said else sequence


def _below(definitions: Definitions, case: Case) -> Callable[[Candidates], LedgerView] | None:
    """The suppressions and events that are given, as a ledger would tell them."""
    if not case.given.suppressed and not case.given.events:
        return None
    silenced = pa.Table.from_pylist([_suppression(one) for one in case.given.suppressed], SUPPRESSIONS)
    told = [_event(definitions, case, number) for number in range(len(case.given.events))]
    empty = LedgerView.empty()

    def view(asked: Candidates) -> LedgerView:
        events = pa.Table.from_pylist([row for row in told if row["event"] in asked.events], EVENTS)
        return replace(empty, tables={**empty.tables, "suppressions": silenced, "events": events})

    return view


def _event(definitions: Definitions, case: Case, number: int) -> dict[str, Any]:
    one = case.given.events[number]
    at = utc_of(one.at or case.now, definitions.project.timezone)
    return {"event": one.event, "id": f"event-{number + 1}", "entity": definitions.crm.events[one.event].entity, "record": str(one.record), "happened_at": at}


def _suppression(one: Suppressed) -> dict[str, Any]:
    return {"address_key": address_key(one.address.strip().lower()), "reason": one.reason, "topic": one.topic}


def _begin(folded: Folded, definitions: Definitions, case: Case) -> None:
    """Who was enrolled before the case begins: the occurrence has its base, and the sequence had started by then."""
    zone = definitions.project.timezone
    rows: list[dict[str, Any]] = []
    starts: dict[str, datetime] = {}
    for number, one in enumerate(case.given.enrolled, 1):
        if one.at is not None and one.sequence in definitions.sequences:
            base = utc_of(one.at, zone)
            about = definitions.sequences[one.sequence].about
            rows.append({"sequence": one.sequence, "entity": about, "record": str(one.record), "occurrence": str(number), "base_at": base, "source": "hand"})
            starts[one.sequence] = min(base, starts.get(one.sequence, base))
    if rows:
        begun = [{"sequence": id, "started": moment} for id, moment in starts.items()]
        tables = {"occurrences": pa.Table.from_pylist(rows, CHANGES["occurrences"]), "starts": pa.Table.from_pylist(begun, CHANGES["starts"])}
        folded.fold(tables, min(starts.values()))


def _letters(definitions: Definitions, snapshot: Snapshot, plan: Plan, renderer: Renderer) -> dict[str, tuple[str, str, str]]:
    """Subject and body of each send, or what keeps it from being made, by send key."""
    written: dict[str, tuple[str, str, str]] = {}
    rows = with_variables(definitions, snapshot, plan.changes["sends"], plan.now).to_pylist()
    messages: dict[str, list[Mapping[str, Any]]] = {}
    for row in sorted(rows, key=lambda row: row["item"] or 0):
        messages.setdefault(row["message"] or row["send_key"], []).append(row)
    for row in rows:
        # Each record of a mail of several has the whole of it (4.8).
        records = messages[row["message"] or row["send_key"]]
        items = [json.loads(one["variables"] or "{}") for one in records]
        link = _LINK if row["category"] == "marketing" else None
        try:
            made = renderer.render_parts(row["template"], row["locale"], items[0], due_at=records[0]["due_at"], unsubscribe_url=link, items=items)
            written[row["send_key"]] = (made.subject, made.text, "")
        except RenderFailed as failed:
            written[row["send_key"]] = ("", "", failed.message)
    return written


def _collect(found: dict[tuple[Any, ...], Happened], row: Mapping[str, Any], moment: datetime, letter: tuple[str, str, str] | None) -> None:
    if row["decision"] == Decided.WAIT:
        return
    kind = _KIND_OF[row["decision"]]
    key = (kind, *(row[name] for name in ("sequence", "step", "entity", "record", "occurrence", "contact", "reason")))
    if key in found and kind in ("holds", "unreached"):
        found[key] = replace(found[key], moments=(*found[key].moments, moment))
        return
    subject, body, broken = letter or (None, None, "")
    found[(*key, moment)] = Happened(
        kind, row["sequence"], row["step"], row["entity"], row["record"], row["contact"], row["occurrence"], row["reason"], (moment,), row["due"],
        row["template"], row["locale"], row["address"], subject, body, broken,
    )  # fmt: skip
    if kind in ("holds", "unreached"):
        found[key] = found.pop((*key, moment))


def wants_letters(cases: Iterable[Case]) -> bool:
    """Whether a subject or a body is looked at."""
    return any(row.subject or row.subject_contains or row.body_contains for case in cases for row in case.expect.sends)


def each_kind(rows: Iterable[Happened]) -> Iterator[tuple[str, list[Happened]]]:
    """The rows by kind, in the order of time."""
    kept = list(rows)
    for kind in dict.fromkeys(_KIND_OF.values()):
        yield kind, [row for row in kept if row.kind == kind]
