"""What was decided and done before, in memory. Nothing here decides anything; `gates.py` and `enrolling.py` read it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from .facts import Past
from .moments import Base

if TYPE_CHECKING:
    from .evaluate import OraclePlan

# 3.10 What ends an enrollment only while the cause lasts.
WHILE_IT_LASTS = frozenset(
    {
        "trigger_gone",
        "date_moved",
        "left_audience",
        "sequence_removed",
        "trigger_changed",
    }
)


class EnrollmentKey(NamedTuple):
    """2 One contact on the path of one occurrence."""

    sequence: str
    entity: str
    record: str
    occurrence: str
    contact: str


class OccurrenceKey(NamedTuple):
    sequence: str
    entity: str
    record: str
    occurrence: str


@dataclass(frozen=True)
class Tick:
    """3.4 A local wall time of the project, and its instant."""

    key: str
    at: datetime


class SendKey(NamedTuple):
    """2 Unique in the ledger whatever else goes wrong."""

    sequence: str
    step: str
    entity: str
    record: str
    occurrence: str
    contact: str


@dataclass
class Enrollment:
    """2 Identity, start and end. `end` is the reason of the last exit, or `complete`."""

    key: EnrollmentKey
    base: Base
    started_at: datetime
    end: str | None = None
    ended_at: datetime | None = None

    @property
    def live(self) -> bool:
        return self.end is None

    @property
    def ended_finally(self) -> bool:
        """3.10 goal_met, exit_condition, cancelled, complete."""
        return self.end is not None and self.end not in WHILE_IT_LASTS


@dataclass(frozen=True)
class Decided:
    """A step decided for an enrollment: a send in any state, or a skip. Both take the send key (9.1)."""

    enrollment: EnrollmentKey
    step: str
    decision: str  # send, skip
    reason: str
    at: datetime  # the now of the run that decided it
    due_at: datetime | None
    address: str | None = None
    state: str | None = None  # of a send: sent, failed, unknown
    template: str | None = None
    category: str | None = None
    topic: str | None = None
    mail: tuple[str, ...] | None = None  # 4.8 what the rows of one mail share


@dataclass(frozen=True)
class Taken:
    """3.5 An occurrence that is recorded when it is taken: its base, and what took it."""

    base: datetime
    by: str  # file, command
    override: bool = False  # 3.9 a person let a second one in


@dataclass(frozen=True)
class Told:
    """3.2 A row of the event inbox, by its name and id."""

    record: str
    at: datetime


@dataclass(frozen=True)
class Roster:
    """3.3 Who was a member at the sequence's previous apply, and by which rules."""

    rules: str
    members: frozenset[str]


