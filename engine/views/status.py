"""The state of a project at a glance: what is stopped, who works, what the last runs did, what needs a person."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from engine.ledger.history import ControlRow, RunRow, Status
from engine.ledger.identity import Holder
from engine.ledger.orders import Order
from engine.runs.jobs import JobState
from engine.views.escaping import one_line, to_json
from engine.views.ink import PLAIN, Ink
from engine.views.naming import Naming
from engine.views.phrases import counted, iso, moment, stamp, table, wrapped
from engine.views.plan_json import FORMAT_VERSION

_STATES = ("sent", "planned", "claimed", "dispatching", "failed", "unknown", "skipped", "cancelled")
_SHOWN = 10


@dataclass(frozen=True)
class StatusPage:
    """What a ledger says, and what lies beside it."""

    project: str
    environment: str
    zone: str
    now: datetime
    status: Status
    copied_at: datetime | None
    held_by: Holder | None
    kill_switch: bool
    waiting: Sequence[Order]
    unreadable: Sequence[str]
    naming: Naming
    jobs: Sequence[JobState] = ()


def as_json(page: StatusPage) -> str:
    status, zone = page.status, page.zone
    head = status.head
    value: dict[str, Any] = {
        "format_version": FORMAT_VERSION,
        "kind": "status",
        "project": page.project,
        "env": page.environment,
        "now": iso(page.now, zone),
        "ledger": {"head": head.serial, "lineage": head.lineage, "last_now": iso(head.last_now, zone), "copied_at": iso(page.copied_at, zone)},
        "held_by": None
        if page.held_by is None
        else {"command": page.held_by.command, "pid": page.held_by.pid, "host": page.held_by.host, "since": page.held_by.since},
        "kill_switch": page.kill_switch,
        "controls": [_control(page, control) for control in status.controls],
        "waiting_orders": [{"verb": order.verb, "at": iso(order.at, zone), "by": order.by, "sequence": order.sequence} for order in page.waiting],
        "unreadable_orders": list(page.unreadable),
        "enrollments_live": status.enrollments_live,
        "suppressions": status.suppressions,
        "sends": dict(status.states),
        "unknown": [{"send_key": row.send_key, "sequence": row.sequence, "step": row.step, "decided_at": iso(row.decided_at, zone)} for row in status.unknown],
        "runs": [_run(run, zone) for run in status.runs],
        "jobs": [
            {
                "name": job.name,
                "cron": job.cron,
                "select": job.select,
                "last": iso(job.last, zone),
                "due": iso(job.due, zone),
                "next": iso(job.next, zone),
                "late": job.late,
                "missed": iso(job.missed, zone),
            }
            for job in page.jobs
        ],
    }
    return to_json(value, indent=1) + "\n"


def _control(page: StatusPage, control: ControlRow) -> dict[str, Any]:
    return {
        "scope": control.scope,
        "action": control.action,
        "sequence": control.sequence,
        "about": None if control.record is None else {"entity": control.entity, "key": page.naming.record(control.entity or "", control.record)},
        "contact": page.naming.contact(control.contact),
        "until": iso(control.until, page.zone),
        "by": control.by,
        "at": iso(control.at, page.zone),
        "note": control.note,
    }


def _run(run: RunRow, zone: str) -> dict[str, Any]:
    return {
        "run_id": run.run_id,
        "now": iso(run.now, zone),
        "ended_at": iso(run.ended_at, zone),
        "outcome": run.outcome,
        "job": run.job,
        "commit": run.commit,
        "definitions": run.definitions_digest,
        "counts": dict(run.counts),
        "overrides": [{"guard": guard, "limit": limit, "reason": reason} for guard, limit, reason in run.overrides],
    }


def as_text(page: StatusPage, *, width: int = 80, ink: Ink = PLAIN, command: Callable[[str], str] = lambda words: f"engine {words}") -> str:
    lines = [ink.strong(f"{one_line(page.project)} ({page.environment}), {moment(page.now, page.zone)} {page.zone}"), ""]
    lines += _working(page, width, ink, command)
    lines += _controls(page, width, ink)
    lines += _ledger(page, width, ink)
    lines += _doubts(page, width, ink, command)
    lines += _jobs(page, width, ink, command)
    lines += _runs(page, width, ink)
    return "\n".join(lines) + "\n"


def _working(page: StatusPage, width: int, ink: Ink, command: Callable[[str], str]) -> Iterator[str]:
    stops = [control for control in page.status.controls if control.action == "stopped"]
    paused = any(control.scope == "project" and control.action == "paused" for control in page.status.controls)
    if page.kill_switch:
        yield from (
            ink.bad(line)
            for line in wrapped("Stopped by the kill switch (state/STOP, or ENGINE_STOP): no mail leaves. Lift it where it was set.", width, first="  ")
        )
    if any(control.scope == "project" for control in stops):
        yield "  " + ink.bad("Stopped: no mail leaves.") + f" {command('start')} lifts it."
    for control in stops:
        if control.sequence is not None:
            yield from wrapped(f"Stopped: no mail of {one_line(control.sequence)} leaves. {command(f'start {control.sequence}')} lifts it.", width, first="  ")
    if paused:
        yield "  " + ink.bad("Paused: no mail leaves.") + f" {command('resume --all')} lifts it."
    if page.held_by:
        yield from wrapped(f"A run is on its way: {one_line(str(page.held_by))}.", width, first="  ")
    elif page.kill_switch or stops or paused or page.unreadable:
        yield "  No run is on its way."
    else:
        yield "  " + ink.good("Nothing is stopped.") + " No run is on its way."
    for name in page.unreadable[:_SHOWN]:
        text = f"state/inbox/{name} cannot be read as an order, and may have been meant as a stop: nothing is sent until somebody looks at it and deletes it."
        yield from (ink.bad(line) for line in wrapped(one_line(text), width, first="  "))
    if page.waiting:
        yield f"  {counted(len(page.waiting), 'order')} in the inbox, for the run to read."


def _controls(page: StatusPage, width: int, ink: Ink) -> Iterator[str]:
    controls = page.status.controls
    if not controls:
        return
    yield ""
    yield ink.strong("Stops and pauses")
    for control in controls[:_SHOWN]:
        yield from wrapped(one_line(_said(page, control)), width, first="  ", rest="    ")
    if len(controls) > _SHOWN:
        yield f"  … and {len(controls) - _SHOWN:,} more; --format json shows them"


def _said(page: StatusPage, control: ControlRow) -> str:
    what = [control.sequence] if control.sequence else []
    what += [f"contact {page.naming.contact(control.contact)}"] if control.contact else []
    itself = (control.entity, control.record) == (page.naming.definitions.crm.contact.entity, control.contact)
    what += [f"{control.entity or 'record'} {page.naming.record(control.entity or '', control.record)}"] if control.record and not itself else []
    until = f", until {moment(control.until, page.zone)}" if control.until else ""
    note = f": {control.note}" if control.note else ""
    return f"{control.action} {', '.join(what) or 'the project'}{until}, by {control.by}, {moment(control.at, page.zone)}{note}"


def _ledger(page: StatusPage, width: int, ink: Ink) -> Iterator[str]:
    status = page.status
    yield ""
    yield ink.strong("Ledger") + ink.faint(
        f"  at {status.head.serial:,}" + (f", last apply {moment(status.head.last_now, page.zone)}" if status.head.last_now else ", no apply yet")
    )
    told = [f"{status.states[state]:,} {state}" for state in _STATES if status.states.get(state)]
    yield from wrapped("Sends: " + (", ".join(told) if told else "none yet"), width, first="  ")
    yield f"  On their way: {status.enrollments_live:,}. Suppressed addresses: {status.suppressions:,}."


def _doubts(page: StatusPage, width: int, ink: Ink, command: Callable[[str], str]) -> Iterator[str]:
    unknown = page.status.unknown
    if not unknown:
        return
    yield ""
    yield ink.bad(f"{counted(page.status.states.get('unknown', len(unknown)), 'send')} whose outcome nobody knows")
    for row in unknown[:_SHOWN]:
        yield from wrapped(one_line(f"{row.send_key[:8]}  {row.sequence}, {row.step}, {moment(row.decided_at, page.zone)}"), width, first="  ", rest=" " * 12)
    yield from wrapped(f"Look into the mailbox or the provider's log, then: {command('resolve SEND --as sent|failed|resend')}", width, first="  ")


def _jobs(page: StatusPage, width: int, ink: Ink, command: Callable[[str], str]) -> Iterator[str]:
    """Each job with its last run; a late one is said in words, with what to do."""
    if not page.jobs:
        return
    yield ""
    yield ink.strong("Jobs")
    rows = [
        (
            job.name,
            job.cron,
            f"last {stamp(job.last, page.zone)}" if job.last else "never ran",
            f"next {stamp(job.next, page.zone)}",
            "late" if job.late else "",
        )
        for job in page.jobs
    ]
    yield from table(("", "", "", "", ""), rows, width)
    for job in page.jobs:
        if job.late:
            never = " and never ran here" if job.last is None else ""
            text = f"The job {one_line(job.name)} should have run on {moment(job.missed or job.due, page.zone)}{never}. Look at its scheduler. By hand:"
            yield from (ink.bad(line) for line in wrapped(text, width, first="  "))
            yield f"    {command(f'apply --job {job.name}')}"


def _runs(page: StatusPage, width: int, ink: Ink) -> Iterator[str]:
    if not page.status.runs:
        return
    yield ""
    yield ink.strong("Last runs")
    rows = [
        (run.run_id[:8], stamp(run.now, page.zone), run.outcome or "not ended", f"{run.counts.get('sent', 0):,} sent", _beside(run), (run.commit or "")[:8])
        for run in page.status.runs
    ]
    yield from table(("", "", "", "", "", ""), rows, width)


def _beside(run: RunRow) -> str:
    told = [f"job {run.job}"] if run.job else []
    told += [f"{run.counts[name]:,} {name}" for name in ("failed", "unknown") if run.counts.get(name)]
    told += [f"{guard} raised to {limit}" for guard, limit, _ in run.overrides]
    return one_line(", ".join(told))
