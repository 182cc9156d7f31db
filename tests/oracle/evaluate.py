"""plan = f(definitions, facts, ledger, now), sentence by sentence."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime

from .caps import keep_caps
from .enrolling import Considered, Enrolling
from .facts import Facts, Rows, World, key_order
from .followed import Said, take_names, to_follow, with_earlier_times
from .gates import Case, Decision, walk
from .guards import GuardResult, first_run_max, project_guards
from .ledger import EnrollmentKey, OccurrenceKey, OracleLedger, Roster, SendKey, Taken, Tick
from .mails import leading
from .model import Project, Sequence, sequence_of
from .moments import Base, start_of_local_day
from .occurrences import (
    brought_at,
    has_started,
    newly_taken,
    recorded_start,
    roster,
    tick_to_take,
)
from .people import address_of

COUNTERS = (
    "considered",
    "send",
    "wait",
    "hold",
    "exit",
    "complete",
    "skipped_steps",
    "enroll",
    "unreached",
    "upcoming",
    "before_introduction",
)
FAR = datetime.max.replace(tzinfo=UTC)


@dataclass
class Effects:
    """9.1 What an apply writes beside the decisions."""

    enrolled: list[tuple[EnrollmentKey, Base]] = field(default_factory=list)
    returned: list[EnrollmentKey] = field(default_factory=list)
    taken: dict[OccurrenceKey, Taken] = field(default_factory=dict)
    files_taken: set[str] = field(default_factory=set)
    ticks: dict[str, Tick] = field(default_factory=dict)
    rosters: dict[str, Roster] = field(default_factory=dict)
    starts: dict[str, datetime] = field(default_factory=dict)
    step_starts: dict[tuple[str, str], datetime | None] = field(default_factory=dict)
    known_steps: dict[str, frozenset[str]] = field(default_factory=dict)
    fact_counts: dict[str, int] = field(default_factory=dict)
    followed: dict[str, Said] = field(default_factory=dict)


Row = tuple[str, str, str, str, str, str, str, str, str, str, str]


@dataclass
class OraclePlan:
    now: datetime
    decisions: list[Decision] = field(default_factory=list)
    sequences: dict[str, dict[str, int]] = field(default_factory=dict)
    reasons: dict[str, Counter[str]] = field(default_factory=dict)
    guards: list[GuardResult] = field(default_factory=list)
    effects: Effects = field(default_factory=Effects)
    blocked: bool = False  # 10.2 by a guard about the project or the facts

    @property
    def summary(self) -> dict[str, int]:
        """interface.md 4: the counters of all sequences together."""
        return {
            name: sum(s[name] for s in self.sequences.values()) for name in COUNTERS
        }

    def as_rows(self, waits: bool = True) -> list[Row]:
        """The decisions as tuples of text that two evaluators can compare; template and locale of sends only."""
        kept = [d for d in self.decisions if waits or d.decision != "wait"]
        return sorted(_row(decision) for decision in kept)

    def sends(self) -> list[Decision]:
        return [d for d in self.decisions if d.decision == "send"]

    def outcomes_for(self, states: dict[str, str]) -> dict[SendKey, str]:
        """The outcomes of the sends to some addresses (in any case, with any spaces)."""
        wanted = {address.strip().lower(): state for address, state in states.items()}
        return {
            SendKey(
                d.sequence,
                str(d.step),
                d.entity,
                d.record,
                d.occurrence,
                str(d.contact),
            ): wanted[d.address]
            for d in self.sends()
            if d.address in wanted
        }


def _row(d: Decision) -> Row:
    return (
        d.sequence,
        d.due_at.strftime("%Y-%m-%dT%H:%M:%SZ") if d.due_at else "",
        d.entity,
        d.record,
        d.occurrence,
        d.contact or "",
        d.step or "",
        d.decision,
        d.reason,
        (d.template or "") if d.decision == "send" else "",
        (d.locale or "") if d.decision == "send" else "",
        d.held_for,
    )


def order(decision: Decision) -> tuple[object, ...]:
    """interface.md 4: sorted by (sequence, due, record, contact)."""
    return (
        decision.sequence,
        decision.due_at or FAR,
        key_order(decision.record),
        decision.occurrence,
        key_order(decision.contact or ""),
        decision.step or "",
    )


def evaluate(
    project: Project, facts: Rows, ledger: OracleLedger, now: datetime
) -> OraclePlan:
    """1 The same inputs give the same plan; `now` is always passed in."""
    assert now.tzinfo is not None, "now is an instant"
    world = World(project, Facts(project, facts), now.astimezone(UTC), ledger.past())
    take_names(world, ledger)
    world = World(project, Facts(project, facts), now.astimezone(UTC), ledger.past())
    plan = OraclePlan(world.now)
    walked: list[tuple[str, list[Decision], Considered]] = []
    names = set(project["sequences"]) | {key.sequence for key in ledger.enrollments}
    for name in sorted(names):
        sequence = sequence_of(project, name)
        if name in project["sequences"]:
            row = to_follow(world, ledger, name)
            if row is not None:
                plan.effects.followed[name] = row
        if sequence is None:
            walked.append((name, *_plan_removed(world, ledger, name)))
        else:
            sequence = with_earlier_times(world, ledger, sequence)
            walked.append((name, *_plan_sequence(plan, world, ledger, sequence)))
    # 6.15 is the last gate, and looks at the sends of all sequences together.
    kept = keep_caps(world, ledger, [row for _, rows, _ in walked for row in rows])
    for name, _, found in walked:
        _count(plan, name, [row for row in kept if row.sequence == name], found)
    plan.effects.fact_counts = {
        name: len(found) for name, found in world.facts.records.items()
    }
    failing = project_guards(world, ledger, plan.sends())
    plan.guards.extend(failing)
    plan.blocked = any(not guard.passed for guard in failing)
    plan.decisions.sort(key=order)
    return plan


def _plan_removed(
    world: World, ledger: OracleLedger, name: str
) -> tuple[list[Decision], Considered]:
    """8.13 Nothing is sent; live enrollments exit (6.1 still holds them, 6.2 still cancels them)."""
    rows: list[Decision] = []
    for enrollment in ledger.of_sequence(name):
        if not enrollment.live:
            continue
        key = enrollment.key
        record = (
            world.facts.get(key.entity, key.record)
            if key.entity in world.facts.records
            else None
        )
        contact = world.facts.get(world.facts.contact_entity, key.contact)
        history = ledger.history(key)
        rows += walk(
            Case(
                world,
                ledger,
                None,
                key,
                enrollment.base,
                record,
                contact,
                None,
                False,
                history,
            )
        )
    return rows, Considered()


def _plan_sequence(
    plan: OraclePlan, world: World, ledger: OracleLedger, sequence: Sequence
) -> tuple[list[Decision], Considered]:
    rows, found = _walked(world, ledger, sequence, guarded=False)
    sends = len(leading([row for row in rows if row.decision == "send"]))
    result = first_run_max(ledger, sequence, sends)
    if result is not None:
        plan.guards.append(result)
        if not result.passed:
            # 10.2 The sequence is walked again, so that nobody who is held takes an address (4.6).
            rows, found = _walked(world, ledger, sequence, guarded=True)
    _record(plan, world, ledger, sequence, found)
    return rows, found


def _walked(
    world: World, ledger: OracleLedger, sequence: Sequence, guarded: bool
) -> tuple[list[Decision], Considered]:
    """4.6 Walked again until nobody else is found whose address a higher key takes: also who lacks a variable, or for whom it is too soon, is a duplicate then."""
    taken: set[tuple[EnrollmentKey, str]] = set()
    while True:
        found = Enrolling(world, ledger, sequence).considered()
        sent: list[Decision] = []
        rows: list[Decision] = []
        for case in found.cases:
            case.guarded, case.sent_in_plan, case.taken = guarded, sent, taken
            walked = walk(case)
            rows += walked
            sent += [row for row in walked if row.decision == "send"]
        contacts = world.facts.all(world.facts.contact_entity)
        addresses = {one.key: address_of(world, one) for one in contacts}
        late = {
            (EnrollmentKey(*_occurrence(row), row.contact), str(row.step))
            for row in rows
            if row.reason in ("missing_variable", "too_soon") and row.contact
            if any(
                (_occurrence(d), d.step, d.address)
                == (_occurrence(row), row.step, addresses[row.contact])
                for d in sent
            )
        }
        if not late:
            return rows, found
        taken |= late


def _occurrence(row: Decision) -> tuple[str, str, str, str]:
    return (row.sequence, row.entity, row.record, row.occurrence)


def _count(
    plan: OraclePlan, name: str, rows: list[Decision], found: Considered
) -> None:
    """6.18 considered = send + wait + hold + exit + complete; skips, unreached and upcoming are counted beside it."""
    kinds = Counter(row.decision for row in rows)
    counts = {
        kind: kinds[kind] for kind in ("send", "wait", "hold", "exit", "complete")
    }
    plan.sequences[name] = {
        "considered": sum(counts.values()),
        **counts,
        "skipped_steps": kinds["skip"],
        "enroll": len(found.enrolled),
        "unreached": len(found.unreached),
        "upcoming": found.upcoming,
        "before_introduction": found.before_introduction,
    }
    plan.decisions += rows + found.unreached
    plan.reasons[name] = Counter(row.reason for row in rows + found.unreached)


def _record(
    plan: OraclePlan,
    world: World,
    ledger: OracleLedger,
    sequence: Sequence,
    found: Considered,
) -> None:
    """9.1 Enrollments, returns, what was taken, starts of the sequence and of its steps."""
    effects = plan.effects
    effects.enrolled += [(case.key, case.base) for case in found.enrolled]
    effects.returned += found.returned
    taken, files = newly_taken(world, ledger, sequence)
    tick = tick_to_take(world, ledger, sequence)
    if tick is not None:
        effects.ticks[sequence.id] = tick
    if sequence.trigger == "enters" and has_started(world, ledger, sequence):
        effects.rosters[sequence.id] = roster(world, sequence)
    effects.taken.update(taken)
    effects.files_taken |= files
    start = recorded_start(world, ledger, sequence)
    if sequence.status == "active" and sequence.id not in ledger.starts:
        # Also beside an `active_from`, which may be taken out of the file one day.
        effects.starts[sequence.id] = start_of_local_day(world.now, sequence.zone)
    if start is None and sequence.id not in ledger.known_steps:
        return  # it has not started: its steps will start with it
    for step in sequence.steps:
        effects.step_starts[(sequence.id, step.id)] = brought_at(
            world, ledger, sequence, step
        )
    effects.known_steps[sequence.id] = frozenset(step.id for step in sequence.steps)
