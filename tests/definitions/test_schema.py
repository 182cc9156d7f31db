"""JSON Schema for editors: what is good passes, what is misspelled does not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from engine.definitions.loading import WorkTree, load
from engine.definitions.schema import DIALECT, kind_of, modeline, schema_of, schemas, write_schemas
from engine.definitions.yaml_reader import read_yaml
from tests.definitions.projects import ROOT

jsonschema = pytest.importorskip("jsonschema")


def errors(kind: Any, data: Any) -> list[str]:
    return [error.message for error in jsonschema.Draft202012Validator(schema_of(kind)).iter_errors(data)]


def test_every_schema_is_one_of_draft_2020_12_and_names_no_address_but_its_dialect() -> None:
    """An editor needs no network for it."""
    for name, schema in schemas().items():
        jsonschema.Draft202012Validator.check_schema(schema)
        assert schema["$schema"] == DIALECT, name
        text = json.dumps(schema)
        assert text.count("://") == 1 and "x-rule" not in text, name


@pytest.mark.parametrize("root", [ROOT, Path(__file__).parents[2]], ids=["the base of the mistakes", "the example"])
def test_every_good_file_passes(root: Path) -> None:
    """What the engine takes, the editor takes."""
    tree = WorkTree(root)
    for path in tree.paths():
        kind = kind_of(path)
        if kind is not None:
            assert errors(kind, read_yaml(path, tree.read(path)).data) == [], path


@pytest.mark.parametrize(
    "rules",
    [{}, {"all": []}, {"a.b": {"equal": 1}}, {"Not": {}}, {"count": {"a": {"where": {"s": 1}}}}, {"segment": 3}, {"not": {"x": {"between": [1]}}}, {"exists": {"a": {"b": []}}}, {"a": {"within_last": "30m"}}],
)
def test_the_rule_language_is_spelled_out(rules: Any) -> None:
    """Groups, operators and their operands are described, not only "an object"."""
    assert errors("segment", {"id": "x", "entity": "contact", "rules": rules})
    assert not errors("segment", {"id": "x", "entity": "contact", "rules": {"any": [{"a.b": [1, "x"]}, {"not": {"exists": {"c.d": {}}}}, {"count": {"e": {"at_least": 1}}}, {"d": {"before": "2026-01-01"}}]}})


def test_trigger_short_fields_and_unknown_keys() -> None:
    """`trigger: manual`, `country: text`, and no key that is not known."""
    step = {"id": "a", "wait": "0d", "template": "t"}
    assert errors("sequence", {"id": "x", "about": "contact", "trigger": "manual", "steps": [step]}) == []
    assert errors("sequence", {"id": "x", "about": "contact", "trigger": "manuel", "steps": [step]})
    assert errors("sequence", {"id": "x", "about": "contact", "trigger": "manual", "steps": [step], "goal": None})
    assert errors("sequence", {"id": "x", "about": "contact", "trigger": "manual", "steps": [{**step, "wait": "3 days"}]})


def test_schemas_are_written_into_the_project(tmp_path: Path) -> None:
    """The same bytes each time, and the first line of a file finds them."""
    first = {path.name: path.read_bytes() for path in write_schemas(tmp_path)}
    assert first == {path.name: path.read_bytes() for path in write_schemas(tmp_path)}
    line = modeline("definitions/sequences/renewals/a.yaml")
    assert line == "# yaml-language-server: $schema=../../../.schemas/sequence.json"
    assert (tmp_path / "definitions/sequences/renewals" / line.partition("=")[2]).resolve().name == "sequence.json"
    assert modeline("engine.yaml") == "# yaml-language-server: $schema=.schemas/project.json"


LIBRARY = Path(__file__).parents[2]


def test_schemas_know_this_project() -> None:
    """9: fields with their descriptions, choices, segments, templates and owners are offered; every good file passes as before, and so does a word that is new."""
    definitions = load(WorkTree(LIBRARY)).definitions
    assert definitions is not None
    made = schemas(definitions)
    for name, schema in made.items():
        jsonschema.Draft202012Validator.check_schema(schema)
        assert json.dumps(schema).count("://") == 1, name
    rule = made["segment.json"]["$defs"]["Rule"]["properties"]
    assert {"company.industry", "contract.end_date", "contract.company.name", "status"} <= rule.keys()
    assert "hotel" in rule["company.industry"]["anyOf"][0]["enum"] and "text" in rule["company.industry"]["description"]
    assert {"vip", "hotels-in-thailand"} <= {one.get("const") for one in rule["segment"]["anyOf"]}
    steps = made["sequence.json"]["$defs"]["Step"]["properties"]["template"]["anyOf"]
    assert {"welcome", "newsletter"} <= {one.get("const") for one in steps}
    tree = WorkTree(LIBRARY)
    for path in tree.paths():
        kind = kind_of(path)
        if kind is not None:
            found = list(jsonschema.Draft202012Validator(made[f"{kind}.json"]).iter_errors(read_yaml(path, tree.read(path)).data))
            assert not found, (path, found)
    new = {"id": "x", "entity": "contact", "rules": {"segment": "not-yet", "company.industry": "farm"}}
    assert not list(jsonschema.Draft202012Validator(made["segment.json"]).iter_errors(new))
