"""The raw records of one entity as they stand in the source, before they are typed: what every kind of source gives."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from engine.definitions.crm import Entity, Field
from engine.facts.names import find


@dataclass(frozen=True, slots=True)
class Raw:
    """`relation` is SQL to read from, `types` the DuckDB type of each of its columns. `copied`: it is the entity's own table.

    `shown` are the types as the source calls them, where these are others.
    """

    relation: str
    types: Mapping[str, str]
    copied: bool
    shown: Mapping[str, str] = field(default_factory=dict)


class NoTable(Exception):
    """The entity's table is not in the source; `known` are those that are."""

    def __init__(self, table: str, known: Sequence[str]) -> None:
        super().__init__(table)
        self.table, self.known = table, tuple(known)


class SqlRefused(Exception):
    """The entity's SQL is not one SELECT, or the source does not run it."""


class Source(Protocol):
    """A CRM that is open for reading. `columns` raises NoTable or SqlRefused; `stage` is asked for columns that are there."""

    def columns(self, name: str, entity: Entity) -> Sequence[str]: ...

    def stage(self, name: str, entity: Entity, columns: Sequence[str]) -> Raw: ...


def key_column(entity: Entity, columns: Sequence[str]) -> tuple[str, str | None]:
    """The column that the map means by `key`, and as the source spells it (None: it is not there)."""
    field = entity.fields.get(entity.key)
    meant = field.column if field is not None and field.column is not None else entity.key
    return meant, find(meant, columns)


def field_column(name: str, field: Field, columns: Sequence[str]) -> tuple[str, str | None]:
    """The column that the map means by a field, and as the source spells it (None: it is not there)."""
    meant = field.column or name
    return meant, find(meant, columns)
