"""What the pages show is what happens."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from engine.cli import cli
from engine.cli.ending import ended_calmly
from tests.docs.pages import NOW, ROOT, RuleShown, Run, Write, blocks, first_lost, matches, pages
from tests.docs.reader import Reader

_PAGES = [page for page in pages() if any(True for _ in blocks(page))]


@pytest.fixture(scope="session")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project as `engine init` makes it, before anything was sent."""
    folder = tmp_path_factory.mktemp("docs") / "harmony"
    assert ended_calmly(cli, ["init", str(folder), "--now", NOW]) == 0
    return folder


@pytest.fixture(scope="session")
def applied(fresh: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same, after its first apply."""
    folder = tmp_path_factory.mktemp("docs-applied") / "harmony"
    shutil.copytree(fresh, folder)
    assert ended_calmly(cli, ["-C", str(folder), "apply", "--now", NOW]) == 0
    return folder


@pytest.mark.parametrize("page", _PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_a_reader_who_does_what_the_page_says_sees_what_it_shows(page: Path, request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every file is valid, every command ends as it says, every output is as printed. Pages that begin with `<!-- begins: fresh -->` start before the first apply."""
    monkeypatch.setenv("COLUMNS", "80")
    if "<!-- needs: a database -->" in page.read_text(encoding="utf-8"):
        monkeypatch.setenv("LEDGER_URL", request.getfixturevalue("database"))
    begins = "fresh" if "<!-- begins: fresh -->" in page.read_text(encoding="utf-8") else "applied"
    folder = tmp_path / "harmony"
    shutil.copytree(request.getfixturevalue(begins), folder)
    reader = Reader(folder)
    wrong = []
    for shown in blocks(page):
        place = f"{page.relative_to(ROOT)}:{shown.line}"
        if isinstance(shown, Write):
            reader.write(shown)
            wrong += [f"{place}: {problem}" for problem in reader.problems() if shown.file.endswith(".yaml") and not _mended_below(shown, problem)]
        elif isinstance(shown, RuleShown):
            wrong += [f"{place}: {problem}" for problem in reader.problems_of_rule(shown)]
        elif isinstance(shown, Run):
            code, printed = reader.run(shown)
            if code != shown.code:
                wrong.append(f"{place}: `{shown.command}` ended with {code}:\n{printed}")
            if shown.expected is not None and not matches(shown.expected, printed):
                wrong.append(f"{place}: `{shown.command}` does not print: {first_lost(shown.expected, printed)}\n\n{printed}")
    if wrong:
        pytest.fail("\n\n".join(wrong), pytrace=False)


def _mended_below(shown: Write, problem: str) -> bool:
    """A template is shown before its body: what it names comes next on the page."""
    return shown.file.startswith("definitions/templates/") and " E248 " in problem


def test_the_readme_has_the_test_command_of_ci() -> None:
    """Whoever reads the README runs what CI runs."""
    ci = [line.strip() for line in (ROOT / ".ci/run").read_text(encoding="utf-8").splitlines()]
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert "make test" in ci
    assert re.search(r"^make test\b", readme, re.M)
    assert re.search(r"^make demo\b", readme, re.M)


def test_the_readme_fits_on_one_screen() -> None:
    """A page that must be scrolled twice is read once."""
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= 80


def test_no_page_names_a_machine_or_a_registry() -> None:
    """The pages are true on every machine."""
    for page in [*pages(), *(ROOT / "docs/reference").glob("*.md")]:
        text = page.read_text(encoding="utf-8")
        found = re.findall(r"/work/\S*|/root/\S*|pypi\.org|files\.pythonhosted\.org", text)
        assert not found, f"{page.relative_to(ROOT)} names {found}"
