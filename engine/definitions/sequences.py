"""Sequences: steps, a trigger, an audience (semantics §3 to §5). Renewals, payment notices and drips are all sequences."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag, WithJsonSchema, model_validator
from pydantic.functional_validators import BeforeValidator
from pydantic_core import PydanticCustomError

from engine.clock import Duration
from engine.definitions.base import (
    Count,
    DayOrMoment,
    DurationField,
    EntityName,
    FieldName,
    FileId,
    Flag,
    LastingDuration,
    Model,
    Positive,
    RecordKey,
    StepDuration,
    StepZone,
    Text,
    TimeOfDay,
    shape,
)
from engine.definitions.rules import RuleField
from engine.definitions.triggers import Trigger
from engine.definitions.windows import SendWindow

# How long a step may be late (5.6), and what lies between two mails of it for one record (3.8), where nothing is said.
WEEK = Duration(7, "d")


class Choice(Model):
    """One line of a step's list of templates: the first whose `if` holds is used; the last has no `if`."""

    if_: RuleField | None = Field(default=None, alias="if")
    use: FileId


class Step(Model):
    """One mail on the path. Identified by `id`, never by its position. One of before, after (date triggers) or wait (all others)."""

    id: FileId
    before: StepDuration | None = None
    after: StepDuration | None = None
    wait: StepDuration | None = None
    at: TimeOfDay | None = None
    template: Annotated[Annotated[FileId, Tag("<scalar>")] | Annotated[tuple[Choice, ...], Tag("<list>")], Discriminator(shape)]
    if_: RuleField | None = Field(default=None, alias="if")
    expires: LastingDuration | None = None
    active: Flag = True
    renamed_from: FileId | None = None

    @model_validator(mode="after")
    def _one_time(self) -> Step:
        said = [name for name in ("before", "after", "wait") if getattr(self, name) is not None]
        if len(said) != 1:
            raise ValueError("a step has one of `before:`, `after:` (date triggers) or `wait:` (all others)")
        return self

    @property
    def kind(self) -> Literal["before", "after", "wait"]:
        return "before" if self.before is not None else "after" if self.after is not None else "wait"

    @property
    def duration(self) -> Duration:
        return self.before or self.after or self.wait or Duration(0, "d")

    @property
    def choices(self) -> tuple[Choice, ...]:
        """The templates as a list of choices, also when only one is named."""
        return (Choice(use=self.template),) if isinstance(self.template, str) else self.template


def rule_or_word(value: Any) -> str:
    """A group of an audience is the word `all`, or a rule."""
    return "<scalar>" if isinstance(value, str) else "<mapping>"


class Audience(Model):
    """Which contacts of the record get the mail (§4). `first_of` holds rules and the word `all`."""

    from_: Text | None = Field(default=None, alias="from")
    where: RuleField | None = None
    first_of: tuple[Annotated[Annotated[Literal["all"], Tag("<scalar>")] | Annotated[RuleField, Tag("<mapping>")], Discriminator(rule_or_word)], ...] | None = (
        None
    )
    max: Positive | None = None
    order_by: Text | None = None


class ReenterAfter(Model):
    """`{after: 90d}`: again when the last one ended that long ago."""

    after: DurationField


DurationOrAll = Annotated[
    Annotated[Literal["all"], Tag("<all>")] | Annotated[DurationField, Tag("<duration>")],
    Discriminator(lambda value: "<all>" if value == "all" else "<duration>"),
]
Reenter = Annotated[
    Annotated[Literal["every_occurrence", "never"], Tag("<scalar>")] | Annotated[ReenterAfter, Tag("<mapping>")],
    Discriminator(shape),
]


class MaxSends(Model):
    per_run: Count | None = None
    per_day: Count | None = None


class MaxPerContact(Model):
    max: Positive
    per: DurationField


def _share(value: Any) -> Any:
    """`20%` as 0.2; a plain number is refused, since 20 could mean twenty records."""
    if isinstance(value, float) and 0 <= value <= 1:
        return value
    if isinstance(value, str) and value.endswith("%"):
        try:
            share = float(value[:-1]) / 100
        except ValueError:
            share = -1.0
        if 0 <= share <= 1:
            return share
    raise ValueError("a share is written with a percent sign, such as 20%")


