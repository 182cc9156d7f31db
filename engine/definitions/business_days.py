"""Which calendar and which window a sequence has: names in its file, days in engine.yaml (semantics 5.4)."""

from __future__ import annotations

from engine.calendars import Holidays, Window
from engine.definitions.project import Project
from engine.definitions.sequences import Sequence


def calendar_of(project: Project, sequence: Sequence) -> Holidays | None:
    """The holidays that its business days leave out: the sequence's, else the project's first; None is Monday to Friday."""
    name = sequence.holidays or next(iter(project.holidays), None)
    calendar = project.holidays.get(name) if name is not None else None
    return calendar.days if calendar is not None else None


def window_of(project: Project, sequence: Sequence) -> Window | None:
    """When its mails may leave; None is always."""
    window = sequence.send_window
    if window is None:
        return None
    calendar = project.holidays.get(window.holidays) if window.holidays is not None else None
    return window.opening(calendar.days if calendar is not None else None)


def counts_business_days(sequence: Sequence) -> bool:
    said = [duration for step in sequence.steps for duration in (step.duration, step.expires)]
    return any(duration is not None and duration.unit == "bd" for duration in (*said, sequence.expires))
