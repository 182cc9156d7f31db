"""`apply`: plan under the lock, check the guards, commit, deliver. The only place where a plan meets a ledger that can write."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from uuid import uuid4

import pyarrow as pa
import pyarrow.compute as pc

from engine import __version__
from engine.clock import to_local
from engine.delivery.delivered import Delivered
from engine.delivery.running import EndOnSignal, RunningClock
from engine.ledger.history import SendFilter
from engine.ledger.ledger import Ledger
from engine.ledger.records import INSTANT, Changes, Committed, Run
from engine.plan.plan import Plan, mails_in
from engine.runs.changing import refuse
from engine.runs.delivering import Between, at_the_ledgers_now, deliver_planned
from engine.runs.filling import with_variables
from engine.runs.inbox import take_in_inbox
from engine.runs.narrowing import narrowed
from engine.runs.opening import Site
from engine.runs.planning import plan_on
from engine.runs.reviewing import Reviewed
from engine.runs.segments import members_now, uses
from engine.runs.sending import check_sending, outbox_folder, transport_of

Progress = Callable[[str, int, int], None]


def silent(stage: str, done: int, total: int) -> None:
    """Progress that nobody watches."""


@dataclass(frozen=True)
class Applied:
    """What one apply did. `exit_code` as interface.md §3; `notes` are sentences for the person who ran it."""

    plan: Plan
    run_id: str
    committed: Committed | None
    delivered: Delivered | None
    exit_code: int
    mails: Path | None = None
    notes: tuple[str, ...] = field(default_factory=tuple)


def apply(
    site: Site,
    *,
    environ: Mapping[str, str],
    allowed: Mapping[str, float] | None = None,
    reason: str = "",
    by: str = "",
    live: bool = False,
    plan_only: bool = False,
    sequences: Collection[str] | None = None,
    job: str | None = None,
    reviewed: Reviewed | None = None,
    progress: Progress = silent,
) -> Applied:
    """Do what is due. LockHeld while another run works; nothing is written when a guard of the project blocks (exit 3).

    `live` says that the site's now is the present. With `plan_only` all is committed and nothing sent: workers do that.
    Of `sequences` alone anything is written, if they are said; `job` is the name under which the run is remembered. Nothing goes that
    was not `reviewed`, if that is said: StalePlan (exit 4) where the review was of something else. EngineError, before anything else,
    where it is to send and cannot (`check_sending`).
    """
    notes: list[str] = []
    if not plan_only:
        check_sending(site)
    mails = None if plan_only else outbox_folder(site)
    with EndOnSignal() as signals, site.open_ledger("apply") as ledger:
        progress("reading", 0, 0)
        site = at_the_ledgers_now(site, ledger, live)
        recovered = ledger.recover(site.now)
        if recovered.unknown:
            notes.append(f"a run that was killed left {recovered.unknown} sends in doubt; `engine sends --state unknown` lists them")
        ledger.settle_unknown({id: s.on_unknown for id, s in site.definitions.sequences.items() if s.on_unknown}, site.now)
        take_in_inbox(ledger, site.state, site.now)
        refuse(site.definitions, ledger)
        with site.read_facts() as snapshot:
            progress("planning", 0, 0)
            plan = narrowed(plan_on(site, snapshot, ledger, allowed=allowed), sequences)
            run = _run(site, plan, allowed or {}, reason, job)
            if not plan.applyable:
                return Applied(plan, run.run_id, None, None, 3, notes=tuple(notes))
            if reviewed is not None:
                plan, left_out = reviewed.held_to(plan, ledger.head().lineage)
                notes += left_out
            changes = dict(plan.changes)
            changes["sends"] = with_variables(site.definitions, snapshot, changes["sends"], site.now)
            changes["segment_counts"] = members_now(site.definitions, snapshot, site.now)
            changes["segment_uses"] = uses(site.definitions, changes["enrollments"], plan.called)
        committed = ledger.commit(run, Changes(changes))
        total = mails_in(changes["sends"])
        clock = RunningClock((ledger.clock() if live else None) or site.now)
        between = Between(site, ledger, environ, signals, clock, plans=True)
        if plan_only:
            delivered, outcome = Delivered(), "planned"
            notes.append(_for_workers(total))
            notes += _closing(site, changes["sends"])
        else:
            delivered = _deliver(site, ledger, between, clock, lambda done: progress("sending", done.sent + done.failed + done.unknown, total))
            outcome = delivered.ended
            notes += _closed(ledger, changes["sends"], clock.now())
        if between.unknown:
            notes.append(f"workers that were killed left {between.unknown} sends in doubt; `engine sends --state unknown` lists them")
        held_back = any(not guard.passed for guard in plan.guards)
        in_doubt = recovered.unknown + between.unknown
        code = signals.exit_code or delivered.exit_code or (3 if held_back else 0) or (6 if in_doubt else 0)
        counts = {**plan.summary, "sent": delivered.sent, "failed": delivered.failed, "unknown": delivered.unknown + in_doubt}
        ledger.finish_run(run.run_id, outcome, counts, clock.now())
    return Applied(plan, run.run_id, committed, delivered, code, mails, tuple(notes))


def _for_workers(total: int) -> str:
    if not total:
        return "nothing is due"
    planned, them = ("1 mail is planned", "it") if total == 1 else (f"{total:,} mails are planned", "them")
    return f"{planned}, and none was sent: `engine deliver` sends {them}, for 30 minutes from now"


def _closing(site: Site, sends: pa.Table) -> list[str]:
    """What a worker has less time for: mails whose send window closes soon (5.4)."""
    soon = sends.filter(pc.is_valid(sends["open_until"]))
    if not soon.num_rows:
        return []
    zone = site.definitions.project.timezone
    first, count = to_local(pc.min(soon["open_until"]).as_py(), zone), mails_in(soon)
    closes = "the send window of 1 of these closes before that," if count == 1 else f"the send windows of {count:,} of these close before that, the first"
    return [f"{closes} at {first:%H:%M} {zone}; what has not left by then is the next apply's"]


def _closed(ledger: Ledger, sends: pa.Table, now: datetime) -> list[str]:
    """What was to go now and stays planned, since its send window closed while this run was sending."""
    over = sends.filter(pc.fill_null(pc.less_equal(sends["open_until"], pa.scalar(now, INSTANT)), False))
    keys = set(over["send_key"].to_pylist())
    left = sum(1 for row in ledger.sends(SendFilter(state="planned"), limit=100_000).rows if row.send_key in keys) if keys else 0
    if not left:
        return []
    return [
        f"{left:,} {'send stays' if left == 1 else 'sends stay'} planned: the send window closed before {'it' if left == 1 else 'they'} could go; an apply after it opens sends {'it' if left == 1 else 'them'}"
    ]


def _deliver(site: Site, ledger: Ledger, between: Between, clock: RunningClock, progress: Callable[[Delivered], None]) -> Delivered:
    transport = transport_of(site)
    try:
        return deliver_planned(site, ledger, transport, between, clock, progress)
    finally:
        transport.close()


def _run(site: Site, plan: Plan, allowed: Mapping[str, float], reason: str, job: str | None) -> Run:
    digest = sha256(json.dumps([plan.definitions.digest, plan.facts_digest, plan.ledger_head, plan.now.isoformat(), plan.summary]).encode()).hexdigest()
    return Run(
        run_id=str(uuid4()),
        now=site.now,
        engine_version=__version__,
        definitions_digest=site.definitions.digest,
        commit=site.definitions.commit,
        compiled=site.definitions.compiled,
        facts_digest=plan.facts_digest,
        plan_digest=f"sha256:{digest}",
        host=socket.gethostname(),
        pid=os.getpid(),
        overrides=tuple((guard, format(limit, "g"), reason) for guard, limit in sorted(allowed.items())),
        counts=plan.summary,
        job=job,
    )
