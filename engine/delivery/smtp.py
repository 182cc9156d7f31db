"""SMTP in phases of our own: MAIL, RCPT, DATA, the body, and then the final dot, which is the one step that cannot be undone.

What a phase makes of an answer (reliability.md §3.4, §3.6):

=====================  ======================  ================================
answer                 up to the body          to the final dot
=====================  ======================  ================================
2yz (354 to DATA)      the next phase          sent
4yz                    retry                   retry
5yz                    failed                  failed
lost, silent, garbled  retry                   unknown
=====================  ======================  ================================

What happens after the 250 to the dot changes nothing. Answers that tell of the set-up (530, 534, 535, 538) fail no
message: they raise `SettingsFailure`, as TLS and AUTH do. Several broken connections in a row raise `ServerDown`.
"""

from __future__ import annotations

import re
import smtplib
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

from engine.delivery.conversation import Conversation, Trouble
from engine.delivery.failures import ServerDown, SettingsFailure
from engine.delivery.recipients import Recipients
from engine.delivery.redacting import redacted
from engine.delivery.transport import Outcome, State
from engine.delivery.wire import TERMINATOR, before_the_dot, why_not_mail
from engine.failpoints import failpoint
from engine.messages.message import Message

_ENHANCED = re.compile(r"([245]\.\d{1,3}\.\d{1,3})\b")
_QUEUED = re.compile(r"\bqueued as ([A-Za-z0-9._-]{1,64})", re.IGNORECASE)
# RFC 4954 and RFC 3207: log in, use a stronger mechanism, encrypt first. They say nothing of the message.
_SETTINGS = frozenset({530, 534, 535, 538})
_SET_HOST = "set `transport: {smtp: {host: …}}` of this environment in engine.yaml"
_SET_PASSWORD = "look at `username:` in engine.yaml and at the environment variable that `password:` names; every send stays planned"
_SET_TLS = "look at `tls:`, `port:` and `ca_file:` in engine.yaml (587 with `starttls`, 465 with `tls`); nothing was sent"
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


@dataclass(frozen=True, slots=True)
class SmtpServer:
    """Where to and how. `password` is in no repr; `ca_file` trusts one more authority."""

    host: str
    port: int = 587
    tls: Literal["starttls", "tls", "none"] = "starttls"
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    ca_file: str | None = None


@dataclass(frozen=True, slots=True)
class Patience:
    """How long to wait (RFC 5321 4.5.3.2), and when a server counts as dead: `pauses` lie between failures in a row,
    and one failure more than there are pauses opens the breaker."""

    connect_seconds: float = 60
    command_seconds: float = 300
    dot_seconds: float = 600
    pauses: tuple[float, ...] = (1, 2, 4, 8)


