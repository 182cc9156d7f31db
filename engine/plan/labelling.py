"""Which changes lie between two sets of definitions, each with its rule of §8. Pure: no facts, no ledger, no clock."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

from engine.definitions.definitions import Definitions
from engine.plan.change import Change
from engine.plan.in_words import rule_words
from engine.plan.labelling_sequences import sequence_changes
from engine.plan.revisions import Revisions, or_none

_PARTS = {"subject": "the subject", "preheader": "the preheader", "body": "the body", "text": "the plain text"}
# How a layout that was not there, or is not any more, is said: whether it was, and whether it is.
_CAME = {(False, True): "added, in place of the engine's own page", (True, False): "taken out, and the engine's own page stands in for it"}
_LABELS = ("id", "name", "description", "owner", "tags", "visibility")


def labelled(before: Definitions, after: Definitions) -> tuple[Change, ...]:
    """The changes from one revision to another; none where only comments, the order of keys, or descriptions differ."""
    return _labelled(Revisions.of(json.loads(before.compiled), after, before))


def labelled_since(compiled: str, after: Definitions) -> tuple[Change, ...]:
    """The changes since the definitions that a ledger remembers (`AppliedDefinitions.compiled`); none for what an older engine kept."""
    if not is_known(compiled):
        return ()
    return _labelled(Revisions.of(json.loads(compiled), after, None))


@lru_cache(maxsize=8)
def is_known(compiled: str) -> bool:
    """Whether the text has all that a comparison needs."""
    said = json.loads(compiled)
    return bool(said.get("format") == 2)


def _labelled(both: Revisions) -> tuple[Change, ...]:
    if both.old == both.new:
        return ()
    found = [
        *sequence_changes(both), *_templates(both), *_types(both), *_pages(both), *_segments(both), *_enrollments(both), *_map(both), *_project(both),
    ]  # fmt: skip
    # Guards first (10.4), then by sequence, those without one last; a change that two parts show is said once.
    return tuple(dict.fromkeys(sorted(found, key=lambda change: (change.what != "guards", change.sequence is None, change.sequence or ""))))


def _templates(both: Revisions) -> Iterator[Change]:
    old, new = both.kind("templates")
    for id in sorted(old.keys() & new.keys()):
        places = both.after.where("template", id)
        said = []
        for part, word in _PARTS.items():
            first, second = old[id].get(part) or {}, new[id].get(part) or {}
            said += [
                (f"{word} of template {id} ({locale}) was changed", "text", places.key(part, locale))
                for locale in sorted(first.keys() | second.keys())
                if first.get(locale) != second.get(locale)
            ]
        if old[id].get("layout", "default") != new[id].get("layout", "default"):
            said.append((f"template {id} has another layout", "text", places.key("layout")))
        if old[id].get("type") != new[id].get("type"):
            said.append((f"template {id} is of type {new[id].get('type')}, not {old[id].get('type')}", "category", places.key("type")))
        was, now = old[id].get("status", "active"), new[id].get("status", "active")
        if was != now:
            said.append((f"template {id} is {now}", "step_on" if now == "active" else "step_off", places.key("status")))
        for words, what, place in said:
            for sequence, step in both.uses_of_template(id):
                yield Change(sequence, step, what, words, place)


def _types(both: Revisions) -> Iterator[Change]:
    old, new = both.kind("types")
    for id in sorted(old.keys() & new.keys()):
        places = both.after.where("type", id)
        for key in ("category", "topic", "variables", "extends"):
            if old[id].get(key) == new[id].get(key) or (key == "variables" and _told(old[id]) == _told(new[id])):
                continue
            what = "category" if key in ("category", "topic") else "text"
            words = f"the {key} of type {id} " + ("was changed" if what == "text" else f"is {new[id].get(key) or 'none'}, not {old[id].get(key) or 'none'}")
            for sequence in both.uses_of_type(id):
                yield Change(sequence, None, what, words, places.key(key))


def _told(type_: Mapping[str, Any]) -> dict[str, Any]:
    """The variables of a type as a mail has them: descriptions and samples are for whoever writes."""
    return {name: _without(said, ("description", "sample")) for name, said in (type_.get("variables") or {}).items()}


def _pages(both: Revisions) -> Iterator[Change]:
    """Layouts and partials: parts of many mails."""
    old, new = both.kind("layouts")
    # A default layout that has no file is the engine's own page; another that comes or goes is told with the templates that name it.
    for id in sorted((old.keys() & new.keys()) | ((old.keys() ^ new.keys()) & {"default"})):
        if old.get(id) != new.get(id):
            words = f"the layout {id} was " + _CAME.get((id in old, id in new), "changed")
            for sequence in both.uses_of_layout(id):
                yield Change(sequence, None, "text", words, both.after.where("layout", id).value() if id in new else None)
    old, new = both.kind("partials")
    for id in sorted(old.keys() | new.keys()):
        if old.get(id) != new.get(id):
            yield Change(None, None, "text", f"the partial {id} was {'added' if id not in old else 'removed' if id not in new else 'changed'}")


def _segments(both: Revisions) -> Iterator[Change]:
    old, new = both.kind("segments")
    for id in sorted(old.keys() & new.keys()):
        first, second = _without(old[id], _LABELS), _without(new[id], _LABELS)
        if first == second:
            continue
        places = both.after.where("segment", id)
        for key in sorted(first.keys() | second.keys(), key=lambda name: (name != "rules", name)):
            if first.get(key) != second.get(key):
                what, words = _of_segment(id, key, first.get(key), second.get(key), both.personal)
                for sequence in both.uses_of_segment(id):
                    yield Change(sequence, None, what, words, places.key(key))


def _of_segment(id: str, key: str, old: Any, new: Any, personal: frozenset[str]) -> tuple[str, str]:
    """What the change of one key of a segment is, and how it is said."""
    if key == "members" and old is not None and new is not None:
        counts = f" ({old['count']:,} before, {new['count']:,} now)" if isinstance(old, Mapping) and isinstance(new, Mapping) else ""
        return "members", f"the members of segment {id} were changed{counts}"
    if key == "rules" and old is not None and new is not None:
        told, before = (rule_words(said, personal) for said in (new, old))
        alike = f"the rules of segment {id} were changed, to another value"
        return "segment", f"segment {id} holds whoever is so: {told}; before: {before}" if told != before else alike
    if key in ("rules", "members"):
        return "segment", f"segment {id} has {'no ' if new is None else ''}{key} now"
    if key == "status":
        return "segment", f"segment {id} is {new or 'active'}, and was {old or 'active'}"
    return "segment", f"the {key} of segment {id} was changed"


def _enrollments(both: Revisions) -> Iterator[Change]:
    old, new = both.kind("enrollments")
    for id in sorted(old.keys() | new.keys()):
        if id not in new:
            yield Change(old[id].get("sequence"), None, "enrolled", f"the enrollments of {id} were taken out")
            continue
        if id in old and _without(old[id], ("note",)) == _without(new[id], ("note",)):
            continue
        place = both.after.where("enrollment", id).value("id")
        yield Change(new[id].get("sequence"), None, "enrolled", f"the enrollments of {id} were {'changed' if id in old else 'added'}", place)


def _map(both: Revisions) -> Iterator[Change]:
    first, second = both.old.get("crm", {}), both.new.get("crm", {})
    if first == second:
        return
    places = both.after.where("crm", "crm")
    old, new = first.get("entities", {}), second.get("entities", {})
    for name in sorted(old.keys() & new.keys()):
        if old[name].get("key") != new[name].get("key"):
            yield Change(None, None, "key", f"the key of {name} is {new[name].get('key')}, not {old[name].get('key')}", places.key("entities", name, "key"))
        if _undescribed(old[name]) != _undescribed(new[name]):
            yield Change(None, None, "map", f"the map of {name} was changed", places.key("entities", name))
    for name in sorted(old.keys() ^ new.keys()):
        yield Change(
            None, None, "map", f"{name} was {'added to' if name in new else 'taken out of'} the map", places.key("entities", name) if name in new else None
        )
    if first.get("contact") != second.get("contact"):
        yield Change(None, None, "map", "what the map says of contacts was changed", places.key("contact"))
    if _bare(first.get("events")) != _bare(second.get("events")):
        yield Change(None, None, "map", "the events of the map were changed", places.key("events"))


def _undescribed(entity: Mapping[str, Any]) -> dict[str, Any]:
    """An entity of the map without its key, and without what describes it and its fields."""
    return {**_without(entity, ("key", "description")), "fields": _bare(entity.get("fields"))}


def _bare(parts: Mapping[str, Any] | None) -> dict[str, Any]:
    """Parts of the map by name, each without its description; a field that is only a type is a mapping too."""
    return {name: _without(said, ("description",)) if isinstance(said, Mapping) else {"type": said} for name, said in (parts or {}).items()}


def _project(both: Revisions) -> Iterator[Change]:
    old, new = both.old.get("project", {}), both.new.get("project", {})
    places = both.after.where("project", "project")
    kinds = {
        "sender": ("sender", "the sender was changed"), "links": ("sender", "the links were changed"), "locales": ("text", "the languages were changed"),
        "topics": ("consent", "the topics were changed"), "caps": ("limits", "the caps were changed"), "holidays": ("window", "the holidays were changed"),
        "guards": ("guards", "the guards were changed"),
    }  # fmt: skip
    for key, (what, words) in kinds.items():
        if old.get(key) != new.get(key):
            yield Change(None, None, what, words, places.key(key))
    if old.get("timezone") != new.get("timezone"):
        words = f"the project's timezone is {new.get('timezone')}, not {old.get('timezone')}"
        _, sequences = both.kind("sequences")
        for id in or_none(sorted(id for id, said in sequences.items() if "timezone" not in said)):
            yield Change(id, None, "zone", words, places.key("timezone"))


def _without(data: Mapping[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    return {name: value for name, value in data.items() if name not in names}
