"""Transports to the real servers of the tests, and the mail they carry."""

from __future__ import annotations

from typing import Any

from engine.delivery.recipients import EVERYBODY, Recipients
from engine.delivery.smtp import Patience, SmtpServer, SmtpTransport
from engine.messages.message import Message
from tests.smtp_server import Act, ScriptedServer

QUICK = Patience(connect_seconds=2, command_seconds=0.4, dot_seconds=0.8, pauses=(0, 0, 0, 0))
PAYLOAD = b"To: Ann <ann.lee@example.com>\r\nSubject: Hello\r\nX-Engine-Send: %s\r\n\r\n.one dot\r\n..\r\nlast line\r\n"


def mail(number: int = 1, *, recipient: str = "ann.lee@example.com", payload: bytes | None = None) -> Message:
    key = f"00000000-0000-0000-0000-{number:012d}"
    return Message(key, "hello@example.org", recipient, f"<{key}@example.org>", "Hello", payload or PAYLOAD % key.encode())


_made: list[SmtpTransport] = []


def hang_up() -> None:
    """Close what was made for a test, also for one that broke off."""
    while _made:
        _made.pop().close()


def made(server: SmtpServer, recipients: Recipients = EVERYBODY, *, patience: Patience = QUICK, **options: Any) -> SmtpTransport:
    _made.append(SmtpTransport(server, recipients, patience=patience, **options))
    return _made[-1]


def over(server: ScriptedServer, **options: Any) -> SmtpTransport:
    return made(SmtpServer("127.0.0.1", server.port, tls=options.pop("tls", "none"), **({"connections": 1} | options)))


def drop(say: bytes = b"") -> Act:
    return Act(say, then="drop")


BYE = drop(b"421 4.3.2 shutting down\r\n")
