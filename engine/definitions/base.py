"""What every kind of file is made of: frozen Pydantic models without room for unknown keys, and typed scalars."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date, datetime, time
from difflib import get_close_matches
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StrictBool, StrictInt, StringConstraints
from pydantic.functional_validators import BeforeValidator, PlainValidator
from pydantic_core import PydanticCustomError

from engine.clock import Duration, is_zone, parse_time_of_day
from engine.definitions.cron import Cron

# In place of a zone: the contact's own (semantics 5.3).
RECIPIENT = "recipient"

# A place inside one YAML document: the keys and list positions that lead to it.
Loc = tuple[str | int, ...]


class Model(BaseModel):
    """The base of every definition: frozen, and unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True, arbitrary_types_allowed=True)


def _duration(value: Any) -> Duration:
    if isinstance(value, Duration):
        return value
    try:
        parsed = Duration.parse(value)
    except ValueError as error:
        raise PydanticCustomError("duration", "{reason}", {"reason": str(error)}) from None
    return parsed


def _lasting(value: Any) -> Duration:
    parsed = _duration(value)
    if parsed.count == 0:
        reason = f"`{value}` is no time at all: a step goes from its due moment until then, and would never go; say how long it may be late, such as 1d"
        raise PydanticCustomError("duration", "{reason}", {"reason": reason})
    return parsed


def _plain_duration(value: Any) -> Duration:
    parsed = _duration(value)
    if parsed.unit == "bd":
        reason = f"`{value}`: business days belong to `before`, `after`, `wait` and `expires`; count in days here, such as {parsed.count}d"
        raise PydanticCustomError("duration", "{reason}", {"reason": reason})
    return parsed


def _time_of_day(value: Any) -> time:
    if isinstance(value, time):
        return value
    try:
        return parse_time_of_day(value)
    except ValueError as error:
        raise PydanticCustomError("time_of_day", "{reason}", {"reason": str(error)}) from None


def _zone(value: Any) -> str:
    if value == "recipient":
        raise PydanticCustomError(
            "zone", "{reason}", {"reason": "`recipient` is for the timezone of a sequence; write an IANA time zone here, such as Asia/Bangkok"}
        )
    if not isinstance(value, str) or not is_zone(value):
        raise PydanticCustomError("zone", "`{zone}` is not an IANA time zone, such as Asia/Bangkok or UTC", {"zone": str(value)})
    return value


def _step_zone(value: Any) -> str:
    return RECIPIENT if value == RECIPIENT else _zone(value)


def _file_id(value: Any) -> str:
    if not isinstance(value, str) or not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", value):
        raise PydanticCustomError(
            "file_id", "`{id}` is not an id; ids are lower-case letters and digits with hyphens, such as contract-renewal", {"id": str(value)}
        )
    return value


def _name(value: Any) -> str:
    if not isinstance(value, str) or not re.fullmatch(r"[a-z][a-z0-9_]*", value):
        raise PydanticCustomError(
            "name", "`{name}` is not a name; entities, fields and variables are lower-case letters, digits and underscores", {"name": str(value)}
        )
    return value


