"""libyaml's words in plain ones, at the place where the author has to look."""

from __future__ import annotations

import re
from typing import Any

from engine.problems import Origin, Problem

_LINES = re.compile("\r\n|[\n\r\x85\u2028\u2029]")


def plain_words(file: str, text: str, error: Exception) -> Problem:
    """What libyaml could not read, said for the author of the file."""
    words = str(getattr(error, "problem", None) or error)
    context = str(getattr(error, "context", None) or "")
    mark: Any = getattr(error, "problem_mark", None)
    begun: Any = getattr(error, "context_mark", None)
    lines = _LINES.split(text)
    here = _origin(file, mark, lines)
    opened = _origin(file, begun, lines)
    line = lines[here.line - 1] if here.line <= len(lines) else ""
    character = line[here.column - 1 : here.column]
    if "cannot start any token" in words:
        return _bad_start(character, here)
    if "tab character" in words:
        return _bad_start("\t", here)
    if "mapping values are not allowed" in words:
        return Problem("E101", "a `:` is not expected here", here, "text with `: ` in it goes into quotes; or the line is indented too far")
    if "quoted scalar" in context and "end of stream" in words:
        return Problem("E101", "this quote is never closed", opened, "close it at the end of the text")
    if "flow sequence" in context or "flow mapping" in context:
        bracket, closing = ("[", "]") if "sequence" in context else ("{", "}")
        if here.line > len(lines) or not character.strip() or "end of stream" in words or here.line != opened.line:
            return Problem("E101", f"this `{bracket}` is never closed", opened, f"close it with `{closing}`, and put a comma between two entries")
        return Problem("E101", f"a comma or `{closing}` is missing before this", here, "text with a comma, a bracket or a brace in it goes into quotes")
    if "could not find expected ':'" in words:
        return Problem("E101", "a key without a `:`", _first_word(opened, lines), "write `key: value`; text of several lines begins with `key: |`")
    quote = _open_quote(lines, here)
    if quote is not None and ("block mapping" in context or "flow" in context):
        return Problem("E101", f"this quote is closed only in line {here.line}", quote, "close it at the end of its own line")
    if "block mapping" in context and "expected key" in words or "block collection" in context or "block sequence" in context:
        return Problem(
            "E101",
            "this line does not fit the lines above it",
            here,
            "check its indentation, and the quotes and brackets just before it",
            ((opened, "the block that it breaks"),),
        )
    if "undefined tag handle" in words or "tag" in context:
        return Problem("E108", "a tag has no meaning here", here, "text that begins with `!` goes into quotes")
    if "escape" in words:
        return Problem(
            "E101", "an unknown escape in double quotes", here, 'use single quotes, where a backslash is only a backslash, or write it twice: "\\\\"'
        )
    if "anchor or alias" in words or "an alias" in context or "an anchor" in context:
        return Problem("E101", "a value cannot begin with `*` or `&`", here, "put it in quotes")
    if "block sequence entries are not allowed" in words:
        return Problem("E101", "a list cannot begin here", here, "put the `-` on a line of its own, below the key")
    if "expected <document start>" in words or "document start" in words:
        return Problem("E101", "the document has ended before this line", here, "a file is one mapping; check the indentation of this line and of those above")
    return Problem("E101", f"this is not YAML: {words}", here, "check the quotes, the brackets and the indentation")


def _open_quote(lines: list[str], here: Origin) -> Origin | None:
    """A quote above that its own line does not close: what stands after its end, far below, is where reading stopped."""
    for line in range(here.line - 1, 0, -1):
        found = re.search(r"""(?:[:,\[{-]\s*)(["'])(?:(?!\1).)*$""", lines[line - 1])
        if found is not None:
            return Origin(here.file, line, found.start(1) + 1)
    return None


def _bad_start(character: str, here: Origin) -> Problem:
    if character == "\t":
        return Problem("E101", "a tab cannot indent YAML", here, "use spaces")
    if character == "%":
        return Problem("E101", "a value cannot begin with `%`", here, "put it in quotes; a Jinja block inside a subject too")
    return Problem("E101", f"a value cannot begin with `{character}`", here, "put it in quotes")


def _origin(file: str, mark: Any, lines: list[str]) -> Origin:
    if mark is None:
        return Origin(file)
    line, column = mark.line + 1, mark.column + 1
    while line > len(lines) or (line > 1 and column == 1 and line == len(lines) and not lines[line - 1]):
        # The end of the file: the last line that has something on it is where the author looks.
        line -= 1
        column = len(lines[line - 1]) + 1
    return Origin(file, line, column)


def _first_word(origin: Origin, lines: list[str]) -> Origin:
    line = lines[origin.line - 1] if origin.line <= len(lines) else ""
    word = re.match(r"\S+", line[origin.column - 1 :])
    return Origin(origin.file, origin.line, origin.column, len(word[0]) if word else 1)
