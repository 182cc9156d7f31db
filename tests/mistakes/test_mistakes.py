"""Planted mistakes: each is a line away from the good project in `base/`, and what the engine says of it stands beside it.

A case is `cases/NAME.yaml` (the lines to replace) and `cases/NAME.txt` (the text that people read). `UPDATE_GOLDEN=1`
rewrites the texts; read every one of them before you commit it.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from engine.definitions.loading import MemoryTree, WorkTree, load
from engine.definitions.reading_cases import read_cases
from engine.messages.checking import check_templates
from engine.problem_codes import CODES
from engine.rehearsal.proving import reasons_by_kind
from engine.views.problems import reader_of, text

HERE = Path(__file__).parent
CASES = sorted((HERE / "cases").glob("*.yaml"))


def base() -> dict[str, bytes]:
    tree = WorkTree(HERE / "base")
    return {path: tree.read(path) for path in tree.paths()}


def planted(case: dict[str, Any]) -> MemoryTree:
    """The good project with the mistake in it."""
    files = base()
    for edit in case.get("edit", []):
        lines, replacement = edit["lines"] + "\n", edit["with"] + "\n" if edit["with"] is not None else ""
        before = files[edit["file"]].decode()
        assert before.count(lines) == 1, f"{edit['file']} has {before.count(lines)} times: {lines}"
        after = before.replace(lines, replacement).encode()
        files[edit["file"]] = re.sub(rb"\\x([0-9a-f]{2})", lambda found: bytes.fromhex(found[1].decode()), after) if case.get("bytes") else after
    for old, new in case.get("move", {}).items():
        files[new] = files.pop(old)
    for old, new in case.get("copy", {}).items():
        files[new] = files[old]
    if "remove" in case:
        del files[case["remove"]]
    files.update({path: content.encode() for path, content in case.get("add", {}).items()})
    return MemoryTree(files)


def said(case: Path) -> str:
    tree = planted(yaml.safe_load(case.read_text(encoding="utf-8")))
    loaded = load(tree)
    return text([*loaded.problems, *read_cases(tree, loaded.definitions, reasons_by_kind())[1]], reader_of(tree))


def test_the_base_project_is_good() -> None:
    """Nothing is wrong before a mistake is planted, so each text below is about the mistake alone."""
    loaded = load(WorkTree(HERE / "base"))
    assert loaded.problems == ()
    assert loaded.definitions is not None


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.stem)
def test_a_mistake_is_told_at_its_place_with_a_way_out(case: Path) -> None:
    """The code, the line, the column, what is marked and the help are as they stand in the golden text."""
    found = said(case)
    golden = case.with_suffix(".txt")
    if os.environ.get("UPDATE_GOLDEN"):
        golden.write_text(found, encoding="utf-8")
    assert found == golden.read_text(encoding="utf-8")


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.stem)
def test_one_mistake_is_one_problem(case: Path) -> None:
    """A mistake has no echo, neither in the files nor in the texts of templates: what depends on a broken file is silent until that is mended."""
    tree = planted(yaml.safe_load(case.read_text(encoding="utf-8")))
    loaded = load(tree)
    in_texts = check_templates(loaded.sound_parts, tree.read) if loaded.sound_parts else []
    in_cases = read_cases(tree, loaded.definitions, reasons_by_kind())[1]
    problems = [*loaded.problems, *in_cases, *(problem for problem in in_texts if problem.severity == "error")]
    assert len(problems) == 1, [str(problem) for problem in problems]
    assert problems[0].help, "a mistake without a way out"


def test_mistakes_of_yaml_and_of_templates_are_told_together() -> None:
    """A broken sequence hides no unknown variable: one run of `validate` shows both; only what depends on the broken file is left out."""
    files = base()
    files["definitions/sequences/renewal.yaml"] = files["definitions/sequences/renewal.yaml"].replace(b"before: 30d", b"before: 30m")
    files["definitions/templates/tips.yaml"] = files["definitions/templates/tips.yaml"].replace(b"Tips for {{ contact_name }}", b"Tips for {{ contact_nam }}")
    tree = MemoryTree(files)
    loaded = load(tree)
    assert loaded.definitions is None and loaded.sound_parts is not None
    told = {problem.code for problem in (*loaded.problems, *check_templates(loaded.sound_parts, tree.read))}
    assert {"E116", "E201"} <= told


def test_every_code_of_form_references_and_rules_has_a_golden_text() -> None:
    """A code that no mistake shows is a code that nobody has read."""
    shown = {code for case in CASES for code in re.findall(r"\[(E\d{3})\]", case.with_suffix(".txt").read_text(encoding="utf-8"))}
    # These two need what was last applied beside the files: tests/plan/test_8_told.py has their words.
    own = {code for code in CODES if code[1] in "123"} - {"E260", "E261"}
    assert own - shown == set()
    assert shown - own == set()
