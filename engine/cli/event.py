"""`engine event`: something happened to a record (semantics 3.2)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from engine.cli.door import Door, instant
from engine.cli.options import format_option, now_option, pass_door
from engine.cli.ordering import by, record_named, tell
from engine.errors import EngineError, WrongUsage

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from engine.definitions.definitions import Definitions
    from engine.ledger.orders import Order
    from engine.runs.locking import Obeyed
    from engine.runs.opening import Site
    from engine.views.ordered import Ordered

_LONGEST_ID = 200


@click.command()
@click.argument("name")
@click.option("--record", required=True, metavar="KEY", help="The record to which it happened, by its key or as ENTITY:KEY.")
@click.option("--id", "id_", required=True, metavar="ID", help="The event's own id: coming twice under one id it is one event.")
@click.option("--at", metavar="ISO8601", help="When it happened, such as 2026-01-05T09:00:00+07:00; now if not said.")
@format_option("text", "json")
@now_option
@pass_door
def event(door: Door, name: str, record: str, id_: str, at: str | None, format_: str) -> int:
    """Tell that the event NAME happened to a record. Sequences with `trigger: {event: NAME}` take it with the next apply.

    Works also while a run holds the ledger. An id that another record's event has, or one of another moment, is refused.
    """
    definitions = door.site().definitions
    entity = _entity(definitions, name)
    named, key = record_named(definitions, record) if ":" in record else (entity, record)
    if named != entity:
        raise WrongUsage(f"the event `{name}` happens to a {entity}, not to a {named}", help=f"name the record: --record {entity}:KEY")
    if len(id_) > _LONGEST_ID or not id_.isprintable():
        raise WrongUsage("that is no id of an event", help=f"write a text of at most {_LONGEST_ID} characters, the same whenever the same event is told")
    from engine.ledger.orders import Order
    from engine.runs.locking import obey

    happened = instant(at, "--at") if at else door.now
    order = Order("event", door.now, by(), entity=entity, record=key, event=name, event_id=id_, happened_at=happened)
    obeyed = obey(door.site(), order, "event")
    if not obeyed.rows:
        _refuse_other(door.site(), order, obeyed, moment_said=at is not None)
    # What a machine reads is kept, so it has no record's key.
    what = f"The event `{name}` of {entity} {key}" if format_ == "text" else f"The event `{name}` of the {entity}"
    return tell(door, _became(obeyed, what, name, f" It happens only on {at}." if happened > door.now else "", _starts(definitions, name)), format_)


def _became(obeyed: Obeyed, what: str, name: str, later: str, starts: str) -> Ordered:
    from engine.views.ordered import Ordered

    if obeyed.rows is None:
        holder = f" ({obeyed.holder})" if obeyed.holder else ""
        told = f"A run holds the ledger{holder}. The event lies beside it, and is taken in before the next group of mails. {starts}"
        return Ordered("event", told, None, False, obeyed.left_at, str(obeyed.holder) if obeyed.holder else None)
    if obeyed.rows == 0:
        return Ordered("event", f"An event `{name}` with this id was told before; nothing was changed.", 0)
    return Ordered("event", f"{what} is in the ledger.{later} {starts}", obeyed.rows)


def _refuse_other(site: Site, order: Order, obeyed: Obeyed, *, moment_said: bool) -> None:
    """EngineError where the id is that of another event: one id is one event (3.2), and this one would vanish without a word.

    Who says no moment means "now", so telling the same event again later is no other one.
    """
    from engine.views.phrases import moment

    for entity, record, happened_at in _known(site, order, obeyed):
        if (entity, record) != (order.entity, order.record):
            what = "is taken: an event of another record has it"
        elif moment_said and happened_at != order.happened_at:
            what = f"is taken: the event of this record that has it happened at another moment, {moment(happened_at, site.definitions.project.timezone)}"
        else:
            continue
        if obeyed.left_at is not None:
            obeyed.left_at.unlink(missing_ok=True)
        raise EngineError(
            f"the id {what}; nothing was written", help="give each event an id of its own: one id is one event, so that what is told twice counts once"
        )


def _known(site: Site, order: Order, obeyed: Obeyed) -> Iterator[tuple[str, str, datetime]]:
    """Entity, record and moment of events of this name and id: in the ledger, and told to it while a run holds it."""
    from engine.ledger.records import OCCURRENCE, Candidates
    from engine.runs.inbox import waiting

    with site.read_ledger() as ledger:
        view = ledger.view(Candidates(OCCURRENCE.empty_table(), (), site.now, events=(order.event or "",)))
    for row in view.tables["events"].to_pylist():
        if row["id"] == order.event_id:
            yield row["entity"], row["record"], row["happened_at"]
    for name, other in waiting(site.state).items():
        if (other.event, other.event_id) == (order.event, order.event_id) and (obeyed.left_at is None or name < obeyed.left_at.name):
            yield other.entity or "", other.record or "", other.happened_at or site.now


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
