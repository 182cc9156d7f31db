"""`engine plan`: who gets what now, why, and why not."""

from __future__ import annotations

import click

from engine.cli.choosing import chosen, job_option, select_option
from engine.cli.door import Door
from engine.cli.options import format_option, later_option, now_option, pass_door, pii_option


@click.command()
@click.option("--all", "all_", is_flag=True, help="Also each one that waits (json, jsonl).")
@click.option("--detailed-exitcode", is_flag=True, help="Exit 2 when an apply would change something, 3 when a guard holds it back.")
@format_option("text", "json", "jsonl", "markdown")
@pii_option
@select_option
@job_option
@now_option
@later_option("--out")
@pass_door
def plan(door: Door, all_: bool, detailed_exitcode: bool, format_: str, show_pii: bool, select: str | None, job: str | None) -> int:
    """Who gets what now, why, and why not. Nothing is written.

    People are shown as pseudonyms; --show-pii shows the CRM's own keys. Of a selection only the rows are shown: caps and
    priorities are judged with all sequences.
    """
    door.refuse_pii(show_pii)
    from engine.runs.narrowing import narrowed
    from engine.runs.planning import plan_now
    from engine.views.naming import Naming
    from engine.views.plan_json import PlanPage, as_json, as_json_lines

    site = door.site()
    choice = chosen(site.definitions, select, job)
    planned = plan_now(site)
    plan = narrowed(planned.plan, choice.sequences)
    page = PlanPage(plan, Naming(site.definitions, site.pseudonyms, show_pii), all_, site.warnings, choice.select, choice.job, planned.changed, planned.refused)
    door.say_age(planned.ledger_as_of, page.zone)
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
    return 3 if any(not guard.passed for guard in plan.guards) else 2 if plan.has_changes else 0
