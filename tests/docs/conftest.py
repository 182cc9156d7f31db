"""The real Postgres of the pages that need one."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.postgres_server import Postgres, postgres

__all__ = ["database", "postgres"]


@pytest.fixture
def database(request: pytest.FixtureRequest) -> Iterator[str]:
    """The URL of a database with nothing in it."""
    server: Postgres = request.getfixturevalue("postgres")
    with server.database() as url:
        yield url
