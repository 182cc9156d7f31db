"""A difference as a report for a person who reads no code."""

from __future__ import annotations

from typing import Any

from engine.rehearsal.difference import Difference, StepChange
from engine.rehearsal.personas import Persona
from engine.views.difference_words import (
    anyway,
    assumptions,
    blocked,
    days,
    edit,
    flight,
    headline,
    last,
    notes,
    other_edits,
    pressure,
    raised,
    refusal,
    sides,
    span,
    still_fits,
    touch,
    unjudged,
    untouched,
)
from engine.views.phrases import day
from engine.views.report_page import page

_COLUMNS = (("gain", "gain"), ("lose", "loss"), ("move", "move"), ("later", "later"), ("sooner", "sooner"))


def as_html(found: Difference, letters: tuple[Persona, ...], more_letters: int = 0) -> str:
    kinds = [(name, kind) for name, kind in _COLUMNS if kind in ("gain", "loss") or found.total(kind)]
    texts = any(step.changed for step in found.steps)
    columns = [*(name for name, _ in kinds), *(["text"] if texts else []), "same"]
    volumes = list(days(found))
    return page("difference.html").render(
        found=found,
        span=span(found),
        sides=sides(found),
        headline=headline(found),
        pressure=pressure(found),
        touch=touch(found),
        last=last(found),
        alarms=[*(f"An apply refuses this. {refusal(one)}" for one in found.refused), *(_capital(blocked(one, found.timezone)) for one in found.blocked)],
        raised=[edit(one) for one in raised(found)],
        edits=other_edits(found),
        anyway=[_capital(text) for text in anyway(found)],
        unjudged=list(unjudged(found)),
        untouched=untouched(found),
        columns=columns,
        rows=[_row(step, [kind for _, kind in kinds], texts, columns) for step in found.steps],
        flights=[flight(one) for one in found.flights],
        days=volumes,
        top=max((max(before, after) for _, before, after in volumes), default=1),
        letters=letters,
        more_letters=more_letters,
        still_fits=still_fits,
        assumptions=list(assumptions(found)),
    )


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _row(step: StepChange, kinds: list[str], texts: bool, columns: list[str]) -> dict[str, Any]:
    signs = {"gain": "+", "loss": "−"}
    counts = [f"{signs.get(kind, '')}{step.counts.get(kind, 0):,}" for kind in kinds]
    return {
        "sequence": step.sequence,
        "step": step.step,
        "counts": list(zip(columns, [*counts, *([f"{step.changed:,}"] if texts else []), f"{step.untouched:,}"], strict=True)),
        "first": day(step.first) if step.first else "",
        "notes": list(notes(step)),
    }
