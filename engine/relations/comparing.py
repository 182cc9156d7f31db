"""One comparison (semantics 7.1 to 7.3): a value, an operator, an operand. The answer is true or false, never unknown."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import ROUND_CEILING, ROUND_FLOOR, Context, Decimal

from sqlglot import exp

from engine.clock import Duration, naive_utc, shift, shift_wall, to_local
from engine.definitions.crm import FieldType
from engine.definitions.rules import Operand
from engine.relations.binding import Binder
from engine.relations.days import Interval, instants
from engine.relations.joins import cast
from engine.relations.text import call, fold, has_no_value, has_value
from engine.relations.truth import all_of, any_of, certain, negated

FALSE = exp.Boolean(this=False)
# Wide enough for every number that a rule may write, so that no rounding happens before the comparison.
_EXACT = Context(prec=400)


@dataclass(frozen=True, slots=True)
class Now:
    """The moment of the plan (naive UTC) and the project's timezone."""

    moment: datetime
    zone: str

    @property
    def today(self) -> date:
        return to_local(self.moment, self.zone).date()


def comparison(value: exp.Expression, type_: FieldType, operator: str, operand: Operand, now: Now, binder: Binder) -> exp.Expression:
    """`value operator operand` as a boolean that is never NULL. No value matches is_empty, not_equals, not_contains only."""
    if operator == "is_empty":
        return has_no_value(value, type_)
    if operator == "is_not_empty":
        return has_value(value, type_)
    if operator in ("not_equals", "not_contains"):
        return negated(comparison(value, type_, operator.removeprefix("not_"), operand, now, binder))
    known = _COMPARE[type_](value, operator, operand, now, binder)
    return known if isinstance(known, exp.Boolean) else certain(known)


def _misfit(operator: str, type_: str) -> ValueError:
    return ValueError(f"`{operator}` does not fit a field of type {type_}")


def _operands(operand: Operand) -> tuple[Operand, ...]:
    return operand if isinstance(operand, tuple) else (operand,)


def _text(value: exp.Expression, operator: str, operand: Operand, now: Now, binder: Binder) -> exp.Expression:
    if any(isinstance(item, bool) for item in _operands(operand)):
        raise TypeError("a text field is compared with text")
    # A blank operand is no value, and nothing equals no value.
    wanted = [text for text in map(str, _operands(operand)) if text and not text.isspace()]
    if not wanted:
        return FALSE.copy()
    here, folded = fold(value), [fold(binder.bind(text)) for text in wanted]
    if operator in ("equals", "in_list"):
        return _one_of(here, folded)
    names = {"contains": "CONTAINS", "starts_with": "STARTS_WITH", "ends_with": "SUFFIX"}
    if operator not in names:
        raise _misfit(operator, "text")
    return call(names[operator], here, folded[0])


def _boolean(value: exp.Expression, operator: str, operand: Operand, now: Now, binder: Binder) -> exp.Expression:
    if operator not in ("equals", "in_list"):
        raise _misfit(operator, "boolean")
    if not all(isinstance(item, bool) for item in _operands(operand)):
        raise TypeError("a boolean field is compared with true or false")
    return _one_of(value, [binder.bind(item) for item in _operands(operand)])


def _one_of(value: exp.Expression, items: Sequence[exp.Expression]) -> exp.Expression:
    if len(items) == 1:
        return exp.EQ(this=value, expression=items[0])
    return exp.In(this=value, expressions=list(items))


# The digits after the point, the least and the greatest value of a column: operands beyond them are judged here.
_GRIDS: dict[str, tuple[int, Decimal, Decimal]] = {
    "integer": (0, Decimal(-(2**63)), Decimal(2**63 - 1)),
    "decimal": (10, Decimal("-9999999999999999999999999999.9999999999"), Decimal("9999999999999999999999999999.9999999999")),
}


