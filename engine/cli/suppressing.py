"""`engine suppress` and `unsuppress`: addresses that are never written to."""

from __future__ import annotations

from typing import cast

import click

from engine.cli.door import Door
from engine.cli.options import format_option, now_option, pass_door
from engine.cli.ordering import by, give, tell
from engine.errors import WrongUsage

REASONS = ("manual", "bounce", "complaint", "unsubscribed")


@click.command()
@click.argument("address")
@click.option("--reason", type=click.Choice(REASONS), required=True, help="unsubscribed holds marketing only; the others hold everything.")
@click.option("--topic", help="Only this topic; for unsubscribed.")
@click.option("--note", default="", help="Why.")
@format_option("text", "json")
@now_option
@pass_door
def suppress(door: Door, address: str, reason: str, topic: str | None, note: str, format_: str) -> int:
    """Never write to ADDRESS again. Only its keyed hash is kept."""
    from engine.ledger.orders import Order, SuppressionReason

    _check(door, address, topic, reason)
    order = Order(
        "suppress", door.now, by(), note=note, address_key=door.site().pseudonyms.address_key(address), reason=cast(SuppressionReason, reason), topic=topic
    )
    what = f"marketing{f' about {topic}' if topic else ''}" if reason == "unsubscribed" else "nothing"
    told = f"The address gets {'no ' + what if reason == 'unsubscribed' else what} any more. `engine unsuppress` lifts it."
    done = {"carried_out": told, "nothing": "The address was suppressed for this already; nothing was changed."}
    return tell(door, give(door, order, "suppress", done), format_)


@click.command()
@click.argument("address")
@click.option("--reason", type=click.Choice(REASONS), help="Only suppressions for this reason; all if not said.")
@click.option("--topic", help="Only this topic.")
@click.option("--note", default="", help="Why.")
@format_option("text", "json")
@now_option
@pass_door
def unsuppress(door: Door, address: str, reason: str | None, topic: str | None, note: str, format_: str) -> int:
    """Lift what suppresses ADDRESS. What the CRM says (unsubscribed, inactive) stays."""
    from engine.ledger.orders import Order, SuppressionReason

    _check(door, address, topic, "unsubscribed")
    order = Order(
        "unsuppress",
        door.now,
        by(),
        note=note,
        address_key=door.site().pseudonyms.address_key(address),
        reason=cast(SuppressionReason | None, reason),
        topic=topic,
    )
    done = {"carried_out": "The address may be written to again.", "nothing": "The address was not suppressed; nothing was changed."}
    return tell(door, give(door, order, "unsuppress", done), format_)


def _check(door: Door, address: str, topic: str | None, reason: str) -> None:
    from engine.messages.addresses import normalize

    if normalize(address) is None:
        raise WrongUsage("that is not an address", help="write it as name@example.com")
    topics = door.site().definitions.project.topics
    if topic and reason != "unsubscribed":
        raise WrongUsage("--topic belongs to --reason unsubscribed", help="the other reasons hold for every mail")
    if topic and topic not in topics:
        raise WrongUsage(f"there is no topic `{topic}`", help=f"the topics are {', '.join(topics) or 'none'}")
