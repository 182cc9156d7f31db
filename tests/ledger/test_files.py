"""The files of the embedded ledger: who may open it, which one is refused, what readers see (semantics 1.3, reliability.md §3.8)."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import duckdb
import pytest

from engine.errors import LedgerRefused, LockHeld
from engine.ledger.duckdb import DuckdbLedger, DuckdbReading
from engine.ledger.duckdb.files import LedgerFiles, refuse_network_disk, who_holds
from engine.ledger.ledger import LedgerBroken
from engine.ledger.pseudonyms import Pseudonyms
from tests.ledger.stories import MONDAY, changes, dispatch, run, send

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def two_sends(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a ledger in which two sends are planned."""
    path = tmp_path_factory.mktemp("state") / "ledger.duckdb"
    DuckdbLedger.create(path, "acme", "production", now=MONDAY, pseudonyms=Pseudonyms(b"k" * 32))
    with open_it(path) as ledger:
        ledger.commit(run(), changes(sends=[send("1"), send("2")]))
    return path.parent


@pytest.fixture
def path(two_sends: Path, tmp_path: Path) -> Path:
    shutil.copytree(two_sends, tmp_path, dirs_exist_ok=True)
    return tmp_path / "ledger.duckdb"


def open_it(path: Path, project: str = "acme", environment: str = "production", key: bytes = b"k" * 32) -> DuckdbLedger:
    return DuckdbLedger.open(path, project, environment, command="engine apply", now=MONDAY, pseudonyms=Pseudonyms(key))


@contextmanager
def another_process(path: Path, then: str = "time.sleep(60)") -> Iterator[subprocess.Popen[str]]:
    """Another `engine apply` that holds the ledger and does something with it."""
    code = f"""
import sys, time
from pathlib import Path
sys.path.insert(0, {str(ROOT)!r})
from engine.ledger.duckdb import DuckdbLedger
from tests.ledger.stories import MONDAY, changes, dispatch, run, send
ledger = DuckdbLedger.open(Path({str(path)!r}), "acme", "production", command="engine apply", now=MONDAY)
print("open", flush=True)
{then}
"""
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None and process.stdout.readline() == "open\n"
        yield process
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def test_1_3_a_missing_ledger_names_the_command(tmp_path: Path) -> None:
    """`apply` never makes one by itself."""
    with pytest.raises(LedgerRefused) as refused:
        open_it(tmp_path / "ledger.duckdb")
    assert refused.value.exit_code == 7
    assert "engine state create" in refused.value.help
    with pytest.raises(LedgerRefused):
        DuckdbReading.open(tmp_path / "ledger.duckdb", "acme", "production")
    assert list(tmp_path.iterdir()) == []


def test_1_3_a_foreign_ledger_is_refused(path: Path) -> None:
    """Of another project, another environment, or with addresses hashed by another key."""
    for project, environment in (("other", "production"), ("acme", "staging")):
        with pytest.raises(LedgerRefused, match="belongs to project `acme`, environment `production`"):
            open_it(path, project, environment)
    with pytest.raises(LedgerRefused, match="pseudonym key"):
        open_it(path, key=b"x" * 32)
    open_it(path).close()


def test_1_3_a_ledger_is_not_made_twice(path: Path) -> None:
    """Neither over one, nor where one was."""
    with pytest.raises(LedgerRefused, match="there is a ledger already"):
        DuckdbLedger.create(path, "acme", "production", now=MONDAY)
    path.unlink()
    with pytest.raises(LedgerRefused, match="it is gone"):
        DuckdbLedger.create(path, "acme", "production", now=MONDAY)
    with pytest.raises(LedgerRefused, match="is gone"):
        open_it(path)


@pytest.mark.parametrize(("version", "words"), [(0, "engine state migrate"), (99, "or later")])
def test_an_older_and_a_newer_ledger(path: Path, version: int, words: str) -> None:
    """`apply` never migrates: it says what to run."""
    with duckdb.connect(str(path)) as connection:
        connection.execute("UPDATE ledger_meta SET schema_version = $1", [version])
    with pytest.raises(LedgerRefused) as refused:
        open_it(path)
    assert words in refused.value.help


def test_a_rolled_back_ledger_is_refused(path: Path) -> None:
    """Yesterday's file beside today's witness would send again what was sent since."""
    yesterday = path.read_bytes()
    with open_it(path) as ledger:
        ledger.claim("w1", 1, MONDAY)
    path.write_bytes(yesterday)
    with pytest.raises(LedgerRefused, match="rolled back"):
        open_it(path)


def test_a_ledger_with_another_history_is_refused(path: Path) -> None:
    """As many transactions, but not the same ones; and a ledger of another lineage."""
    before = path.read_bytes(), LedgerFiles(path).witness.read_bytes()
    with open_it(path) as ledger:
        ledger.commit(run(), changes(sends=[send("3")]))
    witness = LedgerFiles(path).witness.read_bytes()
    path.write_bytes(before[0])
    LedgerFiles(path).witness.write_bytes(before[1])
    with open_it(path) as ledger:
        ledger.commit(run(), changes(sends=[send("4")]))
    LedgerFiles(path).witness.write_bytes(witness)
    with pytest.raises(LedgerRefused, match="another history"):
        open_it(path)
    values = json.loads(witness)
    LedgerFiles(path).witness.write_text(json.dumps({**values, "lineage": "00000000-0000-0000-0000-000000000000"}))
    with pytest.raises(LedgerRefused, match="another lineage"):
        open_it(path)


