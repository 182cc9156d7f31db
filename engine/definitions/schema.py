"""JSON Schema (draft 2020-12) of every kind of file, for editors: made from the models, with the rule language spelled out.

A file begins with the line that `modeline` gives, and the editor completes and checks while one types. What a schema
cannot say (does the path lead somewhere) is told by `engine validate`.
"""

from __future__ import annotations

import json
import posixpath
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from engine.definitions.cases import Case
from engine.definitions.definitions import Definitions, Kind
from engine.definitions.loading import KINDS, MODELS
from engine.definitions.offering import offer
from engine.definitions.rules import DATE_OPERATORS, ORDER_OPERATORS, TEXT_OPERATORS

FOLDER = ".schemas"
DIALECT = "https://json-schema.org/draft/2020-12/schema"
_SCALAR = {"type": ["string", "number", "boolean"]}
_NAMES: Mapping[Kind, str] = {
    "project": "engine.yaml", "crm": "definitions/crm.yaml", "type": "A template type", "template": "A template", "segment": "A segment", "sequence": "A sequence",
    "enrollment": "An enrollment by hand",
}  # fmt: skip


def schema_of(kind: Kind, definitions: Definitions | None = None) -> dict[str, Any]:
    """The schema of one kind of file; with definitions it offers what this project has."""
    made = MODELS[kind].model_json_schema(by_alias=True, mode="validation")
    if kind == "crm":
        _short_fields(made)
    _without_null(made)
    if _point_to_rules(made):
        made["$defs"] = {**made.get("$defs", {}), **_rule_language()}
    if definitions is not None:
        offer(kind, made, definitions)
    return {"$schema": DIALECT, **made, "title": _NAMES[kind]}


def schemas(definitions: Definitions | None = None) -> dict[str, dict[str, Any]]:
    """File name to schema, for all kinds."""
    return {**{f"{kind}.json": schema_of(kind, definitions) for kind in MODELS}, "test.json": cases_schema()}


def cases_schema() -> dict[str, Any]:
    """The schema of a file of campaign tests: a list of cases, in which an entity's rows stand under its name."""
    case = Case.model_json_schema(by_alias=True, mode="validation")
    known = case.pop("$defs")
    for name in ("Given", "Then"):
        rows = known[name]["properties"].pop("records")["additionalProperties"]
        known[name]["additionalProperties"] = {**rows, "description": "Records of this entity: fields by their names in the map"}
    made = {"$defs": {**known, "Case": case}, "type": "array", "items": {"$ref": "#/$defs/Case"}, "minItems": 1}
    _without_null(made)
    return {"$schema": DIALECT, **made, "title": "Campaign tests"}


def write_schemas(root: Path, definitions: Definitions | None = None) -> list[Path]:
    """Write `.schemas/*.json` in the project; gives the files. The same models give the same bytes."""
    folder = root / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for name, schema in schemas(definitions).items():
        path = folder / name
        path.write_text(json.dumps(schema, ensure_ascii=False, indent=2, sort_keys=True) + "\n", encoding="utf-8")
        written.append(path)
    return written


def kind_of(path: str) -> Kind | None:
    """The kind of a file of the project by where it stands."""
    parts = path.split("/")
    if path == "engine.yaml":
        return "project"
    if path == "definitions/crm.yaml":
        return "crm"
    return KINDS.get(parts[1]) if len(parts) > 2 and parts[0] == "definitions" and path.endswith(".yaml") else None


def modeline(path: str) -> str:
    """The first line of a definition: where its schema is, seen from the file.

    >>> modeline("definitions/sequences/contract-renewal.yaml")
    '# yaml-language-server: $schema=../../.schemas/sequence.json'
    """
    kind = "test" if path.startswith("definitions/tests/") and path.endswith(".yaml") else kind_of(path)
    if kind is None:
        raise ValueError(f"{path} is no definition")
    return f"# yaml-language-server: $schema={posixpath.relpath(f'{FOLDER}/{kind}.json', posixpath.dirname(path) or '.')}"


def _short_fields(schema: dict[str, Any]) -> None:
    """`country: text` is short for `country: {type: text}`."""
    long = schema["$defs"]["Field"]
    schema["$defs"]["Field"] = {"description": long.get("description", ""), "anyOf": [{"enum": long["properties"]["type"]["enum"]}, {**long, "title": "Field"}]}


