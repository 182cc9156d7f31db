"""A reviewed plan in a file: an apply of it sends what is in it and still due, and never more."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.conftest import Project, Said
from tests.plan.base import company, contact, contract
from tests.plan.samples import RENEWAL
from tests.runs.ground import Ground


def _kept(project: Project) -> Path:
    path = project.root / "reviewed.json"
    said = project.run("plan", "--out", str(path))
    assert said.code == 0, said.err
    assert "to review in" in said.err and "engine" in said.err
    return path


def _change(project: Project, file: str, old: str, new: str) -> None:
    path = project.root / file
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")


def _sent(project: Project) -> set[str]:
    return {row["send_key"] for row in json.loads(project.run("sends", "--state", "sent", "--format", "json").out)["sends"]}


def _apply(project: Project, path: Path, *more: str) -> Said:
    return project.run("apply", str(path), *more, "--format", "json")


def test_what_was_reviewed_is_sent(project: Project) -> None:
    """The file is the plan as JSON; its apply does what one without it does, and a second one is stale: nothing of it is due any more."""
    path = _kept(project)
    value = json.loads(path.read_text(encoding="utf-8"))
    assert value["digest"] == json.loads(project.run("plan", "--format", "json").out)["digest"]
    assert "canary" not in path.read_text(encoding="utf-8").lower()
    wanted = {row["send_key"] for row in value["decisions"] if row["decision"] == "send"}
    done = json.loads(_apply(project, path).out)
    # One contact's name cannot stand in a header.
    assert done["delivery"]["sent"] + done["delivery"]["failed"] == len(wanted)
    assert _sent(project) < wanted and done["notes"] == []
    again = _apply(project, path)
    assert (again.code, again.out) == (4, "") and "nothing of the plan" in again.err and "already sent" in again.err


def test_never_more_and_what_fell_away_is_named(project: Project) -> None:
    """One reader leaves and one comes before the apply: the first is left out with the reason, the second waits for the next apply, also
    where a run between the two had planned that mail already."""
    path = _kept(project)
    planned = [row for row in json.loads(path.read_text(encoding="utf-8"))["decisions"] if row["decision"] == "send"]
    contacts = project.root / "data" / "contacts.csv"
    lines = contacts.read_text(encoding="utf-8").splitlines()
    header = lines[0].split(",")
    flags = {name: place for place, name in enumerate(header)}
    held = next(place for place, line in enumerate(lines) if line.startswith("4,"))
    off = lines[held].split(",")
    # Contact 4 has no working address in the plan, and has one now; contact 1 is not active any more.
    off[flags["email"]] = "canary.late@example.com"
    off[flags["is_active"]] = "true"
    lines[held] = ",".join(off)
    first = next(place for place, line in enumerate(lines) if line.startswith("1,"))
    gone = lines[first].split(",")
    gone[flags["is_active"]] = "false"
    lines[first] = ",".join(gone)
    contacts.write_text("\n".join(lines) + "\n", encoding="utf-8")
    assert project.run("apply", "--plan-only").code == 0
    done = json.loads(_apply(project, path).out)
    notes = " ".join(done["notes"])
    assert "not due any more" in notes and "contact_inactive" in notes and "left for the next apply" in notes
    assert _sent(project) <= {row["send_key"] for row in planned}
    before = len(_sent(project))
    assert project.run("apply").code in (0, 6)
    assert len(_sent(project)) > before


@pytest.mark.parametrize(
    ("file", "old", "new", "named"),
    [
        ("definitions/sequences/renewal.yaml", "before: 7d", "before: 8d", "definitions/sequences/renewal.yaml"),
        ("engine.yaml", "timezone: Asia/Bangkok", "timezone: Asia/Tokyo", "engine.yaml"),
        ("reviewed.json", '"decision": "send"', '"decision": "hold"', "changed after it was made"),
    ],
)
def test_stale_plans_do_nothing(project: Project, file: str, old: str, new: str, named: str) -> None:
    """Exit 4 names what changed, and the ledger has no new row."""
    path = _kept(project)
    _change(project, file, old, new)
    said = _apply(project, path)
    assert (said.code, said.out) == (4, "") and named in said.err
    assert not list((project.root / "state").glob("outbox/*.eml"))


def test_a_plan_of_another_ledger_is_stale(project: Project) -> None:
    """A ledger that was made anew knows nothing of what the reviewer saw."""
    path = _kept(project)
    value = json.loads(path.read_text(encoding="utf-8"))
    from engine.runs.reviewing import seal

    value["saved"]["ledger"] = "00000000-0000-0000-0000-000000000000"
    value["saved"]["seal"] = seal(value)
    path.write_text(json.dumps(value), encoding="utf-8")
    said = _apply(project, path)
    assert said.code == 4 and "another ledger" in said.err


def test_only_the_expected_plan(project: Project) -> None:
    """`--expect-digest` holds an apply to the plan that was looked at; the facts' own digest is not in it."""
    digest = json.loads(project.run("plan", "--format", "json").out)["digest"]
    wrong = project.run("apply", "--expect-digest", "sha256:" + "0" * 64)
    assert wrong.code == 4 and digest in wrong.err and not list((project.root / "state").glob("outbox/*.eml"))
    assert project.run("apply", "--expect-digest", digest).code == 6


