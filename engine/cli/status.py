"""`engine status`: stops, pauses, the last runs, doubts."""

from __future__ import annotations

import click

from engine.cli.door import Door
from engine.cli.options import format_option, now_option, pass_door, pii_option


@click.command()
@format_option("text", "json")
@pii_option
@now_option
@pass_door
def status(door: Door, format_: str, show_pii: bool) -> int:
    """Stops and pauses in force, who holds the ledger, the last runs, sends whose outcome nobody knows, jobs that are late."""
    door.refuse_pii(show_pii)
    from engine.runs.inbox import unreadable, waiting
    from engine.runs.jobs import jobs_now
    from engine.views import status as view
    from engine.views.naming import Naming

    site = door.site()
    with site.read_ledger() as ledger:
        known = ledger.status(site.now)
        page = view.StatusPage(
            project=site.definitions.project.name,
            environment=site.environment.name,
            zone=site.definitions.project.timezone,
            now=site.now,
            status=known,
            copied_at=ledger.copied_at,
            held_by=ledger.holder(),
            kill_switch=site.stopped,
            waiting=tuple(waiting(site.state).values()),
            unreadable=unreadable(site.state),
            naming=Naming(site.definitions, site.pseudonyms, show_pii),
            jobs=jobs_now(site.definitions.project, ledger, known, site.now),
        )
    door.say_age(page.copied_at, page.zone)
    door.out(view.as_json(page) if format_ == "json" else view.as_text(page, width=door.width, ink=door.ink, command=door.command))
    return 0
