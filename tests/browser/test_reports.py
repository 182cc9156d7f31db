"""The report of a difference as a reviewer opens it: wide and narrow, light and dark, and on paper."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from engine.rehearsal.personas import personas
from engine.views.difference_html import as_html
from tests.browser.test_mails import CONTRAST, ROOT
from tests.cli.conftest import engine
from tests.examples.test_incident import the_change
from tests.rehearsal.test_difference_views import changed

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = changed(tmp_path_factory.mktemp("diff"))
    path = tmp_path_factory.mktemp("report") / "report.html"
    path.write_text(as_html(found, *personas(found)), encoding="utf-8")
    return path


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1200, 390])
def test_the_report_fits_the_window_and_can_be_read(browser: Browser, report: Path, width: int, scheme: str) -> None:
    """Nothing scrolls sideways, every text has a contrast of 4.5, both mails are shown, nothing runs, and nothing is asked of a network."""
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme, offline=True)  # type: ignore[arg-type]  # a literal
    page = context.new_page()
    said: list[str] = []
    page.on("dialog", lambda dialog: said.append(dialog.message))
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(report.as_uri())
    inside, window = page.evaluate("[document.documentElement.scrollWidth, document.documentElement.clientWidth]")
    assert inside <= window, f"{inside} px in {window}"
    assert page.evaluate(CONTRAST) == []
    assert all("Contract C-1 ends soon." in frame.content() for frame in page.frames[1:3])
    assert said == [] and [url for url in asked if not url.startswith(("file:", "about:"))] == []
    context.close()


@pytest.mark.parametrize("width", [1200, 390])
def test_every_column_fits_the_window(browser: Browser, tmp_path: Path, width: int) -> None:
    """A step with mails of every kind: no table is wider than its window, and on a phone each number has its name beside it."""
    found = changed(tmp_path)
    steps = tuple(replace(step, counts={**step.counts, "gain": 1234, "loss": 1234, "move": 1234, "later": 1234, "sooner": 1234}) for step in found.steps)
    path = tmp_path / "report.html"
    path.write_text(as_html(replace(found, steps=steps), ()), encoding="utf-8")
    context = browser.new_context(viewport={"width": width, "height": 900}, offline=True)
    page = context.new_page()
    page.goto(path.as_uri())
    assert page.evaluate("[...document.querySelectorAll('.scroll')].filter(one => one.scrollWidth > one.clientWidth).length") == 0
    named = page.evaluate("[...document.querySelectorAll('.steps td[data-name]')].map(one => getComputedStyle(one, '::before').content)")
    assert len(named) >= 7 and all((text != "none") is (width == 390) for text in named)
    context.close()


@pytest.fixture(scope="module")
def incident(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("incident")
    path = folder / "report.html"
    path.write_text(engine(*the_change(folder), "--format", "html").out, encoding="utf-8")
    return path


@pytest.mark.parametrize(("width", "scheme"), [(1200, "light"), (390, "dark")])
def test_the_picture_of_the_incident(browser: Browser, incident: Path, width: int, scheme: str) -> None:
    """No table is wider than its window, also on a phone, so that no figure is out of sight; ENGINE_WRITE_SCREENSHOTS=1 writes docs/screenshots."""
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme, offline=True)  # type: ignore[arg-type]  # a literal
    page = context.new_page()
    page.goto(incident.as_uri())
    assert page.evaluate("[...document.querySelectorAll('.scroll')].filter(one => one.scrollWidth > one.clientWidth).length") == 0
    assert page.evaluate(CONTRAST) == []
    picture = page.screenshot(full_page=True)
    if os.environ.get("ENGINE_WRITE_SCREENSHOTS"):
        (ROOT / "docs" / "screenshots" / f"incident-{width}-{scheme}.png").write_bytes(picture)
    context.close()
