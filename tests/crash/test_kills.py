"""Kill -9 at every failpoint and at random moments (reliability.md §3.5, §5 A): nothing twice, nothing without a row.

The judge is what the receiving server wrote down in a process of its own, never our ledger. `SOAK=200` sets the number
of random kills.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from shutil import copytree

import pytest

from engine.delivery.delivering import InFlight
from engine.failpoints import FAILPOINTS
from tests.crash import worker
from tests.crash.lives import KILLED, Life, kill_at_random, receiver
from tests.delivery.ledgers import key_of, make_ledger, open_ledger, states

IN_FLIGHT = InFlight().transactional
KILLS = int(os.environ.get("SOAK", "20"))


@dataclass
class World:
    """A ledger, and a receiver that keeps its own record."""

    ledger: Path
    count: int
    kind: str
    where: str
    log: Path
    lives: int = 0

    def live(self, failpoint: str = "") -> Life:
        """Begin one life of an apply."""
        self.lives += 1
        words = [str(self.ledger), str(self.lives), str(self.count), self.kind, self.where]
        return Life(self.ledger.parent / "lives", self.lives, worker.main, words, failpoint=failpoint)

    def live_on(self) -> None:
        """A life that nobody kills; it ends well."""
        life = self.live()
        assert life.end() == 0, life.complained

    def die_at(self, failpoint: str) -> None:
        assert self.live(failpoint).end() == KILLED, f"{failpoint} was not met"

    def received(self) -> Counter[str]:
        """The send keys that the receiver took, by its own record."""
        if self.kind == "outbox":
            return Counter(path.stem for path in Path(self.where).glob("*.eml"))
        return Counter(json.loads(line)["send_key"] for line in self.log.read_text().splitlines())

    def written(self) -> int:
        """Grows with each mail that arrives."""
        if self.kind == "outbox":
            return sum(1 for _ in Path(self.where).glob("*.eml"))
        return self.log.stat().st_size if self.log.exists() else 0

    def judge(self) -> tuple[int, int]:
        """Nothing twice, nothing without a row, nothing recorded that did not arrive; how many are in doubt, and how many of these arrived."""
        received = self.received()
        with open_ledger(self.ledger) as ledger:
            rows = dict(ledger.connection.execute("SELECT send_key::VARCHAR, state FROM sends").fetchall())
        assert [key for key, times in received.items() if times > 1] == [], "delivered twice"
        assert set(received) <= set(rows), "delivered without a row"
        assert set(rows) == {key_of(number) for number in range(self.count)}
        assert set(rows.values()) <= {"sent", "unknown"}, Counter(rows.values())
        assert {key for key, state in rows.items() if state == "sent"} <= set(received), "recorded as sent, and never arrived"
        doubts = {key for key, state in rows.items() if state == "unknown"}
        assert set(rows) - doubts <= set(received), "lost"
        return len(doubts), len(doubts & set(received))


@pytest.fixture(scope="module")
def blank(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a ledger with nothing in it, to be copied."""
    return make_ledger(tmp_path_factory.mktemp("blank")).parent


Worlds = Callable[..., AbstractContextManager[World]]


@pytest.fixture
def world(blank: Path, tmp_path: Path) -> Worlds:
    """Makes a world of `count` due mails, over SMTP or into an outbox."""

    @contextmanager
    def make(kind: str, count: int, *faults: str) -> Iterator[World]:
        ledger, log = copytree(blank, tmp_path / "state") / "ledger.duckdb", tmp_path / "accepted.jsonl"
        if kind == "outbox":
            yield World(ledger, count, kind, str(tmp_path / "outbox"), log)
            return
        with receiver(tmp_path, log, *faults) as port:
            yield World(ledger, count, kind, port, log)

    return make


# The failpoints that one life meets; FP13 needs a death before it, and those without a number belong to other tests.
MET = [name for name in FAILPOINTS if name.startswith("FP") and name != "FP13"]
# What one kill at the first visit leaves in doubt over SMTP (§3.5): only what was dispatched and not settled.
IN_DOUBT = dict.fromkeys(FAILPOINTS, 0) | dict.fromkeys(("FP7", "FP8", "FP9", "FP10", "FP11"), IN_FLIGHT)


@pytest.mark.parametrize("name", MET)
def test_3_5_a_kill_at_each_failpoint_smtp(name: str, world: Worlds) -> None:
    """Over SMTP what was dispatched is in doubt, and nothing else; each of the others arrives once."""
    with world("smtp", 50) as here:
        here.die_at(name)
        here.live_on()
        assert here.judge()[0] == IN_DOUBT[name]


@pytest.mark.parametrize("name", MET)
def test_3_5_a_kill_at_each_failpoint_outbox(name: str, world: Worlds) -> None:
    """With a transport that knows a repeated key nothing is in doubt: all arrive, each once."""
    with world("outbox", 50) as here:
        here.die_at(name)
        here.live_on()
        assert here.judge()[0] == 0


@pytest.mark.parametrize(("kind", "doubts"), [("smtp", IN_FLIGHT), ("outbox", 0)])
def test_3_5_a_kill_while_taking_in_what_a_kill_left(kind: str, doubts: int, world: Worlds) -> None:
    """Dying in the recovery (FP13) of a death at FP9 changes nothing of what the second recovery finds."""
    with world(kind, 50) as here:
        here.die_at("FP9")
        here.die_at("FP13")
        here.live_on()
        assert here.judge()[0] == doubts


def test_an_apply_that_lives_on_sends_each_once(world: Worlds) -> None:
    """Without a kill there is no doubt, and a second life sends nothing."""
    with world("smtp", 50) as here:
        here.live_on()
        here.live_on()
        assert here.judge() == (0, 0)
        assert sum(here.received().values()) == 50


# Where the server makes doubts of its own, and where none are possible, fewer kills say as much.
FEWER = max(KILLS // 4, 3)


def test_3_7_random_kills_smtp(world: Worlds) -> None:
    """Killed at random moments: no key arrives twice, each has a row, doubts at most 20 a kill."""
    with world("smtp", 25 * KILLS, "--slow", "0.02") as here:
        kill_at_random(here.live, here.written, KILLS, seed=1)
        assert 0 < len(here.received()) < here.count, "the kills did not fall into the sending"
        here.live_on()
        doubts, arrived = here.judge()
        assert doubts <= KILLS * IN_FLIGHT
        print(f"{KILLS} kills, {here.count} due: {doubts} in doubt, of which {arrived} had arrived")


def test_3_7_random_kills_smtp_with_faults(world: Worlds) -> None:
    """The same with a server that refuses, drops, and loses answers: its own doubts are added, and nothing arrives twice."""
    with world("smtp", 40 * FEWER, "--slow", "0.01", "--refuse", "0.02", "--drop", "0.02", "--mute", "0.03") as here:
        kill_at_random(here.live, here.written, FEWER, seed=2)
        for _ in range(3):
            here.live_on()
        doubts, _ = here.judge()
        assert doubts <= FEWER * IN_FLIGHT + here.count // 5


def test_3_7_random_kills_outbox(world: Worlds) -> None:
    """Into the outbox nothing is ever in doubt."""
    with world("outbox", 40 * FEWER) as here:
        kill_at_random(here.live, here.written, FEWER, seed=3)
        here.live_on()
        assert here.judge()[0] == 0
        with open_ledger(here.ledger) as ledger:
            assert states(ledger) == {"sent": here.count}
