"""`engine sends`: what went to whom, and when."""

from __future__ import annotations

import click

from engine.cli.door import Door, instant
from engine.cli.options import format_option, now_option, page_options, pass_door, pii_option
from engine.cli.ordering import note_unknown, record_named
from engine.ledger.history import SendFilter

STATES = ("planned", "claimed", "dispatching", "sent", "failed", "unknown", "skipped", "cancelled")


@click.command()
@click.option("--sequence", metavar="ID")
@click.option("--contact", metavar="KEY")
@click.option("--record", metavar="ENTITY:KEY")
@click.option("--state", type=click.Choice(STATES))
@click.option("--since", metavar="ISO8601", help="Only those decided from then on.")
@page_options
@format_option("text", "json")
@pii_option
@now_option
@pass_door
def sends(
    door: Door,
    sequence: str | None,
    contact: str | None,
    record: str | None,
    state: str | None,
    since: str | None,
    limit: int,
    offset: int,
    format_: str,
    show_pii: bool,
) -> int:
    """The ledger's sends, the latest first. `engine show SEND` tells all of one."""
    door.refuse_pii(show_pii)
    from engine.views import history as view
    from engine.views.naming import Naming

    site = door.site()
    entity, key = record_named(site.definitions, record) if record else (None, None)
    from_ = instant(since, "--since") if since else None
    with site.read_ledger() as ledger:
        page = ledger.sends(SendFilter(sequence=sequence, contact=contact, entity=entity, record=key, state=state, since=from_), limit=limit, offset=offset)
        copied_at = ledger.copied_at
    naming = Naming(site.definitions, site.pseudonyms, show_pii)
    zone = site.definitions.project.timezone
    door.say_age(copied_at, zone)
    note_unknown(door, site.definitions, sequence)
    door.out(view.sends_json(page, naming, zone) if format_ == "json" else view.sends_text(page, naming, zone, width=door.width, ink=door.ink))
    return 0


def the_send(found: tuple[str, ...], prefix: str) -> str:
    """The one send key that begins so. WrongUsage for none or several."""
    from engine.errors import WrongUsage

    if not found:
        raise WrongUsage(f"there is no send that begins with {prefix!r}", help="`engine sends` lists them")
    if len(found) > 1:
        raise WrongUsage(
            f"several sends begin with {prefix!r}: {', '.join(key[:13] for key in found[:5])}{', …' if len(found) > 5 else ''}", help="write more digits"
        )
    return found[0]
