"""What all tests share: how many random cases a law gets, and nothing of this person's machine."""

from __future__ import annotations

import gc
import os
from typing import Any

import duckdb
from hypothesis import settings

from tests import laws as _laws  # noqa: F401 - registers the profile

settings.load_profile("laws")

# Whatever the machine says must not change what a test sees.
for name in ("CI", "ENGINE_STOP", "ENGINE_PSEUDONYM_KEY", "ENGINE_FAILPOINT", "NO_COLOR", "FORCE_COLOR"):
    os.environ.pop(name, None)

# Stories make many small objects that live as long as the test: looking through them a thousand times finds nothing.
gc.set_threshold(50_000, 20, 50)

# Several workers share the cores: in this process DuckDB takes one thread, which for ten rows is quicker too. What runs in a process
# of its own has DuckDB's default.
_connect = duckdb.connect


def _with_one_thread(database: Any = ":memory:", read_only: bool = False, config: Any = None) -> duckdb.DuckDBPyConnection:
    return _connect(database, read_only, {"threads": "1", **(config or {})})


duckdb.connect = _with_one_thread
