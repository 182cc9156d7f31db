"""What a trigger sees of each record (semantics 3.1, 3.2): the value of a date or of an event's moment, and whether `where` holds."""

from __future__ import annotations

from datetime import datetime

from sqlglot import exp

from engine.clock import FIRST_DAY, LAST_DAY
from engine.definitions.definitions import Definitions
from engine.definitions.paths import Path, Scope, resolve
from engine.definitions.rules import Rule
from engine.definitions.sequences import Sequence
from engine.definitions.triggers import DateTrigger, EventTrigger
from engine.relations.binding import Binder
from engine.relations.joins import Joins, called, cast, chosen, facts, key
from engine.relations.paths import column
from engine.relations.rules import predicate
from engine.relations.truth import certain


def trigger_path(definitions: Definitions, sequence: Sequence) -> Path:
    """The field of a date trigger, or the moment of an event that the CRM tells."""
    trigger = sequence.trigger
    if isinstance(trigger, EventTrigger):
        event = definitions.crm.events[trigger.event]
        text = f"{event.entity}.{event.at}"
    else:
        assert isinstance(trigger, DateTrigger)
        text = trigger.date
    return resolve(definitions.crm, Scope(sequence.about), tuple(text.split(".")))


def trigger_values(definitions: Definitions, sequence: Sequence, now: datetime, binder: Binder) -> exp.Select:
    """SELECT record, value_at TIMESTAMP, in_range, matches for every record of the sequence's entity.

    A date stands as its midnight. in_range is false outside 1970-01-02 to 2100-12-31; value_at is NULL where there is none.
    """
    joins = Joins(definitions.crm)
    value = cast(column(trigger_path(definitions, sequence), record="record", contact=None, joins=joins), exp.DataType.Type.TIMESTAMP)
    first = exp.Literal.string(f"{FIRST_DAY} 00:00:00")
    last = exp.Literal.string(f"{LAST_DAY} 23:59:59.999999")
    in_range = exp.Between(this=value.copy(), low=cast(first, exp.DataType.Type.TIMESTAMP), high=cast(last, exp.DataType.Type.TIMESTAMP))
    select = chosen(
        called(key("record"), "record"),
        called(value, "value_at"),
        called(certain(in_range), "in_range"),
        called(_matches(definitions, sequence, now, binder, joins), "matches"),
    ).from_(facts(sequence.about, "record"), copy=False)
    return joins.attach(select)


def not_matching(definitions: Definitions, sequence: Sequence, now: datetime, binder: Binder) -> exp.Select:
    """SELECT record: those of the sequence's entity for which the trigger's `where` does not hold."""
    joins = Joins(definitions.crm)
    condition = exp.Not(this=exp.paren(_matches(definitions, sequence, now, binder, joins)))
    select = chosen(called(key("record"), "record")).from_(facts(sequence.about, "record"), copy=False)
    return joins.attach(select).where(condition, copy=False)


def where_of(sequence: Sequence) -> Rule | None:
    """The trigger's `where`, of those that have one."""
    return sequence.trigger.where if isinstance(sequence.trigger, DateTrigger | EventTrigger) else None


def _matches(definitions: Definitions, sequence: Sequence, now: datetime, binder: Binder, joins: Joins) -> exp.Expression:
    where = where_of(sequence)
    if where is None:
        return exp.true()
    return predicate(definitions, where, Scope(sequence.about), record="record", contact=None, now=now, binder=binder, joins=joins)
