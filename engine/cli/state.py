"""`engine state`: the ledger's care."""

from __future__ import annotations

import click

from engine.cli.catalog import LaterCommand
from engine.cli.door import Door
from engine.cli.options import now_option, pass_door
from engine.cli.state_care import backup, restore, verify


class _State(click.Group):
    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        return super().get_command(context, name) or (LaterCommand(name) if name in ("migrate", "rekey") else None)


@click.group(cls=_State)
def state() -> None:
    """The ledger's care. migrate and rekey come with a later version."""


@state.command()
@now_option
@pass_door
def create(door: Door) -> int:
    """An empty ledger for the environment: it remembers nothing of what was sent before."""
    from engine.ledger.duckdb import DuckdbLedger
    from engine.ledger.pseudonyms import make_pseudonym_key

    if not door.environ.get("ENGINE_PSEUDONYM_KEY"):
        make_pseudonym_key(door.root / "state")
    site = door.site()
    DuckdbLedger.create(site.ledger_path, site.definitions.project.name, site.environment.name, now=site.now, pseudonyms=site.pseudonyms)
    door.out(f"An empty ledger for `{site.environment.name}`: {site.ledger_path}")
    return 0


for _command in (backup, verify, restore):
    state.add_command(_command)
