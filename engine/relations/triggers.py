"""The values of a date trigger (semantics 3.1): for each record the value, and whether `where` holds."""

from __future__ import annotations

from datetime import datetime

from sqlglot import exp

from engine.clock import FIRST_DAY, LAST_DAY
from engine.definitions.definitions import Definitions
from engine.definitions.paths import Path, Scope, resolve
from engine.definitions.sequences import DateTrigger, Sequence
from engine.relations.binding import Binder
from engine.relations.joins import Joins, facts, key
from engine.relations.paths import column
from engine.relations.rules import predicate


def trigger_path(definitions: Definitions, sequence: Sequence) -> Path:
    """The field of a date trigger."""
    assert isinstance(sequence.trigger, DateTrigger)
    return resolve(definitions.crm, Scope(sequence.about), tuple(sequence.trigger.date.split(".")))


def trigger_values(definitions: Definitions, sequence: Sequence, now: datetime, binder: Binder) -> exp.Select:
    """SELECT record, value_at TIMESTAMP, in_range, matches for every record of the sequence's entity.

    A date stands as its midnight. in_range is false outside 1970-01-02 to 2100-12-31; value_at is NULL where there is none.
    """
    trigger = sequence.trigger
    assert isinstance(trigger, DateTrigger)
    joins = Joins(definitions.crm)
    value = exp.cast(column(trigger_path(definitions, sequence), record="record", contact=None, joins=joins), exp.DataType.Type.TIMESTAMP)
    matches: exp.Expression = exp.true()
    if trigger.where is not None:
        matches = predicate(definitions, trigger.where, Scope(sequence.about), record="record", contact=None, now=now, binder=binder, joins=joins)
    first = exp.Literal.string(f"{FIRST_DAY} 00:00:00")
    last = exp.Literal.string(f"{LAST_DAY} 23:59:59.999999")
    in_range = exp.Between(this=value.copy(), low=exp.cast(first, exp.DataType.Type.TIMESTAMP), high=exp.cast(last, exp.DataType.Type.TIMESTAMP))
    select = exp.select(
        exp.alias_(key("record"), "record"),
        exp.alias_(value, "value_at"),
        exp.alias_(exp.func("COALESCE", in_range, exp.false()), "in_range"),
        exp.alias_(matches, "matches"),
    ).from_(facts(sequence.about, "record"))
    return joins.attach(select)
