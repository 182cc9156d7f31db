"""`engine apply` itself, from the definitions to the server, killed at every failpoint and at random moments (reliability.md §5 A).

The judge is what the receiving server wrote down in a process of its own. `SOAK=200` sets the number of random kills.
"""

from __future__ import annotations

import json
import os
import random
import re
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import duckdb
import pytest

from engine.ledger.orders import Order
from engine.ledger.pseudonyms import read_pseudonyms
from engine.runs.inbox import leave_order
from tests.crash.project import NOW, address_of, key_of, make_project
from tests.crash.test_kills import IN_DOUBT, IN_FLIGHT, KILLS, MET, ROOT
from tests.smtp_server import Act, ScriptedServer

DUE = 500
# So many kills fall on one ledger with 500 due; a soak makes new ones until it has killed as often as it should.
KILLS_A_WORLD = 20
LONGEST_LIFE = 120


@dataclass
class Applies:
    """A project whose `engine apply` lives and dies, and a receiver that keeps its own record."""

    root: Path
    count: int
    port: str
    log: Path
    lives: int = 0
    kills: int = 0
    left_out: frozenset[int] = frozenset()

    def live(self, failpoint: str = "") -> subprocess.Popen[str]:
        """Begin an apply, a minute of the project's time after the one before."""
        self.lives += 1
        now = (NOW + timedelta(minutes=self.lives)).isoformat() + "+00:00"
        command = [sys.executable, "-m", "engine", "-C", str(self.root), "apply", "--format", "json", "--now", now]
        environ = os.environ | {"ENGINE_FAILPOINT": failpoint, "SMTP_PORT": self.port}
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT, env=environ)

    def live_on(self) -> tuple[int, int]:
        """An apply that nobody kills: its exit code, and how many it sent. What a dead one left in doubt is exit 6, never worse."""
        life = self.live()
        out, err = life.communicate(timeout=LONGEST_LIFE)
        assert life.returncode in (0, 6), err
        return life.returncode, json.loads(out)["delivery"]["sent"]

    def die_at(self, failpoint: str) -> None:
        life = self.live(failpoint)
        _, err = life.communicate(timeout=LONGEST_LIFE)
        assert life.returncode == -signal.SIGKILL, f"{failpoint} was not met: {err}"
        self.kills += 1

    def arrived(self) -> list[tuple[str, str]]:
        """Send key and recipient of all that the receiver took, by its own record."""
        lines = self.log.read_text().splitlines() if self.log.exists() else []
        return [(said["send_key"], *said["to"]) for said in map(json.loads, lines)]

    def written(self) -> int:
        """How long the receiver's record is: it grows with each mail that arrives."""
        return self.log.stat().st_size if self.log.exists() else 0

    def rows(self) -> dict[str, str]:
        with duckdb.connect(str(self.root / "state" / "ledger.duckdb"), read_only=True) as ledger:
            return dict(ledger.execute("SELECT send_key::VARCHAR, state FROM sends").fetchall())

    def judge(self) -> tuple[int, int]:
        """Apply until it is done, twice more, and compare; how many are in doubt, and how many of these arrived."""
        self.live_on()
        before = len(self.arrived())
        assert [self.live_on(), self.live_on()] == [(0, 0), (0, 0)], "something was still due"
        arrived = self.arrived()
        assert len(arrived) == before, "an apply with nothing due sent something"
        wanted = {key_of(number): address_of(number) for number in range(self.count) if number not in self.left_out}
        taken, rows = Counter(key for key, _ in arrived), self.rows()
        assert [key for key, times in taken.items() if times > 1] == [], "delivered twice"
        assert set(taken) <= set(rows), "delivered without a row"
        assert [key for key, address in arrived if wanted.get(key) != address] == [], "delivered to somebody else"
        assert set(wanted) <= set(rows) <= set(wanted) | {key_of(number) for number in self.left_out}
        states = {key: rows[key] for key in wanted}
        assert set(states.values()) <= {"sent", "unknown"}, Counter(states.values())
        assert {key for key, state in states.items() if state == "sent"} <= set(taken), "recorded as sent, and never arrived"
        doubts = {key for key, state in states.items() if state == "unknown"}
        assert len(doubts) <= self.kills * IN_FLIGHT
        assert set(wanted) - doubts <= set(taken), "lost"
        return len(doubts), len(doubts & set(taken))


@contextmanager
def applies(folder: Path, count: int, *faults: str) -> Iterator[Applies]:
    log = folder / "accepted.jsonl"
    root = make_project(folder / "project", count)
    server = subprocess.Popen(
        [sys.executable, "-m", "tests.smtp_server", str(log), *faults], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT
    )
    try:
        assert server.stdout is not None
        yield Applies(root, count, server.stdout.readline().strip(), log)
    finally:
        server.kill()
        server.communicate()


# Visits of the loop's failpoints that lie deeper in a run of 500, which claims 100 at a time and settles 20.
DEEPER = ("FP4:3", "FP6:9", "FP7:7", "FP9:137", "FP10:260", "FP11:20", "FP12:20")


