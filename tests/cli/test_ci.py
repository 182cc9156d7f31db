"""`ci init`: what a pull request may do, and with what rights."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.cli.conftest import HERE, Project

Golden = Callable[[str, str], None]
ON_POSTGRES = """
  production:
    facts: {postgres: "${CRM_URL}"}
    ledger: {postgres: "${LEDGER_URL}", schema: engine}
    transport: {smtp: {host: "${SMTP_HOST:-localhost}", username: "${SMTP_USER}", password: {env: SMTP_PASSWORD}}}
    allow_recipients: ["*"]
"""


@pytest.fixture
def shared(tmp_path: Path) -> Project:
    """The small project, with an environment whose ledger is on Postgres."""
    shutil.copytree(HERE / "project", tmp_path / "project")
    path = tmp_path / "project" / "engine.yaml"
    text = path.read_text(encoding="utf-8")
    assert "environments:\n" in text
    head, tail = text.split("environments:\n", 1)
    lines = tail.splitlines(keepends=True)
    end = next((place for place, line in enumerate(lines) if line.strip() and not line.startswith((" ", "#"))), len(lines))
    path.write_text(head + "environments:\n" + "".join(lines[:end]) + ON_POSTGRES.lstrip("\n") + "".join(lines[end:]), encoding="utf-8")
    return Project(tmp_path / "project")


def _written(project: Project) -> dict[str, str]:
    found = [path for path in project.root.rglob("*.y*ml") if path.relative_to(project.root).parts[0] in (".github", ".gitlab", ".gitlab-ci.yml", ".pre-commit-config.yaml")]
    return {path.relative_to(project.root).as_posix(): path.read_text(encoding="utf-8") for path in sorted(found)}


def _scripts(value: Any) -> list[str]:
    if isinstance(value, dict):
        own = [value["run"]] if isinstance(value.get("run"), str) else []
        own += value["script"] if isinstance(value.get("script"), list) else []
        return own + [text for item in value.values() for text in _scripts(item)]
    return [text for item in value for text in _scripts(item)] if isinstance(value, list) else []


@pytest.mark.parametrize("host", ["github", "gitlab"])
def test_files_for_each_host(shared: Project, golden: Golden, host: str) -> None:
    """The files as they are written, what is said of them, and scripts that a shell can read. Secrets stand where they are used, and
    nothing that a fork brings runs where there are any."""
    said = shared.run("ci", "init", host, now=None)
    assert (said.code, said.err) == (0, "")
    files = _written(shared)
    golden(f"ci-{host}.txt", said.out.replace(str(shared.root), "PROJECT") + "".join(f"\n--- {path}\n{text}" for path, text in files.items()))
    for path, text in files.items():
        value = yaml.safe_load(text)
        assert "@" not in text.replace("actions/checkout@", "").replace("setup-python@", "").replace("download-artifact@", "").replace("upload-artifact@", ""), path
        for script in _scripts(value):
            done = subprocess.run(["bash", "-n"], input=script, text=True, capture_output=True, check=False)
            assert done.returncode == 0, (path, done.stderr)
    check = next(text for path, text in files.items() if path.endswith("check.yml"))
    assert "secrets." not in check and "READ_" not in check and "CRM_URL" not in check
    impact = next(text for path, text in files.items() if path.endswith("impact.yml"))
    assert "READ_CRM_URL" in impact and "READ_LEDGER_URL" in impact and "secrets.CRM_URL" not in impact
    assert "head.repo.full_name == github.repository" in impact or "SOURCE_PROJECT_ID == $CI_PROJECT_ID" in impact


@pytest.mark.parametrize(("host", "job"), [("github", "impact"), ("gitlab", "campaigns impact")])
def test_8_7_a_refused_change_is_shown_all_the_same(shared: Project, tmp_path: Path, host: str, job: str) -> None:
    """8.7: `diff` ends with 1 where an apply refuses the change; both files are written and handed on, the job fails after that, and the comment comes."""
    shared.run("ci", "init", host, now=None)
    files = {path: yaml.safe_load(text) for path, text in _written(shared).items()}
    impact = next(value for path, value in files.items() if path.endswith("impact.yml"))
    own = impact["jobs"][job] if host == "github" else impact[job]
    (script,) = [script for script in _scripts(own) if "diff --base" in script]
    stub = tmp_path / "bin" / "engine"
    stub.parent.mkdir()
    stub.write_text('#!/bin/sh\nwhile [ "$1" != --out ]; do shift; done\necho refused > "$2"\nexit 1\n')
    stub.chmod(0o755)
    environ = {"PATH": f"{stub.parent}:/usr/bin:/bin", "BASE": "main", "NUMBER": "7", "GITHUB_STEP_SUMMARY": "summary", "CI_PIPELINE_ID": "12"}
    done = subprocess.run(["bash", "-e", "-c", script], cwd=tmp_path, env=environ, check=False)
    assert done.returncode == 1
    assert [(tmp_path / name).read_text() for name in ("impact.md", "impact.html")] == ["refused\n"] * 2
    if host == "github":
        assert (tmp_path / "summary").read_text() == "refused\n" and (tmp_path / "number").read_text() == "7\n"
        assert own["steps"][-1]["if"] == "${{ !cancelled() }}"
        comment = next(value for path, value in files.items() if path.endswith("comment.yml"))["jobs"]["comment"]
        assert "failure" in comment["if"]
    else:
        assert own["artifacts"]["when"] == "always" and (tmp_path / "pipeline").read_text() == "12"
        assert [rule["when"] for rule in impact["campaigns comment"]["rules"]] == ["always"]


def test_github_rights(shared: Project) -> None:
    """Only the comment's job may write, and it has neither the files of the change nor a secret but the host's own token."""
    shared.run("ci", "init", "github", now=None)
    rights = {path: yaml.safe_load(text) for path, text in _written(shared).items() if "workflows" in path}
    assert len(rights) == 4
    for path, value in rights.items():
        allowed = value["permissions"]
        if "comment" in path:
            assert allowed == {"actions": "read", "pull-requests": "write"}
            assert "checkout" not in str(value) and "secrets." not in str(value)
        else:
            assert allowed == {"contents": "read"}
        # `on` is a boolean to YAML 1.1.
        assert "pull_request_target" not in str(value[True])


def test_no_apply_on_a_disk_that_is_thrown_away(project: Project) -> None:
    """An embedded ledger on a runner would forget what was sent: neither the impact nor the apply is written, and it is said why."""
    said = project.run("ci", "init", "github", now=None)
    assert said.code == 0 and "Not written" in said.out and "disk is thrown away" in " ".join(said.out.split())
    assert sorted(_written(project)) == [".github/workflows/campaigns-check.yml", ".pre-commit-config.yaml"]


def test_nothing_is_overwritten_and_nothing_leaves_the_project(shared: Project, tmp_path: Path) -> None:
    """A file that is there stays, a link that leads out is not followed, and an environment must be there."""
    assert shared.run("ci", "init", "github", now=None).code == 0
    changed = shared.root / ".github" / "workflows" / "campaigns-check.yml"
    changed.write_text("mine\n", encoding="utf-8")
    again = shared.run("ci", "init", "github", now=None)
    assert again.code == 1 and "there already" in again.err and changed.read_text(encoding="utf-8") == "mine\n"
    assert shared.run("ci", "init", "github", "--force", now=None).code == 0 and "validate" in changed.read_text(encoding="utf-8")
    outside = tmp_path / "outside"
    outside.mkdir()
    (shared.root / ".gitlab").symlink_to(outside)
    out = shared.run("ci", "init", "gitlab", now=None)
    assert out.code == 1 and not list(outside.iterdir())
    assert shared.run("--env", "nowhere", "ci", "init", "gitlab", now=None).code == 64
