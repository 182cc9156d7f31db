"""The records of a campaign test: what the case gives, with something sensible in the fields that it leaves out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from engine.definitions.cases import Case, Row, Then, key_at
from engine.definitions.crm import Entity
from engine.definitions.definitions import Definitions
from engine.definitions.reading_cases import start_of

Rows = Mapping[str, Sequence[Row]]


def rows_at(definitions: Definitions, case: Case, moment: datetime) -> dict[str, list[Row]]:
    """Every entity's rows as they are at this moment of the case (naive UTC), the changes until then made."""
    zone = definitions.project.timezone
    rows: dict[str, dict[str, Row]] = {}
    for name, given in case.given.records.items():
        key = definitions.crm.entities[name].key
        keyed = [{key: key_at(definitions.crm, name, place), **row} for place, row in enumerate(given, 1)]
        rows[name] = {str(row[key]): row for row in keyed}
    for change in sorted(case.then, key=lambda change: start_of(change.on, zone)):
        if start_of(change.on, zone) <= moment:
            _change(definitions, rows, change)
    return {name: [filled(definitions, name, row) for row in by_key.values()] for name, by_key in rows.items()}


def _change(definitions: Definitions, rows: dict[str, dict[str, Row]], change: Then) -> None:
    for name, changed in change.records.items():
        key = definitions.crm.entities[name].key
        for row in changed:
            there = rows.setdefault(name, {})
            there[str(row[key])] = {**there.get(str(row[key]), {}), **row}
    for name, keys in change.gone.items():
        for one in keys:
            rows.get(name, {}).pop(str(one), None)


def filled(definitions: Definitions, name: str, row: Row) -> Row:
    """The row with its defaults. Dates, flags, choices, languages and keys of other
    records stay empty: what begins or ends a path is said by the case."""
    entity = definitions.crm.entities[name]
    return {**{field: value for field in entity.fields if (value := _default(definitions, name, entity, field, row)) is not None}, **row}


def _default(definitions: Definitions, name: str, entity: Entity, field: str, row: Row) -> Any:
    contact = definitions.crm.contact
    kind, key = entity.fields[field].type, row.get(entity.key)
    if name == contact.entity:
        said: dict[str | None, Any] = {contact.address: f"contact{key}@example.com", contact.active: True, contact.unsubscribed: False}
        if field in said:
            return said[field]
        if field in (contact.language, contact.timezone, *contact.consent.values()):
            return None
    if field == entity.key or field in links(definitions, name) or entity.fields[field].choices or kind in ("boolean", "date", "timestamp"):
        return None
    if kind in ("integer", "decimal"):
        return 1
    if field == "currency" or field.endswith("_currency"):
        return "USD"
    return f"{name.capitalize()} {key}" if field == "name" else f"{field} {key}"


def links(definitions: Definitions, name: str) -> dict[str, str]:
    """The fields of an entity that lead to other records, each with their entity, whichever of the two declares the relation."""
    entities = definitions.crm.entities
    others = {one.via.removeprefix(f"{name}."): owner for owner, entity in entities.items() for one in entity.relations.values() if one.many == name}
    return others | {one.via: one.one for one in entities[name].relations.values() if one.one}
