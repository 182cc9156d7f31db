"""Whether the jobs of engine.yaml run when they should: nothing is decided by it, but somebody ought to know."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from engine.clock import to_local, to_utc
from engine.definitions.project import Project
from engine.ledger.history import Status
from engine.ledger.ledger import Reading

# A scheduler may be busy, and a run takes a while.
GRACE = timedelta(minutes=15)


# Of how many runs a ledger's status tells.
_RUNS_TOLD = 10


@dataclass(frozen=True, slots=True)
class JobState:
    """One job. `last` is the now of its last apply, `due` the moment for which there should be one, `next` the coming one (naive UTC).

    `missed` is the first moment for which there should have been one and was none, of a job that is late.
    """

    name: str
    cron: str
    select: str | None
    last: datetime | None
    due: datetime
    next: datetime
    late: bool
    missed: datetime | None = None


def jobs_now(project: Project, ledger: Reading, status: Status, now: datetime) -> tuple[JobState, ...]:
    """Each job at `now`, as the ledger knows it."""
    return job_states(project, status.jobs, now, first=first_apply(ledger, status) if set(project.jobs) - set(status.jobs) else None)


def job_states(project: Project, last: Mapping[str, datetime], now: datetime, *, first: datetime | None = None) -> tuple[JobState, ...]:
    """Each job at `now`. It is late when the first of its times after its last apply is a quarter of an hour ago. One that never ran is
    measured from `first`, the ledger's first apply: in a ledger that has none it is not scheduled, and no more than that."""
    zone = project.timezone
    local = to_local(now, zone)
    found = []
    for name, job in sorted(project.jobs.items()):
        times = job.times
        before = times.at_or_before(local) or local
        coming = times.after(local)
        due, next = to_utc(before, zone), to_utc(coming, zone)
        ran = last.get(name)
        since = ran if ran is not None else first
        # The first that was missed, not the last: a job that is down stays late also in the minutes after each of its times.
        missed = to_utc(times.after(to_local(since, zone)), zone) if since is not None else None
        late = missed is not None and now - missed >= GRACE
        found.append(JobState(name, job.cron, job.select, ran, due, next, late, missed if late else None))
    return tuple(found)


def first_apply(ledger: Reading, status: Status) -> datetime | None:
    """The now of the first apply, as early as the ledger can tell it; None where there was none."""
    moments = [run.now for run in status.runs]
    if len(moments) >= _RUNS_TOLD:
        # Only the last runs are told; an enrollment is written by an apply, and the earliest one stands at the end.
        total = ledger.enrollments(limit=1).total
        moments += [row.began for row in ledger.enrollments(limit=1, offset=max(total - 1, 0)).rows]
    return min(moments, default=None)
