"""Section 7: one language of rules for segments, `where`, `if`, `exit_when`, `goal`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from .facts import Record, Scope, World, folded
from .model import Rule
from .moments import duration, local, moved, moved_day

Operator = Callable[[Any, Any, World], bool]


def holds(rule: Rule | None, scope: Scope) -> bool:
    """7 Several keys in one mapping all hold; 7.3 every rule answers true or false, never unknown."""
    if rule is None:
        return True
    return all(_holds_key(key, operand, scope) for key, operand in rule.items())


def _holds_key(key: str, operand: Any, scope: Scope) -> bool:
    if key == "all":
        return all(holds(part, scope) for part in operand)
    if key == "any":
        return any(holds(part, scope) for part in operand)
    if key == "not":
        return not holds(operand, scope)
    if key in ("received", "opened", "clicked", "enrolled"):
        return _history(key, operand, scope)
    if key == "segment":
        return in_segment(operand, scope)
    if key in ("exists", "none", "count"):
        return all(_related(key, path, inner, scope) for path, inner in operand.items())
    return _condition(scope.value(key), operand, scope.world)


def _related(key: str, path: str, inner: Rule, scope: Scope) -> bool:
    """7 exists, none, count: a to-many path; inside, bare names are the related record's."""
    where = inner.get("where") if key == "count" else inner
    matching = [
        record
        for record in scope.records(path)
        if holds(where, Scope(scope.world, scope.record, scope.contact, bare=record))
    ]
    if key == "exists":
        return bool(matching)
    if key == "none":
        return not matching
    return len(matching) >= int(inner["at_least"])


def _history(kind: str, said: Mapping[str, Any], scope: Scope) -> bool:
    """7.6 The ledger's rows for this contact in (now - within, now]; this plan's are not among them."""
    world = scope.world
    contact = next(
        (
            record
            for record in (scope.bare, scope.contact, scope.record)
            if record is not None and record.entity == world.facts.contact_entity
        ),
        None,
    )
    if contact is None:
        return False
    since = (
        moved(world.now, duration(said["within"]), world.zone, -1)
        if "within" in said
        else None
    )
    return any(
        row.kind == kind
        and row.contact == contact.key
        and all(
            getattr(row, name) == said[name]
            for name in ("sequence", "step", "template")
            if name in said
        )
        and row.at <= world.now
        and (since is None or row.at > since)
        for row in world.past
    )


def in_segment(name: str, scope: Scope) -> bool:
    """7 `segment: vip`: member of another segment, asked of the record of the segment's entity."""
    entity = scope.world.project["segments"][name]["entity"]
    for record in (scope.record, scope.contact):
        if record is not None and record.entity == entity:
            return is_member(scope.world, name, record)
    return False


def is_member(world: World, name: str, record: Record) -> bool:
    """Static: the keys in `members`; dynamic: the records for which the rules hold."""
    segment = world.project["segments"][name]
    if "members" in segment:
        return record.key in {str(key) for key in segment["members"]}
    contact = record if record.entity == world.facts.contact_entity else None
    return holds(segment["rules"], Scope(world, record, contact))


def members(world: World, name: str) -> list[Record]:
    entity = world.project["segments"][name]["entity"]
    return [
        record for record in world.facts.all(entity) if is_member(world, name, record)
    ]


def _condition(value: Any, operand: Any, world: World) -> bool:
    """7 A bare value is `equals`, a list is `in_list`, a mapping names operators (all of them hold)."""
    if isinstance(operand, Mapping):
        return all(_operator(name, value, of, world) for name, of in operand.items())
    if isinstance(operand, list):
        return _operator("in_list", value, operand, world)
    return _operator("equals", value, operand, world)


def _operator(name: str, value: Any, operand: Any, world: World) -> bool:
    """7.3 Without a value only is_empty, not_equals and not_contains match."""
    if name == "is_empty":
        return (value is None) == bool(operand)
    if name == "is_not_empty":
        return (value is not None) == bool(operand)
    if value is None:
        return name in ("not_equals", "not_contains")
    return OPERATORS[name](value, operand, world)


