"""A reader who does what a page says, in a project of their own."""

from __future__ import annotations

import contextlib
import io
import json
import os
import shlex
import subprocess
from pathlib import Path

import click

from engine.cli import cli
from engine.cli.ending import ended_calmly
from engine.definitions.loading import WorkTree, load
from engine.definitions.reading_cases import read_cases
from engine.definitions.yaml_reader import read_yaml
from engine.rehearsal.proving import reasons_by_kind
from tests.docs.pages import NOW, RuleShown, Run, Write


class Reader:
    """Follows one page; `folder` is the project."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def write(self, shown: Write) -> None:
        """Put the file in place, and let the loader say what it thinks of the project."""
        path = self.folder / shown.file
        path.parent.mkdir(parents=True, exist_ok=True)
        if shown.part or shown.below:
            new, old = _data(shown.file, shown.text.encode()), _data(shown.file, path.read_bytes())
            if shown.below:
                new = {shown.below: {**old.get(shown.below, {}), **new}}
            # JSON is YAML, and says exactly what was read.
            path.write_text(json.dumps({**old, **new}, ensure_ascii=False, indent=1), encoding="utf-8")
        else:
            path.write_text(shown.text, encoding="utf-8")

    def problems(self) -> list[str]:
        """What the loader finds wrong with the project as it stands."""
        tree = WorkTree(self.folder)
        loaded = load(tree)
        found = [*loaded.errors, *(read_cases(tree, loaded.definitions, reasons_by_kind())[1] if loaded.definitions else ())]
        return [f"{problem.origin and problem.origin.file}:{problem.origin and problem.origin.line} {problem.code} {problem.message}" for problem in found]

    def problems_of_rule(self, shown: RuleShown) -> list[str]:
        """What the loader finds wrong with a rule, taken as a segment's."""
        path = self.folder / "definitions/segments/shown.yaml"
        lines = "\n".join(f"  {line}" for line in shown.text.splitlines())
        path.write_text(f"id: shown\nentity: {shown.entity}\nrules:\n{lines}\n", encoding="utf-8")
        found = self.problems()
        path.unlink()
        return found

    def run(self, shown: Run) -> tuple[int, str]:
        """Exit code and output. `engine` runs in this process, for the page's moment; everything else in a shell."""
        words = shlex.split(shown.command)
        if words[0] == "engine" and not {"|", "&&", ">"} & set(words):
            return self._engine(words[1:])
        done = subprocess.run(["bash", "-c", shown.command], cwd=self.folder, env=_shell_environment(self.folder), capture_output=True, text=True, check=False)
        return done.returncode, done.stdout + done.stderr

    def _engine(self, words: list[str]) -> tuple[int, str]:
        printed = io.StringIO()
        said = words if "--now" in words or not _looks_at_time(words) else [*words, "--now", NOW]
        before = Path.cwd()
        os.chdir(self.folder)
        try:
            with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
                code = ended_calmly(cli, said)
        finally:
            os.chdir(before)
        return code, printed.getvalue().replace(f" --now {NOW}", "").replace(str(self.folder.resolve()), "DIR")


def _data(file: str, raw: bytes) -> dict[str, object]:
    data = read_yaml(file, raw).data
    assert isinstance(data, dict), f"{file} is no mapping"
    return data


def _looks_at_time(words: list[str]) -> bool:
    """Whether the command that the words name has `--now`."""
    command: click.Command | None = cli
    for word in words:
        if word.startswith("-") or not isinstance(command, click.Group):
            break
        command = command.get_command(click.Context(command), word)
    return command is not None and any(parameter.name == "now" or "--now" in parameter.opts for parameter in command.params)


def _shell_environment(folder: Path) -> dict[str, str]:
    """A shell without this person's settings: what git writes is the same everywhere."""
    person = {f"GIT_{who}_{what}": value for who in ("AUTHOR", "COMMITTER") for what, value in (("NAME", "Ana"), ("EMAIL", "ana@example.com"))}
    return {"PATH": os.environ["PATH"], "HOME": str(folder.parent), "GIT_CONFIG_NOSYSTEM": "1", "LC_ALL": "C.UTF-8", **person}
