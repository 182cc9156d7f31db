"""When sequences and steps start (semantics 3.7, 8.13 to 8.15): switching on never floods."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, time

from engine.clock import Duration, naive_utc, shift, start_of_day, to_utc
from engine.definitions.definitions import Definitions
from engine.definitions.sequences import Sequence
from engine.ledger.records import LedgerView

# Before every moment that a definition can name: where `backfill: all` moves a start.
EVER = datetime(1, 1, 3)


def zone_of(definitions: Definitions, sequence: Sequence) -> str:
    """The sequence's timezone, else the project's (5.3)."""
    return sequence.timezone or definitions.project.timezone


@dataclass(frozen=True, slots=True)
class Introduction:
    """When one sequence starts, and each of its steps; None for a sequence that has never been active.

    `recorded` is the start of the local day of its first apply; `new_steps` are those that this plan brings. A step that
    came with the sequence starts with it (its recorded start is NULL); one that a later apply brought has a day of its own.
    """

    start: datetime | None
    recorded: datetime | None
    new: bool
    step_starts: Mapping[str, datetime]
    new_steps: Mapping[str, datetime | None]


def introduction(definitions: Definitions, sequence: Sequence, view: LedgerView, now: datetime) -> Introduction:
    """The introduction of a sequence as a plan at `now` sees it; an apply writes down what is new in it."""
    zone = zone_of(definitions, sequence)
    today = start_of_day(now, zone)
    recorded = _recorded(view, sequence.id)
    new = recorded is None and sequence.status == "active"
    if recorded is None and not new:
        return Introduction(None, None, False, {}, {})
    start = _moved_back(active_from(sequence.active_from, zone) or recorded or today, sequence, zone)
    known = _recorded_steps(view, sequence.id)
    starts: dict[str, datetime] = {}
    new_steps: dict[str, datetime | None] = {}
    for step in sequence.steps:
        # A renamed step is the one that was there before.
        name = next((name for name in (step.id, step.renamed_from) if name is not None and name in known), None)
        brought = known[name] if name is not None else (None if new else today)
        if name is None:
            new_steps[step.id] = brought
        starts[step.id] = start if brought is None else _moved_back(brought, sequence, zone)
    return Introduction(start, recorded or today, new, starts, new_steps)


def active_from(said: date | datetime | None, zone: str) -> datetime | None:
    """`active_from` as naive UTC: a date is the start of that local day, a time without an offset is local."""
    if said is None:
        return None
    if isinstance(said, datetime):
        return naive_utc(said) if said.tzinfo is not None else to_utc(said, zone)
    return to_utc(datetime.combine(said, time()), zone)


def _moved_back(start: datetime, sequence: Sequence, zone: str) -> datetime:
    if sequence.backfill == "all":
        return EVER
    if isinstance(sequence.backfill, Duration):
        return shift(start, sequence.backfill, zone, -1)
    return start


def _recorded(view: LedgerView, sequence: str) -> datetime | None:
    table = view.tables["starts"]
    names = table.column("sequence").to_pylist()
    started: datetime | None = table.column("started")[names.index(sequence)].as_py() if sequence in names else None
    return started


def _recorded_steps(view: LedgerView, sequence: str) -> dict[str, datetime | None]:
    return {row["step"]: row["started"] for row in view.tables["step_starts"].to_pylist() if row["sequence"] == sequence}
