"""`engine variables`: the variable guide."""

from __future__ import annotations

import click

from engine.cli.door import Door
from engine.cli.options import format_option, pass_door
from engine.errors import WrongUsage


@click.command()
@click.argument("type_", metavar="[TYPE]", required=False)
@click.option("--search", metavar="TEXT", help="Only variables whose name or description has this.")
@click.option("--locale", metavar="L", help="How the samples look in this language.")
@format_option("text", "json")
@pass_door
def variables(door: Door, type_: str | None, search: str | None, locale: str | None, format_: str) -> int:
    """What a template may say: every variable of a TYPE with what to write, what it shows, and where it comes from.

    Without a TYPE: the types, and how many variables each has.
    """
    from engine.cli.reading import sound
    from engine.messages.guide import guide_of
    from engine.views import guide as view

    definitions = sound(door)
    # A template's id is what people have at hand: it leads to its type.
    if type_ is not None and type_ not in definitions.types and type_ in definitions.templates:
        type_ = definitions.templates[type_].type
    if type_ is not None and type_ not in definitions.types:
        raise WrongUsage(f"there is no type `{type_}`", help=f"the types are {', '.join(sorted(definitions.types))}")
    if locale is not None and locale not in definitions.project.locales:
        raise WrongUsage(f"there is no language `{locale}`", help=f"engine.yaml has {', '.join(definitions.project.locales)}")
    if type_ is None and search is None:
        guides = [guide_of(definitions, id, locale) for id in sorted(definitions.types) if id != "common"]
        door.out(view.types_json(guides) if format_ == "json" else view.types_text(guides, width=door.width, ink=door.ink))
        return 0
    wanted = [type_] if type_ else [id for id in sorted(definitions.types) if id != "common"]
    guides = [view.searched(guide_of(definitions, id, locale), search or "") for id in wanted]
    guides = [guide for guide in guides if guide.rows]
    if not guides:
        door.say(f"no variable matches {search!r}")
    door.out(view.guides_json(guides) if format_ == "json" else view.guides_text(guides, width=door.width, ink=door.ink) if guides else "")
    return 0
