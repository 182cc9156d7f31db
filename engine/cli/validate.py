"""`engine validate`: everything that is wrong with the definitions, at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from engine.cli.door import PROJECT_FILE, Door
from engine.cli.options import format_option, now_option, pass_door
from engine.errors import WrongUsage
from engine.problems import Problem

if TYPE_CHECKING:
    from engine.definitions.definitions import Definitions


@click.command()
@click.argument("paths", nargs=-1, metavar="[PATH]...")
@click.option("--facts", is_flag=True, help="Also check the map against the real CRM of the environment.")
@format_option("text", "json", "github", "gitlab", "sarif", "junit")
@now_option
@pass_door
def validate(door: Door, paths: tuple[str, ...], facts: bool, format_: str) -> int:
    """Parse, schema, references, variables and rules. No database and no secrets are needed, but for --facts.

    With PATHs the whole project is read, and only what is wrong in those files or folders is told.
    """
    from engine.definitions.loading import load
    from engine.definitions.trees import WorkTree
    from engine.views import problems as view

    meant = _inside(door, paths)
    tree = WorkTree(door.root)
    loaded = load(tree)
    problems = list(loaded.problems)
    if loaded.sound_parts is not None:
        from engine.messages.checking import check_templates

        problems += check_templates(loaded.sound_parts, tree.read)
    from engine.definitions.reading_cases import read_cases
    from engine.rehearsal.proving import reasons_by_kind

    problems += read_cases(tree, loaded.definitions, reasons_by_kind())[1]
    sound = not any(problem.severity == "error" for problem in problems)
    if facts and sound and loaded.definitions is not None:
        from engine.definitions.environments import resolve
        from engine.facts.fit import check_facts

        environment = resolve(loaded.definitions.project, door.environment, door.environ)
        door.remember(environment)
        problems += check_facts(loaded.definitions, environment.facts, door.root, door.now)
    problems = [problem for problem in problems if _is_meant(problem, meant)]
    problems.sort(key=lambda problem: problem.sort_key)
    failed = any(problem.severity == "error" for problem in problems)
    reader = view.reader_of(tree)
    if format_ != "text":
        door.out(door.mask(view.FORMATS[format_](problems, reader)))
    else:
        if problems:
            door.out(door.mask(view.text(problems, reader)))
        if not failed:
            door.out(_good(door, loaded.definitions, facts, paths))
        elif facts and not sound:
            door.say("note: the CRM was not looked at; mend the definitions first")
    return 1 if failed else 0


def _inside(door: Door, paths: tuple[str, ...]) -> list[str]:
    """The paths relative to the project. WrongUsage for one that is not there."""
    found = []
    for path in paths:
        here = (door.root / path).resolve()
        if not here.exists():
            raise WrongUsage(f"there is no {path} in the project", help="paths are relative to the project's folder")
        if not here.is_relative_to(door.root):
            raise WrongUsage(f"{path} is outside of the project")
        found.append(here.relative_to(door.root).as_posix())
    return found


def _is_meant(problem: Problem, paths: list[str]) -> bool:
    file = problem.origin.file if problem.origin else PROJECT_FILE
    return not paths or any(path in (".", file) or file.startswith(f"{path}/") for path in paths)


def _good(door: Door, definitions: Definitions | None, facts: bool, paths: tuple[str, ...]) -> str:
    from engine.views.phrases import counted, joined

    if definitions is None or paths:
        return door.ink.good("Valid.")
    told = [
        counted(len(definitions.sequences), "sequence"),
        counted(len(definitions.templates), "template"),
        counted(len(definitions.segments), "segment"),
        counted(len(definitions.types), "type"),
    ]
    fits = " The map fits the CRM." if facts else ""
    return "\n".join([door.ink.good(f"Valid: {joined(told)}.{fits}"), *_drafts(door, definitions)])


def _drafts(door: Door, definitions: Definitions) -> list[str]:
    """A sequence that says no status is a draft; who forgot it would wait for mails in vain."""
    from engine.views.phrases import counted, joined, wrapped

    drafts = sorted(id for id, sequence in definitions.sequences.items() if "status" not in sequence.model_fields_set)
    if not drafts:
        return []
    which = joined([f"`{id}`" for id in drafts[:5]]) if len(drafts) <= 5 else ", ".join(f"`{id}`" for id in drafts[:5]) + ", …"
    say = "says no status, so it is a draft and sends nothing" if len(drafts) == 1 else "say no status, so they are drafts and send nothing"
    text = f"{counted(len(drafts), 'sequence')} {say}: {which}. To begin, write `status: active`."
    return wrapped(text, door.width)
