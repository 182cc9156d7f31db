"""A reviewed plan in a file: an apply of it sends what is in it and still due, and never more."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.conftest import Project, Said


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


@pytest.mark.parametrize("content", [b"", b"{}", b"[]", b"\xff\xfe", b'{"kind": "plan"}', b'{"kind": "plan", "saved": {"version": 1}}', b"[" * 100_000])
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
