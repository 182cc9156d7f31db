"""Northwind in a real Postgres. The data is not ours: the environment variable NORTHWIND_SQL says where it is."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

from tests.postgres_server import Postgres

PROJECT = Path(__file__).resolve().parents[2] / "examples" / "northwind"
WALKTHROUGH = PROJECT.parents[1] / "docs" / "how-to" / "northwind.md"
SEQUENCE = "definitions/sequences/order-reminder.yaml"
NOW = "1998-05-19T09:00:00+00:00"

DUMP = os.environ.get("NORTHWIND_SQL", "")
needs_data = pytest.mark.skipif(not Path(DUMP).is_file(), reason="NORTHWIND_SQL does not lead to a northwind.sql")


@contextmanager
def northwind(postgres: Postgres) -> Iterator[str]:
    """The URL of a database with the dump in it."""
    # A setting of Postgres 11 and older; psql goes on after the error, a driver does not.
    dump = Path(DUMP).read_text(encoding="utf-8").replace("SET default_with_oids = false;", "")
    with postgres.database() as url:
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(dump.encode())
        yield url
