"""`engine import enrollments`: the people on another system's paths as rows of the ledger."""

from __future__ import annotations

from pathlib import Path

import click

from engine.cli.door import Door
from engine.cli.import_options import import_options, run_import
from engine.cli.options import format_option, now_option, pass_door


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@import_options
@format_option("text", "json")
@now_option
@pass_door
def enrollments(door: Door, file: Path, dictionary: Path | None, column: tuple[str, ...], url: str | None, dry_run: bool, leave_out: bool, format_: str) -> int:
    """The people on the paths of another system: FILE is CSV, Parquet, or a .sql file with one SELECT.

    Each goes on behind the last step that they had there; who was paused is paused, who was done is done. Import the mails first:
    `engine import sends`.
    """
    return run_import(door, "enrollments", file, dictionary, column, url, dry_run, leave_out, format_)
