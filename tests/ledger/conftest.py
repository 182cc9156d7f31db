"""One Postgres for the stories of the ledger, and one ledger on it that each story gets empty."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.ledger.postgres_homes import PostgresHome
from tests.postgres_server import Postgres, postgres

__all__ = ["database", "emptied", "home_on_postgres", "postgres"]


@pytest.fixture(scope="package")
def database(request: pytest.FixtureRequest) -> Iterator[str]:
    """The URL of a database."""
    server: Postgres = request.getfixturevalue("postgres")
    with server.database() as url:
        yield url


@pytest.fixture(scope="package")
def emptied(database: str) -> PostgresHome:
    """A ledger that all stories share, one after the other."""
    home = PostgresHome(database)
    home.create()
    return home


@pytest.fixture
def home_on_postgres(emptied: PostgresHome) -> PostgresHome:
    """A ledger with nothing in it."""
    emptied.wipe()
    return emptied
