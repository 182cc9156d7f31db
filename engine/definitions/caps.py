"""Frequency caps: how many mails an address gets within some time (semantics 6.15, 6.21)."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import PlainValidator, model_validator
from pydantic_core import PydanticCustomError

from engine.clock import Duration
from engine.definitions.base import Model, Positive, written

_LONGEST = 366


def _span(value: Any) -> Duration:
    """Hours roll, days are whole local ones: what else could be meant is said in one of the two."""
    if isinstance(value, Duration):
        return value
    try:
        span = Duration.parse(value)
    except ValueError as error:
        raise PydanticCustomError("duration", "{reason}", {"reason": str(error)}) from None
    if span.unit not in ("h", "d") or not 1 <= span.count <= (_LONGEST if span.unit == "d" else 24 * _LONGEST):
        raise PydanticCustomError("duration", "{reason}", {"reason": f"`{value}`: a cap counts hours or days, a year at most; write such as 24h or 7d"})
    return span


class Cap(Model):
    """At most `max` mails to one address `per` so many hours or days: of all, of its topic, its sequence or its template type.

    Only mail of its category is counted and held.
    """

    max: Positive
    per: Annotated[Duration, PlainValidator(_span, json_schema_input_type=written(r"^\s*[1-9]\d{0,5}\s*[hd]\s*$", "24h", "7d"))]
    of: Literal["all", "topic", "sequence", "type"]
    category: Literal["marketing", "transactional"] = "marketing"

    @model_validator(mode="after")
    def _topic(self) -> Cap:
        if self.of == "topic" and self.category == "transactional":
            raise PydanticCustomError("cap", "{reason}", {"reason": "transactional mail has no topics; write `of: all`, `of: sequence` or `of: type`"})
        return self

    def __str__(self) -> str:
        return f"{self.max} per {self.per} of {self.of}{' transactional' if self.category == 'transactional' else ''}"
