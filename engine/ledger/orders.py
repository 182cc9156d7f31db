"""What a running system is told from outside: stop, start, pause, resume, cancel, suppress, unsuppress, and events. Values, written once."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from typing import Literal, get_args

Verb = Literal["stop", "start", "pause", "resume", "cancel", "suppress", "unsuppress", "event"]
SuppressionReason = Literal["bounce", "complaint", "unsubscribed", "manual"]


class NotAnOrder(ValueError):
    """A file of the inbox that cannot be read as an order. Whoever wrote it may have meant stop."""


@dataclass(frozen=True, slots=True)
class Order:
    """One order. For stop, start, pause, resume and cancel the keys say of what: none is the project, `sequence` alone is the
    sequence, any further one makes it enrollments, and those left out mean any. `contacts`, or `records` of the entity, are many at
    once: any of them.

    Suppressions carry the address key, never the address. `until` ends a pause by itself.
    An event names itself, its own id, the record (`entity`, `record`) and when it happened; it is no order, and comes the same way.
    """

    verb: Verb
    at: datetime
    by: str
    note: str = ""
    sequence: str | None = None
    entity: str | None = None
    record: str | None = None
    occurrence: str | None = None
    contact: str | None = None
    until: datetime | None = None
    address_key: str | None = None
    reason: SuppressionReason | None = None
    topic: str | None = None
    event: str | None = None
    event_id: str | None = None
    happened_at: datetime | None = None
    contacts: tuple[str, ...] = ()
    records: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.verb not in get_args(Verb):
            raise NotAnOrder(f"`{self.verb}` is not an order")
        if self.verb in ("suppress", "unsuppress"):
            if not self.address_key or (self.verb == "suppress" and self.reason not in get_args(SuppressionReason)):
                raise NotAnOrder(f"{self.verb} needs an address key and a reason")
        elif self.verb == "event":
            if not all((self.event, self.event_id, self.entity, self.record, self.happened_at)):
                raise NotAnOrder("an event needs its name, an id, a record and a moment")
        elif self.verb in ("stop", "start") and self.scope == "enrollment":
            raise NotAnOrder(f"{self.verb} is for the project or a sequence; pause an enrollment instead")
        elif self.verb == "cancel" and self.scope != "enrollment":
            raise NotAnOrder("cancel is for enrollments; archive a sequence, or stop the project")
        if (self.contacts or self.records) and (self.verb not in ("pause", "resume", "cancel") or self.contact or self.record):
            raise NotAnOrder("many at once are paused, resumed or cancelled, and one is named alone")
        if (self.records and (self.contacts or not self.entity)) or not all(isinstance(key, str) for key in (*self.contacts, *self.records)):
            raise NotAnOrder("many at once are contacts, or records of one entity")

    @property
    def scope(self) -> Literal["project", "sequence", "enrollment"]:
        if any((self.entity, self.record, self.occurrence, self.contact, self.contacts, self.records)):
            return "enrollment"
        return "project" if self.sequence is None else "sequence"

    def to_json(self) -> str:
        """One line of JSON; instants are naive UTC in ISO 8601 with a Z."""
        values = {name: _written(value) for name, value in asdict(self).items() if value not in (None, "", ())}
        return json.dumps({"format": 1, **values}, ensure_ascii=False, sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> Order:
        """Read what `to_json` wrote. Raises NotAnOrder for everything else."""
        try:
            values = json.loads(text)
            if not isinstance(values, dict) or values.pop("format", None) != 1:
                raise NotAnOrder("not an order of format 1")
            if set(values) - {field.name for field in fields(cls)}:
                raise NotAnOrder("an order with a word that is not known here")
            for name in ("at", "until", "happened_at"):
                if name in values:
                    values[name] = datetime.fromisoformat(values[name].removesuffix("Z"))
            for name in ("contacts", "records"):
                if name in values:
                    values[name] = tuple(values[name]) if isinstance(values[name], list) else (None,)
            return cls(**values)
        except NotAnOrder:
            raise
        except (ValueError, TypeError, AttributeError) as error:
            raise NotAnOrder("not an order") from error


def _written(value: object) -> object:
    return value.isoformat() + "Z" if isinstance(value, datetime) else value
