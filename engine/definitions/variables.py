"""What a template of a type may say: its variables, those that it extends, and the common ones; and its category."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from engine.definitions.definitions import Definitions
from engine.definitions.types import TemplateType, Variable

COMMON = "common"

# Always there, without a declaration: what they are, and a sample for previews.
ALWAYS: Mapping[str, tuple[str, object]] = {
    "current_year": ("The year in which the mail is sent", 2026),
    "items": ("The records that the mail is about, each with the variables of the type: several where the sequence says `combine: contact`, else one", ()),
    "unsubscribe_url": ("The recipient's own link to unsubscribe", "https://mail.example.com/u/sample"),
}


def lineage(types: Mapping[str, TemplateType], type_id: str) -> Iterator[TemplateType]:
    """The type, what it extends, and so on up; a cycle ends where it would begin again."""
    seen: set[str] = set()
    here: str | None = type_id
    while here is not None and here not in seen and here in types:
        seen.add(here)
        yield types[here]
        here = types[here].extends


def variables_of(definitions: Definitions, type_id: str) -> Mapping[str, Variable]:
    """The declared variables of a type by name: common ones, inherited ones, its own (the nearest wins). Without ALWAYS."""
    return declared(definitions.types, type_id)


def declared(types: Mapping[str, TemplateType], type_id: str) -> dict[str, Variable]:
    """As `variables_of`, of types that are still being read."""
    found: dict[str, Variable] = {}
    if COMMON in types:
        found.update(types[COMMON].variables)
    for type_ in reversed(list(lineage(types, type_id))):
        found.update(type_.variables)
    return found


def names_of(definitions: Definitions, type_id: str) -> tuple[str, ...]:
    """Every name that a template of the type may use, sorted, with those that are always there."""
    return tuple(sorted({*variables_of(definitions, type_id), *ALWAYS}))


def about_of(definitions: Definitions, type_id: str) -> str | None:
    """The entity that the type is about, its own word or an inherited one; None fits every sequence."""
    return next((type_.about for type_ in lineage(definitions.types, type_id) if type_.about is not None), None)


def category_of(definitions: Definitions, template_id: str) -> str:
    """`transactional` or `marketing`, by the template's type or what that extends."""
    return category_of_type(definitions, definitions.templates[template_id].type) or "transactional"


def category_of_type(definitions: Definitions, type_id: str) -> str | None:
    return next((type_.category for type_ in lineage(definitions.types, type_id) if type_.category is not None), None)


def topic_of(definitions: Definitions, template_id: str) -> str | None:
    """The topic of a marketing template; None for a transactional one."""
    if category_of(definitions, template_id) != "marketing":
        return None
    return next((type_.topic for type_ in lineage(definitions.types, definitions.templates[template_id].type) if type_.topic is not None), None)
