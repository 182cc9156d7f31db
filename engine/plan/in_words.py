"""Rules, audiences and triggers as a sentence reads them, for whoever reviews a change and writes no rules. They come as a ledger keeps them: parsed YAML."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

# A longer rule is cut: its file stands beside it in the review.
LONGEST = 160
# What stands for the value that a personal field is compared with.
HIDDEN = "…"
_COMPARED: Mapping[str, str] = {
    "equals": "is {}", "in_list": "is {}", "not_equals": "is not {}", "contains": "contains {}", "not_contains": "does not contain {}",
    "starts_with": "starts with {}", "ends_with": "ends with {}", "greater_than": "is more than {}", "greater_than_or_equal": "is at least {}",
    "less_than": "is less than {}", "less_than_or_equal": "is at most {}", "before": "is before {}", "after": "is after {}", "on": "is on {}",
    "within_last": "lies within the last {}", "within_next": "lies within the next {}",
}  # fmt: skip
_EMPTY: Mapping[tuple[str, bool], str] = {
    ("is_empty", True): "is empty", ("is_empty", False): "is not empty", ("is_not_empty", True): "is not empty", ("is_not_empty", False): "is empty",
}  # fmt: skip
_HISTORY: Mapping[str, str] = {"received": "has received", "opened": "has opened", "clicked": "has clicked in", "enrolled": "was enrolled in"}
_TRIGGERS: Mapping[str, str] = {
    "date": "on {}", "every": "again every {}", "event": "when {} happens", "enters": "when somebody enters segment {}", "schedule": "{}",
    "once": "once, at {}", "for": "for segment {}",
}  # fmt: skip
_WEEKDAYS = {"0": "Sundays", "1": "Mondays", "2": "Tuesdays", "3": "Wednesdays", "4": "Thursdays", "5": "Fridays", "6": "Saturdays", "7": "Sundays"}
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_BOUNDS: Mapping[str, str] = {"at_least": "at least", "at_most": "at most"}


def rule_words(rule: Any, personal: frozenset[str] = frozenset()) -> str:
    """`contract.status is active and contract.monthly_value is at least 10000`; of fields whose names are in `personal` the value is not said.

    >>> rule_words({"all": [{"contact.kind": ["guest", "host"]}, {"not": {"contact.email": {"ends_with": "@example.org"}}}]}, frozenset({"email"}))
    '(contact.kind is guest or host) and not (contact.email ends with …)'
    """
    return _cut(_rule(rule, personal))


def audience_words(audience: Mapping[str, Any] | None, personal: frozenset[str] = frozenset()) -> str:
    """`at most 2 contacts: the first that there are of (1) contact_type is billing (2) all`."""
    if audience is None:
        return "every contact of the record"
    words = most_words(audience.get("max"))
    if "from" in audience:
        words += f" of {audience['from']}"
    if audience.get("where") is not None:
        words += f" whose {_rule(audience['where'], personal)}"
    if audience.get("first_of"):
        groups = [group if isinstance(group, str) else _rule(group, personal) for group in audience["first_of"]]
        words += ": the first that there are of " + " ".join(f"({place}) {group}" for place, group in enumerate(groups, 1))
    if "order_by" in audience:
        words += f", by {audience['order_by']}"
    return _cut(words)


def most_words(most: int | None) -> str:
    return "all contacts" if most is None else f"at most {most} contact{'s' if most != 1 else ''}"


def trigger_words(trigger: Any, personal: frozenset[str] = frozenset()) -> str:
    """`on contract.end_date, of those whose contract.status is active`."""
    if not isinstance(trigger, Mapping):
        return "by hand" if trigger == "manual" else str(trigger)
    words = [form.format(_times(trigger[key]) if key == "schedule" else trigger[key]) for key, form in _TRIGGERS.items() if key in trigger]
    if trigger.get("where") is not None:
        words.append(f"of those whose {_rule(trigger['where'], personal)}")
    return _cut(", ".join(words))


def _times(schedule: Any) -> str:
    """The five fields of cron as they are mostly written; another one stays as it is written.

    >>> _times("0 9 1 * *"), _times("30 8 * * mon-fri"), _times("0 10 1 1,7 *"), _times("*/5 9 * * *")
    ('at 09:00 on day 1 of each month', 'at 08:30 on mon-fri', 'at 10:00 on day 1 of Jan and Jul', 'at the times */5 9 * * *')
    """
    fields = str(schedule).split()
    minute, hour, day, month, weekday = fields if len(fields) == 5 else [""] * 5
    numbered = all(one.isdigit() for one in month.split(","))
    if minute.isdigit() and hour.isdigit() and "/" not in day + month + weekday:
        at = f"at {int(hour):02}:{int(minute):02}"
        if (day, month) == ("*", "*"):
            return f"{at} every day" if weekday == "*" else f"{at} on {_WEEKDAYS.get(weekday, weekday)}"
        if weekday == "*" and month == "*":
            return f"{at} on day {day} of each month"
        if weekday == "*" and numbered and all(1 <= int(one) <= 12 for one in month.split(",")):
            return f"{at} {'every day' if day == '*' else f'on day {day}'} of {' and '.join(_MONTHS[int(one) - 1] for one in month.split(','))}"
    return f"at the times {schedule}"


def _rule(rule: Any, personal: frozenset[str]) -> str:
    if not isinstance(rule, Mapping):
        return str(rule)
    return " and ".join(_entry(str(key), value, personal) for key, value in rule.items()) or "always"


def _entry(key: str, value: Any, personal: frozenset[str]) -> str:
    if key in ("all", "any") and isinstance(value, Sequence) and not isinstance(value, str):
        return _several([_rule(one, personal) for one in value], "and" if key == "all" else "or")
    if key == "not":
        return f"not ({_rule(value, personal)})"
    if key == "segment":
        return f"in segment {value}"
    if key in ("exists", "none") and isinstance(value, Mapping):
        return " and ".join(f"{'one' if key == 'exists' else 'none'} of {path}{_with(where, personal)}" for path, where in value.items())
    if key == "count" and isinstance(value, Mapping):
        return " and ".join(_counted(path, said, personal) for path, said in value.items())
    if key in _HISTORY:
        return _looked_back(key, value)
    return _compared(key, value, personal)


def _several(parts: list[str], word: str) -> str:
    """Joined; what is joined by another word itself stands in brackets."""
    other = " or " if word == "and" else " and "
    return f" {word} ".join(f"({part})" if other in part else part for part in parts)


def _with(where: Any, personal: frozenset[str]) -> str:
    return f" whose {_rule(where, personal)}" if where else ""


def _counted(path: str, said: Any, personal: frozenset[str]) -> str:
    if not isinstance(said, Mapping):
        return f"{said} of {path}"
    bounds = " and ".join(f"{word} {said[key]}" for key, word in _BOUNDS.items() if key in said)
    return f"{bounds or 'some'} of {path}{_with(said.get('where'), personal)}"


def _looked_back(kind: str, value: Any) -> str:
    if not isinstance(value, Mapping):
        return f"{_HISTORY[kind]} {value}"
    what = " ".join(f"{key} {value[key]}" for key in ("sequence", "step", "template") if value.get(key) is not None)
    within = f" within the last {value['within']}" if value.get("within") is not None else ""
    return f"{_HISTORY[kind]} {what or 'anything'}{within}"


def _compared(path: str, value: Any, personal: frozenset[str]) -> str:
    hidden = path.rpartition(".")[2] in personal
    if not isinstance(value, Mapping):
        return f"{path} is {_value(value, hidden)}"
    words = []
    for operator, operand in value.items():
        if isinstance(operand, bool) and (operator, operand) in _EMPTY:
            words.append(_EMPTY[operator, operand])
        elif operator == "between" and isinstance(operand, Sequence) and len(operand) == 2:
            low, high = (_value(one, hidden) for one in operand)
            words.append(f"is between {low} and {high}")
        else:
            words.append(_COMPARED.get(operator, f"{operator} {{}}").format(_value(operand, hidden)))
    return f"{path} {' and '.join(words)}"


def _value(value: Any, hidden: bool) -> str:
    if value is None:
        return "empty"
    if hidden:
        return HIDDEN
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return " or ".join(_value(one, hidden) for one in value)
    return str(value)


def _cut(words: str) -> str:
    return words if len(words) <= LONGEST else words[: LONGEST - 1].rstrip() + "…"
