"""`engine event`: something happened to a record (semantics 3.2)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from engine.cli.door import Door, instant
from engine.cli.options import now_option, pass_door
from engine.cli.ordering import by, record_named
from engine.errors import WrongUsage

if TYPE_CHECKING:
    from engine.definitions.definitions import Definitions

_LONGEST_ID = 200


@click.command()
@click.argument("name")
@click.option("--record", required=True, metavar="KEY", help="The record to which it happened, by its key or as ENTITY:KEY.")
@click.option("--id", "id_", required=True, metavar="ID", help="The event's own id: coming twice under one id it is one event.")
@click.option("--at", metavar="ISO8601", help="When it happened, such as 2026-01-05T09:00:00+07:00; now if not said.")
@now_option
@pass_door
def event(door: Door, name: str, record: str, id_: str, at: str | None) -> int:
    """Tell that the event NAME happened to a record. Sequences with `trigger: {event: NAME}` take it with the next apply.

    Works also while a run holds the ledger.
    """
    definitions = door.site().definitions
    entity = _entity(definitions, name)
    named, key = record_named(definitions, record) if ":" in record else (entity, record)
    if named != entity:
        raise WrongUsage(f"the event `{name}` happens to a {entity}, not to a {named}", help=f"name the record: --record {entity}:KEY")
    if not id_.strip() or len(id_) > _LONGEST_ID or not id_.isprintable():
        raise WrongUsage("that is no id of an event", help=f"write a text of at most {_LONGEST_ID} characters, the same whenever the same event is told")
    from engine.ledger.orders import Order
    from engine.runs.locking import obey

    happened = instant(at, "--at") if at else door.now
    order = Order("event", door.now, by(), entity=entity, record=key, event=name, event_id=id_, happened_at=happened)
    obeyed = obey(door.site(), order, "event")
    if obeyed.rows is None:
        holder = f" ({obeyed.holder})" if obeyed.holder else ""
        door.out(f"A run holds the ledger{holder}. The event lies beside it, and is taken in before the next group of mails. {_starts(definitions, name)}")
    elif obeyed.rows == 0:
        door.out(f"An event `{name}` with this id was told before; nothing was changed.")
    else:
        later = f" It happens only on {at}." if happened > door.now else ""
        door.out(f"The event `{name}` of {entity} {key} is in the ledger.{later} {_starts(definitions, name)}")
    return 0


def _entity(definitions: Definitions, name: str) -> str:
    """What the event is about. WrongUsage for one that is not declared, or that the CRM tells by itself."""
    declared = definitions.crm.events
    if name not in declared:
        from engine.definitions.translating import did_you_mean

        known = did_you_mean(name, declared, "the events are") if declared else ""
        raise WrongUsage(f"there is no event `{name}`", help=known or "declare it in definitions/crm.yaml: `events: {" + name + ": {entity: contact}}`")
    if declared[name].at is not None:
        raise WrongUsage(
            f"the CRM tells the event `{name}` by itself: each {declared[name].entity} with a value in `{declared[name].at}` is one",
            help=f"take `at: {declared[name].at}` out of definitions/crm.yaml to tell it by hand",
        )
    return declared[name].entity


def _starts(definitions: Definitions, name: str) -> str:
    """Which sequences it starts, in a sentence."""
    from engine.definitions.triggers import EventTrigger

    started = [s.id for s in definitions.sequences.values() if isinstance(s.trigger, EventTrigger) and s.trigger.event == name and s.status == "active"]
    if not started:
        return "No active sequence starts by it."
    listed = " and ".join(f"`{id}`" for id in sorted(started))
    return f"The next apply starts {listed} by it."
