"""The records of the CRM, their relations, and paths through them."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from .model import Project, project_zone
from .moments import local

Rows = Mapping[str, Iterable[Mapping[str, Any]]]


class FactsError(Exception):
    """7.5 The facts cannot be planned on (E4xx)."""


@dataclass(frozen=True, eq=False)
class Record:
    entity: str
    key: str
    row: Mapping[str, Any]


def key_text(value: Any) -> str:
    return str(value)


def key_order(key: str) -> tuple[int, int, str]:
    """6.21, 4.6 Keys that are whole numbers by value, others by code point."""
    if re.fullmatch(r"-?[0-9]+", key):
        return (0, int(key), "")
    return (1, 0, key)


def no_blank(value: Any) -> Any:
    """7.3 No value is NULL, and for text also blank (only white space)."""
    if isinstance(value, str) and not value.strip():
        return None
    return value


def folded(text: str) -> str:
    """7.2 NFC, then the simple lower case of each character: one character stays one."""
    return "".join(char.lower()[0] for char in unicodedata.normalize("NFC", text))


class Facts:
    def __init__(self, project: Project, rows: Rows) -> None:
        self.entities: Mapping[str, Any] = project["crm"]["entities"]
        self.contact_entity: str = project["crm"]["contact"]["entity"]
        self.records = {
            name: self._keyed(name, rows.get(name, ())) for name in self.entities
        }

    def _keyed(
        self, entity: str, rows: Iterable[Mapping[str, Any]]
    ) -> dict[str, Record]:
        """7.5 A record without a key is left out; a key that occurs twice stops the plan."""
        found: dict[str, Record] = {}
        for row in rows:
            value = no_blank(row.get(self.entities[entity]["key"]))
            if value is None:
                continue
            key = key_text(value)
            if key in found:
                raise FactsError(f"{entity} {key} occurs twice")
            found[key] = Record(entity, key, row)
        return found

    def all(self, entity: str) -> list[Record]:
        return sorted(self.records[entity].values(), key=lambda r: key_order(r.key))

    def get(self, entity: str, key: str) -> Record | None:
        return self.records.get(entity, {}).get(key)

    def related(self, record: Record, name: str) -> list[Record]:
        """The records behind one relation: at most one for `one`, any number for `many`."""
        relation = self.entities[record.entity]["relations"][name]
        if "one" in relation:
            foreign = no_blank(record.row.get(relation["via"]))
            there = (
                None
                if foreign is None
                else self.get(relation["one"], key_text(foreign))
            )
            return [] if there is None else [there]
        field = relation["via"].split(".")[-1]
        return [
            other
            for other in self.all(relation["many"])
            if no_blank(other.row.get(field)) is not None
            and key_text(other.row[field]) == record.key
        ]

    def has_relation(
        self, entity: str, name: str, kinds: tuple[str, ...] = ("one", "many")
    ) -> bool:
        relation = (self.entities[entity].get("relations") or {}).get(name)
        return relation is not None and any(kind in relation for kind in kinds)


@dataclass(frozen=True)
class Past:
    """7.6 One thing that the ledger knows of a contact."""

    kind: str  # received, opened, clicked, enrolled
    contact: str
    sequence: str
    step: str | None
    template: str | None
    at: datetime


@dataclass(frozen=True)
class World:
    """Everything a rule may look at: definitions, facts, now."""

    project: Project
    facts: Facts
    now: datetime
    past: tuple[Past, ...] = ()

    @property
    def zone(self) -> ZoneInfo:
        return project_zone(self.project)

    @property
    def today(self) -> date:
        """5.8 The local date of now in the project's timezone."""
        return local(self.now, self.zone).date()


@dataclass(frozen=True)
class Scope:
    """Where the paths of a rule begin. `bare` is the record whose fields need no prefix."""

    world: World
    record: Record | None = None
    contact: Record | None = None
    bare: Record | None = None

    def _start(self, name: str) -> list[Record]:
        """A path starts at an entity by its name, or at a to-one relation; the record goes before the contact."""
        for origin in (self.bare, self.record, self.contact):
            if origin is not None and origin.entity == name:
                return [origin]
        for origin in (self.bare, self.record, self.contact):
            if origin is not None and self.world.facts.has_relation(
                origin.entity, name, ("one",)
            ):
                return self.world.facts.related(origin, name)
        return []

    def records(self, path: str) -> list[Record]:
        """All records that a path of relations leads to."""
        first, *rest = path.split(".")
        found = self._start(first)
        if (
            not found
            and self.bare is not None
            and self.world.facts.has_relation(self.bare.entity, first)
        ):
            found = self.world.facts.related(self.bare, first)
        for name in rest:
            found = [
                there
                for record in found
                for there in self.world.facts.related(record, name)
            ]
        return found

    def value(self, path: str) -> Any:
        """7.5 A path to a record that is not there has no value; 7.3 blank text has none either."""
        if "." not in path:
            return None if self.bare is None else no_blank(self.bare.row.get(path))
        head, field = path.rsplit(".", 1)
        found = self.records(head)
        return no_blank(found[0].row.get(field)) if found else None
