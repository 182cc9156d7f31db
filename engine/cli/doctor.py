"""`engine doctor`: what is wrong with the set-up, and how to mend it."""

from __future__ import annotations

import click

from engine.cli.door import Door
from engine.cli.options import format_option, now_option, pass_door


@click.command()
@format_option("text", "json")
@now_option
@pass_door
def doctor(door: Door, format_: str) -> int:
    """Look at everything a run needs: definitions, environment, keys, CRM, ledger, transport. Nothing is changed, nothing is sent."""
    from engine.cli.examining import examine
    from engine.views import examined as view

    found = examine(door)
    text = view.as_json(found) if format_ == "json" else view.as_text(found, width=door.width, ink=door.ink)
    door.out(door.mask(text))
    return 1 if any(one.state == "bad" for one in found) else 0
