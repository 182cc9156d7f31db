"""Why we would not send what the other system sent: the planner's own word for each, also for people whom it did not consider."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from engine.cutover.finding import is_dated
from engine.cutover.recognizing import Sent
from engine.facts.names import quoted
from engine.facts.snapshot import Snapshot
from engine.ledger.care import WHOLE_PROJECT
from engine.ledger.past import IMPORTED
from engine.ledger.records import VIEW, LedgerView
from engine.messages.addresses import normalize
from engine.plan.gates import Reason
from engine.plan.guards import GUARDS
from engine.plan.plan import Plan
from engine.plan.planning import make_plan
from engine.rehearsal.folding import ViewOf
from engine.runs.opening import Site

SENT_BEFORE = "sent_before"
UNKNOWN_CONTACT, UNKNOWN_RECORD = "unknown_contact", "unknown_record"
# The step was due before the first day that is compared.
BEFORE_FIRST_DAY = "before_first_day"
_NO_LIMIT = 1e15
Path = tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class Verdict:
    """A decision and its reason, as a plan has them; `at` is the day of the mail that is repeated, `step` where we stand instead."""

    decision: str
    reason: str
    detail: str = ""
    at: date | None = None
    step: str | None = None


class Verdicts:
    """Asks the plans of a comparison about mails of the other system."""

    def __init__(self, site: Site, snapshot: Snapshot) -> None:
        self._site, self._snapshot = site, snapshot
        # Steps that were passed over, by path: a later plan does not speak of them again.
        self._skipped: dict[tuple[Path, str], Verdict] = {}
        self._sent: dict[tuple[Path, str], date] = {}
        self._people: dict[str, str] = {}

    def of(self, day: date, theirs: Sequence[Sent], plan: Plan, view: ViewOf, now: datetime) -> dict[int, Verdict]:
        """The verdict on each mail of that day, by its line. What we would send as well needs none."""
        decisions = self._remember(day, plan, {(one.sequence, one.record, one.contact) for one in theirs})
        found: dict[int, Verdict] = {}
        asked: list[Sent] = []
        for one in theirs:
            if one.unknown:
                found[one.line] = Verdict("none", UNKNOWN_CONTACT if one.unknown == "contact" else UNKNOWN_RECORD)
                continue
            said = self._verdict(one, decisions.get((one.sequence, one.record, one.contact), ()))
            if said is None:
                asked.append(one)
            else:
                found[one.line] = said
        if asked:
            found |= self._what_if(asked, view, now)
        return {line: self._with_person(verdict, theirs, line) for line, verdict in found.items()}

    def _remember(self, day: date, plan: Plan, paths: set[Path]) -> dict[Path, list[dict[str, Any]]]:
        """The plan's decisions by path, for these paths; what was passed over or sent is kept for later days."""
        decisions: dict[Path, list[dict[str, Any]]] = {}
        for row in plan.called.named(plan.changes["skips"]).select(["sequence", "record", "contact", "step", "reason", "detail"]).to_pylist():
            self._skipped[((row["sequence"], row["record"], row["contact"]), row["step"])] = Verdict("skip", _told(row["reason"]), row["detail"] or "")
        for row in plan.called.named(plan.changes["sends"]).select(["sequence", "record", "contact", "step"]).to_pylist():
            self._sent[(row["sequence"], row["record"], row["contact"]), row["step"]] = day
        if not paths:
            return {}
        wanted = ["decision", "reason", "sequence", "step", "record", "contact", "detail"]
        for row in plan.decisions.select(wanted).to_pylist():
            path = (row["sequence"], row["record"], row["contact"] or "")
            if path in paths:
                decisions.setdefault(path, []).append(row)
        return decisions

    def _verdict(self, one: Sent, rows: Sequence[dict[str, Any]]) -> Verdict | None:
        """Out of the plan itself; None where it did not consider them."""
        path = (one.sequence, one.record, one.contact)
        if (path, one.step) in self._sent:
            return Verdict("send", SENT_BEFORE, at=self._sent[path, one.step])
        here = next((row for row in rows if row["step"] == one.step), None)
        if here is not None:
            return Verdict(here["decision"], _told(here["reason"]), here["detail"] or "")
        if (path, one.step) in self._skipped:
            return self._skipped[path, one.step]
        last = next((row for row in rows if row["decision"] in ("exit", "complete", "hold", "wait", "unreached")), None)
        if last is None:
            return None
        return Verdict(last["decision"], last["reason"], last["detail"] or "", step=last["step"])

    # --- people whom the plan did not consider --------------------------------------------------------------------

    def _what_if(self, asked: Sequence[Sent], view: ViewOf, now: datetime) -> dict[int, Verdict]:
        """The plan once more, with each of them on the path that the other system had them on: which gate ends it?"""
        definitions = self._site.definitions
        only = {one.sequence for one in asked}
        plan = make_plan(
            replace(definitions, sequences={id: sequence for id, sequence in definitions.sequences.items() if id in only}),
            self._snapshot,
            lambda candidates: self._with_enrollments(view(candidates), asked),
            now,
            environment=self._site.environment.name,
            address_key=self._site.pseudonyms.address_key,
            allowed=dict.fromkeys(GUARDS, _NO_LIMIT),
        )
        rows: dict[tuple[str, str, str, str], list[dict[str, Any]]] = {}
        for row in plan.decisions.to_pylist():
            rows.setdefault((row["sequence"], row["record"], row["occurrence"], row["contact"] or ""), []).append(row)
        found = {}
        for one in asked:
            key = (one.sequence, one.record, one.occasion.key if one.occasion else "", one.contact)
            found[one.line] = self._verdict(one, rows.get(key, ())) or Verdict("none", "not_in_sequence")
            if found[one.line].decision == "send":
                # It would go if somebody were on the path; nobody is.
                found[one.line] = Verdict("none", "not_in_sequence")
        return found

    def _with_enrollments(self, view: LedgerView, asked: Sequence[Sent]) -> LedgerView:
        enrollments: dict[tuple[str, ...], dict[str, Any]] = {}
        occurrences: dict[tuple[str, ...], dict[str, Any]] = {}
        for one in asked:
            if one.occasion is None:
                continue
            row = {"sequence": one.sequence, "entity": one.entity, "record": one.record, "occurrence": one.occasion.key}
            enrollments[(*row.values(), one.contact)] = {
                **row, "contact": one.contact, "base_date": one.occasion.base_date, "base_at": one.occasion.base_at, "began": one.at,
            }  # fmt: skip
            if not is_dated(self._site.definitions, one.sequence):
                occurrences[tuple(row.values())] = {**row, "base_at": one.occasion.base_at, "source": IMPORTED, "override": False}
        known = {tuple(row.values()) for row in view.tables["enrollments"].select(["sequence", "entity", "record", "occurrence", "contact"]).to_pylist()}
        taken = {tuple(row.values()) for row in view.tables["occurrences"].select(["sequence", "entity", "record", "occurrence"]).to_pylist()}
        more = {
            "enrollments": [row for key, row in enrollments.items() if key not in known],
            "occurrences": [row for key, row in occurrences.items() if key not in taken],
        }
        # What was due before the first day is not sent by us; here it is asked why it would not be in any case.
        starts = view.tables["starts"]
        view = replace(view, tables={**view.tables, "starts": starts.filter(pc.not_equal(starts["sequence"], WHOLE_PROJECT))})
        tables = {name: pa.concat_tables([view.tables[name], pa.Table.from_pylist(rows, VIEW[name])]) for name, rows in more.items()}
        return replace(view, tables={**view.tables, **tables})

    # --- the person behind `left_audience` -------------------------------------------------------------------------

    def _with_person(self, verdict: Verdict, theirs: Sequence[Sent], line: int) -> Verdict:
        """Who is not in the audience because nobody can write to them: that is the reason that helps."""
        if verdict.reason not in (Reason.LEFT_AUDIENCE, "not_in_sequence"):
            return verdict
        one = next(one for one in theirs if one.line == line)
        fault = self._fault(one.contact)
        return replace(verdict, reason=fault, detail="left_audience") if fault else verdict

    def _fault(self, contact: str) -> str:
        """What keeps a contact from being mailed by its own record; empty for nothing."""
        if contact not in self._people:
            self._people[contact] = self._look(contact)
        return self._people[contact]

    def _look(self, contact: str) -> str:
        said = self._site.definitions.crm.contact
        active = quoted(said.active) if said.active else "NULL"
        rows = self._snapshot.connection.execute(
            f"SELECT {quoted(said.address)}, {active} FROM facts.{quoted(said.entity)} WHERE _key = $1", [contact]
        ).fetchall()
        if not rows:
            return UNKNOWN_CONTACT
        address, is_active = rows[0]
        if is_active is False:
            return Reason.CONTACT_INACTIVE
        if address is None or not str(address).strip():
            return Reason.NO_ADDRESS
        return "" if normalize(address) else Reason.INVALID_ADDRESS


def _told(reason: str) -> str:
    """The comparison begins as after a restore: what was due before is passed over, and told in words that fit."""
    return BEFORE_FIRST_DAY if reason == Reason.LEDGER_RESTORED else reason
