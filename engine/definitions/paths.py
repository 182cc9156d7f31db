"""What a dotted path leads to: `contract.company.industry` through relations to a field or an entity (language.md, crm)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from engine.definitions.crm import Crm, Field, Relation


@dataclass(frozen=True, slots=True)
class Scope:
    """Where a path may start. `record` is the entity of the record (or the segment's), `contact` whether a contact is at hand.

    Inside `exists`, `count`, audiences and lists, bare names are the fields of `record` (`bare`).
    """

    record: str | None
    contact: bool = False
    bare: bool = False


@dataclass(frozen=True, slots=True)
class Hop:
    """One relation on the way: from an entity, by a relation's name, to an entity."""

    entity: str
    name: str
    relation: Relation

    @property
    def many(self) -> bool:
        return self.relation.many is not None


@dataclass(frozen=True, slots=True)
class Path:
    """A path understood: it starts at the record or the contact, goes through hops, and ends at a field or (`field` None) an entity."""

    start: Literal["record", "contact"]
    entity: str
    hops: tuple[Hop, ...]
    field_name: str | None
    field: Field | None

    @property
    def end(self) -> str:
        """The entity at which the path ends."""
        return self.hops[-1].relation.entity if self.hops else self.entity

    @property
    def many(self) -> bool:
        return any(hop.many for hop in self.hops)


class PathError(Exception):
    """A path leads nowhere. `position` is the index of the part that fails; `known` what could stand there.

    `entity` is the one at which it fails. `broken_map` where the path is right and the map itself names an entity that is not there; `choices` where it is ambiguous.
    """

    def __init__(
        self, message: str, position: int, known: tuple[str, ...] = (), *, broken_map: bool = False, choices: tuple[str, ...] = (), entity: str = ""
    ) -> None:
        super().__init__(message)
        self.message, self.position, self.known = message, position, known
        self.broken_map, self.choices, self.entity = broken_map, choices, entity


def resolve(crm: Crm, scope: Scope, parts: tuple[str, ...]) -> Path:
    """Follow a path. Raises PathError, also for what could be meant twice.

    The record's entity by name first, then the contact's, then a to-one relation of the record, then of the contact;
    where both lead to the same entity the record's own goes first.
    """
    contact = crm.contact.entity
    if scope.bare and scope.record is not None:
        return _follow(crm, "record", scope.record, parts, 0)
    head = parts[0]
    starts: list[tuple[Literal["record", "contact"], str, int]] = []
    if scope.record is not None and head == scope.record:
        starts.append(("record", scope.record, 1))
    elif scope.contact and head == contact:
        starts.append(("contact", contact, 1))
    else:
        if scope.record is not None and head in crm.entities[scope.record].relations:
            starts.append(("record", scope.record, 0))
        if scope.contact and contact != scope.record and head in crm.entities[contact].relations:
            starts.append(("contact", contact, 0))
    if not starts:
        known = _starts(crm, scope)
        raise PathError(f"`{head}` is not known here; a path starts at {', '.join(known)}", 0, known)
    if len(starts) == 2:
        ends = [crm.entities[entity].relations[head].entity for _, entity, _ in starts]
        if ends[0] != ends[1]:
            choices = tuple(f"{entity}.{'.'.join(parts)}" for _, entity, _ in starts)
            could = f"`{head}` could be {starts[0][1]}.{head} or {starts[1][1]}.{head}"
            raise PathError(f"{could}; write `{choices[0]}` or `{choices[1]}`", 0, choices=choices)
    start, entity, position = starts[0]
    return _follow(crm, start, entity, parts, position)


def resolve_in_audience(crm: Crm, scope: Scope, parts: tuple[str, ...]) -> Path:
    """Follow a path inside `audience:`, where bare names are the contact's fields and relations (`scope.record` is the sequence's `about`).

    `contact_type` and `company.industry` are the contact's; `contract.status` and `contact.name` start where they say.
    Raises PathError as `resolve` does.
    """
    contact = crm.contact.entity
    declared = crm.entities[contact]
    if parts[0] not in (scope.record, contact) and (parts[0] in declared.fields or parts[0] in declared.relations):
        return _follow(crm, "contact", contact, parts, 0)
    return resolve(crm, Scope(scope.record, contact=True), parts)


def _starts(crm: Crm, scope: Scope) -> tuple[str, ...]:
    names: list[str] = []
    for entity in (scope.record, crm.contact.entity if scope.contact else None):
        if entity is not None and entity not in names:
            names.append(entity)
            names.extend(name for name, relation in crm.entities[entity].relations.items() if relation.one and name not in names)
    return tuple(names)


def _follow(crm: Crm, start: Literal["record", "contact"], entity: str, parts: tuple[str, ...], position: int) -> Path:
    hops: list[Hop] = []
    here = entity
    for index in range(position, len(parts)):
        name = parts[index]
        declared = crm.entities[here]
        if name in declared.relations:
            relation = declared.relations[name]
            if relation.entity not in crm.entities:
                raise PathError(f"the relation `{here}.{name}` leads to `{relation.entity}`, which is not an entity", index, broken_map=True)
            hops.append(Hop(here, name, relation))
            here = relation.entity
            continue
        if name in declared.fields:
            if index != len(parts) - 1:
                raise PathError(f"`{name}` is a field of `{here}`; nothing can follow it", index + 1)
            return Path(start, entity, tuple(hops), name, declared.fields[name])
        known = (*declared.fields, *declared.relations)
        raise PathError(f"`{here}` has no field or relation `{name}`", index, known, entity=here)
    return Path(start, entity, tuple(hops), None, None)


def paths_to(crm: Crm, start: str, target: str, depth: int = 3) -> tuple[tuple[str, ...], ...]:
    """The shortest relation paths from one entity to another (an audience's `from` may be left out where there is one)."""
    frontier: list[tuple[tuple[str, ...], str]] = [((), start)]
    for _ in range(depth):
        following = [
            ((*path, name), relation.entity)
            for path, entity in frontier
            for name, relation in crm.entities[entity].relations.items()
            if relation.entity in crm.entities
        ]
        found = tuple(path for path, entity in following if entity == target)
        if found:
            return found
        frontier = following
    return ()
