"""What every command keeps to: exit codes, calm words, nothing heavy, nothing secret."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from engine.cli.catalog import LATER, SECTIONS
from tests.cli.conftest import NOW, Project, engine

COMMANDS = [entry.name for entries in SECTIONS.values() for entry in entries]


def test_help_imports_nothing_heavy() -> None:
    """`engine --help` is click and nothing else of weight."""
    code = "import sys; from engine.cli.ending import ended_calmly; from engine.cli import cli; ended_calmly(cli, ['--help']); print([m for m in sys.modules if m in ('duckdb', 'pydantic', 'sqlglot', 'rich', 'jinja2', 'pyarrow', 'yaml')])"  # fmt: skip
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_says_how_it_is_used(name: str) -> None:
    """Help is there, and needs no project."""
    from click.testing import CliRunner

    from engine.cli import cli

    done = CliRunner().invoke(cli, [name, "--help"])
    assert done.exit_code == 0 and done.output.startswith("Usage: ")


def test_commands_of_later_stages_are_refused_with_a_word() -> None:
    """Known by name, listed, not there."""
    help = engine("--help").out
    for name in LATER:
        assert name in help
    for words in (("studio",),):
        said = engine(*words)
        assert (said.code, said.out) == (64, "") and "not in this version yet" in said.err, words


@pytest.mark.parametrize(
    "words", [("nonsense",), ("plan", "--nonsense"), ("plan", "--now", "yesterday"), ("plan", "--now", "2026-11-23T09:00:00"), ("plan", "--format", "xml"), ("show",), ("explain", "9:9")]
)
def test_wrong_usage_is_64(fresh: Project, words: tuple[str, ...]) -> None:
    """Not click's 2, which means that changes are present."""
    said = fresh.run(*words, now=None)
    assert said.code == 64 and said.err.startswith("error: ") and said.out == ""


def test_now_needs_an_offset(fresh: Project) -> None:
    """Nobody can tell when 09:00 is."""
    assert "has no offset" in fresh.run("plan", now="2026-11-23T09:00:00").err


@pytest.mark.parametrize("word", ["2026-11-30", "2026-11-30+07:00", "2026-11-30T09:00", "noon"])
def test_the_moment_that_a_help_proposes_is_accepted(fresh: Project, word: str) -> None:
    """A day is no moment, with an offset or without; what the help writes in its place works, also for `--since` and `--at`."""
    import re

    said = fresh.run("plan", now=word)
    proposed = re.search(r"write .*?(\d\S*?),? ?(?:or|$)", said.err, re.MULTILINE)
    assert said.code == 64 and proposed, said.err
    assert fresh.run("status", now=proposed[1]).code == 0
    assert fresh.run("sends", "--since", word).code == 64 and fresh.run("sends", "--since", proposed[1]).code == 0


def test_a_folder_without_a_project(tmp_path: Path) -> None:
    """One sentence, and where to go."""
    said = engine("-C", str(tmp_path), "plan")
    assert said.code == 1 and "engine init" in said.err


def test_mistakes_are_shown_with_their_line(project: Project) -> None:
    """interface.md §5: on every command, exit 1."""
    path = project.root / "definitions" / "sequences" / "news.yaml"
    path.write_text(path.read_text().replace("template: news", "template: nwes"))
    validated, planned = project.run("validate"), project.run("plan")
    assert validated.code == planned.code == 1
    for text in (validated.out, planned.err):
        assert "definitions/sequences/news.yaml:7" in text and "did you mean" in text
    assert planned.out == ""


@pytest.mark.parametrize("format_", ["json", "github", "gitlab", "sarif", "junit"])
def test_validate_speaks_to_machines(project: Project, format_: str) -> None:
    """One finding, in every format, on stdout."""
    path = project.root / "definitions" / "sequences" / "news.yaml"
    path.write_text(path.read_text().replace("template: news", "template: nwes"))
    said = project.run("validate", "--format", format_)
    assert said.code == 1 and "nwes" in said.out
    if format_ in ("json", "gitlab", "sarif"):
        json.loads(said.out)


def test_validate_a_path(project: Project) -> None:
    """The whole project is read; only what is wrong in the path is told."""
    path = project.root / "definitions" / "sequences" / "news.yaml"
    path.write_text(path.read_text().replace("template: news", "template: nwes"))
    assert project.run("validate", "definitions/sequences").code == 1
    assert project.run("validate", "definitions/templates").code == 0
    assert project.run("validate", "nowhere").code == 64


def test_secrets_stand_in_no_output(project: Project) -> None:
    """The values of the environment's variables are masked, whatever goes wrong."""
    for words in (("plan",), ("doctor",), ("status",), ("apply",)):
        said = engine("-C", str(project.root), "--env", "broken", *words, SMTP_HOST="mail.canary.example", SMTP_PASSWORD="canary-secret")
        assert said.code in (1, 7) and "canary" not in said.out + said.err, words


