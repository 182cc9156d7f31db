"""Where in a file a piece of a template stands: line and column, in body files and inside of YAML scalars alike."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import lru_cache

from jinja2 import TemplateSyntaxError

from engine.messages.sandbox import environment_for
from engine.problems import Origin


@dataclass(frozen=True, slots=True)
class Token:
    """A token of the template language. `before` is the significant token ahead of it."""

    kind: str
    value: str
    line: int
    offset: int
    before: str


@dataclass
class Placed:
    """A text and where it stands. `start` and `raw` (the whole file) are given for a YAML scalar, None for a file of its own."""

    text: str
    file: str
    start: Origin | None = None
    raw: str | None = None
    _taken: set[int] = field(default_factory=set)
    _words: dict[str, list[Token]] = field(default_factory=dict)

    def at(self, offset: int, length: int = 1) -> Origin:
        """The place of a piece of the text."""
        length = max(length, 1)
        if self.start is None:
            return _origin(self.file, self.text, offset, length)
        word = self.text[offset : offset + length]
        if self.raw is not None and word.strip():
            found = self._in_raw(word, offset)
            if found is not None:
                return _origin(self.file, self.raw, found, length)
        if "\n" in self.text:
            return self.start
        # A quoted scalar on one line: the quote comes first.
        quoted = 1 if self.start.length != len(self.text) else 0
        return Origin(self.file, self.start.line, self.start.column + quoted + offset, length)

    def _in_raw(self, word: str, offset: int) -> int | None:
        """The same occurrence of the word in the file: YAML's quoting and folding keep words whole and in order."""
        assert self.raw is not None and self.start is not None
        position = _offset(self.raw, self.start.line, self.start.column)
        for _ in range(self.text.count(word, 0, offset) + 1):
            position = self.raw.find(word, position)
            if position < 0:
                return None
            position += 1
        return position - 1

    def word(self, word: str, line: int, *, after: tuple[str, ...] = (), not_after: tuple[str, ...] = (), again: bool = False) -> Origin:
        """The place of a name in the template at a line: each call gives the next one that was not given yet, or with `again` the last that was."""
        if not self._words:
            for token in tokens(self.text):
                if token.kind in ("name", "string"):
                    self._words.setdefault(token.value.strip("\"'"), []).append(token)
        found = [token for token in self._words.get(word, ()) if (not after or token.before in after) and token.before not in not_after]
        if again:
            found = [token for token in found if token.line == line and token.offset in self._taken][-1:] or found
        for token in sorted(found, key=lambda token: (token.line != line, token.line < line, token.offset)):
            if again or token.offset not in self._taken:
                self._taken.add(token.offset)
                inset = 1 if token.kind == "string" else 0
                return self.at(token.offset + inset, len(word))
        return self.line(line)

    def snippet(self, snippet: str, line: int = 1) -> Origin:
        """The place of a piece of source text, or of the line when it is not there."""
        offset = self.text.find(snippet) if snippet else -1
        return self.at(offset, min(len(snippet), len(snippet.split("\n", 1)[0]))) if offset >= 0 else self.line(line)

    def line(self, line: int) -> Origin:
        """The first character of a line that is not white space."""
        lines = self.text.split("\n")
        line = min(max(line, 1), len(lines))
        text = lines[line - 1]
        indent = len(text) - len(text.lstrip())
        return self.at(sum(len(other) + 1 for other in lines[: line - 1]) + indent, len(text.strip()))


def _origin(file: str, text: str, offset: int, length: int) -> Origin:
    offset = min(max(offset, 0), len(text))
    return Origin(file, text.count("\n", 0, offset) + 1, offset - text.rfind("\n", 0, offset), length)


def _offset(text: str, line: int, column: int) -> int:
    position = 0
    for _ in range(line - 1):
        position = text.find("\n", position) + 1
    return position + column - 1


def tokens(source: str) -> tuple[Token, ...]:
    """The tokens of the template parts of a source, with their offsets; they end where the source cannot be read."""
    return _read(source)[0]


# A text is read for its tags, for its braces and for its places: one after the other.
@lru_cache(maxsize=4)
def _read(source: str) -> tuple[tuple[Token, ...], TemplateSyntaxError | None]:
    """The tokens, and what ended them too early."""
    read: list[Token] = []
    position, before = 0, ""
    try:
        for line, kind, value in environment_for(html=True, locale="en").lexer.tokeniter(source, None):
            # `-` in a tag takes white space away that the source still has.
            found = source.find(value, position)
            offset = found if found >= 0 else position
            position = offset + len(value)
            if kind not in ("data", "whitespace"):
                read.append(Token(kind, value, line, offset, before))
                before = value
    except TemplateSyntaxError as error:
        return tuple(read), error
    return tuple(read), None


@dataclass(frozen=True, slots=True)
class Unbalanced:
    """A tag that is not closed, or that closes nothing."""

    message: str
    offset: int
    length: int
    help: str


def unbalanced(source: str) -> Unbalanced | None:
    """The first tag or brace of a source that has no partner; None where all have."""
    opened: list[tuple[str, int, int, int]] = []
    start, part, begin = 0, "", ""
    for token in tokens(source):
        if token.kind in ("variable_begin", "block_begin"):
            start, part, begin = token.offset, "", token.kind
        elif token.kind == "variable_end":
            begin = ""
        elif token.kind == "block_end":
            begin = ""
            problem = _tag(part, start, token.offset + len(token.value.rstrip("\n")) - start, opened, source)
            if problem is not None:
                return problem
        elif begin == "block_begin" and not part and token.kind == "name":
            part = token.value
    if begin:
        mark = "{{" if begin == "variable_begin" else "{%"
        return Unbalanced(f"`{mark}` is not closed", start, 2, f"close it with `{'}}' if mark == '{{' else '%}'}`")
    broken = _broken_brace(source)
    if broken is not None:
        return broken
    if opened:
        word, offset, length, _ = opened[-1]
        return Unbalanced(f"`{{% {word} %}}` is not closed", offset, length, f"add `{{% end{word} %}}` where it ends")
    return None


def _tag(word: str, offset: int, length: int, opened: list[tuple[str, int, int, int]], source: str) -> Unbalanced | None:
    if word in ("if", "for"):
        opened.append((word, offset, length, source.count("\n", 0, offset) + 1))
    elif word in ("endif", "endfor"):
        if not opened:
            return Unbalanced(f"`{{% {word} %}}` closes nothing", offset, length, f"there is no `{{% {word[3:]} %}}` before it")
        last, _, _, line = opened.pop()
        if last != word[3:]:
            return Unbalanced(f"`{{% {word} %}}` does not close `{{% {last} %}}` of line {line}", offset, length, f"add `{{% end{last} %}}` before it")
    return None


def _broken_brace(source: str) -> Unbalanced | None:
    """Where the reader of the language stopped: the last `{{` or `{%` that has no end on its way."""
    _, error = _read(source)
    if error is None:
        return None
    line_start = _offset(source, error.lineno, 1)
    found = max(source.rfind("{{", 0, line_start + 1), source.rfind("{%", 0, line_start + 1))
    line = source[line_start:].split("\n", 1)[0]
    match = list(re.finditer(r"\{\{|\{%|\{#", line))
    offset = line_start + match[-1].start() if match else max(found, 0)
    return Unbalanced(error.message or "the template cannot be read", offset, 2, "")
