"""What this project has, for an editor to offer while one types: fields, segments, templates, events, owners, each with its description."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from engine.definitions.crm import Crm, Field
from engine.definitions.definitions import Definitions, Kind

# Values with what is said beside them.
Offer = Mapping[str, str]
# Where a value is one of the project's: kind of file, definition in its schema ("" is the file itself), key, and what it is one of.
_PLACES: tuple[tuple[Kind, str, str, str], ...] = (
    ("sequence", "", "about", "entities"), ("sequence", "", "owner", "owners"), ("sequence", "Step", "template", "templates"), ("sequence", "Choice", "use", "templates"),
    ("sequence", "DateTrigger", "date", "dates"), ("sequence", "EventTrigger", "event", "events"), ("sequence", "EntersTrigger", "enters", "segments"),
    ("sequence", "ScheduleTrigger", "for", "segments"), ("sequence", "OnceTrigger", "for", "segments"), ("sequence", "Audience", "from", "ways"),
    ("segment", "", "entity", "entities"), ("segment", "", "owner", "owners"),
    ("template", "", "type", "types"), ("template", "", "layout", "layouts"),
    ("type", "", "about", "entities"), ("type", "", "extends", "types"), ("type", "", "topic", "topics"),
    ("enrollment", "", "sequence", "manual"), ("enrollment", "", "segment", "segments"),
)  # fmt: skip


def offer(kind: Kind, schema: dict[str, Any], definitions: Definitions) -> None:
    """Put the project's own words into a schema. Nothing becomes an error by it: what is new since then is allowed as before."""
    offers = _offers(definitions)
    for of, name, key, what in _PLACES:
        part = schema if not name else schema.get("$defs", {}).get(name, {})
        if of == kind and key in part.get("properties", {}):
            part["properties"][key] = _with(part["properties"][key], offers[what])
    rule = schema.get("$defs", {}).get("Rule")
    if rule is not None:
        rule["properties"]["segment"] = _with(rule["properties"]["segment"], offers["segments"])
        for path, field in fields(definitions.crm).items():
            rule["properties"].setdefault(path, _condition(field))
    if kind == "type" and "Variable" in schema.get("$defs", {}):
        known = {path: said(field) for path, field in fields(definitions.crm).items() if "." in path}
        properties = schema["$defs"]["Variable"]["properties"]
        for key in ("value", "days_until", "days_since"):
            if key in properties:
                properties[key] = _with(
                    properties[key],
                    {path: text for path, text in known.items() if key == "value" or fields(definitions.crm)[path].type in ("date", "timestamp")},
                )


def _with(part: dict[str, Any], offered: Offer) -> dict[str, Any]:
    """The same schema with values that an editor completes, in front of what is allowed anyway."""
    if not offered:
        return part
    beside: dict[str, Any] = {key: part[key] for key in ("description", "title", "default") if key in part}
    rest = {key: value for key, value in part.items() if key not in beside}
    return {**beside, "anyOf": [*({"const": value, "description": text} if text else {"const": value} for value, text in offered.items()), rest]}


def _condition(field: Field) -> dict[str, Any]:
    """What a field may be compared with, its choices in front."""
    general = {"$ref": "#/$defs/Condition"}
    if field.choices:
        return {
            "description": said(field),
            "anyOf": [{"enum": list(field.choices)}, {"type": "array", "items": {"anyOf": [{"enum": list(field.choices)}, {}]}, "minItems": 1}, general],
        }
    return {"description": said(field), "anyOf": [{"type": "boolean"}, general] if field.type == "boolean" else [general]}


def fields(crm: Crm) -> dict[str, Field]:
    """Every path that a rule is likely to name: bare fields, those of each entity, and those of a record that it belongs to."""
    found: dict[str, Field] = {}
    for name, entity in crm.entities.items():
        found |= {f"{name}.{field}": said for field, said in entity.fields.items()}
        for way, relation in entity.relations.items():
            if relation.one in crm.entities:
                there = crm.entities[relation.one].fields.items()
                # From the record itself, and by the relation's own name.
                found |= {f"{name}.{way}.{field}": said for field, said in there}
                for field, said in there:
                    found.setdefault(f"{way}.{field}", said)
    for entity in crm.entities.values():
        for field, said in entity.fields.items():
            found.setdefault(field, said)
    return found


def said(field: Field) -> str:
    """A field in words: what it is, its type, and whether it is personal."""
    kind = f"{field.type}, personal" if field.pii else field.type
    return f"{field.description} ({kind})" if field.description else kind


def _offers(definitions: Definitions) -> dict[str, Offer]:
    crm, project = definitions.crm, definitions.project
    return {
        "entities": {name: entity.description for name, entity in crm.entities.items()},
        "owners": dict.fromkeys(project.owners, ""),
        "templates": {id: template.type for id, template in sorted(definitions.templates.items())},
        "types": {id: one.description or one.name for id, one in sorted(definitions.types.items())},
        "layouts": dict.fromkeys(sorted(definitions.layouts), ""),
        "topics": dict.fromkeys(project.topics, ""),
        "segments": {id: one.description or one.name for id, one in sorted(definitions.segments.items()) if one.status != "archived"},
        "manual": {id: one.description or one.name for id, one in sorted(definitions.sequences.items()) if one.trigger.kind == "manual"},
        "events": {name: event.description or f"of {event.entity}" for name, event in crm.events.items()},
        "dates": {path: said(field) for path, field in fields(crm).items() if field.type in ("date", "timestamp") and path.partition(".")[0] in crm.entities},
        "ways": _ways(crm),
    }


def _ways(crm: Crm) -> Offer:
    """Paths from a record to contacts."""
    contact = crm.contact.entity
    found: dict[str, str] = {}
    for name, entity in crm.entities.items():
        for way, relation in entity.relations.items():
            if contact in (relation.many, relation.one):
                found[f"{name}.{way}"] = ""
            elif relation.one in crm.entities:
                found |= {f"{name}.{way}.{on}": "" for on, next in crm.entities[relation.one].relations.items() if contact in (next.many, next.one)}
    return found
