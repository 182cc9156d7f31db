"""Enrollments by hand that no apply has looked at yet: the ledger has their occurrences, and nothing more (3.5)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

import pyarrow as pa
import pyarrow.compute as pc

from engine.clock import Duration, shift
from engine.definitions.definitions import Definitions
from engine.definitions.sequences import Sequence
from engine.ledger.history import EnrollmentFilter
from engine.ledger.ledger import Reading
from engine.ledger.records import OCCURRENCE, Candidates, LedgerView

_Way = tuple[str, str, str, str]


@dataclass(frozen=True, slots=True)
class PendingEnrollment:
    """A record that `engine enroll` put on a sequence. `at` is when (naive UTC); by whom and why is told once an apply has enrolled it."""

    sequence: str
    entity: str
    record: str
    occurrence: str
    at: datetime


def pending_enrollments(definitions: Definitions, ledger: Reading, wanted: EnrollmentFilter, now: datetime) -> tuple[PendingEnrollment, ...]:
    """Those of manual sequences that nothing was decided for yet, the latest first; none whose first step is too late by now."""
    manual = {id: one for id, one in definitions.sequences.items() if one.trigger.kind == "manual" and wanted.sequence in (None, id)}
    if not manual or wanted.live is False:
        return ()
    first = ledger.view(Candidates(OCCURRENCE.empty_table(), (), now, definitions.former_names))
    kept = {ledger.names().kept(id): id for id in manual}
    found = [one for one in _by_hand(first, kept) if _is_wanted(one, wanted, definitions) and now <= _too_late(manual[one.sequence], one.at, definitions)]
    found = _without(found, first, kept)
    if found:
        # Those that have ended for good are in a view only where it is asked about them.
        asked = pa.Table.from_pylist([dict(zip(OCCURRENCE.names, _way(one), strict=True)) for one in found], OCCURRENCE)
        found = _without(found, ledger.view(Candidates(asked, (), now, definitions.former_names)), kept)
    return tuple(sorted(found, key=lambda one: (-one.at.timestamp(), one.sequence, one.record)))


def _by_hand(view: LedgerView, kept: dict[str, str]) -> Iterator[PendingEnrollment]:
    table = _of(view.tables["occurrences"], kept)
    for row in table.filter(pc.equal(table.column("source"), pa.scalar("hand"))).to_pylist():
        yield PendingEnrollment(kept[row["sequence"]], row["entity"], row["record"], row["occurrence"], row["base_at"])


def _is_wanted(one: PendingEnrollment, wanted: EnrollmentFilter, definitions: Definitions) -> bool:
    itself = wanted.contact is None or (one.entity, one.record) == (definitions.crm.contact.entity, wanted.contact)
    return itself and wanted.entity in (None, one.entity) and wanted.record in (None, one.record)


def _too_late(sequence: Sequence, at: datetime, definitions: Definitions) -> datetime:
    """When its first step has expired: from then on it enrolls nobody (3.6)."""
    zone, step = sequence.timezone or definitions.project.timezone, sequence.steps[0]
    zone = definitions.project.timezone if zone == "recipient" else zone
    due = at
    for duration in (step.duration, sequence.expires_of(step)):
        try:
            # Five business days are about a week.
            due = shift(due, duration if duration.unit != "bd" else Duration(duration.count * 7 // 5 + 3, "d"), zone)
        except OverflowError:
            return datetime.max
    return due


def _without(found: list[PendingEnrollment], view: LedgerView, kept: dict[str, str]) -> list[PendingEnrollment]:
    """Those that have no enrollment in the view."""
    if not found:
        return found
    rows = _of(view.tables["enrollments"], kept).select(OCCURRENCE.names).to_pylist()
    there = {(kept[row["sequence"]], row["entity"], row["record"], row["occurrence"]) for row in rows}
    return [one for one in found if _way(one) not in there]


def _of(table: pa.Table, sequences: Iterable[str]) -> pa.Table:
    """The rows of some sequences: a view has those of all, and most are none of these."""
    return table.filter(pc.is_in(table.column("sequence"), value_set=pa.array(list(sequences), pa.string())))


def _way(one: PendingEnrollment) -> _Way:
    return one.sequence, one.entity, one.record, one.occurrence
