"""What a change of the definitions does to people over some days: values only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

from engine.plan.change import Change
from engine.problems import Problem
from engine.rehearsal.course import Blocked, Course

# How a mail differs between two courses. `later` and `sooner`: one of them sends it only after the days that were looked at.
KINDS = ("gain", "loss", "move", "later", "sooner", "same")


@dataclass(frozen=True)
class StepChange:
    """One step of one sequence as the head names it; mails are counted, and one that tells of several records (4.8) is one.

    `changed` mails go in both with another text, or tell of other records; `records` is how many records tell it to other people, `fewer` of them to nobody new.
    `shifts` are how far mails move, the commonest first; `reasons` is why those lost are not sent. `gaining` and `losing` are a few
    contacts' keys. `reworded` are those of `changed` that go at their old time. `items` is of how many records the mails tell, before and after, where one of them tells of several.
    """

    sequence: str
    step: str
    counts: Mapping[str, int]
    changed: int = 0
    records: int = 0
    first: date | None = None
    shifts: tuple[tuple[timedelta, int], ...] = ()
    reasons: tuple[tuple[str, int], ...] = ()
    gaining: tuple[str, ...] = ()
    losing: tuple[str, ...] = ()
    items: tuple[int, int] | None = None
    fewer: int = 0
    reworded: int = 0

    @property
    def untouched(self) -> int:
        """How many of its mails go as they would have gone."""
        return self.counts.get("same", 0) - self.reworded

    @property
    def mails(self) -> tuple[int, int]:
        """How many of its mails go in these days, before and after."""
        both = self.counts.get("same", 0) + self.moves
        return both + self.losses + self.counts.get("later", 0), both + self.gains + self.counts.get("sooner", 0)

    @property
    def gains(self) -> int:
        return self.counts.get("gain", 0)

    @property
    def losses(self) -> int:
        return self.counts.get("loss", 0)

    @property
    def moves(self) -> int:
        return self.counts.get("move", 0)


@dataclass(frozen=True, slots=True)
class Flight:
    """People on the way now whose place the change moves: where they stand in both, as (decision, step or reason)."""

    sequence: str
    was: tuple[str, str]
    now: tuple[str, str]
    people: int


@dataclass(frozen=True, slots=True)
class Unreached:
    """Records that nobody can be told of at a step, in each course; only where the change moves the number, and not merely from one step to another."""

    sequence: str
    step: str
    was: int
    now: int


@dataclass(frozen=True, slots=True)
class Volume:
    """How much goes in a course: mails, people, the most that one of them gets, and how many get as many. `burden` is of which sequences
    one of those gets them, the most first.
    """

    mails: int
    people: int
    most: int
    days: Mapping[date, int] = field(default_factory=dict)
    crowd: int = 0
    burden: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True)
class Difference:
    """`base` and `head` as they were named. `edits` are the changes of the definitions, `steps` has only what the change touches, and `blocked` only guards that it trips.
    `people` are the contacts of each kind of KINDS, one of whom may be among several. For `refused` no apply follows the head (8.7, 8.10).
    The sequences of `unjudged` are in neither course: an anonymised snapshot cannot tell what they do (E411).
    `new_environment` is the one that was read, where the base does not have it. `selected` are the sequences that are told of, None for all.
    """

    base: str
    head: str
    now: datetime
    timezone: str
    before: Course
    after: Course
    edits: tuple[Change, ...]
    steps: tuple[StepChange, ...]
    flights: tuple[Flight, ...]
    unreached: tuple[Unreached, ...]
    was: Volume
    will: Volume
    touched: int
    people: Mapping[str, int]
    blocked: tuple[Blocked, ...]
    blocked_anyway: tuple[Blocked, ...]
    ledger_as_of: datetime | None = None
    refused: tuple[Problem, ...] = ()
    unjudged: tuple[Problem, ...] = ()
    new_environment: str | None = None
    selected: frozenset[str] | None = None

    def total(self, kind: str) -> int:
        return sum(step.counts.get(kind, 0) for step in self.steps)

    @property
    def same_definitions(self) -> bool:
        return self.before.definitions.digest == self.after.definitions.digest

    @property
    def changes_mail(self) -> bool:
        """Whether anybody gets another mail, at another time, or with another text."""
        return bool(self.steps or self.flights or self.unreached)

    @property
    def first(self) -> date | None:
        """The first local day on which it shows."""
        return min((step.first for step in self.steps if step.first is not None), default=None)

    @property
    def until(self) -> datetime:
        """How far both were followed."""
        return min(self.before.reached, self.after.reached)
