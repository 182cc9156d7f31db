"""Many at once on one ledger in Postgres: claims, leases, the plan's lock, orders (semantics 9.1, 9.8, reliability.md §3.9)."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import TypeVar

import psycopg
import pytest

from engine.errors import LockHeld, WrongUsage
from engine.ledger.ledger import LedgerBroken
from engine.ledger.orders import Order
from engine.ledger.postgres import PostgresLedger
from engine.ledger.postgres.connecting import transaction
from engine.ledger.postgres.locking import read_holder
from tests.ledger.postgres_homes import PostgresHome
from tests.ledger.stories import MONDAY, changes, dispatch, key, run, said, send

Done = TypeVar("Done")
EIGHT = 8


@pytest.fixture
def home(home_on_postgres: PostgresHome) -> PostgresHome:
    return home_on_postgres


def planned(home: PostgresHome, count: int) -> None:
    with home.open() as ledger:
        ledger.commit(run(), changes(sends=[send(str(place)) for place in range(count)]))


def at_once(work: Callable[[int], Done]) -> list[Done]:
    """Eight threads that begin in the same moment."""
    begin = threading.Barrier(EIGHT)

    def one(place: int) -> Done:
        begin.wait()
        return work(place)

    with ThreadPoolExecutor(EIGHT) as pool:
        return list(pool.map(one, range(EIGHT)))


def test_3_9_eight_claimers(home: PostgresHome) -> None:
    """Each row is claimed exactly once, whoever is quicker; the chain has a link for each claim."""
    planned(home, 200)
    workers = [home.worker() for _ in range(EIGHT)]

    def claim_all(place: int) -> list[str]:
        keys: list[str] = []
        while rows := workers[place].claim(f"w{place}", 7, MONDAY):
            keys += [row.send_key for row in rows]
        return keys

    claimed = [name for keys in at_once(claim_all) for name in keys]
    assert sorted(claimed) == sorted(key(str(place)) for place in range(200))
    assert home.execute("SELECT count(*) - max(serial), max(serial) - (SELECT serial FROM ledger_meta) FROM transactions") == [(0, 0)]
    for worker in workers:
        worker.close()


def test_3_9_eight_that_do_everything(home: PostgresHome) -> None:
    """Claim, dispatch, settle and recover, with stops in between: each row is handed over once, and nobody waits for another for ever."""
    planned(home, 120)
    workers = [home.worker() for _ in range(EIGHT)]
    handed_over: list[str] = []

    def work(place: int) -> None:
        ledger = workers[place]
        while rows := ledger.claim(f"w{place}", 5, MONDAY):
            gone = ledger.begin_dispatch([dispatch(row) for row in rows], MONDAY)
            handed_over.extend(gone)
            ledger.recover(MONDAY)
            ledger.settle([said(row, "sent", code=250) for row in rows if row.send_key in gone], MONDAY)
            ledger.take_in({f"{place}-{rows[0].send_key}": Order("pause", MONDAY, "mia", sequence="another")}, MONDAY)

    at_once(work)
    assert sorted(handed_over) == sorted(key(str(place)) for place in range(120))
    with home.reading() as reading:
        assert dict(reading.status().states) == {"sent": 120}
        assert len(reading.status().controls) == 1
    for worker in workers:
        worker.close()


def test_9_1_eight_plan_at_once(home: PostgresHome) -> None:
    """One works; seven are told within a second who does."""

    def open_it(place: int) -> PostgresLedger | tuple[str, int, float]:
        began = time.monotonic()
        try:
            return home.open()
        except LockHeld as held:
            return held.message, held.exit_code, time.monotonic() - began

    opened = at_once(open_it)
    holders = [one for one in opened if isinstance(one, PostgresLedger)]
    refused = [one for one in opened if isinstance(one, tuple)]
    assert (len(holders), len(refused)) == (1, 7)
    for message, code, seconds in refused:
        assert f"held by `engine apply`, process {os.getpid()} on " in message
        assert code == 5
        # A second each, on a machine that gives all of them a core; the eight share one process here.
        assert seconds < 5
    holders[0].close()
    home.open().close()


def test_9_1_delivering_needs_no_lock(home: PostgresHome) -> None:
    """While one plans another delivers and orders, and a third reads who plans; only the holder takes a plan in."""
    with home.open() as holder, home.worker() as worker:
        holder.commit(run(), changes(sends=[send("1")]))
        (row,) = worker.claim("w1", 9, MONDAY)
        assert worker.begin_dispatch([dispatch(row)], MONDAY) == {row.send_key}
        assert worker.take_in({"1": Order("stop", MONDAY, "mia")}, MONDAY) == {"1": 1}
        with home.reading() as reading:
            who = reading.holder()
            assert who is not None and (who.command, who.pid) == ("engine apply", os.getpid())
        with pytest.raises(WrongUsage):
            worker.commit(run(), changes())
        holder.let_others_plan()
        assert holder.claim("w2", 9, MONDAY) == []
        with home.open() as other:
            other.commit(run(), changes())
    with home.reading() as reading:
        assert reading.holder() is None


def test_9_1_a_plan_whose_lock_was_taken_over(home: PostgresHome) -> None:
    """Whoever slept through its lease commits no plan, and does not end the other's hold."""
    sleeper = home.open()
    home.lapse_lock()
    with home.open() as other:
        with pytest.raises(LockHeld):
            sleeper.commit(run(), changes(sends=[send("1")]))
        sleeper.close()
        with pytest.raises(LockHeld):
            home.open()
        other.commit(run(), changes(sends=[send("2")]))
        assert other.sends().total == 1