def _pair(value: Any, operand: Any, world: World) -> tuple[Any, Any]:
    """7.2 Both sides in one kind: folded text, exact numbers, days; a day against a timestamp is its local date."""
    if isinstance(value, bool):
        return value, operand
    if isinstance(value, str):
        return folded(value), folded(str(operand))
    if isinstance(value, datetime):
        value = value if value.tzinfo else value.replace(tzinfo=UTC)
        other = _moment(operand)
        if isinstance(other, datetime):
            return value, other if other.tzinfo else other.replace(tzinfo=UTC)
        return local(value, world.zone).date(), other
    if isinstance(value, date):
        return value, _moment(operand)
    return Decimal(str(value)), Decimal(str(operand))


def _moment(operand: date | str) -> date:
    if not isinstance(operand, str):
        return operand
    return (
        date.fromisoformat(operand)
        if len(operand) == 10
        else datetime.fromisoformat(operand)
    )


def equals(value: Any, operand: Any, world: World) -> bool:
    left, right = _pair(value, operand, world)
    return bool(left == right)


def not_equals(value: Any, operand: Any, world: World) -> bool:
    return not equals(value, operand, world)


def contains(value: Any, operand: Any, world: World) -> bool:
    """7.2 `%`, `_`, `\\` and quotes are ordinary characters."""
    left, right = _pair(value, operand, world)
    return right in left


def not_contains(value: Any, operand: Any, world: World) -> bool:
    return not contains(value, operand, world)


def starts_with(value: Any, operand: Any, world: World) -> bool:
    left, right = _pair(value, operand, world)
    return bool(left.startswith(right))


def ends_with(value: Any, operand: Any, world: World) -> bool:
    left, right = _pair(value, operand, world)
    return bool(left.endswith(right))


def greater_than(value: Any, operand: Any, world: World) -> bool:
    left, right = _pair(value, operand, world)
    return bool(left > right)


def less_than(value: Any, operand: Any, world: World) -> bool:
    left, right = _pair(value, operand, world)
    return bool(left < right)


def greater_than_or_equal(value: Any, operand: Any, world: World) -> bool:
    return not less_than(value, operand, world)


def less_than_or_equal(value: Any, operand: Any, world: World) -> bool:
    return not greater_than(value, operand, world)


def between(value: Any, operand: Any, world: World) -> bool:
    """7.2 `between` includes both ends."""
    low, high = operand
    return greater_than_or_equal(value, low, world) and less_than_or_equal(
        value, high, world
    )


def in_list(value: Any, operand: Any, world: World) -> bool:
    return any(equals(value, one, world) for one in operand)


def within_last(value: Any, operand: Any, world: World) -> bool:
    """7.1, 7.2 On dates both ends and today included; on timestamps [now - d, now]."""
    span = duration(operand)
    if isinstance(value, datetime):
        moment = value if value.tzinfo else value.replace(tzinfo=UTC)
        return moved(world.now, span, world.zone, -1) <= moment <= world.now
    return bool(moved_day(world.today, span, -1) <= value <= world.today)


def within_next(value: Any, operand: Any, world: World) -> bool:
    """7.1, 7.2 The mirror of within_last."""
    span = duration(operand)
    if isinstance(value, datetime):
        moment = value if value.tzinfo else value.replace(tzinfo=UTC)
        return world.now <= moment <= moved(world.now, span, world.zone)
    return bool(world.today <= value <= moved_day(world.today, span, 1))


OPERATORS: dict[str, Operator] = {
    "equals": equals,
    "not_equals": not_equals,
    "contains": contains,
    "not_contains": not_contains,
    "starts_with": starts_with,
    "ends_with": ends_with,
    "greater_than": greater_than,
    "greater_than_or_equal": greater_than_or_equal,
    "less_than": less_than,
    "less_than_or_equal": less_than_or_equal,
    "between": between,
    "in_list": in_list,
    "before": less_than,
    "after": greater_than,
    "on": equals,
    "within_last": within_last,
    "within_next": within_next,
}
