"""Several connections and one ledger: what is recorded is what the table says, however the messages of a group overtake each other."""

from __future__ import annotations

import os
import signal
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from engine.delivery.delivered import Delivered
from engine.delivery.delivering import Clock, Stops, deliver
from engine.delivery.running import RunningClock
from engine.delivery.smtp import Patience, SmtpServer
from engine.ledger.duckdb import DuckdbLedger
from engine.ledger.ledger import LedgerBroken
from engine.ledger.records import Dispatch
from tests.delivery.ledgers import NOW, FastClock, Never, key_of, make_ledger, open_ledger, plan, render, states
from tests.delivery.over_smtp import QUICK, drop, made
from tests.smtp_server import Accepted, Act, ScriptedServer

LANES = 3


class EndsAt:
    """A server that takes `good` messages on each of its first connections; with the next one at its dot each does `act`."""

    def __init__(self, good: int, act: Act) -> None:
        self._good, self._act = good, act
        self._begun: Counter[int] = Counter()
        self._there: set[int] = set()
        self.all_there = threading.Event()

    def __call__(self, connection: int, transaction: int, verb: str) -> Act | None:
        if connection > LANES:
            return drop()
        self._begun[connection] += verb == "BODY"
        if verb != "DOT" or self._begun[connection] <= self._good:
            return None
        self._there.add(connection)
        if len(self._there) == LANES:
            self.all_there.set()
        # Nobody's connection breaks before all have reached this point.
        self.all_there.wait(5)
        return self._act


class OneThread(DuckdbLedger):
    """A real ledger that notes who writes into it."""

    writers: set[str]

    def begin_dispatch(self, group: Sequence[Dispatch], now: datetime) -> set[str]:
        self.writers = getattr(self, "writers", set()) | {threading.current_thread().name}
        return super().begin_dispatch(group, now)


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[OneThread]:
    opened = OneThread.open(make_ledger(tmp_path), "harmony", "test", command="engine apply", now=NOW)
    yield opened
    opened.close()


def run(ledger: DuckdbLedger, server: ScriptedServer, *, patience: Patience = QUICK, clock: Clock | None = None, stops: Stops | None = None) -> Delivered:
    transport = made(SmtpServer("127.0.0.1", server.port, tls="none", connections=LANES), patience=patience)
    try:
        return deliver(ledger, transport, render, worker="w1", clock=clock or FastClock(), stops=stops or Never())
    finally:
        transport.close()


def test_9_2_a_group_is_dispatched_once_and_by_the_ledgers_own_thread(ledger: OneThread) -> None:
    """Fifty mails over three connections: each arrives once, at most a group is dispatching, and one thread writes."""
    plan(ledger, range(50))
    with ScriptedServer(lambda connection, transaction, verb: Act(b"250 2.0.0 ok\r\n", wait=0.01, accept=True) if verb == "DOT" else None) as server:
        done = run(ledger, server)
        assert sorted(server.keys) == sorted(key_of(number) for number in range(50))
        assert server.connections == LANES
    assert (done.sent, done.exit_code, states(ledger), ledger.writers) == (50, 0, {"sent": 50}, {"MainThread"})
    assert ledger.connection.execute("SELECT count(*) FROM transactions WHERE kind = 'dispatch'").fetchall() == [(3,)]


def test_9_3_no_dot_is_said_before_the_group_is_dispatched(ledger: OneThread) -> None:
    """All three connections wait for the one commit: when the first mail is accepted, the whole group is on record."""
    plan(ledger, range(40))
    seen: list[dict[str, int]] = []
    one_at_a_time = threading.Lock()

    def look(message: Accepted) -> None:
        with one_at_a_time:
            seen.append(states(ledger))

    with ScriptedServer(on_accept=look) as server:
        run(ledger, server)
    assert seen[0] == {"dispatching": 20, "claimed": 20}
    assert all("dispatching" in one for one in seen)


def test_every_third_connection_lost_over_three_connections(ledger: OneThread) -> None:
    """Connections that are lost before the dot cost time only: all 60 arrive once, none is in doubt."""
    plan(ledger, range(60))

    def script(connection: int, transaction: int, verb: str) -> Act | None:
        return drop() if (connection % 3 == 0 and verb == "DATA") or (transaction % 4 == 0 and verb == "RSET") else None

    with ScriptedServer(script) as server:
        done = run(ledger, server)
        assert Counter(server.keys) == Counter(key_of(number) for number in range(60))
    assert (done.sent, done.unknown, done.failed) == (60, 0, 0)


def test_a_dead_server_costs_no_attempt_over_three_connections(ledger: OneThread) -> None:
    """E602 and exit 6: everything is planned as before, and nothing was tried."""
    plan(ledger, range(50))
    with ScriptedServer({"CONNECT": drop()}) as server:
        done = run(ledger, server)
        assert server.connections == len(QUICK.pauses) + 1
    assert (done.ended, done.code, done.exit_code, states(ledger)) == ("server", "E602", 6, {"planned": 50})
    assert ledger.connection.execute("SELECT max(attempts) FROM sends").fetchall() == [(0,)]
    assert "the server closed the connection" in done.word and "engine.yaml" in done.help


