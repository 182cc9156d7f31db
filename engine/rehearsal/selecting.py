"""A course of days with only some of its sequences: what a selected `diff` tells."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

import pyarrow as pa
import pyarrow.compute as pc

from engine.definitions.definitions import Definitions
from engine.definitions.selecting import select_sequences
from engine.errors import WrongUsage
from engine.rehearsal.course import Course
from engine.runs.narrowing import narrowed


def selected_in(before: Definitions, after: Definitions, text: str) -> frozenset[str]:
    """The sequences that either revision selects; a renamed one under both of its names. WrongUsage where neither has any."""
    found: set[str] = set()
    refused: WrongUsage | None = None
    for definitions in (before, after):
        try:
            found |= select_sequences(definitions, text).sequences
        except WrongUsage as wrong:
            refused = wrong
    if not found and refused is not None:
        raise refused
    for sequence in after.sequences.values():
        if sequence.renamed_from is not None and found & {sequence.id, sequence.renamed_from}:
            found |= {sequence.id, sequence.renamed_from}
    return frozenset(found)


def narrowed_course(course: Course, sequences: Collection[str]) -> Course:
    """The course as far as it is about these sequences; guards of the project stay as they were counted, with all."""
    kept = pa.array(sorted(sequences), pa.string())
    sends, fates, ahead = (table.filter(pc.is_in(table["sequence"], value_set=kept)) for table in (course.sends, course.fates, course.ahead))
    blocked = tuple(one for one in course.blocked if one.guard.sequence is None or one.guard.sequence in sequences)
    enrolled = {id: count for id, count in course.enrolled.items() if id in sequences}
    return replace(course, first=narrowed(course.first, sequences), sends=sends, fates=fates, ahead=ahead, blocked=blocked, enrolled=enrolled)
