"""What a change of the definitions does to real people, per sequence and step."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from engine.plan.plan import COUNTERS, Plan
from engine.views.escaping import for_markdown, one_line, to_json
from engine.views.guards_text import shown
from engine.views.ink import PLAIN, Ink
from engine.views.naming import Naming
from engine.views.phrases import counted, iso, moment, table, wrapped
from engine.views.plan_json import FORMAT_VERSION, guard_row

if TYPE_CHECKING:
    from engine.runs.rehearsing import Difference

_SAMPLE = 3


def as_json(found: Difference, naming: Naming) -> str:
    value = {
        "format_version": FORMAT_VERSION,
        "kind": "diff",
        "now": iso(found.now, found.timezone),
        "timezone": found.timezone,
        "base": {"ref": found.base, "digest": found.base_digest, "summary": _summary(found.base_plan)},
        "head": {"ref": found.head, "digest": found.head_digest, "summary": _summary(found.head_plan)},
        "gains": found.gains,
        "losses": found.losses,
        "changes": [
            {
                "sequence": change.sequence,
                "step": change.step,
                "gains": len(change.gains),
                "losses": len(change.losses),
                "kept": change.kept,
                "gaining": sorted(str(naming.contact(key)) for key in change.gains),
                "losing": sorted(str(naming.contact(key)) for key in change.losses),
            }
            for change in found.changes
        ],
        "guards": [guard_row(guard) for guard in found.head_plan.guards],
    }
    return to_json(value, indent=1) + "\n"


def _summary(plan: Plan) -> dict[str, int]:
    return {name: plan.summary[name] for name in COUNTERS}


def as_text(found: Difference, naming: Naming, *, width: int = 80, ink: Ink = PLAIN) -> str:
    return "\n".join(_lines(found, naming, width, ink)) + "\n"


def _headline(found: Difference) -> str:
    if found.base_digest == found.head_digest:
        return "The definitions mean the same; nothing changes for anybody."
    if not found.changes:
        return f"Nobody gets more or less at this moment: {counted(found.head_plan.summary['send'], 'mail')} before and after."
    return f"{found.gains:,} more and {found.losses:,} fewer: {found.base_plan.summary['send']:,} before, {counted(found.head_plan.summary['send'], 'mail')} after."


def _lines(found: Difference, naming: Naming, width: int, ink: Ink) -> Iterator[str]:
    yield ink.strong(f"{one_line(found.base)} → {one_line(found.head)}") + f", at {moment(found.now, found.timezone)} {found.timezone}"
    yield ""
    yield from wrapped(_headline(found), width, first="  ")
    if found.changes:
        yield ""
        rows = [(change.sequence, change.step, f"+{len(change.gains):,}", f"-{len(change.losses):,}", f"{change.kept:,}") for change in found.changes]
        lines = table(("sequence", "step", "gain", "lose", "same"), rows, width, right=(2, 3, 4))
        yield ink.faint(lines[0])
        for change, line in zip(found.changes, lines[1:], strict=True):
            yield line
            for sign, keys in (("+", change.gains), ("-", change.losses)):
                if keys:
                    several = ", ".join(str(naming.contact(key)) for key in sorted(keys)[:_SAMPLE])
                    yield from (
                        ink.faint(text) for text in wrapped(one_line(f"{several}{', …' if len(keys) > _SAMPLE else ''}"), width, first=f"      {sign} ")
                    )
    moved = [name for name in COUNTERS if name not in ("send", "considered") and found.base_plan.summary[name] != found.head_plan.summary[name]]
    if moved:
        yield ""
        told = ", ".join(f"{name.replace('_', ' ')} {found.base_plan.summary[name]:,} → {found.head_plan.summary[name]:,}" for name in moved)
        yield from wrapped(f"Beside the mails: {told}", width, first="  ")
    for guard in found.head_plan.guards:
        if not guard.passed:
            about = f" of {guard.sequence}" if guard.sequence else ""
            yield "  " + ink.bad(f"guard {guard.id}{about}: {shown(guard, guard.observed)}, the limit is {shown(guard, guard.limit)}")


def as_markdown(found: Difference, naming: Naming) -> str:
    lines = [f"### Campaigns: {for_markdown(found.base)} → {for_markdown(found.head)}", "", for_markdown(_headline(found)), ""]
    if found.changes:
        lines += ["| sequence | step | gain | lose | same |", "| --- | --- | ---: | ---: | ---: |"]
        lines += [f"| {for_markdown(c.sequence)} | {for_markdown(c.step)} | {len(c.gains):,} | {len(c.losses):,} | {c.kept:,} |" for c in found.changes]
        lines.append("")
    for guard in found.head_plan.guards:
        if not guard.passed:
            about = f" of {for_markdown(guard.sequence)}" if guard.sequence else ""
            lines.append(f"- **Guard {for_markdown(guard.id)}**{about}: {shown(guard, guard.observed)}, the limit is {shown(guard, guard.limit)}")
    lines.append(f"At {for_markdown(f'{moment(found.now, found.timezone)} {found.timezone}')}. People are counted, not named.")
    return "\n".join(lines) + "\n"
