"""The definitions as the oracle reads them: plain dicts in, a few small values out. Nothing is validated here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, time
from typing import Any
from zoneinfo import ZoneInfo

from .calendars import NO_DAYS, FreeDays, SendWindow, business_free_days, send_window
from .moments import Duration, duration, start_of_day, time_of_day

Project = Mapping[str, Any]
Rule = Mapping[str, Any]
Choice = tuple[Rule | None, str]  # (if, template)


@dataclass(frozen=True)
class Step:
    id: str
    kind: str  # before, after, wait
    offset: Duration
    at: time | None
    expires: Duration
    choices: tuple[Choice, ...]
    condition: Rule | None
    active: bool
    since: datetime | None = None  # 8.6 when an apply first followed this time
    earlier: Step | None = None  # 8.6 and as it was before


@dataclass(frozen=True)
class Sequence:
    id: str
    about: str
    status: str
    trigger: str  # date, event, enters, schedule, once, manual
    date_path: str | None
    every: Duration | None
    event: str | None
    segment: str | None  # of enters, schedule, once
    schedule: str | None
    once: datetime | None  # a local wall time of the project
    where: Rule | None
    zone: ZoneInfo
    steps: tuple[Step, ...]
    audience: Mapping[str, Any]
    goal: Rule | None
    exit_when: Rule | None
    reenter: str | Duration  # every_occurrence, never, or `after`
    min_gap: Duration | None
    backfill: Duration | str | None
    active_from: datetime | None
    first_run_max: int | None
    priority: str = "normal"
    combine: bool = False  # 4.8
    # 5.3 The contact's own zone counts, where it is known; `zone` is then the project's.
    by_recipient: bool = False
    window: SendWindow | None = None
    free: FreeDays = NO_DAYS

    @property
    def waits(self) -> bool:
        """3.5 `before` and `after` belong to date triggers, `wait` to all others."""
        return self.trigger != "date"

    @property
    def gone(self) -> bool:
        """8.13 Archived is as good as removed."""
        return self.status == "archived"


def project_zone(project: Project) -> ZoneInfo:
    return ZoneInfo(project["engine"]["timezone"])


def sequence_of(project: Project, name: str) -> Sequence | None:
    """8.13 None where the sequence is not in the definitions any more, or archived."""
    raw = project["sequences"].get(name)
    if raw is None or raw["status"] == "archived":
        return None
    trigger = raw["trigger"]
    kind = (
        trigger
        if isinstance(trigger, str)
        else next(k for k in ("date", "event", "enters", "schedule", "once") if k in trigger)
    )
    details: Mapping[str, Any] = {} if isinstance(trigger, str) else trigger
    # 5.3 The timezone: the sequence's, else the project's.
    said = raw.get("timezone")
    by_recipient = said == "recipient"
    zone = ZoneInfo(project["engine"]["timezone"] if by_recipient or not said else said)
    return Sequence(
        id=name,
        about=raw["about"],
        status=raw["status"],
        trigger=kind,
        date_path=details.get("date"),
        every=duration(details["every"]) if "every" in details else None,
        event=details.get("event"),
        segment=details.get("enters") or details.get("for"),
        schedule=details.get("schedule"),
        once=datetime.fromisoformat(details["once"]) if "once" in details else None,
        where=details.get("where"),
        zone=zone,
        steps=tuple(_step(raw, step) for step in raw["steps"]),
        audience=raw.get("audience") or {},
        combine=raw.get("combine") == "contact",
        goal=raw.get("goal"),
        exit_when=raw.get("exit_when"),
        reenter=_reenter(raw.get("reenter"), kind),
        min_gap=_min_gap(raw.get("min_gap"), kind),
        backfill=_backfill(raw.get("backfill")),
        active_from=_active_from(raw.get("active_from"), zone),
        first_run_max=_first_run_max(project, raw),
        priority=raw.get("priority", "normal"),
        by_recipient=by_recipient,
        window=send_window(project["engine"], raw.get("send_window")),
        free=business_free_days(project["engine"], raw),
    )


def _step(sequence: Mapping[str, Any], raw: Mapping[str, Any]) -> Step:
    kind = next(k for k in ("before", "after", "wait") if k in raw)
    offset = duration(raw[kind])
    # 5.2 `at` on the step, or on the sequence for all; h and min move the instant that a date has by it.
    at = raw.get("at") or sequence.get("at")
    # 5.6 7 days if not said.
    expires = duration(raw.get("expires") or sequence.get("expires") or "7d")
    template = raw["template"]
    choices: tuple[Choice, ...] = (
        ((None, template),)
        if isinstance(template, str)
        else tuple((choice.get("if"), choice["use"]) for choice in template)
    )
    return Step(
        id=raw["id"],
        kind=kind,
        offset=offset,
        at=time_of_day(at) if at else None,
        expires=expires,
        choices=choices,
        condition=raw.get("if"),
        active=raw.get("active", True),
    )


def _reenter(raw: Any, trigger: str) -> str | Duration:
    """3.9 every_occurrence is the default for date, schedule, once; never for enters and manual."""
    if raw is None:
        dated = trigger in ("date", "schedule", "once")
        return "every_occurrence" if dated else "never"
    return raw if isinstance(raw, str) else duration(raw["after"])


def _min_gap(raw: str | None, trigger: str) -> Duration | None:
    """3.8 7 days if not said; without a date trigger it holds only where it is said."""
    if raw is not None:
        return duration(raw)
    return duration("7d") if trigger == "date" else None


def _backfill(raw: str | None) -> Duration | str | None:
    return raw if raw in (None, "all") else duration(raw)


def _active_from(raw: Any, zone: ZoneInfo) -> datetime | None:
    """3.7 A day is the start of that day in the sequence's timezone."""
    if raw is None:
        return None
    day = raw if isinstance(raw, date) else date.fromisoformat(raw)
    return start_of_day(day, zone)


def _first_run_max(project: Project, raw: Mapping[str, Any]) -> int | None:
    """10.4 A sequence may raise its own guard in its file."""
    own = (raw.get("guards") or {}).get("first_run_max")
    common = (project["engine"].get("guards") or {}).get("first_run_max")
    return own if own is not None else common
