"""`engine schema`: JSON Schema of every kind of file."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from engine.cli.door import Door
from engine.cli.options import format_option, pass_door

if TYPE_CHECKING:
    from engine.definitions.definitions import Definitions


@click.command()
@click.option("--write", is_flag=True, help="Write them to .schemas/, where the files' first line finds them.")
@format_option("text", "json")
@pass_door
def schema(door: Door, write: bool, format_: str) -> int:
    """JSON Schema of every kind of definition file, so that an editor completes and checks as you type.

    It knows this project: fields with their descriptions, segments, templates, events, owners. Write it again when they change.
    """
    from engine.definitions.schema import schemas, write_schemas
    from engine.views.escaping import to_json

    definitions = _definitions(door)
    if not write:
        door.out(to_json(schemas(definitions), indent=2))
        return 0
    written = write_schemas(door.root, definitions)
    if format_ == "json":
        from engine.views.answered import as_json

        door.out(as_json("schemas", written=[path.relative_to(door.root).as_posix() for path in written]))
    else:
        door.out(f"{len(written)} schemas in {door.root / '.schemas'}")
    return 0


def _definitions(door: Door) -> Definitions | None:
    """The project's own, so that the editor offers its fields and segments; without them, where they are in error or there are none yet."""
    from engine.cli.reading import sound
    from engine.errors import EngineError

    try:
        return sound(door)
    except EngineError:
        door.say("note: the definitions cannot be read, so the schemas know the language and not this project; `engine validate` says why")
        return None
