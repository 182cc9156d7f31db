"""A ledger, a receiver that keeps its own record, and lives that are killed between them. The record is the judge, never the ledger."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.crash import worker
from tests.crash.homes import Home
from tests.crash.lives import KILLED, Life, receiver
from tests.crash.worker import KEY_HEADER, Kind, Work
from tests.delivery.ledgers import key_of

# Minutes between the lives that end a world: more than backoff's longest pause. All of them fall into the day for which a provider knows a key.
APART, LONGEST_WAIT = 95, 12 * 60


@dataclass
class World:
    """`where` is the outbox' folder, or the port of the receiver, whose record is `log`."""

    home: Home
    folder: Path
    count: int
    kind: Kind
    where: str
    log: Path
    in_flight: int = Work.in_flight
    lives: int = 0
    # Moved on by each life that plans: what it plans is judged then, and holds for half an hour.
    minute: int = 0

    def live(self, failpoint: str = "", *, plans: bool = True, stays: float = 0.0) -> Life:
        """Begin one life of an apply, or of a worker that only delivers."""
        self.lives += 1
        self.minute += plans
        return Life(self.folder / "lives", self.lives, worker.main, self.work(plans=plans, stays=stays).words(), failpoint=failpoint)

    def work(self, *, plans: bool, stays: float = 0.0) -> Work:
        """What the latest life does."""
        return Work(self.home.words, self.lives, self.minute, self.count, self.kind, self.where, self.in_flight, plans, stays)

    def live_on(self) -> None:
        """A life that nobody kills; it ends well. So do those behind it, an hour and a half apart, until nothing is planned: what was tried
        often waits longer for its next attempt than one life does (backoff), and is not stuck for that."""
        for _ in range(LONGEST_WAIT // APART):
            life = self.live()
            assert life.end() == 0, life.complained
            if all(state != "planned" for state, _ in self.home.rows().values()):
                return
            self.minute += APART

    def die_at(self, failpoint: str) -> None:
        assert self.live(failpoint).end() == KILLED, f"{failpoint} was not met"
        self.home.bury()

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
        received, rows = self.received(), {key: state for key, (state, _) in self.home.rows().items()}
        assert [key for key, times in received.items() if times > 1] == [], "delivered twice"
        assert set(received) <= set(rows), "delivered without a row"
        assert set(rows) == {key_of(number) for number in range(self.count)}
        assert set(rows.values()) <= {"sent", "unknown"}, Counter(rows.values())
        assert {key for key, state in rows.items() if state == "sent"} <= set(received), "recorded as sent, and never arrived"
        doubts = {key for key, state in rows.items() if state == "unknown"}
        assert set(rows) - doubts <= set(received), "lost"
        return len(doubts), len(doubts & set(received))


@contextmanager
def world_of(home: Home, folder: Path, kind: Kind, count: int, *faults: str) -> Iterator[World]:
    """A world as long as the block lasts: its receiver ends with it."""
    log = folder / "accepted.jsonl"
    if kind == "outbox":
        yield World(home, folder, count, kind, str(folder / "outbox"), log)
        return
    log.touch()
    with receiver(folder, log, *faults, *(("--keyed", KEY_HEADER) if kind == "keyed" else ())) as port:
        yield World(home, folder, count, kind, port, log)
