"""`engine resolve`: a person settles a doubt."""

from __future__ import annotations

from typing import Literal, cast

import click

from engine.cli.door import Door
from engine.cli.options import format_option, now_option, pass_door
from engine.cli.ordering import by
from engine.cli.sends import the_send

_TOLD = {
    "sent": "It counts as sent; it is never sent again.",
    "failed": "It counts as failed; its step is over and the path goes on.",
    "resend": "It goes again with the next apply, if it still passes all gates.",
}

# What the ledger calls it then: a resend is planned again.
_STATE = {"sent": "sent", "failed": "failed", "resend": "planned"}


@click.command()
@click.argument("send")
@click.option("--as", "as_", type=click.Choice(("sent", "failed", "resend")), required=True, help="What it is from now on.")
@click.option("--note", default="", help="How you know; it is recorded.")
@format_option("text", "json")
@now_option
@pass_door
def resolve(door: Door, send: str, as_: str, note: str, format_: str) -> int:
    """Settle a SEND whose outcome is unknown. Look into the mailbox or the provider's log first.

    The first digits of the send key are enough.
    """
    site = door.site()
    with site.open_ledger("resolve", lock=False) as ledger:
        key = the_send(ledger.find_sends(send), send)
        ledger.resolve(key, cast(Literal["sent", "failed", "resend"], as_), by=by(), note=note, now=site.now)
    if format_ == "json":
        from engine.views.answered import as_json

        door.out(as_json("resolved", send_key=key, state=_STATE[as_], message=_TOLD[as_]))
    else:
        door.out(f"{key[:8]} is settled. {_TOLD[as_]}")
    return 0
