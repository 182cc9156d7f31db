"""The ledger in a DuckDB file: everything that every home does (the stories are in conformance.py)."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from engine.ledger.duckdb import DuckdbLedger
from engine.ledger.ledger import Ledger
from tests.ledger.conformance import Home, LedgerConformance
from tests.ledger.conformance_messages import MessagesConformance
from tests.ledger.stories import MONDAY


class DuckdbHome(Home):
    """A folder with one ledger."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "ledger.duckdb"

    def open(self) -> DuckdbLedger:
        if not self.path.exists():
            DuckdbLedger.create(self.path, "acme", "production", now=MONDAY)
        return DuckdbLedger.open(self.path, "acme", "production", command="engine apply", now=MONDAY)

    def reopen(self, ledger: Ledger) -> DuckdbLedger:
        ledger.close()
        return self.open()


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One empty ledger, copied for each story: making the tables takes longer than most of them."""
    folder = tmp_path_factory.mktemp("empty")
    DuckdbHome(folder).open().close()
    return folder


class TestDuckdb(LedgerConformance, MessagesConformance):
    """The common stories."""

    @pytest.fixture
    def home(self, empty: Path, tmp_path: Path) -> DuckdbHome:
        shutil.copytree(empty, tmp_path, dirs_exist_ok=True)
        return DuckdbHome(tmp_path)
