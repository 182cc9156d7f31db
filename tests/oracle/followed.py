"""What the applies followed of each sequence before (8.6, 8.8, 8.9), and what a thing was called before (8.7)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from .facts import World
from .ledger import OracleLedger
from .model import Sequence, Step, _step
from .moments import start_of_local_day


@dataclass(frozen=True)
class Said:
    """The trigger, the audience and the times of a sequence as an apply first followed them, and when."""

    trigger: Any
    audience: Any
    times: Mapping[str, Step]
    since: datetime
    day: datetime

    @property
    def parts(self) -> tuple[Any, ...]:
        times = {
            name: (step.kind, step.offset, step.at) for name, step in self.times.items()
        }
        return self.trigger, self.audience, times


def said_now(world: World, name: str) -> Said | None:
    """What the definitions say of a sequence, also of an archived one."""
    raw = world.project["sequences"].get(name)
    if raw is None:
        return None
    zone = raw.get("timezone")
    if zone in (None, "recipient"):
        zone = world.project["engine"]["timezone"]
    times = {step["id"]: _step(raw, step) for step in raw["steps"]}
    day = start_of_local_day(world.now, ZoneInfo(zone))
    return Said(raw["trigger"], raw.get("audience"), times, world.now, day)


def all_said(world: World, ledger: OracleLedger, name: str) -> list[Said]:
    """What was followed, and last what this plan would follow, where that is another."""
    rows: list[Said] = list(ledger.followed.get(name, []))
    now = said_now(world, name)
    if now is not None and (not rows or rows[-1].parts != now.parts):
        rows.append(now)
    return rows


def to_follow(world: World, ledger: OracleLedger, name: str) -> Said | None:
    """The row that an apply writes; edits of what was never active are nobody's."""
    rows = all_said(world, ledger, name)
    raw = world.project["sequences"][name]
    if raw["status"] != "active" and name not in ledger.starts:
        return None
    known = ledger.followed.get(name, [])
    return rows[-1] if len(rows) > len(known) else None


def _brought(
    world: World, ledger: OracleLedger, name: str, part: str, began: datetime | None
) -> list[Said]:
    """The rows that brought another value of a part, up to the moment when somebody began; None is now."""
    rows = all_said(world, ledger, name)
    found = [
        later
        for before, later in zip(rows, rows[1:], strict=False)
        if getattr(before, part) != getattr(later, part)
    ]
    return [row for row in found if began is None or row.since <= began]


def restarted(
    world: World, ledger: OracleLedger, name: str, began: datetime | None
) -> datetime | None:
    """8.8 The start of the local day of the last apply that brought another trigger."""
    rows = _brought(world, ledger, name, "trigger", began)
    return max((row.day for row in rows), default=None)


def trigger_changed_now(world: World, ledger: OracleLedger, name: str) -> bool:
    """8.8 Whether it is this plan's apply that brings another trigger."""
    rows = _brought(world, ledger, name, "trigger", None)
    return bool(rows) and rows[-1].since == world.now


def newcomers_from(
    world: World, ledger: OracleLedger, name: str, began: datetime | None
) -> datetime | None:
    """8.9 Who begins with or after another audience gets only what is due from the day of that apply."""
    rows = _brought(world, ledger, name, "audience", began)
    return max((row.day for row in rows), default=None)


def with_earlier_times(
    world: World, ledger: OracleLedger, sequence: Sequence
) -> Sequence:
    """8.6 Each step with the times that it had before."""
    rows = all_said(world, ledger, sequence.id)
    if len(rows) < 2:
        return sequence
    return replace(
        sequence, steps=tuple(_with_earlier(rows, step) for step in sequence.steps)
    )


def _with_earlier(rows: list[Said], step: Step) -> Step:
    earlier: Step | None = None
    counted_from: tuple[str, ...] = ()
    for row in rows:
        before, counted_from = counted_from, _counted_from(row.trigger)
        if before != counted_from:
            earlier = None  # 8.8 it counts from something else
        then = row.times.get(step.id)
        if then is None:
            earlier = None  # it was taken out: a step that comes again has no time before
        elif earlier is None:
            earlier = replace(then, since=row.since)
        elif (then.kind, then.offset, then.at) != (
            earlier.kind,
            earlier.offset,
            earlier.at,
        ):
            earlier = replace(then, since=row.since, earlier=earlier)
    if earlier is None:
        return step
    return replace(step, since=earlier.since, earlier=earlier.earlier)


def _counted_from(trigger: Any) -> tuple[str, ...]:
    """What the base of an occurrence is: this date, this event, an entry, a tick, or a person's hand."""
    if not isinstance(trigger, dict):
        return ()
    if "date" in trigger:
        return ("date", trigger["date"])
    if "event" in trigger:
        return ("event", trigger["event"])
    return tuple(kind for kind in ("enters", "schedule", "once") if kind in trigger)


def take_names(world: World, ledger: OracleLedger) -> None:
    """8.7 `renamed_from: old-id` keeps history: everything of the old id is of the new one."""
    for name, raw in world.project["sequences"].items():
        old = raw.get("renamed_from")
        if old is not None and old not in world.project["sequences"]:
            ledger.rename_sequence(old, name)
        here = {step["id"] for step in raw["steps"]}
        for step in raw["steps"]:
            if step.get("renamed_from") and step["renamed_from"] not in here:
                ledger.rename_step(name, step["renamed_from"], step["id"])
