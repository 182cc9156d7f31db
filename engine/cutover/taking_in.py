"""A cut-over: another system's log, and the people on its paths, as rows of the ledger; all of it or nothing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa

from engine.cutover.dictionary import Columns, Dictionary, Kind, columns_of
from engine.cutover.finding import Crm, is_dated
from engine.cutover.joining import Enrolled, Joiner
from engine.cutover.logs import Log, read_log
from engine.cutover.recognizing import Recognized, Recognizer, Refused, Sent
from engine.definitions.definitions import Definitions
from engine.facts.needs import needed, together
from engine.facts.reading import read_snapshot
from engine.facts.snapshot import Needs, Snapshot
from engine.ledger.keys import send_key
from engine.ledger.ledger import Reading
from engine.ledger.past import PAST, Past, TakenPast
from engine.ledger.records import OCCURRENCE, Candidates
from engine.plan.identity import Identity, identity
from engine.plan.plan import Plan
from engine.plan.planning import make_plan
from engine.rehearsal.folding import Folded, ViewOf
from engine.runs.opening import Site

Row = dict[str, Any]
Key = tuple[str, str, str, str, str]
# A step that was behind somebody in the other system without a mail that is known: it was due before it was introduced here.
PASSED = "before_introduction"
# Why an imported mail that the other system could not send is failed here.
FAILED_THERE = "rejected"


@dataclass
class Gathered:
    """What a file brings, before it is compared with the ledger, under the names of the definitions; send keys are the ledger's.

    `repeats` are lines whose mail is on an earlier line already.
    """

    sends: dict[str, Row] = field(default_factory=dict)
    enrollments: dict[Key, Row] = field(default_factory=dict)
    occurrences: dict[tuple[str, str, str, str], Row] = field(default_factory=dict)
    pauses: list[Row] = field(default_factory=list)
    repeats: int = 0
    reckoned: int = 0
    not_ours: int = 0
    not_sent: int = 0
    answers: Mapping[str, int] = field(default_factory=dict)

    def past(self, import_id: str, by: str, called: Identity) -> Past:
        """As the ledger keeps it, under its own ids (8.7)."""
        rows: Mapping[str, Iterable[Row]] = {
            "sends": self.sends.values(), "enrollments": self.enrollments.values(), "occurrences": self.occurrences.values(), "pauses": self.pauses,
        }  # fmt: skip
        return Past(import_id, by, called.kept_changes({name: pa.Table.from_pylist(list(rows[name]), schema) for name, schema in PAST.items()}))


@dataclass(frozen=True)
class Foreseen:
    """What the first apply after the import would do: mails, and how many of them the file says were sent already (none, or something is wrong)."""

    sends: int
    again: int
    waits: int
    holds: int


@dataclass(frozen=True)
class Import:
    """An import as it is planned. `known` rows are in the ledger already; `ended` counts the paths that are over, by reason."""

    kind: Kind
    log: Log
    columns: Columns
    past: Past
    gathered: Gathered
    refused: tuple[Refused, ...]
    known: int
    ended: Mapping[str, int]
    on_the_way: int
    foreseen: Foreseen
    ledger_as_of: datetime | None


def plan_import(site: Site, kind: Kind, path: Path, dictionary: Dictionary, *, by: str, url: str | None = None) -> Import:
    """Read the file against definitions, CRM and ledger; nothing is written. Raises EngineError for a file that cannot be read."""
    log = read_log(site, path, url)
    columns = columns_of(kind, log.columns, dictionary, site.definitions)
    with read_snapshot(site.definitions, site.environment.facts, now=site.now, root=site.root, needs=needs(site.definitions, dictionary)) as snapshot:
        crm = Crm(site.definitions, snapshot, site.now)
        import_id = f"import {kind} {log.digest[:16]}"
        with site.read_ledger() as ledger:
            called = called_in(site, ledger.view)
            if kind == "sends":
                recognized = Recognizer(site.definitions, crm, dictionary, site.now).sends(log.rows, columns)
                gathered, refused = gathered_sends(site, recognized, called), tuple(recognized.refused)
            else:
                joined = Joiner(site.definitions, crm, dictionary, site.now).enrollments(log.rows, columns)
                gathered, refused = _of_enrollments(site, joined.enrolled, called), tuple(joined.refused)
            foreseen, ended = _foresee(site, snapshot, ledger, gathered, called, import_id, by)
            known = _known(site, ledger, gathered, called)
            as_of = ledger.copied_at
    on_the_way = sum(row["exit_at"] is None for row in gathered.enrollments.values())
    return Import(kind, log, columns, gathered.past(import_id, by, called), gathered, refused, known, ended, on_the_way, foreseen, as_of)


def take_in(site: Site, planned: Import) -> TakenPast:
    """Write what was planned, in one transaction. LockHeld while a run has the ledger."""
    with site.open_ledger(f"import {planned.kind}") as ledger:
        return ledger.take_past(planned.past, site.now)


def called_in(site: Site, view: ViewOf) -> Identity:
    """Under which ids the ledger keeps what the definitions call otherwise. Raises DefinitionsInError where two claim one history."""
    return identity(site.definitions, view(Candidates(OCCURRENCE.empty_table(), (), site.now, site.definitions.former_names)), site.now)


def needs(definitions: Definitions, dictionary: Dictionary) -> Needs:
    """What the definitions name, and the fields by which a file names its records."""
    named = {entity: frozenset({name}) for entity, name in dictionary.keys.items() if entity in definitions.crm.entities}
    return together(needed(definitions), named)


# --- rows -------------------------------------------------------------------------------------------------------


def _identity(one: Sent | Enrolled) -> Row:
    assert one.occasion is not None
    return {"sequence": one.sequence, "entity": one.entity, "record": one.record, "occurrence": one.occasion.key, "contact": one.contact}


def _key(row: Row) -> Key:
    return row["sequence"], row["entity"], row["record"], row["occurrence"], row["contact"]


def gathered_sends(site: Site, recognized: Recognized, called: Identity) -> Gathered:
    """The rows that a log of mails brings."""
    found = Gathered(reckoned=recognized.reckoned, not_ours=recognized.not_ours, not_sent=recognized.not_sent, answers=dict(sorted(recognized.answers.items())))
    slots: set[tuple[str, ...]] = set()
    last: dict[Key, datetime] = {}
    for one in recognized.sent:
        row = _send_row(site, one, called)
        if row["send_key"] in found.sends:
            found.repeats += 1
            continue
        slot = (one.sequence, one.step, one.entity, one.record, row["occurrence"], row["address_key"])
        if slot in slots:
            # One box got it twice, through two contacts: the second key is taken as well, and holds no address (4.6).
            row |= {"state": "skipped", "reason": "duplicate_address", "address_key": None, "address": None, "sent_at": None}
        slots.add(slot)
        found.sends[row["send_key"]] = row
        last[_key(row)] = max(one.at, last.get(_key(row), one.at))
        _enroll(site, found, one, one.at)
    for key, at in last.items():
        # Nobody says that they are still on a path that began by hand: `import enrollments` does.
        if not is_dated(site.definitions, key[0]):
            found.enrollments[key] |= {"exit_at": at, "exit_reason": "complete", "exit_final": True}
    return found


def _send_row(site: Site, one: Sent, called: Identity) -> Row:
    sequence = site.definitions.sequences[one.sequence]
    step = next(step for step in sequence.steps if step.id == one.step)
    template = step.choices[0].use
    said = site.definitions.types[site.definitions.templates[template].type]
    identity = _identity(one)
    address = one.address
    return {
        **identity,
        "send_key": send_key(*called.kept(one.sequence, one.step), one.entity, one.record, identity["occurrence"], one.contact),
        "step": one.step, "state": one.state, "reason": FAILED_THERE if one.state == "failed" else None, "detail": "imported",
        "decided_at": one.at, "due_at": one.due_at or one.at, "sent_at": one.at if one.state == "sent" else None,
        "template": template, "locale": one.locale, "category": said.category, "topic": said.topic,
        # No address is known, and none can be mailed: the contact stands for itself.
        "address_key": site.pseudonyms.address_key(address if address else f"no address of contact {one.contact}"),
        "address": address, "message_id": one.message_id,
    }  # fmt: skip


def _enroll(site: Site, found: Gathered, one: Sent | Enrolled, began: datetime) -> Row:
    """The enrollment of a row, made once; the earliest beginning holds."""
    assert one.occasion is not None
    identity = _identity(one)
    row = found.enrollments.setdefault(_key(identity), {
        **identity, "base_date": one.occasion.base_date, "base_at": one.occasion.base_at, "began": began, "exit_at": None, "exit_reason": None, "exit_final": None,
    })  # fmt: skip
    row["began"] = min(row["began"], began)
    if not is_dated(site.definitions, one.sequence):
        occurrence = {name: identity[name] for name in ("sequence", "entity", "record", "occurrence")}
        base = one.occasion.base_at or began
        found.occurrences.setdefault(_key(identity)[:4], {**occurrence, "base_at": base, "note": getattr(one, "note", "")})
    return row


def _of_enrollments(site: Site, several: Sequence[Enrolled], called: Identity) -> Gathered:
    found = Gathered()
    for one in several:
        identity = _identity(one)
        if _key(identity) in found.enrollments:
            found.repeats += 1
            continue
        row = _enroll(site, found, one, one.began)
        ended = {"completed": ("complete", True), "cancelled": ("cancelled", True)}.get(one.status)
        if ended is not None:
            row |= {"exit_at": one.ended_at or one.passed_at or one.began, "exit_reason": ended[0], "exit_final": ended[1]}
        if one.status == "paused":
            found.pauses.append({**identity, "ordered_at": site.now, "note": "paused in the other system"})
        for place, step in enumerate(one.passed):
            key = send_key(*called.kept(one.sequence, step), one.entity, one.record, identity["occurrence"], one.contact)
            at = one.passed_at or one.began
            found.sends[key] = {
                **identity, "send_key": key, "step": step, "state": "skipped", "reason": PASSED, "detail": "imported",
                "decided_at": at, "due_at": at if place == len(one.passed) - 1 else None,
            }  # fmt: skip
    return found


# --- what it will do ----------------------------------------------------------------------------------------------


def _foresee(site: Site, snapshot: Snapshot, ledger: Reading, gathered: Gathered, called: Identity, import_id: str, by: str) -> tuple[Foreseen, dict[str, int]]:
    """The plan on the ledger as the import would leave it. Paths that this plan ends are imported as ended, with its reasons."""
    with Folded(ledger.view) as folded:
        folded.add(gathered.past(import_id, by, called), revive=import_id.startswith("import enrollments"))
        plan = make_plan(site.definitions, snapshot, folded.view, site.now, environment=site.environment.name, address_key=site.pseudonyms.address_key)
    ended: dict[str, int] = {}
    for row in called.named(plan.changes["exits"]).to_pylist():
        mine = gathered.enrollments.get(_key(row))
        if mine is not None and mine["exit_at"] is None:
            mine |= {"exit_at": site.now, "exit_reason": row["reason"], "exit_final": row["final"]}
    for mine in gathered.enrollments.values():
        if mine["exit_reason"] is not None:
            ended[mine["exit_reason"]] = ended.get(mine["exit_reason"], 0) + 1
    return _counts(plan, gathered, called), dict(sorted(ended.items()))


def _counts(plan: Plan, gathered: Gathered, called: Identity) -> Foreseen:
    there = {(row["sequence"], row["step"], row["record"], row["contact"], row["occurrence"]) for row in gathered.sends.values()}
    sends = called.named(plan.changes["sends"]).select(["sequence", "step", "record", "contact", "occurrence"]).to_pylist()
    again = sum(tuple(row.values()) in there for row in sends)
    return Foreseen(len(sends), again, plan.summary["wait"], plan.summary["hold"])


def _known(site: Site, ledger: Reading, gathered: Gathered, called: Identity) -> int:
    """How many of the sends and enrollments the ledger has already."""
    names = ["sequence", "entity", "record", "occurrence"]
    asked = {tuple(row[name] for name in names) for row in (*gathered.sends.values(), *gathered.enrollments.values())}
    occurrences = pa.table({name: pa.array([key[place] for key in sorted(asked)], pa.string()) for place, name in enumerate(names)})
    view = called.named_view(ledger.view(Candidates(occurrences, (), datetime(9999, 1, 1), site.definitions.former_names)))
    decided = {(row["sequence"], row["entity"], row["record"], row["occurrence"], row["contact"], row["step"]) for row in view.tables["decided"].to_pylist()}
    enrolled = {_key(row) for row in view.tables["enrollments"].to_pylist()}
    sends = sum((*_key(row), row["step"]) in decided for row in gathered.sends.values())
    return sends + sum(key in enrolled for key in gathered.enrollments)
