"""`engine schedule export`: golden files, each honest about the timezone; and what `doctor` says of jobs."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from datetime import datetime

import pytest
import yaml

from engine.definitions.cron import Cron
from engine.definitions.project import Job
from engine.views.schedules import TARGETS, Schedule, calendar
from tests.cli.conftest import Project

Golden = Callable[[str, str], None]
JOBS = {
    "mail": Job(cron="*/20 * * * *"),
    "reminders": Job(cron="0 9 * * mon-fri", select="tag:renewal"),
    "review": Job(cron="30 5 1 */3 *"),
}


def made(target: str, zone: str) -> str:
    return TARGETS[target](
        Schedule("harmony", zone, JOBS, "/srv/harmony", "production", datetime(2026, 11, 23, 2), "production", ("CRM_URL", "LEDGER_URL"), ("SMTP_HOST",))
    )


@pytest.mark.parametrize("target", TARGETS)
def test_what_each_scheduler_is_told(golden: Golden, target: str) -> None:
    """Item 10: 09:00 is 09:00 in Bangkok, also where only UTC is known; each file says whose time its scheduler keeps."""
    golden(f"schedule-{target}.txt", made(target, "Asia/Bangkok"))


@pytest.mark.parametrize("target", ["github", "render"])
def test_utc_is_right_until_the_clocks_change(target: str) -> None:
    """Item 10: where clocks change, a file in UTC says on which day it becomes wrong, and by how much."""
    text = made(target, "Europe/Berlin")
    assert '"0 8 * * 1-5"' in text
    assert "right until 2027-03-28" in text and "60 minutes later by the clock of Europe/Berlin" in text
    assert "do not change" in made(target, "Asia/Bangkok")


@pytest.mark.parametrize("target", ["github", "kubernetes", "render"])
def test_what_is_made_is_yaml_with_every_job(target: str) -> None:
    """Each file can be read by its scheduler's own language, and runs every job by its name."""
    documents = [document for document in yaml.safe_load_all(made(target, "Asia/Bangkok")) if document]
    said = json.dumps(documents)
    assert all(said.count(f"--job {name}") + said.count(f'"--job", "{name}"') >= 1 for name in JOBS)


def test_days_of_month_and_of_week_are_two_events() -> None:
    """Either matches in a cron, both must in one calendar event of systemd."""
    assert calendar(Cron.parse("0 9 1 * 5")) == ["*-*-01 09:00:00", "Fri *-*-* 09:00:00"]
    assert calendar(Cron.parse("15,45 8-10 * 6 0,1")) == ["Mon,Sun *-06-* 08,09,10:15,45:00"]


@pytest.mark.parametrize("target", ["cron", "github", "kubernetes", "render"])
def test_3_4_either_day_is_written_without_a_star(target: str) -> None:
    """3.4: by crontab(5) a field that begins with a star makes both days necessary; the engine means either."""
    for said in ("0 9 1 * */2", "0 9 */10 * 5", "0 9 1 * 0,2,4,6"):
        text = TARGETS[target](Schedule("harmony", "UTC", {"a": Job(cron=said)}, "/srv", "production", datetime(2026, 11, 23, 2)))
        told = text.replace(f"`{said}`", "")
        assert ("0 9 1,11,21,31 * 5" if "*/10" in said else "0 9 1 * 0,2,4,6") in told and "*/" not in told, text


def test_the_command_and_a_project_without_jobs(project: Project) -> None:
    """The export names the project's own folder and environment; without jobs it says how to write one."""
    said = project.run("--env", "dev", "schedule", "export", "--for", "cron")
    assert said.code == 0 and "No `--env`" not in said.out and f"0 9 * * *  engine -C {project.root} --env dev apply --job renewals" in said.out
    path = project.root / "engine.yaml"
    path.write_text(path.read_text().partition("jobs:")[0])
    without = project.run("schedule", "export", "--for", "cron")
    assert without.code == 1 and "engine.yaml has no jobs" in without.err and "cron:" in without.err


