"""Which of our mails and which of theirs are one and the same."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from engine.cutover.recognizing import Sent


@dataclass(frozen=True, slots=True)
class Ours:
    """One mail of our plans."""

    day: date
    sequence: str
    step: str
    entity: str
    record: str
    contact: str
    address: str

    @classmethod
    def of(cls, day: date, row: dict[str, Any]) -> Ours:
        """Out of a row of a plan's sends."""
        return cls(day, row["sequence"], row["step"], row["entity"], row["record"], row["contact"], row["address"] or "")


@dataclass
class Matched:
    """`same` has our day and theirs of each mail that is one; `repeats` the day of the mail that a line repeats."""

    same: list[tuple[date, date]] = field(default_factory=list)
    ours: list[Ours] = field(default_factory=list)
    theirs: list[tuple[date, Sent]] = field(default_factory=list)
    repeats: dict[int, date] = field(default_factory=dict)


def matched(ours: Sequence[Ours], theirs: Sequence[tuple[date, Sent]], within: int) -> Matched:
    """Pair them by sequence, step and record with the contact, else with the address: first of the same day, then of near ones.

    Of two mails of theirs that are one the first counts, and the other repeats it.
    """
    result = Matched()
    free = dict(enumerate(ours))
    rest = sorted(theirs, key=lambda pair: (pair[1].at, pair[1].line))
    seen: dict[tuple[str, ...], date] = {}
    for distance in range(within + 1):
        for of_contact in (True, False):
            places: dict[tuple[str, ...], list[int]] = defaultdict(list)
            for place, one in free.items():
                places[(one.sequence, one.step, one.record, one.contact if of_contact else one.address)].append(place)
            left = []
            for day, sent in rest:
                key = (sent.sequence, sent.step, sent.record, sent.contact if of_contact else sent.address or "")
                near = [place for place in places.get(key, ()) if place in free and abs((free[place].day - day).days) == distance] if key[3] else []
                if near:
                    result.same.append((free.pop(near[0]).day, day))
                    seen.setdefault(_identity(sent), day)
                else:
                    left.append((day, sent))
            rest = left
    for day, sent in rest:
        earlier = seen.setdefault(_identity(sent), day)
        if earlier < day:
            result.repeats[sent.line] = earlier
        result.theirs.append((day, sent))
    result.ours = list(free.values())
    return result


def _identity(sent: Sent) -> tuple[str, ...]:
    return sent.sequence, sent.step, sent.record, sent.contact or sent.address or str(sent.line)
