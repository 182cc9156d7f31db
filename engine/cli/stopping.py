"""`engine stop` and `engine start`: at once, also while a run holds the ledger."""

from __future__ import annotations

import click

from engine.cli.door import Door
from engine.cli.options import format_option, now_option, pass_door
from engine.cli.ordering import by, give, sequence_named, tell
from engine.errors import DefinitionsInError


@click.command()
@click.argument("sequence", required=False)
@click.option("--note", default="", help="Why; `engine status` shows it.")
@format_option("text", "json")
@now_option
@pass_door
def stop(door: Door, sequence: str | None, note: str, format_: str) -> int:
    """Stop all sending of this project, or of one SEQUENCE, at once.

    A run on its way ends before its next group of mails. Nothing is lost: what is due waits, and goes or expires.
    """
    from engine.ledger.orders import Order

    order = Order("stop", door.now, by(), note=note, sequence=_known(door, sequence))
    what = f"`{sequence}` is stopped" if sequence else "Everything is stopped"
    lift = door.command(f"start {sequence}" if sequence else "start")
    done = {"carried_out": f"{what}: no mail leaves. `{lift}` lifts it.", "nothing": f"{what} already; nothing was changed."}
    return tell(door, give(door, order, "stop", done), format_)


@click.command()
@click.argument("sequence", required=False)
@click.option("--note", default="", help="Why.")
@format_option("text", "json")
@now_option
@pass_door
def start(door: Door, sequence: str | None, note: str, format_: str) -> int:
    """Lift the stop of the project, or of one SEQUENCE. What is due goes with the next apply."""
    from engine.ledger.orders import Order

    order = Order("start", door.now, by(), note=note, sequence=_known(door, sequence))
    what = f"`{sequence}`" if sequence else "The project"
    done = {"carried_out": f"{what} may send again. `{door.command('plan')}` shows what is due.", "nothing": f"{what} was not stopped; nothing was changed."}
    code = tell(door, give(door, order, "start", done), format_)
    if (door.root / "state" / "STOP").exists() or door.environ.get("ENGINE_STOP"):
        door.say("note: the kill switch (state/STOP, or ENGINE_STOP) still holds everything; lift it where it was set")
    return code


def _known(door: Door, sequence: str | None) -> str | None:
    """The sequence, checked where the definitions can be read."""
    if sequence is None:
        return None
    try:
        return sequence_named(door.site().definitions, sequence)
    except DefinitionsInError:
        return sequence
