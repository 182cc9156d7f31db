"""The variable guide for people and machines."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from typing import Any

from engine.messages.guide import Guide, GuideRow
from engine.views.escaping import one_line, to_json
from engine.views.ink import PLAIN, Ink
from engine.views.phrases import cut, table, with_article, wrapped
from engine.views.plan_json import FORMAT_VERSION


def searched(guide: Guide, text: str) -> Guide:
    """The guide with only the variables whose name, description or source has the text."""
    wanted = text.casefold()
    return replace(guide, rows=tuple(row for row in guide.rows if wanted in f"{row.name}\n{row.description}\n{row.from_}".casefold()))


def types_json(guides: Sequence[Guide]) -> str:
    rows = [{"type": g.type, "name": g.name, "description": g.description, "category": g.category, "about": g.about, "variables": len(g.rows)} for g in guides]
    return to_json({"format_version": FORMAT_VERSION, "kind": "types", "types": rows}, indent=1) + "\n"


def types_text(guides: Sequence[Guide], *, width: int = 80, ink: Ink = PLAIN) -> str:
    rows = [(g.type, g.category or "abstract", g.about or "anything", str(len(g.rows)), one_line(g.name or g.description)) for g in guides]
    lines = table(("type", "category", "about", "variables", ""), rows, width, right=(3,), indent="", give=(4,))
    return "\n".join([ink.faint(lines[0]), *lines[1:], "", "`engine variables TYPE` shows what a template of the type may say."]) + "\n"


def guides_json(guides: Sequence[Guide]) -> str:
    rows: list[dict[str, Any]] = []
    for guide in guides:
        shown = asdict(guide)
        for row in shown["rows"]:
            row["from"] = row.pop("from_")
        rows.append({**shown, "variables": shown.pop("rows"), "filters": [{"name": name, "does": does} for name, does in guide.filters]})
    return (
        to_json({"format_version": FORMAT_VERSION, "kind": "variables", "types": [{k: v for k, v in row.items() if k != "rows"} for row in rows]}, indent=1)
        + "\n"
    )


def guides_text(guides: Sequence[Guide], *, width: int = 80, ink: Ink = PLAIN) -> str:
    lines: list[str] = []
    for guide in guides:
        lines += _guide(guide, width, ink)
    if len(guides) == 1:
        lines += [ink.strong("Filters") + ink.faint("  {{ name | filter }}")]
        for name, does in guides[0].filters:
            lines += wrapped(one_line(does), width, first=f"  {name:<12} ")
    return "\n".join(lines).rstrip() + "\n"


def _guide(guide: Guide, width: int, ink: Ink) -> Iterator[str]:
    about = f", about {with_article(guide.about)}" if guide.about else ""
    yield ink.strong(guide.type) + ink.faint(f"  {guide.category or 'abstract'}{about}")
    if guide.description:
        yield from wrapped(one_line(guide.description), width, first="  ")
    yield ""
    for row in guide.rows:
        yield from _variable(guide, row, width, ink)
    yield ""


def _variable(guide: Guide, row: GuideRow, width: int, ink: Ink) -> Iterator[str]:
    yield f"  {ink.good(one_line(row.write)) if len(row.write) + 2 <= width else ink.good(one_line(row.name))}"
    yield from wrapped(one_line(row.description), width, first="      ")
    told = [f"shows {cut(one_line(row.shows), 48)}"] if row.shows else []
    told += [one_line(row.from_)]
    told += [f"without a value: {one_line(row.default) or 'nothing'}"] if row.default is not None else []
    told += [f"from type {row.declared_in}"] if row.declared_in and row.declared_in != guide.type else []
    told += [f"fields: {', '.join(row.fields)}"] if row.fields else []
    yield from (ink.faint(line) for line in wrapped("; ".join(told), width, first="      "))