def test_9_1_nobody_takes_the_lock_during_a_commit(home: PostgresHome) -> None:
    """A commit that outlasts the lease ends first: the next plan sees what it wrote."""
    with home.open() as ledger, psycopg.connect(home.url) as committing:
        committing.execute(f'SELECT 1 FROM "{home.schema}".plan_lock FOR UPDATE'.encode())
        began = time.monotonic()
        with pytest.raises(LockHeld):
            home.open()
        assert time.monotonic() - began < 5
        assert ledger.head().serial == 0


def test_3_9_the_heartbeat_extends_claims_and_the_lock(home: PostgresHome) -> None:
    """Claimed rows and the lock of one that lives stay its own; a dispatching row's lease was fixed at T3."""
    planned(home, 2)
    lease = timedelta(seconds=1.2)
    ledger = PostgresLedger.open(home.url, "acme", "production", schema=home.schema, command="engine apply", lock_lease=lease)
    held, gone = ledger.claim("w1", 2, MONDAY, lease=lease)
    ledger.begin_dispatch([dispatch(gone)], MONDAY)
    fixed = home.execute("SELECT lease_until FROM sends WHERE state = 'dispatching'")
    time.sleep(2.5)
    assert home.execute("SELECT count(*) FROM sends WHERE state = 'claimed' AND lease_until > clock_timestamp()") == [(1,)]
    assert home.execute("SELECT lease_until FROM sends WHERE state = 'dispatching'") == fixed
    with home.reading() as reading:
        assert reading.holder() is not None
    with home.worker() as other:
        assert other.recover(MONDAY).released == 0
    assert ledger.begin_dispatch([dispatch(held)], MONDAY) == {held.send_key}
    ledger.close()


def test_t9_a_claim_that_nobody_extends(home: PostgresHome) -> None:
    """A worker that was killed between claim and dispatch costs two minutes; one that was only slow finds its row gone."""
    planned(home, 1)
    with home.worker() as slow, home.worker() as other:
        (row,) = slow.claim("w1", 1, MONDAY)
        assert other.recover(MONDAY).released == 0
        home.lapse()
        assert slow.begin_dispatch([dispatch(row)], MONDAY) == set()
        (again,) = other.claim("w2", 1, MONDAY)
        assert slow.begin_dispatch([dispatch(row)], MONDAY) == set()
        assert other.begin_dispatch([dispatch(again)], MONDAY) == {row.send_key}


def test_t10_a_zombie_harms_nothing(home: PostgresHome) -> None:
    """Its lease ended in the hand-over: its failure is dropped and its acknowledgement is taken, whoever holds the row by then."""
    planned(home, 2)
    with home.worker() as zombie, home.worker() as other:
        doubt, known = zombie.claim("w1", 2, MONDAY)
        zombie.begin_dispatch([dispatch(doubt), dispatch(known, ttl=86400)], MONDAY)
        home.lapse()
        recovered = other.recover(MONDAY)
        assert (recovered.unknown, recovered.again) == (1, 1)
        (again,) = other.claim("w2", 9, MONDAY)
        assert (again.send_key, again.frozen is not None) == (known.send_key, True)
        assert other.begin_dispatch([dispatch(again, ttl=86400)], MONDAY) == {known.send_key}
        assert set(zombie.settle([said(doubt, "failed"), said(known, "retry")], MONDAY).stale) == {doubt.send_key, known.send_key}
        assert set(zombie.settle([said(doubt, "sent"), said(known, "sent")], MONDAY).sent) == {doubt.send_key, known.send_key}
        assert other.settle([said(again, "sent")], MONDAY).sent == (known.send_key,)
        assert dict(other.status().states) == {"sent": 2}


