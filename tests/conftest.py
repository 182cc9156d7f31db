"""What all tests share: how many random cases a law gets, and nothing of this person's machine."""

from __future__ import annotations

import gc
import os
from typing import Any

import duckdb
import pytest
from hypothesis import settings

from tests import laws as _laws  # noqa: F401 - registers the profile
from tests.quick import remember_checked_templates

settings.load_profile("laws")

# Whatever the machine says must not change what a test sees.
for name in ("CI", "ENGINE_STOP", "ENGINE_PSEUDONYM_KEY", "ENGINE_FAILPOINT", "NO_COLOR", "FORCE_COLOR"):
    os.environ.pop(name, None)

_LONG = ("tests/crash/", "tests/oracle/", "tests/runs/", "tests/docs/")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The tests that take seconds come first, so that at the end the workers share many short ones."""
    items.sort(key=lambda item: not item.nodeid.startswith(_LONG))


# Stories make many small objects that live as long as the test: looking through them a thousand times finds nothing.
gc.set_threshold(50_000, 20, 50)

# Several workers share the cores: in this process DuckDB takes one thread, which for ten rows is quicker too. What runs in a process
# of its own has DuckDB's default.
_connect = duckdb.connect


def _with_one_thread(database: Any = ":memory:", read_only: bool = False, config: Any = None) -> duckdb.DuckDBPyConnection:
    return _connect(database, read_only, {**(config or {}), "threads": "1"})


duckdb.connect = _with_one_thread
remember_checked_templates()
