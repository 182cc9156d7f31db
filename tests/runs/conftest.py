"""One Postgres for the runs: a database that all share, and a schema for each story."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.postgres_server import Postgres, postgres

__all__ = ["database", "postgres"]


@pytest.fixture(scope="package")
def database(request: pytest.FixtureRequest) -> Iterator[str]:
    """The URL of a database."""
    server: Postgres = request.getfixturevalue("postgres")
    with server.database() as url:
        yield url
