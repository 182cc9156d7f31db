"""When mail may leave, and on which days nobody works: `send_window:` of a sequence, `holidays:` of the project (semantics 5.4)."""

from __future__ import annotations

from datetime import date, datetime, time
from typing import Annotated, Any

from pydantic import Field, PlainValidator
from pydantic_core import PydanticCustomError

from engine.calendars import Holidays, Window, weekdays_of
from engine.definitions.base import FieldName, Model, Text, TimeOfDay


def _day(value: Any) -> date:
    if isinstance(value, str) and len(value) == 10:
        try:
            return date.fromisoformat(value)
        except ValueError:
            pass
    if isinstance(value, date) and not isinstance(value, datetime):
        return value
    raise PydanticCustomError("day", "`{value}` is not a date; write year, month and day, such as 2026-12-31", {"value": str(value)})


def _weekdays(value: Any) -> str:
    try:
        weekdays_of(value)
    except ValueError as error:
        raise PydanticCustomError("weekday", "{reason}", {"reason": str(error)}) from None
    return str(value)


_WEEKDAY = r"(mon|tue|wed|thu|fri|sat|sun)"
Day = Annotated[date, PlainValidator(_day, json_schema_input_type=Annotated[str, Field(pattern=r"^\d{4}-\d\d-\d\d$", examples=["2026-12-31"])])]
Weekdays = Annotated[
    str, PlainValidator(_weekdays, json_schema_input_type=Annotated[str, Field(pattern=rf"^{_WEEKDAY}(-{_WEEKDAY})?$", examples=["mon", "mon-fri"])])
]


class HolidayCalendar(Model):
    """The public holidays of a country (ISO 3166: TH, SG), perhaps of a part of it; `also` and `except` are days of one's own."""

    country: Text | None = None
    subdivision: Text | None = None
    also: tuple[Day, ...] = ()
    except_: tuple[Day, ...] = Field(default=(), alias="except")

    @property
    def days(self) -> Holidays:
        return Holidays(self.country, self.subdivision, tuple(sorted(set(self.also))), tuple(sorted(set(self.except_))))


class SendWindow(Model):
    """Mail leaves only on these days of the week, from the one time of day (included) to the other (not), and on no holiday of the calendar named."""

    days: tuple[Weekdays, ...] | None = None
    from_: TimeOfDay | None = Field(default=None, alias="from")
    to: TimeOfDay | None = None
    holidays: FieldName | None = None

    def opening(self, holidays: Holidays | None) -> Window:
        days = range(7) if self.days is None else (day for said in self.days for day in weekdays_of(said))
        return Window(frozenset(days), self.from_ or time(), self.to, holidays)
