"""A small good project for tests: the one that the planted mistakes start from."""

from __future__ import annotations

from pathlib import Path

from engine.definitions.definitions import Definitions
from engine.definitions.loading import MemoryTree, WorkTree, load
from engine.problems import Problem

ROOT = Path(__file__).parent.parent / "mistakes" / "base"


def files() -> dict[str, bytes]:
    tree = WorkTree(ROOT)
    return {path: tree.read(path) for path in tree.paths()}


def good(changed: dict[str, str | bytes] | None = None) -> Definitions:
    """The project's definitions, with some files changed."""
    loaded = load(MemoryTree({**files(), **(changed or {})}))
    assert loaded.definitions is not None, loaded.problems
    return loaded.definitions


def problems(changed: dict[str, str | bytes]) -> tuple[Problem, ...]:
    return load(MemoryTree({**files(), **changed})).problems


def codes(changed: dict[str, str | bytes]) -> list[str]:
    return [problem.code for problem in problems(changed)]


def replaced(path: str, old: str, new: str) -> dict[str, str | bytes]:
    """One file with one text replaced."""
    text = files()[path].decode()
    assert text.count(old) == 1, f"{text.count(old)} times in {path}: {old}"
    return {path: text.replace(old, new)}
