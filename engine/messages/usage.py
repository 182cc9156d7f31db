"""Which variables a template uses in one language: what must have a value before a mail may leave (semantics 6.13)."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator
from functools import lru_cache

from jinja2 import Environment, TemplateSyntaxError, meta

from engine.definitions.definitions import Definitions
from engine.definitions.templates import BodyFile
from engine.definitions.variables import ALWAYS, variables_of

# Only to read the tree: nothing is rendered here.
_READER = Environment(autoescape=True)


def used_variables(definitions: Definitions, template_id: str, locale: str) -> frozenset[str]:
    """The declared variables that subject, preheader, body, text, layout and partials of this language name."""
    names: set[str] = set()
    for source in _sources(definitions, template_id, locale):
        names |= _named(source)
    declared = frozenset(names) - set(ALWAYS)
    return declared & frozenset(_declared_names(definitions, template_id))


def _declared_names(definitions: Definitions, template_id: str) -> frozenset[str]:
    return frozenset(variables_of(definitions, definitions.templates[template_id].type))


def _sources(definitions: Definitions, template_id: str, locale: str) -> Iterator[str]:
    template = definitions.templates[template_id]
    fallback = definitions.project.fallback
    yield template.subject.get(locale) or template.subject.get(fallback, "")
    yield template.preheader.get(locale) or template.preheader.get(fallback, "")
    folder = posixpath.dirname(definitions.where("template", template_id).file)
    for bodies in (template.body, template.text):
        body = bodies.get(locale) or bodies.get(fallback)
        if isinstance(body, BodyFile):
            yield definitions.bodies.get(posixpath.normpath(posixpath.join(folder, body.file)), "")
        elif body is not None:
            yield body
    if template.layout in definitions.layouts:
        yield definitions.layouts[template.layout].html
    yield from definitions.partials.values()


@lru_cache(maxsize=4096)
def _named(source: str) -> frozenset[str]:
    try:
        return frozenset(meta.find_undeclared_variables(_READER.parse(source)))
    except TemplateSyntaxError:
        # `validate` names it; a template that cannot be read is never sent.
        return frozenset()