def test_an_unexpected_failure_is_one_calm_line(project: Project, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """The kind and the place; never the message, which may hold a person's data."""
    from engine.cli import cli
    from engine.cli.ending import ended_calmly
    from engine.runs import opening

    def broken(*arguments: object) -> None:
        raise ValueError("canary.ann@example.com")

    monkeypatch.setattr(opening, "open_site", broken)
    assert ended_calmly(cli, ["-C", str(project.root), "plan", "--now", NOW]) == 1
    said = capsys.readouterr()
    assert "ValueError" in said.err and "canary" not in said.err + said.out and "Traceback" not in said.err


def test_ctrl_c_is_130(project: Project, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Interrupted, and said so."""
    from engine.cli import cli
    from engine.cli.ending import ended_calmly
    from engine.runs import opening

    def interrupted(*arguments: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(opening, "open_site", interrupted)
    assert ended_calmly(cli, ["-C", str(project.root), "plan", "--now", NOW]) == 130
    assert "interrupted" in capsys.readouterr().err


def test_a_reader_who_leaves_is_no_failure(fresh: Project) -> None:
    """`engine plan | head -1` says nothing on stderr."""
    command = f"{sys.executable} -m engine -C {fresh.root} plan --format json --now {NOW} | head -c 10"
    done = subprocess.run(command, shell=True, capture_output=True, text=True, check=False, env={"ENGINE_PSEUDONYM_KEY": "0123456789abcdef0123456789abcdef", "PATH": "/usr/bin:/bin"})  # fmt: skip
    assert done.stderr == ""


def test_init_makes_a_project_that_works(tmp_path: Path) -> None:
    """The library, a CRM, a key, a ledger; a second init changes nothing."""
    home = tmp_path / "new"
    said = engine("init", str(home), "--now", NOW, ENGINE_PSEUDONYM_KEY="")
    assert said.code == 0, said.err
    assert "plan" in said.out and "apply" in said.out
    assert (home / "state" / ".gitignore").read_text().startswith("*")
    assert not list(home.rglob("*.py")) and not any(path.is_symlink() for path in home.rglob("*"))
    assert (home / "state" / "pseudonym.key").stat().st_mode & 0o077 == 0
    again = engine("init", str(home), "--now", NOW, ENGINE_PSEUDONYM_KEY="")
    assert again.code == 1 and "nothing was changed" in again.err
    plan = json.loads(engine("-C", str(home), "plan", "--format", "json", "--now", NOW, ENGINE_PSEUDONYM_KEY="").out)
    assert plan["applyable"] and all(plan["summary"][name] for name in ("send", "wait", "hold", "skipped_steps", "unreached", "upcoming"))


def test_preview_and_variables(fresh: Project, tmp_path: Path) -> None:
    """Samples without a database; a real record with one; hard cases; and only testers get mail."""
    assert "Subject:" in fresh.run("preview", "renewal-30").out
    assert "C-12" in fresh.run("preview", "renewal-30", "--record", "contract:12").out
    assert fresh.run("preview", "renewal-30", "--record", "contract:12", CI="true").code == 64
    assert fresh.run("preview", "renewal-30", "--hard-cases").out.count("Subject:") >= 4
    assert fresh.run("preview", "renewal-30", "--out", str(tmp_path / "mail.html")).code == 0
    assert "<html" in (tmp_path / "mail.html").read_text()
    assert fresh.run("preview", "renewal-30", "--send-to", "stranger@example.com").code == 64
    assert fresh.run("variables", "renewal", now=None).out.startswith("renewal")
    assert "number" in fresh.run("variables", "--search", "contract number", now=None).out
    assert "end_date" in fresh.run("variables", "renewal", "--format", "json", now=None).out


def test_segments(fresh: Project) -> None:
    """List, show, count, members in pages."""
    assert "readers" in fresh.run("segment", "list").out
    assert "named by enrollment november" in fresh.run("segment", "show", "readers").out
    assert fresh.run("segment", "count", "readers").out == "4\n"
    assert "2 of 4; --cursor " in fresh.run("segment", "members", "readers", "--limit", "2").out
    assert fresh.run("segment", "members", "readers", "--fields", "email").code == 64
    assert fresh.run("segment", "show", "reders").code == 64


def test_diff_counts_gains_and_losses(project: Project) -> None:
    """Both revisions on the same facts, ledger and now."""
    git = ["git", "-C", str(project.root), "-c", "user.name=t", "-c", "user.email=t@example.com"]
    for words in (["init", "-q"], ["add", "engine.yaml", "definitions", "data"], ["commit", "-qm", "base"]):
        subprocess.run([*git, *words], check=True)
    path = project.root / "definitions" / "sequences" / "renewal.yaml"
    path.write_text(path.read_text().replace("before: 30d", "before: 20d"))
    said = json.loads(project.run("diff", "--base", "HEAD", "--horizon", "2d", "--format", "json").out)
    assert (said["gains"], said["losses"], said["later"]) == (0, 0, 2)
    assert "renewal" in project.run("diff", "--base", "HEAD", "--horizon", "2d").out
    assert project.run("diff", "--base", "HEAD", "--horizon", "2d", "--detailed-exitcode", "--format", "markdown").code == 2
    assert project.run("diff", "--base", "HEAD", "--horizon", "2bd").code == 64
    assert project.run("diff", "--base", "nowhere").code == 1


def test_doctor_and_schema(fresh: Project, project: Project) -> None:
    """What is wrong with the set-up, and schemas for editors."""
    said = fresh.run("doctor")
    assert said.code == 0 and "All is well." in said.out
    told = json.loads(fresh.run("doctor", "--format", "json").out)
    assert told["healthy"]
    assert project.run("schema", "--write", now=None).code == 0
    assert (project.root / ".schemas" / "sequence.json").exists()
    json.loads(project.run("schema", now=None).out)