@dataclass
class OracleLedger:
    enrollments: dict[EnrollmentKey, Enrollment] = field(default_factory=dict)
    decided: list[Decided] = field(default_factory=list)
    taken: dict[OccurrenceKey, Taken] = field(default_factory=dict)
    files_taken: set[str] = field(default_factory=set)
    starts: dict[str, datetime] = field(default_factory=dict)
    step_starts: dict[tuple[str, str], datetime | None] = field(default_factory=dict)
    known_steps: dict[str, frozenset[str]] = field(default_factory=dict)
    fact_counts: dict[str, int] = field(default_factory=dict)
    last_now: datetime | None = None
    stopped: bool = False
    stopped_sequences: set[str] = field(default_factory=set)
    project_paused: bool = False
    paused_sequences: set[str] = field(default_factory=set)
    paused: set[EnrollmentKey] = field(default_factory=set)
    cancelled: set[EnrollmentKey] = field(default_factory=set)
    suppressions: dict[str, set[str]] = field(default_factory=dict)
    feedback: list[Past] = field(default_factory=list)
    events: dict[tuple[str, str], Told] = field(default_factory=dict)
    ticks: dict[str, Tick] = field(default_factory=dict)  # the last one taken
    rosters: dict[str, Roster] = field(default_factory=dict)
    followed: dict[str, list[Any]] = field(default_factory=dict)  # 8.6, 8.8, 8.9

    # What the rules ask.

    def history(self, key: EnrollmentKey) -> list[Decided]:
        """The steps decided for one enrollment, in the order in which they were decided."""
        return [row for row in self.decided if row.enrollment == key]

    def occurrence_history(self, key: OccurrenceKey) -> list[Decided]:
        """The steps decided for any contact of one occurrence."""
        return [row for row in self.decided if tuple(row.enrollment[:4]) == tuple(key)]

    def of_occurrence(self, key: OccurrenceKey) -> list[Enrollment]:
        return [e for e in self.enrollments.values() if tuple(e.key[:4]) == tuple(key)]

    def of_sequence(self, sequence: str) -> list[Enrollment]:
        return [e for e in self.enrollments.values() if e.key.sequence == sequence]

    def of_contact(self, sequence: str, contact: str) -> list[Enrollment]:
        return [e for e in self.of_sequence(sequence) if e.key.contact == contact]

    def sends(self) -> list[Decided]:
        """Every send, also a failed and an unknown one (6.19: as if it had been sent)."""
        return [row for row in self.decided if row.decision == "send"]

    def past(self) -> tuple[Past, ...]:
        """7.6 What each contact received, opened, clicked, and where it was enrolled."""
        received = [
            Past("received", row.enrollment.contact, row.enrollment.sequence, row.step, row.template, row.at)
            for row in self.sends()
            if row.state in ("sent", "unknown")
        ]
        enrolled = [
            Past("enrolled", e.key.contact, e.key.sequence, None, None, e.started_at)
            for e in self.enrollments.values()
        ]
        return (*received, *enrolled, *self.feedback)

    # What people do.

    def respond(self, contact: str | int, kind: str, at: datetime) -> None:
        """9.7 Feedback on every mail that the contact was sent; one in doubt is sent then."""
        for number, row in enumerate(self.decided):
            if row.enrollment.contact == str(contact) and row.state in ("sent", "unknown"):
                self.decided[number] = replace(row, state="sent")
                self.feedback.append(
                    Past(kind, row.enrollment.contact, row.enrollment.sequence, row.step, row.template, at.astimezone(UTC))
                )

    def enroll(
        self,
        sequence: str,
        record: str | int,
        at: datetime,
        entity: str = "contact",
        override: bool = False,
        former: str | None = None,
    ) -> str:
        """3.5 `engine enroll`: key, a number, counted for the record from 1; base, the command's moment. 8.7: the history is one, also
        between the commit of a rename and the first apply that follows it."""
        at = at.astimezone(UTC)
        number = 1 + sum(
            1
            for key, taken in self.taken.items()
            if key[0] in (sequence, former) and key[1:3] == (entity, str(record)) and taken.by == "command"
        )
        key = OccurrenceKey(sequence, entity, str(record), str(number))
        self.taken[key] = Taken(at, "command", override)
        return key.occurrence

    def tell(self, event: str, id: str, record: str | int, at: datetime) -> None:
        """3.2 `engine event`: coming twice under one id is normal and one event."""
        self.events.setdefault((event, id), Told(str(record), at.astimezone(UTC)))

    def stop(self, sequence: str | None = None) -> None:
        """9.8 `engine stop [SEQUENCE]`."""
        if sequence is None:
            self.stopped = True
        else:
            self.stopped_sequences.add(sequence)

    def start(self, sequence: str | None = None) -> None:
        """`engine start` takes a stop back."""
        if sequence is None:
            self.stopped = False
        else:
            self.stopped_sequences.discard(sequence)

    def pause(
        self,
        sequence: str | None = None,
        contact: str | int | None = None,
        former: str | None = None,
    ) -> None:
        """The project, a sequence, or the live enrollments of a contact in a sequence."""
        if sequence is None:
            self.project_paused = True
        elif contact is None:
            self.paused_sequences.add(sequence)
        else:
            self.paused |= self._live(sequence, str(contact), former)

    def resume(
        self,
        sequence: str | None = None,
        contact: str | int | None = None,
        former: str | None = None,
    ) -> None:
        if sequence is None:
            self.project_paused = False
        elif contact is None:
            self.paused_sequences.discard(sequence)
        else:
            self.paused -= {
                e.key
                for name in (sequence, former)
                if name is not None
                for e in self.of_contact(name, str(contact))
            }

    def cancel(
        self, sequence: str, contact: str | int, former: str | None = None
    ) -> None:
        """6.2 The next plan gives `exit: cancelled` to the enrollments that live now."""
        self.cancelled |= self._live(sequence, str(contact), former)

    def _live(
        self, sequence: str, contact: str, former: str | None
    ) -> set[EnrollmentKey]:
        """8.7 Also of those under the name that the file had before, where no apply has followed the new one."""
        return {
            e.key
            for name in (sequence, former)
            if name is not None
            for e in self.of_contact(name, contact)
            if e.live
        }

    def suppress(self, address: str, reason: str, topic: str | None = None) -> None:
        """reason: `bounce`, `complaint`, or `unsubscribed` (from one topic, or from all marketing)."""
        mark = f"{reason}:{topic}" if topic else reason
        self.suppressions.setdefault(address.strip().lower(), set()).add(mark)

    def unsuppress(self, address: str) -> None:
        self.suppressions.pop(address.strip().lower(), None)

    # 8.7 What is called otherwise now.

    def rename_sequence(self, old: str, new: str) -> None:
        def key(known: Any) -> Any:
            return known._replace(sequence=new) if known.sequence == old else known

        for enrollment in self.enrollments.values():
            enrollment.key = key(enrollment.key)
        self.enrollments = {e.key: e for e in self.enrollments.values()}
        self.decided = [
            replace(row, enrollment=key(row.enrollment)) for row in self.decided
        ]
        self.taken = {key(known): taken for known, taken in self.taken.items()}
        self.paused = {key(known) for known in self.paused}
        self.cancelled = {key(known) for known in self.cancelled}
        for names in (self.stopped_sequences, self.paused_sequences):
            if old in names:
                names.discard(old)
                names.add(new)
        by_name: list[dict[str, Any]] = [
            self.starts,
            self.known_steps,
            self.ticks,
            self.rosters,
            self.followed,
        ]
        for known in by_name:
            if old in known:
                known[new] = known.pop(old)
        self.step_starts = {
            (new if name == old else name, step): start
            for (name, step), start in self.step_starts.items()
        }
        self.feedback = [
            replace(past, sequence=new) if past.sequence == old else past
            for past in self.feedback
        ]

    def rename_step(self, sequence: str, old: str, new: str) -> None:
        if old not in self.known_steps.get(sequence, ()):
            return
        self.decided = [
            replace(row, step=new)
            if row.step == old and row.enrollment.sequence == sequence
            else row
            for row in self.decided
        ]
        self.known_steps[sequence] = self.known_steps[sequence] - {old} | {new}
        if (sequence, old) in self.step_starts:
            self.step_starts[(sequence, new)] = self.step_starts.pop((sequence, old))
        self.followed[sequence] = [
            replace(
                row,
                times={
                    new if name == old else name: step
                    for name, step in row.times.items()
                },
            )
            for row in self.followed.get(sequence, [])
        ]

    # What an apply records.

    def apply(
        self,
        plan: OraclePlan,
        now: datetime,
        outcomes: Mapping[SendKey, str] | None = None,
    ) -> None:
        """9.1 Skips, exits, starts, ticks and sends of the plan. A blocked plan writes nothing (10.2)."""
        now = now.astimezone(UTC)
        if self.last_now is not None and now < self.last_now:
            raise ValueError("apply refuses a now earlier than the ledger's last")
        if plan.blocked:
            return
        self.last_now = now
        self._record_effects(plan, now)
        for decision in plan.decisions:
            if decision.contact is None or decision.decision == "unreached":
                continue
            key = EnrollmentKey(
                decision.sequence,
                decision.entity,
                decision.record,
                decision.occurrence,
                decision.contact,
            )
            enrollment = self.enrollments[key]
            if decision.decision in ("send", "skip") and decision.step is not None:
                send_key = SendKey(key[0], decision.step, *key[1:])
                state = (outcomes or {}).get(send_key, "sent")
                self.decided.append(
                    Decided(
                        key,
                        decision.step,
                        decision.decision,
                        decision.reason,
                        now,
                        decision.due_at,
                        decision.address,
                        state if decision.decision == "send" else None,
                        decision.template,
                        decision.category,
                        decision.topic,
                        decision.mail,
                    )
                )
            elif decision.decision in ("exit", "complete"):
                enrollment.end = decision.reason
                enrollment.ended_at = now

    def _record_effects(self, plan: OraclePlan, now: datetime) -> None:
        effects = plan.effects
        for key, base in effects.enrolled:
            self.enrollments[key] = Enrollment(key, base, now)
        for key in effects.returned:
            # 3.10 Lives again with its history.
            self.enrollments[key].end = None
            self.enrollments[key].ended_at = None
        self.taken.update(effects.taken)
        self.files_taken |= effects.files_taken
        self.ticks.update(effects.ticks)
        self.rosters = dict(effects.rosters)
        self.starts.update(effects.starts)
        self.step_starts.update(effects.step_starts)
        self.known_steps.update(effects.known_steps)
        for name, row in effects.followed.items():
            self.followed.setdefault(name, []).append(row)
        self.fact_counts = dict(effects.fact_counts)
