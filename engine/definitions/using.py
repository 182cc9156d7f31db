"""Which segments a definition names, and who names a segment."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import is_dataclass
from typing import Any

from pydantic import BaseModel

from engine.definitions.definitions import Definitions
from engine.definitions.rules import InSegment, Rule, walk
from engine.definitions.sequences import Sequence

# Keys whose value is a segment's id: `segment:` of an enrollment, `enters:` and `for:` of a trigger.
_KEYS = frozenset(("segment", "enters", "for_"))


def rules_of(part: Any) -> Iterator[Rule]:
    """Every rule that stands in a definition, each with what is below it."""
    if isinstance(part, BaseModel):
        for name in type(part).model_fields:
            yield from rules_of(getattr(part, name))
    elif isinstance(part, tuple | list):
        for below in part:
            yield from rules_of(below)
    elif isinstance(part, dict):
        yield from rules_of(tuple(part.values()))
    elif is_dataclass(part) and hasattr(part, "at"):
        # Rules are the frozen values with a place; others, such as durations, name nothing.
        rule: Any = part
        yield rule


def segments_in(part: Any) -> Iterator[str]:
    """The ids of the segments that a definition names, in its keys and in all its rules; an id as often as it is named."""
    if isinstance(part, BaseModel):
        for name in type(part).model_fields:
            value = getattr(part, name)
            if name in _KEYS and isinstance(value, str):
                yield value
            else:
                yield from segments_in(value)
    elif isinstance(part, tuple | list):
        for below in part:
            yield from segments_in(below)
    elif isinstance(part, dict):
        for below in part.values():
            yield from segments_in(below)
    else:
        yield from (below.segment for rule in rules_of(part) for below in walk(rule) if isinstance(below, InSegment))


def segments_of(definitions: Definitions, sequence: Sequence) -> frozenset[str]:
    """The segments that a sequence stands on: named in it, or in an enrollment file of it. Those behind a segment's own rules are not."""
    return frozenset((*segments_in(sequence), *segments_of_files(definitions, sequence).values()))


def segments_of_files(definitions: Definitions, sequence: Sequence) -> dict[str, str]:
    """The segment of each enrollment file of a sequence that takes its people from one; the file's id is the key of their occurrence (3.5)."""
    return {file.id: file.segment for file in definitions.enrollments.values() if file.sequence == sequence.id and file.segment is not None}


def users_of(definitions: Definitions, segment: str) -> list[str]:
    """What names the segment: `sequence onboarding`, `segment vip`, `enrollment 2026-11-hotels`, `type newsletter`."""
    kinds = {"enrollment": definitions.enrollments, "segment": definitions.segments, "sequence": definitions.sequences, "type": definitions.types}
    return sorted(f"{kind} {id}" for kind, several in kinds.items() for id, one in several.items() if segment in segments_in(one))
