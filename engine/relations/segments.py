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
from engine.relations.joins import Joins, called, chosen, facts, key
from engine.relations.joins import column as named
from engine.relations.rules import At, member
from engine.relations.text import key_order


def members(definitions: Definitions, segment_id: str, now: datetime, binder: Binder) -> exp.Select:
    """SELECT key: the keys of the segment's members, each once. A listed key without a record is no member."""
    entity = definitions.segments[segment_id].entity
    joins = Joins(definitions.crm)
    at = At(definitions, Scope(entity), "record", None, Now(now, definitions.project.timezone), binder, joins)
    condition = member(segment_id, at)
    select = chosen(called(key("record"), "key")).from_(facts(entity, "record"), copy=False)
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

    def page(self, columns: Sequence[str] = (), *, limit: int = 50, offset: int = 0, after: str | None = None) -> list[tuple[Any, ...]]:
        """Members in the natural order of their keys: each the key, then the fields named in `columns`.

        `after` is a key: only members behind it, also when it is no member any more.
        """
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
        if after is not None:
            here, there = key_order(key("record")), key_order(exp.cast(binder.bind(after), exp.DataType.Type.VARCHAR))
            select.where(exp.GT(this=_comparable(here), expression=_comparable(there)), copy=False)
        return [tuple(row) for row in self.connection.execute(sql(select), binder.of(select)).fetchall()]


def counts(definitions: Definitions, ids: Sequence[str], now: datetime, connection: Connection) -> dict[str, int]:
    """How many members each segment has, asked in one statement."""
    if not ids:
        return {}
    binder = Binder()
    selects: list[exp.Select | exp.Union] = [
        exp.select(exp.alias_(binder.bind(id), "segment"), exp.Count(this=exp.Star())).from_(members(definitions, id, now, binder).subquery("members"))
        for id in ids
    ]
    union = selects[0]
    for select in selects[1:]:
        union = exp.union(union, select, distinct=False, copy=False)
    return {id: int(count) for id, count in connection.execute(sql(union), binder.values).fetchall()}


def _comparable(order: tuple[exp.Expression, ...]) -> exp.Tuple:
    """The order of keys as one row that can be compared: a text has no number, and no NULL stands in it."""
    is_text, number, text = order
    return exp.Tuple(expressions=[is_text, exp.Coalesce(this=number, expressions=[exp.Literal.number(0)]), text])


def segment_table(connection: Connection, definitions: Definitions, id: str, now: datetime) -> SegmentTable:
    """The segment over the snapshot behind the connection."""
    return SegmentTable(connection, definitions, id, now)
