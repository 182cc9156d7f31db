"""`engine diff`: what a change of the definitions does, before anybody applies it."""

from __future__ import annotations

import click

from engine.cli.door import Door
from engine.cli.options import format_option, later_option, now_option, pass_door, pii_option


@click.command()
@click.option("--base", required=True, metavar="REF", help="The git revision to compare with, such as main.")
@click.option("--head", metavar="REF", help="The revision with the change; the files as they are if not said.")
@format_option("text", "json", "markdown")
@pii_option
@now_option
@later_option("--horizon")
@pass_door
def diff(door: Door, base: str, head: str | None, format_: str, show_pii: bool) -> int:
    """Both revisions over the same facts, the same ledger and the same moment: which mails only one of them would send."""
    door.refuse_pii(show_pii)
    from engine.ledger.pseudonyms import read_pseudonyms
    from engine.runs.opening import STATE
    from engine.runs.rehearsing import difference
    from engine.views import difference as view
    from engine.views.naming import Naming

    found = difference(door.root, base, head, door.environment, door.environ, door.now)
    pseudonyms = read_pseudonyms(door.root / STATE, door.environ.get("ENGINE_PSEUDONYM_KEY"))
    naming = Naming(found.head_plan.definitions, pseudonyms, show_pii)
    door.say_age(found.ledger_as_of, found.timezone)
    if format_ == "json":
        door.out(view.as_json(found, naming))
    elif format_ == "markdown":
        door.out(view.as_markdown(found, naming))
    else:
        door.out(view.as_text(found, naming, width=door.width, ink=door.ink))
    return 0
