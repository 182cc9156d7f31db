"""What a guard that does not hold says: its code, what it saw, what it means, and the exact way on (semantics 10.3)."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

from engine.definitions.trees import WorkTree
from engine.plan.guards import GUARDS
from engine.plan.plan import GuardResult
from engine.problem_codes import CODES
from engine.runs.opening import sound_definitions
from engine.views.guards_text import guard_lines
from tests.cli.conftest import Project, engine

Golden = Callable[[str, str], None]
FAILED = [
    GuardResult("max_sends.per_run", None, 500, 1240, False),
    GuardResult("max_sends.per_day", None, 2000, 2037, False),
    GuardResult("max_per_contact", None, 3, 41, False, "within 24h"),
    GuardResult("first_run_max", "renewal", 100, 240, False),
    GuardResult("first_run_max", "welcome", 100, 101, False),
    GuardResult("min_facts", None, 400, 12, False, "company"),
    GuardResult("max_shrink", None, 0.2, 0.3334, False, "contact"),
    GuardResult("max_growth", None, 3, 7.4335, False, "1,487 mails, and 200 at most on a day before"),
    GuardResult("max_share_of_audience", "renewal", 0.3, 0.7, False, "70 of 100 contacts"),
    GuardResult("max_exits", None, 0.2, 0.25, False, "5 of 20 enrollments"),
    GuardResult("facts_max_age", None, 36, 61.5, False),
    GuardResult("max_drift", "renewal", 2, 6.6667, False, "120 people on 2026-11-23 09:00, 800 now"),
]


def test_10_3_every_guard_has_its_code_and_its_way_on(golden: Golden) -> None:
    """Each code of E5xx, at 80 columns; what one value lets pass is said once for all that it lets pass."""
    told = "\n".join([*guard_lines([*FAILED, GuardResult("max_sends.per_run", None, 9, 1, True)])]) + "\n"
    assert set(re.findall(r"\[(E5\d\d)\]", told)) == {code for code in CODES if code.startswith("E5")}
    assert all(guard in told for guard in GUARDS)
    assert told.count("--allow first_run_max=240") == 1
    golden("guards.txt", told)


def test_a_guard_that_holds_is_one_line() -> None:
    """Nothing to read where nothing is wrong."""
    assert list(guard_lines([GuardResult("max_sends.per_run", None, 9, 1, True)])) == ["", "Guards  1 within its limit"]
    assert list(guard_lines([])) == []


def test_10_1_what_nobody_limits_cannot_be_allowed(project: Project) -> None:
    """10.1, 10.4: an override is recorded, so it is of a guard that is there; `min_facts` holds unsaid."""
    refused = project.run("apply", "--allow", "max_growth=4", "--reason", "a large letter")
    assert refused.code == 64 and "neither engine.yaml nor a sequence says the guard `max_growth`" in " ".join(refused.err.split())
    assert json.loads(project.run("status", "--format", "json").out)["runs"] == []
    assert project.run("apply", "--allow", "max_sends.per_day=4", "--reason", "x").code == 64
    assert project.run("apply", "--allow", "max_sends.per_run=40", "--allow", "min_facts=1", "--reason", "x").code == 6


def test_10_1_init_writes_all_guards_and_none_of_them_trips(tmp_path: Path) -> None:
    """10.1: every guard is said in the engine.yaml of a new project, each with a comment or a plain name; the plans of its first two days are within all.

    `max_growth` stands in a comment: the library has letters to everybody, and a project guard that is over its limit stops whatever else is due that day.
    """
    at, soon, later = "2026-11-23T09:00:00+07:00", "2026-11-23T10:00:00+07:00", "2026-11-24T09:00:00+07:00"
    assert engine("init", str(tmp_path / "new"), "--now", at).code == 0
    said = sound_definitions(WorkTree(tmp_path / "new"))[0].project.guards
    asked = {guard.partition(".")[0] for guard in GUARDS} - {"max_growth"}
    assert "# max_growth: 3 " in (tmp_path / "new" / "engine.yaml").read_text()
    assert {name for name in asked if getattr(said, name, None)} == asked
    for moment, command in ((at, "plan"), (at, "apply"), (soon, "apply"), (later, "plan"), (later, "apply")):
        done = engine("-C", str(tmp_path / "new"), command, "--format", "json", "--now", moment)
        assert done.code == 0 and all(guard["passed"] for guard in json.loads(done.out)["guards"]), done.out