def test_3_5_an_apply_killed_at_every_failpoint_in_turn(tmp_path: Path) -> None:
    """500 due, and the apply dies at one failpoint after the other, FP13 between: each mail arrives once, and only what was
    dispatched and not settled is in doubt."""
    with applies(tmp_path, DUE) as here:
        doubts = 0
        for name in MET:
            here.die_at(name)
            doubts += IN_DOUBT[name]
            if name == "FP9":
                here.die_at("FP13")
        assert here.judge()[0] == doubts


@pytest.mark.soak
@pytest.mark.parametrize("name", [*MET, *DEEPER])
def test_3_5_an_apply_killed_at_each_failpoint(name: str, tmp_path: Path) -> None:
    """500 due, a kill at the failpoint, and apply again: each arrives once, and only what was dispatched and not settled is in doubt."""
    with applies(tmp_path, DUE) as here:
        here.die_at(name)
        assert here.judge()[0] == IN_DOUBT[name.partition(":")[0]]


@pytest.mark.soak
def test_3_5_an_apply_killed_while_taking_in_what_a_kill_left(tmp_path: Path) -> None:
    """Dying in the recovery (FP13) of a death at FP9 leaves the same 20 in doubt, and nothing else."""
    with applies(tmp_path, DUE) as here:
        here.die_at("FP9")
        here.die_at("FP13")
        assert here.judge()[0] == IN_FLIGHT


def test_9_8_an_apply_killed_between_an_order_and_its_file(tmp_path: Path) -> None:
    """A suppression that was taken in when the apply died (INBOX) is in force, is taken in once, and its file is gone in the end."""
    with applies(tmp_path, DUE) as here:
        pseudonyms = read_pseudonyms(here.root / "state", None)
        order = Order("suppress", NOW, "ana", address_key=pseudonyms.address_key(address_of(7)), reason="manual")
        left = leave_order(here.root / "state", order)
        here.die_at("INBOX")
        assert left.exists()
        here.left_out = frozenset({7})
        assert here.judge() == (0, 0)
        assert not left.exists()
        with duckdb.connect(str(here.root / "state" / "ledger.duckdb"), read_only=True) as ledger:
            assert ledger.execute("SELECT count(*) FROM suppressions").fetchall() == [(1,)]


def _kill_at_random(here: Applies, kills: int, seed: int) -> None:
    """A third of the moments lie before a life's first mail, judged by the life before, the others in the 0.3 seconds behind it."""
    chance, first_mail = random.Random(seed), 0.0
    for _ in range(kills):
        before, begun = here.written(), time.monotonic()
        life = here.live()
        if first_mail and chance.random() < 1 / 3:
            time.sleep(chance.uniform(0.3, 1) * first_mail)
        else:
            while here.written() == before and life.poll() is None:
                time.sleep(0.005)
            first_mail = time.monotonic() - begun
            time.sleep(chance.uniform(0, 0.3))
        life.kill()
        life.communicate()
        here.kills += 1


@pytest.mark.parametrize("seed", range(1, max(1, KILLS // KILLS_A_WORLD) + 1))
def test_3_7_an_apply_killed_at_random_moments(seed: int, tmp_path: Path) -> None:
    """Killed 20 times at random moments with 500 due: nothing twice, nothing without a row, doubts at most 20 a kill."""
    with applies(tmp_path, DUE, "--slow", "0.01") as here:
        _kill_at_random(here, min(KILLS, KILLS_A_WORLD), seed)
        reached = len(here.arrived())
        assert 0 < reached < DUE, "the kills did not fall into the sending"
        doubts, of_these = here.judge()
        print(f"seed {seed}: {here.kills} kills, {reached} of {DUE} had arrived by then; {doubts} in doubt in the end, of which {of_these} had arrived")


def test_5_d_eight_applies_at_once(tmp_path: Path) -> None:
    """Eight `engine apply` on one ledger at once: one works, seven exit 5 at once and name its process; nothing is sent twice."""
    gate = threading.Event()

    def hold(connection: int, transaction: int, verb: str) -> Act | None:
        # The first mail waits here until all others have ended, so that one run holds the ledger the whole time.
        if verb == "BODY":
            gate.wait(LONGEST_LIFE)
        return None

    root = make_project(tmp_path / "project", DUE)
    with ScriptedServer(hold) as server:
        here = Applies(root, DUE, str(server.port), tmp_path / "unused")
        lives = [here.live() for _ in range(8)]
        try:
            deadline = time.monotonic() + LONGEST_LIFE
            while sum(life.poll() is None for life in lives) > 1 and time.monotonic() < deadline:
                time.sleep(0.02)
            (worker,) = [life for life in lives if life.poll() is None]
            said = [life.communicate()[1] for life in lives if life is not worker]
            assert [life.returncode for life in lives if life is not worker] == [5] * 7, said
            assert all(re.search(rf"held by .*\bprocess {worker.pid}\b", text) for text in said), said
            gate.set()
            out, err = worker.communicate(timeout=LONGEST_LIFE)
            assert worker.returncode == 0, err
            assert json.loads(out)["delivery"]["sent"] == DUE
            assert sorted(server.keys) == sorted(key_of(number) for number in range(DUE))
        finally:
            gate.set()
            for life in lives:
                life.kill()
                life.communicate()
