"""`engine state`: the ledger's care."""

from __future__ import annotations

from pathlib import Path

import click

from engine.cli.door import Door
from engine.cli.options import format_option, now_option, pass_door
from engine.cli.rekeying import rekey
from engine.cli.state_care import backup, restore, verify
from engine.cli.state_folder import make_state_folder


@click.group()
def state() -> None:
    """The ledger's care."""


@state.command()
@format_option("text", "json")
@now_option
@pass_door
def create(door: Door, format_: str) -> int:
    """An empty ledger for the environment: it remembers nothing of what was sent before."""
    from engine.ledger.pseudonyms import make_pseudonym_key
    from engine.views.answered import as_json

    make_state_folder(door.root / "state")
    if not door.environ.get("ENGINE_PSEUDONYM_KEY"):
        make_pseudonym_key(door.root / "state")
    site = door.site()
    site.home.create(site.now)
    told = f"An empty ledger for `{site.environment.name}`: {site.home}"
    door.out(as_json("ledger_created", environment=site.environment.name, ledger=str(site.home)) if format_ == "json" else told)
    return 0


@state.command()
@format_option("text", "json")
@now_option
@pass_door
def migrate(door: Door, format_: str) -> int:
    """Bring the ledger of an older engine to this one's schema. All or nothing; only this command ever does it.

    On Postgres it waits for whoever works on it, and needs the role that owns the schema.
    """
    from engine.views.answered import as_json

    site = door.site()
    before, after = site.home.migrate(site.now)
    told = f"The ledger has schema {after} already; nothing was changed." if before == after else f"The ledger had schema {before} and has {after} now."
    door.out(as_json("ledger_migrated", ledger=str(site.home), before=before, after=after, changed=before != after) if format_ == "json" else told)
    return 0


@state.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@format_option("text", "json")
@now_option
@pass_door
def move(door: Door, file: Path, format_: str) -> int:
    """Move the ledger in FILE to Postgres, where engine.yaml says that this environment's ledger is now.

    Everything that it remembers arrives, so nothing is sent again. The schema must have an empty ledger: `engine state create` makes it.
    The file is put aside and never opened again.
    """
    from engine.runs.moving import move as carry

    moved = carry(door.site(), file)
    if format_ == "json":
        from engine.views.answered import as_json

        door.out(as_json("ledger_moved", rows=moved.rows, serial=moved.head.serial, ledger=moved.where, kept_as=str(moved.aside)))
        return 0
    if moved.rows is None:
        door.out("All of it was carried over before.")
    else:
        door.out(f"{moved.rows:,} rows were carried over, up to serial {moved.head.serial:,}.")
    door.out(f"This environment's ledger is {moved.where} from now on.")
    door.out(f"The file is kept as {moved.aside}; delete it when you do not need it any more.\nLook at `{door.command('plan')}` before the next apply.")
    return 0


@state.command()
@click.option("--schema", metavar="NAME", help="For another schema than the environment's.")
@format_option("text", "json")
@now_option
@pass_door
def roles(door: Door, schema: str | None, format_: str) -> int:
    """The SQL that makes the roles for a ledger on Postgres, each with the least rights, and the schema.

    Pipe it to psql as an administrator, once, before `engine state create`. It sets no passwords.
    """
    from engine.runs.homes import SCHEMA, PostgresHome, roles_sql

    if schema is None:
        home = door.site().home
        schema = home.schema if isinstance(home, PostgresHome) else SCHEMA
    if format_ == "json":
        from engine.views.answered import as_json

        door.out(as_json("roles", schema=schema, sql=roles_sql(schema)))
    else:
        door.out(roles_sql(schema))
    return 0


for _command in (backup, verify, restore, rekey):
    state.add_command(_command)
