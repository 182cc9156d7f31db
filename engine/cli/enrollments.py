"""`engine enrollments`: who is on which sequence, and how far."""

from __future__ import annotations

from dataclasses import replace

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
    from engine.runs.pending import pending_enrollments
    from engine.views import history as view
    from engine.views.held import Held, held_by_files
    from engine.views.naming import Naming

    site = door.site()
    entity, key = record_named(site.definitions, record) if record else (None, None)
    wanted = EnrollmentFilter(sequence=sequence, contact=contact, entity=entity, record=key, live=live)
    with site.read_ledger() as ledger:
        # Those by hand that no apply has seen come before the first of those that the ledger has, and are counted and paged with them.
        pending = pending_enrollments(site.definitions, ledger, wanted, site.now)
        first = pending[offset : offset + limit]
        page = ledger.enrollments(wanted, limit=limit - len(first), offset=max(0, offset - len(pending)))
        page = replace(page, total=page.total + len(pending), offset=offset)
        orders = [*ledger.held(), *(one for one in ledger.status(site.now).controls if one.scope != "enrollment")]
        # A cancellation is lifted by the exit that it asked for; as of that moment the ledger still has it.
        ended = sorted({row.exit_at for row in page.rows if row.exit_at is not None and row.exit_reason == "cancelled"})
        orders += [one for at in ended for one in ledger.held(at) if one.action == "cancelled"]
        held = Held(orders, site.now, files=held_by_files(site.definitions), kill_switch=site.stopped)
        copied_at = ledger.copied_at
    naming = Naming(site.definitions, site.pseudonyms, show_pii)
    zone = site.definitions.project.timezone
    door.say_age(copied_at, zone)
    note_unknown(door, site.definitions, sequence)
    door.out(
        view.enrollments_json(page, naming, zone, held, first, all_pending=len(pending))
        if format_ == "json"
        else view.enrollments_text(page, naming, zone, width=door.width, ink=door.ink, held=held, pending=first)
    )
    return 0
