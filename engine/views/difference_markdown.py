"""A difference as a comment on a pull request."""

from __future__ import annotations

from engine.rehearsal.difference import Difference
from engine.views.difference_words import blocked, headline, pressure, span, touch
from engine.views.escaping import for_markdown


def as_markdown(found: Difference) -> str:
    lines = [f"### Campaigns: {for_markdown(found.base)} → {for_markdown(found.head)}", "", for_markdown(headline(found)), ""]
    if found.steps:
        told = pressure(found)
        lines += [for_markdown(text) for text in ([told] if told else []) + [touch(found)]] + [""]
        lines += ["| sequence | step | gain | lose | move | text | same |", "| --- | --- | ---: | ---: | ---: | ---: | ---: |"]
        lines += [
            f"| {for_markdown(c.sequence)} | {for_markdown(c.step)} | {c.gains:,} | {c.losses:,} | {c.moves:,} | {c.changed:,} | {c.counts.get('same', 0):,} |"
            for c in found.steps
        ]
        lines.append("")
    lines += [f"- **{for_markdown(blocked(one, found.timezone))}**" for one in found.blocked]
    lines.append(f"{for_markdown(span(found))}. People are counted, not named.")
    return "\n".join(lines) + "\n"
