"""Guards in words: what they saw, and the exact override where one is over its limit (semantics 10.3)."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from engine.plan.guards import GUARDS
from engine.plan.plan import GuardResult
from engine.views.escaping import one_line
from engine.views.ink import PLAIN, Ink
from engine.views.phrases import number, wrapped

_SHARES = ("max_shrink", "max_share_of_audience", "max_exits")
_TIMES = ("max_growth", "max_drift")
_HOURS = ("facts_max_age",)
_OF_AN_ENTITY = ("min_facts", "max_shrink")
# What one sequence saw says nothing about the next.
_EACH_ITS_OWN = ("max_drift",)
# Where to look first, of a guard whose number does not say it.
_LOOK = {"max_drift": "the definitions are the same, so it was the CRM: look for an import that came twice or half, renamed values, a join or filter in a view"}
# `engine explain CODE` tells each at length.
CODES = {
    "max_sends.per_run": "E501",
    "max_sends.per_day": "E501",
    "max_per_contact": "E502",
    "first_run_max": "E503",
    "min_facts": "E504",
    "max_shrink": "E505",
    "max_growth": "E506",
    "max_share_of_audience": "E507",
    "max_exits": "E508",
    "facts_max_age": "E509",
    "max_drift": "E510",
}


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
    for id in dict.fromkeys(guard.id for guard in failed):
        several = [guard for guard in failed if guard.id == id]
        for guard in several:
            yield from _failed(guard, width, ink)
        yield from (ink.faint(text) for text in wrapped(f"it counts {GUARDS.get(id, id)}{_within(several[0])}", width, first="    "))
        if id in _LOOK:
            yield from wrapped(_LOOK[id], width, first="    ")
        # Never broken into lines: it is there to be copied. One value is for all that the guard holds.
        yield f"    if {'that is' if len(several) == 1 else 'all these are'} meant: {override(several, apply)}"
    passed = len(guards) - len(failed)
    if passed:
        yield ink.faint(f"  {passed} more within {'their limits' if passed > 1 else 'its limit'}")


def _failed(guard: GuardResult, width: int, ink: Ink) -> Iterator[str]:
    least = guard.id == "min_facts"
    whose = guard.sequence or (guard.detail if guard.id in _OF_AN_ENTITY else "")
    about = f" of {one_line(whose)}" if whose else ""
    code = f"error[{CODES[guard.id]}]: " if guard.id in CODES else ""
    saw = f"{code}{guard.id}{about}: {shown(guard, guard.observed)}, {'at least' if least else 'at most'} {shown(guard, guard.limit)}"
    effect = "the sequence is held, the others go" if guard.sequence else "nothing is sent and nothing is written"
    was = f" ({one_line(guard.detail)})" if guard.id in _EACH_ITS_OWN else ""
    lines = wrapped(f"{saw}{was}; {effect}", width, first="  ", rest="    ")
    yield ink.bad(lines[0])
    yield from lines[1:]


def _within(guard: GuardResult) -> str:
    return f" ({one_line(guard.detail)})" if guard.detail and guard.id not in (*_OF_AN_ENTITY, *_EACH_ITS_OWN) else ""


def override(guards: Sequence[GuardResult], apply: str = "engine apply") -> str:
    """The command that lets this run pass; the guards have one id."""
    id = guards[0].id
    observed = min(guard.observed for guard in guards) if id == "min_facts" else max(guard.observed for guard in guards)
    # Rounded up: a share that is cut would not let this run pass.
    if id in _SHARES:
        value = f"{math.ceil(round(observed * 1e4, 6)) / 100:g}%"
    elif id in _TIMES:
        value = f"{math.ceil(round(observed * 10, 6)) / 10:g}"
    else:
        value = f"{math.floor(observed) if id == 'min_facts' else math.ceil(observed)}" + ("h" if id in _HOURS else "")
    return f'{apply} --allow {id}={value} --reason "…"'


def shown(guard: GuardResult, value: float) -> str:
    if guard.id in _SHARES:
        return f"{value:.1%}"
    if guard.id in _TIMES:
        return f"{value:.1f} times".replace(".0 ", " ")
    return f"{value:.1f} h".replace(".0 ", " ") if guard.id in _HOURS else number(value)
