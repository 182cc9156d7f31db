"""What a made-up reader would see of each changed mail, before and after: the samples of the types, never anybody's data.

A mail that goes at another time is shown too, though it reads as it did: "two weeks left" is wrong in one that goes three weeks before.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
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
    """One template in one language. A side that has no such mail is None; `fault` says why one could not be made; `moved` are the steps
    (sequence/step) that send it at another time.
    """

    template: str
    locale: str
    sequences: tuple[str, ...]
    was: Rendered | None
    now: Rendered | None
    fault: str = ""
    moved: tuple[str, ...] = ()

    @property
    def text_diff(self) -> tuple[str, ...]:
        """The plain text of both, as a unified diff; the subject is its first line."""
        return tuple(difflib.unified_diff(_lines(self.was), _lines(self.now), lineterm="", n=2))[2:]

    @property
    def whole(self) -> tuple[str, ...]:
        """The plain text as it is after the change, the subject first."""
        return tuple(_lines(self.now))


def _lines(side: Rendered | None) -> list[str]:
    return [f"Subject: {side.subject}", "", *side.text.splitlines()] if side else []


def personas(found: Difference) -> tuple[tuple[Persona, ...], int]:
    """The mails that were changed, then those that only move, for one sample reader each, and how many more there are.

    A template is rendered in a child, with limits.
    """
    changed, moved = set(_changed(found)), _moved(found)
    pairs = [*sorted(changed), *sorted(moved.keys() - changed)]
    shown = tuple(_persona(found, template, locale, moved.get((template, locale), ())) for template, locale in pairs[:MOST])
    return tuple(one for one in shown if one.was != one.now or one.fault or one.moved), max(0, len(pairs) - MOST)


def _moved(found: Difference) -> Mapping[tuple[str, str], tuple[str, ...]]:
    """The steps whose mails go at another time, by what they send."""
    steps: dict[tuple[str, str], tuple[str, ...]] = {}
    definitions = found.after.definitions
    for change in found.steps:
        sequence = definitions.sequences.get(change.sequence)
        step = next((step for step in sequence.steps if step.id == change.step), None) if sequence is not None else None
        if step is None or not change.moves:
            continue
        for template in dict.fromkeys(choice.use for choice in step.choices):
            for locale in definitions.project.locales:
                if locale in definitions.templates[template].body:
                    steps[template, locale] = (*steps.get((template, locale), ()), f"{change.sequence}/{change.step}")
    return steps


def _changed(found: Difference) -> Iterator[tuple[str, str]]:
    before, after = found.before.definitions, found.after.definitions
    for template in {*_used(found, before), *_used(found, after)}:
        for locale in after.project.locales:
            sides = [
                letter_digest(definitions, "", template, locale)
                if template in definitions.templates and locale in definitions.templates[template].body
                else None
                for definitions in (before, after)
            ]
            if sides[0] != sides[1]:
                yield template, locale


def _used(found: Difference, definitions: Definitions) -> frozenset[str]:
    """The templates of the sequences that are told of."""
    told = [sequence for id, sequence in definitions.sequences.items() if found.selected is None or id in found.selected]
    return frozenset(choice.use for sequence in told for step in sequence.steps for choice in step.choices)


def _persona(found: Difference, template: str, locale: str, moved: tuple[str, ...]) -> Persona:
    faults: list[str] = []
    sides = [_rendered(found, definitions, template, locale, faults) for definitions in (found.before.definitions, found.after.definitions)]
    after = found.after.definitions
    using = tuple(sorted(id for id, s in after.sequences.items() if any(choice.use == template for step in s.steps for choice in step.choices)))
    return Persona(template, locale, using, sides[0], sides[1], "; ".join(faults), moved)


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
