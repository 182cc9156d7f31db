"""Triggers: what puts a record into a sequence, and when (semantics §3)."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Discriminator, Tag, WithJsonSchema, model_validator
from pydantic_core import PydanticCustomError

from engine.definitions.base import DurationField, FieldName, Model, Text, keyed
from engine.definitions.rules import RuleField


class DateTrigger(Model):
    """`{date: contract.end_date, where: …}`: one occurrence per value of a date or timestamp field; with `every: 3mo` one each time that the value comes round (3.1)."""

    date: Text
    every: DurationField | None = None
    where: RuleField | None = None

    @property
    def kind(self) -> Literal["date"]:
        return "date"


class EventTrigger(Model):
    """`{event: contract_signed, where: …}`: one occurrence per event; the map says what the event is about, and where it comes from (3.2)."""

    event: FieldName
    where: RuleField | None = None

    @property
    def kind(self) -> Literal["event"]:
        return "event"


class ManualTrigger(Model):
    """`manual`: enrolled by a file of `definitions/enrollments/` or by `engine enroll` (3.5)."""

    @model_validator(mode="before")
    @classmethod
    def _word(cls, value: Any) -> Any:
        if value == {} or isinstance(value, ManualTrigger):
            return value
        raise PydanticCustomError("trigger", "`{value}` is no trigger; write `trigger: {date: ENTITY.FIELD}`, or `trigger: manual`", {"value": str(value)[:60]})

    @property
    def kind(self) -> Literal["manual"]:
        return "manual"


_named = keyed("date", "event")


def _trigger(value: Any) -> str:
    """`trigger: manual` arrives as an empty mapping."""
    if isinstance(value, ManualTrigger) or not value or not isinstance(value, dict | Model):
        return "<manual>"
    return _named(value)


Trigger = Annotated[
    Annotated[DateTrigger, Tag("<date>")]
    | Annotated[EventTrigger, Tag("<event>")]
    | Annotated[ManualTrigger, Tag("<manual>"), WithJsonSchema({"const": "manual"})],
    Discriminator(_trigger),
]
