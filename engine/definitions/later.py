"""What later versions bring: refused with a clear word until it works, never ignored."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from engine.definitions.base import Loc
from engine.definitions.definitions import Kind, Places
from engine.definitions.rules import LATER_HELP
from engine.problems import Problem

# By kind: where the key stands (`*` is any key), and what it is called. A key whose mapping has nothing else is refused with its value.
_LATER: dict[Kind, tuple[tuple[tuple[str, ...], str], ...]] = {
    "sequence": ((("combine",), "several records in one mail (`combine:`) is"),),
}


def refuse_later(kind: Kind, data: Any, places: Places) -> tuple[list[Problem], list[Loc]]:
    """What stands in the file that a later version reads, and where: nothing else is said about those places."""
    problems, locs = [], []
    for pattern, what in _LATER.get(kind, ()):
        for loc in _matches(data, pattern):
            problems.append(Problem("E109", f"{what} not in this version yet", places.key(*loc), LATER_HELP))
            locs.append(loc)
    return problems, locs


def _matches(data: Any, pattern: tuple[str, ...], loc: Loc = ()) -> Iterator[Loc]:
    if not pattern:
        yield loc
    elif isinstance(data, dict):
        for key in data if pattern[0] == "*" else [pattern[0]] if pattern[0] in data else []:
            yield from _matches(data[key], pattern[1:], (*loc, key))
