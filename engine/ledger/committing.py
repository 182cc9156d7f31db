"""A plan on its way into a ledger, as both homes take it: what is refused, the run's row, and what became of the sends."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from engine.errors import LedgerRefused
from engine.ledger.chain import tzdata_version
from engine.ledger.records import CHANGES, Changes, Committed, Run


def refuse_unknown(changes: Changes) -> None:
    """ValueError for a table that no plan writes."""
    if unknown := set(changes.tables) - set(CHANGES):
        raise ValueError(f"a plan writes no {', '.join(sorted(unknown))}")


def refuse_earlier(run: Run, last_now: datetime | None) -> None:
    """LedgerRefused for a now before the last one (9.1)."""
    if last_now is not None and run.now < last_now:
        raise LedgerRefused(
            f"now is {run.now.isoformat()}Z, and the ledger's last apply was at {last_now.isoformat()}Z: an apply never goes back in time",
            help="leave --now out, or set the clock of this machine",
        )


def run_values(run: Run, serial: int) -> dict[str, Any]:
    """The run's row; lists and counts are JSON."""
    return {
        "run": run.run_id,
        "serial": serial,
        "now": run.now,
        "engine": run.engine_version,
        "digest": run.definitions_digest,
        "commit": run.commit,
        "facts": run.facts_digest,
        "plan": run.plan_digest,
        "tzdata": tzdata_version(),
        "host": run.host,
        "pid": run.pid,
        "overrides": json.dumps(run.overrides),
        "planned": json.dumps(dict(run.counts), sort_keys=True),
        "job": run.job,
    }


def committed(
    head: int, acts: Mapping[str, int], *, moved: Sequence[str], cancelled: Sequence[str], new_skips: int, wanted_skips: int, wanted_sends: int
) -> Committed:
    """What became of a commit. `acts` counts what was done with each send of the plan; `moved` and `cancelled` are the states that
    planned rows are in now, which were to be skipped and cancelled."""
    states = [*cancelled, *moved]
    return Committed(
        head=head,
        planned=acts.get("insert", 0),
        judged_again=acts.get("refresh", 0) + acts.get("keep", 0),
        revived=acts.get("revive", 0),
        skipped=new_skips + moved.count("skipped"),
        cancelled=list(cancelled).count("cancelled"),
        in_doubt=states.count("unknown"),
        taken=wanted_sends - sum(acts.values()) + wanted_skips - new_skips - len(moved),
        refused=acts.get("refuse", 0) + acts.get("cancel", 0),
    )
