"""Section 4 and the gates about a person: who is in the audience, and who can be mailed."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from .facts import Record, Scope, World, folded, key_order, no_blank
from .ledger import OccurrenceKey, OracleLedger
from .model import Sequence, Step
from .rules import holds


@dataclass(frozen=True)
class Category:
    """6.20 transactional, or marketing with a topic."""

    name: str
    topic: str | None = None


def address_of(world: World, contact: Record) -> str | None:
    """4.6 After trimming and lower case."""
    value = no_blank(contact.row.get(world.project["crm"]["contact"]["address"]))
    return None if value is None else str(value).strip().lower()


def is_address(address: str) -> bool:
    """Clear cases only: the worlds have no address about which people could argue."""
    return (
        re.fullmatch(
            r"[a-z0-9_+-]+(\.[a-z0-9_+-]+)*@[a-z0-9-]+(\.[a-z0-9-]+)+", address
        )
        is not None
    )


def unmailable(world: World, contact: Record) -> str | None:
    """6.10 Contact inactive; no address; not an address. 4.7: no value counts as active."""
    active_field = world.project["crm"]["contact"].get("active")
    if active_field is not None and contact.row.get(active_field) is False:
        return "contact_inactive"
    address = address_of(world, contact)
    if address is None:
        return "no_address"
    return None if is_address(address) else "invalid_address"


def category_of_template(world: World, template: str) -> Category:
    kind = world.project["types"][world.project["templates"][template]["type"]]
    return Category(kind["category"], kind.get("topic"))


def silenced(
    world: World, ledger: OracleLedger, contact: Record, category: Category
) -> str | None:
    """6.11 Hard bounce, complaint; for marketing also unsubscribed from the topic, no consent (6.20)."""
    address = address_of(world, contact)
    marks = ledger.suppressions.get(address or "", set())
    if "bounce" in marks:
        return "suppressed_bounce"
    if "complaint" in marks:
        return "suppressed_complaint"
    if category.name != "marketing":
        return None
    if "unsubscribed" in marks or f"unsubscribed:{category.topic}" in marks:
        return "unsubscribed"
    if _unsubscribed_in_crm(world, address):
        return "unsubscribed"
    return None if _consents(world, address, category) else "no_consent"


def _same_address(world: World, address: str | None) -> list[Record]:
    contacts = world.facts.all(world.facts.contact_entity)
    return [contact for contact in contacts if address_of(world, contact) == address]


def _unsubscribed_in_crm(world: World, address: str | None) -> bool:
    """4.7 Holds for the address: one record that says no silences them all; no value is not unsubscribed."""
    field = world.project["crm"]["contact"].get("unsubscribed")
    if field is None:
        return False
    return any(
        contact.row.get(field) is True for contact in _same_address(world, address)
    )


def _consents(world: World, address: str | None, category: Category) -> bool:
    """4.7 One that says no silences them all; without one, one yes is enough; opt_in needs a yes."""
    field = (world.project["crm"]["contact"].get("consent") or {}).get(category.topic)
    topic = world.project["engine"]["topics"][category.topic]
    said = (
        []
        if field is None
        else [c.row.get(field) for c in _same_address(world, address)]
    )
    if any(answer is False for answer in said):
        return False
    return topic.get("consent") != "opt_in" or any(answer is True for answer in said)


def template_active(world: World, template: str) -> bool:
    return bool(
        world.project["templates"][template].get("status", "active") == "active"
    )


def active_categories(world: World, sequence: Sequence) -> list[Category]:
    """4.2 The categories of the active steps; of a choice list every active template counts."""
    return [
        category_of_template(world, template)
        for step in sequence.steps
        if step.active
        for _, template in step.choices
        if template_active(world, template)
    ]


def can_be_mailed(
    world: World, ledger: OracleLedger, sequence: Sequence, contact: Record
) -> bool:
    """4.2 Active, a valid address, not suppressed for the category of at least one active step."""
    if unmailable(world, contact) is not None:
        return False
    categories = active_categories(world, sequence)
    return any(
        silenced(world, ledger, contact, category) is None for category in categories
    )


def contact_paths(world: World, entity: str) -> list[str]:
    """4.1 The paths from a record to contacts: to-one relations, then one relation to the contacts."""
    found: list[str] = []

    def follow(name: str, path: str, seen: tuple[str, ...]) -> None:
        for relation, target in (
            world.facts.entities[name].get("relations") or {}
        ).items():
            there = target.get("one") or target.get("many")
            if there == world.facts.contact_entity:
                found.append(f"{path}.{relation}")
            elif "one" in target and there not in seen:
                follow(there, f"{path}.{relation}", (*seen, there))

    follow(entity, entity, (entity,))
    return found


def candidates(world: World, sequence: Sequence, record: Record) -> list[Record]:
    """4.1 `from` may be left out where one path leads from the record to contacts."""
    path = sequence.audience.get("from")
    if path is None:
        paths = contact_paths(world, sequence.about)
        if len(paths) != 1:
            raise ValueError(
                f"{sequence.id}: audience needs a `from`, {paths} lead to contacts"
            )
        path = paths[0]
    found = {contact.key: contact for contact in Scope(world, record).records(path)}
    return sorted(found.values(), key=lambda contact: key_order(contact.key))


def audience(
    world: World,
    ledger: OracleLedger,
    sequence: Sequence,
    record: Record,
    standing: Collection[OccurrenceKey],
) -> list[Record]:
    """4.1 to 4.5 The contacts of one record, as of now, of whose occurrences those `standing` stand. About a contact: the contact itself."""
    if sequence.about == world.facts.contact_entity:
        return [record]
    raw: Mapping[str, Any] = sequence.audience
    people = [
        contact
        for contact in candidates(world, sequence, record)
        if holds(raw.get("where"), Scope(world, record, contact, bare=contact))
    ]
    reachable = _first_group(world, ledger, sequence, record, people)
    if raw.get("max") is None:
        return reachable
    return _kept(world, ledger, sequence, record, standing, reachable)


def _first_group(
    world: World,
    ledger: OracleLedger,
    sequence: Sequence,
    record: Record,
    people: list[Record],
) -> list[Record]:
    """4.2 The first group that has somebody who can be mailed; 4.5 only those are in the audience."""
    for group in sequence.audience.get("first_of") or ["all"]:
        rule = None if group == "all" else group
        reachable = [
            contact
            for contact in people
            if holds(rule, Scope(world, record, contact, bare=contact))
            and can_be_mailed(world, ledger, sequence, contact)
        ]
        if reachable:
            return reachable
    return []


def _kept(
    world: World,
    ledger: OracleLedger,
    sequence: Sequence,
    record: Record,
    standing: Collection[OccurrenceKey],
    people: list[Record],
) -> list[Record]:
    """4.4 `max` keeps those already on the way, then the order of `order_by`, then the key.

    A138: places are the record's. Of several occurrences that run beside each other, whoever is on the way in one
    keeps the place in all; who is leaving one that stands no more keeps none.
    """
    on_the_way = {
        e.key.contact
        for e in ledger.of_sequence(sequence.id)
        if e.live and e.key.record == record.key and e.key[:4] in standing
    }
    order = sequence.audience.get("order_by")

    def rank(contact: Record) -> tuple[Any, ...]:
        value = (
            None
            if order is None
            else Scope(world, record, contact, bare=contact).value(order)
        )
        # No value comes last.
        # Text in order is text compared (7.2): upper and lower case are one.
        compared = folded(value) if isinstance(value, str) else value
        return (value is None, "" if value is None else compared, key_order(contact.key))

    staying = [contact for contact in people if contact.key in on_the_way]
    others = sorted((c for c in people if c.key not in on_the_way), key=rank)
    room = max(0, int(sequence.audience["max"]) - len(staying))
    return sorted(staying + others[:room], key=lambda contact: key_order(contact.key))


def locale_of(world: World, contact: Record, template: str) -> str:
    """The contact's language where the project and the template have it, else the first locale of the project."""
    locales = world.project["engine"]["locales"]
    field = world.project["crm"]["contact"].get("language")
    language = no_blank(contact.row.get(field)) if field else None
    texts = world.project["templates"][template]
    if language in locales and all(
        language in texts[part] for part in ("subject", "body")
    ):
        return str(language)
    return str(locales[0])


def chosen_template(step: Step, scope: Scope) -> str | None:
    """A list of choices: the first whose `if` holds, or that has none."""
    return next(
        (template for rule, template in step.choices if holds(rule, scope)), None
    )
