"""A difference for a terminal: what happens first, then where, then who."""

from __future__ import annotations

from collections.abc import Iterator

from engine.rehearsal.difference import Difference, StepChange
from engine.views.difference_words import (
    anyway,
    assumptions,
    blocked,
    days,
    edit,
    flight,
    headline,
    notes,
    other_edits,
    pressure,
    raised,
    span,
    touch,
    unjudged,
    untouched,
)
from engine.views.escaping import one_line
from engine.views.ink import PLAIN, Ink
from engine.views.naming import Naming
from engine.views.phrases import counted, short_day, table, wrapped
from engine.views.problems import Reader, block

_SAMPLE = 3
_DAYS = 14
_EDITS = 20
_WIDEST_BAR = 30


def _no_file(path: str) -> None:
    """Places without their lines."""


def as_text(found: Difference, naming: Naming, *, width: int = 80, ink: Ink = PLAIN, read: Reader = _no_file) -> str:
    """`read` gives the head's files, for the lines that errors are about."""
    return "\n".join(_lines(found, naming, width, ink, read)) + "\n"


def _lines(found: Difference, naming: Naming, width: int, ink: Ink, read: Reader) -> Iterator[str]:
    yield ink.strong(f"{one_line(found.base)} → {one_line(found.head)}")
    yield from wrapped(span(found), width)
    yield ""
    for problem in found.refused:
        yield from block(problem, read).splitlines()
        yield ""
    for one_raised in raised(found):
        yield from _inked(wrapped(one_line(edit(one_raised)), width, first="  ", rest="    "), ink.strong)
    yield from wrapped(headline(found), width, first="  ")
    told = pressure(found)
    if told:
        yield from _inked(wrapped(told, width, first="  "), ink.bad if found.will.most > found.was.most else ink.strong)
    if found.steps:
        yield from wrapped(touch(found), width, first="  ")
    for one in found.blocked:
        yield from _inked(wrapped(one_line(blocked(one, found.timezone)), width, first="  ", rest="    "), ink.bad)
    for text in (*anyway(found), *unjudged(found)):
        yield from wrapped(one_line(text), width, first="  ", rest="    ")
    if found.steps:
        yield ""
        yield from _steps(found, naming, width, ink)
    yield from _edits(found, width, ink)
    yield from _beside(found, width, ink)
    yield from _volumes(found, width, ink)
    if found.changes_mail:
        yield ""
        for text in assumptions(found):
            yield from _inked(wrapped(one_line(text), width, first="  "), ink.faint)


def _inked(lines: list[str], how: object) -> Iterator[str]:
    assert callable(how)
    yield from (str(how(line)) for line in lines)


_COLUMNS = (("gain", "gain"), ("lose", "loss"), ("move", "move"), ("later", "later"), ("sooner", "sooner"))


def _steps(found: Difference, naming: Naming, width: int, ink: Ink) -> Iterator[str]:
    used = [(head, kind) for head, kind in _COLUMNS if kind in ("gain", "loss") or found.total(kind)]
    texts = any(step.changed for step in found.steps)
    head = ("sequence", "step", *(name for name, _ in used), *(("text",) if texts else ()), "same", "first")
    rows = [_row(step, [kind for _, kind in used], texts) for step in found.steps]
    lines = table(head, rows, width, right=range(2, len(head) - 1), give=(0, 1))
    yield ink.faint(lines[0])
    for step, line in zip(found.steps, lines[1:], strict=True):
        yield line
        for note in notes(step):
            yield from _inked(wrapped(one_line(note), width, first="      "), ink.faint)
        for sign, keys in (("+", step.gaining), ("-", step.losing)):
            if keys:
                several = ", ".join(str(naming.contact(key)) for key in keys[:_SAMPLE])
                yield from _inked(wrapped(one_line(f"{several}{', …' if len(keys) > _SAMPLE else ''}"), width, first=f"      {sign} "), ink.faint)
    if rest := untouched(found):
        yield from _inked(wrapped(rest, width, first="  "), ink.faint)


def _row(step: StepChange, kinds: list[str], texts: bool) -> tuple[str, ...]:
    signs = {"gain": "+", "loss": "-"}
    counts = [f"{signs.get(kind, '')}{step.counts.get(kind, 0):,}" for kind in kinds]
    return (
        step.sequence, step.step, *counts, *((f"{step.changed:,}",) if texts else ()), f"{step.untouched:,}",
        short_day(step.first) if step.first else "",
    )  # fmt: skip


def _edits(found: Difference, width: int, ink: Ink) -> Iterator[str]:
    edits = other_edits(found)
    if not edits:
        return
    yield ""
    yield ink.strong("  What was changed")
    for one in edits[:_EDITS]:
        yield from wrapped(one_line(edit(one)), width, first=f"    {one.kind:<10}", rest=" " * 14)
    if len(edits) > _EDITS:
        yield ink.faint(f"    and {len(edits) - _EDITS:,} more; --format json has them all")


def _beside(found: Difference, width: int, ink: Ink) -> Iterator[str]:
    if found.flights:
        yield ""
        yield ink.strong("  On the way now")
        for one in found.flights[:_DAYS]:
            yield from wrapped(one_line(flight(one)), width, first="    ", rest="      ")
        if len(found.flights) > _DAYS:
            yield ink.faint(f"    and {len(found.flights) - _DAYS:,} more groups; --format json has them all")
    if found.unreached:
        yield ""
        yield ink.strong("  Records with nobody to tell")
        rows = [(one.sequence, one.step, f"{one.was:,} → {one.now:,}") for one in found.unreached]
        yield from table((), rows, width, right=(2,), indent="    ")


def _volumes(found: Difference, width: int, ink: Ink) -> Iterator[str]:
    rows = list(days(found))
    if not rows:
        return
    yield ""
    yield ink.strong("  Mails a day, where it changes")
    most = max(max(before, after) for _, before, after in rows)
    shown = rows[:_DAYS]
    lines = table(
        ("day", "before", "after", ""),
        [(name, f"{before:,}", f"{after:,}", _bar(after, most)) for name, before, after in shown],
        width,
        right=(1, 2),
        indent="    ",
    )
    yield ink.faint(lines[0])
    yield from lines[1:]
    if len(rows) > _DAYS:
        rest = rows[_DAYS:]
        yield ink.faint(f"    and {counted(len(rest), 'more day')}: {sum(row[1] for row in rest):,} before, {sum(row[2] for row in rest):,} after")


def _bar(count: int, most: int) -> str:
    return "█" * max(1, round(count / most * _WIDEST_BAR)) if count else ""
