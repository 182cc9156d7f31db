"""Every link inside the project leads somewhere."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.docs.pages import ROOT, pages

_LINK = re.compile(r"(?<!`)\[[^\]\n]*\]\((?P<target>[^)\s]+)\)")
_ALL = [*pages(), *sorted((ROOT / "docs/reference").glob("*.md"))]


def anchors(text: str) -> set[str]:
    """The anchors of a page's headings, as git forges make them; a second heading of one name gets `-1`."""
    made: set[str] = set()
    for heading in re.findall(r"^#{1,6} +(.+?) *$", re.sub(r"^```.*?^```", "", text, flags=re.M | re.S), re.M):
        plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).lower()
        anchor = re.sub(r"[^\w\- ]", "", plain).replace(" ", "-")
        number = 0
        while anchor in made:
            number += 1
            anchor = f"{re.sub(r'-[0-9]+$', '', anchor) if number > 1 else anchor}-{number}"
        made.add(anchor)
    return made


@pytest.mark.parametrize("page", dict.fromkeys(_ALL), ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_internal_link_resolves(page: Path) -> None:
    """Files are there, and so are headings."""
    text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.M | re.S)
    lost = []
    for found in _LINK.finditer(text):
        target = found["target"]
        if re.match(r"[a-z]+:", target):
            continue
        name, _, anchor = target.partition("#")
        file = (page.parent / name).resolve() if name else page
        if not file.exists() or not file.is_relative_to(ROOT) or anchor and anchor not in anchors(file.read_text(encoding="utf-8")):
            lost.append(target)
    assert not lost
