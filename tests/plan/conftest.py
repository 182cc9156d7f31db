"""Every test of this folder tells stories."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from .story import Teller, teller


@pytest.fixture
def tell(tmp_path: Path) -> Iterator[Teller]:
    """`tell(SEQUENCE, record, …)`: a story (see story.py)."""
    yield from teller(tmp_path)
