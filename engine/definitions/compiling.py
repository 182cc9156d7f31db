"""The definitions in the form that the ledger keeps: what a later change is compared with (semantics §8).

Texts and lists of members are digests, so that nothing of them lies in the ledger; all else stands as in the files.
"""

from __future__ import annotations

import hashlib
import json
import posixpath
from typing import Any

from engine.definitions.draft import Draft
from engine.definitions.trees import inside

FORMAT = 2
# What of engine.yaml decides about mails. Environments and owners do not.
_OF_THE_PROJECT = ("timezone", "locales", "sender", "links", "topics", "caps", "holidays", "guards")


def compiled(draft: Draft) -> str:
    """Everything that decides who gets which mail when, as canonical JSON."""
    of = {kind: {id: data for (other, id), data in draft.data.items() if other == kind} for kind in ("sequence", "segment", "template", "type", "enrollment")}
    project = draft.data.get(("project", "project"), {})
    said = {
        "format": FORMAT,
        "project": {name: project[name] for name in _OF_THE_PROJECT if name in project},
        "crm": draft.data.get(("crm", "crm"), {}),
        "sequences": of["sequence"],
        "segments": {id: _segment(draft, id, data) for id, data in of["segment"].items()},
        "templates": {id: _template(draft, id, data) for id, data in of["template"].items()},
        "types": of["type"],
        "layouts": {id: _digest(layout.html) for id, layout in draft.layouts.items()},
        "partials": {name: _digest(text) for name, text in draft.partials.items()},
        "enrollments": {id: _enrollment(data) for id, data in of["enrollment"].items()},
    }
    return json.dumps(said, sort_keys=True, ensure_ascii=False, separators=(",", ":"), default=str)


def _digest(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, sort_keys=True, ensure_ascii=False, default=str)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:20]


def _segment(draft: Draft, id: str, data: dict[str, Any]) -> dict[str, Any]:
    if "members" not in data:
        return data
    members = draft.members.get(id, ())
    return {**data, "members": {"count": len(members), "digest": _digest(list(members))}}


def _enrollment(data: dict[str, Any]) -> dict[str, Any]:
    if "contacts" not in data:
        return data
    return {**data, "contacts": {"count": len(data["contacts"]), "digest": _digest(sorted(map(str, data["contacts"])))}}


def _template(draft: Draft, id: str, data: dict[str, Any]) -> dict[str, Any]:
    """Each text by part and language: `{"subject": {"en": digest}}`."""
    folder = posixpath.dirname(draft.where("template", id).file)
    found = dict(data)
    for part in ("subject", "preheader", "body", "text"):
        if isinstance(data.get(part), dict):
            found[part] = {
                locale: _digest(draft.bodies.get(inside(posixpath.join(folder, text["file"])), "") if isinstance(text, dict) else text)
                for locale, text in data[part].items()
            }
    return found
