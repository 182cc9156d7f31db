"""What `engine import sends` and `engine import enrollments` have in common."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import click

from engine.cli.door import Door
from engine.cli.options import Wrapped
from engine.errors import EngineError

if TYPE_CHECKING:
    from engine.cutover.dictionary import Kind


def import_options(function: Wrapped) -> Wrapped:
    """The file's words, where it is, and how far to go."""
    for option in (
        click.option("--leave-out", is_flag=True, help="Import the others when some rows cannot be taken."),
        click.option("--dry-run", is_flag=True, help="Show what would be imported; write nothing."),
        click.option("--url", metavar="URL", help="The database of a .sql file; the environment's CRM if not said."),
        click.option("--column", multiple=True, metavar="OURS=THEIRS", help="Which column of the file is what, such as contact=client_no."),
        click.option("--dictionary", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE", help="YAML: columns, mails, statuses, keys, timezone."),
    ):
        function = option(function)
    return function


def run_import(
    door: Door, kind: Kind, file: Path, dictionary: Path | None, column: tuple[str, ...], url: str | None, dry_run: bool, leave_out: bool, format_: str
) -> int:
    """Plan the import, show it, and make it unless something speaks against it. Exit 1 when rows cannot be taken and nothing was said of them."""
    from engine.cli.apply import user
    from engine.cutover.dictionary import read_dictionary
    from engine.cutover.taking_in import plan_import, take_in
    from engine.views import imported as view

    site = door.site()
    planned = plan_import(site, kind, file, read_dictionary(dictionary, column), by=user(), url=url)
    door.say_age(planned.ledger_as_of, site.definitions.project.timezone)
    refused = bool(planned.refused) and not leave_out
    if planned.foreseen.again and not dry_run:
        raise EngineError("the next apply would send mails again that are in this file; nothing was imported", help="`--dry-run` shows the import")
    taken = None if dry_run or refused else take_in(site, planned)
    if format_ == "json":
        door.out(view.as_json(planned, taken, environment=site.environment.name))
    else:
        words = f"import {kind} {shlex.quote(str(file))}"
        words += "".join(f" --column {shlex.quote(said)}" for said in column) + (f" --dictionary {shlex.quote(str(dictionary))}" if dictionary else "")
        if taken is not None:
            said = "Look at the plan before the first apply:", door.command("plan")
        elif refused:
            said = "Nothing was imported. Mend these rows, or leave them out:", door.command(f"{words} --leave-out")
        else:
            said = "Nothing was written. To import it:", door.command(f"{words}{' --leave-out' if leave_out else ''}")
        door.out(view.as_text(planned, taken, next_step=said, width=door.width, ink=door.ink))
    return 1 if refused else 0
