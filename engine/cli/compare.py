"""`engine compare`: our plan of each day beside what another system sent (shadow mode)."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import click

from engine.cli.door import Door
from engine.cli.options import format_option, now_option, pass_door, pii_option
from engine.cli.watching import watched
from engine.errors import WrongUsage


@click.command()
@click.option("--log", "file", required=True, type=click.Path(path_type=Path), metavar="FILE", help="The other system's log: CSV, Parquet, or a .sql file.")
@click.option("--from", "first", metavar="DATE", help="The first day; the log's first if not said.")
@click.option("--to", "last", metavar="DATE", help="The last day; the log's last if not said.")
@click.option("--sequence", "sequences", multiple=True, metavar="ID", help="Compare this one; those that the log has if not said.")
@click.option("--within", type=click.IntRange(0, 31), default=1, show_default=True, help="So many days apart a mail is still the same.")
@click.option("--dictionary", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE", help="YAML: columns, mails, statuses, keys, timezone.")
@click.option("--column", multiple=True, metavar="OURS=THEIRS", help="Which column of the log is what, such as contact=client_no.")
@click.option("--url", metavar="URL", help="The database of a .sql file; the environment's CRM if not said.")
@click.option("--detailed-exitcode", is_flag=True, help="Exit 2 when there is a difference.")
@format_option("text", "json")
@pii_option
@now_option
@pass_door
def compare(
    door: Door,
    file: Path,
    first: str | None,
    last: str | None,
    sequences: tuple[str, ...],
    within: int,
    dictionary: Path | None,
    column: tuple[str, ...],
    url: str | None,
    detailed_exitcode: bool,
    format_: str,
    show_pii: bool,
) -> int:
    """Our plan of each day beside another system's log: same, only ours, only theirs, each with our reason.

    Nothing is written and no mail leaves. Every day is planned with the CRM as it is now, so compare a day soon after it is over.
    """
    door.refuse_pii(show_pii)
    from engine.cutover.dictionary import read_dictionary
    from engine.cutover.shadowing import compare as lay_beside
    from engine.views import compared as view
    from engine.views.naming import Naming

    site = door.site()
    with watched(door) as progress:
        found = lay_beside(
            site, file, read_dictionary(dictionary, column), first=_day(first, "--from"), last=_day(last, "--to"), url=url, sequences=sequences, within=within,
            progress=lambda done, of: progress("planned", done, of),
        )  # fmt: skip
    zone = site.definitions.project.timezone
    naming = Naming(site.definitions, site.pseudonyms, show_pii)
    if format_ == "json":
        door.out(view.as_json(found, naming, environment=site.environment.name, zone=zone))
    else:
        door.out(view.as_text(found, naming, zone=zone, width=door.width, ink=door.ink))
    return 2 if detailed_exitcode and not found.agree else 0


def _day(text: str | None, option: str) -> date | None:
    """A local day. Raises WrongUsage."""
    if text is None:
        return None
    try:
        return date.fromisoformat(text.strip())
    except ValueError:
        raise WrongUsage(f"{option} {text!r} is not a day", help="write it as 2026-01-31") from None
