"""6.15, 6.21: frequency caps, walked one candidate after the other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from .facts import World, key_order
from .gates import Decision
from .ledger import OracleLedger
from .mails import leading, of_one_mail, one_each
from .model import sequence_of
from .moments import duration, local, start_of_day
from .people import category_of_template

PRIORITIES = ("urgent", "high", "normal", "low")


@dataclass(frozen=True)
class Place:
    """A mail that takes a place in a cap: of the ledger, or of this plan."""

    address: str
    at: datetime
    sequence: str
    kind: str | None  # the template's type
    category: str
    topic: str | None


def keep_caps(
    world: World, ledger: OracleLedger, rows: list[Decision]
) -> list[Decision]:
    """6.21 Each goes if every cap still has room, and takes a place in each; the others hold."""
    caps = world.project["engine"].get("caps") or []
    if not caps:
        return rows
    taken = _of_the_ledger(world, ledger)
    held = set()
    sends = [r for r in rows if r.decision == "send"]
    # 4.8 A mail of several goes or is held whole, and stands where its first record does.
    for row in sorted(leading(sends), key=_order(world)):
        place = _place(world, row)
        if all(_has_room(world, cap, taken, place) for cap in caps):
            taken.append(place)
        else:
            held.update(of_one_mail(row, sends))
    return [
        replace(
            row,
            decision="hold",
            reason="frequency_cap",
            template=None,
            locale=None,
            address=None,
        )
        if row in held
        else row
        for row in rows
    ]


def _order(world: World) -> Any:
    def key(row: Decision) -> tuple[Any, ...]:
        sequence = sequence_of(world.project, row.sequence)
        assert sequence is not None and row.due_at is not None
        return (
            PRIORITIES.index(sequence.priority),
            row.due_at,
            row.sequence,
            key_order(row.record),
            key_order(row.occurrence),
            key_order(str(row.contact)),
        )

    return key


def _place(world: World, row: Decision) -> Place:
    category = category_of_template(world, str(row.template))
    return Place(
        str(row.address),
        world.now,
        row.sequence,
        _kind(world, row.template),
        category.name,
        category.topic,
    )


def _kind(world: World, template: str | None) -> str | None:
    """As the definitions say today: the ledger keeps the template."""
    raw = world.project["templates"].get(template)
    return None if raw is None else raw["type"]


def _of_the_ledger(world: World, ledger: OracleLedger) -> list[Place]:
    """6.21 The sends of the ledger, failed ones not."""
    return [
        Place(
            str(row.address),
            row.at,
            row.enrollment.sequence,
            _kind(world, row.template),
            row.category or "transactional",
            row.topic,
        )
        for row in one_each(ledger.sends())
        if row.state != "failed"
    ]


def _has_room(
    world: World, cap: Mapping[str, Any], taken: list[Place], asking: Place
) -> bool:
    """6.21 Marketing only, unless the cap says transactional; `of` is what must be the same beside the address."""
    category = cap.get("category", "marketing")
    if asking.category != category:
        return True
    counted = [
        place
        for place in taken
        if place.category == category
        and place.address == asking.address
        and _inside(world, cap["per"], place.at)
        and {
            "all": True,
            "topic": place.topic == asking.topic,
            "sequence": place.sequence == asking.sequence,
            "type": place.kind == asking.kind,
        }[cap["of"]]
    ]
    return len(counted) < cap["max"]


def _inside(world: World, per: str, at: datetime) -> bool:
    """6.21 In h it rolls, exactly 24 h later is free; in d it is whole local days, today included."""
    span = duration(per)
    if span.unit == "h":
        return at > world.now - timedelta(hours=span.count)
    first = local(world.now, world.zone).date() - timedelta(days=span.count - 1)
    return at >= start_of_day(first, world.zone)
