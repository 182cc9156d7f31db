"""Where links lead, and where a value may stand in HTML: both are looked at before anything is rendered.

A link that is written out has its scheme checked here. One that begins with a value has it checked at each rendering, and
a value further inside a link is escaped as a part of it.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from dataclasses import dataclass

from engine.messages.placeholders import EXPRESSION, TAG, WORD, Placeholders

_TAG = re.compile(r"<(?P<close>/?)(?P<name>[a-zA-Z][a-zA-Z0-9-]*)(?P<attributes>(?:[^<>\"']|\"[^\"]*\"|'[^']*')*)>")
_ATTRIBUTE = re.compile(r"(?P<name>[^\s=/\"'<>]+)(?:\s*=\s*(?P<value>\"[^\"]*\"|'[^']*'|[^\s\"'<>]+))?")
_SCHEME = re.compile(r"\s*(https?://|mailto:)", re.IGNORECASE)
_LINKS = frozenset({"href", "src", "action", "background", "cite", "poster", "srcset", "formaction", "data", "xlink:href"})
_VERBATIM = re.compile(r"<(script|style)\b[^>]*>(.*?)</\1\s*>", re.IGNORECASE | re.DOTALL)
_COMMENT = re.compile(r"<!--(?![bi]:zqt\d+qz-->)(.*?)-->", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Objection:
    """Something in the HTML that must not leave. `word` is the template part that it is about, or the link's text."""

    kind: str
    message: str
    word: str


def objections(page: str) -> Iterator[Objection]:
    """What is wrong in HTML that has words for its template parts."""
    for match in _VERBATIM.finditer(page):
        if match[1].lower() == "script":
            yield Objection("dangerous_place", "a mail has no scripts", match[0][:40])
        for word in WORD.findall(match[0]):
            yield Objection("dangerous_place", f"a value stands inside <{match[1].lower()}>, where escaping does not protect", word)
    for match in _COMMENT.finditer(page):
        for word in WORD.findall(match[1]):
            yield Objection("dangerous_place", "a value stands inside a comment, which readers of the source would see", word)
    plain = _COMMENT.sub("", _VERBATIM.sub("", page))
    for tag in _TAG.finditer(plain):
        yield from _tag_objections(tag)
    for word in WORD.findall(_TAG.sub("", _unclosed(plain))):
        yield Objection("dangerous_place", "a value stands inside a tag that is not closed", word)


def _unclosed(page: str) -> str:
    """What is left inside of `<` without `>`, so that a value there is found."""
    rest = _TAG.sub("", page)
    found = re.findall(r"<[a-zA-Z/][^<>]*\Z|<[a-zA-Z][^<>]*(?=<)", rest)
    return "".join(found)


def _tag_objections(tag: re.Match[str]) -> Iterator[Objection]:
    attributes = tag["attributes"]
    if tag["name"].lower() in ("object", "embed", "iframe", "form", "base", "applet", "input"):
        yield Objection("dangerous_place", f"<{tag['name'].lower()}> has no place in a mail", tag[0][:40])
    for attribute in _ATTRIBUTE.finditer(attributes):
        name, raw = attribute["name"].lower(), attribute["value"] or ""
        if WORD.search(attribute["name"]):
            message = "a template part stands in the middle of a tag; put it inside the quotes of an attribute"
            yield Objection("dangerous_place", message, _word(attribute["name"]))
            continue
        quoted = raw[:1] in "\"'" and raw != ""
        value = html.unescape(raw[1:-1] if quoted else raw)
        if WORD.search(raw) and not quoted:
            yield Objection("dangerous_place", f"the attribute `{name}` needs quotes around its value", _word(raw))
        if name.startswith("on"):
            yield Objection("dangerous_place", f"`{name}` is an event handler; a mail has none", _word(raw) or attribute[0][:40])
        elif name == "style" and WORD.search(raw):
            yield Objection("dangerous_place", "a value stands inside a style, where escaping does not protect", _word(raw))
        elif name in _LINKS and value.strip() and not value.startswith("#"):
            yield from _link_objections(name, value)


def _link_objections(name: str, value: str) -> Iterator[Objection]:
    if TAG.search(value):
        yield Objection("dangerous_place", "`if` and `for` stand inside a link; put them around it", _word(value))
    elif EXPRESSION.match(value.strip()) is None and _SCHEME.match(value) is None:
        yield Objection("link", f"`{value[:60]}` is not a link that a mail may have; links begin with https:, http: or mailto:", value[:60])


def _word(text: str) -> str:
    match = WORD.search(text)
    return match[0] if match else ""


def guard_links(page: str, hidden: Placeholders) -> str:
    """The HTML with the values in its links put behind the filters `_url` (a whole link) or `_url_part`."""

    def guarded(attribute: re.Match[str]) -> str:
        if attribute["name"].lower() not in _LINKS or attribute["value"] is None or not EXPRESSION.search(attribute["value"]):
            return attribute[0]
        quote = attribute["value"][0]
        value = attribute["value"][1:-1]
        first = EXPRESSION.match(value)
        out = EXPRESSION.sub(lambda match: _behind(hidden, match[0], "_url" if first is not None and match.start() == 0 else "_url_part"), value)
        return f"{attribute['name']}={quote}{out}{quote}"

    return _TAG.sub(lambda tag: tag[0] if tag["close"] else f"<{tag['name']}{_ATTRIBUTE.sub(guarded, tag['attributes'])}>", page)


def _behind(hidden: Placeholders, word: str, name: str) -> str:
    inner = re.sub(r"^\{\{[-+]?|[-+]?\}\}$", "", hidden.source(word))
    return hidden.new("{{ (" + inner.strip() + ") | " + name + " }}")
