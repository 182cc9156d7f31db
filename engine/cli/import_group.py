"""`engine import`: taking over from another system."""

from __future__ import annotations

import click

from engine.cli.import_django import django
from engine.cli.import_enrollments import enrollments
from engine.cli.import_sends import sends


@click.group("import")
def import_() -> None:
    """Take over from another system: its log, the people on its paths, its definitions.

    Import its log before the first apply, and nobody gets a mail again that the other system has sent.
    """


for command in (sends, enrollments, django):
    import_.add_command(command)
