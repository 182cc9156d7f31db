"""8.7, 8.10: what no apply follows is an error in plan and diff, with its way out, before anybody applies it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.conftest import Project, Said
from tests.plan.base import contract
from tests.plan.samples import ONE_LETTER, RENEWAL
from tests.rehearsal.test_differing import commit
from tests.runs.ground import Ground

FILE = "definitions/sequences/renewal.yaml"
AT = "2026-03-02T09:00:00+07:00"
LATER = "2026-03-18T09:00:00+07:00"


def applied(root: Path) -> Ground:
    """In git and applied: contract 7 has had its first notice."""
    ground = Ground.make(root, RENEWAL, ONE_LETTER, contract(7, end_date="2026-04-01"))
    ground.write(".gitignore", "state/\n")
    commit(root)
    ground.apply(AT)
    return ground


def run(ground: Ground, *words: str, at: str = LATER) -> Said:
    return Project(ground.root).run(*words, now=at, ENGINE_PSEUDONYM_KEY="")


def rename_unsaid(ground: Ground) -> None:
    ground.change(FILE, "id: renewal", "id: ending")
    (ground.root / FILE).rename(ground.root / "definitions/sequences/ending.yaml")


def rename_step_unsaid(ground: Ground) -> None:
    ground.change(FILE, "id: notice-30", "id: month-before")


def another_about(ground: Ground) -> None:
    letter = "definitions/sequences/letter.yaml"
    ground.change(letter, "about: contact", "about: contract")
    ground.change(letter, "template: hello", "template: notice")


EDITS = [(rename_unsaid, "E260"), (rename_step_unsaid, "E260"), (another_about, "E261")]


@pytest.mark.parametrize(("edit", "code"), EDITS)
def test_8_7_8_10_diff_refuses_and_shows_all_the_same(tmp_path: Path, edit: object, code: str) -> None:
    """8.7, 8.10: exit 1 in every format; the error stands at the head with its place and its way out, and the difference is there as ever."""
    ground = applied(tmp_path)
    assert callable(edit)
    edit(ground)
    text = run(ground, "diff", "--base", "HEAD")
    assert (text.code, text.err) == (1, "")
    assert text.out.index(f"error[{code}]: ") < text.out.index("What was changed") and "= help: " in text.out and "-->" in text.out
    assert run(ground, "diff", "--base", "HEAD", "--detailed-exitcode").code == 1
    told = run(ground, "diff", "--base", "HEAD", "--format", "json")
    value = json.loads(told.out)
    assert told.code == 1 and not value["applyable"] and value["edits"]
    assert [(one["severity"], one["code"]) for one in value["diagnostics"]] == [("error", code)] and value["diagnostics"][0]["help"]
    for form in ("markdown", "html"):
        shown = run(ground, "diff", "--base", "HEAD", "--format", form)
        assert shown.code == 1 and shown.out.index(f"An apply refuses this. {code}") < shown.out.index("What was changed")
    assert run(ground, "apply").code == 1


def test_8_7_diff_looks_at_what_was_applied_too(tmp_path: Path) -> None:
    """8.7: the rename was merged and never applied; another branch on top of it is refused by an apply, and so by its diff."""
    ground = applied(tmp_path)
    rename_unsaid(ground)
    commit(tmp_path)
    said = run(ground, "diff", "--base", "HEAD")
    assert said.code == 1 and "error[E260]" in said.out
    ground.change("definitions/sequences/ending.yaml", "id: ending", "id: ending\nrenamed_from: renewal")
    said = run(ground, "diff", "--base", "HEAD")
    assert said.code == 0 and "E260" not in said.out


@pytest.mark.parametrize(("edit", "code"), EDITS)
def test_8_7_8_10_a_plan_that_no_apply_follows_invites_to_none(tmp_path: Path, edit: object, code: str) -> None:
    """8.7, 8.10: `applyable` is false, the text has the error and the way out in place of the command, and --detailed-exitcode is apply's own 1."""
    ground = applied(tmp_path)
    assert callable(edit)
    edit(ground)
    value = json.loads(run(ground, "plan", "--format", "json").out)
    assert value["applyable"] is False and [one["code"] for one in value["diagnostics"] if one["severity"] == "error"] == [code]
    text = run(ground, "plan", "--detailed-exitcode")
    assert text.code == 1 and f"{code}: " in text.out and "An apply refuses" in text.out
    assert "This sends what is due" not in text.out and "This records" not in text.out
    assert run(ground, "plan").code == 0
    assert f"An apply refuses this: {code}" in run(ground, "plan", "--format", "markdown").out
    kept = run(ground, "plan", "--out", str(tmp_path / "kept.json"))
    assert "apply it" not in kept.err and code in kept.err
    assert run(ground, "apply").code == run(ground, "apply", str(tmp_path / "kept.json")).code == 1


def test_8_10_a_removed_sequence_does_not_come_back_about_something_else(tmp_path: Path) -> None:
    """8.10: the ledger has people of `renewal` about contracts; about contacts it is another sequence, and needs another id. About contracts it may come back."""
    ground = applied(tmp_path)
    before = (tmp_path / FILE).read_text(encoding="utf-8")
    (tmp_path / FILE).unlink()
    ground.apply("2026-03-03T09:00:00+07:00")
    ground.write(FILE, "id: renewal\nabout: contact\nstatus: active\ntrigger: manual\nsteps: [{id: hello, wait: 0d, template: hello}]\n")
    said = run(ground, "apply", at="2026-03-04T09:00:00+07:00")
    assert said.code == 1 and "E261" in said.err and "`renewal` was about `contract` before it was removed" in said.err and "another id" in said.err
    assert json.loads(run(ground, "plan", "--format", "json", at="2026-03-04T09:00:00+07:00").out)["applyable"] is False
    ground.write(FILE, before)
    assert run(ground, "apply", at="2026-03-04T09:00:00+07:00").code == 0


def test_10_4_a_raised_guard_is_read_first(tmp_path: Path) -> None:
    """10.4: the merge is the approval, so the line stands before the numbers and before all other edits."""
    ground = applied(tmp_path)
    ground.change("definitions/sequences/letter.yaml", "status: active", "status: paused")
    ground.change(FILE, "active_from: 2026-01-01", "active_from: 2026-01-01\nguards: {first_run_max: 900}")
    ground.change(FILE, "id: notice-14, before: 14d", "id: notice-14, before: 13d")
    line = "its own guards are first_run_max 900"
    text = run(ground, "diff", "--base", "HEAD").out
    assert text.index(line) < text.index("mail") < text.index("What was changed") and text.count(line) == 1
    assert json.loads(run(ground, "diff", "--base", "HEAD", "--format", "json").out)["edits"][0]["what"] == "guards"
    for form, numbers in (("markdown", "| sequence |"), ("html", 'class="lead"')):
        shown = run(ground, "diff", "--base", "HEAD", "--format", form).out.replace("\\", "")
        assert shown.index(line) < shown.index(numbers) and shown.count(line) == 1
    plan = json.loads(run(ground, "plan", "--format", "json").out)
    assert plan["changed"][0]["what"] == "guards"
