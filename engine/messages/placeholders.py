"""Template parts as plain words, so that Markdown, CSS and HTML tools carry them through untouched.

`{{ … }}` becomes a word such as `zqe0qz`, `{% … %}` one such as `zqt1qz`; `restore` puts the sources back.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from jinja2 import TemplateSyntaxError

from engine.messages.sandbox import Refused, environment_for

WORD = re.compile(r"zq[et]\d+qz")
EXPRESSION = re.compile(r"zqe\d+qz")
TAG = re.compile(r"zqt\d+qz")
ONLY_TAGS = re.compile(r"\s*(?:zqt\d+qz\s*)+")
# How a tag stands in HTML where text may not stand, such as between two rows of a table.
COMMENT = re.compile(r"<!--([bi]):(zqt\d+qz)-->")


@dataclass
class Placeholders:
    """The template parts that were hidden, by their number."""

    parts: list[str] = field(default_factory=list)

    def hide(self, source: str) -> str:
        """The source with every template part as a word. Comments are dropped. Raises Refused where a part is not closed."""
        if WORD.search(source):
            raise Refused("the text contains a word that the engine keeps for itself (zqe0qz)", 1)
        out: list[str] = []
        part: list[str] | None = None
        comment = False
        try:
            for line, kind, value in environment_for(html=True, locale="en").lexer.tokeniter(source, None):
                if kind == "raw_begin":
                    raise Refused("`raw` is not in this language", line, "raw")
                if kind in ("variable_begin", "block_begin", "comment_begin"):
                    part, comment = [value], kind == "comment_begin"
                elif kind in ("variable_end", "block_end", "comment_end"):
                    # A block's end may bring the line break after it along; that is text again.
                    if not comment:
                        out.append(self._word("".join([*(part or []), value.rstrip("\n")]), tag=kind == "block_end"))
                    out.append("\n" if value.endswith("\n") else "")
                    part = None
                elif part is not None:
                    part.append(value)
                else:
                    out.append(value)
        except TemplateSyntaxError as error:
            raise Refused(error.message or "the template cannot be read", error.lineno, kind="syntax") from None
        return "".join(out)

    def _word(self, source: str, *, tag: bool) -> str:
        # One expression is one word wherever it stands, so that a link and its label can be seen to be the same.
        if tag or source not in self.parts:
            self.parts.append(source)
            return f"zq{'t' if tag else 'e'}{len(self.parts) - 1}qz"
        return f"zqe{self.parts.index(source)}qz"

    def source(self, word: str) -> str:
        return self.parts[int(word[3:-2])]

    def new(self, source: str) -> str:
        """A word for a template part of our own making."""
        return self._word(source, tag=source.startswith("{%"))

    def keyword(self, word: str) -> str:
        """The first word of a tag: `for`, `endif`."""
        match = re.match(r"\{%[-+]?\s*(\w+)", self.source(word))
        return match[1] if match else ""

    def restore(self, text: str) -> str:
        return WORD.sub(lambda match: self.source(match[0]), COMMENT.sub(lambda match: match[2], text))
