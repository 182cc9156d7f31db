"""`engine show`: all that is known of one send."""

from __future__ import annotations

import sys

import click

from engine.cli.door import Door
from engine.cli.options import format_option, now_option, pass_door, pii_option
from engine.cli.sends import the_send
from engine.errors import EngineError, WrongUsage


@click.command()
@click.argument("send")
@click.option("--raw", is_flag=True, help="The message itself, byte for byte as it was sent; needs --show-pii.")
@format_option("text", "json")
@pii_option
@now_option
@pass_door
def show(door: Door, send: str, raw: bool, format_: str, show_pii: bool) -> int:
    """One send: what it was about, its attempts, the run and the commit that decided it; with --show-pii the mail as it was sent.

    The first digits of the send key are enough.
    """
    if raw and not show_pii:
        raise WrongUsage("--raw shows a person's mail", help="add --show-pii")
    door.refuse_pii(show_pii)
    from engine.views import history as view
    from engine.views.naming import Naming

    site = door.site()
    with site.read_ledger() as ledger:
        detail = ledger.show(the_send(ledger.find_sends(send), send))
        runs = {run.run_id: run for run in ledger.status().runs}
        copied_at = ledger.copied_at
    if detail is None:
        raise EngineError(f"the send {send} is gone")
    zone = site.definitions.project.timezone
    door.say_age(copied_at, zone)
    if raw:
        if detail.payload is None:
            raise EngineError("no message was frozen for this send, or it was forgotten")
        sys.stdout.buffer.write(detail.payload)
        sys.stdout.buffer.flush()
        return 0
    page = view.SendPage(detail, runs.get(detail.row.run_id), Naming(site.definitions, site.pseudonyms, show_pii), zone)
    door.out(view.send_json(page) if format_ == "json" else view.send_text(page, width=door.width, ink=door.ink, command=door.command))
    return 0
