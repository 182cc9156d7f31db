"""Section 10: the guards named for now. One about a sequence holds it; one about the project or the facts blocks all."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from .facts import World
from .gates import Decision
from .ledger import OracleLedger
from .mails import leading, one_each
from .model import Sequence, sequence_of
from .moments import duration, moved
from .people import contact_paths

SMALL = 20  # 10.1 Shares are ignored below 20.


@dataclass(frozen=True)
class GuardResult:
    id: str
    sequence: str | None
    limit: int
    observed: int
    passed: bool
    entity: str | None = None


def guards_said(world: World) -> Mapping[str, Any]:
    return world.project["engine"].get("guards") or {}


def first_run_max(
    ledger: OracleLedger, sequence: Sequence, sends: int
) -> GuardResult | None:
    """10.1 A new sequence: one of which the ledger has no send yet."""
    limit = sequence.first_run_max
    if limit is None or any(
        row.enrollment.sequence == sequence.id for row in ledger.sends()
    ):
        return None
    return GuardResult("first_run_max", sequence.id, limit, sends, sends <= limit)


def project_guards(
    world: World, ledger: OracleLedger, sends: list[Decision]
) -> list[GuardResult]:
    """10.2 Those that block everything."""
    return [
        *_max_sends(world, ledger, len(leading(sends))),
        *_max_per_contact(world, ledger, leading(sends)),
        *_min_facts(world, ledger),
        *_max_shrink(world, ledger),
    ]


def _max_sends(world: World, ledger: OracleLedger, sends: int) -> list[GuardResult]:
    """10.1 per_run: this plan; per_day: a rolling day, ledger and plan together; exactly 24 h later is free."""
    said = guards_said(world).get("max_sends") or {}
    found = []
    if "per_run" in said:
        limit = said["per_run"]
        found.append(
            GuardResult("max_sends.per_run", None, limit, sends, sends <= limit)
        )
    if "per_day" in said:
        observed = sends + len(_sent_since(ledger, world.now - timedelta(hours=24)))
        limit = said["per_day"]
        found.append(
            GuardResult("max_sends.per_day", None, limit, observed, observed <= limit)
        )
    return found


def _sent_since(ledger: OracleLedger, moment: datetime) -> list[str]:
    return [
        row.enrollment.contact
        for row in one_each(ledger.sends())
        if row.at > moment
    ]


def _max_per_contact(
    world: World, ledger: OracleLedger, sends: list[Decision]
) -> list[GuardResult]:
    """10.1 Ledger and plan together, for each contact to whom this plan would send."""
    said = guards_said(world).get("max_per_contact")
    if said is None:
        return []
    since = moved(world.now, duration(said["per"]), world.zone, -1)
    counts = Counter(_sent_since(ledger, since)) + Counter(
        str(send.contact) for send in sends
    )
    observed = max((counts[str(send.contact)] for send in sends), default=0)
    return [
        GuardResult(
            "max_per_contact", None, said["max"], observed, observed <= said["max"]
        )
    ]


def _min_facts(world: World, ledger: OracleLedger) -> list[GuardResult]:
    """10.1 1 for each entity that a live enrollment needs, if not said."""
    limits = dict.fromkeys(_entities_needed(world, ledger), 1)
    limits.update(guards_said(world).get("min_facts") or {})
    found = []
    for entity, limit in sorted(limits.items()):
        observed = len(world.facts.records[entity])
        found.append(
            GuardResult("min_facts", None, limit, observed, observed >= limit, entity)
        )
    return found


def _entities_needed(world: World, ledger: OracleLedger) -> set[str]:
    """The record's entity, the contact's, and those on the path from one to the other."""
    needed: set[str] = set()
    for enrollment in ledger.enrollments.values():
        sequence = sequence_of(world.project, enrollment.key.sequence)
        if enrollment.live and sequence is not None:
            needed |= {
                sequence.about,
                world.facts.contact_entity,
                *_on_the_path(world, sequence),
            }
    return needed


def _on_the_path(world: World, sequence: Sequence) -> set[str]:
    if sequence.about == world.facts.contact_entity:
        return set()
    path = sequence.audience.get("from") or contact_paths(world, sequence.about)[0]
    entity, *relations = path.split(".")
    found = {entity}
    for name in relations:
        relation = world.facts.entities[entity]["relations"][name]
        entity = relation.get("one") or relation["many"]
        found.add(entity)
    return found


def _max_shrink(world: World, ledger: OracleLedger) -> list[GuardResult]:
    """10.1 Records of an entity against the last run; ignored below 20."""
    said = guards_said(world).get("max_shrink")
    if said is None:
        return []
    limit = int(str(said).rstrip("%"))
    found = []
    for entity, before in sorted(ledger.fact_counts.items()):
        if before < SMALL or entity not in world.facts.records:
            continue
        lost = before - len(world.facts.records[entity])
        found.append(
            GuardResult(
                "max_shrink",
                None,
                limit,
                lost * 100 // before,
                lost * 100 <= limit * before,
                entity,
            )
        )
    return found
