"""`diff` in its smallest form: what two revisions of the definitions would send at this now, on one snapshot and one ledger."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import pyarrow.compute as pc

from engine.definitions.definitions import Definitions
from engine.definitions.environments import resolve
from engine.definitions.trees import GitTree, Tree, WorkTree
from engine.facts.needs import needed
from engine.facts.reading import read_snapshot
from engine.ledger.pseudonyms import read_pseudonyms
from engine.plan.plan import Plan
from engine.runs.opening import STATE, Site, is_stopped, sound_definitions
from engine.runs.planning import plan_on


@dataclass(frozen=True)
class StepChange:
    """One step of one sequence: mails that only the head would send (gains), only the base (losses), and both (kept)."""

    sequence: str
    step: str
    gains: tuple[str, ...]
    losses: tuple[str, ...]
    kept: int


@dataclass(frozen=True)
class Difference:
    """What a change of the definitions does to real people at one now. `gains` and `losses` are contacts' keys."""

    base: str
    head: str
    base_digest: str
    head_digest: str
    now: datetime
    timezone: str
    changes: tuple[StepChange, ...]
    base_plan: Plan
    head_plan: Plan
    ledger_as_of: datetime | None

    @property
    def gains(self) -> int:
        return sum(len(change.gains) for change in self.changes)

    @property
    def losses(self) -> int:
        return sum(len(change.losses) for change in self.changes)


def difference(root: Path, base: str, head: str | None, env_name: str | None, environ: Mapping[str, str], now: datetime) -> Difference:
    """Plan both revisions at `now` (naive UTC). `head` None is the work tree as it is. Raises DefinitionsInError for either."""
    before, _ = sound_definitions(_tree(root, base))
    after, warnings = sound_definitions(_tree(root, head))
    # The head's environment is used for both: a change of the environment is no change of a campaign.
    environment = resolve(after.project, env_name, environ)
    site = Site(root, after, environment, now, read_pseudonyms(root / STATE, environ.get("ENGINE_PSEUDONYM_KEY")), warnings, is_stopped(root, environ))
    with ExitStack() as stack:
        ledger = stack.enter_context(site.read_ledger())
        shared = stack.enter_context(site.read_facts()) if before.crm == after.crm and _same_needs(before, after) else None
        plans = []
        for definitions in (before, after):
            snapshot = shared or stack.enter_context(read_snapshot(definitions, environment.facts, now=now, root=root))
            plans.append(plan_on(site, snapshot, ledger, definitions=definitions))
        copied_at = ledger.copied_at
    first, second = plans
    return Difference(base, head or "work tree", before.digest, after.digest, now, after.project.timezone, _changes(first, second), first, second, copied_at)


def _tree(root: Path, revision: str | None) -> Tree:
    return WorkTree(root) if revision is None else GitTree(root, revision)


def _same_needs(before: Definitions, after: Definitions) -> bool:
    """Whether one snapshot has all columns that both name."""
    return needed(before) == needed(after)


def _sends(plan: Plan) -> dict[str, tuple[str, str, str]]:
    sends = plan.decisions.filter(pc.equal(plan.decisions["decision"], "send"))
    return {row["send_key"]: (row["sequence"], row["step"], row["contact"]) for row in sends.select(["send_key", "sequence", "step", "contact"]).to_pylist()}


def _changes(before: Plan, after: Plan) -> tuple[StepChange, ...]:
    first, second = _sends(before), _sends(after)
    steps = sorted({(sequence, step) for sequence, step, _ in (*first.values(), *second.values())})
    found = []
    for sequence, step in steps:
        old = {key: contact for key, (s, t, contact) in first.items() if (s, t) == (sequence, step)}
        new = {key: contact for key, (s, t, contact) in second.items() if (s, t) == (sequence, step)}
        gains = tuple(contact for key, contact in new.items() if key not in old)
        losses = tuple(contact for key, contact in old.items() if key not in new)
        if gains or losses:
            found.append(StepChange(sequence, step, gains, losses, len(old.keys() & new.keys())))
    return tuple(found)
