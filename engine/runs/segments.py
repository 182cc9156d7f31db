"""What an apply keeps of the segments: how many members each has now, and how many enrollments each brought (features D6)."""

from __future__ import annotations

from collections import Counter
from datetime import datetime

import pyarrow as pa

from engine.definitions.definitions import Definitions
from engine.definitions.using import segments_of, segments_of_files
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
    """For each sequence with new enrollments and each segment that it stands on: how many began. Both tables are under the ledger's ids.

    Where people are enrolled by hand, only those whom a file took from the segment: `engine enroll --segment` writes its own (3.5).
    """
    if not enrollments.num_rows:
        return SEGMENT_USES.empty_table()
    began: Counter[tuple[str, str]] = Counter()
    several = Counter(zip(enrollments.column("sequence").to_pylist(), enrollments.column("occurrence").to_pylist(), strict=True))
    for id in {id for id, _ in several}:
        sequence = definitions.sequences.get(called.called.get(id, id))
        if sequence is None:
            continue
        here = {occurrence: count for (one, occurrence), count in several.items() if one == id}
        if sequence.trigger.kind == "manual":
            for file, segment in segments_of_files(definitions, sequence).items():
                began[segment, id] += here.get(file, 0)
        else:
            began.update({(segment, id): sum(here.values()) for segment in segments_of(definitions, sequence)})
    return pa.Table.from_pylist(
        [{"segment": segment, "sequence": id, "enrolled": count} for (segment, id), count in sorted(began.items()) if count], schema=SEGMENT_USES
    )
