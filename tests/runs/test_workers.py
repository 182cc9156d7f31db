"""Workers on a ledger in Postgres: several at once, killed, stopped, late; and on a ledger in a file one at a time."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from engine.errors import EngineError, LockHeld
from engine.failpoints import FAILPOINTS
from engine.runs import delivering
from engine.runs.applying import apply
from engine.runs.delivering import OtherDefinitions, work
from tests.ledger.stories import dispatch, said
from tests.plan.base import Row, contact
from tests.plan.samples import TRIAL

from .ground import Ground
from .shared import behind, lapse, on_postgres

AT = "2026-03-02T09:00:00+07:00"
Planned = Callable[..., Ground]


def people(count: int) -> list[Row]:
    return [contact(i, trial_end="2026-03-02") for i in range(1, count + 1)]


@pytest.fixture
def planned(tmp_path: Path, database: str) -> Planned:
    """A project with so many mails planned and none sent."""

    def make(count: int) -> Ground:
        ground = on_postgres(tmp_path / "project", database, TRIAL, *people(count))
        assert apply(ground.site(AT), environ=ground.environ, plan_only=True).exit_code == 0
        return ground

    return make


def worker(ground: Ground, *words: str, now: str | None = AT, **environ: str) -> subprocess.Popen[str]:
    """`engine deliver` in a process of its own."""
    said = [sys.executable, "-m", "engine", "-C", str(ground.root), "deliver", "--format", "json", *words, *(["--now", now] if now else [])]
    told = {**ground.environ, "PYTHONPATH": str(Path(__file__).parents[2]), **environ}
    return subprocess.Popen(said, env=told, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def ended(process: subprocess.Popen[str]) -> int:
    """The exit code, with what was said read to its end."""
    try:
        print(*process.communicate(timeout=60))
    finally:
        # One that hangs is not left behind.
        process.kill()
    return process.returncode


def states(ground: Ground) -> dict[str, int]:
    with ground.site(AT).read_ledger() as ledger:
        return dict(ledger.status().states)


def addresses(ground: Ground) -> list[str]:
    return [str(mail["To"]) for mail in ground.mails()]


def test_three_workers_and_one_that_is_killed(planned: Planned) -> None:
    """Each of a hundred mails leaves once, though one worker dies with some of them claimed and dispatched; none is stuck."""
    ground = planned(100)
    assert ended(worker(ground, ENGINE_FAILPOINT="FP8:27")) == -signal.SIGKILL
    assert states(ground) == {"sent": 20, "dispatching": 20, "claimed": 60}
    lapse(ground)
    # The outbox knows a key that it has: what the dead worker had dispatched goes again, and lies there once.
    others = [worker(ground) for _ in range(2)]
    assert [ended(other) for other in others] == [0, 0]
    assert states(ground) == {"sent": 100}
    assert len(set(addresses(ground))) == len(addresses(ground)) == 100


@pytest.mark.parametrize("place", [name for name in FAILPOINTS if name in ("FP5", "FP7", "FP11", "FP12")])
def test_a_worker_killed_anywhere_leaves_what_the_next_one_finishes(planned: Planned, place: str) -> None:
    """Around each of a worker's transitions: after its leases are over another one finishes, and every mail is there once."""
    ground = planned(25)
    assert ended(worker(ground, ENGINE_FAILPOINT=place)) == -signal.SIGKILL
    lapse(ground)
    assert work(ground.site(AT), environ=ground.environ, live=False).exit_code == 0
    assert states(ground) == {"sent": 25}
    assert len(set(addresses(ground))) == len(addresses(ground)) == 25


def test_a_worker_that_stays_ends_cleanly_on_sigterm(planned: Planned) -> None:
    """It sends what is there, waits for more, sends that too, and ends with 0 and nothing in flight when it is told to."""
    ground = planned(3)
    staying = worker(ground, "--stay")
    until = time.monotonic() + 30
    while len(ground.mails()) < 3 and time.monotonic() < until:
        time.sleep(0.1)
    staying.send_signal(signal.SIGTERM)
    out, err = staying.communicate(timeout=30)
    assert (staying.returncode, err) == (0, "")
    assert '"sent": 3' in out and '"ended": "interrupted"' in out
    assert states(ground) == {"sent": 3}


