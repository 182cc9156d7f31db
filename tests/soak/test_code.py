"""What a world is made by: everything that can change what it says, and nothing else."""

from __future__ import annotations

from pathlib import Path

from tests.soak.code import ROOT, digest_of, files_of

PROGRAM = "tests.soak.oracle"


def test_the_files_of_a_world_are_the_planner_s_the_ledger_s_and_the_oracle_s() -> None:
    """Modules, the SQL that they run, and the tests' own part; no door, no page, no other home of the ledger."""
    files = {str(file.relative_to(ROOT)) for file in files_of(PROGRAM)}
    assert {
        "engine/plan/planning.py", "engine/plan/sql/pass_gates.sql", "engine/ledger/duckdb/sql/claim.sql", "engine/calendars.py",
        "engine/ledger/duckdb/migrations/0001_ledger.sql", "tests/oracle/gates.py", "tests/quick.py", "tests/conftest.py",
    } <= files  # fmt: skip
    assert not [file for file in files if file.startswith(("engine/cli", "engine/views", "engine/rehearsal", "engine/ledger/postgres", "docs"))]
    assert all(Path(ROOT, file).is_file() for file in files)


def test_the_digest_is_that_of_the_bytes() -> None:
    """The same files give the same digest; another program's differs."""
    assert digest_of(PROGRAM) == digest_of(PROGRAM)
    assert digest_of(PROGRAM) != digest_of("tests.oracle.model")
