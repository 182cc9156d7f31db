"""The generated pages are what the code says today."""

from __future__ import annotations

import pytest

from engine.cli.reference import OPERATOR_WORDS, pages
from engine.definitions.rules import OPERATORS
from tests.docs.pages import ROOT


@pytest.mark.parametrize("name", sorted(pages()))
def test_the_generated_pages_are_up_to_date(name: str) -> None:
    """Whoever changes a command, a reason or a key runs `make docs`."""
    assert (ROOT / "docs/reference" / name).read_text(encoding="utf-8") == pages()[name], "run `make docs`"


def test_every_operator_is_told_in_words() -> None:
    """No operator is without a sentence, and no sentence without an operator."""
    assert set(OPERATOR_WORDS) == set(OPERATORS)
