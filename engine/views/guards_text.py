"""Guards in words: what they saw, and the exact override where one is over its limit (semantics 10.3)."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from engine.plan.guards import GUARDS
from engine.plan.plan import GuardResult
from engine.views.escaping import one_line
from engine.views.ink import PLAIN, Ink
from engine.views.phrases import number, wrapped

_SHARES = ("max_shrink",)


def guard_lines(guards: Sequence[GuardResult], *, width: int = 80, ink: Ink = PLAIN, apply: str = "engine apply") -> Iterator[str]:
    """Nothing where no guard is said; one line where all hold; else each that does not, with the way on."""
    failed = [guard for guard in guards if not guard.passed]
    if not guards:
        return
    yield ""
    if not failed:
        yield f"{ink.strong('Guards')}  {'all ' if len(guards) > 1 else ''}{len(guards)} within {'their limits' if len(guards) > 1 else 'its limit'}"
        return
    yield ink.strong("Guards")
    for guard in failed:
        yield from _failed(guard, width, ink, apply)
    passed = len(guards) - len(failed)
    if passed:
        yield ink.faint(f"  {passed} more within {'their limits' if passed > 1 else 'its limit'}")


def _failed(guard: GuardResult, width: int, ink: Ink, apply: str) -> Iterator[str]:
    least = guard.id == "min_facts"
    about = f" of {guard.sequence}" if guard.sequence else ""
    detail = f" ({one_line(guard.detail)})" if guard.detail else ""
    saw = f"{guard.id}{about}: {shown(guard, guard.observed)}, {'at least' if least else 'at most'} {shown(guard, guard.limit)}"
    effect = "the sequence is held, the others go" if guard.sequence else "nothing is sent and nothing is written"
    lines = wrapped(f"{saw}; {effect}", width, first="  ", rest="    ")
    yield ink.bad(lines[0])
    yield from lines[1:]
    yield from (ink.faint(text) for text in wrapped(f"it counts {GUARDS.get(guard.id, guard.id)}{detail}", width, first="    "))
    # Never broken into lines: it is there to be copied.
    yield f"    if that is meant: {override(guard, apply)}"


def override(guard: GuardResult, apply: str = "engine apply") -> str:
    """The command that lets this run pass."""
    value = f"{guard.observed:g}" if guard.id in _SHARES else f"{math.floor(guard.observed) if guard.id == 'min_facts' else math.ceil(guard.observed)}"
    return f'{apply} --allow {guard.id}={value} --reason "…"'


def shown(guard: GuardResult, value: float) -> str:
    return f"{value:.1%}" if guard.id in _SHARES else number(value)
