"""`engine schema`: JSON Schema of every kind of file."""

from __future__ import annotations

import click

from engine.cli.door import Door
from engine.cli.options import pass_door


@click.command()
@click.option("--write", is_flag=True, help="Write them to .schemas/, where the files' first line finds them.")
@pass_door
def schema(door: Door, write: bool) -> int:
    """JSON Schema of every kind of definition file, so that an editor completes and checks as you type."""
    from engine.definitions.schema import schemas, write_schemas
    from engine.views.escaping import to_json

    if not write:
        door.out(to_json(schemas(), indent=2))
        return 0
    written = write_schemas(door.root)
    door.out(f"{len(list(written))} schemas in {door.root / '.schemas'}")
    return 0
