"""The map of the CRM: `definitions/crm.yaml`. Entities, their fields, and how they are related."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import model_validator

from engine.definitions.base import EntityName, FieldName, Flag, Model, Text, ZoneName

FieldType = Literal["text", "integer", "decimal", "boolean", "date", "timestamp"]


class Field(Model):
    """One column of an entity. `column` where it is named otherwise; `timezone` for timestamps without an offset (UTC if not said)."""

    type: FieldType
    description: str = ""
    choices: tuple[str, ...] | None = None
    pii: Flag = False
    column: str | None = None
    timezone: ZoneName | None = None

    @model_validator(mode="before")
    @classmethod
    def _short(cls, value: Any) -> Any:
        return {"type": value} if isinstance(value, str) else value


class Relation(Model):
    """`{one: company, via: company_id}` (via: a field of this entity) or `{many: contact, via: contact.company_id}` (via: a field of the other)."""

    one: EntityName | None = None
    many: EntityName | None = None
    via: Text

    @model_validator(mode="after")
    def _either(self) -> Relation:
        if (self.one is None) == (self.many is None):
            raise ValueError("a relation is `{one: ENTITY, via: FIELD}` or `{many: ENTITY, via: ENTITY.FIELD}`")
        return self

    @property
    def entity(self) -> str:
        return self.one or self.many or ""


class Entity(Model):
    """One kind of CRM record: a `table`, or a SELECT in the source's own dialect; `key` names the column that identifies a record."""

    table: Text | None = None
    sql: Text | None = None
    key: Text
    description: str = ""
    fields: dict[FieldName, Field]
    relations: dict[FieldName, Relation] = {}

    @model_validator(mode="after")
    def _source(self) -> Entity:
        if (self.table is None) == (self.sql is None):
            raise ValueError("an entity has `table:` or `sql:`, one of the two")
        return self


class ContactMap(Model):
    """Which entity can receive mail, and which of its fields mean what."""

    entity: EntityName
    address: FieldName
    name: FieldName | None = None
    language: FieldName | None = None
    active: FieldName | None = None
    unsubscribed: FieldName | None = None
    timezone: EntityName | None = None
    consent: dict[str, FieldName] = {}


class Event(Model):
    """Something that happens to a record and starts a sequence (3.2).

    With `at`, a date or timestamp of the entity, each record that has one is an event; without it events come from
    `engine event`.
    """

    entity: EntityName
    at: FieldName | None = None
    description: str = ""


class Crm(Model):
    """`definitions/crm.yaml` as a whole."""

    entities: dict[EntityName, Entity]
    contact: ContactMap
    events: dict[FieldName, Event] = {}
