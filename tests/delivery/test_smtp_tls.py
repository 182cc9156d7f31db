"""TLS and passwords: nothing is ever sent in plain instead, and a set-up that cannot work fails no message (E601)."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Any

import pytest

from engine.delivery.failures import SettingsFailure
from engine.delivery.recipients import EVERYBODY
from engine.delivery.smtp import SmtpServer, SmtpTransport
from tests.delivery.over_smtp import BYE, made, mail, over
from tests.smtp_server import Act, ScriptedServer, certificate, mail_server, server_tls


@pytest.fixture(scope="module")
def papers(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, ssl.SSLContext]:
    cert_file, key_file = certificate(tmp_path_factory.mktemp("tls"))
    return cert_file, server_tls(cert_file, key_file)


def secure(port: int, ca_file: Path | None, **options: Any) -> SmtpTransport:
    server = SmtpServer("localhost", port, ca_file=str(ca_file) if ca_file else None, **options)
    return made(server)


def test_starttls_and_auth_with_a_real_server(papers: tuple[Path, ssl.SSLContext]) -> None:
    """Mail leaves over TLS with a password, in one connection."""
    with mail_server(papers[1], username="mailer", password="s3cret-word") as box:
        transport = secure(box.port, papers[0], username="mailer", password="s3cret-word")
        assert [transport.deliver(mail(number), lambda key: None).state for number in (1, 2)] == ["sent", "sent"]
        transport.close()
    assert [one.data for one in box.accepted] == [mail(1).payload, mail(2).payload]


def test_a_wrong_password_is_a_setting_and_not_a_message(papers: tuple[Path, ssl.SSLContext]) -> None:
    """AUTH that fails ends the run with E601; the password is in no text."""
    with mail_server(papers[1], username="mailer", password="s3cret-word") as box, pytest.raises(SettingsFailure, match="E601") as failure:
        secure(box.port, papers[0], username="mailer", password="wr0ng-word").deliver(mail(), lambda key: None)
    assert "wr0ng-word" not in str(failure.value) and failure.value.__cause__ is None and failure.value.__suppress_context__


def test_no_password_where_one_is_wanted(papers: tuple[Path, ssl.SSLContext]) -> None:
    """A server that wants AUTH answers 530 to MAIL: E601, and nothing failed."""
    with mail_server(papers[1], username="mailer", password="s3cret-word") as box, pytest.raises(SettingsFailure, match="E601"):
        secure(box.port, papers[0]).deliver(mail(), lambda key: None)


def test_starttls_that_is_not_offered_is_never_plain() -> None:
    """A server, or somebody between, that hides STARTTLS gets no mail and no password (E601)."""
    with ScriptedServer(extensions=("AUTH PLAIN",)) as server:
        with pytest.raises(SettingsFailure, match="E601"):
            over(server, tls="starttls", username="mailer", password="s3cret-word").deliver(mail(), lambda key: None)
        assert [command.split(" ")[0].upper() for command in server.commands] == ["EHLO"]


@pytest.mark.parametrize("answer", [b"454 4.7.0 not now\r\n", b"502 5.5.1 no\r\n"])
def test_starttls_that_is_refused_is_never_plain(answer: bytes, papers: tuple[Path, ssl.SSLContext]) -> None:
    """Refused for now is tried again, refused for good is E601; in neither case a MAIL is said in plain."""
    with ScriptedServer({"STARTTLS": Act(answer)}, tls=papers[1]) as server:
        transport = secure(server.port, papers[0])
        if answer.startswith(b"454"):
            assert transport.deliver(mail(), lambda key: None).state == "retry"
        else:
            with pytest.raises(SettingsFailure, match="E601"):
                transport.deliver(mail(), lambda key: None)
        assert not any(command.startswith("MAIL") for command in server.commands)


def test_what_is_said_before_tls_is_thrown_away(papers: tuple[Path, ssl.SSLContext]) -> None:
    """Replies injected in plain after STARTTLS are not taken for the server's words (no AUTH from the injected EHLO)."""
    with ScriptedServer({"STARTTLS": Act(b"220 go ahead\r\n250-evil\r\n250 AUTH PLAIN\r\n")}, tls=papers[1]) as server:
        transport = secure(server.port, papers[0])
        outcome = transport.deliver(mail(), lambda key: None)
        transport.close()
        assert outcome.state == "sent"
        assert [one.data for one in server.accepted] == [mail().payload]


