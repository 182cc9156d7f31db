"""One slice of kills, by words: `kills HOME KIND SEED KILLS`, `server KIND SEED KILLS`, or `workers KIND SEED MESSAGES`.

The judge is what the receiving server wrote down. The last line is JSON: what was counted, and what was wrong.
"""

from __future__ import annotations

import json
import os
import random
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from multiprocessing import forkserver
from pathlib import Path
from typing import get_args

from tests import postgres_server
from tests.crash.homes import InAFile, OnPostgres, open_home
from tests.crash.lives import KILLED, Life
from tests.crash.worker import Kind, plan_again
from tests.crash.worlds import World, world_of
from tests.delivery.ledgers import key_of, make_ledger
from tests.ledger.postgres_homes import PostgresHome
from tests.postgres_server import killable

# So many messages for each kill, and so many at once: a kill leaves at most these in doubt.
MESSAGES_A_KILL, IN_FLIGHT = 12.5, 5
# The life that sends what is left is killed by nobody.
AFTERWARDS = 100
KILLS_A_WORLD, WORKERS = 20, 3
# The receiver takes its time over each answer, so that a kill falls among several mails: up to so many arrive before it, and then a moment passes.
SLOW, MAILS, WITHIN = 0.01, 12, 0.02


@dataclass
class Account:
    """What a slice did, over all its worlds."""

    kills: int = 0
    messages: int = 0
    doubts: int = 0
    arrived: int = 0
    faults: dict[str, str] = field(default_factory=dict)

    def judge(self, world: World, name: str, most: int) -> None:
        """Take one world in; an AssertionError is a fault of it."""
        self.messages += world.count
        try:
            doubts, arrived = world.judge()
            assert doubts <= (0 if world.kind == "keyed" else most), f"{doubts} in doubt, and at most {most} can be"
        except AssertionError:
            self.faults[name] = traceback.format_exc()[-1500:]
            return
        self.doubts += doubts
        self.arrived += arrived


# --- kills of the sender -----------------------------------------------------------------------------------------------


def kills(home: str, kind: Kind, seed: int, wanted: int, folder: Path) -> Account:
    """Worlds of 20 kills each until there are as many as wanted, and messages in proportion."""
    account, number = Account(), 0
    with ExitStack() as stack:
        fresh = _in_files(folder) if home == "duckdb" else stack.enter_context(_on_postgres())
        while account.kills < wanted or account.messages < wanted * MESSAGES_A_KILL:
            number += 1
            least = min(KILLS_A_WORLD, max(wanted - account.kills, 1))
            here = folder / f"world-{number}"
            here.mkdir()
            kept = fresh(here)
            with world_of(kept, here, kind, int(KILLS_A_WORLD * MESSAGES_A_KILL), "--slow", str(SLOW)) as world:
                world.in_flight = IN_FLIGHT
                killed = (_one_at_a_time if home == "duckdb" else _several)(world, least, random.Random(seed * 1000 + number))
                kept.bury()
                world.in_flight = AFTERWARDS
                world.live_on()
                account.kills += killed
                account.judge(world, f"{home} {kind} seed {seed}, world {number}", killed * IN_FLIGHT)
            kept.close()
    return account


def _one_at_a_time(world: World, wanted: int, chance: random.Random) -> int:
    """Lives of an apply, each killed: a third of them before their first mail. How many died; fewer than wanted when all was sent before."""
    killed, first_mail = 0, 0.0
    for turn in range(wanted):
        begun = time.monotonic()
        # A plan takes longer than a few mails: most lives send what is planned already.
        life = world.live(plans=turn % 5 == 0 or not world.written())
        if first_mail and chance.random() < 1 / 3:
            time.sleep(chance.uniform(0.3, 1) * first_mail)
        elif _arrive(world, 1, life):
            first_mail = time.monotonic() - begun
            _arrive(world, chance.randrange(MAILS), life)
            time.sleep(chance.uniform(0, WITHIN))
        life.kill()
        assert life.end() in (0, KILLED), life.complained
        if life.end() == 0:
            # Nothing was left to send.
            return killed
        killed += 1
    return killed


def _several(world: World, wanted: int, chance: random.Random) -> int:
    """Three workers on one ledger, one of them killed and another begun in its place; the first to die is an apply."""
    planning = world.live()
    time.sleep(chance.uniform(0, 0.3))
    planning.kill()
    killed = int(planning.end() == KILLED)
    world.home.bury()
    _plan(world)
    lives: dict[str, Life] = {}

    def another() -> None:
        life = world.live(plans=False, stays=60)
        lives[f"life-{world.lives}"] = life

    for _ in range(WORKERS):
        another()
    while killed < wanted - WORKERS and _is_left(world):
        name = chance.choice(list(lives))
        life = lives.pop(name)
        if chance.random() > 1 / 3:
            _arrive(world, 1 + chance.randrange(MAILS), life, seconds=2)
        time.sleep(chance.uniform(0, WITHIN))
        life.kill()
        killed += life.end() == KILLED
        world.home.bury(name)
        another()
    for life in lives.values():
        life.kill()
        killed += life.end() == KILLED
    return killed


def _plan(world: World) -> None:
    world.minute += 1
    work = world.work(plans=True)
    with open_home(world.home.words, work.now) as ledger:
        plan_again(ledger, work, work.now)


