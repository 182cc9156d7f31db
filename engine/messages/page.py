"""One body in one language, put into its layout: the HTML and the text that are then only filled.

Everything that costs time happens here, once per template and language: Markdown, the layout, CSS, and the text part.
"""

from __future__ import annotations

import html as html_words
import re
from collections.abc import Mapping
from dataclasses import dataclass

import css_inline
from inscriptis import get_text

from engine.messages import links
from engine.messages.markdown import to_html
from engine.messages.placeholders import COMMENT, ONLY_TAGS, TAG, WORD, Placeholders
from engine.messages.sandbox import MAX_SOURCE, Refused

INCLUDE = re.compile(r"\{%[-+]?\s*include\s+(?:\"([^\"\n]*)\"|'([^'\n]*)')\s*[-+]?%\}")
MAX_INCLUDES = 5
BARE_LAYOUT = '<!doctype html>\n<html lang="{{ locale }}"><head><meta charset="utf-8"><title>{{ subject }}</title></head><body>{{ body }}</body></html>\n'
_BODY = re.compile(r"\{\{[-+]?\s*body\s*[-+]?\}\}")
_TEXT_OFF = re.compile(r"<!--\s*text:off\s*-->.*?<!--\s*text:on\s*-->", re.DOTALL)
_TEXT_MARK = re.compile(r"<!--\s*text:(?:on|off)\s*-->\s*")
_STYLE = re.compile(r"<(style|title)\b[^>]*>.*?</\1\s*>", re.IGNORECASE | re.DOTALL)
_LINK = re.compile(r"<a\b[^>]*?\bhref=\"([^\"]*)\"[^>]*>(.*?)</a>", re.IGNORECASE | re.DOTALL)
# A text part has no looks: without this, what is centered would be centered with spaces.
_LOOKS = re.compile(r"\s(?:align|style|width|class)=(?:\"[^\"]*\"|'[^']*')(?=[^<>]*>)", re.IGNORECASE)
_BULLET_TAGS = re.compile(r"[\s*•\-\d.]*((?:zqt\d+qz\s*)+)")


@dataclass(frozen=True, slots=True)
class Page:
    """The sources of the two parts, as templates of sandbox.py with the internal filters in links."""

    html: str
    text: str


def with_partials(source: str, partials: Mapping[str, str], seen: tuple[str, ...] = ()) -> str:
    """The source with the text of its partials in place of each `include`. Raises Refused for one that is unknown or endless."""

    def text_of(match: re.Match[str]) -> str:
        name = match[1] if match[1] is not None else match[2]
        line = source.count("\n", 0, match.start()) + 1
        if name not in partials:
            raise Refused(f"unknown partial `{name}`", line, name, kind="unknown_partial")
        if name in seen or len(seen) >= MAX_INCLUDES:
            raise Refused(f"the partial `{name}` includes itself, or more than {MAX_INCLUDES} others inside each other", line, name, kind="unknown_partial")
        return with_partials(partials[name], partials, (*seen, name)).rstrip("\n")

    # Sizes multiply with each level, so the sum is looked at on the way and not at the end.
    out: list[str] = []
    size = position = 0
    for match in INCLUDE.finditer(source):
        out += [source[position : match.start()], text_of(match)]
        size += len(out[-1]) + len(out[-2])
        position = match.end()
        if size > MAX_SOURCE:
            raise Refused(f"with its partials the source has more than {MAX_SOURCE // 1000} kB", 1, kind="too_large")
    return "".join([*out, source[position:]])


def body_html(source: str, *, markdown: bool, hidden: Placeholders) -> str:
    """A body as HTML with words for its template parts."""
    words = hidden.hide(source.replace("\r\n", "\n"))
    return to_html(words, hidden) if markdown else tags_as_comments(words)


def tags_as_comments(page: str) -> str:
    """HTML with its `{% %}` words as comments wherever they stand between tags, so that an HTML parser keeps their place."""
    out: list[str] = []
    for line in page.split("\n"):
        kind = "b" if ONLY_TAGS.fullmatch(line) else "i"
        out.append(_outside(line, kind))
    return "\n".join(out)


def _outside(line: str, kind: str) -> str:
    # A word inside of <…> belongs to an attribute; those are looked at by links.py.
    return re.sub(r"<[^<>]*>|zqt\d+qz", lambda match: match[0] if match[0].startswith("<") else f"<!--{kind}:{match[0]}-->", line)


def make_page(body: str, layout: str | None, hidden: Placeholders, *, text: str | None = None) -> Page:
    """The two parts. `body` is HTML with words from `body_html`; `text` the author's own text part, when there is one.

    Raises Refused for a layout without its `{{ body }}`, and for values and links in dangerous places.
    """
    source = (layout if layout is not None else BARE_LAYOUT).replace("\r\n", "\n")
    if len(_BODY.findall(source)) != 1:
        raise Refused("a layout has `{{ body }}` exactly once", 1, kind="missing_layout")
    # The body's own words are not hidden twice: the slot is a text of its own while the layout is hidden.
    before, after = _BODY.split(source)
    frame = tags_as_comments(hidden.hide(before + "zqbodyqz" + after))
    page = frame.replace("zqbodyqz", body)
    for objection in links.objections(page):
        word = hidden.source(objection.word) if WORD.fullmatch(objection.word) else objection.word
        raise Refused(f"{objection.message}: {word}", 1, word, kind=objection.kind)
    inlined = _inline_css(_TEXT_MARK.sub("", links.guard_links(page, hidden)))
    return Page(hidden.restore(inlined), text if text is not None else hidden.restore(to_text(page)))


def _inline_css(page: str) -> str:
    if "<style" not in page.lower():
        return page
    inliner = css_inline.CSSInliner(load_remote_stylesheets=False)
    return inliner.inline(page).replace(' data-css-inline="keep"', "")


def to_text(page: str) -> str:
    """The page as text, with words: links are followed by where they lead, a line of only tags brings no line of its own."""
    page = _STYLE.sub("", _TEXT_MARK.sub("", _TEXT_OFF.sub("", page)))
    page = _LOOKS.sub("", _LINK.sub(_link_as_text, _tags_for_text(page)))
    lines: list[str] = []
    pending = ""
    for line in get_text(page).split("\n"):
        only = _BULLET_TAGS.fullmatch(line)
        if only is not None:
            pending += "".join(TAG.findall(only[1]))
            continue
        lines.append(pending + re.sub(r"[ \t]{2,}", "  ", line.strip()))
        pending = ""
    return "\n".join([*lines, pending]).strip("\n") + "\n"


def _tags_for_text(page: str) -> str:
    """Tags that stood alone on a line become a row, an item or a block of their own, as their place asks."""

    def shown(match: re.Match[str]) -> str:
        before = COMMENT.sub("", page[max(0, match.start() - 400) : match.start()]).rstrip().lower()
        if re.search(r"(<table[^>]*>|<tbody>|<thead>|</tr>|</thead>)$", before):
            return f"<tr><td>{match[2]}</td></tr>"
        if re.search(r"(<[uo]l[^>]*>|</li>)$", before):
            return f"<li>{match[2]}</li>"
        return match[2] if match[1] == "i" else f"<div>{match[2]}</div>"

    return COMMENT.sub(shown, page)


def _link_as_text(match: re.Match[str]) -> str:
    target, label = html_words.unescape(match[1]), match[2]
    plain = re.sub(r"<[^>]*>", "", label).strip()
    bare = re.sub(r"^(mailto:|https?://)", "", target)
    if plain and html_words.unescape(plain) in (target, bare):
        return label
    return f"{label} &lt;{html_words.escape(target, quote=False)}&gt;"
