"""Jobs: late or not, at which moment, in the project's timezone."""

from __future__ import annotations

from datetime import datetime

import pytest

from engine.definitions.project import Job
from engine.runs.jobs import JobState, job_states
from tests.definitions.projects import good


def state(cron: str, last: str | None, now: str, zone: str = "Asia/Bangkok") -> JobState:
    """One job whose last apply was at `last`, looked at `now` (UTC)."""
    project = good().project.model_copy(update={"timezone": zone, "jobs": {"mail": Job(cron=cron)}})
    (found,) = job_states(project, {"mail": datetime.fromisoformat(last)} if last else {}, datetime.fromisoformat(now))
    return found


@pytest.mark.parametrize(
    ("cron", "last", "now", "late"),
    [
        # 09:00 in Bangkok is 02:00 UTC.
        ("0 9 * * *", "2026-11-23 02:00", "2026-11-23 03:00", False),
        ("0 9 * * *", "2026-11-22 02:00", "2026-11-23 02:14", False),
        ("0 9 * * *", "2026-11-22 02:00", "2026-11-23 02:15", True),
        ("0 9 * * *", "2026-11-22 09:00", "2026-11-23 01:59", False),
        # Not scheduled in this environment: nothing is late.
        ("0 9 * * *", None, "2026-11-23 03:00", False),
        ("*/5 * * * *", "2026-11-23 02:00", "2026-11-23 02:09", False),
        ("*/5 * * * *", "2026-11-23 02:00", "2026-11-23 02:14", False),
        ("*/20 * * * *", "2026-11-23 02:00", "2026-11-23 02:36", True),
        ("0 9 * * 1", "2026-11-16 02:00", "2026-11-22 23:00", False),
    ],
)
def test_late_is_a_quarter_of_an_hour_after_its_time(cron: str, last: str | None, now: str, late: bool) -> None:
    """Item 10: late when the last apply is older than the job's last time, and that is 15 minutes ago."""
    assert state(cron, last, now).late is late


def test_the_times_are_those_of_the_project_s_zone() -> None:
    """Item 10: 09:00 in Berlin is 07:00 UTC in summer and 08:00 in winter; a time that a clock change skips comes right after it."""
    assert state("0 9 * * *", None, "2026-07-01 12:00", "Europe/Berlin").due == datetime(2026, 7, 1, 7)
    assert state("0 9 * * *", None, "2026-12-01 12:00", "Europe/Berlin").due == datetime(2026, 12, 1, 8)
    assert state("30 2 * * *", None, "2026-03-29 12:00", "Europe/Berlin").due == datetime(2026, 3, 29, 1)
