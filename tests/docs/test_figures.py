"""The figures that the pages quote are those of the tests and of the evidence."""

from __future__ import annotations

import re

from engine.failpoints import FAILPOINTS
from engine.views.codes import all_codes
from tests.docs.pages import ROOT

PAGE = (ROOT / "docs/reliability.md").read_text(encoding="utf-8")


def figure(pattern: str) -> int:
    found = re.search(pattern, PAGE)
    assert found, f"docs/reliability.md says nothing like {pattern!r}"
    return int(found[1].replace(",", ""))


def test_the_counts_of_the_page_are_the_counts_of_the_tests() -> None:
    """The page never says more than there is, and falls behind by a tenth at most."""
    stories = re.findall(r"^    def test_", (ROOT / "tests/ledger/conformance.py").read_text(encoding="utf-8"), re.M)
    for pattern, there in (
        (r"each of (\d+) named failpoints", len(FAILPOINTS)),
        (r"(\d+) planted mistakes", len(list((ROOT / "tests/mistakes/cases").glob("*.yaml")))),
        (r"with (\d+) stories for each", len(stories)),
        (r"(\d+) codes, `engine explain CODE`", len(list(all_codes()))),
    ):
        assert there * 0.9 <= figure(pattern) <= there, pattern


def test_the_speed_of_the_page_is_the_speed_of_the_evidence() -> None:
    """A ratio that nobody measured is a wish."""
    linked = re.search(r"\]\((evidence/bench-[\d-]+\.md)\)", PAGE)
    assert linked
    measured = re.search(r"messages with MIME, a core \| ([\d,]+)/s", (ROOT / "docs" / linked[1]).read_text(encoding="utf-8"))
    assert measured and figure(r"on 2 cores ([\d,]+) messages") == int(measured[1].replace(",", ""))