def _is_left(world: World) -> bool:
    assert isinstance(world.home, OnPostgres)
    return bool(world.home.count("SELECT count(*) FROM sends WHERE state IN ('planned', 'claimed')"))


# One line of the receiver's record.
_LINE = len(json.dumps({"send_key": key_of(0), "to": ["person0@example.com"]})) + 1


def _arrive(world: World, mails: int, life: Life, seconds: float = 30) -> bool:
    """Wait until so many more mails have arrived; False when the life ends before, or the time."""
    until, enough = time.monotonic() + seconds, world.written() + mails * _LINE
    while world.written() < enough:
        if life.is_over() or time.monotonic() > until:
            return False
        time.sleep(0.001)
    return True


# --- kills of the server that keeps the ledger -----------------------------------------------------------------------------


def server(kind: Kind, seed: int, wanted: int, folder: Path) -> Account:
    """Postgres itself killed so often while three workers send; a worker that loses it ends, and another one begins."""
    chance, account = random.Random(seed), Account()
    with killable() as postgres:
        home = PostgresHome(postgres.url)
        home.create()
        kept = OnPostgres(home)
        with world_of(kept, folder, kind, 150 * wanted, "--slow", str(SLOW)) as world:
            world.in_flight = IN_FLIGHT
            _plan(world)
            lives = [world.live(plans=False, stays=600) for _ in range(WORKERS)]
            for _ in range(wanted):
                for place, life in enumerate(lives):
                    if life.is_over():
                        lives[place] = world.live(plans=False, stays=600)
                _arrive(world, 1, lives[0])
                time.sleep(chance.uniform(0.05, 0.5))
                postgres.kill()
                account.kills += 1
                kept.close()
                postgres.start()
            for life in lives:
                life.kill()
            kept.bury()
            world.in_flight = AFTERWARDS
            world.live_on()
            account.judge(world, f"server {kind} seed {seed}", (wanted + 1) * WORKERS * IN_FLIGHT)
        kept.close()
    return account


# --- many workers --------------------------------------------------------------------------------------------------------


def workers(kind: Kind, seed: int, count: int, folder: Path) -> Account:
    """Eight workers on one ledger with `count` mails due, two of them killed on the way: each arrives once, or is listed as in doubt."""
    chance, account, in_flight = random.Random(seed), Account(), 100
    with ExitStack() as stack:
        kept = stack.enter_context(_on_postgres())(folder)
        with world_of(kept, folder, kind, count) as world:
            world.in_flight = in_flight
            _plan(world)
            lives = [world.live(plans=False) for _ in range(8)]
            for place in (1, 2):
                while world.written() < place * count / 3 * _LINE and not all(life.is_over() for life in lives):
                    time.sleep(0.05)
                victim = chance.choice([life for life in lives if not life.is_over()] or lives)
                victim.kill()
                account.kills += victim.end() == KILLED
            for life in lives:
                assert life.end(LONG) in (0, KILLED), life.complained
            kept.bury()
            world.live_on()
            account.judge(world, f"eight workers {kind} seed {seed}", account.kills * in_flight)
        kept.close()
    return account


# How long a worker may take over a hundred thousand.
LONG = 1500.0

# --- ledgers ---------------------------------------------------------------------------------------------------------------


def _in_files(folder: Path) -> Callable[[Path], InAFile]:
    (folder / "blank").mkdir()
    blank = make_ledger(folder / "blank").parent
    return lambda here: InAFile(blank, here / "state")


@contextmanager
def _on_postgres() -> Iterator[Callable[[Path], OnPostgres]]:
    with postgres_server.running() as postgres, postgres.database() as url:
        home = PostgresHome(url)
        home.create()
        yield lambda here: OnPostgres(home)


def main(words: Sequence[str]) -> None:
    """To be called from `python -c`: a life is forked with what its parent's `__main__` imports, which would be all of this again."""
    what, *rest = words
    begun = time.monotonic()
    # A process that is killed takes nothing along that it gave to the kernel, so the files may lie in memory: a disk would be waited for most of the time.
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    tempfile.tempdir = memory
    with tempfile.TemporaryDirectory(prefix="engine-storm-") as name:
        folder = Path(name)
        if what == "kills":
            home, kind, seed, wanted = rest[0], _kind(rest[1]), int(rest[2]), int(rest[3])
            account = kills(home, kind, seed, wanted, folder)
        else:
            home, kind, seed, wanted = "postgres", _kind(rest[0]), int(rest[1]), int(rest[2])
            account = (server if what == "server" else workers)(kind, seed, wanted, folder)
    counts = {"kills": account.kills, "messages": account.messages, "doubts": account.doubts, "arrived": account.arrived}
    print(json.dumps({"counts": counts, "faults": account.faults, "seconds": round(time.monotonic() - begun, 1), "cpu": round(_cpu(), 1)}))


def _cpu() -> float:
    """What the lives have used, who are the fork server's children."""
    pid = forkserver._forkserver._forkserver_pid  # type: ignore[attr-defined]
    ticks = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:15]
    return sum(map(int, ticks)) / os.sysconf("SC_CLK_TCK")


def _kind(word: str) -> Kind:
    assert word in get_args(Kind), word
    return word  # type: ignore[return-value]
