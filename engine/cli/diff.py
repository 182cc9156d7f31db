"""`engine diff`: what a change of the definitions does, before anybody applies it."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import click

from engine.cli.choosing import select_option
from engine.cli.door import Door
from engine.cli.options import duration_option, format_option, now_option, pass_door, pii_option
from engine.cli.watching import watched
from engine.clock import Duration


@click.command()
@click.option("--base", required=True, metavar="REF", help="The git revision to compare with, such as main.")
@click.option("--head", metavar="REF", help="The revision with the change; the files as they are if not said.")
@duration_option("--horizon", "30d", "How far to look ahead, such as 30d or 12w.")
@select_option
@click.option(
    "--detailed-exitcode",
    is_flag=True,
    help="Exit 2 when somebody gets something else, 3 when a guard would block; 1 in any case when no apply would follow the change.",
)
@format_option("text", "json", "markdown", "html")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE", help="Write it there.")
@pii_option
@now_option
@pass_door
def diff(
    door: Door, base: str, head: str | None, horizon: Duration, select: str | None, detailed_exitcode: bool, format_: str, out: Path | None, show_pii: bool
) -> int:
    """Who would get what because of a change. Nothing is written, and no mail leaves.

    Both revisions are followed over the coming days, on the same facts, the same ledger and from the same moment. Exit 1 where an
    apply would refuse the change: a sequence or step that looks renamed and does not say so, another `about` or key.
    """
    door.refuse_pii(show_pii)
    from engine.ledger.pseudonyms import read_pseudonyms
    from engine.rehearsal.differing import difference
    from engine.runs.opening import STATE
    from engine.views.naming import Naming

    with watched(door) as progress:
        found = difference(door.root, base, head, door.environment, door.environ, door.now, horizon, select=select, progress=partial(progress, "both"))
    naming = Naming(found.after.definitions, read_pseudonyms(door.root / STATE, door.environ.get("ENGINE_PSEUDONYM_KEY")), show_pii)
    if found.new_environment is not None:
        door.say(f"{base} has no environment `{found.new_environment}`: it is read as the files have it")
    door.say_age(found.ledger_as_of, found.timezone)
    if format_ == "json":
        from engine.views.difference_json import as_json

        text = as_json(found, naming)
    elif format_ in ("markdown", "html"):
        from engine.rehearsal.personas import personas
        from engine.views.difference_html import as_html
        from engine.views.difference_markdown import as_markdown

        letters, more = personas(found)
        text = (as_html if format_ == "html" else as_markdown)(found, letters, more)
    else:
        from engine.rehearsal.differing import tree_of
        from engine.views.difference_text import as_text
        from engine.views.problems import reader_of

        text = as_text(found, naming, width=door.width, ink=door.ink, read=reader_of(tree_of(door.root, head)))
    door.deliver(text, out)
    if found.refused:
        return 1
    if not detailed_exitcode:
        return 0
    return 3 if found.blocked else 2 if found.changes_mail else 0
