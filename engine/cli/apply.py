"""`engine apply`: do what is due."""

from __future__ import annotations

import getpass
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from engine.cli.choosing import chosen, job_option, select_option
from engine.cli.door import Door
from engine.cli.options import format_option, now_option, pass_door, pii_option
from engine.cli.watching import watched
from engine.errors import WrongUsage

if TYPE_CHECKING:
    from engine.definitions.definitions import Definitions


@click.command()
@click.argument("saved", required=False, type=click.Path(path_type=Path, dir_okay=False), metavar="[PLAN]")
@click.option("--allow", multiple=True, metavar="GUARD=N", help="Raise a guard for this run; needs --reason, and is recorded.")
@click.option("--reason", default="", metavar="TEXT", help="Why a guard is raised.")
@click.option("--plan-only", is_flag=True, help="Record what is due and send nothing: `engine deliver` sends it.")
@format_option("text", "json")
@pii_option
@select_option
@job_option
@now_option
@click.option(
    "--expect-digest",
    metavar="DIGEST",
    help="Only where the plan, or the definitions, have this digest (`digest` or `definitions.digest` of `engine plan --format json`); exit 4 otherwise.",
)
@pass_door
def apply(
    door: Door,
    saved: Path | None,
    allow: tuple[str, ...],
    reason: str,
    plan_only: bool,
    format_: str,
    show_pii: bool,
    select: str | None,
    job: str | None,
    expect_digest: str | None,
) -> int:
    """Plan under the lock, check the guards, send what is due, record it.

    Run it as often as you like: what was sent is never sent again. Exit 3 when a guard holds something back, 5 while another
    run holds the ledger, 6 when something failed or is unknown. With a PLAN that was kept in a file: only what is in it and is still
    due, never more; exit 4 when it is stale.
    """
    if saved is not None and (select is not None or job is not None):
        raise WrongUsage("a saved plan has its selection in it", help="leave out --select and --job")
    door.refuse_pii(show_pii)
    allowed = dict(_allowed(text) for text in allow)
    if allowed and not reason.strip():
        raise WrongUsage("--allow needs --reason: it is recorded with the run", help='add --reason "…"')
    from engine.runs import applying, reviewing
    from engine.views import applied as view
    from engine.views.naming import Naming

    reviewed = reviewing.Reviewed(reviewing.read_saved(saved) if saved else None, expect_digest) if saved or expect_digest else None
    site = door.site()
    choice = chosen(site.definitions, select, job)
    _refuse_unsaid(site.definitions, allowed)
    with watched(door) as progress:
        applied = applying.apply(
            site,
            environ=door.environ,
            allowed=allowed,
            reason=reason.strip(),
            by=user(),
            live=door.now_said is None,
            plan_only=plan_only,
            progress=progress,
            sequences=reviewed.saved.sequences if reviewed and reviewed.saved else choice.sequences,
            reviewed=reviewed,
            job=choice.job,
        )
    naming = Naming(site.definitions, site.pseudonyms, show_pii)
    if format_ == "json":
        door.out(view.as_json(applied, naming))
    else:
        door.out(view.as_text(applied, naming, width=door.width, ink=door.ink, command=door.command, again=f"apply{choice.words}"))
    return applied.exit_code


def _refuse_unsaid(definitions: Definitions, allowed: Iterable[str]) -> None:
    """More than a limit can be allowed only where there is one (10.1). `min_facts` holds also where nobody says it."""
    holders = [definitions.project.guards, *(sequence.guards for sequence in definitions.sequences.values() if sequence.guards is not None)]
    for guard in allowed:
        name, _, part = guard.partition(".")
        said = [getattr(holder, name, None) for holder in holders]
        if part:
            said = [getattr(one, part, None) for one in said]
        if guard != "min_facts" and all(one is None for one in said):
            raise WrongUsage(f"there is nothing to allow: neither engine.yaml nor a sequence says the guard `{guard}`", help=f"leave out `--allow {guard}=…`")


def user() -> str:
    """Who runs this, as the ledger remembers it."""
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):
        return "unknown"


def _allowed(text: str) -> tuple[str, float]:
    from engine.plan.guards import GUARDS

    guard, sign, value = text.partition("=")
    if guard not in GUARDS or not sign:
        raise WrongUsage(f"--allow {text!r} is not GUARD=N", help=f"the guards are {', '.join(GUARDS)}")
    try:
        number = _hours(value) if guard == "facts_max_age" else float(value[:-1]) / 100 if value.endswith("%") else float(value)
    except ValueError:
        number = -1.0
    if not 0 <= number < 1e12:
        raise WrongUsage(f"--allow {text!r}: `{value}` is not a number", help=f"such as {guard}=900")
    return guard, number


def _hours(text: str) -> float:
    """`48h`, `2d` or a bare number of hours."""
    from engine.clock import Duration

    if text.replace(".", "", 1).isdigit():
        return float(text)
    span = Duration.parse(text)
    if span.unit not in ("h", "d"):
        raise ValueError(text)
    return float(span.count * (24 if span.unit == "d" else 1))
