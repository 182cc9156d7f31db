"""The loop that sends, with a real DuckDB ledger and real SMTP servers (semantics 9.2 to 9.6, reliability.md §3.4, §3.5)."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from engine.delivery.delivered import Delivered
from engine.delivery.delivering import Clock, InFlight, Stops, Unrendered, deliver
from engine.delivery.outbox import OutboxTransport
from engine.delivery.recipients import EVERYBODY, Recipients
from engine.delivery.running import EndOnSignal, RunningClock
from engine.delivery.smtp import Patience, SmtpServer, SmtpTransport
from engine.delivery.transport import Transport
from engine.ledger.duckdb import DuckdbLedger
from engine.ledger.ledger import LedgerBroken
from engine.ledger.orders import Order
from engine.ledger.records import MAX_ATTEMPTS, Claimed, Settled, Settlement
from engine.messages.message import Message
from tests.delivery.ledgers import (
    NOW,
    FastClock,
    Never,
    key_of,
    make_ledger,
    open_ledger,
    plan,
    render,
    states,
)
from tests.smtp_server import Act, ScriptedServer

QUICK = Patience(connect_seconds=2, command_seconds=0.5, dot_seconds=0.5, pauses=(0, 0, 0))


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[DuckdbLedger]:
    opened = open_ledger(make_ledger(tmp_path))
    yield opened
    opened.close()


def over(server: ScriptedServer, recipients: Recipients = EVERYBODY, *, connections: int = 1, **options: Any) -> SmtpTransport:
    return SmtpTransport(SmtpServer("127.0.0.1", server.port, tls="none", connections=connections, **options), recipients, patience=QUICK)


def run(
    ledger: DuckdbLedger,
    server: ScriptedServer,
    *,
    transport: Transport | None = None,
    making: Callable[[Claimed], Message | Unrendered] = render,
    clock: Clock | None = None,
    stops: Stops | None = None,
    progress: Callable[[Delivered], None] | None = None,
) -> Delivered:
    transport = transport or over(server)
    try:
        return deliver(ledger, transport, making, worker="w1", clock=clock or FastClock(), stops=stops or Never(), progress=progress)
    finally:
        transport.close()


def attempts(ledger: DuckdbLedger) -> dict[int, int]:
    """How many rows had how many attempts."""
    return dict(ledger.connection.execute("SELECT attempts, count(*) FROM sends GROUP BY attempts").fetchall())


def test_9_3_what_is_planned_is_sent_once(ledger: DuckdbLedger) -> None:
    """Fifty due sends make fifty mails and fifty rows `sent`; a second delivery sends nothing."""
    plan(ledger, range(50))
    with ScriptedServer() as server:
        first = run(ledger, server)
        second = run(ledger, server)
        assert (first.sent, first.exit_code, second.sent, second.exit_code) == (50, 0, 0, 0)
        assert server.keys == [key_of(number) for number in range(50)]
        assert server.connections == 1
    assert states(ledger) == {"sent": 50}


def test_9_2_a_group_is_dispatched_in_one_commit_before_the_first_dot(ledger: DuckdbLedger) -> None:
    """When the server sees the first dot of a group its 20 rows are `dispatching`, and the others are not."""
    plan(ledger, range(50))
    seen: list[dict[str, int]] = []
    with ScriptedServer(on_accept=lambda message: seen.append(states(ledger))) as server:
        run(ledger, server)
    assert seen[0] == {"dispatching": 20, "claimed": 30}
    assert seen[20] == {"sent": 20, "dispatching": 20, "claimed": 10}
    assert seen[-1] == {"sent": 40, "dispatching": 10}


def test_9_2_marketing_goes_in_groups_of_a_hundred(ledger: DuckdbLedger) -> None:
    """In flight are 20, and 100 for marketing; a group never mixes the two."""
    plan(ledger, range(150), more=lambda number: {"category": "marketing" if number < 120 else "transactional"})
    most: list[int] = []
    with ScriptedServer(on_accept=lambda message: most.append(states(ledger).get("dispatching", 0))) as server:
        run(ledger, server)
    assert (most[0], most[100], most[120], most[140]) == (100, 20, 20, 10)


def test_9_3_an_answer_decides_the_row(ledger: DuckdbLedger) -> None:
    """5yz fails the row, a lost answer makes it unknown, all others go on; the run exits 6 and tells which."""
    plan(ledger, range(6))
    kept = {2: Act(then="drop", accept=True), 4: Act(b"554 5.7.1 spam\r\n")}

    def script(connection: int, transaction: int, verb: str) -> Act | None:
        if verb == "RCPT" and transaction == 1:
            return Act(b"550 5.1.1 <person0@example.com> unknown\r\n")
        return kept.get(transaction) if verb == "DOT" else None

    with ScriptedServer(script) as server:
        done = run(ledger, server)
        assert len(server.accepted) == 4
    assert (done.sent, done.failed, done.unknown, done.exit_code) == (3, 2, 1, 6)
    assert states(ledger) == {"sent": 3, "failed": 2, "unknown": 1}
    assert {(fate.send_key, fate.state, fate.phase, fate.code) for fate in done.fates} == {
        (key_of(0), "failed", "rcpt", "E603"), (key_of(1), "unknown", "dot", "E604"), (key_of(3), "failed", "dot", "E603")}  # fmt: skip
    assert not any("person" in fate.text for fate in done.fates)


def test_9_3_put_off_and_sent_in_the_same_run(ledger: DuckdbLedger) -> None:
    """A 4yz is tried again within the run, later, with the same bytes; each message arrives once."""
    plan(ledger, range(10))
    clock = FastClock()
    with ScriptedServer(lambda connection, transaction, verb: Act(b"451 4.3.0 later\r\n") if verb == "DOT" and transaction in (3, 5) else None) as server:
        done = run(ledger, server, clock=clock)
        assert sorted(server.keys) == sorted(key_of(number) for number in range(10))
    assert (done.sent, done.put_off, done.exit_code) == (10, 0, 0)
    assert 5 <= sum(clock.waits) <= 15
    assert attempts(ledger) == {1: 8, 2: 2}


def test_9_3_a_server_that_puts_off_for_long_is_left_to_the_next_run(ledger: DuckdbLedger) -> None:
    """The run waits five minutes and not longer; the row is planned, and the run has nothing failed."""
    plan(ledger, range(2))
    clock = FastClock()
    with ScriptedServer({"RCPT": Act(b"450 4.2.1 greylisted\r\n")}) as server:
        done = run(ledger, server, clock=clock)
    assert (done.sent, done.put_off, done.exit_code, states(ledger)) == (0, 2, 0, {"planned": 2})
    assert clock.moment - NOW <= timedelta(minutes=5)


def test_9_3_no_retry_beyond_expires(ledger: DuckdbLedger) -> None:
    """A message that expires before its next attempt is not waited for."""
    plan(ledger, range(1), more=lambda number: {"expires_at": NOW + timedelta(seconds=3)})
    clock = FastClock()
    with ScriptedServer({"RCPT": Act(b"450 4.2.1 greylisted\r\n")}) as server:
        done = run(ledger, server, clock=clock)
    assert (done.put_off, clock.waits, states(ledger)) == (1, [], {"planned": 1})


def test_threat_9_one_contact_that_does_not_render(ledger: DuckdbLedger) -> None:
    """Its send fails with render_error, the others go, the run exits 6."""
    plan(ledger, range(30))

    def picky(row: Claimed) -> Message | Unrendered:
        return Unrendered("`days` is no number for person7@example.com") if row.record == "7" else render(row)

    with ScriptedServer() as server:
        done = run(ledger, server, making=picky)
        assert len(server.accepted) == 29 and key_of(7) not in server.keys
    assert (done.sent, done.failed, done.exit_code) == (29, 1, 6)
    assert ledger.connection.execute("SELECT state, reason FROM sends WHERE record = '7'").fetchall() == [("failed", "render_error")]
    assert [fate.text for fate in done.fates] == ["E606: `days` is no number for address"]


def test_a_mistake_of_ours_in_rendering_sends_nothing_and_fails_nothing(ledger: DuckdbLedger) -> None:
    """An exception that nobody expected ends the run; the rows are planned as before."""
    plan(ledger, range(30))

    def broken(row: Claimed) -> Message:
        raise ZeroDivisionError

    with ScriptedServer() as server:
        with pytest.raises(ZeroDivisionError):
            run(ledger, server, making=broken)
        assert server.accepted == []
    assert states(ledger) == {"planned": 30}


def test_threat_28_what_may_not_be_written_to_is_held(ledger: DuckdbLedger) -> None:
    """Rows that the environment may not send stay planned, keep their key for the day of a longer list, and the run exits 6."""
    plan(ledger, range(10), more=lambda number: {"address": f"person{number}@example.{'com' if number < 8 else 'org'}"})
    with ScriptedServer() as server:
        done = run(ledger, server, transport=over(server, Recipients(("*@example.org",))))
        assert sorted(server.rcpts) == ["person8@example.org", "person9@example.org"]
        assert (done.sent, done.held, done.exit_code) == (2, 8, 6)
        assert states(ledger) == {"planned": 8, "sent": 2}
        assert run(ledger, server).sent == 8


def test_threat_28_a_redirected_run_reaches_one_box(ledger: DuckdbLedger) -> None:
    """With redirect_to every mail of the run has one recipient, and the ledger keeps the bytes that were frozen."""
    plan(ledger, range(5))
    with ScriptedServer() as server:
        assert run(ledger, server, transport=over(server, Recipients((), "dev@example.net", lambda address: "1f00"))).sent == 5
        assert set(server.rcpts) == {"dev@example.net"}
    assert ledger.connection.execute("SELECT DISTINCT recipient LIKE 'person%' FROM payloads").fetchall() == [(True,)]


def test_a_wrong_password_fails_no_message(ledger: DuckdbLedger) -> None:
    """A set-up that cannot work ends the run with exit 1 and E601; every row is planned and had no attempt."""
    plan(ledger, range(5))
    with ScriptedServer({"AUTH": Act(b"535 5.7.8 bad\r\n")}, extensions=("AUTH PLAIN",)) as server:
        done = run(ledger, server, transport=over(server, username="mailer", password="s3cret-word"))
    assert (done.ended, done.code, done.exit_code, states(ledger), attempts(ledger)) == ("settings", "E601", 1, {"planned": 5}, {0: 5})
    assert "s3cret-word" not in done.word


def test_a_dead_server_costs_no_attempt(ledger: DuckdbLedger) -> None:
    """The breaker ends the run with E602 and exit 6; every row is planned, and none had an attempt."""
    plan(ledger, range(50))
    with ScriptedServer({"CONNECT": Act(then="drop")}) as server:
        done = run(ledger, server)
        assert server.connections == 4
    assert (done.ended, done.code, done.exit_code, states(ledger), attempts(ledger)) == ("server", "E602", 6, {"planned": 50}, {0: 50})


def test_a_server_that_dies_on_the_way(ledger: DuckdbLedger) -> None:
    """What was sent is sent; what was dispatched and never handed over goes back; the rest is planned."""
    plan(ledger, range(50))
    with ScriptedServer(lambda connection, transaction, verb: Act(then="drop") if connection > 1 or (transaction == 26 and verb == "MAIL") else None) as server:
        done = run(ledger, server)
        assert len(server.accepted) == 25
    assert (done.sent, done.unknown, done.failed, done.ended) == (25, 0, 0, "server")
    assert states(ledger) == {"sent": 25, "planned": 25}


def test_every_third_connection_lost_loses_no_message(ledger: DuckdbLedger) -> None:
    """A server that loses connections before the dot costs time only: all 40 arrive once."""
    plan(ledger, range(40))

    def script(connection: int, transaction: int, verb: str) -> Act | None:
        return Act(then="drop") if (connection % 3 == 0 and verb == "DATA") or (transaction % 4 == 0 and verb == "RSET") else None

    with ScriptedServer(script) as server:
        done = run(ledger, server)
        assert sorted(server.keys) == sorted(key_of(number) for number in range(40))
    assert (done.sent, done.unknown, done.failed) == (40, 0, 0)


# --- stopping -----------------------------------------------------------------------------------------------------


@dataclass
class StopAfter(Never):
    """The kill switch is found before a later group."""

    after: int = 2

    def before_group(self) -> str:
        super().before_group()
        return "stopped by state/STOP" if self.groups > self.after else ""


def test_9_8_a_stop_reaches_a_running_delivery_within_one_group(ledger: DuckdbLedger) -> None:
    """The kill switch found before the second group: one group left, the rest is planned, exit 0."""
    plan(ledger, range(50))
    with ScriptedServer() as server:
        done = run(ledger, server, stops=StopAfter())
    assert (done.sent, done.ended, done.word, done.exit_code, states(ledger)) == (20, "stopped", "stopped by state/STOP", 0, {"sent": 20, "planned": 30})


@dataclass
class PausesContact(Never):
    """The inbox holds an order that is taken in before a group."""

    ledger: DuckdbLedger | None = None
    order: Order | None = None

    def before_group(self) -> str:
        super().before_group()
        if self.groups == 3 and self.ledger and self.order:
            self.ledger.take_in({"order-1": self.order}, NOW)
        return ""


def test_threat_5_unsubscribed_between_claim_and_dispatch(ledger: DuckdbLedger) -> None:
    """A suppression that comes after the claim keeps its mail in the house: nothing is sent to the address."""
    plan(ledger, range(50), more=lambda number: {"category": "transactional"})
    suppress = Order("suppress", NOW, "web", address_key=f"{30:064x}", reason="bounce")
    with ScriptedServer() as server:
        done = run(ledger, server, stops=PausesContact(ledger=ledger, order=suppress))
        assert "person30@example.com" not in {rcpt for one in server.accepted for rcpt in one.recipients}
    assert (done.sent, done.withdrawn) == (49, 1)


def test_the_first_of_a_group_is_withdrawn_at_its_commit_point(ledger: DuckdbLedger) -> None:
    """The one whose body the server has already is taken back by hanging up; the others of its group go."""
    plan(ledger, range(25))
    suppress = Order("suppress", NOW, "web", address_key=f"{20:064x}", reason="complaint")
    with ScriptedServer() as server:
        done = run(ledger, server, stops=PausesContact(ledger=ledger, order=suppress))
        assert key_of(20) not in server.keys
        assert server.connections == 2
    assert (done.sent, done.withdrawn) == (24, 1)


def test_sigterm_finishes_what_is_in_flight(tmp_path: Path, ledger: DuckdbLedger) -> None:
    """A signal in the middle of a group: the group is finished, nothing is unknown, the rest is planned, exit 0."""
    plan(ledger, range(50))

    def kill(message: object) -> None:
        if len(server.accepted) == 25:
            os.kill(os.getpid(), signal.SIGTERM)

    before = signal.getsignal(signal.SIGTERM)
    with ScriptedServer(on_accept=kill) as server, EndOnSignal() as signals:

        class Stops(Never):
            def ending(self) -> bool:
                return signals.ending()

        done = run(ledger, server, stops=Stops(), clock=RunningClock(NOW))
        assert len(server.accepted) == 40
    assert (done.sent, done.unknown, done.ended, done.exit_code, states(ledger)) == (40, 0, "interrupted", 0, {"sent": 40, "planned": 10})
    assert signal.getsignal(signal.SIGTERM) is before


def test_after_a_signal_a_slow_group_is_not_waited_for(ledger: DuckdbLedger) -> None:
    """The group in flight has twenty seconds; what was not handed over by then goes back with no doubt about it."""
    plan(ledger, range(20))
    clock = FastClock()

    class Stops(Never):
        def ending(self) -> bool:
            return len(server.accepted) >= 3

    def slowly(message: object) -> None:
        clock.moment += timedelta(seconds=20)

    with ScriptedServer(on_accept=slowly) as server:
        done = run(ledger, server, stops=Stops(), clock=clock)
    assert (done.sent, done.unknown, done.ended) == (4, 0, "interrupted")
    assert states(ledger) == {"sent": 4, "planned": 16}


# --- a ledger that cannot write -----------------------------------------------------------------------------------


class FailsToSettle(DuckdbLedger):
    """A real ledger whose disk fails at the second settlement."""

    settled = 0

    def settle(self, settlements: Sequence[Settlement], now: datetime, *, max_attempts: int = MAX_ATTEMPTS) -> Settled:
        self.settled += 1
        if self.settled == 2:
            raise LedgerBroken("the disk is full")
        return super().settle(settlements, now, max_attempts=max_attempts)


def test_3_5_a_ledger_that_cannot_write_stops_the_sending(tmp_path: Path) -> None:
    """After the write that fails nothing is sent; the group in flight is in doubt, and no more than it."""
    path = make_ledger(tmp_path)
    with open_ledger(path) as seeding:
        plan(seeding, range(100))
    broken = FailsToSettle.open(path, "harmony", "test", command="engine apply", now=NOW)
    with ScriptedServer() as server:
        with pytest.raises(LedgerBroken):
            run(broken, server)
        assert len(server.accepted) == 40
        broken.close()
        with open_ledger(path) as ledger:
            assert ledger.recover(NOW).unknown == 20
            plan(ledger, range(100), NOW, run="run-2")
            run(ledger, server)
            assert states(ledger) == {"sent": 80, "unknown": 20}
        assert len(server.keys) == len(set(server.keys)) == 100


def test_an_interruption_in_the_middle_of_a_message_is_a_doubt(ledger: DuckdbLedger) -> None:
    """Ctrl-C twice while the server thinks about the dot: that message is unknown, those answered are sent, the others planned."""
    plan(ledger, range(20))
    thinking = threading.Event()

    def script(connection: int, transaction: int, verb: str) -> Act | None:
        if verb == "DOT" and transaction == 5:
            if not thinking.is_set():
                thinking.set()
                os.kill(os.getpid(), signal.SIGINT)
            return Act(wait=0.3, accept=True)
        return None

    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with ScriptedServer(script) as server, pytest.raises(KeyboardInterrupt):
            run(ledger, server)
    finally:
        signal.signal(signal.SIGINT, before)
    assert states(ledger) == {"sent": 4, "unknown": 1, "planned": 15}


# --- the outbox ---------------------------------------------------------------------------------------------------


def test_9_4_an_idempotent_transport_leaves_no_doubt(tmp_path: Path) -> None:
    """A delivery into the outbox that died after T3 is sent again under the same key: each file once, nothing unknown."""
    path = make_ledger(tmp_path)
    outbox = OutboxTransport(tmp_path / "outbox")
    broken = FailsToSettle.open(path, "harmony", "test", command="engine apply", now=NOW)
    plan(broken, range(50))
    with pytest.raises(LedgerBroken):
        deliver(broken, outbox, render, worker="w1", clock=FastClock(), stops=Never())
    broken.close()
    with open_ledger(path) as ledger:
        recovered = ledger.recover(NOW)
        assert (recovered.unknown, recovered.again) == (0, 20)
        plan(ledger, range(50), run="run-2")
        done = deliver(ledger, outbox, render, worker="w2", clock=FastClock(), stops=Never(), in_flight=InFlight(5, 5))
        assert (done.sent, states(ledger)) == (30, {"sent": 50})
    outbox.close()
    assert len(list((tmp_path / "outbox").glob("*.eml"))) == 50


def test_the_same_bytes_on_every_attempt(ledger: DuckdbLedger) -> None:
    """A message is frozen at its first dispatch: a later attempt sends those bytes, whatever rendering would make of it now."""
    plan(ledger, range(1))
    made: list[int] = []

    def changing(row: Claimed) -> Message:
        made.append(1)
        message = render(row)
        return Message(message.send_key, message.sender, message.recipient, message.message_id, message.subject, message.payload + b"%d\r\n" % len(made))

    bodies: list[bytes] = []
    with ScriptedServer(lambda connection, transaction, verb: Act(b"451 4.3.0 later\r\n", accept=True) if (transaction, verb) == (1, "DOT") else None) as server:
        assert run(ledger, server, making=changing).sent == 1
        bodies = [one.data for one in server.accepted]
    assert (len(bodies), len(set(bodies)), made) == (2, 1, [1])


def test_progress_is_told_after_each_group(ledger: DuckdbLedger) -> None:
    """A door can show how far it is."""
    plan(ledger, range(45))
    told: list[int] = []
    with ScriptedServer() as server:
        run(ledger, server, progress=lambda done: told.append(done.sent))
    assert told == [20, 40, 45]


def test_settlements_hold_no_address(ledger: DuckdbLedger) -> None:
    """What a server says of a person is not in the ledger's rows."""
    plan(ledger, range(1))
    with ScriptedServer({"DOT": Act(b"554 5.7.1 <person0@example.com> person0 is not here\r\n")}) as server:
        run(ledger, server)
    text = str(ledger.connection.execute("SELECT * FROM outcomes").fetchall())
    assert "5.7.1" in text and "person0" not in text


