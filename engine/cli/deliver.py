"""`engine deliver`: send what an apply has planned."""

from __future__ import annotations

import click

from engine.cli.door import Door
from engine.cli.options import format_option, now_option, pass_door
from engine.cli.watching import watched


@click.command()
@click.option("--stay", is_flag=True, help="Go on looking for work until SIGTERM; only with a ledger on Postgres.")
@format_option("text", "json")
@now_option
@pass_door
def deliver(door: Door, stay: bool, format_: str) -> int:
    """Send what `engine apply --plan-only` has planned, and record it. Nothing is planned here.

    With a ledger on Postgres run as many as you like, on as many hosts: each mail leaves once. A ledger in a file takes one at a time.
    SIGTERM finishes what is in flight and ends. Exit 5 while another run holds a ledger in a file, 6 when something failed or is unknown.
    """
    from engine.runs.delivering import work
    from engine.views import worked as view

    site = door.site()
    with watched(door) as progress:
        worked = work(site, environ=door.environ, live=door.now_said is None, stay=stay, progress=progress)
    if format_ == "json":
        door.out(view.as_json(worked, site))
    else:
        door.out(view.as_text(worked, site, width=door.width, ink=door.ink, command=door.command))
    return worked.exit_code
