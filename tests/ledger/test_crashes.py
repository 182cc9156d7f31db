"""A process killed at each named point, judged by what the receiving server took (reliability.md §3.5, §5 A 1)."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from engine.failpoints import FAILPOINTS
from engine.ledger.duckdb import DuckdbLedger, DuckdbReading
from tests.ledger.crashing import DUE, IN_FLIGHT, apply, delivered
from tests.ledger.stories import MONDAY, key

ROOT = Path(__file__).parents[2]
# Killed here, the first group is dispatching and nobody can tell what left. Everywhere else nothing is in doubt.
IN_DOUBT = {"FP7", "FP8", "FP9", "FP10", "FP11"}
POINTS = [name for name in FAILPOINTS if name.startswith("FP")]


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One empty ledger, copied for each story."""
    folder = tmp_path_factory.mktemp("empty")
    DuckdbLedger.create(folder / "ledger.duckdb", "acme", "production", now=MONDAY)
    return folder


@pytest.fixture
def folder(empty: Path, tmp_path: Path) -> Path:
    shutil.copytree(empty, tmp_path, dirs_exist_ok=True)
    return tmp_path


def killed(folder: Path, failpoint: str, ttl: int) -> None:
    """An apply that dies at the failpoint."""
    environment = {**os.environ, "ENGINE_FAILPOINT": failpoint, "PYTHONPATH": str(ROOT)}
    ended = subprocess.run([sys.executable, "-m", "tests.ledger.crashing", str(folder), str(ttl)], cwd=ROOT, env=environment, check=False)
    assert ended.returncode == -signal.SIGKILL, f"{failpoint} was not visited"


@pytest.mark.parametrize("ttl", [0, 86400], ids=["no key", "key"])
@pytest.mark.parametrize("failpoint", POINTS)
def test_a_kill_at_each_failpoint(folder: Path, failpoint: str, ttl: int) -> None:
    """After the next run each mail has left at most once, none without a row, and the doubts are those that the table predicts."""
    if failpoint == "FP13":
        # Recovery itself is killed: something has to be there to recover.
        killed(folder, "FP7", ttl)
    killed(folder, failpoint, ttl)
    apply(folder, ttl)
    with DuckdbReading.open(folder / "ledger.duckdb", "acme", "production") as reading:
        states = {row.send_key: row.state for row in reading.sends().rows}
        attempted = {row.send_key for row in reading.sends().rows if row.attempts}
    assert set(states) == {key(record) for record in DUE}
    took = Counter(delivered(folder))
    assert max(took.values()) == 1
    assert set(took) <= attempted
    unknown = {name for name, state in states.items() if state == "unknown"}
    assert len(unknown) == (IN_FLIGHT if not ttl and (failpoint in IN_DOUBT or failpoint == "FP13") else 0)
    assert {name for name, state in states.items() if state == "sent"} == set(states) - unknown
    assert set(states) - unknown <= set(took)


def test_a_kill_in_the_next_group(folder: Path) -> None:
    """What was settled before stays as it is: one crash leaves at most one group in doubt."""
    killed(folder, f"FP9:{IN_FLIGHT + 2}", 0)
    assert len(delivered(folder)) == IN_FLIGHT + 2
    apply(folder, 0)
    with DuckdbReading.open(folder / "ledger.duckdb", "acme", "production") as reading:
        assert dict(reading.status().states) == {"sent": IN_FLIGHT, "unknown": len(DUE) - IN_FLIGHT}
    assert max(Counter(delivered(folder)).values()) == 1