def test_t8_a_key_is_known_only_while_both_clocks_say_so(home: PostgresHome) -> None:
    """`--now` may stand still for a day of real time: the provider's window passes all the same."""
    planned(home, 1)
    with home.worker() as ledger:
        (row,) = ledger.claim("w1", 1, MONDAY)
        ledger.begin_dispatch([dispatch(row, ttl=3600)], MONDAY)
        home.execute("UPDATE sends SET known_by_clock = known_by_clock - interval '1 hour'")
        assert ledger.settle([said(row, "unknown")], MONDAY).unknown == (row.send_key,)


def test_6_11_no_dispatch_after_a_committed_suppression(home: PostgresHome) -> None:
    """An order that is being taken in is waited for, by a dispatch that has not looked yet; and the other way round."""
    planned(home, 1)
    with home.worker() as sending, home.worker() as ordering:
        (row,) = sending.claim("w1", 1, MONDAY)
        suppress = Order("suppress", MONDAY, "mia", address_key=f"k:{row.address}", reason="bounce")
        with ThreadPoolExecutor(1) as pool:
            with transaction(ordering.connection, ordering.place, "READ WRITE"):
                ordering._close_gate()
                ordering._carry_out("1", suppress)
                leaving = pool.submit(sending.begin_dispatch, [dispatch(row)], MONDAY)
                time.sleep(0.3)
                assert not leaving.done()
            assert leaving.result() == set()
        assert dict(sending.status().states) == {"skipped": 1}


def test_3_5_two_enroll_the_same_record(home: PostgresHome) -> None:
    """Each gets a number of its own."""
    workers = [home.worker() for _ in range(EIGHT)]
    numbers = at_once(lambda place: workers[place].enroll_by_hand("welcome", "contact", ["7"], by="mia", note="", now=MONDAY)["7"])
    assert sorted(numbers) == [str(place) for place in range(1, EIGHT + 1)]
    for worker in workers:
        worker.close()


def test_9_8_an_order_that_two_take_in(home: PostgresHome) -> None:
    """Each worker looks into the inbox: the order is carried out by one of them."""
    workers = [home.worker() for _ in range(EIGHT)]
    done = at_once(lambda place: workers[place].take_in({"a.json": Order("stop", MONDAY, "mia")}, MONDAY))
    assert sorted(map(len, done)) == [0] * 7 + [1]
    for worker in workers:
        worker.close()


def test_a_plan_and_workers_in_each_other_s_way(home: PostgresHome) -> None:
    """Plans that judge again while workers claim, settle and give back: every row is handed over once at most, and all go on."""
    planned(home, 60)
    workers = [home.worker() for _ in range(3)]
    handed_over: list[str] = []
    until = time.monotonic() + 3

    def work(place: int) -> None:
        ledger = workers[place]
        while time.monotonic() < until:
            rows = ledger.claim(f"w{place}", 4, MONDAY)
            ledger.release([(row.send_key, row.token) for row in rows[2:]], MONDAY)
            gone = ledger.begin_dispatch([dispatch(row) for row in rows[:2]], MONDAY)
            handed_over.extend(gone)
            ledger.settle([said(row, "sent") for row in rows[:2] if row.send_key in gone], MONDAY)

    with ThreadPoolExecutor(3) as pool, home.open() as planning:
        running = [pool.submit(work, place) for place in range(3)]
        while time.monotonic() < until:
            rows = [send(str(place)) for place in range(60)]
            planning.commit(run(), changes(sends=rows[:50], cancels=[{"send_key": row["send_key"], "reason": "left_audience"} for row in rows[50:]]))
            planning.commit(run(), changes(sends=rows))
        for one in running:
            one.result()
    assert len(handed_over) == len(set(handed_over)) > 0
    for worker in workers:
        worker.close()


def test_nothing_is_recorded_after_a_write_failed(home: PostgresHome) -> None:
    """The link is cut in the middle: the first failure ends the ledger for the process, and what cannot be recorded is not sent."""
    planned(home, 1)
    with home.worker() as ledger:
        (row,) = ledger.claim("w1", 1, MONDAY)
        home.execute(f"SELECT pg_terminate_backend({ledger.connection.info.backend_pid})")
        with pytest.raises(LedgerBroken):
            ledger.begin_dispatch([dispatch(row)], MONDAY)
        with pytest.raises(LedgerBroken, match="before"):
            ledger.claim("w1", 1, MONDAY)
    with home.reading() as reading, transaction(reading.connection, reading.place, "READ ONLY"):
        assert read_holder(reading.connection) is None
