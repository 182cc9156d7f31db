"""Disks that are full, read-only or torn: a clear word, nothing sent that cannot be recorded, no loss that nobody sees (reliability.md §5 B 8, 9)."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from engine.errors import EngineError
from engine.ledger.duckdb import DuckdbLedger, DuckdbReading
from engine.ledger.duckdb.files import LedgerFiles
from engine.ledger.ledger import LedgerBroken
from tests.ledger.stories import MONDAY, changes, dispatch, run, said, send

ROOT = Path(__file__).parents[2]
NOBODY = 65534


def open_it(path: Path) -> DuckdbLedger:
    return DuckdbLedger.open(path, "acme", "production", command="engine apply", now=MONDAY)


# --- torn and flipped ------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a kill leaves: a ledger with ten transactions in its log, and the witness of the last."""
    folder = tmp_path_factory.mktemp("killed")
    path = folder / "live" / "ledger.duckdb"
    DuckdbLedger.create(path, "acme", "production", now=MONDAY)
    with open_it(path) as ledger:
        ledger.commit(run(), changes(sends=[send(str(place)) for place in range(4)]))
    ledger = open_it(path)
    for _ in range(3):
        rows = ledger.claim("w", 1, MONDAY)
        ledger.begin_dispatch([dispatch(row) for row in rows], MONDAY)
        ledger.settle([said(row, "sent") for row in rows], MONDAY)
    shutil.copytree(path.parent, folder / "left")
    ledger.close()
    (folder / "left" / "ledger.copy.duckdb").unlink()
    return folder / "left"


def loses_nothing(left: Path, damaged: str, content: bytes) -> bool:
    """Whether the damaged ledger was refused; one that opens has everything that its witness saw."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "state"
        shutil.copytree(left, folder)
        (folder / damaged).write_bytes(content)
        path = folder / "ledger.duckdb"
        try:
            with open_it(path) as ledger:
                states = sorted(row.state for row in ledger.sends().rows)
                seen = LedgerFiles(path).read_witness()
                assert seen is not None and ledger.head().serial >= seen.serial
        except EngineError as refused:
            assert refused.message and refused.help
            return True
        assert states == ["planned", "sent", "sent", "sent"]
        return False


def tear(left: Path, step: int) -> None:
    log = (left / "ledger.duckdb.wal").read_bytes()
    assert len(log) > 1000
    refused = [loses_nothing(left, "ledger.duckdb.wal", log[:size]) for size in range(0, len(log), step)]
    assert all(refused)
    assert not loses_nothing(left, "ledger.duckdb.wal", log)


def flip(left: Path, count: int) -> None:
    chance = random.Random(7)
    for place in range(count):
        damaged = ("ledger.duckdb.wal", "ledger.duckdb", "ledger.witness")[0 if place % 4 else place // 4 % 3]
        content = bytearray((left / damaged).read_bytes())
        content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
        loses_nothing(left, damaged, bytes(content))


def test_a_torn_log_is_never_taken_for_whole(killed: Path) -> None:
    """Cut anywhere, the ledger opens to an earlier state, and the witness refuses it."""
    tear(killed, (killed / "ledger.duckdb.wal").stat().st_size // 10)


def test_a_flipped_bit_loses_nothing_silently(killed: Path) -> None:
    """A ledger with a flipped bit is refused, or has all that was acknowledged."""
    flip(killed, 16)


@pytest.mark.soak
def test_a_log_torn_at_every_fiftieth_byte(killed: Path) -> None:
    """The full sweep."""
    tear(killed, 50)


@pytest.mark.soak
def test_two_hundred_flipped_bits(killed: Path) -> None:
    """The full sweep."""
    flip(killed, 200)


# --- full ------------------------------------------------------------------------------------------------------------

# Sends until the ledger cannot be written; each line is a key that was allowed to leave.
SENDER = """
import resource, sys
from pathlib import Path
from engine.errors import EngineError
from engine.ledger.duckdb import DuckdbLedger
from tests.ledger.stories import MONDAY, changes, dispatch, run, said, send
if int(sys.argv[2]):
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), int(sys.argv[2])))
try:
    with DuckdbLedger.open(Path(sys.argv[1]), "acme", "production", command="engine apply", now=MONDAY) as ledger:
        for round in range(60):
            first = round * 10
            ledger.commit(run(), changes(sends=[send(str(place)) for place in range(first, first + 10)]))
            rows = ledger.claim("w", 10, MONDAY)
            going = ledger.begin_dispatch([dispatch(row, text=row.send_key * 3000) for row in rows], MONDAY)
            print(*going, sep="\\n", flush=True)
            ledger.settle([said(row, "sent") for row in rows], MONDAY)
except EngineError as error:
    print(error.message, error.help, file=sys.stderr)
    sys.exit(error.exit_code)
