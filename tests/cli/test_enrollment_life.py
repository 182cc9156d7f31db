"""Enrollments by hand and their life: by file, paused until a day, resumed and cancelled in bulk (features B4, B5; semantics 3.5, 9.8)."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.conftest import Project

LATER = "2026-11-23T10:00:00+07:00"


def test_b5_a_file_is_enrolled_as_its_dry_run_said(project: Project, tmp_path: Path) -> None:
    """B5: a file with a key twice and unknown keys: counted by reason, the unknown by their lines and not their keys; a dry run writes
    nothing and says the same; nobody enters twice at a time."""
    file = tmp_path / "guests.csv"
    file.write_text("name,key\nAnn,1\nEve,5\nAnn again,1\nnobody,canary-77\nDan,4\nempty,\n", encoding="utf-8")
    words = ("enroll", "news", "--from", str(file), "--note", "the fair", "--format", "json")
    (project.root / "definitions" / "enrollments" / "november.yaml").unlink()
    dry, done = (json.loads(project.run(*words, *more).out) for more in (("--dry-run",), ()))
    assert dry.pop("dry_run") and not done.pop("dry_run") and dry == done
    assert (done["enrolled"], done["not_in_crm"], done["places_not_in_crm"], done["named_twice"]) == (3, 1, ["line 5"], 1)
    assert done["held"] == {"contact_inactive": 1, "no_address": 1}
    assert json.loads(project.run(*words).out)["skipped"] == {"already_enrolled": 3}
    project.run("apply")
    again = project.run(*words[:-2], now=LATER).out
    assert again.startswith("0 contacts enrolled") and "not in the CRM (line 5)" in again and "1 key named more than once" in again


@pytest.mark.parametrize(
    ("text", "says"), [(None, "cannot be read"), ("", "names nobody"), ("a,b\n1,2\n", "no column `key`"), ("\n \n", "names nobody"), ("key\n", "names nobody")]
)
def test_b5_a_file_that_names_nobody_is_told_calmly(fresh: Project, tmp_path: Path, text: str | None, says: str) -> None:
    """B5: a file that is not there, is empty, or has no keys is an error with a way out, and nothing is enrolled."""
    file = tmp_path / ("guests.csv" if text and "," in text else "guests.csv" if text == "key\n" else "guests.txt")
    if text is not None:
        file.write_text(text, encoding="utf-8")
    said = fresh.run("enroll", "news", "--from", str(file))
    assert said.code in (1, 64) and says in said.err and "Traceback" not in said.err
