"""`plan`: calm for people, exact for machines, and silent about persons."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from engine.cli.apply import _allowed
from engine.plan.plan import COUNTERS
from tests.cli.conftest import Project
from tests.plan.base import contract
from tests.plan.samples import ONE_NOTICE
from tests.runs.ground import Ground

Golden = Callable[[str, str], None]


@pytest.mark.parametrize("width", ["80", "120"])
def test_text_is_a_funnel(fresh: Project, golden: Golden, width: str) -> None:
    """Who gets what, who does not and why not, what comes next: in 80 and in 120 columns."""
    said = fresh.run("plan", COLUMNS=width)
    assert (said.code, said.err) == (0, "")
    # A command to copy is never broken, and ends with the path of this test's folder.
    lines = [line for line in said.out.splitlines() if str(fresh.root) not in line]
    assert max(map(len, lines)) <= int(width)
    golden(f"plan-{width}.txt", fresh.calm(said.out))


def test_json_is_as_interface_4_says(fresh: Project, golden: Golden) -> None:
    """The keys of the page, in every plan."""
    said = fresh.run("plan", "--format", "json")
    plan = json.loads(said.out)
    assert {"format_version", "kind", "engine_version", "env", "now", "timezone", "definitions", "facts", "ledger_head", "applyable", "has_changes", "summary", "sequences",
            "decisions", "guards", "diagnostics"} <= set(plan)  # fmt: skip
    assert (plan["format_version"], plan["kind"], plan["now"]) == ("1.0", "plan", "2026-11-23T09:00:00+07:00")
    assert set(plan["summary"]) == set(COUNTERS)
    decision = plan["decisions"][0]
    assert {"send_key", "decision", "reason", "sequence", "step", "about", "occurrence", "contact", "due_at", "template", "locale", "variant", "source"} <= set(decision)
    assert {row["decision"] for row in plan["decisions"]} == {"send", "hold", "skip", "unreached"}
    keys = [(row["sequence"], row["due_at"]) for row in plan["decisions"]]
    assert keys == sorted(keys)
    golden("plan.json", fresh.calm(said.out))


def test_1_1_the_same_inputs_give_the_same_bytes(fresh: Project) -> None:
    """Two plans of one moment are one plan."""
    assert fresh.run("plan", "--format", "json").out == fresh.run("plan", "--format", "json").out


def test_6_18_every_enrollment_is_in_exactly_one_decision(fresh: Project) -> None:
    """considered = send + wait + hold + exit + complete, for every sequence; waits are there with --all."""
    plan = json.loads(fresh.run("plan", "--format", "json", "--all").out)
    for sequence in plan["sequences"]:
        assert sequence["considered"] == sum(sequence[name] for name in ("send", "wait", "hold", "exit", "complete"))
    assert sum(row["decision"] == "wait" for row in plan["decisions"]) == plan["summary"]["wait"] > 0


def test_a_pii_occurrence_is_a_pseudonym(fresh: Project) -> None:
    """A date of birth is nobody's business; the end of a contract is shown."""
    plan = json.loads(fresh.run("plan", "--format", "json").out)
    shown = {row["sequence"]: row["occurrence"] for row in plan["decisions"]}
    assert len(shown["birthday"]) == 16 and int(shown["birthday"], 16) >= 0
    assert shown["renewal"].startswith("2026-")


def test_4_decisions_stand_in_the_order_of_the_keys_that_are_shown(fresh: Project) -> None:
    """Interface 4: by sequence, due, record, contact, as the reader sees them: the order of the CRM's own keys would tell which pseudonym is whose."""
    for more in ((), ("--show-pii",), ("--all",)):
        rows = json.loads(fresh.run("plan", "--format", "json", *more).out)["decisions"]
        keys = [(row["sequence"], row["due_at"], row["about"]["key"], row["contact"] or "") for row in rows]
        assert keys == (sorted(keys) if more != ("--show-pii",) else sorted(keys, key=lambda key: (*key[:2], int(key[2]), int(key[3] or 0))))


def test_show_pii_shows_keys_and_addresses(fresh: Project) -> None:
    """The CRM's own keys, for whoever asks; said when it goes into a file."""
    said = fresh.run("plan", "--format", "json", "--show-pii")
    row = json.loads(said.out)["decisions"][0]
    assert (row["contact"], row["address"], row["occurrence"]) == ("1", "canary.ann@example.com", "2026-11-23")
    assert "personal data" in said.err


def test_show_pii_is_refused_in_ci(fresh: Project) -> None:
    """Logs of CI are kept."""
    said = fresh.run("plan", "--show-pii", CI="true")
    assert (said.code, said.out) == (64, "")


def test_source_is_the_step(fresh: Project) -> None:
    """File and line of the step that decided."""
    row = next(row for row in json.loads(fresh.run("plan", "--format", "json").out)["decisions"] if row["step"] == "notice-7")
    assert row["source"] == {"file": "definitions/sequences/renewal.yaml", "line": 11}


def test_jsonl_is_one_value_a_line(fresh: Project) -> None:
    """The head first, then the decisions."""
    rows = [json.loads(line) for line in fresh.run("plan", "--format", "jsonl").out.splitlines()]
    assert rows[0]["kind"] == "plan" and {row["kind"] for row in rows[1:]} == {"decision"}


def test_markdown(fresh: Project, golden: Golden) -> None:
    """For the comment of a merge request."""
    golden("plan.md", fresh.calm(fresh.run("plan", "--format", "markdown").out))


