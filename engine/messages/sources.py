"""Where the texts of a template stand: subject, preheader, body and text in each language, and what a language falls back to."""

from __future__ import annotations

import posixpath
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from engine.definitions.base import Loc
from engine.definitions.definitions import Definitions
from engine.definitions.templates import BodyFile, Template

Part = Literal["subject", "preheader", "body", "text"]
PARTS: tuple[Part, ...] = ("subject", "preheader", "body", "text")


@dataclass(frozen=True, slots=True)
class Source:
    """One text. `file` is where it stands: its own file (`loc` None), or the template's YAML at `loc`. None where the file is missing."""

    part: Part
    locale: str
    file: str
    loc: Loc | None
    text: str | None

    @property
    def markdown(self) -> bool:
        return self.loc is not None or self.file.endswith(".md")


def body_path(template_file: str, name: str) -> str:
    """The path in the project of a body's file, which is named relative to its template.

    >>> body_path("definitions/templates/a.yaml", "a.en.md")
    'definitions/templates/a.en.md'
    """
    return posixpath.normpath(posixpath.join(posixpath.dirname(template_file), name))


def source_of(definitions: Definitions, template: Template, part: Part, locale: str) -> Source | None:
    """The text of a part in exactly this language, or None where there is none."""
    texts: Mapping[str, BodyFile | str] = getattr(template, part)
    if locale not in texts:
        return None
    value, own = texts[locale], definitions.where("template", template.id).file
    if isinstance(value, BodyFile):
        path = body_path(own, value.file)
        return Source(part, locale, path, None, definitions.bodies.get(path))
    return Source(part, locale, own, (part, locale), value)


def best_source(definitions: Definitions, template: Template, part: Part, locale: str) -> Source | None:
    """The text in this language, else in the project's fallback."""
    return source_of(definitions, template, part, locale) or source_of(definitions, template, part, definitions.project.fallback)


def locale_used(definitions: Definitions, template_id: str, locale: str | None) -> str:
    """The language that a reader of `locale` gets: theirs where subject and body have it, else the fallback.

    One language for the whole mail: a Thai subject over an English body helps nobody.
    """
    template = definitions.templates[template_id]
    if locale is not None and locale in definitions.project.locales and locale in template.subject and locale in template.body:
        return locale
    return definitions.project.fallback
