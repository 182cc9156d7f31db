"""All cases of a project, run: what holds, what does not, and why not."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import duckdb

from engine.definitions.cases import Case, CaseFile
from engine.definitions.definitions import Definitions
from engine.definitions.reading_cases import moments_of
from engine.problems import Origin
from engine.rehearsal.proving import Prover, Ran, wants_letters
from engine.rehearsal.verdict import Differs, compared
from engine.runs.explaining import Note, why_not

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Proved:
    """One case: it holds when nothing differs. `notes` say, by the place of a difference, why somebody is not on the sequence at all."""

    file: CaseFile
    case: Case
    origin: Origin
    ran: Ran
    differs: tuple[Differs, ...]
    notes: dict[int, tuple[Note, ...]]
    seconds: float

    @property
    def holds(self) -> bool:
        return not self.differs


@dataclass(frozen=True)
class Proof:
    """What came of all cases. `untested` are active sequences that no case expects anything of."""

    results: tuple[Proved, ...]
    untested: tuple[str, ...]
    zone: str

    @property
    def holds(self) -> bool:
        return all(result.holds for result in self.results)

    @property
    def plans(self) -> int:
        return sum(result.ran.plans for result in self.results)

    @property
    def seconds(self) -> float:
        return sum(result.seconds for result in self.results)


def prove(
    definitions: Definitions, files: Iterable[CaseFile], chosen: Callable[[CaseFile, Case], bool] = lambda file, case: True, progress: Progress | None = None
) -> Proof:
    """Run the cases that are chosen, in the order of the files."""
    files = tuple(files)
    wanted = [(file, index, case) for file in files for index, case in enumerate(file.cases) if chosen(file, case)]
    results = []
    with Prover(definitions) as prover:
        for number, (file, index, case) in enumerate(wanted):
            if progress is not None:
                progress(number, len(wanted))
            results.append(_proved(prover, file, index, case))
    named = {sequence for file in files for case in file.cases for sequence in sequences_of(case)}
    untested = tuple(sorted(id for id, sequence in definitions.sequences.items() if sequence.status == "active" and id not in named))
    return Proof(tuple(results), untested, definitions.project.timezone)


def _proved(prover: Prover, file: CaseFile, index: int, case: Case) -> Proved:
    began = time.perf_counter()
    zone = prover.definitions.project.timezone
    ran = prover.run(case, letters=wants_letters((case,)))
    differs = tuple(replace(one, entity=_about(prover.definitions, one)) for one in compared(case, ran, zone))
    notes = _notes(prover, case, differs)
    return Proved(file, case, file.places.value(index, "name"), ran, differs, notes, time.perf_counter() - began)


def _about(definitions: Definitions, one: Differs) -> str:
    row = one.expected or one.happened
    sequence = definitions.sequences.get(row.sequence) if row is not None else None
    return sequence.about if sequence is not None else ""


def _notes(prover: Prover, case: Case, differs: Sequence[Differs]) -> dict[int, tuple[Note, ...]]:
    """For rows of which no plan said a word: the case is run again, and the last plan asked."""
    silent = {place: one for place, one in enumerate(differs) if one.happened is None and not one.instead}
    if not silent:
        return {}
    found: dict[int, tuple[Note, ...]] = {}
    last = moments_of(case, prover.definitions.project.timezone)[-1]

    def inspect(cursor: duckdb.DuckDBPyConnection) -> None:
        for place, one in silent.items():
            found[place] = tuple(_asked(cursor, prover.definitions, last, case, one))[:3]

    prover.run(case, inspect=inspect)
    return found


def _asked(cursor: duckdb.DuckDBPyConnection, definitions: Definitions, now: datetime, case: Case, one: Differs) -> list[Note]:
    row = one.expected
    sequence = definitions.sequences.get(row.sequence) if row is not None else None
    if row is None or sequence is None:
        return []
    entity = definitions.crm.entities[sequence.about]
    contact = None if row.contact is None else str(row.contact)
    if row.record is not None:
        keys = [str(row.record)]
    else:
        given = case.given.records.get(sequence.about, ())
        keys = [str(record.get(entity.key, place)) for place, record in enumerate(given, 1)]
        if sequence.about == definitions.crm.contact.entity and contact is not None:
            keys = [contact]
    notes: list[Note] = []
    for key in keys:
        notes += why_not(cursor, definitions, now, row.sequence, contact=contact, record=(sequence.about, key))
    return list(dict.fromkeys(notes))


def sequences_of(case: Case) -> tuple[str, ...]:
    """The sequences that a case is about: those it is limited to, else those it gives or expects something of."""
    if case.sequences is not None:
        return case.sequences
    expect = case.expect
    rows = (*expect.sends, *(expect.skips or ()), *(expect.holds or ()), *(expect.exits or ()), *(expect.unreached or ()))
    return tuple(dict.fromkeys([*(one.sequence for one in case.given.enrolled), *(row.sequence for row in rows)]))
