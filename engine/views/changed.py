"""What the change since the last apply does to whom, in plain words with the rule of §8."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from engine.plan.touching import Touched
from engine.views.escaping import one_line
from engine.views.ink import Ink
from engine.views.phrases import wrapped

# A sequence that was rewritten is no list to read.
SHOWN = 12


def changed_lines(changes: Sequence[Touched], width: int, ink: Ink) -> Iterator[str]:
    """Nothing where nothing changed."""
    if not changes:
        return
    yield ""
    yield ink.strong("Changed since the last apply")
    for one in changes[:SHOWN]:
        yield from wrapped(sentence(one), width, first="  ", rest="    ")
    if len(changes) > SHOWN:
        yield f"  … and {len(changes) - SHOWN} more; `--format json` has them all"


def sentence(one: Touched) -> str:
    """`renewal: step notice-21 was inserted before notice-14: 14 people ahead of it will get it, 9 behind it never will (8.2, 8.3)`."""
    change = one.change
    subject = f"{change.sequence}: " if change.sequence else ""
    return one_line(f"{subject}{change.words}: {_happens(one)} ({change.rule})")


def _happens(one: Touched) -> str:
    n = one.counts
    if not n.get("on_the_way") and not n.get("newcomers") and not n.get("completed"):
        return one.change.effect if one.change.sequence is None or not n else f"nobody is on the way; {one.change.effect}"
    match one.change.what:
        case "step_inserted" | "step_on":
            late = f", for {n['too_late']:,} it was due before today" if n["too_late"] else ""
            return f"{_people(n['ahead'])} ahead of it will get it{late}, {n['behind']:,} behind it never will"
        case "step_appended":
            return f"{_people(n['ahead'])} on the way will get it, {n['completed']:,} who completed will not, unless `backfill`"
        case "step_moved":
            return f"it is ahead of {_people(n['ahead'])}, and never runs for {n['behind']:,} behind it"
        case "step_off":
            return f"it is passed over for {_people(n['ahead'])}; {_passed(n)}"
        case "step_removed":
            verb = "goes" if n["waited"] == 1 else "go"
            overdue = f", {n['overdue']:,} of them overdue at once" if n["overdue"] else ""
            return f"{_people(n['waited'])} waited for it and {verb} on to the next{overdue}"
        case "time":
            if "ahead" in n:
                return f"counted anew for {_people(n['ahead'])}; {_passed(n)}; nobody is late or left out because of it"
        case "text" | "template" | "condition" | "expires":
            if "ahead" in n:
                what = {"text": "will get the new text", "template": "will get the other template"}.get(one.change.what, "have it ahead")
                return f"{_people(n['ahead'])} {what}, {_passed(n)}"
        case "audience" | "where" | "trigger" | "ends" | "segment" | "members" | "map" | "enrolled" | "removed" | "archived":
            return f"of {_people(n['on_the_way'])} on the way {n['leave']:,} leave now, {n['newcomers']:,} are new; {one.change.effect}"
        case "paused" | "drafted":
            return f"{_people(n['held'])} {'is' if n['held'] == 1 else 'are'} held"
        case "renamed" | "step_renamed":
            return f"{_people(n['on_the_way'])} on the way {'goes' if n['on_the_way'] == 1 else 'go'} on as before; nothing is sent again"
    return f"{_people(n['on_the_way'])} on the way; {one.change.effect}"


def _passed(counts: Mapping[str, int]) -> str:
    return f"{counts['behind']:,} {'has' if counts['behind'] == 1 else 'have'} passed it"


def _people(count: int) -> str:
    return "1 person" if count == 1 else f"{count:,} people"


def changed_rows(changes: Sequence[Touched]) -> list[dict[str, Any]]:
    """For programs."""
    return [
        {
            "sequence": one.change.sequence,
            "step": one.change.step,
            "kind": one.change.kind.value,
            "rule": one.change.rule,
            "what": one.change.what,
            "words": one.change.words,
            "effect": one.change.effect,
            "people": dict(one.counts),
            "source": str(one.change.place) if one.change.place else None,
        }
        for one in changes
    ]
