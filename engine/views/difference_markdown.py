"""A difference as a comment on a pull request: a marker to find it again, the essence first, and never too long."""

from __future__ import annotations

from collections.abc import Iterator

from engine.rehearsal.difference import Difference
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
from engine.views.escaping import for_markdown, for_terminal
from engine.views.phrases import day

# By this line a workflow finds the comment that it wrote before.
MARKER = "<!-- campaigns: engine diff -->"
# GitHub takes 65,536 characters; whole sections go before a comment is longer than this.
LONGEST = 60_000
_ROWS = 100
# Each column of the table with what it says; those but the first two stand there only where there is something to say.
_COLUMNS = (
    ("gain", "gain", "only with the change"), ("lose", "loss", "only without it"), ("move", "move", "the same mail at another time, with the days and dates of that time"),
    ("later", "later", "only after {last}"), ("sooner", "sooner", "now by {last}, and otherwise after it"),
)  # fmt: skip
_TEXT = ("text", "the same mail with another text")
_ALWAYS = (("same", "untouched"), ("first", "the first day on which it shows"))


def as_markdown(found: Difference, letters: tuple[Persona, ...] = (), more_letters: int = 0) -> str:
    """One line where nothing changes. People are counted, never named."""
    if not found.changes_mail and not found.edits and not found.refused:
        return f"{MARKER}\n**Campaigns:** {for_markdown(headline(found))}\n" + "".join(f"\n{for_markdown(text)}\n" for text in unjudged(found))
    head = "\n".join(_head(found)) + "\n"
    foot = "\n" + "\n".join(f"<sub>{for_markdown(text)}</sub>  " for text in (f"{sides(found)}. People are counted, not named.", *assumptions(found))) + "\n"
    kept, left_out = [head], []
    sections = [("the steps", _steps(found)), ("what was changed", _edits(found)), ("who is on the way", _flights(found)), ("the days", _days(found)),
                *((f"the mail {for_markdown(one.template)} ({one.locale})", _letter(one)) for one in letters)]  # fmt: skip
    room = LONGEST - len(head) - len(foot) - 500
    for title, lines in sections:
        text = "\n".join(lines)
        if not text:
            continue
        if len(text) + 2 > room:
            left_out.append(title)
            continue
        room -= len(text) + 2
        kept.append(text + "\n")
    if left_out or more_letters:
        told = [
            *left_out[:5],
            *([f"{len(left_out) - 5} more sections"] if len(left_out) > 5 else []),
            *([f"{more_letters} more mails"] if more_letters else []),
        ]
        kept.append(f"*Left out, too long for a comment: {', '.join(told)}. The HTML report has all of it.*\n")
    return f"{MARKER}\n" + "\n".join(kept) + foot


def _head(found: Difference) -> Iterator[str]:
    yield "### Campaigns: what this change does"
    yield ""
    yield f"<sub>{for_markdown(span(found))}</sub>"
    yield ""
    for problem in found.refused:
        yield f"> **An apply refuses this. {for_markdown(refusal(problem))}**"
        yield ">"
    for one_raised in raised(found):
        yield f"> {for_markdown(edit(one_raised))}"
        yield ">"
    for one in found.blocked:
        yield f"> **{_capital(for_markdown(blocked(one, found.timezone)))}**"
        yield ">"
    yield f"**{for_markdown(headline(found))}**"
    told = pressure(found)
    if told:
        yield ""
        yield for_markdown(told)
    if found.steps:
        yield ""
        yield _capital(for_markdown(touch(found)))
    for text in (*anyway(found), *unjudged(found)):
        yield ""
        yield _capital(for_markdown(text))


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _steps(found: Difference) -> Iterator[str]:
    if not found.steps:
        return
    used = [(name, kind, means) for name, kind, means in _COLUMNS if kind in ("gain", "loss") or found.total(kind)]
    texts = [_TEXT] if any(one.changed for one in found.steps) else []
    legend = [*((name, means.format(last=last(found))) for name, _, means in used), *texts, *_ALWAYS]
    yield f"| sequence | step | {' | '.join(name for name, _ in legend)} |"
    yield f"| --- | --- |{' ---: |' * (len(legend) - 1)} --- |"
    for one in found.steps[:_ROWS]:
        counts = [*(one.counts.get(kind, 0) for _, kind, _ in used), *([one.changed] if texts else []), one.untouched]
        told = " | ".join(f"{count:,}" for count in counts)
        yield f"| {for_markdown(one.sequence)} | {for_markdown(one.step)} | {told} | {day(one.first) if one.first else ''} |"
    if len(found.steps) > _ROWS:
        yield f"\nand {len(found.steps) - _ROWS:,} more steps"
    yield ""
    if rest := untouched(found):
        yield f"{for_markdown(rest)}  "
    yield f"<sub>{' · '.join(f'{name}: {means}' for name, means in legend)}</sub>"
    below = [(one, note) for one in found.steps[:_ROWS] for note in notes(one)]
    if below:
        yield ""
        yield from (f"- {for_markdown(f'{one.sequence}/{one.step}')}: {for_markdown(note)}" for one, note in below)


def _edits(found: Difference) -> Iterator[str]:
    edits = other_edits(found)
    if edits:
        yield "**What was changed**"
        yield ""
        yield from (f"- *{one.kind}* · {for_markdown(edit(one))}" for one in edits[:_ROWS])
        if len(edits) > _ROWS:
            yield f"- and {len(edits) - _ROWS:,} more"


def _flights(found: Difference) -> Iterator[str]:
    if found.flights:
        yield "**On the way now**"
        yield ""
        yield from (f"- {for_markdown(flight(one))}" for one in found.flights[:_ROWS])
    if found.unreached:
        if found.flights:
            yield ""
        yield "**Records with nobody to tell**"
        yield ""
        yield from (f"- {for_markdown(f'{one.sequence}/{one.step}')}: {one.was:,} before, {one.now:,} after" for one in found.unreached[:_ROWS])


def _days(found: Difference) -> Iterator[str]:
    rows = list(days(found))
    if rows:
        yield "<details><summary>Mails a day, where it changes</summary>"
        yield ""
        yield "| day | before | after |"
        yield "| --- | ---: | ---: |"
        yield from (f"| {name} | {before:,} | {after:,} |" for name, before, after in rows)
        yield ""
        yield "</details>"


def _letter(one: Persona) -> Iterator[str]:
    lines = [for_terminal(line) for line in one.text_diff or one.whole]
    if not lines and not one.fault:
        return
    yield f"<details><summary>{for_markdown(one.template)} \\({for_markdown(one.locale)}\\), for a made-up reader</summary>"
    yield ""
    if one.fault:
        yield for_markdown(one.fault)
    else:
        if one.moved:
            yield for_markdown(still_fits(one.moved))
            yield ""
        # A fence longer than any run of backticks inside: the mail's text cannot end it.
        fence = "`" * max(3, 1 + max((_run(line) for line in lines), default=0))
        yield f"{fence}{'diff' if one.text_diff else 'text'}"
        yield from lines
        yield fence
    yield ""
    yield "</details>"


def _run(line: str) -> int:
    longest = run = 0
    for character in line:
        run = run + 1 if character == "`" else 0
        longest = max(longest, run)
    return longest
