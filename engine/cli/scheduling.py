"""`engine schedule`: the jobs of engine.yaml as a scheduler's own files."""

from __future__ import annotations

import click

from engine.cli.door import Door
from engine.cli.options import format_option, now_option, pass_door
from engine.errors import EngineError

_TARGETS = ("cron", "systemd", "github", "kubernetes", "render")


@click.group()
def schedule() -> None:
    """The jobs of engine.yaml for a scheduler."""


@schedule.command()
@click.option("--for", "target", type=click.Choice(_TARGETS), required=True, help="Whose file it is.")
@format_option("text", "json")
@now_option
@pass_door
def export(door: Door, target: str, format_: str) -> int:
    """A file for the scheduler, with the times that the project's timezone means.

    Each says whose time its scheduler keeps: cron and Kubernetes can be told a zone, systemd is told one, GitHub and Render know
    only UTC. There it also says until which change of the clocks the times are right.
    """
    from engine.definitions.trees import WorkTree
    from engine.runs.opening import sound_definitions
    from engine.views.schedules import TARGETS, Schedule

    definitions, _ = sound_definitions(WorkTree(door.root))
    project = definitions.project
    if not project.jobs:
        raise EngineError(
            "engine.yaml has no jobs", help='write, for instance: jobs: {mail: {cron: "*/20 * * * *"}, reminders: {cron: "0 9 * * *", select: "tag:renewal"}}'
        )
    text = TARGETS[target](Schedule.of(project, str(door.root), door.environment, door.now))
    if format_ == "json":
        from engine.views.answered import as_json

        jobs = [{"name": name, "cron": job.cron, "select": job.select} for name, job in project.jobs.items()]
        text = as_json("schedule", target=target, timezone=project.timezone, jobs=jobs, text=text)
    door.out(text)
    return 0
