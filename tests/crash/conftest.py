"""The ledgers that the kills fall on: a file to be copied, and a schema of a Postgres that each story gets empty."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from tests.crash.homes import InAFile, OnPostgres
from tests.crash.worlds import World, world_of
from tests.delivery.ledgers import make_ledger
from tests.ledger.postgres_homes import PostgresHome
from tests.postgres_server import Postgres, postgres

__all__ = ["postgres"]

Worlds = Callable[..., AbstractContextManager[World]]


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


@pytest.fixture(scope="package")
def blank(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a ledger with nothing in it, to be copied."""
    return make_ledger(tmp_path_factory.mktemp("blank")).parent


@pytest.fixture
def world(request: pytest.FixtureRequest, blank: Path, tmp_path: Path) -> Worlds:
    """Makes a world: a ledger of one home, `count` due mails, and one kind of receiver."""

    @contextmanager
    def make(home: str, kind: str, count: int, *faults: str) -> Iterator[World]:
        kept = InAFile(blank, tmp_path / "state") if home == "duckdb" else OnPostgres(request.getfixturevalue("emptied"))
        try:
            with world_of(kept, tmp_path, kind, count, *faults) as here:
                yield here
        finally:
            kept.close()

    return make
