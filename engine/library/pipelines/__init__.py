"""The files that a project's CI needs: the checks of a pull request, the comment that says who would get what, and the scheduled apply.

What a pull request brings is not trusted. It is checked without a secret, also from a fork; its impact is reckoned with roles that may
only read, never from a fork; the comment is written by a job that has neither its files nor a database; and nothing but the merged branch is ever applied.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from typing import Literal

from engine.definitions.environments import READS, SENDS, variables_of
from engine.definitions.project import DuckdbLedger, Environment, PostgresLedger, Project

Host = Literal["github", "gitlab"]
# What marks the comment that is renewed in place of adding another.
MARKER = "<!-- campaigns-as-code:diff -->"


@dataclass(frozen=True)
class Pipelines:
    """`files` by their path in the project, `left_out` the files that were not made and why, `secrets` what must be set, by where."""

    files: Mapping[str, str]
    left_out: Mapping[str, str]
    secrets: Mapping[str, tuple[str, ...]]


def pipelines(project: Project, host: Host, environment: str, *, has_lock: bool, version: str) -> Pipelines:
    """What to write for one host of repositories. `environment` is the one whose people are shown and written to; `has_lock` says that the
    project pins its packages in requirements.lock."""
    setting = project.environments[environment]
    install = "pip install --require-hashes -r requirements.lock" if has_lock else f'pip install "campaigns-as-code[all]=={version}"'
    said = {"ENVIRONMENT": environment, "INSTALL": install, "MARKER": MARKER}
    to_read, to_send = _needed(setting, READS), _needed(setting, (*READS, *SENDS))
    made: dict[str, str] = {}
    left_out: dict[str, str] = {}
    secrets: dict[str, tuple[str, ...]] = {}
    wanted = _GITHUB if host == "github" else _GITLAB
    for name, path in wanted.items():
        if reason := _why_not(name, setting):
            left_out[path] = reason
            continue
        text = files("engine.library.pipelines").joinpath(host, name).read_text(encoding="utf-8")
        text = _filled(text, "READ_VARIABLES", [_reading(host, variable) for variable in to_read])
        text = _filled(text, "SEND_VARIABLES", [_sending(host, variable) for variable in to_send])
        text = _filled(text, "INCLUDES", [f"- local: {path}" for path in made])
        for word, value in said.items():
            text = text.replace(f"@{word}@", value)
        made[path] = text
        if name == "impact.yaml":
            secrets["to look"] = tuple(_read_name(variable) for variable in to_read) + ("ENGINE_PSEUDONYM_KEY",)
            if host == "gitlab":
                secrets["to comment"] = ("CAMPAIGNS_COMMENT_TOKEN",)
        if name == "apply.yaml":
            secrets["to send"] = (*to_send, "ENGINE_PSEUDONYM_KEY")
    made[".pre-commit-config.yaml"] = files("engine.library.pipelines").joinpath("pre-commit.yaml").read_text(encoding="utf-8")
    return Pipelines(made, left_out, secrets)


_GITHUB = {
    "check.yaml": ".github/workflows/campaigns-check.yml",
    "impact.yaml": ".github/workflows/campaigns-impact.yml",
    "comment.yaml": ".github/workflows/campaigns-comment.yml",
    "apply.yaml": ".github/workflows/campaigns-apply.yml",
}
_GITLAB = {
    "check.yaml": ".gitlab/campaigns-check.yml",
    "impact.yaml": ".gitlab/campaigns-impact.yml",
    "apply.yaml": ".gitlab/campaigns-apply.yml",
    "all.yaml": ".gitlab-ci.yml",
}


def _why_not(name: str, setting: Environment) -> str:
    """A runner of CI has a disk that is thrown away: what an embedded ledger remembers would be gone, and everybody written to again."""
    if name not in ("impact.yaml", "comment.yaml", "apply.yaml") or isinstance(setting.ledger, PostgresLedger):
        return ""
    assert isinstance(setting.ledger, DuckdbLedger)
    if name == "apply.yaml":
        return (
            f"the ledger is a file ({setting.ledger.duckdb}), and a runner's disk is thrown away: what was sent would be forgotten, and sent again. "
            "Run `engine apply` where the file is (`engine schedule export`), or put the ledger on Postgres"
        )
    return f"the ledger is a file ({setting.ledger.duckdb}) that a runner does not have, so nobody could say who was written to already. Put the ledger on Postgres"


def _needed(setting: Environment, parts: tuple[str, ...]) -> list[str]:
    return sorted(variables_of(setting, parts))


def _read_name(variable: str) -> str:
    return f"READ_{variable}"


def _reading(host: Host, variable: str) -> str:
    value = f"${{{{ secrets.{_read_name(variable)} }}}}" if host == "github" else f"${_read_name(variable)}"
    return f"{variable}: {value}"


def _sending(host: Host, variable: str) -> str:
    # GitLab gives a job all variables of its environment by their own names.
    return f"{variable}: ${{{{ secrets.{variable} }}}}" if host == "github" else f"# {variable} comes from the settings"


def _filled(text: str, word: str, lines: list[str]) -> str:
    """The line that holds only `@word@` becomes these lines, as far in as it stood."""
    found = []
    for line in text.splitlines():
        if line.strip() == f"@{word}@":
            found += [line[: len(line) - len(line.lstrip())] + said for said in lines]
        else:
            found.append(line)
    return "\n".join(found) + "\n"
