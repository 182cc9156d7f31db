"""Problems of the user's files, said with their lines."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from engine.problems import Problem


def problems_text(problems: Sequence[Problem], root: Path) -> str:
    """All of them as interface.md §5 shows them."""
    from engine.definitions.trees import WorkTree
    from engine.views import problems as view

    return view.text(problems, view.reader_of(WorkTree(root)))
