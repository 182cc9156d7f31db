"""Semantics §7 in plain Python over rows: written from the page, one record at a time, to compare the SQL with."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from engine.clock import Duration, shift, shift_wall

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Reference:
    """The records, the map as it stands in YAML, segments as YAML, the moment (naive UTC) and the project's timezone."""

    rows: Mapping[str, Sequence[Row]]
    entities: Mapping[str, Any]
    segments: Mapping[str, Any]
    now: datetime
    zone: str

    def members(self, segment: str) -> set[str]:
        """The keys of the members."""
        entity = self.segments[segment]["entity"]
        return {row["_key"] for row in self.rows.get(entity, ()) if self.is_member(segment, row)}

    def is_member(self, segment: str, row: Row) -> bool:
        declared = self.segments[segment]
        if "members" in declared:
            return row["_key"] in [str(key) for key in declared["members"]]
        return self.holds(declared["rules"], declared["entity"], row, bare=False)

    def holds(self, rule: Mapping[str, Any], entity: str, row: Row, *, bare: bool) -> bool:
        """Several keys in one mapping all hold."""
        return all(self._entry(key, said, entity, row, bare) for key, said in rule.items())

    def _entry(self, key: str, said: Any, entity: str, row: Row, bare: bool) -> bool:
        if key == "all":
            return all(self.holds(part, entity, row, bare=bare) for part in said)
        if key == "any":
            return any(self.holds(part, entity, row, bare=bare) for part in said)
        if key == "not":
            return not self.holds(said, entity, row, bare=bare)
        if key == "segment":
            return self.is_member(said, row)
        if key in ("exists", "none", "count"):
            ((path, inner),) = said.items()
            where = inner.get("where", {}) if key == "count" else inner
            end, found = self._records(path, entity, row, bare)
            distinct = {other["_key"]: other for other in found}.values()
            number = sum(1 for other in distinct if self.holds(where, end, other, bare=True))
            if key == "exists":
                return number > 0
            if key == "none":
                return number == 0
            return int(inner.get("at_least", 0)) <= number <= int(inner.get("at_most", number))
        value, type_ = self._value(key, entity, row, bare)
        if isinstance(said, list):
            said = {"in_list": said}
        elif not isinstance(said, dict):
            said = {"equals": said}
        return all(self._compare(operator, value, type_, operand) for operator, operand in said.items())

    def _records(self, path: str, entity: str, row: Row, bare: bool) -> tuple[str, list[Row]]:
        parts = path.split(".")
        if not bare and parts[0] == entity:
            parts = parts[1:]
        found = [row]
        for name in parts:
            relation = self.entities[entity]["relations"][name]
            via = relation["via"].split(".")[-1]
            if "one" in relation:
                entity = relation["one"]
                found = [other for here in found for other in self.rows.get(entity, ()) if text(here.get(via)) == other["_key"]]
            else:
                entity = relation["many"]
                found = [other for here in found for other in self.rows.get(entity, ()) if text(other.get(via)) == here["_key"]]
        return entity, found

    def _value(self, path: str, entity: str, row: Row, bare: bool) -> tuple[Any, str]:
        head, _, field = path.rpartition(".")
        end, found = self._records(head, entity, row, bare) if head else (entity, [row])
        type_ = self.entities[end]["fields"][field]
        value = found[0].get(field) if found else None
        return (None if isinstance(value, str) and not value.strip() else value), type_

    def _compare(self, operator: str, value: Any, type_: str, operand: Any) -> bool:
        if operator == "is_empty":
            return (value is None) is operand
        if operator == "is_not_empty":
            return (value is not None) is operand
        if operator.startswith("not_"):
            return not self._compare(operator.removeprefix("not_"), value, type_, operand)
        if value is None:
            return False
        if operator == "in_list":
            return any(self._compare("equals", value, type_, item) for item in operand)
        if operator == "between":
            return self._compare("greater_than_or_equal", value, type_, operand[0]) and self._compare("less_than_or_equal", value, type_, operand[1])
        if operator in ("within_last", "within_next"):
            return self._within(value, Duration.parse(operand), -1 if operator == "within_last" else 1)
        left, right = self._sides(value, operand)
        if operator in ("contains", "starts_with", "ends_with"):
            return bool({"contains": right in left, "starts_with": left.startswith(right), "ends_with": left.endswith(right)}[operator])
        by_order = {
            "equals": left == right,
            "on": left == right,
            "greater_than": left > right,
            "after": left > right,
            "greater_than_or_equal": left >= right,
            "less_than": left < right,
            "before": left < right,
            "less_than_or_equal": left <= right,
        }
        return bool(by_order[operator])

    def _sides(self, value: Any, operand: Any) -> tuple[Any, Any]:
        if isinstance(value, str):
            return folded(value), folded(operand)
        if isinstance(value, datetime):
            if isinstance(operand, datetime):
                return value, operand
            return self._local(value).date(), operand
        if isinstance(operand, float):
            return value, Decimal(repr(operand))
        return value, operand

    def _local(self, moment: datetime) -> datetime:
        return moment.replace(tzinfo=UTC).astimezone(ZoneInfo(self.zone)).replace(tzinfo=None)

    def _within(self, value: Any, duration: Duration, sign: int) -> bool:
        if isinstance(value, datetime):
            far: Any = shift(self.now, duration, self.zone, sign)
            near: Any = self.now
        else:
            near = self._local(self.now).date()
            far = shift_wall(datetime(near.year, near.month, near.day), duration, sign).date()
        return bool(min(near, far) <= value <= max(near, far))


def text(value: Any) -> str | None:
    """A foreign key as the text of the key that it points to."""
    if isinstance(value, Decimal):
        return format(value.normalize(), "f")
    return None if value is None else str(value)


def folded(value: str) -> str:
    """NFC, then one character for each character: İ is i, ẞ is ß."""
    return "".join(character.lower()[0] for character in unicodedata.normalize("NFC", value))


def key_order(key: str) -> tuple[int, int, str]:
    """Whole numbers by value, then all others by code point."""
    digits = key.removeprefix("-")
    return (0, int(key), key) if digits.isascii() and digits.isdigit() else (1, 0, key)


