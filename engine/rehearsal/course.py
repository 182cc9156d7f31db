"""What definitions would send from a moment on: values only."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import pyarrow as pa

from engine.definitions.definitions import Definitions
from engine.plan.plan import INSTANT, GuardResult, Plan

_KEYS = [("sequence", pa.string()), ("step", pa.string()), ("entity", pa.string()), ("record", pa.string()), ("occurrence", pa.string())]
# One row a send, at the instant of the simulated apply that would send it. Those with one `message` are one mail (4.8).
SENDS = pa.schema([
    ("moment", INSTANT), *_KEYS, ("contact", pa.string()), ("due", INSTANT), ("template", pa.string()), ("locale", pa.string()),
    ("category", pa.string()), ("topic", pa.string()), ("message", pa.string()),
])  # fmt: skip
# Why somebody is passed over, held, leaves or cannot be reached: one row for each, when it was first said. A wait at the end is one too.
# Steps of occurrences that have not opened at the first instant.
AHEAD = pa.schema([("sequence", pa.string()), ("step", pa.string()), ("occurrence", pa.string()), ("opens", INSTANT), ("due", INSTANT)])
FATES = pa.schema([("moment", INSTANT), ("decision", pa.string()), ("reason", pa.string()), *_KEYS, ("contact", pa.string()), ("due", INSTANT)])


@dataclass(frozen=True, slots=True)
class Blocked:
    """A guard that would hold a run back: when first, and by how much at its worst. The course goes on as if somebody had allowed it."""

    guard: GuardResult
    at: datetime
    most: float


# What these count stands in their detail, and is another at each instant; what the others are about stands there.
_COUNTING = ("max_growth", "max_share_of_audience", "max_exits", "max_drift")


def guard_key(guard: GuardResult) -> tuple[str, str | None, str]:
    """Which guard it is, whatever it saw."""
    return guard.id, guard.sequence, "" if guard.id in _COUNTING else guard.detail


@dataclass(frozen=True, slots=True)
class Arriving:
    """One mail in somebody's box."""

    moment: datetime
    sequence: str
    step: str
    contact: str


@dataclass(frozen=True)
class Course:
    """The plans of a span of days, each on the ledger that those before it would leave. Facts are those of the first instant.

    `first` is the plan at the beginning, its guards in force. `reached` is earlier than `until` where there were too many instants.
    """

    definitions: Definitions
    first: Plan
    until: datetime
    reached: datetime
    instants: tuple[datetime, ...]
    sends: pa.Table
    fates: pa.Table
    ahead: pa.Table
    blocked: tuple[Blocked, ...]
    enrolled: Mapping[str, int]

    def letters(self) -> list[Arriving]:
        """The mails as they would arrive: several records in one message are one mail (4.8)."""
        found: dict[object, Arriving] = {}
        for number, row in enumerate(self.sends.select(["moment", "sequence", "step", "contact", "message"]).to_pylist()):
            found.setdefault(row["message"] or number, Arriving(row["moment"], row["sequence"], row["step"], row["contact"]))
        return list(found.values())

    def going(self, moment: datetime) -> dict[str, int]:
        """The mails of the simulated apply at that moment by sequence, the most first."""
        found = Counter(letter.sequence for letter in self.letters() if letter.moment == moment)
        return dict(sorted(found.items(), key=lambda item: (-item[1], item[0])))

    @property
    def cut(self) -> bool:
        """Whether the simulation ended before the day that was asked for."""
        return self.reached < self.until
