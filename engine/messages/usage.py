"""Which variables a template uses in one language: what must have a value before a mail may leave (semantics 6.13)."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

from jinja2 import TemplateSyntaxError, meta

from engine.definitions.definitions import Definitions
from engine.definitions.variables import variables_of
from engine.messages.page import with_partials
from engine.messages.sandbox import Refused, parse
from engine.messages.scopes import scope_of, walk
from engine.messages.sources import best_source, locale_used, source_of


def used_variables(definitions: Definitions, template_id: str, locale: str | None) -> frozenset[str]:
    """The declared variables that the mail of a reader of `locale` names: in subject, preheader, body, text, layout and their partials.

    What it asks of each of `items` is among them: each record has to have it.
    """
    names: set[str] = set()
    type_id = definitions.templates[template_id].type
    for source in _sources(definitions, template_id, locale):
        names |= names_in(source) | names_in_items(definitions, type_id, source)
    return frozenset(names) & frozenset(variables_of(definitions, type_id))


def names_in_items(definitions: Definitions, type_id: str, source: str) -> frozenset[str]:
    """The variables that a source, its partials put in, asks of each of `items` (4.8)."""
    if "items" not in names_in(source):
        return frozenset()
    return frozenset(finding.word for finding in walk(parse(source), scope_of(definitions, type_id)) if finding.kind == "item_variable")


def _sources(definitions: Definitions, template_id: str, locale: str | None) -> Iterator[str]:
    template, used = definitions.templates[template_id], locale_used(definitions, template_id, locale)
    texts = [
        best_source(definitions, template, "subject", used),
        source_of(definitions, template, "preheader", used),
        best_source(definitions, template, "body", used),
        source_of(definitions, template, "text", used),
    ]
    sources = [text.text for text in texts if text is not None and text.text is not None]
    if template.layout is not None and template.layout in definitions.layouts:
        sources.append(definitions.layouts[template.layout].html)
    for source in sources:
        try:
            yield with_partials(source, definitions.partials)
        except Refused:
            # `validate` names it; a template that cannot be read is never sent.
            yield ""


@lru_cache(maxsize=4096)
def names_in(source: str) -> frozenset[str]:
    """Every name that a source reads and does not make itself."""
    try:
        return frozenset(meta.find_undeclared_variables(parse(source)))
    except (Refused, TemplateSyntaxError):
        return frozenset()
