"""Values as YAML text, in the way that people write definitions: plain words where they are safe, else double quotes."""

from __future__ import annotations

import json
import re
from typing import Any

from engine.definitions.yaml_reader import scalar

# No sign in it that YAML could read as something else, wherever the word stands.
_PLAIN = re.compile(r"[^\W_][\w.+/@%€$-]*( [\w.+/@%€$()-]+)*", re.UNICODE)
# Backslashes and control characters are written as escapes, and some line breaks that JSON leaves as they are.
_ESCAPED = re.compile("[\x7f-\x9f\u2028\u2029\ufeff\ud800-\udfff\ufffe\uffff]")


def as_flow(value: Any) -> str:
    """The value on one line.

    >>> as_flow({"contact": [12, "2026-01-31", "09:00", "12", True, None, "it's: so"]})
    '{contact: [12, 2026-01-31, "09:00", "12", true, null, "it\\'s: so"]}'
    """
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key_text(key)}: {as_flow(below)}" for key, below in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(as_flow, value)) + "]"
    return _text(value) if isinstance(value, str) else json.dumps(value).replace("Infinity", ".inf").replace("NaN", ".nan")


def key_text(key: str) -> str:
    return _text(str(key))


def as_block(value: Any, column: int, *, width: int, behind_dash: bool = False) -> str:
    """The value as lines below a key (or behind a dash), each item on one line where it ends before `width`."""
    if isinstance(value, str):
        return _literal(value, column)
    lead = " " * column
    if isinstance(value, list):
        items = [f"{lead}-{_below(one, column, 1, width, True)}" for one in value]
    else:
        items = [f"{lead}{key_text(key)}:{_below(one, column, len(key) + 1, width, False)}" for key, one in value.items()]
    if behind_dash:
        return " " + "\n".join(items)[column:]
    return "\n" + "\n".join(items)


def _below(value: Any, column: int, used: int, width: int, dash: bool) -> str:
    flow = as_flow(value)
    if isinstance(value, str) and "\n" in value or isinstance(value, dict | list) and value and column + used + 1 + len(flow) > width:
        return as_block(value, column + 2, width=width, behind_dash=dash)
    return f" {flow}"


def _literal(text: str, column: int) -> str:
    """A text of several lines as a block, where a block says exactly that; else in quotes."""
    body = text.removesuffix("\n")
    lines = body.split("\n")
    if (
        not body.strip()
        or body[0] in " \n"
        or body.endswith("\n")
        or any(line != line.rstrip() for line in lines)
        or re.search("[\t\r\x85]", body)
        or _ESCAPED.search(body)
    ):
        return f" {_text(text)}"
    sign = "|" if text.endswith("\n") else "|-"
    return f" {sign}\n" + "\n".join(f"{' ' * column}{line}" if line else "" for line in lines)


def _text(text: str) -> str:
    if _PLAIN.fullmatch(text) and scalar(text) == text:
        return text
    return _ESCAPED.sub(lambda found: f"\\u{ord(found[0]):04X}", json.dumps(text, ensure_ascii=False))
