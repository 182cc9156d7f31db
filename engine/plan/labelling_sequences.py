"""The changes of sequences and their steps, each with its rule of §8."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from engine.plan.change import Change
from engine.plan.in_words import audience_words, most_words, rule_words, trigger_words
from engine.plan.likeness import likely_renamed, likely_renamed_steps
from engine.plan.revisions import Revisions, Said, templates_of

# By key of a sequence: what its change is, and how it is said.
_KEYS: Mapping[str, tuple[str, str]] = {
    "about": ("about", "it is about {new}, not {old}"),
    "timezone": ("zone", "the timezone is {new}, not {old}"),
    "at": ("time", "the time of day is {new}, not {old}"),
    "expires": ("expires", "`expires` is {new}, not {old}"),
    "send_window": ("window", "the send window is {new}; before {old}"),
    "holidays": ("window", "the holidays were changed"),
    "min_gap": ("gap", "`min_gap` is {new}, not {old}"),
    "reenter": ("reenter", "`reenter` is {new}, not {old}"),
    "active_from": ("start", "`active_from` is {new}, not {old}"),
    "backfill": ("start", "`backfill` is {new}, not {old}"),
    "priority": ("limits", "the priority is {new}, not {old}"),
    "combine": ("combine", "`combine` is {new}, not {old}"),
    "guards": ("guards", "its own guards are {new}; before {old}"),
    "on_unknown": ("doubts", "`on_unknown` is {new}, not {old}"),
    "reply_to": ("sender", "the reply address was changed"),
}
_STEP_KEYS: Mapping[str, tuple[str, str]] = {
    "at": ("time", "goes at {new}, not at {old}"),
    "expires": ("expires", "expires after {new}, not after {old}"),
}


class _Asked(NamedTuple):
    """How a rule is said: where there is one now, where there is none any more, what there was, what it was where there was none, and where both read alike."""

    what: str
    now: str
    none_now: str
    before: str
    none_before: str
    alike: str


_ASKED: Mapping[str, _Asked] = {
    "goal": _Asked("ends", "its goal is {}", "it has no goal", "no longer {}", "before it had none", "its goal is another value"),
    "exit_when": _Asked(
        "ends", "people leave when {}", "nobody leaves by `exit_when`", "no longer when {}", "before there was no `exit_when`", "`exit_when` asks for another value"
    ),
    "where": _Asked(
        "where", "its trigger takes only those whose {}", "its trigger takes all", "no longer only those whose {}", "no longer all", "its trigger's `where` asks for another value"
    ),
    "if": _Asked("condition", "step {step} goes only if {}", "step {step} goes in any case", "no longer only if {}", "no longer in any case", "step {step} asks for another value"),
}  # fmt: skip
_STATUSES = {"active": "activated", "paused": "paused", "draft": "drafted", "archived": "archived"}


def sequence_changes(both: Revisions) -> Iterator[Change]:
    old, new = both.kind("sequences")
    was_called = {now: before for before, now in both.renamed.items()}
    likely = likely_renamed(both)
    for id in sorted(new.keys()):
        places = both.after.where("sequence", id)
        before = was_called.get(id, id)
        if before not in old:
            if id in likely:
                yield Change(id, None, "maybe_renamed", f"it looks like {likely[id]}, which is gone", places.value("id"))
            else:
                yield Change(id, None, "added", f"it is new, and {new[id].get('status', 'draft')}", places.value("id"))
            continue
        if before != id:
            yield Change(id, None, "renamed", f"it was called {before}", places.value("renamed_from"))
        yield from _settings(both, id, old[before], new[id])
        yield from _steps(both, id, before, old[before], new[id])
    for id in sorted(old.keys() - new.keys() - both.renamed.keys()):
        stood = both.before.where("sequence", id).value("id") if both.before is not None else None
        yield Change(id, None, "removed", "it was removed", None, stood)


def _settings(both: Revisions, id: str, old: Said, new: Said) -> Iterator[Change]:
    places = both.after.where("sequence", id)
    was, now = old.get("status", "draft"), new.get("status", "draft")
    if was != now:
        what = "resumed" if (was, now) == ("paused", "active") else _STATUSES[now]
        yield Change(id, None, what, f"it is {now}, and was {was}", places.key("status"))
    yield from _trigger(both, id, old.get("trigger"), new.get("trigger"))
    for key, (what, words) in _KEYS.items():
        first, second = old.get(key), new.get(key)
        if first != second:
            yield Change(id, None, what, words.format(old=_word(first), new=_word(second)), places.key(key))
    if old.get("audience") != new.get("audience"):
        yield Change(id, None, "audience", _audience(old.get("audience"), new.get("audience"), both.personal), places.key("audience"))
    for key in ("goal", "exit_when"):
        if old.get(key) != new.get(key):
            yield Change(id, None, _ASKED[key].what, _asked_words(key, old.get(key), new.get(key), both.personal), places.key(key))


def _audience(old: Said | None, new: Said | None, personal: frozenset[str]) -> str:
    if old is not None and new is not None and {**old, "max": None} == {**new, "max": None}:
        return f"it goes to {audience_words(new, personal)}; no longer to {most_words(old.get('max'))}"
    told, before = (audience_words(said, personal) for said in (new, old))
    return f"it goes to {told}; before to {before}" if told != before else f"it goes to {told}, by another value"


def _asked_words(key: str, old: Any, new: Any, personal: frozenset[str], step: str = "") -> str:
    """What a rule asks now and what it asked before."""
    said = _ASKED[key]
    now, before = (rule_words(rule, personal) if rule is not None else None for rule in (new, old))
    if now == before:
        return said.alike.format(step=step)
    told = said.now.format(now, step=step) if now is not None else said.none_now.format(step=step)
    return f"{told}, {said.before.format(before) if before is not None else said.none_before}"


def _trigger(both: Revisions, id: str, old: Any, new: Any) -> Iterator[Change]:
    if old == new:
        return
    places = both.after.where("sequence", id)
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        asked = Change(id, None, "where", _asked_words("where", old.get("where"), new.get("where"), both.personal), places.key("trigger", "where"))
        if _without_where(old) == _without_where(new):
            yield asked
            return
        if old.keys() == new.keys() or {*old, "where"} == {*new, "where"}:
            words = ", ".join(f"{key} is {_word(new[key])}, not {_word(old[key])}" for key in new if key != "where" and new[key] != old.get(key))
            yield Change(id, None, "trigger", f"the trigger was changed: {words}", places.key("trigger"))
            if old.get("where") != new.get("where"):
                yield asked
            return
    words = f"it begins {trigger_words(new, both.personal)}, no longer {trigger_words(old, both.personal)}"
    yield Change(id, None, "trigger", words, places.key("trigger"))


def _without_where(trigger: Said) -> dict[str, Any]:
    return {key: value for key, value in trigger.items() if key != "where"}


def _steps(both: Revisions, id: str, before: str, old: Said, new: Said) -> Iterator[Change]:
    places = both.after.where("sequence", id)
    called = both.steps_renamed(id)
    first = {called.get(step["id"], step["id"]): step for step in old["steps"]}
    second = {step["id"]: step for step in new["steps"]}
    at = {step["id"]: index for index, step in enumerate(new["steps"])}
    likely = likely_renamed_steps(both, id)
    stayed = _in_order([name for name in second if name in first], list(first))
    for name, step in second.items():
        place = places.value("steps", at[name], "id")
        if name not in first:
            yield _brought(id, name, list(second), first, likely, place)
            continue
        if first[name]["id"] != name:
            yield Change(id, name, "step_renamed", f"step {name} was called {first[name]['id']}", places.value("steps", at[name], "renamed_from"))
        if name not in stayed:
            yield Change(id, name, "step_moved", f"step {name} was moved", place)
        yield from _of_step(both, id, at[name], first[name], step)
    for name, step in first.items():
        if name not in second:
            index = next(index for index, one in enumerate(old["steps"]) if one["id"] == step["id"])
            stood = both.before.where("sequence", before).value("steps", index, "id") if both.before is not None else None
            yield Change(id, name, "step_removed", f"step {name} was removed", None, stood)


def _brought(id: str, name: str, order: list[str], first: Mapping[str, Any], likely: Mapping[str, str], place: Any) -> Change:
    if name in likely:
        return Change(id, name, "maybe_renamed", f"step {name} looks like {likely[name]}, which is gone", place)
    behind = [other for other in order[order.index(name) + 1 :] if other in first]
    if behind:
        return Change(id, name, "step_inserted", f"step {name} was inserted before {behind[0]}", place)
    return Change(id, name, "step_appended", f"step {name} was appended", place)


def _of_step(both: Revisions, id: str, index: int, old: Said, new: Said) -> Iterator[Change]:
    places, name = both.after.where("sequence", id), new["id"]
    for kind in ("before", "after", "wait"):
        if kind in new and new[kind] != old.get(kind):
            was = next(_time(word, old[word]) for word in ("before", "after", "wait") if word in old)
            words = f"step {name} {'waits' if kind == 'wait' else 'goes'} {_time(kind, new[kind])}, not {was}"
            yield Change(id, name, "time", words, places.value("steps", index, kind))
    for key, (what, words) in _STEP_KEYS.items():
        if old.get(key) != new.get(key):
            yield Change(id, name, what, f"step {name} " + words.format(old=_word(old.get(key)), new=_word(new.get(key))), places.key("steps", index, key))
    if old.get("if") != new.get("if"):
        words = _asked_words("if", old.get("if"), new.get("if"), both.personal, name)
        yield Change(id, name, "condition", words, places.key("steps", index, "if"))
    if old.get("template") != new.get("template"):
        words = f"step {name} uses {_named(templates_of(new))}" + ("" if templates_of(old) == templates_of(new) else f", not {_named(templates_of(old))}")
        yield Change(id, name, "template", words, places.key("steps", index, "template"))
    was, now = old.get("active", True), new.get("active", True)
    if was != now:
        yield Change(id, name, "step_on" if now else "step_off", f"step {name} was switched {'on' if now else 'off'}", places.key("steps", index, "active"))


def _time(kind: str, said: Any) -> str:
    return str(said) if kind == "wait" else f"{said} {kind}"


def _in_order(names: Sequence[str], before: Sequence[str]) -> set[str]:
    """The most steps that stand in one order before and after: the others were moved."""
    ranks = [before.index(name) for name in names]
    tails: list[int] = []
    ends: list[list[int]] = []
    for place, rank in enumerate(ranks):
        at = bisect_left(tails, rank)
        chain = [*(ends[at - 1] if at else []), place]
        if at == len(tails):
            tails.append(rank)
            ends.append(chain)
        else:
            tails[at], ends[at] = rank, chain
    return {names[place] for place in (ends[-1] if ends else [])}


def _word(value: Any) -> str:
    if value is None:
        return "not said"
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {_word(inner)}" for key, inner in value.items())
    if isinstance(value, list):
        return " and ".join(_word(inner) for inner in value)
    return str(value)


def _named(templates: frozenset[str]) -> str:
    return " or ".join(sorted(templates)) or "none"
