"""SMTP as reliability.md §3.4 and §3.6: each fault of a server gives exactly one outcome, judged by the server's own record."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import pytest

from engine.delivery.failures import ServerDown, SettingsFailure
from engine.delivery.recipients import EVERYBODY, Recipients
from engine.delivery.smtp import Patience, SmtpServer, SmtpTransport
from engine.delivery.transport import Outcome
from tests.delivery.over_smtp import BYE, PAYLOAD, drop, made, mail, over
from tests.smtp_server import Act, ScriptedServer


def one(script: Mapping[str, Act] | None = None, **options: Any) -> tuple[Outcome, ScriptedServer, list[str]]:
    """Deliver one message to a server that does this; the outcome, the server, and the keys that reached the commit point."""
    committed: list[str] = []
    with ScriptedServer(script, **options) as server:
        transport = over(server)
        outcome = transport.deliver(mail(), committed.append)
        transport.close()
    return outcome, server, committed


LONG = b"250 " + b"x" * 10_000 + b"\r\n"
ENDLESS = b"250-" + b"x" * 70_000 + b"\r\n250 ok\r\n"
# fault -> (script, state, phase, was the point of no return passed, did the server keep the message)
FAULTS: dict[str, tuple[Mapping[str, Act], str, str, bool, int]] = {
    "nothing wrong": ({}, "sent", "dot", True, 1),
    "dropped at the greeting": ({"CONNECT": drop()}, "retry", "connect", False, 0),
    "421 at the greeting": ({"CONNECT": BYE}, "retry", "connect", False, 0),
    "554 at the greeting": ({"CONNECT": drop(b"554 no service here\r\n")}, "retry", "connect", False, 0),
    "silence at the greeting": ({"CONNECT": Act(then="silence")}, "retry", "connect", False, 0),
    "garbage at the greeting": ({"CONNECT": Act(b"HTTP/1.1 400 Bad Request\r\n")}, "retry", "connect", False, 0),
    "421 at EHLO": ({"EHLO": BYE}, "retry", "connect", False, 0),
    "4yz at MAIL": ({"MAIL": Act(b"451 4.3.0 later\r\n")}, "retry", "mail", False, 0),
    "5yz at MAIL": ({"MAIL": Act(b"550 5.7.1 no\r\n")}, "failed", "mail", False, 0),
    "421 at MAIL": ({"MAIL": BYE}, "retry", "mail", False, 0),
    "dropped at MAIL": ({"MAIL": drop()}, "retry", "mail", False, 0),
    "garbage at MAIL": ({"MAIL": Act(b"%%%\r\n")}, "retry", "mail", False, 0),
    "silence at MAIL": ({"MAIL": Act(then="silence")}, "retry", "mail", False, 0),
    "354 at MAIL": ({"MAIL": Act(b"354 what\r\n")}, "retry", "mail", False, 0),
    "4yz at RCPT": ({"RCPT": Act(b"450 4.2.1 greylisted\r\n")}, "retry", "rcpt", False, 0),
    "5yz at RCPT": ({"RCPT": Act(b"550 5.1.1 unknown\r\n")}, "failed", "rcpt", False, 0),
    "421 at RCPT": ({"RCPT": BYE}, "retry", "rcpt", False, 0),
    "251 at RCPT": ({"RCPT": Act(b"251 will forward\r\n")}, "sent", "dot", True, 1),
    "dropped at RCPT": ({"RCPT": drop()}, "retry", "rcpt", False, 0),
    "4yz at DATA": ({"DATA": Act(b"451 4.3.0 later\r\n")}, "retry", "data", False, 0),
    "5yz at DATA": ({"DATA": Act(b"554 5.6.0 no\r\n")}, "failed", "data", False, 0),
    "250 at DATA": ({"DATA": Act(b"250 ok\r\n")}, "retry", "data", False, 0),
    "421 at DATA": ({"DATA": BYE}, "retry", "data", False, 0),
    "dropped before DATA": ({"DATA": drop()}, "retry", "data", False, 0),
    "4yz at the dot": ({"DOT": Act(b"452 4.3.1 full\r\n")}, "retry", "dot", True, 0),
    "5yz at the dot": ({"DOT": Act(b"554 5.7.1 spam\r\n")}, "failed", "dot", True, 0),
    "421 at the dot": ({"DOT": BYE}, "retry", "dot", True, 0),
    "dropped at the dot": ({"DOT": drop()}, "unknown", "dot", True, 0),
    "accepted, then dropped": ({"DOT": Act(then="drop", accept=True)}, "unknown", "dot", True, 1),
    "accepted, then silence": ({"DOT": Act(then="silence", accept=True)}, "unknown", "dot", True, 1),
    "garbage after the dot": ({"DOT": Act(b"thank you\r\n", accept=True)}, "unknown", "dot", True, 1),
    "354 after the dot": ({"DOT": Act(b"354 more\r\n")}, "unknown", "dot", True, 0),
    "half a reply after the dot": ({"DOT": drop(b"25")}, "unknown", "dot", True, 0),
    "two codes in one reply": ({"DOT": Act(b"250-ok\r\n550 no\r\n")}, "unknown", "dot", True, 0),
    "multi-line reply": ({"DOT": Act(b"250-2.0.0 ok\r\n250-really\r\n250 queued as Q1\r\n", accept=True)}, "sent", "dot", True, 1),
    "reply in UTF-8": ({"DOT": Act("250 2.0.0 ขอบคุณ\r\n".encode(), accept=True)}, "sent", "dot", True, 1),
    "reply not UTF-8": ({"DOT": Act(b"250 \xff\xfe\r\n", accept=True)}, "sent", "dot", True, 1),
    "over-long line": ({"DOT": Act(LONG, accept=True)}, "sent", "dot", True, 1),
    "reply without end": ({"DOT": Act(ENDLESS, accept=True)}, "unknown", "dot", True, 1),
    "over-long 5yz": ({"DOT": Act(b"550 " + b"x" * 10_000 + b"\r\n")}, "failed", "dot", True, 0),
    "slow drip, in time": ({"DOT": Act(b"250 ok\r\n", drip=0.02, accept=True)}, "sent", "dot", True, 1),
    "slow drip, too slow": ({"DOT": Act(b"250 ok, and thank you\r\n", drip=0.1, accept=True)}, "unknown", "dot", True, 1),
    "lost after 250": ({"DOT": Act(b"250 2.0.0 ok\r\n", then="drop", accept=True)}, "sent", "dot", True, 1),
    "garbage at QUIT": ({"QUIT": Act(b"???\r\n")}, "sent", "dot", True, 1),
    "421 at QUIT": ({"QUIT": BYE}, "sent", "dot", True, 1),
    "silence at QUIT": ({"QUIT": Act(then="silence")}, "sent", "dot", True, 1),
    "a lie at MAIL: answers in advance": ({"MAIL": Act(b"250 ok\r\n250 ok\r\n354 go\r\n250 ok\r\n")}, "retry", "rcpt", False, 0),
    "a lie at DATA: the dot answered in advance": ({"DATA": Act(b"354 go\r\n250 ok\r\n")}, "retry", "body", False, 0),
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
def test_9_3_each_fault_of_a_server_has_one_outcome(fault: str) -> None:
    """Up to the body nothing was accepted; after the dot a 2yz, 4yz or 5yz tells, and nobody can tell without one."""
    script, state, phase, committed, kept = FAULTS[fault]
    outcome, server, keys = one(script)
    assert (outcome.state, outcome.phase, bool(keys), len(server.accepted)) == (state, phase, committed, kept)


def test_9_3_connection_refused_is_a_retry() -> None:
    """Where no server listens nothing was accepted."""
    with ScriptedServer() as server:
        port = server.port
    outcome = made(SmtpServer("127.0.0.1", port, tls="none")).deliver(mail(), lambda key: None)
    assert (outcome.state, outcome.phase) == ("retry", "connect")


@pytest.mark.parametrize(("wait", "state"), [(0.6, "sent"), (1.0, "unknown")])
def test_3_6_the_dot_has_a_time_of_its_own(wait: float, state: str) -> None:
    """A reply to the dot that takes longer than a command may, but not too long, is still an answer (here 0.4 s and 0.8 s)."""
    outcome, _, _ = one({"DOT": Act(b"250 ok\r\n", wait=wait, accept=True)})
    assert outcome.state == state


def test_3_6_the_standard_times_are_those_of_the_rfc() -> None:
    """300 seconds for a command, 600 for the final dot."""
    assert (Patience().command_seconds, Patience().dot_seconds) == (300, 600)


def test_a_message_arrives_as_it_was_frozen() -> None:
    """Dots at the start of a line are stuffed and unstuffed, the envelope holds one recipient, the size is declared."""
    outcome, server, _ = one()
    assert server.accepted[0].data == mail().payload
    assert server.accepted[0].recipients == ("ann.lee@example.com",)
    assert f"MAIL FROM:<hello@example.org> SIZE={len(mail().payload) + 5}" in server.commands
    assert (outcome.code, outcome.enhanced_code, outcome.provider_message_id) == (250, "2.0.0", "Q17")


def test_the_commit_point_comes_after_the_body_and_before_the_dot() -> None:
    """When the commit point is reached the server has the body and has accepted nothing."""
    seen: list[tuple[list[str], int]] = []
    with ScriptedServer() as server:
        transport = over(server)

        def commit(key: str) -> None:
            time.sleep(0.05)
            seen.append((list(server.commands), len(server.accepted)))

        transport.deliver(mail(), commit)
        transport.close()
    assert seen[0][0][-1] == "DATA"
    assert seen[0][1] == 0


def test_what_the_commit_point_refuses_is_not_sent() -> None:
    """A ledger that cannot write stops the message before the dot; the connection is dropped, and the next message works."""

    class DiskFull(Exception):
        pass

    def commit(key: str) -> None:
        raise DiskFull

    with ScriptedServer() as server:
        transport = over(server)
        with pytest.raises(DiskFull):
            transport.deliver(mail(1), commit)
        assert transport.deliver(mail(2), lambda key: None).state == "sent"
        transport.close()
        assert server.keys == [mail(2).send_key]


def test_a_connection_lost_while_committing_is_a_retry() -> None:
    """A server that hangs up while the ledger commits has seen no dot."""
    with ScriptedServer({"BODY": drop()}) as server:
        outcome = over(server).deliver(mail(), lambda key: time.sleep(0.1))
    assert (outcome.state, outcome.phase, server.accepted) == ("retry", "body", [])


def test_one_connection_carries_many_messages() -> None:
    """The connection is reused, with RSET between, also after a message was refused."""
    with ScriptedServer(lambda connection, transaction, verb: Act(b"550 5.1.1 no\r\n") if (transaction, verb) == (2, "RCPT") else None) as server:
        transport = over(server)
        states = [transport.deliver(mail(number), lambda key: None).state for number in range(1, 5)]
        transport.close()
    assert states == ["sent", "failed", "sent", "sent"]
    assert (server.connections, server.commands.count("RSET")) == (1, 3)


def test_every_third_connection_lost() -> None:
    """A server that loses every third connection after RCPT costs retries and no message."""
    with ScriptedServer(lambda connection, transaction, verb: drop() if connection % 3 == 0 and verb == "RCPT" else BYE if verb == "RSET" else None) as server:
        transport = over(server)
        states = [transport.deliver(mail(number), lambda key: None).state for number in range(1, 10)]
        transport.close()
    assert states == ["sent", "sent", "retry"] * 3
    assert len(server.accepted) == 6


def test_an_idle_connection_that_was_closed_is_opened_again() -> None:
    """A server may close an idle connection; the next message gets a new one and nothing is counted."""
    with ScriptedServer({"DOT": Act(b"250 ok\r\n", then="drop", accept=True)}) as server:
        transport = over(server)
        assert [transport.deliver(mail(number), lambda key: None).state for number in range(1, 9)] == ["sent"] * 8
        assert server.connections == 8


def test_the_breaker_opens_for_a_dead_server() -> None:
    """After five failures in a row nothing is tried any more, and the message says so; a reply closes the breaker again."""
    with ScriptedServer({"CONNECT": drop()}) as server:
        transport = over(server)
        assert [transport.deliver(mail(number), lambda key: None).state for number in range(5)] == ["retry"] * 5
        with pytest.raises(ServerDown, match="E602: the mail server failed 5 times in a row"):
            transport.deliver(mail(), lambda key: None)
        assert server.connections == 5


def test_pauses_lie_between_failures_in_a_row() -> None:
    """A server that is restarting is given time, more of it each time."""
    waited: list[float] = []
    with ScriptedServer(lambda connection, transaction, verb: drop() if connection < 4 else None) as server:
        settings = SmtpServer("127.0.0.1", server.port, tls="none")
        transport = made(settings, patience=Patience(2, 0.4, 0.8, pauses=(1, 2, 4, 8)), pause=waited.append)
        states = [transport.deliver(mail(number), lambda key: None).state for number in range(5)]
        transport.close()
    assert (states, waited) == (["retry", "retry", "retry", "sent", "sent"], [1, 2, 4])


@pytest.mark.parametrize("payload", [b"Subject: x\n\nbody\r\n", b"Subject: x\r\n\r\nbo\rdy\r\n", b"Subject: x\r\n\r\n\n.\nMAIL FROM:<a@example.com>\r\n",
                                     "Subject: x\r\n\r\nไทย\r\n".encode(), b"Subject: x\r\n\r\na\x00b\r\n", b"Subject: x\r\n\r\n" + b"a" * 999 + b"\r\n"])  # fmt: skip
def test_threat_13_bytes_that_smuggle_are_refused(payload: bytes) -> None:
    """Bare CR, bare LF, NUL, bytes beyond ASCII and endless lines never reach a server."""
    with ScriptedServer() as server:
        outcome = over(server).deliver(mail(payload=payload), lambda key: None)
        assert (outcome.state, outcome.phase, server.connections) == ("failed", "message", 0)
        assert "E606" in outcome.text


def test_threat_13_a_dot_in_the_body_ends_nothing() -> None:
    """Lines that look like the end of DATA and like commands arrive as text."""
    payload = PAYLOAD % mail().send_key.encode() + b".\r\nMAIL FROM:<x@example.com>\r\n.\r\n\r\n"
    with ScriptedServer() as server:
        transport = over(server)
        assert transport.deliver(mail(payload=payload), lambda key: None).state == "sent"
        transport.close()
        assert [one.data for one in server.accepted] == [payload]


@pytest.mark.parametrize("recipient", ["a@example.com>\r\nRCPT TO:<v@example.org", "a@example.com,v@example.org", "a@example.com> NOTIFY=NEVER", "Bob <a@example.com>",
                                       "a@example.com\r", "@example.com", "a", "", "a@@example.com", "ü@example.com", "a" * 65 + "@example.com"])  # fmt: skip
def test_threat_11_one_envelope_recipient(recipient: str) -> None:
    """What is not exactly one plain address is refused before any server sees it."""
    with ScriptedServer() as server:
        outcome = over(server).deliver(mail(recipient=recipient), lambda key: None)
        assert (outcome.state, server.connections) == ("failed", 0)
        assert "@" not in outcome.text


def test_a_message_over_the_servers_size_is_not_tried() -> None:
    """SIZE of EHLO is honored: the server is told nothing, and the row says why."""
    outcome, server, committed = one(extensions=("SIZE 50",))
    assert (outcome.state, outcome.phase, committed) == ("failed", "message", [])
    assert not any(command.startswith("MAIL") for command in server.commands)


@pytest.mark.parametrize("code", [530, 534, 535, 538])
@pytest.mark.parametrize("verb", ["MAIL", "RCPT"])
def test_an_answer_about_the_set_up_fails_no_message(code: int, verb: str) -> None:
    """`530 authentication required` at MAIL is a setting to mend, and not a mail to give up."""
    with ScriptedServer({verb: Act(b"%d 5.7.0 authentication required\r\n" % code)}) as server, pytest.raises(SettingsFailure, match="E601"):
        over(server).deliver(mail(), lambda key: None)


def test_texts_hold_no_address_and_no_secret() -> None:
    """A server that repeats addresses and passwords does not bring them into the ledger."""
    said = b"550 5.1.1 <ann.lee@example.com>: user ann.lee (ann.lee%40example.com) unknown, from hello@example.org, pw s3cret-word\r\n"
    with ScriptedServer({"RCPT": Act(said)}, extensions=("AUTH PLAIN",)) as server:
        outcome = over(server, username="mailer-user", password="s3cret-word").deliver(mail(), lambda key: None)
    assert outcome.state == "failed"
    for word in ("ann.lee", "example.com", "example.org", "s3cret-word"):
        assert word not in outcome.text
    assert outcome.text.startswith("5.1.1 ")
    assert "s3cret-word" not in repr(SmtpServer("localhost", password="s3cret-word"))


# --- who may be written to ----------------------------------------------------------------------------------------


def test_threat_28_a_staging_run_reaches_nobody_outside() -> None:
    """Over a CRM of real people an environment that lists one domain says RCPT for that domain alone."""
    people = [f"person{number}@example.{'com' if number % 5 else 'org'}" for number in range(100)]
    with ScriptedServer() as server:
        transport = made(SmtpServer("127.0.0.1", server.port, tls="none"), Recipients(("*@example.org",)))
        outcomes = [transport.deliver(mail(number, recipient=person), lambda key: None) for number, person in enumerate(people)]
        transport.close()
    assert {rcpt.partition("@")[2] for rcpt in server.rcpts} == {"example.org"}
    assert [outcome.state for outcome in outcomes].count("sent") == 20
    assert all("E605" in outcome.text for outcome in outcomes if outcome.state != "sent")


def test_threat_28_redirect_sends_all_to_one_box() -> None:
    """`redirect_to` is the only recipient, in the envelope and in To; whom it was for is a pseudonym."""
    with ScriptedServer() as server:
        rule = Recipients((), "dev@example.net", lambda address: "1f00beef1f00beef")
        transport = made(SmtpServer("127.0.0.1", server.port, tls="none"), rule)
        assert transport.deliver(mail(), lambda key: None).state == "sent"
        transport.close()
    assert server.rcpts == ["dev@example.net"]
    assert server.accepted[0].data.startswith(b"X-Original-To: 1f00beef1f00beef\r\nTo: dev@example.net\r\nSubject: Hello\r\n")
    assert b"ann.lee" not in server.accepted[0].data


HEADER = "Resend-Idempotency-Key"


def test_t8_a_provider_reads_the_send_key_from_its_header() -> None:
    """The key stands in the header that the provider names, the same at each attempt; the frozen bytes behind it are untouched, and the size counts it."""
    with ScriptedServer(key_header=HEADER) as server:
        transport = over(server, key_header=HEADER, key_seconds=86400)
        assert (transport.idempotent, transport.key_ttl_seconds) == (True, 86400)
        assert [transport.deliver(mail(), lambda key: None).state for _ in range(2)] == ["sent", "sent"]
        transport.close()
    line = f"{HEADER}: {mail().send_key}\r\n".encode()
    assert [one.data for one in server.accepted] == [line + mail().payload]
    assert server.repeats == 1
    assert f"MAIL FROM:<hello@example.org> SIZE={len(line + mail().payload) + 5}" in server.commands


def test_t8_two_accounts_of_one_provider_are_two_transports() -> None:
    """Some providers give every account one user name, and a password of its own: a key that one was told means nothing to the other."""
    servers = [SmtpServer("smtp.example.com", username="resend", password=password, key_header=HEADER, key_seconds=86400) for password in ("one", "two", "one")]
    names = [SmtpTransport(server, EVERYBODY).name for server in servers]
    assert names[0] == names[2] != names[1] and "one" not in names[0]


@pytest.mark.parametrize("host", [".smtp.example.com", "smtp..example.com", "x" * 64 + ".example.com"])
def test_a_name_of_no_host_fails_no_message(host: str) -> None:
    """E601, as for any other setting that is wrong."""
    with pytest.raises(SettingsFailure, match="no host"):
        SmtpTransport(SmtpServer(host, tls="none"), EVERYBODY).deliver(mail(), lambda key: None)


def test_t8_without_a_window_no_key_is_told() -> None:
    """A server that promises nothing is asked for nothing: no header, and a lost answer stays a doubt."""
    with ScriptedServer(key_header=HEADER) as server:
        transport = over(server)
        assert (transport.idempotent, transport.key_ttl_seconds) == (False, 0)
        transport.deliver(mail(), lambda key: None)
        transport.close()
    assert server.accepted[0].data == mail().payload
