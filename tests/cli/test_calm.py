"""Bad input, narrow places and small hints: what a person reads is calm, true and says the next step."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from engine.views.reasons import BESIDE, REASONS
from tests.cli.conftest import KEY, NOW, Project, Said, engine

DEEP = "[" * 20_000
BOMB = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(f"{new}: &{new} [{','.join(['*' + old] * 9)}]\n" for old, new in zip("abcdefgh", "bcdefghi"))


def shell(project: Project, words: str, redirect: str) -> subprocess.CompletedProcess[str]:
    command = f"{sys.executable} -m engine -C {project.root} {words} --now {NOW} {redirect}"
    return subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False, env={**os.environ, "ENGINE_PSEUDONYM_KEY": KEY})


@pytest.mark.parametrize(
    "content",
    [b"\x00\x01{{[", b"caf\xe9: 1", "id: news".encode("utf-16"), f"a: {DEEP}".encode(), BOMB.encode(), b"&a a: *a", b"!!python/object/apply:os.system ['id']",
     b"? [a, b]\n: 1\n", b"- 1\n", b"", b'id: "\\ud800"', b"a: 1\n---\nb: 2\n", b"#" * 2_000_000],
    ids=["garbage", "latin-1", "utf-16", "deep", "bomb", "anchor in itself", "tag", "complex key", "list", "empty", "surrogate", "two documents", "huge"],
)  # fmt: skip
def test_whatever_stands_in_a_file_is_told_at_its_place(project: Project, content: bytes) -> None:
    """Never a traceback, never a long wait: exit 1, a code and the file."""
    (project.root / "definitions/sequences/news.yaml").write_bytes(content)
    said = project.run("validate", now=None)
    assert said.code == 1 and re.search(r"error\[E\d{3}\]", said.out) and "definitions/sequences/news.yaml:" in said.out
    assert "failed where it should not" not in said.out + said.err


def test_links_that_lead_away_are_not_followed(project: Project) -> None:
    """Neither a file outside of the project nor a folder; both are told."""
    (project.root / "definitions/sequences/out.yaml").symlink_to("/etc/passwd")
    (project.root / "definitions/segments/more").symlink_to("/etc")
    os.mkfifo(project.root / "definitions/templates/pipe.yaml")
    said = project.run("validate", now=None)
    assert said.code == 1 and "[E122]" in said.out and "links to folders are not followed" in said.out and "pipe.yaml" in said.out


@pytest.mark.parametrize(
    "words",
    [("explain", ""), ("explain", ":"), ("validate", "../.."), ("validate", "/etc"), ("preview", "nope"), ("segment", "members", "readers", "--limit", "-1"),
     ("pause", "--contact", "1", "--until", "2000-01-01T00:00:00Z"), ("show", ""), ("suppress", "a@example.com\nb", "--reason", "manual"),
     ("preview", "news", "--send-to", "a@example.org\nBcc: x@example.com"), ("apply", "--allow", "first_run_max=nan", "--reason", "x"), ("--env", "nope", "plan")],
)  # fmt: skip
def test_bad_words_are_wrong_usage(fresh: Project, words: tuple[str, ...]) -> None:
    """Exit 64 and one sentence, also where the project has nothing wrong."""
    said = fresh.run(*words, now=None if words[0] == "validate" else NOW)
    assert said.code == 64 and said.err.startswith(("error: ", "warning: ")) and said.out == "", said


def test_an_output_that_cannot_be_written_is_said(fresh: Project) -> None:
    """A full disk: one sentence on stderr, exit 1; a closed stdout is a reader who left."""
    full = shell(fresh, "plan", "> /dev/full")
    assert full.returncode == 1 and full.stderr.startswith("error: the output cannot be written: No space left on device")
    closed = shell(fresh, "status", ">&-")
    assert (closed.returncode, closed.stderr) == (0, "")


def test_a_folder_that_cannot_be_made_is_said() -> None:
    """The system's words, and the path."""
    said = engine("init", "/proc/nowhere", "--now", NOW)
    assert said.code == 1 and "/proc/nowhere" in said.err and "should not" not in said.err


def test_an_order_that_nobody_can_read_is_shown(project: Project) -> None:
    """It may have been a stop: `status` and `doctor` say so, as `apply` does."""
    (project.root / "state/inbox").mkdir()
    (project.root / "state/inbox/x.json").write_bytes(b"\xff{")
    assert "state/inbox/x.json cannot be read" in " ".join(project.run("status").out.split())
    assert project.run("doctor").code == 1
    assert "x.json cannot be read" in project.run("apply").err


