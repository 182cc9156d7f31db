"""Long work, watched: a bar on stderr where that is a terminal, and nothing elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from engine.cli.door import Door

_STAGES = {
    "reading": "reading the CRM",
    "planning": "planning",
    "sending": "sending",
    "both": "days, with the change and without",
    "days": "days ahead",
    "planned": "days planned",
}


@contextmanager
def watched(door: Door) -> Iterator[Callable[[str, int, int], None]]:
    """A bar on stderr where that is a terminal; nothing elsewhere."""
    import sys

    if not sys.stderr.isatty():
        yield lambda stage, done, total: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("opening", total=None)

        def show(stage: str, done: int, total: int) -> None:
            bar.update(task, description=_STAGES[stage], completed=done, total=total or None)

        yield show
