"""Kill -9 at every failpoint and at random moments (reliability.md §3.5, §5 A): nothing twice, nothing without a row.

The judge is what the receiving server wrote down in a process of its own, never our ledger. `SOAK=200` sets the number
of random kills.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import AbstractContextManager

import pytest

from engine.delivery.delivering import InFlight
from engine.failpoints import FAILPOINTS
from tests.crash.lives import kill_at_random
from tests.crash.worker import KINDS, Kind
from tests.crash.worlds import World

IN_FLIGHT = InFlight().transactional
KILLS = int(os.environ.get("SOAK", "20"))
HOMES = ("duckdb", "postgres")
Worlds = Callable[..., AbstractContextManager[World]]

# The failpoints that one life meets; FP13 needs a death before it, and those without a number belong to other tests.
MET = [name for name in FAILPOINTS if name.startswith("FP") and name != "FP13"]
# What one kill at the first visit leaves in doubt over SMTP (§3.5): only what was dispatched and not settled.
IN_DOUBT = dict.fromkeys(FAILPOINTS, 0) | dict.fromkeys(("FP7", "FP8", "FP9", "FP10", "FP11"), IN_FLIGHT)


# One after the other on one ledger: FP13 right behind a death that leaves something to take in, the end of a run (FP14) last.
IN_TURN = [name for met in MET for name in ((met, "FP13") if met == "FP9" else (met,))]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("home", HOMES)
def test_3_5_a_kill_at_every_failpoint_in_turn(home: str, kind: Kind, world: Worlds) -> None:
    """Each of 14 failpoints on both ledgers and with three kinds of receiver: over plain SMTP what was dispatched is in doubt, and nothing
    else; where a repeated key is known nothing ever is. Each of the others arrives once."""
    with world(home, kind, 7 * IN_FLIGHT + 5 if kind == "smtp" else 2 * IN_FLIGHT + 5) as here:
        for name in IN_TURN:
            here.die_at(name)
        here.live_on()
        assert here.judge()[0] == (sum(IN_DOUBT[name] for name in MET) if kind == "smtp" else 0)


@pytest.mark.soak
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("home", HOMES)
@pytest.mark.parametrize("name", [*MET, "FP13"])
def test_3_5_a_kill_at_each_failpoint(name: str, home: str, kind: Kind, world: Worlds) -> None:
    """The same one by one, each on a ledger of its own. A death in the recovery (FP13) changes nothing of what the next recovery finds."""
    with world(home, kind, 25) as here:
        if name == "FP13":
            here.die_at("FP9")
        here.die_at(name)
        here.live_on()
        doubts = IN_DOUBT["FP9" if name == "FP13" else name]
        assert here.judge()[0] == (doubts if kind == "smtp" else 0)


@pytest.mark.parametrize("home", HOMES)
def test_an_apply_that_lives_on_sends_each_once(home: str, world: Worlds) -> None:
    """Without a kill there is no doubt, and a second life sends nothing."""
    with world(home, "smtp", 50) as here:
        here.live_on()
        here.live_on()
        assert here.judge() == (0, 0)
        assert sum(here.received().values()) == 50


# Where the server makes doubts of its own, and where none are possible, fewer kills say as much.
FEWER = max(KILLS // 4, 3)


@pytest.mark.parametrize("home", HOMES)
def test_3_7_random_kills_smtp(home: str, world: Worlds) -> None:
    """Killed at random moments: no key arrives twice, each has a row, doubts at most 20 a kill."""
    with world(home, "smtp", 25 * KILLS, "--slow", "0.02") as here:
        kill_at_random(here.live, here.written, KILLS, seed=1, buried=here.home.bury)
        assert 0 < len(here.received()) < here.count, "the kills did not fall into the sending"
        here.live_on()
        doubts, arrived = here.judge()
        assert doubts <= KILLS * IN_FLIGHT
        print(f"{KILLS} kills, {here.count} due: {doubts} in doubt, of which {arrived} had arrived")


@pytest.mark.parametrize("home", HOMES)
def test_3_7_random_kills_smtp_with_a_key(home: str, world: Worlds) -> None:
    """The same with a provider that takes a repeated key as one mail, and that loses answers: nothing is ever in doubt, and each arrives once."""
    with world(home, "keyed", 40 * FEWER, "--slow", "0.01", "--mute", "0.05") as here:
        kill_at_random(here.live, here.written, FEWER, seed=4, buried=here.home.bury)
        here.live_on()
        assert here.judge() == (0, 0)
        print(f"{FEWER} kills, {here.count} due: none in doubt")


def test_3_7_random_kills_smtp_with_faults(world: Worlds) -> None:
    """The same with a server that refuses, drops, and loses answers: its own doubts are added, and nothing arrives twice."""
    with world("duckdb", "smtp", 40 * FEWER, "--slow", "0.01", "--refuse", "0.02", "--drop", "0.02", "--mute", "0.03") as here:
        kill_at_random(here.live, here.written, FEWER, seed=2, buried=here.home.bury)
        for _ in range(3):
            here.live_on()
        doubts, _ = here.judge()
        assert doubts <= FEWER * IN_FLIGHT + here.count // 5


def test_3_7_random_kills_outbox(world: Worlds) -> None:
    """Into the outbox nothing is ever in doubt."""
    with world("duckdb", "outbox", 40 * FEWER) as here:
        kill_at_random(here.live, here.written, FEWER, seed=3, buried=here.home.bury)
        here.live_on()
        assert here.judge() == (0, 0)
