"""`engine simulate`: the calendar of the coming days."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from pathlib import Path

import click

from engine.cli.door import Door
from engine.cli.options import MOST_DAYS, format_option, now_option, pass_door
from engine.cli.watching import watched


@click.command()
@click.option("--until", required=True, type=click.DateTime(["%Y-%m-%d"]), metavar="DATE", help="The last day, such as 2026-12-31; the whole of it counts.")
@format_option("text", "json", "html", "ics")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE", help="Write it there.")
@now_option
@pass_door
def simulate(door: Door, until: datetime, format_: str, out: Path | None) -> int:
    """What would go in the coming days: per sequence, per day, and how many one contact gets. Nothing is written, and no mail leaves."""
    from engine.rehearsal.simulating import simulation
    from engine.views import simulated as view

    site = door.site()
    with watched(door) as progress:
        found = simulation(
            site,
            _end(until.date(), site.now, site.definitions.project.timezone),
            progress=lambda done, total: progress("days", done, total),
        )
    door.say_age(found.ledger_as_of, found.timezone)
    if format_ == "text":
        text = view.as_text(found, width=door.width, ink=door.ink)
    else:
        text = {"json": view.as_json, "html": view.as_html, "ics": view.as_ics}[format_](found)
    door.deliver(text, out)
    return 0


def _end(last: date, now: datetime, zone: str) -> datetime:
    """The last instant of the local day."""
    from engine.clock import to_local, to_utc
    from engine.errors import WrongUsage

    today = to_local(now, zone).date()
    if not today <= last <= today + timedelta(days=MOST_DAYS):
        raise WrongUsage(f"--until {last} is not within {MOST_DAYS} days from {today}", help="the CRM does not stand still for longer")
    return to_utc(datetime.combine(last + timedelta(days=1), time()), zone) - timedelta(microseconds=1)
