"""The report of a difference as a reviewer opens it: wide and narrow, light and dark, and on paper."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Browser

from engine.rehearsal.personas import personas
from engine.views.difference_html import as_html
from tests.browser.test_mails import CONTRAST
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
