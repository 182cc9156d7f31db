"""What `engine enrollments` says of each way: its status, who holds or ended it, who enrolled it (features B4, B5; semantics 2)."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.cli.conftest import Project

LATER, LATEST = "2026-11-23T10:00:00+07:00", "2026-11-23T11:00:00+07:00"


def ways(project: Project, *words: str, now: str = LATER, **environ: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(project.run("enrollments", *words, "--format", "json", "--show-pii", now=now, **environ).out)["enrollments"]
    return found


def flat(text: str) -> str:
    return " ".join(text.split())


@pytest.mark.parametrize(
    ("order", "scope", "says"),
    [
        (("pause", "renewal", "--note", "quiet week"), "sequence", "paused with the sequence by"),
        (("pause", "--all", "--note", "quiet week"), "project", "paused with the whole project by"),
        (("stop", "renewal", "--note", "quiet week"), "sequence", "stopped with the sequence by"),
        (("stop", "--note", "quiet week"), "project", "stopped with the whole project by"),
    ],
)
def test_2_who_is_held_with_a_sequence_or_the_project_is_paused(project: Project, order: tuple[str, ...], scope: str, says: str) -> None:
    """2, B4: a way is paused also by an order about its whole sequence or project, and says by whom, when and why."""
    project.run("apply")
    assert {way["status"] for way in ways(project, "--sequence", "renewal")} <= {"active", "pending"}
    project.run(*order, now=LATER)
    held = ways(project, "--sequence", "renewal", now=LATEST)
    assert {way["status"] for way in held} == {"paused"}
    assert {(way["paused"]["scope"], way["paused"]["note"]) for way in held} == {(scope, "quiet week")}
    text = flat(project.run("enrollments", "--sequence", "renewal", now=LATEST).out)
    assert f"{len(held)} {says}" in text and "Mon 23 Nov 2026, 10:00: quiet week" in text
    if scope == "sequence":
        assert "paused" not in {way["status"] for way in ways(project, "--sequence", "news", now=LATEST)}


@pytest.mark.parametrize("status", ["paused", "draft"])
def test_2_who_is_held_by_the_file_is_paused(project: Project, status: str) -> None:
    """2: `status: paused` or `draft` in the file holds those on their way, and the file is named."""
    project.run("apply")
    file = project.root / "definitions" / "sequences" / "renewal.yaml"
    file.write_text(file.read_text(encoding="utf-8").replace("status: active\n", f"status: {status}\n", 1), encoding="utf-8")
    (way, *_) = ways(project, "--sequence", "renewal")
    assert way["status"] == "paused" and way["paused"]["by"] == "definitions/sequences/renewal.yaml" and way["paused"]["scope"] == "file"
    assert f"paused by definitions/sequences/renewal.yaml: status: {status}" in flat(project.run("enrollments", "--sequence", "renewal", now=LATER).out)


def test_9_8_who_is_held_by_the_kill_switch_is_paused(applied: tuple[Project, object]) -> None:
    """2, 9.8: the kill switch holds every way."""
    assert {way["paused"]["scope"] for way in ways(applied[0], "--sequence", "renewal", ENGINE_STOP="1")} == {"kill_switch"}


def test_b4_a_cancellation_is_told_also_once_it_is_carried_out(project: Project) -> None:
    """B4: by whom, when and why somebody was taken off, before the apply that writes the exit and after it, though a pause holds the rest."""
    project.run("apply")
    contact = ways(project, "--sequence", "renewal")[0]["contact"]
    project.run("cancel", "renewal", "--contact", contact, "--note", "does not want", now=LATER)
    for command in ((), ("apply",)):
        if command:
            project.run(*command, now=LATEST)
            project.run("pause", "--all", now=LATEST)
        held = ways(project, "--sequence", "renewal", "--contact", contact, now=LATEST)
        assert {(way["status"], way["cancelled"]["note"], way["cancelled"]["at"]) for way in held} == {("cancelled", "does not want", LATER)}
        text = project.run("enrollments", "--sequence", "renewal", "--contact", contact, now=LATEST).out
        assert f"{len(held)} cancelled by " in text and "Mon 23 Nov 2026, 10:00: does not want" in flat(text)
        assert "…" not in text.splitlines()[1].split("cancelled")[1]


def test_b4_any_other_exit_says_its_reason_in_full(project: Project) -> None:
    """B4, 3.10: the status is one word, and why it ended is told below in full."""
    project.run("apply")
    contracts = project.root / "data" / "contracts.csv"
    contracts.write_text(contracts.read_text(encoding="utf-8").replace(",active", ",renewed"), encoding="utf-8")
    project.run("apply", now=LATER)
    assert "cancelled: the goal is met" in project.run("enrollments", "--sequence", "renewal", now=LATEST).out


def test_b5_who_was_just_enrolled_by_hand_is_pending(project: Project) -> None:
    """B5, 2: between `enroll` and the next apply they are shown as pending, with the moment; afterwards once, with by whom and the note."""
    (project.root / "definitions" / "enrollments" / "november.yaml").unlink()
    project.run("enroll", "news", "--contact", "3", "--note", "asked by phone")
    asked = ("--sequence", "news", "--contact", "3")
    (way,) = ways(project, *asked)
    assert (way["status"], way["contact"], way["began"]) == ("pending", "3", "2026-11-23T09:00:00+07:00")
    text = project.run("enrollments", *asked, now=LATER).out
    assert "pending" in text and "2026-11-23" in text and "1 pending: enrolled by hand, and no apply has looked at it yet" in text
    for other in (("--sequence", "renewal"), ("--contact", "5"), ("--ended",), ("--record", "contract:11")):
        assert not [one for one in ways(project, *other) if one["sequence"] == "news"], other
    assert not ways(project, *asked, now="2026-12-05T09:00:00+07:00"), "too late for its first step"
    project.run("apply")
    (way,) = ways(project, *asked)
    assert way["note"] == "asked by phone" and way["sends"] == 1 and way["enrolled_by"]
    assert json.loads(project.run("enrollments", *asked, "--format", "json").out)["pending"] == 0


def test_b4_who_was_cancelled_or_paused_before_any_apply_says_so(project: Project) -> None:
    """B4, 9.8: an order counts at once, also over who was only just enrolled by hand."""
    (project.root / "definitions" / "enrollments" / "november.yaml").unlink()
    for contact in ("1", "2", "3"):
        project.run("enroll", "news", "--contact", contact)
    project.run("pause", "news", "--contact", "2", "--note", "wait")
    project.run("cancel", "news", "--contact", "3", "--note", "a slip")
    found = {way["contact"]: way for way in ways(project, "--sequence", "news")}
    assert {contact: way["status"] for contact, way in found.items()} == {"1": "pending", "2": "paused", "3": "cancelled"}
    assert (found["2"]["paused"]["note"], found["3"]["cancelled"]["note"], found["3"]["paused"]) == ("wait", "a slip", None)
    text = flat(project.run("enrollments", "--sequence", "news", now=LATER).out)
    assert "1 pending: enrolled by hand" in text and "1 paused by" in text and "1 cancelled by" in text


def test_b5_each_way_is_on_one_page(project: Project) -> None:
    """B5: those that no apply has seen are counted on every page, and paged before the others."""
    (project.root / "definitions" / "enrollments" / "november.yaml").unlink()
    project.run("apply")
    project.run("enroll", "news", *(word for contact in "123456" for word in ("--contact", contact)))
    pages = [json.loads(project.run("enrollments", "--limit", "3", "--offset", str(offset), "--format", "json", "--show-pii", now=LATER).out) for offset in range(0, 30, 3)]
    assert len({(page["total"], page["pending"]) for page in pages}) == 1 and pages[0]["pending"] > 3
    rows = [(way["sequence"], way["about"]["key"], way["contact"], way["began"]) for page in pages for way in page["enrollments"]]
    assert len(rows) == len(set(rows)) == pages[0]["total"] and all(len(page["enrollments"]) <= 3 for page in pages)
    assert f"4 to 6 of {len(rows)}; --offset 6 shows more" in project.run("enrollments", "--limit", "3", "--offset", "3", now=LATER).out


def test_b5_the_note_of_an_enrollment_file_is_shown_with_the_file(project: Project) -> None:
    """B5, 3.5: a reviewed file enrolls with its note too; the enrollment names both."""
    file = project.root / "definitions" / "enrollments" / "november.yaml"
    file.write_text(file.read_text(encoding="utf-8").rstrip("\n") + "\nnote: From the fair\n", encoding="utf-8")
    project.run("apply")
    found = ways(project, "--sequence", "news")
    assert {(way["enrolled_by"], way["note"]) for way in found} == {("definitions/enrollments/november.yaml", "From the fair")}
    assert "enrolled by definitions/enrollments/november.yaml: From the fair" in flat(project.run("enrollments", "--sequence", "news", now=LATER).out)