def test_a_certificate_nobody_vouches_for_is_refused(papers: tuple[Path, ssl.SSLContext]) -> None:
    """Without `ca_file` the self-signed server is E601."""
    with mail_server(papers[1]) as box:
        with pytest.raises(SettingsFailure, match="E601"):
            secure(box.port, None).deliver(mail(), lambda key: None)
        assert box.accepted == []


def test_a_certificate_for_another_name_is_refused(tmp_path: Path) -> None:
    """A certificate that is trusted but names another host is E601."""
    cert_file, key_file = certificate(tmp_path, "mail.example.net")
    with mail_server(server_tls(cert_file, key_file)) as box, pytest.raises(SettingsFailure, match="E601"):
        secure(box.port, cert_file).deliver(mail(), lambda key: None)


def test_a_password_never_crosses_a_plain_network() -> None:
    """`tls: none` with a password works on this machine only."""
    with pytest.raises(SettingsFailure, match="E601"):
        SmtpTransport(SmtpServer("mail.example.com", tls="none", username="mailer", password="s3cret-word"), EVERYBODY)


def test_settings_that_are_not_complete() -> None:
    """No host, or a name without a password, is said before a run begins."""
    for server in (SmtpServer(""), SmtpServer("localhost", username="mailer"), SmtpServer("localhost", ca_file="/nonexistent.crt")):
        with pytest.raises(SettingsFailure, match="E601"):
            SmtpTransport(server, EVERYBODY)


def test_tls_from_the_first_byte(papers: tuple[Path, ssl.SSLContext]) -> None:
    """With `tls: tls` (465) the greeting comes under TLS; mail and password leave in one connection, and never in plain."""
    with ScriptedServer(tls=papers[1], implicit_tls=True, extensions=("AUTH PLAIN",)) as server:
        transport = secure(server.port, papers[0], tls="tls", username="mailer", password="s3cret-word", connections=1)
        assert [transport.deliver(mail(number), lambda key: None).state for number in (1, 2)] == ["sent", "sent"]
        transport.close()
        assert [one.data for one in server.accepted] == [mail(1).payload, mail(2).payload]
        assert [command.split(" ")[0] for command in server.commands][:3] == ["ehlo", "AUTH", "MAIL"]
        assert (server.connections, "STARTTLS" in server.commands) == (1, False)


def test_tls_from_the_first_byte_with_a_server_that_speaks_plain() -> None:
    """A plain server on that port hears no word of SMTP; nothing was accepted, so it is a retry."""
    with ScriptedServer() as server:
        assert secure(server.port, None, tls="tls").deliver(mail(), lambda key: None).state == "retry"
        assert not any(command.isascii() and command[:4].upper() in ("EHLO", "AUTH", "MAIL") for command in server.commands)


def test_tls_from_the_first_byte_with_a_certificate_nobody_vouches_for(papers: tuple[Path, ssl.SSLContext]) -> None:
    """E601 before a word is said."""
    with ScriptedServer(tls=papers[1], implicit_tls=True) as server:
        with pytest.raises(SettingsFailure, match="E601"):
            secure(server.port, None, tls="tls").deliver(mail(), lambda key: None)
        assert server.commands == []


@pytest.mark.parametrize("verb", ["STARTTLS", "AUTH"])
def test_421_while_the_connection_is_made_is_a_retry(verb: str, papers: tuple[Path, ssl.SSLContext]) -> None:
    """A server that goes down at STARTTLS or AUTH took nothing, and its set-up is not wrong."""
    with ScriptedServer({verb: BYE}, tls=papers[1], extensions=("AUTH PLAIN",)) as server:
        outcome = secure(server.port, papers[0], username="mailer", password="s3cret-word").deliver(mail(), lambda key: None)
        assert (outcome.state, outcome.phase, server.accepted) == ("retry", "connect", [])


def test_a_second_connection_that_has_lost_its_starttls_is_never_plain(papers: tuple[Path, ssl.SSLContext]) -> None:
    """STARTTLS is asked for on each connection anew: one where it is stripped later on gets nothing either."""
    with ScriptedServer({"DOT": Act(b"250 ok\r\n", then="drop", accept=True)}, tls=papers[1]) as server:
        transport = secure(server.port, papers[0])
        assert transport.deliver(mail(1), lambda key: None).state == "sent"
        server.tls = None
        with pytest.raises(SettingsFailure, match="E601"):
            transport.deliver(mail(2), lambda key: None)
        assert [command.split(" ")[0] for command in server.commands][-1] == "ehlo"
