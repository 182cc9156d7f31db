"""`--select` and `--job` on plan and apply, and what `status` says of jobs."""

from __future__ import annotations

import json
import re
from collections.abc import Callable

from tests.cli.conftest import Project

Golden = Callable[[str, str], None]


def test_a_plan_of_a_selection_is_the_whole_plan_s_part(fresh: Project) -> None:
    """Item 11: the selected rows are those of the whole plan, counters too; nothing of another sequence is shown."""
    whole, part = (json.loads(fresh.run("plan", "--format", "json", *words).out) for words in ((), ("--select", "sequence:renewal")))
    assert part["decisions"] == [row for row in whole["decisions"] if row["sequence"] == "renewal"] != whole["decisions"]
    assert part["sequences"] == [row for row in whole["sequences"] if row["id"] == "renewal"]
    assert part["summary"] == {name: part["sequences"][0][name] for name in part["summary"]}
    assert (whole["selection"], part["selection"]) == (None, {"select": "sequence:renewal", "job": None})
    (guard,) = [guard for guard in part["guards"] if guard["id"] == "max_sends.per_run"]
    assert guard["observed"] == part["summary"]["send"] < whole["summary"]["send"]


def test_the_text_says_what_is_left_out_and_how_to_apply_it(fresh: Project, golden: Golden) -> None:
    """Item 11: a narrowed plan says so, and its next step is the same selection."""
    golden("plan-select.txt", fresh.calm(fresh.run("plan", "--select", "sequence:renewal").out))


def test_apply_writes_the_selected_rows_only(project: Project) -> None:
    """9.1: mails, skips and starts of one sequence; the other ones' are there for the next apply, which has the same plan for them."""
    whole = json.loads(project.run("plan", "--format", "json").out)
    said = project.run("apply", "--select", "sequence:renewal", "--format", "json")
    # One of the two has no usable name and fails: exit 6.
    assert said.code == 6, said.err
    counts = {row["id"]: row["send"] for row in whole["sequences"]}
    assert json.loads(said.out)["delivery"]["sent"] + json.loads(said.out)["delivery"]["failed"] == counts["renewal"] > 0
    after = json.loads(project.run("plan", "--format", "json").out)
    rest = {row["id"]: row["send"] for row in after["sequences"]}
    assert rest == {**counts, "renewal": 0}
    assert [row for row in after["decisions"] if row["sequence"] != "renewal"] == [row for row in whole["decisions"] if row["sequence"] != "renewal"]


def test_a_job_is_apply_with_its_selection(project: Project, golden: Golden) -> None:
    """Item 10: the run has the job's name, only its sequences are written; `status` shows when it ran and comes next, then that it is late."""
    early = project.run("status").out
    assert "never ran" in early and "should have run on" not in early
    assert project.run("apply", "--job", "renewals").code == 6
    kept = json.loads(project.run("status", "--format", "json").out)
    assert [run["job"] for run in kept["runs"]] == ["renewals"] and kept["jobs"][0]["late"] is False
    said = project.calm(project.run("status", now="2026-11-24T09:30:00+07:00").out)
    golden("status-late.txt", re.sub(r"(?m)^  [0-9a-f]{8}  ", "  ……………………  ", said))


def test_what_cannot_be_selected_is_wrong_usage(fresh: Project) -> None:
    """Exit 64: a job that is not there, both at once, a word that names nothing."""
    for words, message in (
        (("apply", "--job", "renewal"), "there is no job `renewal`"),
        (("apply", "--job", "renewals", "--select", "sequence:news"), "--job and --select are two selections"),
        (("plan", "--select", "sequence:renewl"), "`sequence:renewl` selects nothing"),
    ):
        said = fresh.run(*words)
        assert said.code == 64 and message in said.err and "help" in said.err
