"""Who is a member of a segment, now."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from sqlglot import exp

from engine.definitions.definitions import Definitions
from engine.definitions.paths import Scope
from engine.relations.binding import Binder, sql
from engine.relations.comparing import Now
from engine.relations.joins import Joins, facts, key
from engine.relations.joins import column as named
from engine.relations.rules import At, member
from engine.relations.text import key_order


def members(definitions: Definitions, segment_id: str, now: datetime, binder: Binder) -> exp.Select:
    """SELECT key: the keys of the segment's members, each once. A listed key without a record is no member."""
    entity = definitions.segments[segment_id].entity
    joins = Joins(definitions.crm)
    at = At(definitions, Scope(entity), "record", None, Now(now, definitions.project.timezone), binder, joins)
    condition = member(segment_id, at)
    select = exp.select(exp.alias_(key("record"), "key", quoted=True)).from_(facts(entity, "record"))
    return joins.attach(select).where(condition, copy=False)


class Answer(Protocol):
    """What a statement gives back."""

    def fetchall(self) -> list[Any]: ...


class Connection(Protocol):
    """The snapshot's connection, as far as a question needs it."""

    def execute(self, query: str, parameters: object = ..., /) -> Answer: ...


@dataclass(frozen=True, slots=True)
class SegmentTable:
    """A segment over one snapshot: how many members it has, and who they are, page by page."""

    connection: Connection
    definitions: Definitions
    id: str
    now: datetime

    def count(self) -> int:
        """How many members it has."""
        binder = Binder()
        select = exp.select(exp.Count(this=exp.Star())).from_(members(self.definitions, self.id, self.now, binder).subquery("members"))
        return int(self.connection.execute(sql(select), binder.of(select)).fetchall()[0][0])

    def page(self, columns: Sequence[str] = (), *, limit: int = 50, offset: int = 0) -> list[tuple[Any, ...]]:
        """Members in the natural order of their keys: each the key, then the fields named in `columns`."""
        entity = self.definitions.segments[self.id].entity
        unknown = [name for name in columns if name not in self.definitions.crm.entities[entity].fields]
        if unknown:
            raise ValueError(f"`{entity}` has no field `{unknown[0]}`")
        binder = Binder()
        inside = members(self.definitions, self.id, self.now, binder).subquery("members")
        select = (
            exp.select(key("record"), *(named("record", name) for name in columns))
            .from_(inside)
            .join(facts(entity, "record"), on=exp.EQ(this=key("record"), expression=named("members", "key")))
            .order_by(*key_order(key("record")))
            .limit(exp.cast(binder.bind(limit), exp.DataType.Type.BIGINT))
            .offset(exp.cast(binder.bind(offset), exp.DataType.Type.BIGINT))
        )
        return [tuple(row) for row in self.connection.execute(sql(select), binder.of(select)).fetchall()]


def segment_table(connection: Connection, definitions: Definitions, id: str, now: datetime) -> SegmentTable:
    """The segment over the snapshot behind the connection."""
    return SegmentTable(connection, definitions, id, now)
