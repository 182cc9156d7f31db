"""The definitions alone, for commands that need no environment, no key and no database."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.cli.door import Door

if TYPE_CHECKING:
    from engine.definitions.definitions import Definitions


def sound(door: Door) -> Definitions:
    """The definitions of the work tree. Raises DefinitionsInError."""
    from engine.definitions.trees import WorkTree
    from engine.runs.opening import sound_definitions

    return sound_definitions(WorkTree(door.root))[0]
