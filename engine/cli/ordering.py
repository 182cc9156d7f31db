"""Orders from the command line: whom they are about, and what became of them (semantics 9.8)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from engine.cli.apply import user
from engine.cli.door import Door
from engine.errors import DefinitionsInError, WrongUsage

if TYPE_CHECKING:
    from engine.definitions.definitions import Definitions
    from engine.ledger.orders import Order
    from engine.views.ordered import Ordered


def sequence_named(definitions: Definitions, id: str) -> str:
    """The sequence of this id. WrongUsage, with what is meant, where there is none."""
    if id not in definitions.sequences:
        from engine.definitions.translating import did_you_mean

        raise WrongUsage(f"there is no sequence `{id}`", help=did_you_mean(id, definitions.sequences, "the sequences are"))
    return id


def record_named(definitions: Definitions, text: str) -> tuple[str, str]:
    """`ENTITY:KEY` as the entity and the key. WrongUsage for anything else."""
    entity, sign, key = text.partition(":")
    if not sign or not key.strip() or entity not in definitions.crm.entities:
        raise WrongUsage(f"{text!r} names no record", help=f"write ENTITY:KEY; the entities are {', '.join(definitions.crm.entities)}")
    return entity, key


def entity_named(definitions: Definitions, id: str) -> str:
    """The entity of this name. WrongUsage, with what is meant, where there is none."""
    if id not in definitions.crm.entities:
        from engine.definitions.translating import did_you_mean

        raise WrongUsage(f"there is no entity `{id}`", help=did_you_mean(id, definitions.crm.entities, "the entities are"))
    return id


def note_unknown(door: Door, definitions: Definitions, sequence: str | None) -> None:
    """Say that a sequence is not in the definitions: the ledger may still know it, or it is a slip of the pen."""
    if sequence is not None and sequence not in definitions.sequences:
        from engine.definitions.translating import did_you_mean

        door.say(f"note: `{sequence}` is no sequence of the definitions; {did_you_mean(sequence, definitions.sequences, 'they have')}")


def give(door: Door, order: Order, command: str, done: Mapping[str, str], *, counted: bool = False) -> Ordered:
    """Carry the order out, or leave it for the run that holds the ledger; `done` says what to tell: carried_out, nothing; `counted` says how many ways.

    Where the definitions are in error the order still gets through: stopping never waits for a YAML file.
    """
    from engine.views.ordered import Ordered

    try:
        site = door.site()
    except DefinitionsInError:
        return _give_in_spite(door, order, command)
    from engine.runs.locking import obey

    obeyed = obey(site, order, command)
    if obeyed.rows is None:
        told = f"A run holds the ledger{f' ({obeyed.holder})' if obeyed.holder else ''}. It reads the order before its next group of mails; nothing else is needed."
        return Ordered(command, told, None, False, obeyed.left_at, str(obeyed.holder) if obeyed.holder else None)
    if obeyed.rows == 0:
        return Ordered(command, done["nothing"], 0)
    ways = f" Ways: {obeyed.rows:,}." if counted and "{rows}" not in done["carried_out"] else ""
    return Ordered(command, done["carried_out"].replace("{rows}", f"{obeyed.rows:,}") + ways, obeyed.rows)


def _give_in_spite(door: Door, order: Order, command: str) -> Ordered:
    """The order of somebody whose definitions are in error: into a shared ledger at once, else into this host's inbox."""
    from engine.runs.inbox import leave_order
    from engine.runs.locking import obey_in_spite
    from engine.views.ordered import Ordered

    if obey_in_spite(door.root, door.environment, door.environ, order, command, door.now):
        return Ordered(command, "The definitions are in error, so nothing else can run; the order is in the ledger, and every worker obeys it at once.")
    path = leave_order(door.root / "state", order)
    told = f"The definitions are in error, so nothing else can run; the order lies in {path.parent}, and the next run obeys it first."
    return Ordered(command, told, None, False, path)


def tell(door: Door, ordered: Ordered, format_: str) -> int:
    """Say what became of an order, to a person or to a machine; the exit code."""
    from engine.views.ordered import as_json

    door.out(as_json(ordered) if format_ == "json" else ordered.message)
    return 0


def by() -> str:
    return user()