def _day_or_moment(value: Any) -> date | datetime:
    """`2026-01-01` as a date, `2026-01-01T09:00` as a datetime; nothing else, so that a bare 2026 is no second of 1970."""
    if isinstance(value, date):
        return value
    try:
        if isinstance(value, str) and re.fullmatch(r"\d{4}-\d\d-\d\d", value):
            return date.fromisoformat(value)
        if isinstance(value, str) and re.match(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d", value):
            return datetime.fromisoformat(value)
    except ValueError:
        pass
    raise PydanticCustomError("day", "`{value}` is not a date; write year, month and day, such as 2026-01-31", {"value": str(value)})


def _cron(value: Any) -> Any:
    try:
        Cron.parse(value)
    except ValueError as error:
        raise PydanticCustomError("cron", "{reason}", {"reason": str(error)}) from None
    return value


def _wall_time(value: Any) -> datetime:
    """`2026-12-20T09:00`: a day and a time of day, in the project's timezone."""
    if isinstance(value, datetime):
        return value
    text = value if isinstance(value, str) else str(value)
    try:
        if re.fullmatch(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d", text):
            return datetime.fromisoformat(text)
    except ValueError:
        pass
    if re.fullmatch(r"\d{4}-\d\d-\d\d", text):
        raise PydanticCustomError("day", '`{value}` has no time of day; write it too, such as "{value}T09:00"', {"value": text})
    if re.match(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d", text):
        raise PydanticCustomError(
            "day",
            '`{value}` is more than a local time; write day, hour and minute in the project\'s timezone, such as "{short}"',
            {"value": text, "short": text[:16]},
        )
    raise PydanticCustomError("day", '`{value}` is not a moment; write day and time, such as "2026-12-20T09:00"', {"value": text})


def shape(value: Any) -> str:
    """The tag of a union whose members differ by shape. Tags stand in angle brackets: no YAML key looks like that."""
    if isinstance(value, dict | BaseModel):
        return "<mapping>"
    return "<list>" if isinstance(value, list | tuple) else "<scalar>"


def keyed(*names: str) -> Callable[[Any], str]:
    """The tag of a union of mappings that are told apart by a key; the nearest one when the key is misspelled."""

    def tag(value: Any) -> str:
        if isinstance(value, BaseModel):
            value = {name: True for name in names if name in type(value).model_fields}
        if not isinstance(value, dict):
            return "<scalar>"
        for name in names:
            if name in value:
                return f"<{name}>"
        close = [found for key in value for found in get_close_matches(str(key), names, 1)]
        return f"<{close[0] if close else names[0]}>" if close or not value else f"<one of {', '.join(names)}>"

    return tag


def written(pattern: str, *examples: str) -> Any:
    """What an editor is told of a text with a form."""
    return Annotated[str, Field(pattern=pattern, examples=list(examples))]


DurationField = Annotated[Duration, PlainValidator(_plain_duration, json_schema_input_type=written(r"^\s*\d{1,6}\s*(min|h|d|w|mo|y)\s*$", "30d", "48h", "3mo"))]
# What stands in steps may count in business days too.
StepDuration = Annotated[Duration, PlainValidator(_duration, json_schema_input_type=written(r"^\s*\d{1,6}\s*(min|h|d|w|mo|y|bd)\s*$", "30d", "48h", "2bd"))]
# How late a step may be (5.6).
LastingDuration = Annotated[
    Duration, PlainValidator(_lasting, json_schema_input_type=written(r"^\s*0*[1-9]\d{0,5}\s*(min|h|d|w|mo|y|bd)\s*$", "7d", "48h", "2bd"))
]
TimeOfDay = Annotated[time, PlainValidator(_time_of_day, json_schema_input_type=written(r"^([01]?\d|2[0-3]):[0-5]\d$", "09:00"))]
ZoneName = Annotated[str, BeforeValidator(_zone, json_schema_input_type=written(r"^[A-Za-z]", "Asia/Bangkok", "UTC"))]
# A zone, or the word `recipient`.
StepZone = Annotated[str, BeforeValidator(_step_zone, json_schema_input_type=written(r"^[A-Za-z]", "Asia/Bangkok", RECIPIENT))]
FileId = Annotated[str, BeforeValidator(_file_id, json_schema_input_type=written(r"^[a-z0-9]+(-[a-z0-9]+)*$", "contract-renewal"))]
FieldName = Annotated[str, BeforeValidator(_name, json_schema_input_type=written(r"^[a-z][a-z0-9_]*$", "end_date"))]
EntityName = Annotated[str, BeforeValidator(_name, json_schema_input_type=written(r"^[a-z][a-z0-9_]*$", "contract"))]
DayOrMoment = Annotated[date | datetime, PlainValidator(_day_or_moment, json_schema_input_type=written(r"^\d{4}-\d\d-\d\d", "2026-01-31"))]
CronText = Annotated[str, BeforeValidator(_cron, json_schema_input_type=written(r"^\s*\S+(\s+\S+){4}\s*$", "0 9 * * *"))]
WallTime = Annotated[datetime, PlainValidator(_wall_time, json_schema_input_type=written(r"^\d{4}-\d\d-\d\d[T ]\d\d:\d\d$", "2026-12-20T09:00"))]
Text = Annotated[str, StringConstraints(min_length=1)]
# Strict: `yes` and 1 are no booleans, true and "5" are no numbers.
Flag = StrictBool
Count = Annotated[StrictInt, Field(ge=0)]
Positive = Annotated[StrictInt, Field(ge=1)]
# The key of a CRM record as authors write it; compared as text (12 and "12" are one key).
RecordKey = StrictInt | Text