def test_doctor_says_which_job_is_late(project: Project) -> None:
    """Item 10: a job that never ran here is a note, one that ran and is late is bad, with the command that runs it."""
    assert "renewals never ran here" in project.run("doctor").out
    project.run("apply", "--job", "renewals")
    assert "renewals ran on Mon 23 Nov 2026, 09:00" in project.run("doctor").out
    late = project.run("doctor", now="2026-11-24T09:30:00+07:00")
    assert late.code == 1 and "should have run on Tue 24 Nov 2026, 09:00" in " ".join(late.out.split())


@pytest.mark.parametrize("target", TARGETS)
def test_the_variables_are_those_of_the_environment(project: Project, target: str) -> None:
    """F4: each file names what engine.yaml needs for this environment, and no other; without `--env` it says which environment it is for."""
    said = project.run("--env", "broken", "schedule", "export", "--for", target).out
    assert "engine.yaml needs SMTP_HOST, SMTP_PASSWORD from the environment" in said and "CRM_URL" not in said and "LEDGER_URL" not in said
    if target == "github":
        (job,) = yaml.safe_load(said)["jobs"].values()
        assert set(job["steps"][1]["env"]) == {"SMTP_HOST", "SMTP_PASSWORD", "ENGINE_PSEUDONYM_KEY"}
    if target in ("github", "render", "kubernetes"):
        assert "the ledger of `broken` is the file state/broken.duckdb" in said.replace("The ledger", "the ledger")
    if target in ("cron", "systemd"):
        assert "/etc/engine.env" in said and "PATH=/path/to/venv/bin" in said
    first = project.run("schedule", "export", "--for", target).out
    assert "No `--env` was said, so it is for `dev`" in first and "engine.yaml needs" not in first and "SMTP_PASSWORD" not in first
    assert project.run("--env", "nowhere", "schedule", "export", "--for", target).code == 64


def test_a_pod_runs_in_its_image_s_own_folder(project: Project) -> None:
    """F4: the folder of whoever exported is in no image."""
    said = project.run("--env", "dev", "schedule", "export", "--for", "kubernetes").out
    assert str(project.root) not in said and "working directory" in said
    container = yaml.safe_load(said)["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"][0]
    assert container["command"] == ["engine", "--env", "dev", "apply", "--job", "renewals"] and container["envFrom"] == [{"secretRef": {"name": "engine"}}]


def test_github_runs_each_job_once_at_a_time() -> None:
    """F4: by hand one chooses the job; two jobs with one time would start at once within a run, and the file says so."""
    workflow = yaml.safe_load(made("github", "Asia/Bangkok"))
    assert workflow[True]["workflow_dispatch"]["inputs"]["job"]["options"] == list(JOBS) and "concurrency" not in workflow
    # Of several that wait in one group GitHub drops all but the latest: a daily job would be lost to one that comes every twenty minutes.
    assert workflow["jobs"]["reminders"]["concurrency"] == {"group": "engine-reminders", "cancel-in-progress": False}
    tries = workflow["jobs"]["mail"]["steps"][1]["run"].replace("sleep", "echo").replace("engine --env production apply --job mail", "(exit $SAID)")
    for said in (0, 1, 5):
        done = subprocess.run(["bash", "-e", "-c", tries], env={"PATH": os.environ["PATH"], "SAID": str(said)}, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stdout.split()) == (said, ["1m", "2m", "4m", "8m", "0m"] if said == 5 else []), "only another run is waited for"
    assert workflow["jobs"]["mail"]["if"] == "inputs.job == 'mail' || github.event.schedule == '*/20 * * * *'"
    assert "share a time" not in made("github", "Asia/Bangkok")
    twice = Schedule("harmony", "Asia/Bangkok", {"a": JOBS["mail"], "b": JOBS["mail"]}, "/srv", "production", datetime(2026, 11, 23, 2))
    assert "# a and b share a time" in TARGETS["github"](twice)
