"""`engine codeowners`: who is asked when a file changes."""

from __future__ import annotations

from pathlib import Path

import click

from engine.cli.door import Door
from engine.cli.options import format_option, pass_door
from engine.errors import EngineError


@click.command()
@click.option("--write", is_flag=True, help="Write them into the repository's CODEOWNERS; other lines of it stay.")
@click.option("--check", is_flag=True, help="Exit code 1 when CODEOWNERS does not say the same; for CI.")
@format_option("text", "json")
@pass_door
def codeowners(door: Door, write: bool, check: bool, format_: str) -> int:
    """CODEOWNERS lines from `owner:` of sequences and segments, and the addresses in `owners:` of engine.yaml.

    GitHub and GitLab then ask an owner before a change of their files is merged: who may merge may edit.
    """
    from engine.cli.reading import sound
    from engine.definitions.owning import codeowners as lines_of
    from engine.definitions.owning import owned_files, written_into

    definitions = sound(door)
    top = _top(door.root)
    lines = lines_of(owned_files(definitions), definitions.project.owners, door.root.relative_to(top).as_posix() if door.root != top else "")
    path = _file(top)
    before = path.read_bytes().decode("utf-8", "replace") if path.is_file() else ""
    after = written_into(before, lines)
    if check:
        if before != after:
            raise EngineError(
                f"{path.relative_to(top)} does not say what the definitions do", help=f"run `{door.command('codeowners --write')}`, and commit it"
            )
        told = f"{path.relative_to(top)} says what the definitions do."
    elif not write:
        told = lines or "# no sequence and no segment has an owner\n"
    elif before == after:
        told = f"{path.relative_to(top)} is as it should be."
    else:
        from engine.runs.listing import write as write_file

        write_file(top, path.relative_to(top).as_posix(), after)
        told = f"{path.relative_to(top)}: {lines.count(chr(10)):,} files have owners."
    if format_ == "json":
        from engine.views.answered import as_json

        written = write and before != after
        file = path.relative_to(top).as_posix()
        told = as_json("codeowners", file=file, lines=lines.splitlines(), written=written, up_to_date=written or before == after)
    door.out(told)
    return 0


def _top(root: Path) -> Path:
    """The repository that the project is in; the project itself where it is in none."""
    return next((folder for folder in (root, *root.parents) if (folder / ".git").exists()), root)


def _file(top: Path) -> Path:
    """The CODEOWNERS that is there; else where the repository's host looks for it."""
    places = [top / ".github" / "CODEOWNERS", top / ".gitlab" / "CODEOWNERS", top / "CODEOWNERS", top / "docs" / "CODEOWNERS"]
    there = next((place for place in places if place.is_file()), None)
    return there or next((place for place in places[:2] if place.parent.is_dir()), top / "CODEOWNERS")
