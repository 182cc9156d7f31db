"""A few connections at once to one server: as many as it gives, one count of failures over all of them, and one end."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from engine.delivery.failures import ServerDown
from engine.delivery.smtp import Patience, SmtpServer, SmtpTransport
from engine.delivery.transport import Outcome
from tests.delivery.over_smtp import BYE, drop, made, mail, over
from tests.smtp_server import Act, ScriptedServer


def together(transport: SmtpTransport, count: int, threads: int, commit: Callable[[str], None] = lambda key: None) -> list[Outcome]:
    """Deliver the mails 1 to `count` from several threads."""
    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(lambda number: transport.deliver(mail(number), commit), range(1, count + 1)))


def test_several_connections_carry_mails_at_the_same_time() -> None:
    """Three connections have three mails at the dot together; each mail arrives once, and no fourth connection is opened."""
    meeting = threading.Barrier(3, timeout=5)
    with ScriptedServer() as server:
        transport = over(server, connections=3)

        def commit(key: str) -> None:
            meeting.wait()

        outcomes = together(transport, 9, 3, commit)
        transport.close()
        assert [outcome.state for outcome in outcomes] == ["sent"] * 9
        assert sorted(server.keys) == [mail(number).send_key for number in range(1, 10)]
        assert (server.connections, server.commands.count("QUIT")) == (3, 3)


def test_a_server_that_gives_fewer_connections_is_no_dead_server() -> None:
    """Where the third connection is refused two do the work; nothing is lost, no mail is put off, and the breaker counts nothing."""
    begun = threading.Barrier(2, timeout=5)
    first = threading.local()

    def commit(key: str) -> None:
        # The first two mails hold their connections until both are there, so that the third one has to be asked for.
        if not getattr(first, "met", False):
            first.met = True
            if int(key[-4:]) <= 2:
                begun.wait()

    with ScriptedServer(lambda connection, transaction, verb: BYE if verb == "CONNECT" and connection > 2 else None) as server:
        transport = over(server, connections=3)
        assert {outcome.state for outcome in together(transport, 30, 3, commit)} == {"sent"}
        assert len(server.keys) == len(set(server.keys)) == 30
        assert server.connections <= 4


def test_what_breaks_on_all_connections_at_once_is_one_failure() -> None:
    """A server that restarts takes three connections with it, and is not taken for dead by that: the fourth try carries on."""
    meeting = threading.Barrier(3, timeout=5)
    waited: list[float] = []

    def script(connection: int, transaction: int, verb: str) -> Act | None:
        if verb == "RCPT" and connection <= 3:
            meeting.wait()
            return drop()
        return None

    with ScriptedServer(script) as server:
        settings = SmtpServer("127.0.0.1", server.port, tls="none", connections=3)
        transport = made(settings, patience=Patience(2, 2, 2, pauses=(1, 2)), pause=waited.append)
        assert [outcome.state for outcome in together(transport, 3, 3)] == ["retry"] * 3
        assert transport.deliver(mail(4), lambda key: None).state == "sent"
    assert waited == [1]


def test_a_dead_server_is_asked_once_at_a_time() -> None:
    """Six threads on a server that drops every connection make five tries in all, with the pauses between them, and then E602."""
    waited: list[float] = []
    with ScriptedServer({"CONNECT": drop()}) as server:
        settings = SmtpServer("127.0.0.1", server.port, tls="none", connections=6)
        transport = made(settings, patience=Patience(2, 0.4, 0.8, pauses=(1, 2, 4, 8)), pause=waited.append)

        def insist(number: int) -> str:
            while True:
                try:
                    transport.deliver(mail(number), lambda key: None)
                except ServerDown as down:
                    return down.code

        with ThreadPoolExecutor(6) as pool:
            assert list(pool.map(insist, range(6))) == ["E602"] * 6
        assert (server.connections, waited) == (5, [1, 2, 4, 8])


def test_the_breaker_lets_one_try_after_a_rest() -> None:
    """A worker that stays asks again after a minute (here 0.2 s); one more failure opens the breaker again, and an answer closes it."""
    with ScriptedServer(lambda connection, transaction, verb: drop() if connection <= 3 else None) as server:
        settings = SmtpServer("127.0.0.1", server.port, tls="none", connections=1)
        transport = made(settings, patience=Patience(2, 0.4, 0.8, pauses=(0,), rest_seconds=0.2))
        assert [transport.deliver(mail(1), lambda key: None).state for _ in range(2)] == ["retry", "retry"]
        for state in ("retry", "sent"):
            with pytest.raises(ServerDown):
                transport.deliver(mail(1), lambda key: None)
            time.sleep(0.25)
            assert transport.deliver(mail(1), lambda key: None).state == state
        assert transport.deliver(mail(2), lambda key: None).state == "sent"


def test_breaking_off_leaves_in_doubt_what_is_at_the_dot_and_nothing_else() -> None:
    """Hung up from another thread: one mail is at its dot (unknown), one at RCPT (retry); both calls end at once, and no later one begins."""
    at_dot, at_rcpt = threading.Event(), threading.Event()

    def script(connection: int, transaction: int, verb: str) -> Act | None:
        if verb == "DOT":
            at_dot.set()
            return Act(then="silence")
        if verb == "RCPT" and at_dot.is_set():
            at_rcpt.set()
            return Act(then="silence")
        return None

    with ScriptedServer(script) as server:
        transport = made(SmtpServer("127.0.0.1", server.port, tls="none", connections=2), patience=Patience())
        with ThreadPoolExecutor(2) as pool:
            first = pool.submit(transport.deliver, mail(1), lambda key: None)
            assert at_dot.wait(5)
            second = pool.submit(transport.deliver, mail(2), lambda key: None)
            assert at_rcpt.wait(5)
            transport.break_off()
            assert [(one.result(5).state, one.result(5).phase) for one in (first, second)] == [("unknown", "dot"), ("retry", "rcpt")]
        assert transport.deliver(mail(3), lambda key: None).state == "retry"
        assert server.connections == 2
