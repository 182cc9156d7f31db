"""`engine plan`: who gets what now, why, and why not."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING

import click

from engine.cli.choosing import chosen, job_option, select_option
from engine.cli.door import Door
from engine.cli.options import format_option, now_option, pass_door, pii_option
from engine.errors import EngineError, WrongUsage

if TYPE_CHECKING:
    from engine.views.plan_json import PlanPage


@click.command()
@click.option("--all", "all_", is_flag=True, help="Also each one that waits (json, jsonl).")
@click.option(
    "--detailed-exitcode",
    is_flag=True,
    help="Exit 2 when an apply would change something, 3 when a guard holds it back, 1 when it would refuse the definitions.",
)
@format_option("text", "json", "jsonl", "markdown")
@pii_option
@select_option
@job_option
@now_option
@click.option(
    "--out", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE", help="Keep the plan in a file, to be reviewed and applied: `engine apply FILE`."
)
@pass_door
def plan(door: Door, all_: bool, detailed_exitcode: bool, format_: str, show_pii: bool, select: str | None, job: str | None, out: Path | None) -> int:
    """Who gets what now, why, and why not. Nothing is written.

    People are shown as pseudonyms; --show-pii shows the CRM's own keys. Of a selection only the rows are shown: caps and
    priorities are judged with all sequences.
    """
    if out is not None and show_pii:
        raise WrongUsage("a plan in a file is passed on, and has pseudonyms only", help="leave out --show-pii, or --out")
    door.refuse_pii(show_pii)
    from engine.runs.narrowing import narrowed
    from engine.runs.planning import plan_now
    from engine.runs.reviewing import plan_digest, saved_block
    from engine.views.naming import Naming
    from engine.views.plan_json import PlanPage, as_json, as_json_lines

    site = door.site()
    choice = chosen(site.definitions, select, job)
    planned = plan_now(site)
    plan = narrowed(planned.plan, choice.sequences)
    page = PlanPage(
        plan,
        Naming(site.definitions, site.pseudonyms, show_pii),
        all_,
        site.warnings,
        choice.select,
        choice.job,
        planned.changed,
        planned.refused,
        plan_digest(plan),
    )
    door.say_age(planned.ledger_as_of, page.zone)
    if out is not None:
        _save(door, out, replace(page, all=False, saved=saved_block(plan, planned.lineage, narrowed=choice.sequences is not None)))
    if format_ == "json":
        door.out(as_json(page))
    elif format_ == "jsonl":
        for line in as_json_lines(page):
            door.out(line)
    elif format_ == "markdown":
        from engine.views.plan_markdown import as_markdown

        door.out(as_markdown(page))
    else:
        from engine.views.plan_text import as_text

        door.out(as_text(page, width=door.width, ink=door.ink, apply=door.command(f"apply{choice.words}")))
    if not detailed_exitcode:
        return 0
    if page.refused:
        return 1
    return 3 if any(not guard.passed for guard in plan.guards) else 2 if plan.has_changes else 0


def _save(door: Door, path: Path, page: PlanPage) -> None:
    """Write the plan whole or not at all: beside its place first, then put there."""
    import json
    import os

    from engine.runs.reviewing import seal
    from engine.views.phrases import counted
    from engine.views.plan_json import as_json

    value = json.loads(as_json(page))
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        beside.unlink(missing_ok=True)
        # Nobody else may read who gets what: so from its first byte, not by a later change of its mode.
        with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8", newline="\n") as file:
            file.write(as_json(replace(page, saved={**value["saved"], "seal": seal(value)})))
        beside.replace(path)
    except OSError as error:
        beside.unlink(missing_ok=True)
        raise EngineError(f"the plan cannot be kept in {path}: {error.strerror}", help="nothing was written; name another place with --out") from None
    mails = page.plan.mails()
    if page.refused:
        door.say(f"kept in {path}, and no apply follows it: the definitions are refused ({page.refused[0].code}); mend them and plan again")
        return
    door.say(f"{counted(mails, 'mail')} to review in {path}; apply it, and never more than it: {door.command(f'apply {quote(str(path))}')}")
