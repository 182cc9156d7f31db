"""`engine import sends`: another system's log as rows of the ledger."""

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
def sends(door: Door, file: Path, dictionary: Path | None, column: tuple[str, ...], url: str | None, dry_run: bool, leave_out: bool, format_: str) -> int:
    """The mails that another system sent: FILE is CSV, Parquet, or a .sql file with one SELECT.

    Each takes its send key, so that it is never sent again, and counts for gaps and caps from the moment when it was sent. All of
    it is written, or nothing; a file that was imported before adds nothing.
    """
    return run_import(door, "sends", file, dictionary, column, url, dry_run, leave_out, format_)
