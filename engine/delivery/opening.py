"""Opening a conversation with a mail server: the greeting, TLS where it is asked for, and AUTH. Never plain instead.

What tells of the set-up (no TLS, a wrong certificate or password) raises `SettingsFailure`; all else that goes wrong is `Trouble`.
"""

from __future__ import annotations

import smtplib
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

from engine.delivery.conversation import Conversation, Trouble
from engine.delivery.failures import SettingsFailure

SET_HOST = "set `transport: {smtp: {host: …}}` of this environment in engine.yaml"
SET_PASSWORD = "look at `username:` in engine.yaml and at the environment variable that `password:` names; every send stays planned"
SET_TLS = "look at `tls:`, `port:` and `ca_file:` in engine.yaml (587 with `starttls`, 465 with `tls`); nothing was sent"
LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
# Servers limit how many connections one client has; a well-known one gives three.
CONNECTIONS = 3


@dataclass(frozen=True, slots=True)
class SmtpServer:
    """Where to and how. `password` is in no repr; `ca_file` trusts one more authority; `connections` is the most at a time.

    `key_header` is where a provider that takes a repeated key as one mail reads it, and `key_seconds` how long it promises to know one.
    """

    host: str
    port: int = 587
    tls: Literal["starttls", "tls", "none"] = "starttls"
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    ca_file: str | None = None
    connections: int = CONNECTIONS
    key_header: str = ""
    key_seconds: int = 0


@dataclass(frozen=True, slots=True)
class Patience:
    """How long to wait (RFC 5321 4.5.3.2), and when a server counts as dead: `pauses` lie between failures in a row,
    one failure more than there are pauses opens the breaker, and after `rest_seconds` it lets one connection try again."""

    connect_seconds: float = 60
    command_seconds: float = 300
    dot_seconds: float = 600
    pauses: tuple[float, ...] = (1, 2, 4, 8)
    rest_seconds: float = 60


class Opening:
    """Makes conversations with one server, each ready for MAIL. `calm` redacts what the server said."""

    def __init__(self, server: SmtpServer, patience: Patience, calm: Callable[[bytes | str], str]) -> None:
        self._server = server
        self._patience = patience
        self._calm = calm
        if not server.host.strip():
            raise SettingsFailure("no host is given for SMTP", help=SET_HOST)
        if server.username and not server.password:
            raise SettingsFailure("a user name is given for SMTP, and no password", help=SET_PASSWORD)
        if server.username and server.tls == "none" and server.host not in LOOPBACK:
            raise SettingsFailure("with `tls: none` the password would cross the network in plain", help=SET_TLS)
        self._tls = _tls_context(server) if server.tls != "none" else None

    def __call__(self) -> Conversation:
        server, patience = self._server, self._patience
        try:
            conversation = Conversation(server.host, server.port, connect_seconds=patience.connect_seconds, reply_seconds=patience.command_seconds)
        except UnicodeError:
            # A name such as `.example.com`, which cannot be asked for.
            raise SettingsFailure("the name of the mail server is the name of no host", help=SET_HOST) from None
        try:
            if server.tls == "tls":
                self._encrypt(conversation)
            self._must_be(conversation.getreply(), 220, "greets with")
            self._must_be(conversation.ehlo(), 250, "answers EHLO with")
            if server.tls == "starttls":
                if not conversation.has_extn("starttls"):
                    raise SettingsFailure("the mail server does not offer STARTTLS, and nothing is sent in plain", help=SET_TLS)
                code, text = conversation.ask("STARTTLS")
                if code // 100 == 5:
                    raise SettingsFailure(f"the mail server refuses STARTTLS ({code} {self._calm(text)})", help=SET_TLS)
                self._must_be((code, text), 220, "answers STARTTLS with")
                self._encrypt(conversation)
                self._must_be(conversation.ehlo(), 250, "answers EHLO with")
            if server.username:
                self._log_in(conversation, server.username, server.password or "")
        except BaseException:
            conversation.close()
            raise
        return conversation

    def _encrypt(self, conversation: Conversation) -> None:
        if self._tls is None:
            raise SettingsFailure("no TLS is set up", help=SET_TLS)
        try:
            conversation.encrypt(self._tls)
        except ssl.SSLCertVerificationError as error:
            raise SettingsFailure(f"the mail server's certificate does not hold: {self._calm(error.verify_message)}", help=SET_TLS) from None

    def _log_in(self, conversation: Conversation, username: str, password: str) -> None:
        """AUTH by one mechanism. A password that is refused is not tried by another one: that would only lock the account."""
        conversation.user, conversation.password = username, password
        ways: dict[str, Any] = {"PLAIN": conversation.auth_plain, "LOGIN": conversation.auth_login, "CRAM-MD5": conversation.auth_cram_md5}
        offered = conversation.esmtp_features.get("auth", "").upper().split()
        for mechanism, way in ways.items():
            if mechanism not in offered:
                continue
            try:
                conversation.auth(mechanism, way)
                return
            except smtplib.SMTPAuthenticationError as error:
                if error.smtp_code == 504:
                    continue
                text = self._calm(error.smtp_error)
                if error.smtp_code // 100 == 4:
                    raise Trouble("lost", f"the mail server cannot check the password now ({error.smtp_code} {text})") from None
                raise SettingsFailure(f"the mail server does not accept user name and password ({error.smtp_code} {text})", help=SET_PASSWORD) from None
            except (smtplib.SMTPException, ValueError):
                # The text is not repeated: it may hold the password.
                raise SettingsFailure("user name and password cannot be said in the way that the mail server asks for", help=SET_PASSWORD) from None
        raise SettingsFailure("the mail server offers no way to log in that is known here (PLAIN, LOGIN, CRAM-MD5)", help=SET_TLS)

    def _must_be(self, reply: tuple[int, bytes], wanted: int, does: str) -> None:
        code, text = reply
        if code != wanted:
            raise Trouble("lost", f"the server {does} {code} {self._calm(text)}")


def _tls_context(server: SmtpServer) -> ssl.SSLContext:
    """Certificates and host names are checked, TLS 1.2 is the least; `ca_file` is trusted beside the system's authorities."""
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if server.ca_file:
        try:
            context.load_verify_locations(cafile=server.ca_file)
        except (OSError, ssl.SSLError):
            raise SettingsFailure("the file of `ca_file:` cannot be read as certificates", help=SET_TLS) from None
    return context