def _factor(value: Any) -> Any:
    """`3` is three times as much."""
    if isinstance(value, int | float) and not isinstance(value, bool) and 1 <= value <= 1_000_000:
        return value
    raise PydanticCustomError("number", "{reason}", {"reason": f"`{value}` is not a growth; write a number of times, 1 at least, such as 3"})


Share = Annotated[float, BeforeValidator(_share), WithJsonSchema({"type": "string", "pattern": r"^\d+(\.\d+)?%$", "examples": ["20%"]})]
Factor = Annotated[float, BeforeValidator(_factor), WithJsonSchema({"type": "number", "minimum": 1, "examples": [3]})]


class Guards(Model):
    """Limits that stop a mistake before the first mail (§10). A guard holds only where it is said, but for min_facts."""

    max_sends: MaxSends | None = None
    max_per_contact: MaxPerContact | None = None
    first_run_max: Count | None = None
    min_facts: dict[EntityName, Count] | None = None
    max_shrink: Share | None = None
    max_growth: Factor | None = None
    max_share_of_audience: Share | None = None
    max_exits: Share | None = None
    max_drift: Factor | None = None
    facts_max_age: DurationField | None = None


class SequenceGuards(Model):
    """The guards that a sequence may raise for itself (10.4). Its `max_growth` counts its own mails, the project's all of them."""

    first_run_max: Count | None = None
    max_growth: Factor | None = None
    max_share_of_audience: Share | None = None
    max_drift: Factor | None = None


class Sequence(Model):
    """One file of `definitions/sequences/`."""

    id: FileId
    name: str = ""
    description: str = ""
    owner: str | None = None
    status: Literal["draft", "active", "paused", "archived"] = "draft"
    tags: tuple[str, ...] = ()
    priority: Literal["low", "normal", "high", "urgent"] = "normal"
    about: EntityName
    trigger: Trigger
    audience: Audience | None = None
    # Several records of one contact that are due for one step in one run are one mail (4.8).
    combine: Literal["contact"] | None = None
    goal: RuleField | None = None
    exit_when: RuleField | None = None
    timezone: StepZone | None = None
    send_window: SendWindow | None = None
    holidays: FieldName | None = None
    at: TimeOfDay | None = None
    expires: LastingDuration | None = None
    active_from: DayOrMoment | None = None
    backfill: DurationOrAll | None = None
    min_gap: DurationField | None = None
    reenter: Reenter | None = None
    on_unknown: Literal["ask", "assume_sent", "resend"] | None = None
    guards: SequenceGuards | None = None
    reply_to: str | None = None
    renamed_from: FileId | None = None
    steps: Annotated[tuple[Step, ...], Field(min_length=1)]

    @model_validator(mode="before")
    @classmethod
    def _manual(cls, value: Any) -> Any:
        if isinstance(value, dict) and value.get("trigger") == "manual" and isinstance(value["trigger"], str):
            return {**value, "trigger": {}}
        return value

    @property
    def gap(self) -> Duration | None:
        """What lies between two mails of one step for one record (3.8): of a date trigger a week where nothing is said."""
        return self.min_gap or (WEEK if self.trigger.kind == "date" else None)

    def expires_of(self, step: Step) -> Duration:
        """For how long after its due moment a step may still go (5.6)."""
        return step.expires or self.expires or WEEK


class EnrollmentFile(Model):
    """One file of `definitions/enrollments/`: a reviewed enrollment by hand. `contacts` are keys of the records it is about."""

    id: FileId
    sequence: FileId
    contacts: tuple[RecordKey, ...] | None = None
    segment: FileId | None = None
    note: str = ""

    @model_validator(mode="after")
    def _either(self) -> EnrollmentFile:
        if (self.contacts is None) == (self.segment is None):
            raise ValueError("an enrollment names `contacts:` or a `segment:`, one of the two")
        return self