def test_the_kill_switch_leaves_the_rest_of_the_status(project: Project) -> None:
    """Whether a run is on its way is said in any case."""
    said = project.run("status", ENGINE_STOP="1").out
    assert "Stopped by the kill switch" in said and "No run is on its way." in said and "Nothing is stopped" not in said


def test_explain_says_what_comes_later(fresh: Project) -> None:
    """A contract that ends next summer is on no sequence; its first notice is named with its moment, for it and for its people."""
    said = fresh.run("explain", "contract:15").out
    assert "nothing about it has begun." in said and "renewal/notice-30 on Mon 31 May 2027, 09:00 (2027-06-30)" in said
    told = json.loads(fresh.run("explain", "1", "--format", "json").out)["upcoming"]
    assert [(row["sequence"], row["step"], row["due_at"]) for row in told] == [("renewal", "notice-30", "2027-05-31T09:00:00+07:00")]


def test_explain_says_why_nothing_begins(fresh: Project) -> None:
    """No date, and a `where` that does not hold; a record that reaches nobody does not pass gate 6.4."""
    assert "the trigger's `where` does not hold" in fresh.run("explain", "contract:16").out
    assert "NO   6.4 " in fresh.run("explain", "contract:13").out


def test_a_reason_says_its_mend_in_one_sentence_and_orders_only_what_is_obeyed(fresh: Project) -> None:
    """No two full stops; and `enroll --again` is offered only where `enroll` takes anybody (3.9)."""
    assert not [reason for reason, words in (*REASONS.items(), *BESIDE.items()) if words.mend.endswith(".")]
    assert fresh.run("explain", "stopped").out.endswith(" is lifted where it was set.\n")
    assert "overrides it where the trigger is manual." in " ".join(fresh.run("explain", "enrolled_before").out.split())
    assert "only sequences with `trigger: manual`" in fresh.run("enroll", "renewal", "--contact", "1", "--again").err


def test_sends_show_their_whole_moment_at_80_columns(applied: tuple[Project, Said]) -> None:
    """What is too long is the step, and never the date."""
    lines = applied[0].run("sends").out.splitlines()
    assert max(map(len, lines)) <= 80 and all("2026-11-23 09:00" in line for line in lines[1:])


def test_a_sequence_without_a_status_is_said_to_be_a_draft(project: Project) -> None:
    """Who forgot `status:` would wait for mails in vain; a draft that says so is no news."""
    path = project.root / "definitions/sequences/news.yaml"
    path.write_text(path.read_text().replace("status: active\n", ""))
    assert "1 sequence says no status, so it is a draft and sends nothing: `news`" in project.run("validate", now=None).out
    assert "`status: active` in its file" in project.run("plan").out
    path.write_text(path.read_text() + "status: draft\n")
    assert "says no status" not in project.run("validate", now=None).out


def test_state_is_never_a_part_of_the_repository(project: Project, tmp_path: Path) -> None:
    """A ledger made by hand brings its .gitignore; `init` says when to commit."""
    assert (project.root / "state/.gitignore").read_text().startswith("*")
    said = engine("init", str(tmp_path / "new"), "--now", NOW).out
    assert said.index("git -C") < said.index(" apply ") and "leads back to its commit" in said


def test_doctor_names_the_environment_that_it_looked_at(project: Project) -> None:
    """What mends it is a command that can be copied: for this project and this environment."""
    settings = project.root / "engine.yaml"
    second = "  second:\n    facts: {files: {companies: data/companies.csv, contacts: data/contacts.csv, contracts: data/contracts.csv}}\n"
    second += "    ledger: {duckdb: state/second.duckdb}\n    transport: outbox\n"
    settings.write_text(settings.read_text().replace("  broken:\n", second + "  broken:\n"))
    said = " ".join(project.run("--env", "second", "doctor").out.split())
    assert f"--env second state create --now {NOW}`" in said


def test_status_names_a_contact_once_and_a_stopped_sequence(project: Project) -> None:
    """B4, 9.8: a way about the contact itself names it once; where one sequence is stopped, what lifts it names it."""
    project.run("apply")
    project.run("pause", "news", "--contact", "1")
    project.run("stop", "renewal")
    said = project.run("status").out
    paused = next(line for line in said.splitlines() if line.startswith("  paused news"))
    assert paused.count("contact") == 1
    assert f"Stopped: no mail of renewal leaves. engine -C {project.root} start renewal" in " ".join(said.split()) and "Nothing is stopped" not in said
    findings = json.loads(project.run("attention", "--format", "json", now="2026-11-24T09:00:00+07:00").out)["findings"]
    (held, *_) = [one for one in findings if one["reason"] == "stopped"]
    assert "start renewal" in held["mend"]
