"""What a plan says of paused segments: nobody enters by one, and that looks like a segment that has nobody (semantics 3.3, 3.4)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from engine.definitions.definitions import Definitions
from engine.definitions.triggers import OfSegment


def frozen(definitions: Definitions) -> Iterator[str]:
    """A sentence for each paused segment that a trigger or an enrollment file names."""
    entered: dict[str, list[str]] = defaultdict(list)
    for sequence in definitions.sequences.values():
        if isinstance(sequence.trigger, OfSegment) and sequence.status in ("active", "paused"):
            entered[sequence.trigger.segment].append(sequence.id)
    listed: dict[str, list[str]] = defaultdict(list)
    for file in definitions.enrollments.values():
        if file.segment is not None:
            listed[file.segment].append(file.id)
    for id, segment in sorted(definitions.segments.items()):
        if segment.status != "paused":
            continue
        if entered[id]:
            yield f"the segment {id} is paused: nobody enters {', '.join(sorted(entered[id]))} by it"
        if listed[id]:
            # Whom a file means is settled at its first apply, and that may be the next one.
            files = ", ".join(sorted(listed[id]))
            yield f"the segment {id} is paused: an enrollment file that is new enrolls nobody of it, also later when it is active again; files that name it: {files}"
