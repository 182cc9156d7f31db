"""The outbox as somebody opens it: the list of mails and the page of one, on a wide and a narrow screen, light and dark."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from engine.delivery.outbox_pages import write_pages
from tests.browser.test_mails import CONTRAST, ROOT, named, preview

pytestmark = pytest.mark.browser
TEMPLATES = ("renewal-30-days", "newsletter", "payment-overdue")


@pytest.fixture(scope="module")
def outbox(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The index of some mails: three letters in each language, with samples and with the longest names."""
    folder = tmp_path_factory.mktemp("outbox")
    wanted = [(template, case) for template in TEMPLATES for case in named(template) if case.id.startswith(("samples", "longest"))]
    for number, (template, case) in enumerate(wanted):
        (folder / f"{number:08}-aaaa-bbbb-cccc-123456789abc.eml").write_bytes(preview(template, case).message.payload)
    return write_pages(folder)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [600, 390])
def test_the_outbox_and_its_letters_fit_the_window_and_can_be_read(browser: Browser, outbox: Path, width: int, scheme: str) -> None:
    """Nothing scrolls sideways, every text has a contrast of 4.5, and the letter's frame shows the mail."""
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme, offline=True)  # type: ignore[arg-type]  # a literal
    page = context.new_page()
    letters = sorted(path for path in outbox.parent.glob("*.html") if path != outbox)
    for path in (outbox, *letters):
        page.goto(path.as_uri())
        inside, window = page.evaluate("[document.documentElement.scrollWidth, document.documentElement.clientWidth]")
        assert inside <= window, f"{path.name}: {inside} px in {window}"
        assert page.evaluate(CONTRAST) == [], path.name
    assert len(page.frames) == 2 and "Harmony Music" in page.frames[1].content()
    context.close()


def test_the_pictures_of_the_outbox(browser: Browser, outbox: Path) -> None:
    """ENGINE_WRITE_SCREENSHOTS=1 writes them into docs/screenshots."""
    for name, width, scheme in (("outbox-600-light.png", 600, "light"), ("outbox-390-dark.png", 390, "dark")):
        context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme, offline=True)  # type: ignore[arg-type]  # a literal
        page = context.new_page()
        page.goto(outbox.as_uri())
        picture = page.screenshot()
        assert picture[:8] == b"\x89PNG\r\n\x1a\n"
        if os.environ.get("ENGINE_WRITE_SCREENSHOTS"):
            (ROOT / "docs" / "screenshots" / name).write_bytes(picture)
        context.close()
