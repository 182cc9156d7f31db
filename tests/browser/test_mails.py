"""The reference company's mails as people see them: at 600 and 390 pixels, light and dark, in both languages, with the longest names."""

from __future__ import annotations

import os
from datetime import datetime
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, Route

from engine.definitions.definitions import Definitions
from engine.definitions.loading import load
from engine.definitions.trees import WorkTree
from engine.messages.preview import Case, Preview, hard_cases, make_preview, sample_case
from engine.messages.rendering import Renderer

pytestmark = pytest.mark.browser
ROOT = Path(__file__).parents[2]
DUE = datetime(2026, 11, 22, 2)
WIDTHS = (600, 390)


def _definitions() -> Definitions:
    loaded = load(WorkTree(ROOT))
    assert loaded.definitions is not None, loaded.problems
    return loaded.definitions


DEFINITIONS = _definitions()
RENDERER = Renderer(DEFINITIONS)


def _cases(template_id: str) -> list[Case]:
    return [*(sample_case(DEFINITIONS, template_id, locale) for locale in DEFINITIONS.project.locales), *hard_cases(DEFINITIONS, template_id)]


def preview(template_id: str, case: Case) -> Preview:
    return make_preview(RENDERER, template_id, case, due_at=DUE)


def _open(browser: Browser, html: str, width: int, scheme: str) -> tuple[Page, list[str]]:
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme, offline=True)  # type: ignore[arg-type]  # a literal
    page = context.new_page()
    asked: list[str] = []

    def refuse(route: Route) -> None:
        asked.append(route.request.url)
        route.abort()

    page.route("**/*", refuse)
    page.set_content(html)
    return page, asked


@pytest.mark.parametrize("template_id", sorted(DEFINITIONS.templates))
def test_no_mail_scrolls_sideways_or_asks_the_network(browser: Browser, template_id: str) -> None:
    """Samples in each language and every hard case: nothing is wider than the window, and nothing is fetched."""
    page, asked = _open(browser, "", WIDTHS[0], "light")
    for width in (*WIDTHS, 320):
        page.set_viewport_size({"width": width, "height": 900})
        for case in _cases(template_id):
            page.set_content(preview(template_id, case).rendered.html)
            inside, window = page.evaluate("[document.documentElement.scrollWidth, document.documentElement.clientWidth]")
            assert inside <= window, f"{template_id}, {case.id}: {inside} px in {window}"
    assert asked == []
    page.context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("template_id", ["renewal-30-days", "payment-overdue", "newsletter"])
def test_text_can_be_read_on_its_background(browser: Browser, template_id: str, scheme: str) -> None:
    """Every piece of text has a contrast of at least 4.5 against what is behind it, in light and in dark."""
    page, _ = _open(browser, preview(template_id, sample_case(DEFINITIONS, template_id)).rendered.html, 600, scheme)
    weak = page.evaluate(CONTRAST)
    assert weak == []
    page.context.close()


def test_a_dark_room_gets_a_dark_mail(browser: Browser) -> None:
    """With prefers-color-scheme the page and the card are dark; the rule outlives the inlining."""
    html = preview("renewal-30-days", sample_case(DEFINITIONS, "renewal-30-days")).rendered.html
    colors = {}
    for scheme in ("light", "dark"):
        page, _ = _open(browser, html, 600, scheme)
        colors[scheme] = page.evaluate("getComputedStyle(document.querySelector('.card')).backgroundColor")
        page.context.close()
    assert colors == {"light": "rgb(255, 255, 255)", "dark": "rgb(30, 36, 33)"}


def test_the_screenshots_of_the_docs(browser: Browser) -> None:
    """Each picture of docs/screenshots/ can be made again; ENGINE_WRITE_SCREENSHOTS=1 writes them."""
    for name, (template_id, case_id, width, scheme) in SCREENSHOTS.items():
        case = next(case for case in named(template_id) if case.id == case_id)
        page, _ = _open(browser, preview(template_id, case).rendered.html, width, scheme)
        picture = page.screenshot(full_page=True)
        assert picture[:8] == b"\x89PNG\r\n\x1a\n"
        if os.environ.get("ENGINE_WRITE_SCREENSHOTS"):
            (ROOT / "docs" / "screenshots" / name).write_bytes(picture)
        page.context.close()


def named(template_id: str) -> list[Case]:
    local = [sample_case(DEFINITIONS, template_id, locale) for locale in DEFINITIONS.project.locales]
    return [
        *(Case(f"samples-{case.locale}", case.title, case.locale, case.variables, case.contact_name) for case in local),
        *hard_cases(DEFINITIONS, template_id),
    ]


SCREENSHOTS = {
    "renewal-en-600-light.png": ("renewal-30-days", "samples-en", 600, "light"),
    "renewal-th-390-light.png": ("renewal-30-days", "samples-th", 390, "light"),
    "overdue-en-390-dark.png": ("payment-overdue", "samples-en", 390, "dark"),
    "newsletter-en-600-dark.png": ("newsletter", "samples-en", 600, "dark"),
    "welcome-longest-th-390-light.png": ("welcome", "longest-th", 390, "light"),
    "zone-offline-longest-en-390-light.png": ("zone-offline-48h", "longest", 390, "light"),
}

CONTRAST = """() => {
  const parts = color => (color.match(/[\\d.]+/g) || []).map(Number);
  const light = ([r, g, b]) => { const f = v => { v /= 255; return v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4; };
    return 0.2126 * f(r) + 0.7152 * f(g) + 0.0722 * f(b); };
  const behind = element => { for (let here = element; here; here = here.parentElement) {
    const color = parts(getComputedStyle(here).backgroundColor); if (color.length === 3 || color[3] > 0) return color; } return [255, 255, 255]; };
  const weak = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const text = walker.currentNode.textContent.trim(), element = walker.currentNode.parentElement;
    if (!text || element.offsetParent === null || element.closest('style')) continue;
    const a = light(parts(getComputedStyle(element).color)), b = light(behind(element));
    const contrast = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (contrast < 4.5) weak.push(`${text.slice(0, 30)}: ${contrast.toFixed(2)}`);
  }
  return weak;
}"""
