"""Conditions that are true or false and never unknown (semantics 7.3), put together."""

from __future__ import annotations

from functools import reduce

from sqlglot import exp


def certain(condition: exp.Expression) -> exp.Expression:
    """The condition, with unknown turned into false."""
    return exp.Coalesce(this=condition, expressions=[exp.Boolean(this=False)])


def negated(condition: exp.Expression) -> exp.Expression:
    """The other way round, without a doubled NOT."""
    if isinstance(condition, exp.Not) and isinstance(condition.this, exp.Expression):
        return condition.this
    return exp.Not(this=_wrapped(condition))


def all_of(*conditions: exp.Expression) -> exp.Expression:
    """Every condition holds."""
    return reduce(lambda left, right: exp.And(this=left, expression=right), _parts(conditions))


def any_of(*conditions: exp.Expression) -> exp.Expression:
    """At least one condition holds."""
    return reduce(lambda left, right: exp.Or(this=left, expression=right), _parts(conditions))


def _parts(conditions: tuple[exp.Expression, ...]) -> tuple[exp.Expression, ...]:
    return conditions if len(conditions) == 1 else tuple(map(_wrapped, conditions))


def _wrapped(condition: exp.Expression) -> exp.Expression:
    return exp.Paren(this=condition) if isinstance(condition, exp.Connector) else condition