def test_t8_a_key_is_worth_nothing_to_another_provider(ledger: DuckdbLedger) -> None:
    """A doubt goes again under its key to the provider that was told it, and to no other: that one would take it as a new mail."""
    key = {"key_header": "Resend-Idempotency-Key", "key_seconds": 86400}
    plan(ledger, range(1))
    clock, lost = FastClock(), Act(then="drop", accept=True)
    with ScriptedServer({"DOT": lost}, key_header=key["key_header"]) as first, ScriptedServer() as other, ScriptedServer(key_header=key["key_header"]) as third:
        accounts = [over(server, **told) for server, told in ((first, key), (other, {}), (third, key))]
        deliver(ledger, accounts[0], render, worker="w1", clock=clock, stops=Never(), retry_for=timedelta(0))
        assert (states(ledger), len(first.accepted)) == ({"planned": 1}, 1)
        clock.wait(60)
        for account in accounts[1:]:
            deliver(ledger, account, render, worker="w2", clock=clock, stops=Never())
        assert (states(ledger), other.accepted, third.accepted) == ({"unknown": 1}, [], [])
        for account in accounts:
            account.close()


def test_t8_a_provider_that_knows_the_key_is_asked_again(ledger: DuckdbLedger) -> None:
    """Answers that are lost leave no doubt with it: each mail goes again under its key, and is there once."""
    plan(ledger, range(3))

    def lost_once(connection: int, transaction: int, verb: str) -> Act | None:
        return Act(then="drop", accept=True) if verb == "DOT" and transaction <= 3 else None

    with ScriptedServer(lost_once, key_header="Resend-Idempotency-Key") as server:
        account = over(server, key_header="Resend-Idempotency-Key", key_seconds=86400)
        deliver(ledger, account, render, worker="w1", clock=FastClock(), stops=Never())
        account.close()
    assert states(ledger) == {"sent": 3}
    assert (sorted(server.keys), server.repeats) == (sorted(key_of(number) for number in range(3)), 3)
