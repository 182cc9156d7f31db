"""`preview --send-to` over a real mail server: a tester gets the mail, nobody else does, and the ledger knows nothing of it."""

from __future__ import annotations

import ssl
from email import message_from_bytes, policy
from pathlib import Path

import pytest

from engine.ledger.duckdb import DuckdbLedger
from tests.cli.conftest import Said, engine
from tests.crash.project import NOW, make_project
from tests.smtp_server import Act, ScriptedServer, certificate, mail_server, server_tls

PASSWORD = "s3cret-word"


@pytest.fixture(scope="module")
def papers(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, ssl.SSLContext]:
    cert_file, key_file = certificate(tmp_path_factory.mktemp("tls"))
    return cert_file, server_tls(cert_file, key_file)


@pytest.fixture
def project(tmp_path: Path, papers: tuple[Path, ssl.SSLContext]) -> Path:
    """A project that may write to nobody, over STARTTLS and with a password, or under TLS from the first byte; its testers are at example.org."""
    root = make_project(tmp_path / "project", 2)
    text = (root / "engine.yaml").read_text()
    smtp = f"username: mailer, password: {{env: SMTP_PASSWORD}}, ca_file: {papers[0]}"
    text = text.replace("tls: none", f"tls: starttls, {smtp}").replace("host: 127.0.0.1", "host: localhost").replace('    allow_recipients: ["*"]\n', "")
    test = text[text.index("  test:\n") :]
    text += test.replace("  test:\n", "  implicit:\n").replace("tls: starttls", "tls: tls").replace("ledger.duckdb", "implicit.duckdb")
    (root / "engine.yaml").write_text(text + 'testers: ["*@example.org"]\n')
    return root


def preview(root: Path, port: int, to: str, *words: str, password: str = PASSWORD) -> Said:
    now = NOW.isoformat() + "+00:00"
    return engine("-C", str(root), *words, "preview", "hello", "--send-to", to, "--now", now, SMTP_PORT=str(port), SMTP_PASSWORD=password)


def test_a_tester_gets_the_mail_and_the_ledger_knows_nothing(project: Path, papers: tuple[Path, ssl.SSLContext]) -> None:
    """Over STARTTLS with a password: one recipient, a subject that says preview, no row."""
    with mail_server(papers[1], username="mailer", password=PASSWORD) as box:
        said = preview(project, box.port, "ana@example.org")
        assert (said.code, box.accepted[0].recipients) == (0, ("ana@example.org",)), said.err
    mail = message_from_bytes(box.accepted[0].data, policy=policy.default)
    assert (mail["To"].addresses[0].addr_spec, str(mail["Subject"])[:9]) == ("ana@example.org", "[preview]")
    assert "sent 1 to the tester" in said.out + said.err
    assert PASSWORD not in said.out + said.err
    with DuckdbLedger.open(project / "state" / "ledger.duckdb", "crash", "test", command="engine apply", now=NOW) as ledger:
        assert ledger.connection.execute("SELECT count(*) FROM sends").fetchall() == [(0,)]


def test_under_tls_from_the_first_byte(project: Path, papers: tuple[Path, ssl.SSLContext]) -> None:
    """An environment with `tls: tls` sends the same."""
    with ScriptedServer(tls=papers[1], implicit_tls=True, extensions=("AUTH PLAIN",)) as server:
        said = preview(project, server.port, "ana@example.org", "--env", "implicit")
        assert (said.code, server.rcpts, len(server.accepted)) == (0, ["ana@example.org"], 1), said.err


def test_a_stranger_gets_nothing(project: Path) -> None:
    """Who is no tester is refused before a server is asked (exit 64)."""
    with ScriptedServer() as server:
        assert preview(project, server.port, "ana@example.com").code == 64
        assert server.connections == 0


@pytest.mark.parametrize("verb", ["RCPT", "DOT"])
def test_a_server_that_refuses_is_told_calmly(verb: str, project: Path, papers: tuple[Path, ssl.SSLContext]) -> None:
    """A 5yz is exit 1 with what the server said, and without the address."""
    refusing = {verb: Act(b"550 5.7.1 <ana@example.org> not today\r\n")}
    with ScriptedServer(refusing, tls=papers[1], extensions=("AUTH PLAIN",)) as server:
        said = preview(project, server.port, "ana@example.org")
    assert said.code == 1 and "not today" in said.err and "Traceback" not in said.err
    assert "ana@example.org" not in said.err


def test_a_wrong_password_is_told_with_the_way_out(project: Path, papers: tuple[Path, ssl.SSLContext]) -> None:
    """E601, where to look, and no password in what is said."""
    with mail_server(papers[1], username="mailer", password=PASSWORD) as box:
        said = preview(project, box.port, "ana@example.org", password="wr0ng-word")
    assert said.code == 1 and "E601" in said.err and "engine.yaml" in said.err
    assert "wr0ng-word" not in said.err and box.accepted == []
