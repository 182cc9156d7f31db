"""`engine ci init`: the files with which a pull request is checked, its impact shown, and what is due sent."""

from __future__ import annotations

import os

import click

from engine.cli.door import Door
from engine.cli.options import format_option, pass_door
from engine.errors import EngineError, WrongUsage


@click.group()
def ci() -> None:
    """Files for the host of your repository: GitHub or GitLab."""


@ci.command()
@click.argument("host", type=click.Choice(["github", "gitlab"]))
@click.option("--force", is_flag=True, help="Write them anew where they are there already.")
@format_option("text", "json")
@pass_door
def init(door: Door, host: str, force: bool, format_: str) -> int:
    """Write what CI needs: checks without secrets, the impact of a change with a role that may only read, its comment, and the scheduled apply.

    `engine --env NAME ci init …` says whose people are meant; if not said, the environment whose ledger is on Postgres.
    """
    from typing import cast

    from engine import __version__
    from engine.definitions.project import PostgresLedger
    from engine.definitions.trees import WorkTree
    from engine.library.pipelines import Host, pipelines
    from engine.runs.opening import sound_definitions
    from engine.views.pipelines import as_text

    project = sound_definitions(WorkTree(door.root))[0].project
    name = door.environment or next((name for name, one in project.environments.items() if isinstance(one.ledger, PostgresLedger)), None)
    name = name or list(project.environments)[-1]
    if name not in project.environments:
        raise WrongUsage(f"there is no environment `{name}`", help=f"engine.yaml has {', '.join(project.environments)}")
    made = pipelines(project, cast(Host, host), name, has_lock=(door.root / "requirements.lock").is_file(), version=__version__)
    there = [path for path in made.files if (door.root / path).exists()]
    if there and not force:
        raise EngineError(f"{', '.join(there)} {'is' if len(there) == 1 else 'are'} there already, and nothing was written", help="--force writes them anew")
    for path, text in made.files.items():
        _write(door, path, text)
    if format_ == "json":
        from engine.views.answered import as_json

        door.out(
            as_json(
                "ci_files",
                host=host,
                env=name,
                written=list(made.files),
                left_out=dict(made.left_out),
                secrets={purpose: list(names) for purpose, names in made.secrets.items()},
            )
        )
        return 0
    door.out(
        as_text(list(made.files), made.left_out, made.secrets, host=host, environment=name, command=door.command("validate"), width=door.width),
    )
    return 0


def _write(door: Door, path: str, text: str) -> None:
    place = door.root / path
    # A link could lead out of the project.
    if place.is_symlink() or not place.parent.resolve().is_relative_to(door.root.resolve()):
        raise EngineError(f"{path} leads out of the project; it was left as it is")
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        beside = place.with_name(f".{place.name}.{os.getpid()}")
        beside.write_text(text, encoding="utf-8")
        beside.replace(place)
    except OSError as error:
        raise EngineError(f"{path} cannot be written: {error.strerror}") from None
