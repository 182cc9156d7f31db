"""No test of deliveries leaves a connection open."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.delivery.over_smtp import hang_up


@pytest.fixture(autouse=True)
def hung_up() -> Iterator[None]:
    """Every transport of a test is closed when the test is over."""
    yield
    hang_up()
