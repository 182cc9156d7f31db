"""CODEOWNERS from `owner:` (features D4)."""

from __future__ import annotations

from pathlib import Path

from tests.cli.conftest import Project


def test_d4_codeowners_come_from_owner(project: Project) -> None:
    """D4: who may merge may edit: files of owned sequences and segments, with the templates and lists beside them; other lines stay."""
    settings = project.root / "engine.yaml"
    settings.write_text(settings.read_text() + "owners: {accounts: accounts@example.com, marketing: marketing@example.com}\n")
    renewal = project.root / "definitions/sequences/renewal.yaml"
    renewal.write_text(renewal.read_text() + "owner: accounts\n")
    segments = project.root / "definitions/segments"
    (segments / "vip.yaml").write_text("id: vip\nentity: contact\nowner: marketing\nmembers: {file: vip.csv}\n")
    (segments / "vip.csv").write_text("key\n1\n")
    (project.root / ".git").mkdir()
    (project.root / ".github").mkdir()
    file: Path = project.root / ".github/CODEOWNERS"
    file.write_text("* @everybody")
    said = project.run("codeowners", now=None).out.split()
    assert said[said.index("/definitions/segments/vip.csv") + 1] == "marketing@example.com"
    assert said[said.index("/definitions/sequences/renewal.yaml") + 1] == "accounts@example.com"
    assert said[said.index("/definitions/templates/renewal-30.yaml") + 1] == "accounts@example.com"
    assert project.run("codeowners", "--check", now=None).code == 1
    assert project.run("codeowners", "--write", now=None).code == 0
    first = file.read_text()
    assert first.startswith("* @everybody\n") and "/definitions/segments/vip.yaml" in first
    assert project.run("codeowners", "--check", now=None).code == 0
    file.write_text(first + "/docs @writers\n")
    renewal.write_text(renewal.read_text().replace("owner: accounts", "owner: marketing"))
    assert project.run("codeowners", "--write", now=None).code == 0
    again = file.read_text()
    assert again.startswith("* @everybody\n") and again.endswith("/docs @writers\n") and "accounts@" not in again and again.count("vip.yaml") == 1