@pytest.mark.parametrize("damage", ["missing", "garbage", "empty"])
def test_a_witness_that_says_nothing(path: Path, damage: str) -> None:
    """Without it nobody can tell whether the ledger is whole."""
    witness = LedgerFiles(path).witness
    witness.unlink() if damage == "missing" else witness.write_text({"garbage": "{x", "empty": ""}[damage])
    with pytest.raises(LedgerRefused, match="witness"):
        open_it(path)


def test_damaged_files_are_refused(path: Path) -> None:
    """Garbage, and a file that was copied while it was open, without its log."""
    good = path.read_bytes()
    path.write_bytes(b"not a database at all" * 100)
    with pytest.raises(LedgerRefused, match="cannot be read"):
        open_it(path)
    path.unlink()
    duckdb.connect(str(path)).close()
    with pytest.raises(LedgerRefused, match="holds no ledger"):
        open_it(path)
    path.write_bytes(good)
    open_it(path).close()


def test_two_at_once(path: Path) -> None:
    """One works, the other is told at once who does: the pid, the command, and since when."""
    with another_process(path) as process:
        began = time.monotonic()
        with pytest.raises(LockHeld) as held:
            open_it(path)
        assert time.monotonic() - began < 1
        assert held.value.exit_code == 5
        assert f"`engine apply`, process {process.pid} on " in held.value.message
        assert "since 2026-01-05T02:00:00Z" in held.value.message
        holder = who_holds(LedgerFiles(path))
        assert holder is not None and holder.pid == process.pid
    assert who_holds(LedgerFiles(path)) is None
    with open_it(path), pytest.raises(LockHeld):
        open_it(path)
    open_it(path).close()


def test_a_reader_never_waits(path: Path) -> None:
    """While a run holds the ledger readers get the copy that the last one left, and its age; after it, the ledger."""
    with DuckdbReading.open(path, "acme", "production") as reading:
        assert reading.copied_at is None
        assert reading.sends().total == 2
    with another_process(path, 'ledger.commit(run(), changes(sends=[send("3")])); print("committed", flush=True); time.sleep(60)') as process:
        assert process.stdout is not None and process.stdout.readline() == "committed\n"
        with DuckdbReading.open(path, "acme", "production") as reading:
            assert reading.copied_at is not None
            assert reading.sends().total == 2
    with DuckdbReading.open(path, "acme", "production") as reading:
        assert reading.copied_at is None
        assert reading.sends().total == 3


def test_a_reader_does_not_keep_an_apply_out(path: Path) -> None:
    """A page of `engine sends` that is open has the copy, not the ledger."""
    with DuckdbReading.open(path, "acme", "production") as reading, open_it(path) as ledger:
        ledger.commit(run(MONDAY + timedelta(hours=1)), changes(sends=[send("3")]))
        assert reading.sends().total == 2


def test_nothing_is_recorded_after_a_write_failed(path: Path) -> None:
    """The first failure ends the ledger for the process: what cannot be recorded is not sent."""
    with open_it(path) as ledger:
        ledger.connection.execute("DROP TABLE attempts")
        (row,) = ledger.claim("w1", 1, MONDAY)
        with pytest.raises(LedgerBroken):
            ledger.begin_dispatch([dispatch(row)], MONDAY)
        with pytest.raises(LedgerBroken, match="before"):
            ledger.claim("w1", 1, MONDAY)


def test_a_network_disk_is_refused(tmp_path: Path) -> None:
    """A lock on NFS keeps nobody out."""
    mounts = tmp_path / "mounts"
    mounts.write_text(f"/dev/vda / ext4 rw 0 0\nserver:/x {tmp_path} nfs4 rw 0 0\n")
    with pytest.raises(LedgerRefused, match="network disk"):
        refuse_network_disk(tmp_path, mounts)
    mounts.write_text("/dev/vda / ext4 rw 0 0\n")
    refuse_network_disk(tmp_path, mounts)


def test_no_secondary_index(path: Path) -> None:
    """A secondary index answers wrongly after a kill (reliability.md §3.8): there is none, and no foreign key."""
    with DuckdbReading.open(path, "acme", "production") as reading:
        assert reading.connection.execute("SELECT count(*) FROM duckdb_indexes()").fetchall() == [(0,)]
        kinds = reading.connection.execute("SELECT DISTINCT constraint_type FROM duckdb_constraints()").fetchall()
        assert {kind for (kind,) in kinds} <= {"PRIMARY KEY", "NOT NULL", "CHECK"}


def test_a_ledger_reaches_nothing_else(path: Path, tmp_path: Path) -> None:
    """Its connection reads no file and loads no extension."""
    secret = tmp_path / "secret.csv"
    secret.write_text("a\n1\n")
    with open_it(path) as ledger:
        for sql in (f"SELECT * FROM read_csv('{secret}')", f"COPY sends TO '{tmp_path / 'x.csv'}'", f"ATTACH '{tmp_path / 'y.duckdb'}'", "INSTALL httpfs"):
            with pytest.raises(duckdb.Error):
                ledger.connection.execute(sql)
    assert os.listdir(tmp_path).count("x.csv") == 0
