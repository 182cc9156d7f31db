"""What an apply keeps of the segments: how many members each has now, and how many enrollments each brought (features D6)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import datetime

import pyarrow as pa
import pyarrow.compute as pc

from engine.definitions.definitions import Definitions
from engine.definitions.rules import All, AnyOf, InSegment, Related, Rule
from engine.definitions.sequences import Sequence
from engine.definitions.triggers import DateTrigger, EventTrigger, OfSegment
from engine.definitions.using import segments_of_files
from engine.facts.snapshot import Snapshot
from engine.ledger.records import SEGMENT_COUNTS, SEGMENT_USES
from engine.plan.identity import Identity
from engine.relations.segments import counts


def members_now(definitions: Definitions, snapshot: Snapshot, now: datetime) -> pa.Table:
    """The members of each segment that is in use or could be; archived ones are not counted."""
    ids = sorted(segment.id for segment in definitions.segments.values() if segment.status != "archived")
    numbers = counts(definitions, ids, now, snapshot.connection)
    return pa.table({"segment": pa.array(ids, pa.string()), "members": pa.array([numbers[id] for id in ids], pa.int64())}, schema=SEGMENT_COUNTS)


def uses(definitions: Definitions, enrollments: pa.Table, called: Identity) -> pa.Table:
    """For each sequence with new enrollments and each segment that brings it its people: how many began. Both tables are under the ledger's ids.

    Where people are enrolled by hand, only those whom a file took from the segment: `engine enroll --segment` writes its own (3.5).
    """
    if not enrollments.num_rows:
        return SEGMENT_USES.empty_table()
    began: Counter[tuple[str, str]] = Counter()
    for id, count in Counter(enrollments.column("sequence").to_pylist()).items():
        sequence = definitions.sequences.get(called.called.get(id, id))
        if sequence is not None and sequence.trigger.kind != "manual":
            began.update({(segment, id): count for segment in _bringing(sequence)})
        elif sequence is not None and (files := segments_of_files(definitions, sequence)):
            here = Counter(enrollments.filter(pc.equal(enrollments.column("sequence"), pa.scalar(id))).column("occurrence").to_pylist())
            for file, segment in files.items():
                began[segment, id] += here[file]
    return pa.Table.from_pylist(
        [{"segment": segment, "sequence": id, "enrolled": count} for (segment, id), count in sorted(began.items()) if count], schema=SEGMENT_USES
    )


def _bringing(sequence: Sequence) -> set[str]:
    """The segments by which people come: of the trigger, and those that its rules or the audience's ask to be a member of.

    A segment that only chooses among steps, ends a way, or keeps its members out brings nobody.
    """
    trigger, audience = sequence.trigger, sequence.audience
    rules: list[Rule | None] = [trigger.where] if isinstance(trigger, DateTrigger | EventTrigger) else []
    if audience is not None:
        rules += [audience.where, *(rule for rule in audience.first_of or () if not isinstance(rule, str))]
    found = {segment for rule in rules for segment in _member_of(rule)}
    return found | {trigger.segment} if isinstance(trigger, OfSegment) else found


def _member_of(rule: Rule | None) -> Iterator[str]:
    """The segments of which somebody has to be a member, or one of whose members has to be there."""
    if isinstance(rule, InSegment):
        yield rule.segment
    elif isinstance(rule, All | AnyOf):
        for below in rule.rules:
            yield from _member_of(below)
    elif isinstance(rule, Related) and rule.kind != "none":
        yield from _member_of(rule.where)
