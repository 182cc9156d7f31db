"""`engine pause`, `resume` and `cancel`: a sequence, or people on their way."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypeVar

import click

from engine.cli.door import Door, instant
from engine.cli.options import now_option, pass_door
from engine.cli.ordering import by, give, record_named, sequence_named
from engine.errors import WrongUsage

if TYPE_CHECKING:
    from engine.ledger.orders import Order

Wrapped = TypeVar("Wrapped", bound=Callable[..., Any])


def _whom(function: Wrapped) -> Wrapped:
    """Whom the order is about: a sequence, a contact, a record, or all."""
    for decorate in (
        click.option("--note", default="", help="Why; `engine status` shows it."),
        click.option("--record", metavar="ENTITY:KEY", help="What the way is about, such as contract:17."),
        click.option("--contact", metavar="KEY", help="The contact's key in the CRM."),
        click.argument("sequence", required=False),
    ):
        function = decorate(function)
    return function


@click.command()
@_whom
@click.option("--until", metavar="ISO8601", help="When the pause ends by itself, such as 2026-12-27T00:00:00+07:00.")
@click.option("--all", "all_", is_flag=True, help="The whole project.")
@now_option
@pass_door
def pause(door: Door, sequence: str | None, contact: str | None, record: str | None, note: str, until: str | None, all_: bool) -> int:
    """Hold a SEQUENCE, or the ways of a contact or a record, or everything with --all.

    A pause moves no due moment: when it ends, what has not expired goes.
    """
    end = instant(until, "--until") if until else None
    if end is not None and end <= door.now:
        raise WrongUsage("--until lies in the past")
    order, what = _order(door, "pause", sequence, contact, record, note, all_, end)
    return give(door, order, "pause", {"carried_out": f"Paused: {what}.", "nothing": f"{_nothing(contact or record)}: {what}; nothing was changed."})


@click.command()
@_whom
@click.option("--all", "all_", is_flag=True, help="The whole project.")
@now_option
@pass_door
def resume(door: Door, sequence: str | None, contact: str | None, record: str | None, note: str, all_: bool) -> int:
    """Lift the pauses of a SEQUENCE, of a contact or a record, or of the whole project with --all."""
    order, what = _order(door, "resume", sequence, contact, record, note, all_, None)
    return give(door, order, "resume", {"carried_out": f"Resumed: {what}. What is due goes with the next apply.", "nothing": f"Nothing was paused: {what}."})


@click.command()
@_whom
@now_option
@pass_door
def cancel(door: Door, sequence: str | None, contact: str | None, record: str | None, note: str) -> int:
    """End the ways of a contact or a record, on one SEQUENCE or on all: for good.

    Nothing more is sent from now on; the exit itself is written by the next apply.
    """
    if not contact and not record:
        raise WrongUsage(
            "cancel is for people on their way: name --contact or --record",
            help="to end a whole sequence write `status: archived` in its file; to hold it, `engine pause`",
        )
    order, what = _order(door, "cancel", sequence, contact, record, note, False, None)
    return give(
        door,
        order,
        "cancel",
        {
            "carried_out": f"Cancelled: {what}; {{rows}} on the way. Nothing more is sent to them; the next apply writes their exit.",
            "nothing": f"Nobody is on the way: {what}.",
        },
    )


def _nothing(person: str | None) -> str:
    """A sequence is held as such; of a contact or a record only the ways that there are."""
    return "Paused already, or on no way" if person else "Paused already"


def _order(
    door: Door, verb: Any, sequence: str | None, contact: str | None, record: str | None, note: str, all_: bool, until: datetime | None
) -> tuple[Order, str]:
    """The order, and what it is about in words."""
    from engine.ledger.orders import Order

    named = [name for name in (sequence, contact, record) if name]
    if all_ and named:
        raise WrongUsage("--all is the whole project; leave it out to name a part")
    if not all_ and not named:
        raise WrongUsage(f"{verb} what?", help=f"name a SEQUENCE, --contact or --record; `engine {verb} --all` is the whole project")
    definitions = door.site().definitions if sequence or record else None
    if sequence and definitions:
        sequence_named(definitions, sequence)
    entity, key = record_named(definitions, record) if record and definitions else (None, None)
    what = ", ".join([f"`{sequence}`"] * bool(sequence) + [f"contact {contact}"] * bool(contact) + [f"{entity} {key}"] * bool(record)) or "the whole project"
    return Order(verb, door.now, by(), note=note, sequence=sequence, entity=entity, record=key, contact=contact, until=until), what