def test_a_server_that_dies_at_the_dot_of_all_connections(ledger: OneThread) -> None:
    """Three mails are at their dots when the server dies: these are in doubt, those before are sent, all others planned, exit 6."""
    plan(ledger, range(50))
    with ScriptedServer(EndsAt(2, drop())) as server:
        done = run(ledger, server)
        assert len(server.accepted) == 6
    assert (done.ended, done.exit_code, done.sent, done.failed) == ("server", 6, 6, 0)
    assert states(ledger) == {"sent": 6, "unknown": 3, "planned": 41}


def test_after_a_signal_a_server_that_keeps_silent_at_the_dot_is_not_waited_for(ledger: OneThread) -> None:
    """Thirty seconds after SIGTERM what has no answer is in doubt, and the rest of its group is planned: the end is clean, and it comes."""
    plan(ledger, range(50))
    script = EndsAt(2, Act(then="silence"))

    class Stops(Never):
        def ending(self) -> bool:
            return script.all_there.is_set()

    class Passing(FastClock):
        def now(self) -> datetime:
            self.moment += timedelta(seconds=11 if script.all_there.is_set() else 0)
            return self.moment

    with ScriptedServer(script) as server:
        done = run(ledger, server, patience=Patience(), clock=Passing(), stops=Stops())
        assert len(server.accepted) == 6
    assert (done.ended, done.exit_code, done.sent) == ("interrupted", 6, 6)
    assert states(ledger) == {"sent": 6, "unknown": 3, "planned": 41}
    assert dict(ledger.connection.execute("SELECT attempts, count(*) FROM sends WHERE state = 'planned' GROUP BY 1").fetchall()) == {0: 41}


def test_an_interruption_over_three_connections(ledger: OneThread) -> None:
    """Ctrl-C twice while three mails are at their dots: these are unknown, those answered are sent, the others planned and untried."""
    plan(ledger, range(20))
    script = EndsAt(2, Act(then="silence"))

    def interrupt() -> None:
        if script.all_there.wait(5):
            os.kill(os.getpid(), signal.SIGINT)

    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    presser = threading.Thread(target=interrupt)
    presser.start()
    try:
        with ScriptedServer(script) as server, pytest.raises(KeyboardInterrupt):
            run(ledger, server, patience=Patience(), clock=RunningClock(NOW))
    finally:
        presser.join()
        signal.signal(signal.SIGINT, before)
    assert len(server.accepted) == 6
    assert states(ledger) == {"sent": 6, "unknown": 3, "planned": 11}


@pytest.mark.parametrize("deadline", ["expires_at", "open_until"])
def test_9_6_what_expires_while_its_group_is_handed_over_stays(ledger: OneThread, deadline: str) -> None:
    """A deadline holds to the dot: one mail takes a minute, and those of its group that expire in that minute, or whose send window closes in it
    (5.4), are planned again, unsent."""
    plan(ledger, range(20), more=lambda number: {deadline: NOW + (timedelta(seconds=30) if number >= 10 else timedelta(hours=1))})
    clock = FastClock()

    def slowly(message: Accepted) -> None:
        if len(server.accepted) == LANES:
            clock.moment += timedelta(minutes=1)

    with ScriptedServer(on_accept=slowly) as server:
        done = run(ledger, server, clock=clock)
        assert set(server.keys) == {key_of(number) for number in range(10)}
    assert (done.sent, done.withdrawn, done.unknown, states(ledger)) == (10, 10, 0, {"sent": 10, "planned": 10})
    assert ledger.connection.execute("SELECT max(attempts) FROM sends WHERE state = 'planned'").fetchall() == [(0,)]


class FailsToDispatch(DuckdbLedger):
    """A real ledger whose disk fails at the second group."""

    groups = 0

    def begin_dispatch(self, group: Sequence[Dispatch], now: datetime) -> set[str]:
        self.groups += 1
        if self.groups == 2:
            raise LedgerBroken("the disk is full")
        return super().begin_dispatch(group, now)


def test_3_5_a_ledger_that_cannot_write_stops_all_connections(tmp_path: Path) -> None:
    """Three bodies are with the server when the commit fails: no dot is said for any, and nothing is in doubt."""
    path = make_ledger(tmp_path)
    broken = FailsToDispatch.open(path, "harmony", "test", command="engine apply", now=NOW)
    plan(broken, range(60))
    with ScriptedServer() as server:
        with pytest.raises(LedgerBroken):
            run(broken, server)
        broken.close()
        assert len(server.accepted) == 20
        with open_ledger(path) as ledger:
            assert ledger.recover(NOW).unknown == 0
            plan(ledger, range(60), run="run-2")
            run(ledger, server)
            assert states(ledger) == {"sent": 60}
        assert len(server.keys) == len(set(server.keys)) == 60
