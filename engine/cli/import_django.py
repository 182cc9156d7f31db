"""`engine import django`: the definitions and the history of the Django CRM."""

from __future__ import annotations

import click

from engine.cli.door import Door
from engine.cli.options import format_option, now_option, pass_door


@click.command()
@click.option("--url", required=True, metavar="URL", envvar="ENGINE_DJANGO_URL", help="The CRM's Postgres database, or sqlite:///FILE; or ENGINE_DJANGO_URL.")
@click.option("--dry-run", is_flag=True, help="Show what would be written; write nothing.")
@format_option("text", "json")
@now_option
@pass_door
def django(door: Door, url: str, dry_run: bool, format_: str) -> int:
    """Read the e-mail tables of the Django CRM and write them as files: definitions, and the history that `engine import` takes.

    What is written passes `engine validate`; what cannot be carried over is listed with the reason. Sequences come as drafts.
    No file that is there is touched.
    """
    from engine.cutover.django import carry, write
    from engine.cutover.django_tables import read_tables
    from engine.views import carried as view

    carried = carry(door.root, read_tables(url))
    if not dry_run:
        write(door.root, carried)
    if format_ == "json":
        door.out(view.as_json(carried, written=not dry_run))
    else:
        door.out(view.as_text(carried, written=not dry_run, root=door.directory, command=door.command, width=door.width, ink=door.ink))
    return 0
