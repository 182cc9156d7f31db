"""`engine apply` itself, from the definitions to the server, killed at every failpoint and at random moments (reliability.md §5 A).

The judge is what the receiving server wrote down in a process of its own. `SOAK=200` sets the number of random kills.
"""

from __future__ import annotations

import json
import os
import re
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from shutil import copytree

import duckdb
import pytest

from engine.ledger.orders import Order
from engine.ledger.pseudonyms import read_pseudonyms
from engine.runs.inbox import leave_order
from engine.runs.opening import open_site
from engine.runs.sending import transport_of
from tests.crash.lives import KILLED, LONGEST_LIFE, Life, engine_command, kill_at_random, receiver
from tests.crash.project import NOW, ON_POSTGRES, address_of, key_of, make_project
from tests.crash.test_kills import HOMES, IN_DOUBT, IN_FLIGHT, KILLS, MET
from tests.smtp_server import Act, ScriptedServer

DUE = 500
# So many kills fall on one ledger with 500 due; a soak makes new ones until it has killed as often as it should.
KILLS_A_WORLD = 20


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
    environ: Mapping[str, str] = field(default_factory=dict)

    def live(self, failpoint: str = "") -> Life:
        """Begin an apply, a minute of the project's time after the one before."""
        self.lives += 1
        now = (NOW + timedelta(minutes=self.lives)).isoformat() + "+00:00"
        words = ["-C", str(self.root), "apply", "--format", "json", "--now", now]
        return Life(self.root.parent / "lives", self.lives, engine_command, words, failpoint=failpoint, environ={"SMTP_PORT": self.port, **self.environ})

    def live_on(self) -> tuple[int, int]:
        """An apply that nobody kills: its exit code, and how many it sent. What a dead one left in doubt is exit 6, never worse."""
        life = self.live()
        code = life.end()
        assert code in (0, 6), life.complained
        return code, json.loads(life.said)["delivery"]["sent"]

    def die_at(self, failpoint: str) -> None:
        life = self.live(failpoint)
        assert life.end() == KILLED, f"{failpoint} was not met: {life.complained}"
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


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with 500 due and an empty ledger, to be copied."""
    return make_project(tmp_path_factory.mktemp("seed"), DUE)


Worlds = Callable[..., AbstractContextManager[Applies]]


@pytest.fixture
def applies(prepared: Path, tmp_path: Path) -> Worlds:
    """Makes a project whose 500 mails go to a receiver of its own."""

    @contextmanager
    def make(*faults: str) -> Iterator[Applies]:
        log = tmp_path / "accepted.jsonl"
        with receiver(tmp_path, log, *faults) as port:
            yield Applies(copytree(prepared, tmp_path / "project"), DUE, port, log)

    return make


# Visits of the loop's failpoints that lie deeper in a run of 500, which claims 100 at a time and settles 20.
DEEPER = ("FP4:3", "FP6:9", "FP7:7", "FP9:137", "FP10:260", "FP11:20", "FP12:20")


def test_3_5_an_apply_killed_at_every_failpoint_in_turn(applies: Worlds) -> None:
    """500 due, and the apply dies at one failpoint after the other, FP13 between: each mail arrives once, and only what was
    dispatched and not settled is in doubt."""
    with applies() as here:
        doubts = 0
        for name in MET:
            here.die_at(name)
            doubts += IN_DOUBT[name]
            if name == "FP9":
                here.die_at("FP13")
        assert here.judge()[0] == doubts


@pytest.mark.soak
@pytest.mark.parametrize("name", [*MET, *DEEPER])
def test_3_5_an_apply_killed_at_each_failpoint(name: str, applies: Worlds) -> None:
    """500 due, a kill at the failpoint, and apply again: each arrives once, and only what was dispatched and not settled is in doubt."""
    with applies() as here:
        here.die_at(name)
        assert here.judge()[0] == IN_DOUBT[name.partition(":")[0]]


@pytest.mark.soak
def test_3_5_an_apply_killed_while_taking_in_what_a_kill_left(applies: Worlds) -> None:
    """Dying in the recovery (FP13) of a death at FP9 leaves the same 20 in doubt, and nothing else."""
    with applies() as here:
        here.die_at("FP9")
        here.die_at("FP13")
        assert here.judge()[0] == IN_FLIGHT


def test_t8_what_the_file_says_of_keys_reaches_the_transport(prepared: Path, tmp_path: Path) -> None:
    """`idempotency:` of an environment makes its transport one that repeats a key safely; without it, it does not."""
    root = copytree(prepared, tmp_path / "project")
    file, environ, found = root / "engine.yaml", os.environ | {"SMTP_PORT": "25"}, []
    for more in ("", ", idempotency: {header: Resend-Idempotency-Key, window: 90min}"):
        file.write_text(file.read_text().replace("tls: none", f"tls: none{more}"))
        transport = transport_of(open_site(root, None, environ, NOW))
        found.append((transport.idempotent, transport.key_ttl_seconds))
    assert found == [(False, 0), (True, 5400)]


def test_9_8_an_apply_killed_between_an_order_and_its_file(applies: Worlds) -> None:
    """A suppression that was taken in when the apply died (INBOX) is in force, is taken in once, and its file is gone in the end."""
    with applies() as here:
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


@pytest.mark.parametrize("seed", range(1, max(1, KILLS // KILLS_A_WORLD) + 1))
def test_3_7_an_apply_killed_at_random_moments(seed: int, applies: Worlds) -> None:
    """Killed 20 times at random moments with 500 due: nothing twice, nothing without a row, doubts at most 20 a kill."""
    with applies("--slow", "0.02") as here:
        here.kills = min(KILLS, KILLS_A_WORLD)
        kill_at_random(here.live, here.written, here.kills, seed)
        reached = len(here.arrived())
        assert 0 < reached < DUE, "the kills did not fall into the sending"
        doubts, of_these = here.judge()
        print(f"seed {seed}: {here.kills} kills, {reached} of {DUE} had arrived by then; {doubts} in doubt in the end, of which {of_these} had arrived")


@pytest.mark.parametrize("home", HOMES)
def test_5_d_eight_applies_at_once(home: str, request: pytest.FixtureRequest, prepared: Path, tmp_path: Path) -> None:
    """Eight `engine apply` on one ledger at once: one works, seven exit 5 at once and name its process; nothing is sent twice."""
    if home == "duckdb":
        count, environ, root = DUE, dict[str, str](), copytree(prepared, tmp_path / "project")
    else:
        count, environ = 40, {"LEDGER_URL": str(request.getfixturevalue("database"))}
        root = make_project(tmp_path / "project", count, ON_POSTGRES, os.environ | environ)
    gate = threading.Event()

    def hold(connection: int, transaction: int, verb: str) -> Act | None:
        # The first mail waits here until all others have ended, so that one run holds the ledger the whole time.
        if verb == "BODY":
            gate.wait(LONGEST_LIFE)
        return None

    with ScriptedServer(hold) as server:
        here = Applies(root, count, str(server.port), tmp_path / "unused", environ=environ)
        lives = [here.live() for _ in range(8)]
        try:
            deadline = time.monotonic() + LONGEST_LIFE
            while sum(not life.is_over() for life in lives) > 1 and time.monotonic() < deadline:
                time.sleep(0.02)
            (worker,) = [life for life in lives if not life.is_over()]
            others = [life for life in lives if life is not worker]
            said = [life.complained for life in others]
            assert [life.end() for life in others] == [5] * 7, said
            assert all(re.search(rf"held by .*\bprocess {worker.pid}\b", text) for text in said), said
            gate.set()
            assert worker.end() == 0, worker.complained
            assert json.loads(worker.said)["delivery"]["sent"] == count
            assert sorted(server.keys) == sorted(key_of(number) for number in range(count))
        finally:
            gate.set()
            for life in lives:
                life.kill()
