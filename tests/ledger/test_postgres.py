"""The ledger in a schema of Postgres: everything that every home does (the stories are in conformance.py)."""

from __future__ import annotations

import pytest

from tests.ledger.conformance import LedgerConformance
from tests.ledger.conformance_messages import MessagesConformance
from tests.ledger.postgres_homes import PostgresHome


class TestPostgres(LedgerConformance, MessagesConformance):
    """The common stories."""

    @pytest.fixture
    def home(self, home_on_postgres: PostgresHome) -> PostgresHome:
        return home_on_postgres