def _without_null(part: Any) -> None:
    """A key that may be left out is left out, and not written without a value; but for `layout: null`, which says something."""
    if isinstance(part, list):
        for below in part:
            _without_null(below)
    elif isinstance(part, dict):
        for name, below in part.items():
            if name != "layout":
                _without_null(below)
        others = [member for member in part.get("anyOf", []) if member != {"type": "null"}]
        if "anyOf" in part and len(others) < len(part["anyOf"]):
            del part["anyOf"]
            part.update(others[0] if len(others) == 1 else {"anyOf": others})
        if part.get("default", ...) is None:
            del part["default"]


def _point_to_rules(part: Any) -> bool:
    """Put the rule language where the models have marked a rule; whether there was one."""
    found = False
    if isinstance(part, dict):
        if part.pop("x-rule", False):
            part["$ref"] = "#/$defs/Rule"
            found = True
        for below in list(part.values()):
            found = _point_to_rules(below) or found
    elif isinstance(part, list):
        for below in part:
            found = _point_to_rules(below) or found
    return found


def _rule_language() -> dict[str, Any]:
    rule, rules = {"$ref": "#/$defs/Rule"}, {"type": "array", "items": {"$ref": "#/$defs/Rule"}, "minItems": 1}
    related = {
        "type": "object",
        "minProperties": 1,
        "maxProperties": 1,
        "additionalProperties": {"anyOf": [rule, {"type": "null"}, {"type": "object", "maxProperties": 0}]},
    }
    counted = {
        "type": "object",
        "properties": {"where": rule, "at_least": {"type": "integer", "minimum": 0}, "at_most": {"type": "integer", "minimum": 0}},
        "additionalProperties": False,
        "anyOf": [{"required": ["at_least"]}, {"required": ["at_most"]}],
    }
    groups = {
        "all": {**rules, "description": "Every one of these holds"},
        "any": {**rules, "description": "At least one of these holds"},
        "not": {**rule, "description": "This does not hold"},
        "segment": {"type": "string", "description": "Member of another segment, by its id"},
        "exists": {**related, "description": "At least one related record; inside, bare names are the related record's fields"},
        "none": {**related, "description": "No related record"},
        "count": {"type": "object", "minProperties": 1, "maxProperties": 1, "additionalProperties": counted, "description": "A number of related records"},
    }
    return {
        "Rule": {
            "description": "A rule: paths with what they are compared with, or groups. Several keys in one mapping all hold.",
            "type": "object",
            "minProperties": 1,
            "properties": groups,
            # A path is every other key.
            "propertyNames": {"pattern": r"^[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)*$"},
            "additionalProperties": {"$ref": "#/$defs/Condition"},
        },
        "Condition": {
            "description": "One value (equals), a list (one of them), or operators",
            "anyOf": [_SCALAR, {"type": "array", "items": _SCALAR, "minItems": 1}, {"$ref": "#/$defs/Operators"}],
        },
        "Operators": {"type": "object", "minProperties": 1, "additionalProperties": False, "properties": _operators()},
    }


def _operators() -> dict[str, Any]:
    comparable = {"type": ["number", "string"]}
    known: dict[str, Any] = {"equals": _SCALAR, "not_equals": _SCALAR, "in_list": {"type": "array", "items": _SCALAR, "minItems": 1}}
    known |= dict.fromkeys(TEXT_OPERATORS, {"type": "string", "minLength": 1})
    known |= {operator: comparable for operator in ORDER_OPERATORS if operator != "between"}
    known["between"] = {"type": "array", "items": comparable, "minItems": 2, "maxItems": 2, "description": "Both ends included, the smaller first"}
    known |= {"is_empty": {"type": "boolean"}, "is_not_empty": {"type": "boolean"}}
    known |= dict.fromkeys(DATE_OPERATORS[:3], {"type": "string", "examples": ["2026-12-31"]})
    known |= dict.fromkeys(DATE_OPERATORS[3:], {"type": "string", "pattern": r"^\s*\d{1,6}\s*(min|h|d|w|mo|y)\s*$", "examples": ["30d"]})
    return known
