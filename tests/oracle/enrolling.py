"""Which enrollments a plan considers (6.18): those that live, those that live again, and the new ones."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import datetime

from .facts import World, key_order
from .gates import Case, Decision, Verdict, judged, left_audience, standing, stopped
from .ledger import Decided, Enrollment, EnrollmentKey, OccurrenceKey, OracleLedger
from .model import Sequence
from .moments import base_instant, moved
from .occurrences import (
    Occurrence,
    base_order,
    has_begun,
    has_closed,
    has_opened,
    is_open,
    occurrences,
    sequence_start,
)
from .people import audience
from .rules import holds


@dataclass
class Considered:
    """What a sequence has to walk, and what is counted beside it."""

    cases: list[Case] = field(default_factory=list)
    enrolled: list[Case] = field(default_factory=list)
    returned: list[EnrollmentKey] = field(default_factory=list)
    unreached: list[Decision] = field(default_factory=list)
    upcoming: int = 0
    before_introduction: int = 0


class Enrolling:
    """One sequence in one plan."""

    def __init__(self, world: World, ledger: OracleLedger, sequence: Sequence) -> None:
        self.world, self.ledger, self.sequence = world, ledger, sequence
        found = occurrences(world, ledger, sequence)
        # 3.2 An event ahead of now has not begun: it is upcoming, and no reason to be on the path yet.
        self.ahead = [
            one
            for one in found.values()
            if sequence.trigger == "event" and not has_begun(world, one)
        ]
        self.occurrences = {
            key: one for key, one in found.items() if one not in self.ahead
        }
        self.audiences = {
            key: audience(world, ledger, sequence, occurrence.record, self.occurrences)
            for key, occurrence in self.occurrences.items()
        }

    def considered(self) -> Considered:
        """6.18 The enrollments that are live at the start, and the new ones."""
        found = Considered()
        for enrollment in self.ledger.of_sequence(self.sequence.id):
            if enrollment.live:
                found.cases.append(self.case_of(enrollment))
            elif self.lives_again(enrollment):
                found.cases.append(self.case_of(enrollment))
                found.returned.append(enrollment.key)
        self.enter(found)
        found.cases.extend(found.enrolled)
        found.cases.sort(key=self.walking_order)
        return found

    def walking_order(self, case: Case) -> tuple[object, ...]:
        """4.6 In the order of contact keys, so that the lowest one takes an address."""
        return (
            key_order(case.key.record),
            base_instant(case.base, self.sequence.zone),
            case.key.occurrence,
            key_order(case.key.contact),
        )

    def case_of(self, enrollment: Enrollment) -> Case:
        key = enrollment.key
        about = OccurrenceKey(*key[:4])
        record = self.world.facts.get(key.entity, key.record)
        contact = self.world.facts.get(self.world.facts.contact_entity, key.contact)
        return Case(
            self.world,
            self.ledger,
            self.sequence,
            key,
            enrollment.base,
            record,
            contact,
            self.occurrences.get(about),
            any(person.key == key.contact for person in self.audiences.get(about, [])),
            self.ledger.history(key),
        )

    def lives_again(self, enrollment: Enrollment) -> bool:
        """3.10 The cause is gone and the occurrence is the same; 8.4 or a step was appended, with `backfill`."""
        case = self.case_of(enrollment)
        if case.occurrence is None or left_audience(case) is not None:
            return False
        if not enrollment.ended_finally:
            return True
        return (
            enrollment.end == "complete"
            and self.sequence.backfill is not None
            and standing(self.sequence, case.history) is not None
            and is_open(self.world, self.ledger, self.sequence, case.occurrence)
        )

    # The new ones.

    def enter(self, found: Considered) -> None:
        if self.sequence.status == "draft":
            return  # 8.15 nobody enters
        candidates: list[tuple[Occurrence, str]] = []
        # 6.18 What is considered is not upcoming beside it; who has ended takes an occurrence out of no calendar.
        self.on_the_way = {OccurrenceKey(*case.key[:4]) for case in found.cases}
        found.upcoming += sum(one.key not in self.on_the_way for one in self.ahead)
        self.counted: set[str] = set()
        for occurrence in self.occurrences.values():
            if not self.may_enter(occurrence, found):
                continue
            if not self.audiences[occurrence.key]:
                found.unreached.extend(self.unreached(occurrence))
            for contact in self.audiences[occurrence.key]:
                key = EnrollmentKey(*occurrence.key, contact.key)
                if key not in self.ledger.enrollments and not self.refused(
                    occurrence, contact.key
                ):
                    candidates.append((occurrence, contact.key))
        for occurrence, contact_key in self.one_each(candidates):
            found.enrolled.append(self.new_case(occurrence, contact_key))

    def may_enter(self, occurrence: Occurrence, found: Considered) -> bool:
        """3.6, 3.7 Open, the sequence has started, and a wait occurrence began after that."""
        nobody_yet = not self.ledger.of_occurrence(occurrence.key)
        if not has_opened(self.world, self.sequence, occurrence):
            # 3.1 Of a date that comes round the next day ahead is in the calendar.
            if self.sequence.every is None or occurrence.key.record not in self.counted:
                found.upcoming += occurrence.key not in self.on_the_way
                self.counted.add(occurrence.key.record)
            return False
        if has_closed(self.world, self.ledger, self.sequence, occurrence):
            return False
        start = sequence_start(self.world, self.ledger, self.sequence)
        if start is None:
            return False
        if (
            self.sequence.waits
            and base_instant(occurrence.base, self.sequence.zone) < start
        ):
            found.before_introduction += nobody_yet
            return False
        return self.world.now >= start

    def refused(self, occurrence: Occurrence, contact: str) -> bool:
        """3.9 Re-entry looks at the enrollments of (sequence, contact), whatever the record."""
        if self.sequence.reenter == "every_occurrence":
            return False
        earlier = self.ledger.of_contact(self.sequence.id, contact)
        if not earlier:
            return False
        if any(e.live or self.lives_again(e) for e in earlier):
            return True
        taken = self.ledger.taken.get(occurrence.key)
        if taken is not None and taken.override:
            return False  # a person can override by hand
        if isinstance(self.sequence.reenter, str):
            return True  # never: however the first ended
        last = max(e.ended_at for e in earlier if e.ended_at is not None)
        return self.world.now < moved(last, self.sequence.reenter, self.sequence.zone)

    def one_each(
        self, candidates: list[tuple[Occurrence, str]]
    ) -> list[tuple[Occurrence, str]]:
        """3.9 Of two in one plan the earlier base goes."""
        if self.sequence.reenter == "every_occurrence":
            return candidates
        by_contact: dict[str, list[Occurrence]] = defaultdict(list)
        for occurrence, contact in candidates:
            by_contact[contact].append(occurrence)
        return [
            (min(mine, key=lambda o: base_order(o, self.sequence)), contact)
            for contact, mine in by_contact.items()
        ]

    def new_case(self, occurrence: Occurrence, contact: str) -> Case:
        return Case(
            self.world,
            self.ledger,
            self.sequence,
            EnrollmentKey(*occurrence.key, contact),
            occurrence.base,
            occurrence.record,
            self.world.facts.get(self.world.facts.contact_entity, contact),
            occurrence,
            True,
            [],
        )

    # Nobody to tell.

    def unreached(self, occurrence: Occurrence) -> list[Decision]:
        """4.3 The walk of the record, from behind the furthest step that any contact has had, would send."""
        case = Case(
            self.world,
            self.ledger,
            self.sequence,
            EnrollmentKey(*occurrence.key, ""),
            occurrence.base,
            occurrence.record,
            None,
            occurrence,
            True,
            self.shared_history(occurrence),
        )
        if stopped(case) is not None or self.record_ended(case):
            return []
        while (step := standing(self.sequence, case.history)) is not None:
            verdict = judged(case, step)
            due = case.due(step)
            if verdict == Verdict("send", "due"):
                key = occurrence.key
                return [
                    Decision(*_named(key, step.id), "unreached", "no_recipient", due)
                ]
            if verdict.decision != "skip":
                return []
            case.history.append(
                Decided(case.key, step.id, "skip", verdict.reason, self.world.now, due)
            )
        return []

    def shared_history(self, occurrence: Occurrence) -> list[Decided]:
        """4.3 What any contact of the occurrence has had; the last is what the one did who got furthest (of several the latest)."""
        order = [step.id for step in self.sequence.steps]

        def reached(contact: str) -> tuple[int, datetime]:
            mine = [row for row in everyone if row.enrollment.contact == contact]
            places = (order.index(row.step) for row in mine if row.step in order)
            return max(places, default=-1), max(row.at for row in mine)

        everyone = list(self.ledger.occurrence_history(occurrence.key))
        contacts = {row.enrollment.contact for row in everyone}
        first = max(contacts, key=reached, default=None)
        return sorted(everyone, key=lambda row: row.enrollment.contact == first)

    def record_ended(self, case: Case) -> bool:
        """6.2 for a record without a contact; 4.3 a condition on the contact sees no values."""
        rules = (self.sequence.goal, self.sequence.exit_when)
        return any(rule is not None and holds(rule, case.scope) for rule in rules)


def _named(key: OccurrenceKey, step: str) -> tuple[str, str, str, str, str, None]:
    return (key.sequence, step, key.entity, key.record, key.occurrence, None)