def _number(type_: FieldType) -> Callable[[exp.Expression, str, Operand, Now, Binder], exp.Expression]:
    scale, least, greatest = _GRIDS[type_]
    step = Decimal(1).scaleb(-scale)

    def decimal(item: Operand) -> Decimal:
        if isinstance(item, bool) or not isinstance(item, int | float | Decimal | str):
            raise TypeError("a number field is compared with numbers")
        # A float is what YAML made of the digits that were written; repr gives them back.
        number = Decimal(repr(item)) if isinstance(item, float) else Decimal(item)
        if not number.is_finite():
            raise TypeError("a number field is compared with numbers")
        return number

    below, above = _EXACT.subtract(least, step), _EXACT.add(greatest, step)

    def down(number: Decimal) -> Decimal:
        return max(min(number, above), below).quantize(step, ROUND_FLOOR, _EXACT)

    def up(number: Decimal) -> Decimal:
        return max(min(number, above), below).quantize(step, ROUND_CEILING, _EXACT)

    def at_least(value: exp.Expression, low: Decimal, binder: Binder) -> exp.Expression:
        if low > greatest:
            return FALSE.copy()
        return has_value(value.copy(), type_) if low <= least else exp.GTE(this=value.copy(), expression=bound(low, binder))

    def at_most(value: exp.Expression, high: Decimal, binder: Binder) -> exp.Expression:
        if high < least:
            return FALSE.copy()
        return has_value(value.copy(), type_) if high >= greatest else exp.LTE(this=value.copy(), expression=bound(high, binder))

    def bound(number: Decimal, binder: Binder) -> exp.Expression:
        if type_ == "integer":
            return cast(binder.bind(int(number)), exp.DataType.Type.BIGINT)
        return exp.cast(binder.bind(number), exp.DataType.build("DECIMAL(38, 10)", dialect="duckdb"))

    def compare(value: exp.Expression, operator: str, operand: Operand, now: Now, binder: Binder) -> exp.Expression:
        numbers = [decimal(item) for item in _operands(operand)]
        first = numbers[0]
        if operator in ("equals", "in_list"):
            # A number between two steps of the column equals none of its values.
            there = [down(number) for number in numbers if down(number) == up(number) and least <= number <= greatest]
            return _one_of(value, [bound(number, binder) for number in there]) if there else FALSE.copy()
        if operator == "greater_than":
            return at_least(value, _EXACT.add(down(first), step), binder)
        if operator == "greater_than_or_equal":
            return at_least(value, up(first), binder)
        if operator == "less_than":
            return at_most(value, _EXACT.subtract(up(first), step), binder)
        if operator == "less_than_or_equal":
            return at_most(value, down(first), binder)
        if operator == "between":
            return all_of(at_least(value, up(first), binder), at_most(value, down(numbers[1]), binder))
        raise _misfit(operator, type_)

    return compare


def _day(item: Operand) -> date | None:
    """The operand as a day, or None when it is an instant."""
    if isinstance(item, str):
        item = date.fromisoformat(item) if len(item) == 10 else datetime.fromisoformat(item)
    if isinstance(item, datetime):
        return None
    if not isinstance(item, date):
        raise TypeError("a date field is compared with dates")
    return item


def _instant(item: Operand) -> datetime:
    """The operand as naive UTC; one without an offset is UTC, as a timestamp in the CRM is."""
    moment = datetime.fromisoformat(item) if isinstance(item, str) else item
    if not isinstance(moment, datetime):
        raise TypeError("a timestamp field is compared with dates and timestamps")
    return moment if moment.tzinfo is None else naive_utc(moment)


_ORDER: dict[str, tuple[bool, bool]] = {
    # operator: (it is the upper side, the operand itself is included)
    "before": (True, False),
    "less_than": (True, False),
    "less_than_or_equal": (True, True),
    "after": (False, False),
    "greater_than": (False, False),
    "greater_than_or_equal": (False, True),
}


def _date(value: exp.Expression, operator: str, operand: Operand, now: Now, binder: Binder) -> exp.Expression:
    if operator in ("within_last", "within_next"):
        first, last = _window_of_days(operand, operator, now)
        return all_of(exp.GTE(this=value, expression=_bound_day(first, binder)), exp.LTE(this=value.copy(), expression=_bound_day(last, binder)))
    days = [_day(item) or to_local(_instant(item), now.zone).date() for item in _operands(operand)]
    if operator in ("equals", "on", "in_list"):
        return _one_of(value, [_bound_day(day, binder) for day in days])
    if operator == "between":
        return all_of(exp.GTE(this=value, expression=_bound_day(days[0], binder)), exp.LTE(this=value.copy(), expression=_bound_day(days[1], binder)))
    if operator not in _ORDER:
        raise _misfit(operator, "date")
    upper, included = _ORDER[operator]
    bound = _bound_day(days[0], binder)
    if upper:
        return exp.LTE(this=value, expression=bound) if included else exp.LT(this=value, expression=bound)
    return exp.GTE(this=value, expression=bound) if included else exp.GT(this=value, expression=bound)


