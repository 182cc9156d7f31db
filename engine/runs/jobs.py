"""Whether the jobs of engine.yaml run when they should: nothing is decided by it, but somebody ought to know."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from engine.clock import to_local, to_utc
from engine.definitions.project import Project

# A scheduler may be busy, and a run takes a while.
GRACE = timedelta(minutes=15)


@dataclass(frozen=True, slots=True)
class JobState:
    """One job. `last` is the now of its last apply, `due` the moment for which there should be one, `next` the coming one (naive UTC)."""

    name: str
    cron: str
    select: str | None
    last: datetime | None
    due: datetime
    next: datetime
    late: bool


def job_states(project: Project, last: Mapping[str, datetime], now: datetime) -> tuple[JobState, ...]:
    """Each job at `now`. It is late when its last apply is older than its last time, and that time is a quarter of an hour ago
    (or one round of the job, where that is shorter). One that never ran is not scheduled here, and is no more than that."""
    zone = project.timezone
    local = to_local(now, zone)
    found = []
    for name, job in sorted(project.jobs.items()):
        times = job.times
        before = times.at_or_before(local) or local
        coming = times.after(local)
        due, next = to_utc(before, zone), to_utc(coming, zone)
        ran = last.get(name)
        late = ran is not None and ran < due and now - due >= min(GRACE, next - due)
        found.append(JobState(name, job.cron, job.select, ran, due, next, late))
    return tuple(found)