class SmtpTransport:
    """One connection, reused from message to message and opened again when it is lost; one recipient per transaction."""

    name = "smtp"
    idempotent = False
    key_ttl_seconds = 0
    leaves_the_house = True

    def __init__(self, server: SmtpServer, recipients: Recipients, *, patience: Patience | None = None, pause: Callable[[float], None] = time.sleep) -> None:
        self._server = server
        self._recipients = recipients
        self._patience = patience or Patience()
        self._pause = pause
        self._open: Conversation | None = None
        self._failures_in_a_row = 0
        self._secrets = tuple(secret for secret in (server.password, server.username, server.host if server.host not in _LOOPBACK else None) if secret)
        if not server.host.strip():
            raise SettingsFailure("no host is given for SMTP", help=_SET_HOST)
        if server.username and not server.password:
            raise SettingsFailure("a user name is given for SMTP, and no password", help=_SET_PASSWORD)
        if server.username and server.tls == "none" and server.host not in _LOOPBACK:
            raise SettingsFailure("with `tls: none` the password would cross the network in plain", help=_SET_TLS)
        self._tls = _tls_context(server) if server.tls != "none" else None

    def may_write_to(self, recipient: str) -> bool:
        return self._recipients.may_write_to(recipient)

    def deliver(self, message: Message, commit_point: Callable[[str], None]) -> Outcome:
        """Hand one message over. `commit_point` is called when all but the final dot has been taken by the server."""
        if not self.may_write_to(message.recipient):
            return Outcome(message.send_key, "failed", "recipient", text="E605: this environment may not write to the address")
        message = self._recipients.addressed(message)
        reason = why_not_mail(message)
        if reason:
            return Outcome(message.send_key, "failed", "message", text=f"E606: {reason}")
        try:
            conversation = self._ready()
        except Trouble as trouble:
            return self._broken(message, "retry", "connect", trouble)
        return self._transaction(conversation, message, commit_point)

    def close(self) -> None:
        """Say QUIT and hang up; whatever the server makes of it, nothing is in doubt any more."""
        conversation, self._open = self._open, None
        if conversation is None:
            return
        conversation.reply_seconds = min(5.0, self._patience.command_seconds)
        try:
            conversation.ask("QUIT")
        except Trouble:
            pass
        finally:
            conversation.close()

    # --- one message ---------------------------------------------------------------------------------------------

    def _transaction(self, conversation: Conversation, message: Message, commit_point: Callable[[str], None]) -> Outcome:
        body = before_the_dot(message.payload)
        size = len(body) + len(TERMINATOR)
        limit = conversation.esmtp_features.get("size", "")
        if limit.isdigit() and 0 < int(limit) < size:
            return Outcome(message.send_key, "failed", "message", text=f"E606: the message has {size} bytes, and the server takes {limit}")
        declared = f" SIZE={size}" if conversation.has_extn("size") else ""
        phase = "mail"
        try:
            for phase, command, wanted in (
                ("mail", f"MAIL FROM:<{message.sender}>{declared}", 2),
                ("rcpt", f"RCPT TO:<{message.recipient}>", 2),
                ("data", "DATA", 3),
            ):
                code, text = conversation.ask(command)
                if code // 100 != wanted:
                    return self._answered(message, phase, code, text)
            phase = "body"
            conversation.send(body)
            conversation.expect_silence()
        except Trouble as trouble:
            return self._broken(message, "retry", phase, trouble)
        try:
            commit_point(message.send_key)
        except BaseException:
            # The server waits for a dot that must not come: only hanging up takes the message back.
            self._hang_up()
            raise
        failpoint("FP8")
        try:
            conversation.expect_silence()
        except Trouble as trouble:
            return self._broken(message, "retry", "body", trouble)
        return self._dot(conversation, message)

    def _dot(self, conversation: Conversation, message: Message) -> Outcome:
        conversation.reply_seconds = self._patience.dot_seconds
        try:
            conversation.send(TERMINATOR)
            failpoint("FP9")
            code, text = conversation.getreply()
        except Trouble as trouble:
            return self._broken(message, "unknown", "dot", trouble)
        finally:
            conversation.reply_seconds = self._patience.command_seconds
        failpoint("FP10")
        return self._answered(message, "dot", code, text)

    def _answered(self, message: Message, phase: str, code: int, raw: bytes) -> Outcome:
        """The outcome of a reply that is not the way on to the next phase."""
        text = self._calm(raw, message)
        kind = code // 100
        if code in _SETTINGS and phase != "dot":
            self._hang_up()
            raise SettingsFailure(f"the mail server refuses to work for us ({code} {text})", help=_SET_PASSWORD)
        state: State
        if kind == 4:
            state = "retry"
        elif kind == 5:
            state = "failed"
        elif phase == "dot":
            state = "sent" if kind == 2 else "unknown"
        else:
            state = "retry"
        if code == 421 or kind not in (2, 4, 5) or (kind == 2 and phase != "dot"):
            # It is closing, or it has lost the thread: the next message gets a new connection.
            self._hang_up()
            self._failures_in_a_row += 1
        else:
            self._failures_in_a_row = 0
        decoded = raw.decode("utf-8", "replace")
        enhanced, queued = _ENHANCED.match(decoded), _QUEUED.search(decoded) if state == "sent" else None
        return Outcome(message.send_key, state, phase, code, enhanced[1] if enhanced else "", text, queued[1] if queued else "")

    def _broken(self, message: Message, state: State, phase: str, trouble: Trouble) -> Outcome:
        self._hang_up()
        self._failures_in_a_row += 1
        return Outcome(message.send_key, state, phase, text=self._calm(trouble.text, message))

    # --- the connection ------------------------------------------------------------------------------------------

    def _ready(self) -> Conversation:
        """A connection with no transaction open: the one at hand if it still answers, else a new one."""
        if self._open is not None:
            try:
                if self._open.ask("RSET")[0] == 250:
                    return self._open
            except Trouble:
                pass
            # Servers close idle connections as they like; that is no failure of anything.
            self._hang_up()
        pauses = self._patience.pauses
        if self._failures_in_a_row > len(pauses):
            raise ServerDown(f"the mail server failed {self._failures_in_a_row} times in a row")
        if self._failures_in_a_row:
            self._pause(pauses[self._failures_in_a_row - 1])
        self._open = self._connect()
        return self._open

    def _connect(self) -> Conversation:
        server, patience = self._server, self._patience
        conversation = Conversation(server.host, server.port, connect_seconds=patience.connect_seconds, reply_seconds=patience.command_seconds)
        try:
            if server.tls == "tls":
                self._encrypt(conversation)
            self._must_be(conversation.getreply(), 220, "greets with")
            self._must_be(conversation.ehlo(), 250, "answers EHLO with")
            if server.tls == "starttls":
                if not conversation.has_extn("starttls"):
                    raise SettingsFailure("the mail server does not offer STARTTLS, and nothing is sent in plain", help=_SET_TLS)
                code, text = conversation.ask("STARTTLS")
                if code // 100 == 5:
                    raise SettingsFailure(f"the mail server refuses STARTTLS ({code} {self._calm(text)})", help=_SET_TLS)
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
            raise SettingsFailure("no TLS is set up", help=_SET_TLS)
        try:
            conversation.encrypt(self._tls)
        except ssl.SSLCertVerificationError as error:
            raise SettingsFailure(f"the mail server's certificate does not hold: {self._calm(error.verify_message)}", help=_SET_TLS) from None

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
                raise SettingsFailure(f"the mail server does not accept user name and password ({error.smtp_code} {text})", help=_SET_PASSWORD) from None
            except (smtplib.SMTPException, ValueError):
                # The text is not repeated: it may hold the password.
                raise SettingsFailure("user name and password cannot be said in the way that the mail server asks for", help=_SET_PASSWORD) from None
        raise SettingsFailure("the mail server offers no way to log in that is known here (PLAIN, LOGIN, CRAM-MD5)", help=_SET_TLS)

    def _must_be(self, reply: tuple[int, bytes], wanted: int, does: str) -> None:
        code, text = reply
        if code != wanted:
            raise Trouble("lost", f"the server {does} {code} {self._calm(text)}")

    def _hang_up(self) -> None:
        if self._open is not None:
            self._open.close()
            self._open = None

    def _calm(self, raw: bytes | str, message: Message | None = None) -> str:
        text = raw.decode("utf-8", "replace") if isinstance(raw, bytes) else raw
        return redacted(text, addresses=(message.recipient, message.sender) if message else (), secrets=self._secrets)


def _tls_context(server: SmtpServer) -> ssl.SSLContext:
    """Certificates and host names are checked, TLS 1.2 is the least; `ca_file` is trusted beside the system's authorities."""
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if server.ca_file:
        try:
            context.load_verify_locations(cafile=server.ca_file)
        except (OSError, ssl.SSLError):
            raise SettingsFailure("the file of `ca_file:` cannot be read as certificates", help=_SET_TLS) from None
    return context