@pytest.mark.parametrize("content", [b"", b"{}", b"[]", b"\xff\xfe", b'{"kind": "plan"}', b'{"kind": "plan", "saved": {"version": 2}}', b"[" * 100_000])
def test_what_is_no_plan_is_refused(project: Project, content: bytes) -> None:
    """Bad input is a wrong usage, never a traceback; so is a file that is not there, and a selection beside a plan that has its own."""
    path = project.root / "plan.json"
    path.write_bytes(content)
    said = _apply(project, path)
    assert said.code == 64 and "Traceback" not in said.err
    assert _apply(project, project.root / "none.json").code == 64
    assert _apply(project, path, "--select", "sequence:news").code == 64
    assert project.run("plan", "--show-pii", "--out", str(path)).code == 64


def test_a_selected_plan_stays_selected(project: Project) -> None:
    """9.1: of the sequences that were left out nothing is written, also no skip and no exit."""
    path = project.root / "news.json"
    assert project.run("plan", "--select", "sequence:news", "--out", str(path)).code == 0
    _apply(project, path)
    rows = json.loads(project.run("enrollments", "--format", "json").out)["enrollments"]
    assert {row["sequence"] for row in rows} == {"news"}


def test_a_plan_in_a_file_is_for_its_owner_alone(project: Project) -> None:
    """It says who gets what: from its first byte nobody else may read it, also where another file was in its place."""
    path = project.root / "reviewed.json"
    path.write_text("before", encoding="utf-8")
    path.chmod(0o644)
    _kept(project)
    assert path.stat().st_mode & 0o777 == 0o600


def test_the_expected_definitions(project: Project) -> None:
    """`--expect-digest` takes what a plan shows as `definitions.digest` too: whatever is due, under these definitions and no others."""
    digest = json.loads(project.run("plan", "--format", "json").out)["definitions"]["digest"]
    _change(project, "definitions/sequences/renewal.yaml", "before: 7d", "before: 8d")
    refused = project.run("apply", "--expect-digest", digest)
    assert refused.code == 4 and digest in refused.err
    _change(project, "definitions/sequences/renewal.yaml", "before: 8d", "before: 7d")
    assert project.run("apply", "--expect-digest", digest).code == 6


def test_never_more_of_enrollments_exits_and_skips(tmp_path: Path) -> None:
    """9.1: who enters, leaves or passes a step only since the review is left for the next apply, which finds it; the report counts what was done."""
    ground = Ground.make(tmp_path, RENEWAL, *(contract(key, end_date="2026-04-20") for key in (7, 9)))
    ground.apply("2026-03-20T09:00:00+07:00")
    ground.apply("2026-03-21T09:00:00+07:00")
    at = "2026-04-06T09:00:00+07:00"
    rows = [contract(7, end_date="2026-04-20"), contract(9, end_date="2026-04-20")]
    path = tmp_path / "reviewed.json"
    project = Project(tmp_path)
    first = json.loads(project.run("sends", "--format", "json", now=at, ENGINE_PSEUDONYM_KEY="").out)["sends"]
    assert [row["state"] for row in first] == ["sent", "sent"], "the first notices went, so that nothing is too late below"
    assert project.run("plan", "--out", str(path), now=at, ENGINE_PSEUDONYM_KEY="").code == 0
    # 9 is gone, 8 and 5 are new: 8 waits, 5 passes steps and would get a mail at once.
    new = [contract(8, end_date="2026-05-01"), contract(5, end_date="2026-04-14")]
    ground.facts({"company": [company(1)], "contact": [contact(1)], "contract": [rows[0], *new]})
    plan = json.loads(project.run("plan", "--format", "json", now=at, ENGINE_PSEUDONYM_KEY="").out)["summary"]
    assert (plan["send"], plan["exit"], plan["enroll"]) == (3, 1, 2)
    done = json.loads(project.run("apply", str(path), "--format", "json", now=at, ENGINE_PSEUDONYM_KEY="").out)
    assert done["delivery"]["sent"] == done["summary"]["send"] == 1
    reviewed = json.loads(path.read_text(encoding="utf-8"))["summary"]
    assert (done["summary"]["exit"], done["summary"]["enroll"], done["summary"]["skipped_steps"]) == (0, 0, 0)
    assert reviewed["skipped_steps"] == 0 < plan["skipped_steps"]
    assert done["summary"]["considered"] == sum(done["summary"][name] for name in ("send", "wait", "hold", "exit", "complete"))
    assert any("left for the next apply" in note and "on their way" in note for note in done["notes"])
    rows_now = json.loads(project.run("enrollments", "--format", "json", "--show-pii", now=at, ENGINE_PSEUDONYM_KEY="").out)["enrollments"]
    assert {(row["about"]["key"], row["status"]) for row in rows_now} == {("7", "active"), ("9", "active")}
    after = json.loads(project.run("apply", "--format", "json", now="2026-04-06T10:00:00+07:00", ENGINE_PSEUDONYM_KEY="").out)
    assert (after["summary"]["send"], after["summary"]["exit"], after["summary"]["enroll"]) == (2, 1, 2)
