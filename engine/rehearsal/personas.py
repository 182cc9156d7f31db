"""What a made-up reader would see of each changed mail, before and after: the samples of the types, never anybody's data."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from dataclasses import dataclass

from engine.definitions.definitions import Definitions
from engine.definitions.variables import category_of
from engine.errors import EngineError
from engine.messages.guarded import render_guarded
from engine.messages.preview import sample_case
from engine.messages.rendering import Rendered
from engine.messages.unsubscribe import link_of
from engine.rehearsal.difference import Difference
from engine.rehearsal.letters import letter_digest

# A change of the layout changes every mail; more of them side by side show nothing new.
MOST = 12


@dataclass(frozen=True, slots=True)
class Persona:
    """One changed template in one language. A side that has no such mail is None; `fault` says why one could not be made."""

    template: str
    locale: str
    sequences: tuple[str, ...]
    was: Rendered | None
    now: Rendered | None
    fault: str = ""

    @property
    def text_diff(self) -> tuple[str, ...]:
        """The plain text of both, as a unified diff; the subject is its first line."""
        was, now = ([f"Subject: {side.subject}", "", *side.text.splitlines()] if side else [] for side in (self.was, self.now))
        return tuple(difflib.unified_diff(was, now, lineterm="", n=2))[2:]


def personas(found: Difference) -> tuple[tuple[Persona, ...], int]:
    """The changed mails for one sample reader each, and how many more there are. A template is rendered in a child, with limits."""
    pairs = sorted(_changed(found))
    shown = tuple(_persona(found, template, locale) for template, locale in pairs[:MOST])
    return tuple(one for one in shown if one.was != one.now or one.fault), max(0, len(pairs) - MOST)


def _changed(found: Difference) -> Iterator[tuple[str, str]]:
    before, after = found.before.definitions, found.after.definitions
    for template in {*_used(before), *_used(after)}:
        for locale in after.project.locales:
            sides = [
                letter_digest(definitions, "", template, locale)
                if template in definitions.templates and locale in definitions.templates[template].body
                else None
                for definitions in (before, after)
            ]
            if sides[0] != sides[1]:
                yield template, locale


def _used(definitions: Definitions) -> frozenset[str]:
    return frozenset(choice.use for sequence in definitions.sequences.values() for step in sequence.steps for choice in step.choices)


def _persona(found: Difference, template: str, locale: str) -> Persona:
    faults: list[str] = []
    sides = [_rendered(found, definitions, template, locale, faults) for definitions in (found.before.definitions, found.after.definitions)]
    after = found.after.definitions
    using = tuple(sorted(id for id, s in after.sequences.items() if any(choice.use == template for step in s.steps for choice in step.choices)))
    return Persona(template, locale, using, sides[0], sides[1], "; ".join(faults))


def _rendered(found: Difference, definitions: Definitions, template: str, locale: str, faults: list[str]) -> Rendered | None:
    if template not in definitions.templates or locale not in definitions.templates[template].body:
        return None
    case = sample_case(definitions, template, locale)
    pattern = definitions.project.links.unsubscribe
    link = link_of(pattern, "preview") if pattern is not None and category_of(definitions, template) == "marketing" else None
    try:
        return render_guarded(definitions, template, locale, case.variables, due_at=found.now, unsubscribe_url=link)
    except EngineError as error:
        faults.append(error.message)
        return None