def test_4_8_markdown_counts_mails(tmp_path: Path) -> None:
    """4.8: one mail tells of three contracts; the comment counts it once, and says of how many changes it shows the first only."""
    ground = Ground.make(tmp_path, ONE_NOTICE.replace("    about: contract", "    combine: contact\n    about: contract"), *(contract(key, end_date="2026-04-01") for key in (7, 8, 9)))
    at = "2026-03-02T09:00:00+07:00"
    assert "**1 mail about 3 records** would go" in Project(tmp_path).run("plan", "--format", "markdown", now=at, ENGINE_PSEUDONYM_KEY="").out
    ground.apply(at)
    ground.change("definitions/sequences/renewal.yaml", "template: notice}\n", "template: notice}\n" + "".join(f"  - {{id: more-{days}, before: {days}d, template: notice}}\n" for days in range(29, 15, -1)))
    said = Project(tmp_path).run("plan", "--format", "markdown", now=at, ENGINE_PSEUDONYM_KEY="")
    assert "and 2 more; " in said.out, said.err


def test_detailed_exitcode(project: Project) -> None:
    """2 when an apply would change something, 3 when a guard holds it back, 0 when nothing is to do."""
    assert project.run("plan").code == 0
    assert project.run("plan", "--detailed-exitcode").code == 2
    (project.root / "engine.yaml").write_text((project.root / "engine.yaml").read_text().replace("per_run: 20", "per_run: 3"))
    assert project.run("plan", "--detailed-exitcode").code == 3
    (project.root / "state" / "STOP").touch()
    assert project.run("plan").code == 0


def test_10_3_the_message_has_the_exact_override(project: Project) -> None:
    """What the plan tells to type is what lets the run pass."""
    (project.root / "engine.yaml").write_text((project.root / "engine.yaml").read_text().replace("per_run: 20", "per_run: 3"))
    said = project.run("plan")
    assert "--allow max_sends.per_run=5 --reason" in said.out
    blocked = project.run("apply")
    assert blocked.code == 3 and "Nothing was sent" in blocked.out
    assert project.run("apply", "--allow", "max_sends.per_run=5").code == 64
    assert "2 mails sent" in project.run("apply", "--allow", "max_sends.per_run=5", "--reason", "looked at it").out


def test_crm_text_moves_no_cursor(project: Project) -> None:
    """A name with an escape sequence is shown, not obeyed."""
    for words in (("plan", "--show-pii"), ("plan",), ("segment", "members", "readers", "--show-pii"), ("segment", "members", "readers", "--show-pii", "--format", "json")):
        said = project.run(*words)
        assert said.code == 0 and "\x1b" not in said.out + said.err
    assert "\\x1b" in project.run("segment", "members", "readers", "--show-pii").out


def test_an_allowed_age_is_said_in_hours_or_days(project: Project) -> None:
    """10.4: `--allow facts_max_age=2d` is 48 hours; what is no time is refused."""
    assert _allowed("facts_max_age=2d") == ("facts_max_age", 48.0) == _allowed("facts_max_age=48")
    assert _allowed("max_exits=30%") == ("max_exits", 0.3)
    assert project.run("apply", "--allow", "facts_max_age=2mo", "--reason", "x").code == 64


def test_5_6_what_came_too_late_says_what_held_it(project: Project) -> None:
    """Contract 14 has no number, and its notice is over on the 28th: plan, explain and the ledger say what kept it."""
    project.run("apply")
    later = "2026-11-28T10:00:00+07:00"
    why = "too late: expired; it was held: a value for the template is missing"
    assert f"notice-7  {why}" in project.run("plan", now=later, COLUMNS="120").out
    assert f"| skip | {why} |" in project.run("plan", "--format", "markdown", now=later).out
    rows = [row for row in json.loads(project.run("plan", "--format", "json", now=later).out)["decisions"] if row["reason"] == "expired" and row["step"] == "notice-7"]
    assert {row["held_for"] for row in rows} == {"missing_variable"} and len(rows) == 2
    assert why in " ".join(project.run("explain", "contract:14", now=later).out.split())
    project.run("apply", now=later)
    assert f"skipped: {why}" in project.run("show", rows[0]["send_key"], now=later, COLUMNS="200").out


def test_3_3_a_paused_segment_is_named(project: Project) -> None:
    """3.3, 3.4: nobody enters by it; that is said, and not left to look like a segment that has nobody. Without a user it is nobody's affair."""
    folder = project.root / "definitions"
    readers = folder / "segments" / "readers.yaml"
    readers.write_text(readers.read_text(encoding="utf-8") + "status: paused\n", encoding="utf-8")
    (folder / "segments" / "unused.yaml").write_text("id: unused\nname: Unused\nentity: contact\nstatus: paused\nrules: {contact.unsubscribed: false}\n", encoding="utf-8")
    (folder / "sequences" / "weekly.yaml").write_text(
        "id: weekly\nname: Weekly\nabout: contact\nstatus: active\ntrigger: {schedule: '0 9 * * 1', for: readers}\nsteps:\n  - {id: letter, wait: 0d, template: news}\n",
        encoding="utf-8",
    )
    told = [one["message"] for one in json.loads(project.run("plan", "--format", "json").out)["diagnostics"] if "paused" in one["message"]]
    assert told == [
        "the segment readers is paused: nobody enters weekly by it",
        "the segment readers is paused: an enrollment file that is new enrolls nobody of it, also later when it is active again; files that name it: november",
    ]