"""


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[tuple[Path, int]]:
    """A disk of 24 MB, or where none can be mounted a folder and a limit of the size of files."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = os.geteuid() == 0 and subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", str(folder)], capture_output=True, check=False).returncode == 0
    try:
        yield folder, 0 if mounted else 4 * 2**20
    finally:
        if mounted:
            subprocess.run(["umount", str(folder)], check=True)


def test_a_full_disk_sends_nothing_that_is_not_recorded(small_disk: tuple[Path, int]) -> None:
    """The first write that fails ends the sending, with a word; every mail that was let go is known when there is space again."""
    folder, limit = small_disk
    path = folder / "ledger.duckdb"
    DuckdbLedger.create(path, "acme", "production", now=MONDAY)
    ended = subprocess.run(
        [sys.executable, "-c", SENDER, str(path), str(limit)], capture_output=True, text=True, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}, check=False
    )
    left = set(ended.stdout.split())
    assert ended.returncode == 1, ended.stderr
    assert "nothing is sent" in ended.stderr or "nothing more is sent" in ended.stderr or "look at the disk" in ended.stderr
    assert left
    if not limit:
        with pytest.raises(LedgerBroken, match="MiB are free"):
            open_it(path)
        subprocess.run(["mount", "-o", "remount,size=256m", str(folder)], check=True)
    with open_it(path) as ledger:
        ledger.recover(MONDAY)
        states = {row.send_key: row.state for row in ledger.sends(limit=1000).rows}
    assert {states.get(key) for key in left} <= {"sent", "unknown"}


def test_a_witness_that_cannot_be_written_stops_all(tmp_path: Path) -> None:
    """The commit stands, the process sends nothing more, and the next one goes on."""
    path = tmp_path / "state" / "ledger.duckdb"
    DuckdbLedger.create(path, "acme", "production", now=MONDAY)
    with open_it(path) as ledger:
        ledger.commit(run(), changes(sends=[send("1")]))
        blocked = LedgerFiles(path).witness
        kept = blocked.read_bytes()
        blocked.unlink()
        blocked.mkdir()
        (blocked / "x").touch()
        with pytest.raises(LedgerBroken, match="witness"):
            ledger.claim("w", 1, MONDAY)
        with pytest.raises(LedgerBroken, match="before"):
            ledger.claim("w", 1, MONDAY)
        shutil.rmtree(blocked)
        blocked.write_bytes(kept)
    with open_it(path) as ledger:
        assert ledger.recover(MONDAY + timedelta(minutes=1)).released == 1


# --- read-only -------------------------------------------------------------------------------------------------------

OPENER = """
import os, sys
from pathlib import Path
from engine.errors import EngineError
from engine.ledger.duckdb import DuckdbLedger, DuckdbReading, caring
from engine.ledger.duckdb.files import LedgerFiles
from tests.ledger.stories import MONDAY
path = Path(sys.argv[1])
if int(sys.argv[2]):
    os.setgroups([])
    os.setgid(int(sys.argv[2]))
    os.setuid(int(sys.argv[2]))
with DuckdbReading.open(path, "acme", "production") as reading:
    print(reading.sends().total)
checked, _ = caring.verify_ledger(LedgerFiles(path), now=MONDAY)
print(len(checked.faults))
try:
    DuckdbLedger.open(path, "acme", "production", command="engine apply", now=MONDAY)
except EngineError as error:
    print(error.message)
    sys.exit(error.exit_code)
"""


@pytest.mark.parametrize("closed", ["folder", "file"])
def test_a_read_only_ledger_is_read_and_never_sent_from(closed: str) -> None:
    """Readers and checks work; an apply ends at once with a word about rights."""
    with tempfile.TemporaryDirectory() as name:
        state = Path(name) / "state"
        path = state / "ledger.duckdb"
        DuckdbLedger.create(path, "acme", "production", now=MONDAY)
        with open_it(path) as ledger:
            ledger.commit(run(), changes(sends=[send("1")]))
        for file in state.iterdir():
            file.chmod(0o444 if closed == "folder" or file == path else 0o666)
        state.chmod(0o555 if closed == "folder" else 0o777)
        Path(name).chmod(0o755)
        # Root may write everywhere: it becomes somebody else first.
        user = NOBODY if os.geteuid() == 0 else 0
        ended = subprocess.run(
            [sys.executable, "-c", OPENER, str(path), str(user)], capture_output=True, text=True, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}, check=False
        )
        state.chmod(0o755)
        assert ended.returncode == 1, ended.stderr
        assert ended.stdout.startswith("1\n0\n") and "cannot" in ended.stdout
        with DuckdbReading.open(path, "acme", "production") as reading:
            assert reading.sends().total == 1
