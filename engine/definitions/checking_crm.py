"""The map of the CRM against itself: relations lead to entities, the contact map names fields of the right type."""

from __future__ import annotations

from collections.abc import Iterator

from engine.definitions import references
from engine.definitions.base import Loc
from engine.definitions.crm import Crm, Entity, FieldType, Relation
from engine.definitions.definitions import Places
from engine.definitions.draft import Draft
from engine.definitions.translating import did_you_mean
from engine.problems import Problem

_CONTACT: tuple[tuple[str, tuple[FieldType, ...]], ...] = (
    ("address", ("text",)), ("name", ("text",)), ("language", ("text",)), ("active", ("boolean",)), ("unsubscribed", ("boolean",)), ("timezone", ("text",)),
)  # fmt: skip


def entities(draft: Draft) -> Iterator[Problem]:
    """Relations, and what stands on fields."""
    if draft.crm is None:
        return
    places = draft.where("crm", "crm")
    for name, entity in draft.crm.entities.items():
        for field_name, field in entity.fields.items():
            loc = ("entities", name, "fields", field_name)
            if field.choices is not None and field.type != "text":
                yield Problem(
                    "E257", f"`choices` belong to text, and `{field_name}` is {field.type}", places.key(*loc, "choices"), "take them out, or say `type: text`"
                )
            if field.timezone is not None and field.type != "timestamp":
                yield Problem(
                    "E257",
                    f"`timezone` belongs to timestamps, and `{field_name}` is {field.type}",
                    places.key(*loc, "timezone"),
                    "take it out, or say `type: timestamp`",
                )
            if field_name in entity.relations:
                yield Problem(
                    "E257", f"`{field_name}` is a field and a relation of `{name}`", places.key("entities", name, "relations", field_name), "rename one; `column:` keeps the column's name",
                    ((places.key(*loc), "the field"),),
                )  # fmt: skip
        for relation_name, relation in entity.relations.items():
            yield from _relation(draft, draft.crm, places, name, entity, relation_name, relation)


def _relation(draft: Draft, crm: Crm, places: Places, name: str, entity: Entity, relation_name: str, relation: Relation) -> Iterator[Problem]:
    loc = ("entities", name, "relations", relation_name)
    yield from references.entity(draft, relation.entity, places.value(*loc, "one" if relation.one else "many"))
    if relation.entity not in crm.entities:
        return
    via = places.value(*loc, "via")
    if relation.one is not None:
        if relation.via not in entity.fields:
            yield Problem(
                "E238", f"`{name}` has no field `{relation.via}`", via, did_you_mean(relation.via, entity.fields, f"the fields of {name} are"),
                ((places.key("entities", name, "fields"), f"the fields of `{name}`"),),
            )  # fmt: skip
        return
    head, _, tail = relation.via.partition(".")
    other = crm.entities[relation.entity]
    if not tail or head != relation.entity:
        yield Problem(
            "E238", f"`via: {relation.via}` is not a field of `{relation.entity}`", via, f"write `via: {relation.entity}.{(tail or head).rpartition('.')[2]}`"
        )
    elif tail not in other.fields:
        yield Problem(
            "E238", f"`{head}` has no field `{tail}`", references.part_of(via, (head, tail), 1), did_you_mean(tail, other.fields, f"the fields of {head} are"),
            ((places.key("entities", head, "fields"), f"the fields of `{head}`"),),
        )  # fmt: skip


def contact_map(draft: Draft) -> Iterator[Problem]:
    """The one entity that can receive mail, and its fields."""
    if draft.crm is None:
        return
    places, contact = draft.where("crm", "crm"), draft.crm.contact
    yield from references.entity(draft, contact.entity, places.value("contact", "entity"))
    if contact.entity not in draft.crm.entities:
        return
    named: list[tuple[Loc, str | None, tuple[FieldType, ...]]] = [(("contact", key), getattr(contact, key), types) for key, types in _CONTACT]
    named += [(("contact", "consent", topic), field_name, ("boolean",)) for topic, field_name in contact.consent.items()]
    fields = draft.crm.entities[contact.entity].fields
    for loc, field_name, types in named:
        if field_name is None:
            continue
        place, declared = places.value(*loc), places.key("entities", contact.entity, "fields")
        if field_name not in fields:
            help = did_you_mean(field_name, fields, f"the fields of {contact.entity} are")
            yield Problem("E238", f"`{contact.entity}` has no field `{field_name}`", place, help, ((declared, f"the fields of `{contact.entity}`"),))
        elif fields[field_name].type not in types:
            at = places.key("entities", contact.entity, "fields", field_name)
            yield Problem(
                "E256",
                f"`{loc[-1]}` must be {types[0]}, and `{field_name}` is {fields[field_name].type}",
                place,
                "name another field",
                ((at, "declared here"),),
            )
    for topic in contact.consent:
        yield from references.topic(draft, topic, places.key("contact", "consent", topic))
