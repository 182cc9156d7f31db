"""What decides who is a member of a segment, as one digest: its rules, those of the segments that it names, and the map (semantics 3.3)."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from typing import Any

from engine.definitions.definitions import Definitions
from engine.definitions.rules import All, AnyOf, InSegment


def rule_digest(definitions: Definitions, segment: str) -> str:
    """Equal where the same records are members by the same rules. Lists of members are not in it: who is put on one enters."""
    said = [segment, definitions.segments[segment].entity, _segment(definitions, segment), _map(definitions)]
    return "sha256:" + hashlib.sha256(_text(said).encode("utf-8", "surrogatepass")).hexdigest()


def _segment(definitions: Definitions, id: str) -> Any:
    rules = definitions.segments[id].rules
    return "members" if rules is None else _plain(definitions, rules)


def _plain(definitions: Definitions, part: Any) -> Any:
    """A rule without the places of its words; what all or any of hold in one order, whatever the file's is."""
    if isinstance(part, InSegment):
        return ["segment", part.segment, _segment(definitions, part.segment) if part.segment in definitions.segments else None]
    if isinstance(part, All | AnyOf):
        return [type(part).__name__, sorted((_plain(definitions, rule) for rule in part.rules), key=_text)]
    if dataclasses.is_dataclass(part) and not isinstance(part, type):
        fields = [field.name for field in dataclasses.fields(part) if field.name != "at"]
        return [type(part).__name__, *(_plain(definitions, getattr(part, name)) for name in fields)]
    if isinstance(part, tuple):
        return [_plain(definitions, item) for item in part]
    return part if part is None or isinstance(part, str | int | float | bool) else str(part)


def _map(definitions: Definitions) -> Any:
    """Where the records come from and how they are related; descriptions and choices say nothing of that."""
    return {
        name: {
            "from": [entity.table, entity.sql, entity.key],
            "fields": {field: [said.type, said.column, said.timezone] for field, said in entity.fields.items()},
            "relations": {relation: [said.one, said.many, said.via] for relation, said in entity.relations.items()},
        }
        for name, entity in definitions.crm.entities.items()
    }


def _text(value: Any) -> str:
    return json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
