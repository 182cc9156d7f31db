"""What an apply keeps of the segments: how many members each has now, and how many enrollments each brought (features D6)."""

from __future__ import annotations

from collections import Counter
from datetime import datetime

import pyarrow as pa

from engine.definitions.definitions import Definitions
from engine.definitions.using import segments_of
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
    """For each sequence with new enrollments and each segment that it stands on: how many began. Both tables are under the ledger's ids."""
    began = Counter(enrollments.column("sequence").to_pylist()) if enrollments.num_rows else {}
    rows = [
        {"segment": segment, "sequence": id, "enrolled": count}
        for id, count in sorted(began.items())
        if (name := called.called.get(id, id)) in definitions.sequences
        for segment in sorted(segments_of(definitions, definitions.sequences[name]))
    ]
    return pa.Table.from_pylist(rows, schema=SEGMENT_USES)
