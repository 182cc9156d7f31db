"""What applies have followed of each sequence: its trigger, its audience and its times, and since when (semantics 8.6, 8.8, 8.9)."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from itertools import pairwise
from typing import Any

import duckdb
import pyarrow as pa

from engine.clock import start_of_day
from engine.definitions.definitions import Definitions
from engine.definitions.sequences import Sequence as Path
from engine.ledger.records import FOLLOWED, LedgerView
from engine.plan.earlier import Earlier, Held
from engine.plan.identity import Identity
from engine.plan.introducing import Began, Introduction, zone_of
from engine.plan.outline import time_of
from engine.tables import put

_ERA_STARTS = pa.schema([("sequence", pa.string()), ("step", pa.string()), ("until", pa.timestamp("us")), ("start", pa.timestamp("us"))])
_KINDS = ("date", "event", "enters", "schedule", "once")
_FLOORS = pa.schema([("sequence", pa.string()), ("since", pa.timestamp("us")), ("day", pa.timestamp("us"))])


@dataclass(frozen=True, slots=True)
class Followed:
    """`restarts` and `newcomers` are the applies that brought another trigger and another audience; `row` is what this plan's brings.

    `times` are those of each step that had more than one, the first one first.
    """

    restarts: tuple[Began, ...] = ()
    newcomers: tuple[Began, ...] = ()
    times: Mapping[str, Sequence[Held]] = field(default_factory=dict)
    row: Mapping[str, object] | None = None
    now: datetime | None = None

    @property
    def trigger_changed_now(self) -> bool:
        """Whether it is this plan's apply that brings another trigger."""
        return bool(self.restarts) and self.restarts[-1].since == self.now


def followed(definitions: Definitions, view: LedgerView, called: Identity, now: datetime) -> Mapping[str, Followed]:
    """For each sequence of the definitions that an apply has followed, or that this plan's will."""
    rows: dict[str, list[dict[str, Any]]] = {}
    for row in view.tables["followed"].to_pylist():
        rows.setdefault(row["sequence"], []).append(row)
    found = {}
    for id, sequence in definitions.sequences.items():
        kept = called.sequences.get(id, id)
        said = _said(definitions, sequence, called)
        found[id] = _of(
            rows.get(kept, []),
            said,
            kept,
            {called.kept(id, step.id)[1]: step.id for step in sequence.steps},
            start_of_day(now, zone_of(definitions, sequence)),
            now,
        )
    return found


def _of(rows: list[dict[str, Any]], said: str, kept: str, steps: Mapping[str, str], today: datetime, now: datetime) -> Followed:
    row = None if rows and rows[-1]["said"] == said else {"sequence": kept, "said": said, "since": now, "day": today}
    if row is not None:
        rows = [*rows, row]
    # Nearly always there is one row, and nothing to compare.
    if len(rows) == 1:
        return Followed((), (), {}, row, now)
    read = [json.loads(one["said"]) for one in rows]

    def brought(part: str) -> tuple[Began, ...]:
        pairs = pairwise(zip(rows, read, strict=True))
        return tuple(Began(later["since"], later["day"]) for (_, before), (later, after) in pairs if before.get(part) != after.get(part))

    times = {name: _held(rows, read, step) for step, name in steps.items()}
    return Followed(brought("trigger"), brought("audience"), {name: held for name, held in times.items() if len(held) > 1}, row, now)


def _held(rows: list[dict[str, Any]], read: list[dict[str, Any]], step: str) -> list[Held]:
    """The times of a step, from when it came last, or when times began to count from something else."""
    found: list[Held] = []
    counted_from: tuple[str, ...] = ()
    for row, said in zip(rows, read, strict=True):
        before, counted_from = counted_from, _counted_from(said.get("trigger"))
        if before != counted_from:
            found = []
        time = said.get("times", {}).get(step)
        if time is None:
            found = []
        elif not found or found[-1].time != tuple(time):
            found.append(Held((time[0], time[1], time[2], time[3]), row["since"]))
    return found


def _counted_from(trigger: Any) -> tuple[str, ...]:
    """What the base of an occurrence is: three days before one date are nothing before another, nor after a sign-up (8.8)."""
    said = trigger if isinstance(trigger, dict) else {}
    return next(((kind, str(said[kind])) if kind in ("date", "event") else (kind,) for kind in _KINDS if kind in said), ())


def earlier_times(known: Mapping[str, Followed]) -> Earlier:
    """Every step whose time was changed, by sequence and step."""
    return {(id, step): held for id, one in known.items() for step, held in one.times.items()}


def new_rows(known: Mapping[str, Followed], introductions: Mapping[str, Introduction]) -> pa.Table:
    """What an apply writes: of sequences that have been active, or are now for the first time. Edits of a draft are none."""
    rows = [one.row for id, one in sorted(known.items()) if one.row is not None and introductions[id].recorded is not None]
    return pa.Table.from_pylist(rows, FOLLOWED)


def has_eras(known: Mapping[str, Followed]) -> bool:
    return any(one.restarts or one.newcomers for one in known.values())


def fill_eras(
    cursor: duckdb.DuckDBPyConnection, known: Mapping[str, Followed], earlier: Mapping[str, Iterable[tuple[datetime, Mapping[str, datetime]]]]
) -> None:
    """Fill era_starts and floors: which starts hold for who came before a trigger was changed, and what newcomers do not get.

    `earlier` has, for each sequence, the starts of its steps until each restart.
    """
    starts = [
        {"sequence": id, "step": step, "until": until, "start": start}
        for id, eras in earlier.items() for until, steps in eras for step, start in steps.items()
    ]  # fmt: skip
    put(cursor, "era_starts", pa.Table.from_pylist(starts, _ERA_STARTS))
    floors = [{"sequence": id, "since": one.since, "day": one.day} for id, said in known.items() for one in said.newcomers]
    put(cursor, "floors", pa.Table.from_pylist(floors, _FLOORS))


def _said(definitions: Definitions, sequence: Path, called: Identity) -> str:
    """The parts as text; equal texts are one meaning."""
    raw = _sequences(definitions.compiled).get(sequence.id, {})
    times = {called.kept(sequence.id, step.id)[1]: time_of(sequence, step) for step in sequence.steps}
    said = {"trigger": raw.get("trigger"), "audience": raw.get("audience"), "times": times}
    return json.dumps(said, sort_keys=True, ensure_ascii=False, separators=(",", ":"))


@lru_cache(maxsize=8)
def _sequences(compiled: str) -> Mapping[str, Any]:
    found: Mapping[str, Any] = json.loads(compiled).get("sequences", {})
    return found