def _bound_day(day: date, binder: Binder) -> exp.Expression:
    return cast(binder.bind(day), exp.DataType.Type.DATE)


def _window_of_days(operand: Operand, operator: str, now: Now) -> tuple[date, date]:
    """[today - d, today], or [today, today + d]: local days, both ends included."""
    duration, sign = _duration(operand), -1 if operator == "within_last" else 1
    try:
        if duration.exact:
            far = to_local(shift(now.moment, duration, now.zone, sign), now.zone).date()
        else:
            far = shift_wall(datetime.combine(now.today, datetime.min.time()), duration, sign).date()
    except OverflowError:
        far = date.min if sign < 0 else date.max
    return (far, now.today) if sign < 0 else (now.today, far)


def _duration(operand: Operand) -> Duration:
    return operand if isinstance(operand, Duration) else Duration.parse(str(operand))


def _timestamp(value: exp.Expression, operator: str, operand: Operand, now: Now, binder: Binder) -> exp.Expression:
    return _in_intervals(value, _intervals(operator, operand, now), binder)


def _intervals(operator: str, operand: Operand, now: Now) -> tuple[Interval, ...]:
    """The instants at which the comparison holds. A day stands for all instants whose local date it is."""
    tick = timedelta(microseconds=1)
    if operator in ("within_last", "within_next"):
        first, last = _window(operand, operator, now)
        return ((first, None if last == datetime.max else last + tick),)
    items = _operands(operand)
    if operator in ("equals", "on", "in_list"):
        found: list[Interval] = []
        for item in items:
            day = _day(item)
            moment = None if day is not None else _instant(item)
            found.extend(instants(now.zone, day, day) if moment is None else ((moment, moment + tick),))
        return tuple(found)
    if operator == "between":
        return _meet(_intervals("greater_than_or_equal", items[0], now), _intervals("less_than_or_equal", items[1], now))
    if operator not in _ORDER:
        raise _misfit(operator, "timestamp")
    upper, included = _ORDER[operator]
    day = _day(items[0])
    if day is None:
        moment = _instant(items[0])
        edge = moment + tick if upper == included else moment
        return ((None, edge),) if upper else ((edge, None),)
    try:
        edge_day = day if included else day - timedelta(days=1) if upper else day + timedelta(days=1)
    except OverflowError:
        return ()
    return instants(now.zone, None, edge_day) if upper else instants(now.zone, edge_day, None)


def _window(operand: Operand, operator: str, now: Now) -> tuple[datetime, datetime]:
    """[now - d, now], or [now, now + d]."""
    sign = -1 if operator == "within_last" else 1
    try:
        far = shift(now.moment, _duration(operand), now.zone, sign)
    except OverflowError:
        far = datetime.min if sign < 0 else datetime.max
    return (far, now.moment) if sign < 0 else (now.moment, far)


def _meet(these: tuple[Interval, ...], those: tuple[Interval, ...]) -> tuple[Interval, ...]:
    """The instants that are in both, where an interval without an end on a side has None there."""
    found: list[Interval] = []
    for low, high in these:
        for other_low, other_high in those:
            lows = [moment for moment in (low, other_low) if moment is not None]
            highs = [moment for moment in (high, other_high) if moment is not None]
            start, end = max(lows, default=None), min(highs, default=None)
            if start is None or end is None or start < end:
                found.append((start, end))
    return tuple(found)


def _in_intervals(value: exp.Expression, intervals: tuple[Interval, ...], binder: Binder) -> exp.Expression:
    parts: list[exp.Expression] = []
    for low, high in intervals:
        sides: list[exp.Expression] = []
        if low is not None:
            sides.append(exp.GTE(this=value.copy(), expression=_bound_instant(low, binder)))
        if high is not None:
            sides.append(exp.LT(this=value.copy(), expression=_bound_instant(high, binder)))
        parts.append(all_of(*sides) if sides else has_value(value.copy(), "timestamp"))
    return any_of(*parts) if parts else FALSE.copy()


def _bound_instant(moment: datetime, binder: Binder) -> exp.Expression:
    return cast(binder.bind(moment), exp.DataType.Type.TIMESTAMP)


_COMPARE: dict[FieldType, Callable[[exp.Expression, str, Operand, Now, Binder], exp.Expression]] = {
    "text": _text,
    "boolean": _boolean,
    "integer": _number("integer"),
    "decimal": _number("decimal"),
    "date": _date,
    "timestamp": _timestamp,
}
