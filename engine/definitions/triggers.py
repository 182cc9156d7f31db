"""Triggers: what puts a record into a sequence, and when (semantics §3)."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag, WithJsonSchema, model_validator
from pydantic_core import PydanticCustomError

from engine.definitions.base import CronText, DurationField, FieldName, FileId, Flag, Model, Text, WallTime, keyed
from engine.definitions.cron import Cron
from engine.definitions.rules import RuleField

KINDS = ("date", "event", "enters", "schedule", "once")


class _OfOneKind(Model):
    """What starts a sequence is one thing."""

    @model_validator(mode="before")
    @classmethod
    def _one(cls, value: Any) -> Any:
        named = [key for key in value if key in KINDS] if isinstance(value, dict) else []
        if len(named) > 1:
            raise ValueError("a trigger is of one kind, and this one has " + " and ".join(f"`{key}`" for key in named))
        return value


class DateTrigger(_OfOneKind):
    """`{date: contract.end_date, where: …}`: one occurrence per value of a date or timestamp field; with `every: 3mo` one each time that the value comes round (3.1)."""

    date: Text
    every: DurationField | None = None
    where: RuleField | None = None

    @property
    def kind(self) -> Literal["date"]:
        return "date"


class EventTrigger(_OfOneKind):
    """`{event: contract_signed, where: …}`: one occurrence per event; the map says what the event is about, and where it comes from (3.2)."""

    event: FieldName
    where: RuleField | None = None

    @property
    def kind(self) -> Literal["event"]:
        return "event"


class EntersTrigger(_OfOneKind):
    """`{enters: new-hotels}`: one occurrence each time that a record becomes a member of the segment (3.3)."""

    enters: FileId

    @property
    def kind(self) -> Literal["enters"]:
        return "enters"

    @property
    def segment(self) -> str:
        return self.enters


class ScheduleTrigger(_OfOneKind):
    """`{schedule: "0 9 1 */3 *", for: all-customers}`: the members of a segment, at each time of a cron in the project's timezone (3.4)."""

    schedule: CronText
    for_: FileId = Field(alias="for")
    yearly: Flag = False

    @property
    def kind(self) -> Literal["schedule"]:
        return "schedule"

    @property
    def segment(self) -> str:
        return self.for_

    @property
    def times(self) -> Cron:
        return Cron.parse(self.schedule)


class OnceTrigger(_OfOneKind):
    """`{once: "2026-12-20T09:00", for: all-customers}`: the members of a segment, at one moment in the project's timezone (3.4)."""

    once: WallTime
    for_: FileId = Field(alias="for")

    @property
    def kind(self) -> Literal["once"]:
        return "once"

    @property
    def segment(self) -> str:
        return self.for_


# Whose records come from a segment.
OfSegment = EntersTrigger | ScheduleTrigger | OnceTrigger


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


_named = keyed(*KINDS)


def _trigger(value: Any) -> str:
    """`trigger: manual` arrives as an empty mapping."""
    if isinstance(value, ManualTrigger) or not value or not isinstance(value, dict | Model):
        return "<manual>"
    return _named(value)


Trigger = Annotated[
    Annotated[DateTrigger, Tag("<date>")]
    | Annotated[EventTrigger, Tag("<event>")]
    | Annotated[EntersTrigger, Tag("<enters>")]
    | Annotated[ScheduleTrigger, Tag("<schedule>")]
    | Annotated[OnceTrigger, Tag("<once>")]
    | Annotated[ManualTrigger, Tag("<manual>"), WithJsonSchema({"const": "manual"})],
    Discriminator(_trigger),
]