def test_a_worker_that_stays_outlives_its_connection(planned: Planned, monkeypatch: pytest.MonkeyPatch) -> None:
    """The server ends its connection in the middle of a run: it comes back, and sends the rest; what was in flight then is in doubt or sent."""
    ground = planned(60)
    monkeypatch.setattr(delivering, "LOOK_EVERY", 0.2)
    told = list[int]()

    def cut(stage: str, done: int, total: int) -> None:
        told.append(done)
        if len(told) == 1:
            behind(ground, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'engine' AND datname = current_database()")
            lapse(ground)
        elif done == 60:
            os.kill(os.getpid(), signal.SIGTERM)

    guard = threading.Timer(40, os.kill, (os.getpid(), signal.SIGTERM))
    guard.start()
    try:
        done = work(ground.site(AT), environ=ground.environ, live=False, stay=True, progress=cut)
    finally:
        # Left running it would end the tests themselves.
        guard.cancel()
    assert (done.exit_code, done.delivered.sent, done.delivered.ended) == (0, 60, "interrupted")
    assert states(ground) == {"sent": 60}
    assert len(set(addresses(ground))) == len(addresses(ground)) == 60


def test_sigterm_finishes_what_is_in_flight(planned: Planned, monkeypatch: pytest.MonkeyPatch) -> None:
    """A signal in the middle of a group: the group is finished, nothing after it begins, nothing is in doubt."""
    ground = planned(60)

    def one(stage: str, done: int, total: int) -> None:
        os.kill(os.getpid(), signal.SIGTERM)

    done = work(ground.site(AT), environ=ground.environ, live=False, progress=one)
    assert (done.exit_code, done.delivered.sent, done.delivered.ended, done.planned) == (0, 20, "interrupted", 40)
    assert states(ground) == {"sent": 20, "planned": 40}


def test_the_dead_are_looked_for_between_groups(planned: Planned, monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker that goes on for long takes in what another one left when it died, and its exit code says that there are doubts."""
    ground = planned(60)
    monkeypatch.setattr(delivering, "RESCUE_EVERY", 0.0)
    site = ground.site(AT)
    with site.open_ledger("dead", lock=False) as dead:
        rows = dead.claim("dead", 5, site.now)
        dead.begin_dispatch([dispatch(row) for row in rows], site.now)
    told = list[int]()

    def later(stage: str, done: int, total: int) -> None:
        if not told:
            lapse(ground)
            told.append(done)

    done = work(site, environ=ground.environ, live=False, progress=later)
    assert (done.exit_code, done.recovered, done.delivered.sent) == (6, 5, 55)
    assert states(ground) == {"sent": 55, "unknown": 5}


def test_a_zombie_harms_nothing(planned: Planned) -> None:
    """A worker that was stopped for longer than its lease finds its rows sent by another one: it hands over none of them again."""
    ground = planned(5)
    site = ground.site(AT)
    with site.open_ledger("zombie", lock=False) as zombie:
        rows = zombie.claim("zombie", 5, site.now)
        lapse(ground)
        assert work(site, environ=ground.environ, live=False).delivered.sent == 5
        assert zombie.begin_dispatch([dispatch(row) for row in rows], site.now) == set()
        assert zombie.settle([said(row, "failed") for row in rows], site.now).failed == ()
    assert states(ground) == {"sent": 5}


def test_a_worker_with_other_definitions_is_refused(planned: Planned) -> None:
    """Its letters would not be those that were planned: nothing is sent, and the word names both."""
    ground = planned(2)
    ground.change("definitions/templates/hello.yaml", "status: active", "status: active\ndescription: other words")
    with pytest.raises(OtherDefinitions, match="followed other definitions"):
        work(ground.site(AT), environ=ground.environ, live=False)
    assert states(ground) == {"planned": 2}


@pytest.mark.parametrize("hours", [-1, 1])
def test_a_host_with_a_wrong_clock_works_by_the_servers(tmp_path: Path, database: str, hours: int) -> None:
    """33: where --now is not said, a host an hour ahead or behind plans and delivers at the server's now."""
    today = datetime.now(UTC)
    rows = [contact(i, trial_end=(today + timedelta(hours=7)).date().isoformat()) for i in range(1, 4)]
    ground = on_postgres(tmp_path / "project", database, TRIAL.replace("    steps", '    at: "00:00"\n    steps'), *rows)
    site = ground.site(AT)
    wrong = replace(site, now=(today + timedelta(hours=hours)).replace(tzinfo=None))
    apply(wrong, environ=ground.environ, live=True, plan_only=True)
    with site.read_ledger() as ledger:
        last_now = ledger.head().last_now
    assert last_now is not None and abs(last_now - datetime.now(UTC).replace(tzinfo=None)) < timedelta(minutes=5)
    assert work(wrong, environ=ground.environ, live=True).delivered.sent == 3


def test_on_a_file_one_delivers_at_a_time(tmp_path: Path) -> None:
    """A second process is told who has the ledger and what lets many work; one that would stay is refused."""
    ground = Ground.make(tmp_path, TRIAL, *people(1))
    site = ground.site(AT)
    with site.open_ledger("apply"), pytest.raises(LockHeld, match="is held by `apply`") as held:
        work(site, environ=ground.environ, live=False)
    assert "any number of workers" in held.value.help
    with pytest.raises(EngineError, match="keep every apply out"):
        work(site, environ=ground.environ, live=False, stay=True)
    assert work(site, environ=ground.environ, live=False).exit_code == 0


def test_a_run_on_postgres_is_named_while_it_works(planned: Planned) -> None:
    """`status` names who plans; a worker needs no lock and works beside it."""
    ground = planned(2)
    site = ground.site(AT)
    with site.open_ledger("apply"):
        with site.read_ledger() as reading:
            assert str(reading.holder()).startswith(f"`apply`, process {os.getpid()}")
        assert work(site, environ=ground.environ, live=False).delivered.sent == 2
    assert behind(ground, "SELECT holder FROM plan_lock") == [(None,)]
