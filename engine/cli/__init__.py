"""The command line: one module a command, imported when that command runs. `engine --help` imports click and nothing heavy."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

import click

from engine import __version__
from engine.cli.catalog import Catalog
from engine.cli.door import Door
from engine.cli.ending import ended_calmly


@click.group(
    cls=Catalog,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="`engine COMMAND --help` says more. `engine explain CODE` tells what a reason or an error code means.",
)
@click.option("-C", "directory", metavar="DIR", default=".", type=click.Path(path_type=Path), help="The project's folder; the current one if not said.")
@click.option("--env", "environment", metavar="NAME", help="The environment; the first of engine.yaml if not said.")
@click.version_option(__version__, prog_name="engine")
@click.pass_context
def cli(context: click.Context, directory: Path, environment: str | None) -> None:
    """Lifecycle e-mail that is reviewed like software: YAML in git, a plan before every send, a ledger behind every mail."""
    door = context.ensure_object(Door)
    door.directory, door.environment = directory, environment


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command line and exit with the codes of interface.md §3."""
    sys.exit(ended_calmly(cli, arguments))
