"""`engine enrollments`: who is on which sequence, and how far."""

from __future__ import annotations

import click

from engine.cli.door import Door
from engine.cli.options import format_option, now_option, page_options, pass_door, pii_option
from engine.cli.ordering import note_unknown, record_named
from engine.ledger.history import EnrollmentFilter


@click.command()
@click.option("--sequence", metavar="ID")
@click.option("--contact", metavar="KEY")
@click.option("--record", metavar="ENTITY:KEY")
@click.option("--live/--ended", default=None, help="Only those on their way, or only those that ended.")
@page_options
@format_option("text", "json")
@pii_option
@now_option
@pass_door
def enrollments(
    door: Door, sequence: str | None, contact: str | None, record: str | None, live: bool | None, limit: int, offset: int, format_: str, show_pii: bool
) -> int:
    """Who is on which sequence, and how far: as the last apply left it, the latest first."""
    door.refuse_pii(show_pii)
    from engine.views import history as view
    from engine.views.held import Held
    from engine.views.naming import Naming

    site = door.site()
    entity, key = record_named(site.definitions, record) if record else (None, None)
    with site.read_ledger() as ledger:
        page = ledger.enrollments(EnrollmentFilter(sequence=sequence, contact=contact, entity=entity, record=key, live=live), limit=limit, offset=offset)
        held = Held(ledger.held(), site.now)
        copied_at = ledger.copied_at
    naming = Naming(site.definitions, site.pseudonyms, show_pii)
    zone = site.definitions.project.timezone
    door.say_age(copied_at, zone)
    note_unknown(door, site.definitions, sequence)
    door.out(
        view.enrollments_json(page, naming, zone, held)
        if format_ == "json"
        else view.enrollments_text(page, naming, zone, width=door.width, ink=door.ink, held=held)
    )
    return 0
