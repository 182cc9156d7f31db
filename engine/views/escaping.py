"""One escape per sink: whatever a CRM or a file holds, it is shown and never obeyed."""

from __future__ import annotations

import json
import re
from typing import Any

# Control characters, and those that change the direction of a line or break it where nobody sees it. Newline stays.
_OBEYED = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]")
_MARKDOWN = re.compile(r"([\\`*_{}\[\]<>()#+\-.!|~&])")


def for_terminal(text: str) -> str:
    r"""Text that moves no cursor and changes no color.

    >>> for_terminal("a\x1b[31mb")
    'a\\x1b[31mb'
    """
    return _OBEYED.sub(lambda found: " " if found[0] == "\t" else _shown(found[0]), text.replace("\r\n", "\n"))


def one_line(text: str) -> str:
    """As `for_terminal`, and without line breaks: what stands in a row of a table."""
    return for_terminal(text).replace("\n", " ")


def for_markdown(text: str) -> str:
    """Text that is no markup, in one line.

    >>> for_markdown("a|b <i>")
    'a\\\\|b \\\\<i\\\\>'
    """
    return _MARKDOWN.sub(r"\\\1", one_line(text))


def to_json(value: Any, *, indent: int | None = None) -> str:
    """JSON that a terminal does not obey either. Keys keep their order; the same value gives the same bytes."""
    return _OBEYED.sub(lambda found: f"\\u{ord(found[0]):04x}", json.dumps(value, ensure_ascii=False, indent=indent, allow_nan=False))


def _shown(character: str) -> str:
    code = ord(character)
    return f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}"
