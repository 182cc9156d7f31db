"""A preview in a terminal: what the reader's mailbox shows, and the text part."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from engine.messages.preview import Preview
from engine.views.escaping import for_terminal, one_line, to_json
from engine.views.ink import PLAIN, Ink
from engine.views.plan_json import FORMAT_VERSION


def as_json(template: str, made: Sequence[Preview]) -> str:
    cases = [
        {
            "case": one.case.id,
            "title": one.case.title,
            "locale": one.locale,
            "subject": one.rendered.subject,
            "preheader": one.rendered.preheader,
            "text": one.rendered.text,
            "html": one.rendered.html,
        }
        for one in made
    ]
    return to_json({"format_version": FORMAT_VERSION, "kind": "preview", "template": template, "cases": cases}, indent=1) + "\n"


def as_text(template: str, made: Sequence[Preview], *, width: int = 80, ink: Ink = PLAIN) -> str:
    return "\n".join(line for one in made for line in _one(template, one, width, ink)).rstrip() + "\n"


def _one(template: str, one: Preview, width: int, ink: Ink) -> Iterator[str]:
    asked = f", not in {one.case.locale}: this language is missing" if one.locale != one.case.locale else ""
    yield ink.strong(template) + ink.faint(one_line(f"  {one.case.title}, {one.locale}{asked}; {len(one.rendered.html.encode()) // 1024 + 1} kB"))
    yield f"Subject:   {one_line(one.rendered.subject)}"
    if one.rendered.preheader:
        yield f"Preheader: {one_line(one.rendered.preheader)}"
    yield ""
    yield from (f"    {line}".rstrip() for line in for_terminal(one.rendered.text).splitlines())
    yield ""
