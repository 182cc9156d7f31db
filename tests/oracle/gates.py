"""Section 6: the gates, one function each, in the order of the page; and the walk from step to step (6.17).

A gate answers None where it passes, else a verdict. Gates that later rules bring have their place in GATES:
6.7 `send_window` in `not_due`; 6.15, the caps, is in caps.py, since it looks at all sequences together.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from .facts import Record, Scope, World
from .followed import newcomers_from, trigger_changed_now
from .ledger import Decided, EnrollmentKey, OracleLedger
from .model import Sequence, Step
from .moments import Base, base_instant, moved
from .occurrences import (
    Occurrence,
    date_value,
    due_moment,
    expiry,
    in_window,
    in_zone_of,
    raw_moment,
    record_scope,
    step_start,
)
from .people import (
    address_of,
    category_of_template,
    chosen_template,
    locale_of,
    silenced,
    template_active,
    unmailable,
)
from .rules import holds

ALWAYS_THERE = frozenset({"current_year", "unsubscribe_url"})


@dataclass(frozen=True)
class Verdict:
    decision: str
    reason: str


@dataclass(frozen=True)
class Decision:
    """One row of a plan."""

    sequence: str
    step: str | None
    entity: str
    record: str
    occurrence: str
    contact: str | None
    decision: str
    reason: str
    due_at: datetime | None = None
    template: str | None = None
    locale: str | None = None
    address: str | None = None
    category: str | None = None
    topic: str | None = None
    # 4.8 Of a send that is combined: what the others of the same mail have too, and where it stands among them.
    mail: tuple[str, ...] | None = None
    base: datetime | None = None
    # 5.6 Of a step that came too late: what would hold it.
    held_for: str = ""


@dataclass
class Case:
    """One enrollment (or, with no contact, one record that nobody can be told about) in one plan."""

    world: World
    ledger: OracleLedger
    sequence: Sequence | None  # None: removed or archived
    key: EnrollmentKey
    base: Base
    record: Record | None
    contact: Record | None
    occurrence: Occurrence | None  # None: it does not stand any more
    in_audience: bool
    history: list[Decided]
    guarded: bool = False
    sent_in_plan: list[Decision] = field(default_factory=list)
    # The steps for which a higher key has taken the address (`evaluate.py`).
    taken: set[tuple[EnrollmentKey, str]] = field(default_factory=set)

    @property
    def scope(self) -> Scope:
        return Scope(self.world, self.record, self.contact)

    def due(self, step: Step) -> datetime:
        assert self.sequence is not None
        return due_moment(self.timed, step, self.base, self.history)

    def raw(self, step: Step) -> datetime:
        """5.4 The moment before the window moved it."""
        return raw_moment(self.timed, step, self.base, self.history)

    @property
    def timed(self) -> Sequence:
        """5.3 The sequence in the timezone that counts for this contact."""
        assert self.sequence is not None
        return in_zone_of(self.world, self.sequence, self.contact)

    def template(self, step: Step) -> str | None:
        return chosen_template(step, self.scope)

    def step_active(self, step: Step) -> bool:
        """5.7 A step whose template is inactive is as inactive as one that says so itself."""
        template = self.template(step)
        return step.active and (
            template is None or template_active(self.world, template)
        )


# The gates before any step.


def stopped(case: Case) -> Verdict | None:
    """6.1 Stop or kill switch; paused project, sequence, enrollment: hold. 8.15 draft holds as paused_sequence."""
    ledger, name = case.ledger, case.key.sequence
    if ledger.stopped or name in ledger.stopped_sequences:
        return Verdict("hold", "stopped")
    if ledger.project_paused:
        return Verdict("hold", "paused_project")
    status = "" if case.sequence is None else case.sequence.status
    if name in ledger.paused_sequences or status in ("paused", "draft"):
        return Verdict("hold", "paused_sequence")
    if case.key in ledger.paused:
        return Verdict("hold", "paused_enrollment")
    return None


def ended(case: Case) -> Verdict | None:
    """6.2 Goal; exit_when; cancelled by a person: exit, final. Not asked without the record or the contact."""
    if case.record is None or case.contact is None:
        return None
    if case.sequence is not None:
        if case.sequence.goal is not None and holds(case.sequence.goal, case.scope):
            return Verdict("exit", "goal_met")
        if case.sequence.exit_when is not None and holds(
            case.sequence.exit_when, case.scope
        ):
            return Verdict("exit", "exit_condition")
    return Verdict("exit", "cancelled") if case.key in case.ledger.cancelled else None


def trigger_gone(case: Case) -> Verdict | None:
    """6.3 Record or occurrence gone, value moved, `where` no longer holds, sequence changed away: exit, while it lasts."""
    if case.sequence is None:
        return Verdict("exit", "sequence_removed")  # 8.13
    if case.occurrence is not None:
        return None
    if case.record is None:
        return Verdict("exit", "trigger_gone")
    if trigger_changed_now(case.world, case.ledger, case.sequence.id):
        return Verdict("exit", "trigger_changed")  # 8.8
    if case.sequence.trigger != "date":
        return Verdict("exit", "trigger_gone")
    # 3.8 No record, no value, or `where` false is trigger_gone; another value, also one out of range, date_moved.
    if date_value(case.world, case.sequence, case.record) is None:
        return Verdict("exit", "trigger_gone")
    if not holds(case.sequence.where, record_scope(case.world, case.record)):
        return Verdict("exit", "trigger_gone")
    return Verdict("exit", "date_moved")


def left_audience(case: Case) -> Verdict | None:
    """6.4 Not in the audience any more: exit, while it lasts."""
    return None if case.in_audience else Verdict("exit", "left_audience")


# The gates of one step.


def inactive_wait(case: Case, step: Step) -> Verdict | None:
    """5.7 An inactive `wait` step takes no time: passed over at once, before 6.6."""
    if step.kind == "wait" and not case.step_active(step):
        return Verdict("skip", "step_inactive")
    return None


def before_introduction(case: Case, step: Step) -> Verdict | None:
    """6.6, 3.7 A before/after step that was due before its start is passed over; 8.9 any, before newcomers may get it."""
    assert case.sequence is not None
    known = case.ledger.enrollments.get(case.key)
    began = None if known is None else known.started_at
    name = case.sequence.id
    floor = newcomers_from(case.world, case.ledger, name, began)
    if floor is not None and case.due(step) < floor:
        return Verdict("skip", "before_introduction")
    if step.kind == "wait":
        return None
    start = step_start(case.world, case.ledger, case.sequence, step, began)
    return (
        Verdict("skip", "before_introduction")
        if start is not None and case.due(step) < start
        else None
    )


def not_due(case: Case, step: Step) -> Verdict | None:
    """6.7 Due in the future: wait; 5.4 due, and only the window keeps it."""
    now = case.world.now
    if case.raw(step) > now:
        return Verdict("wait", "not_due")
    if case.due(step) > now:
        return Verdict("wait", "send_window")
    # What is too late is kept by more than the window (A124).
    closed = in_window(case.timed, now) > now
    if closed and too_late(case, step) is None:
        return Verdict("wait", "send_window")
    return None


def too_late(case: Case, step: Step) -> Verdict | None:
    """6.8, 5.6 A step goes in [due, due + expires); before/after also only until a later active step is due."""
    assert case.sequence is not None
    now = case.world.now
    if now >= expiry(case.timed, step, case.due(step)):
        return Verdict("skip", "expired")
    if step.kind == "wait":
        return None
    later = case.sequence.steps[case.sequence.steps.index(step) + 1 :]
    if any(case.step_active(other) and now >= case.due(other) for other in later):
        return Verdict("skip", "expired")
    return None


def passed_over(case: Case, step: Step) -> Verdict | None:
    """6.9 Step or template inactive; `if` false (or no choice of the template's list holds): skip."""
    if not case.step_active(step):
        return Verdict("skip", "step_inactive")
    if not holds(step.condition, case.scope) or case.template(step) is None:
        return Verdict("skip", "condition_false")
    return None


def cannot_be_mailed(case: Case, step: Step) -> Verdict | None:
    """6.10 Contact inactive; no address; not an address: hold."""
    if case.contact is None:
        return None
    reason = unmailable(case.world, case.contact)
    return None if reason is None else Verdict("hold", reason)


def must_not_be_mailed(case: Case, step: Step) -> Verdict | None:
    """6.11 Hard bounce, complaint, unsubscribed from the topic, no consent: skip."""
    if case.contact is None:
        return None
    category = category_of_template(case.world, str(case.template(step)))
    reason = silenced(case.world, case.ledger, case.contact, category)
    return None if reason is None else Verdict("skip", reason)


def same_address(case: Case, step: Step) -> Verdict | None:
    """6.12, 4.6 The same address for the same step, record and occurrence gets one mail: skip.

    Taken by a send in the ledger, else by the lowest contact key of this plan: cases are walked in that order.
    """
    if case.contact is None:
        return None
    address = address_of(case.world, case.contact)
    here = (*case.key[:4], step.id, address)
    in_ledger = any(
        (*row.enrollment[:4], row.step, row.address) == here
        for row in case.ledger.sends()
    )
    in_plan = any(
        (d.sequence, d.entity, d.record, d.occurrence, d.step, d.address) == here
        for d in case.sent_in_plan
    )
    by_another = in_ledger or in_plan or (case.key, step.id) in case.taken
    return Verdict("skip", "duplicate_address") if by_another else None


def too_soon(case: Case, step: Step) -> Verdict | None:
    """6.12, 3.8 Already sent to the contact for the record within min_gap; exactly 7 days later is free."""
    assert case.sequence is not None
    if case.contact is None or case.sequence.min_gap is None:
        return None
    for sent_at in _sent_for_other_occurrences(case, step):
        if case.world.now < moved(sent_at, case.sequence.min_gap, case.sequence.zone):
            return Verdict("skip", "too_soon")
    return None


def _sent_for_other_occurrences(case: Case, step: Step) -> list[datetime]:
    """3.8 The sends of every other occurrence of the record, but for those that ended as trigger_gone."""
    path = (*case.key[:3], case.key.contact)
    found = []
    for row in case.ledger.sends():
        other = row.enrollment
        if (
            *other[:3],
            other.contact,
        ) != path or other.occurrence == case.key.occurrence:
            continue
        if row.step == step.id and case.ledger.enrollments[other].end != "trigger_gone":
            found.append(row.at)
    for sent in case.sent_in_plan:
        whose = (sent.sequence, sent.entity, sent.record, sent.contact)
        if (
            whose == path
            and sent.step == step.id
            and sent.occurrence != case.key.occurrence
        ):
            found.append(case.world.now)
    return found


def missing_variable(case: Case, step: Step) -> Verdict | None:
    """6.13 A variable of the template has no value and no default: hold."""
    name_of_template = str(case.template(step))
    template = case.world.project["templates"][name_of_template]
    kind = case.world.project["types"][template["type"]]
    locale = str(case.world.project["engine"]["locales"][0])
    if case.contact is not None:
        locale = locale_of(case.world, case.contact, name_of_template)
    for name in sorted(variables_used(template, locale) - ALWAYS_THERE):
        variable = kind["variables"][name]
        if "default" in variable or not _judged(variable):
            continue
        path = _path_of(variable)
        if (
            case.contact is None
            and path.split(".")[0] == case.world.facts.contact_entity
        ):
            continue  # 4.3 asks what the record lacks; there is no contact to lack something
        if case.scope.value(path) is None:
            return Verdict("hold", "missing_variable")
    return None


def _judged(variable: dict[str, object]) -> bool:
    """A count, a sum or a list always has a value."""
    return any(word in variable for word in ("value", "days_until", "days_since"))


def _path_of(variable: dict[str, object]) -> str:
    return str(
        next(
            variable[word]
            for word in ("value", "days_until", "days_since")
            if word in variable
        )
    )


def variables_used(template: dict[str, Any], locale: str) -> set[str]:
    """The words between {{ and }} in the texts that a reader of this locale gets."""
    texts = [
        str(template[part][locale])
        for part in ("subject", "preheader", "body")
        if locale in template.get(part, {})
    ]
    return {name for text in texts for name in re.findall(r"{{\s*(\w+)", text)}


def guard(case: Case, step: Step) -> Verdict | None:
    """6.14, 10.2 A guard of the sequence: hold. Whether it fails is known after a first walk (`evaluate.py`)."""
    return Verdict("hold", "guard") if case.guarded else None


ENROLLMENT_GATES: tuple[Callable[[Case], Verdict | None], ...] = (
    stopped,
    ended,
    trigger_gone,
    left_audience,
)
STEP_GATES: tuple[Callable[[Case, Step], Verdict | None], ...] = (
    inactive_wait,
    before_introduction,
    not_due,
    too_late,
    passed_over,
    cannot_be_mailed,
    must_not_be_mailed,
    same_address,
    too_soon,
    missing_variable,
    guard,
)


# 6.17 Walking forward.


def standing(sequence: Sequence, history: list[Decided]) -> Step | None:
    """8.3 Behind the furthest step decided, in today's order; before the first if none of those is left."""
    order = [step.id for step in sequence.steps]
    furthest = max(
        (order.index(row.step) for row in history if row.step in order), default=-1
    )
    return sequence.steps[furthest + 1] if furthest + 1 < len(order) else None


def walk(case: Case) -> list[Decision]:
    """6.17 From step to step until it must send, wait, hold, exit or complete; each step passed over is a skip."""
    step = None if case.sequence is None else standing(case.sequence, case.history)
    for gate in ENROLLMENT_GATES:
        verdict = gate(case)
        if verdict is not None:
            return [
                _decision(case, step if verdict.decision == "hold" else None, verdict)
            ]
    return _walk_steps(case)


def _walk_steps(case: Case) -> list[Decision]:
    assert case.sequence is not None
    rows: list[Decision] = []
    while True:
        step = standing(case.sequence, case.history)
        if step is None:
            return [
                *rows,
                _decision(case, None, Verdict("complete", "complete")),
            ]  # 6.5
        verdict = judged(case, step)
        row = _decision(case, step, verdict)
        rows.append(row)
        if verdict.decision != "skip":
            return rows
        case.history.append(
            Decided(
                case.key, step.id, "skip", verdict.reason, case.world.now, row.due_at
            )
        )


def judged(case: Case, step: Step) -> Verdict:
    """6 The first gate that does not pass gives the decision; 6.16 otherwise send."""
    verdicts = (gate(case, step) for gate in STEP_GATES)
    return next((v for v in verdicts if v is not None), Verdict("send", "due"))


def held_for(case: Case, step: Step) -> str:
    """5.6 What holds a step that is too late: the first of the gates behind, where that one is a hold.

    No other of this plan takes its address or is too near to it: it sends nothing in any case.
    """
    if case.contact is None or not step.active:
        return ""
    alone = replace(case, sent_in_plan=[], taken=set())
    behind = STEP_GATES[STEP_GATES.index(too_late) + 1 :]
    verdict = next((v for v in (gate(alone, step) for gate in behind) if v), None)
    return verdict.reason if verdict and verdict.decision == "hold" else ""


def _decision(case: Case, step: Step | None, verdict: Verdict) -> Decision:
    """5.8 due_at is the moment of the step at which the enrollment stands; null for exit, complete, step_inactive."""
    due = None if step is None or verdict.reason == "step_inactive" else case.due(step)
    template = locale = address = category = None
    if verdict.decision == "send" and step is not None:
        template = case.template(step)
        if case.contact is not None and template is not None:
            locale = locale_of(case.world, case.contact, template)
            address = address_of(case.world, case.contact)
            category = category_of_template(case.world, template)
    return Decision(
        sequence=case.key.sequence,
        step=None if step is None else step.id,
        entity=case.key.entity,
        record=case.key.record,
        occurrence=case.key.occurrence,
        contact=case.key.contact or None,
        decision=verdict.decision,
        reason=verdict.reason,
        due_at=due,
        template=template,
        locale=locale,
        address=address,
        category=None if category is None else category.name,
        topic=None if category is None else category.topic,
        mail=_mail(case, step, template),
        base=base_instant(case.base, case.sequence.zone)
        if template is not None and case.sequence is not None
        else None,
        held_for=held_for(case, step)
        if step is not None and verdict.reason == "expired"
        else "",
    )


def _mail(case: Case, step: Step | None, template: str | None) -> tuple[str, ...] | None:
    """4.8 Several records of one contact that are due for one step in one run, with one template."""
    if case.sequence is None or not case.sequence.combine or template is None:
        return None
    return (case.sequence.id, "" if step is None else step.id, case.key.contact, template)
