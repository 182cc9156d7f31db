"""`engine forget`: erase what is personal."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import click

from engine.cli.door import Door
from engine.cli.options import format_option, now_option, pass_door
from engine.errors import WrongUsage

if TYPE_CHECKING:
    from engine.runs.forgetting import Erased


@click.command()
@click.argument("contact", required=False)
@click.option("--older-than", metavar="AGE", help="In place of a contact: everything personal of sends that were over longer ago, such as 400d.")
@format_option("text", "json")
@now_option
@pass_door
def forget(door: Door, contact: str | None, older_than: str | None, format_: str) -> int:
    """Erase what is personal about CONTACT: the CRM's key, or an address. It cannot be undone.

    Addresses, names, variables, mails and what servers answered go, from the ledger, the outbox and the backups in state/backups.
    That a mail was sent stays known, under keys; and so does who must not be written to.
    """
    if (contact is None) == (older_than is None):
        raise WrongUsage("name a contact, or --older-than", help="`engine forget 42`, `engine forget ann@example.com` or `engine forget --older-than 400d`")
    from engine.runs.forgetting import forget_contact, forget_older

    if contact is not None:
        erased = forget_contact(door.site(), contact)
    else:
        erased = forget_older(door.site(), _age(older_than or ""))
    if format_ == "json":
        door.out(_json(erased))
    else:
        _say_erased(door, erased)
    if erased.unreadable:
        door.say(f"warning: {', '.join(map(str, erased.unreadable))} could not be read, and may still hold it; delete what you do not need")
    door.say("Backups elsewhere still hold what they held.")
    return 0


def _say_erased(door: Door, erased: Erased) -> None:
    found = erased.forgotten
    if not (found.sends or found.payloads or found.texts or erased.mails):
        door.out("Nothing personal was kept about this; the ledger was written anew all the same.")
    else:
        door.out(
            f"Erased: {found.sends:,} addresses with their names and variables, {found.payloads:,} mails, {found.texts:,} answers of servers, {erased.mails:,} mails of the outbox."
        )
    if found.cancelled:
        door.out(f"{found.cancelled:,} planned mails were cancelled. As long as the CRM has the contact, the next plan may write to them again.")
    if erased.backups:
        door.out(f"Also erased in {len(erased.backups):,} files: {', '.join(path.name for path in erased.backups)}.")


def _json(erased: Erased) -> str:
    from engine.views.answered import as_json

    found = erased.forgotten
    return as_json(
        "forgotten",
        sends=found.sends,
        payloads=found.payloads,
        answers=found.texts,
        outbox_mails=erased.mails,
        cancelled=found.cancelled,
        cleaned_files=[path.name for path in erased.backups],
        unreadable_files=[str(path) for path in erased.unreadable],
    )


def _age(text: str) -> timedelta:
    from engine.clock import Duration

    try:
        duration = Duration.parse(text)
    except ValueError as error:
        raise WrongUsage(f"--older-than {text!r}: {error}") from None
    if duration.unit not in ("d", "w") or duration.count == 0:
        raise WrongUsage("--older-than counts days or weeks", help="such as 400d")
    return timedelta(days=duration.count * (7 if duration.unit == "w" else 1))
