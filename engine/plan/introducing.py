"""When sequences and steps start (semantics 3.7, 8.13 to 8.15): switching on never floods."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time

from engine.clock import EVER, Duration, naive_utc, reach_back, start_of_day, to_utc
from engine.definitions.base import RECIPIENT
from engine.definitions.definitions import Definitions
from engine.definitions.sequences import Sequence
from engine.ledger.records import LedgerView

# A step's recorded start once the step was taken out: brought again, it starts again.
RETIRED = datetime(9999, 12, 31)


def zone_of(definitions: Definitions, sequence: Sequence) -> str:
    """The sequence's timezone, else the project's (5.3). Where each contact's own counts it is the project's that says when a day begins."""
    return definitions.project.timezone if sequence.timezone in (None, RECIPIENT) else sequence.timezone


@dataclass(frozen=True, slots=True)
class Began:
    """Something that an apply brought: its now, and the start of its local day."""

    since: datetime
    day: datetime


@dataclass(frozen=True, slots=True)
class Introduction:
    """When one sequence starts, and each of its steps; None for a sequence that has not started.

    `recorded` is the start of the local day of its first apply as an active one, and `new` says that this plan is that
    apply's. `step_records` are the rows that this plan brings: new steps, and RETIRED for those taken out.
    """

    start: datetime | None
    recorded: datetime | None
    new: bool
    step_starts: Mapping[str, datetime]
    step_records: Mapping[str, datetime]


def introduction(definitions: Definitions, sequence: Sequence, view: LedgerView, now: datetime, restarts: Iterable[Began] = ()) -> Introduction:
    """The introduction of a sequence as a plan at `now` sees it; an apply writes down what is new in it.

    `restarts` are the applies that brought another trigger: the last is its start, and that of its steps (8.8).
    """
    zone = zone_of(definitions, sequence)
    today = start_of_day(now, zone)
    recorded = _recorded(view, sequence.id)
    new = recorded is None and sequence.status == "active"
    began = active_from(sequence.active_from, zone) or recorded or (today if new else None)
    again = max((one.day for one in restarts), default=None)
    if began is not None and again is not None:
        # An `active_from` that is still ahead is no start yet.
        began = began if began > now else again
    if began is None or sequence.status in ("draft", "archived"):
        return Introduction(None, recorded, False, {}, {})
    start = _moved_back(began, sequence, zone)
    known = _recorded_steps(view, sequence)
    starts: dict[str, datetime] = {}
    records: dict[str, datetime] = {}
    for step in sequence.steps:
        # A renamed step is the one that was there before: the ledger knows it by its name.
        brought = known.get(step.id, EVER if recorded is None else today)
        if step.id not in known and (new or recorded is not None):
            records[step.id] = brought
        starts[step.id] = (
            start
            if brought == EVER
            else max(start, _moved_back(brought, sequence, zone))
            if start > now or again is not None
            else _moved_back(brought, sequence, zone)
        )
    taken_out = set(known) - {step.id for step in sequence.steps}
    return Introduction(start, recorded or (today if new else None), new, starts, {**records, **dict.fromkeys(sorted(taken_out), RETIRED)})


def restored_at(view: LedgerView) -> datetime | None:
    """When the ledger was restored without all that was sent before: a start of the whole project. None for nearly all ledgers."""
    return _recorded(view, "")


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
        return reach_back(start, sequence.backfill, zone)
    return start


def _recorded(view: LedgerView, sequence: str) -> datetime | None:
    table = view.tables["starts"]
    names = table.column("sequence").to_pylist()
    started: datetime | None = table.column("started")[names.index(sequence)].as_py() if sequence in names else None
    return started


def _recorded_steps(view: LedgerView, sequence: Sequence) -> dict[str, datetime]:
    rows = view.tables["step_starts"].to_pylist()
    return {row["step"]: row["started"] for row in rows if row["sequence"] == sequence.id and row["started"] != RETIRED}
