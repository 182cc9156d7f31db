"""Campaign tests: `definitions/tests/*.yaml`. Given these records and this moment, expect these sends, and no others.

A case is no part of the definitions' meaning: no digest holds it, and no apply reads it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag, model_validator

from engine.definitions.base import DayOrMoment, FieldName, FileId, Model, Positive, RecordKey, Text, shape
from engine.definitions.crm import Crm
from engine.definitions.definitions import Places

Row = dict[str, Any]
# A text, or several that must all be there.
Texts = Annotated[Annotated[Text, Tag("<scalar>")] | Annotated[tuple[Text, ...], Tag("<list>")], Discriminator(shape)]
Days = Annotated[Annotated[Positive, Tag("<scalar>")] | Annotated[tuple[DayOrMoment, ...], Tag("<list>")], Discriminator(shape)]
KINDS = ("sends", "skips", "holds", "exits", "unreached")


class Enrolled(Model):
    """Somebody who was put on a manual sequence by hand; at the case's `now`, or earlier with `at`."""

    sequence: FileId
    record: RecordKey
    at: DayOrMoment | None = None


class Told(Model):
    """An event from outside, as the inbox has it. It is known from its moment on; `at` is the case's `now` if not said."""

    event: FieldName
    record: RecordKey
    at: DayOrMoment | None = None


class Suppressed(Model):
    """An address that is not written to any more, whatever the CRM says."""

    address: Text
    reason: Literal["bounce", "complaint", "unsubscribed", "manual"] = "manual"
    topic: str | None = None


def _records_apart(model: type[Model], value: Any) -> Any:
    """Every key that is no word of the model is an entity with its rows."""
    if not isinstance(value, dict):
        return value
    words = {field.alias or name for name, field in model.model_fields.items()} - {"records"}
    return {**{key: below for key, below in value.items() if key in words}, "records": {key: below for key, below in value.items() if key not in words}}


class Given(Model):
    """What the CRM and the ledger hold: rows by entity, and beside them `active_from`, `enrolled`, `events` and `suppressed`."""

    records: dict[str, tuple[Row, ...]] = {}
    active_from: DayOrMoment | None = None
    enrolled: tuple[Enrolled, ...] = ()
    events: tuple[Told, ...] = ()
    suppressed: tuple[Suppressed, ...] = ()

    @model_validator(mode="before")
    @classmethod
    def _apart(cls, value: Any) -> Any:
        return _records_apart(cls, value)


class Then(Model):
    """A change of the CRM on the way: fields of rows by their key, new rows, and the keys of those that are `gone`."""

    on: DayOrMoment
    records: dict[str, tuple[Row, ...]] = {}
    gone: dict[str, tuple[RecordKey, ...]] = {}

    @model_validator(mode="before")
    @classmethod
    def _apart(cls, value: Any) -> Any:
        return _records_apart(cls, value)


class Expected(Model):
    """One row that is looked for; what it does not say may be anything. `on` is the day of the run, or its moment."""

    sequence: FileId
    step: FileId | None = None
    record: RecordKey | None = None
    contact: RecordKey | None = None
    occurrence: Text | None = None
    on: DayOrMoment | None = None
    due: DayOrMoment | None = None


class ExpectedSend(Expected):
    template: FileId | None = None
    locale: Text | None = None
    address: Text | None = None
    subject: Text | None = None
    subject_contains: Texts | None = None
    body_contains: Texts | None = None


class ExpectedReason(Expected):
    reason: Text | None = None


class Expect(Model):
    """What the plans decide, exactly. `sends` not said is none; the other kinds are looked at only where they are said."""

    sends: tuple[ExpectedSend, ...] = ()
    skips: tuple[ExpectedReason, ...] | None = None
    holds: tuple[ExpectedReason, ...] | None = None
    exits: tuple[ExpectedReason, ...] | None = None
    unreached: tuple[ExpectedReason, ...] | None = None
    nothing: Literal[True] | None = Field(default=None, description="No send, no skip, no hold, no exit")

    @model_validator(mode="after")
    def _nothing_alone(self) -> Expect:
        said = [kind for kind in KINDS if getattr(self, kind)]
        if self.nothing and said:
            raise ValueError(f"`nothing:` and `{said[0]}:` cannot both be")
        return self


class Case(Model):
    """One case. `days` (a number, or the days) and `until` make a timeline: a plan each day, on the ledger that those before it left."""

    name: Text
    now: DayOrMoment
    days: Days | None = None
    until: DayOrMoment | None = None
    sequences: tuple[FileId, ...] | None = Field(default=None, description="Only these take part, a draft among them as if it were active")
    given: Given = Given()
    then: tuple[Then, ...] = ()
    expect: Expect

    @model_validator(mode="after")
    def _one_timeline(self) -> Case:
        if self.days is not None and self.until is not None:
            raise ValueError("a timeline has `days:` or `until:`, one of the two")
        return self


@dataclass(frozen=True)
class CaseFile:
    """The cases of one file in their order; `data` is what the file says, case by case."""

    path: str
    cases: tuple[Case, ...]
    places: Places
    data: tuple[Mapping[str, Any], ...]

    @property
    def stem(self) -> str:
        return self.path.rsplit("/", 1)[1].removesuffix(".yaml")


def is_day(value: date | datetime) -> bool:
    """Whether a whole day was written, and no moment."""
    return not isinstance(value, datetime)


def key_at(crm: Crm, entity: str, place: int) -> int | str:
    """The key of a record that says none: its place among the rows, from 1; an address where that is the contact's key."""
    is_address = entity == crm.contact.entity and crm.entities[entity].key == crm.contact.address
    return f"contact{place}@example.com" if is_address else place
