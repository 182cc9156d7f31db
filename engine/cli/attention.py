"""`engine attention`: what needs a person."""

from __future__ import annotations

import click

from engine.cli.door import Door
from engine.cli.options import format_option, now_option, pass_door, pii_option
from engine.errors import WrongUsage


@click.command()
@click.option("--owner", help="Only what is of this owner.")
@click.option("--within", type=click.IntRange(0, 365), default=7, show_default=True, metavar="DAYS", help="Holds that expire within so many days are told.")
@click.option(
    "--send",
    is_flag=True,
    help="Mail each owner what is theirs and what has no owner, once a day at most, to the address in `owners:`; without owners, to the sender's `reply_to`.",
)
@format_option("text", "json")
@pii_option
@now_option
@pass_door
def attention(door: Door, owner: str | None, within: int, send: bool, format_: str, show_pii: bool) -> int:
    """What needs a person, by owner: since when, what happens if nobody acts and when, and the one thing that mends it.

    Records that nobody can be told about, mails that wait and will soon be too late, values that are missing, doubts, guards
    that block, late jobs, forgotten drafts, members of lists that are gone. Exit code 6 when a mail of --send did not go.
    """
    door.refuse_pii(show_pii)
    from dataclasses import replace
    from datetime import timedelta
    from shlex import quote

    from engine.definitions.translating import did_you_mean
    from engine.runs.attending import attention as found_now
    from engine.views import attention as view
    from engine.views.naming import Naming

    site = door.site()
    project = site.definitions.project
    if owner is not None and owner not in project.owners:
        raise WrongUsage(f"there is no owner `{owner}`", help=did_you_mean(owner, project.owners, "the owners are") or "add it to `owners:` in engine.yaml")
    found = found_now(site, soon=timedelta(days=within))
    door.say_age(found.ledger_as_of, project.timezone)
    page = view.AttentionPage(
        project.name,
        site.environment.name,
        project.timezone,
        site.now,
        site.definitions.crm.contact,
        found.findings,
        Naming(site.definitions, site.pseudonyms, show_pii),
    )
    asked = replace(page, findings=[one for one in found.findings if owner in (None, one.owner)])
    door.out(view.as_json(asked, door.command) if format_ == "json" else view.as_text(asked, width=door.width, ink=door.ink, command=door.command))
    if not send:
        return 0
    from engine.runs.noticing import tell

    # A mail leaves the house: it names records by nothing but what is not personal, whatever was asked for on the screen.
    page = replace(page, naming=Naming(site.definitions, site.pseudonyms, False))
    # Whoever reads it is elsewhere and later: the environment is said where it is not the one that is meant unsaid, and no folder and no --now.
    env = "" if site.environment.name == next(iter(project.environments)) else f"--env {quote(site.environment.name)} "
    letters = view.letters(page, project.owners if owner is None else [owner], lambda words: f"engine {env}{words}")
    told = tell(site, letters) if letters else {}
    for line in view.sent_lines([*told.items()]):
        door.say(line)
    if (nobody_s := len(page.owned().get(None, ()))) and told:
        door.say(view.everybody_line(nobody_s, [*told]))
    return 6 if any(became in ("failed", "unknown") for became in told.values()) else 0
