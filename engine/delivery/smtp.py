"""SMTP in phases of our own: MAIL, RCPT, DATA, the body, and then the final dot, which is the one step that cannot be undone.

Some providers read an idempotency key from a header of the mail: to those the send key is told, and a doubt is handed over again.

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
import time
from collections.abc import Callable
from hashlib import scrypt

from engine.delivery.conversation import Conversation, Trouble
from engine.delivery.failures import SettingsFailure
from engine.delivery.opening import LOOPBACK, SET_PASSWORD, Opening, Patience, SmtpServer
from engine.delivery.pool import Pool
from engine.delivery.recipients import Recipients
from engine.delivery.redacting import redacted
from engine.delivery.transport import Outcome, State
from engine.delivery.wire import TERMINATOR, before_the_dot, why_not_mail, with_key
from engine.failpoints import failpoint
from engine.messages.message import Message

__all__ = ["Patience", "SmtpServer", "SmtpTransport"]

_ENHANCED = re.compile(r"([245]\.\d{1,3}\.\d{1,3})\b")
_QUEUED = re.compile(r"\bqueued as ([A-Za-z0-9._-]{1,64})", re.IGNORECASE)
# RFC 4954 and RFC 3207: log in, use a stronger mechanism, encrypt first. They say nothing of the message.
_SETTINGS = frozenset({530, 534, 535, 538})


def _account(server: SmtpServer) -> str:
    """The account at a provider, in letters that say nothing of it.

    The password is part of it: at some providers every account has one user name, and the password is a key of its own. A password that was
    changed costs a doubt, another account's could cost a second mail. scrypt, so that the letters help nobody to guess it.
    """
    said = "\n".join((server.host, str(server.port), server.username or "", server.key_header)).encode()
    return scrypt((server.password or "").encode(), salt=said, n=2**14, r=8, p=1, dklen=4).hex()


class _Broken(Exception):
    """The conversation broke in a phase; what the message is by then."""

    def __init__(self, state: State, phase: str, trouble: Trouble) -> None:
        super().__init__(trouble.text)
        self.state: State = state
        self.phase = phase


class SmtpTransport:
    """A few connections, each reused from message to message and opened again when it is lost; one recipient per transaction."""

    leaves_the_house = True

    def __init__(self, server: SmtpServer, recipients: Recipients, *, patience: Patience | None = None, pause: Callable[[float], None] = time.sleep) -> None:
        self._recipients = recipients
        self._key_header = server.key_header
        self.idempotent = bool(server.key_header) and server.key_seconds > 0
        # A key is known to the account that was told it, and to nobody else: the ledger hands a doubt over again only by the same name.
        self.name = f"smtp, keys of {_account(server)}" if self.idempotent else "smtp"
        self.key_ttl_seconds = server.key_seconds if self.idempotent else 0
        self._patience = patience or Patience()
        self._secrets = tuple(secret for secret in (server.password, server.username, server.host if server.host not in LOOPBACK else None) if secret)
        self._pool = Pool(
            Opening(server, self._patience, self._calm),
            server.connections,
            pauses=self._patience.pauses,
            rest_seconds=self._patience.rest_seconds,
            pause=pause,
        )
        self.at_once = server.connections

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
            conversation = self._pool.take()
        except Trouble as trouble:
            return Outcome(message.send_key, "retry", "connect", text=self._calm(trouble.text, message))
        try:
            outcome, is_usable = self._transaction(conversation, message, commit_point)
        except _Broken as broken:
            text = self._calm(str(broken), message)
            self._pool.drop(conversation, text)
            return Outcome(message.send_key, broken.state, broken.phase, text=text)
        except BaseException:
            # Whether the server waits for a dot that must not come, or thinks about one: only hanging up ends it.
            self._pool.discard(conversation)
            raise
        if is_usable:
            self._pool.give_back(conversation)
        else:
            self._pool.drop(conversation, f"it answered {outcome.code} {outcome.text}")
        return outcome

    def break_off(self) -> None:
        """Hang up on all that is under way: a message whose dot is said is unknown then, and every other one was not accepted."""
        self._pool.break_off()

    def close(self) -> None:
        """Say QUIT and hang up; whatever the server makes of it, nothing is in doubt any more."""
        self._pool.close()

    # --- one message ---------------------------------------------------------------------------------------------

    def _transaction(self, conversation: Conversation, message: Message, commit_point: Callable[[str], None]) -> tuple[Outcome, bool]:
        """What became of the message, and whether the conversation may go on."""
        payload = with_key(message.payload, self._key_header, message.send_key) if self.idempotent else message.payload
        body = before_the_dot(payload)
        size = len(body) + len(TERMINATOR)
        limit = conversation.esmtp_features.get("size", "")
        if limit.isdigit() and 0 < int(limit) < size:
            return Outcome(message.send_key, "failed", "message", text=f"E606: the message has {size} bytes, and the server takes {limit}"), True
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
            raise _Broken("retry", phase, trouble) from None
        commit_point(message.send_key)
        failpoint("FP8")
        try:
            conversation.expect_silence()
        except Trouble as trouble:
            raise _Broken("retry", "body", trouble) from None
        return self._dot(conversation, message)

    def _dot(self, conversation: Conversation, message: Message) -> tuple[Outcome, bool]:
        conversation.reply_seconds = self._patience.dot_seconds
        try:
            conversation.send(TERMINATOR)
            failpoint("FP9")
            code, text = conversation.getreply()
        except Trouble as trouble:
            raise _Broken("unknown", "dot", trouble) from None
        finally:
            conversation.reply_seconds = self._patience.command_seconds
        failpoint("FP10")
        return self._answered(message, "dot", code, text)

    def _answered(self, message: Message, phase: str, code: int, raw: bytes) -> tuple[Outcome, bool]:
        """The outcome of a reply that is not the way on to the next phase, and whether the conversation may go on."""
        text = self._calm(raw, message)
        kind = code // 100
        if code in _SETTINGS and phase != "dot":
            raise SettingsFailure(f"the mail server refuses to work for us ({code} {text})", help=SET_PASSWORD)
        state: State
        if kind == 4:
            state = "retry"
        elif kind == 5:
            state = "failed"
        elif phase == "dot":
            state = "sent" if kind == 2 else "unknown"
        else:
            state = "retry"
        # With 421 it is closing; with a reply of another kind it has lost the thread, and the next message gets a new connection.
        is_usable = code != 421 and (kind in (4, 5) or (kind == 2 and phase == "dot"))
        decoded = raw.decode("utf-8", "replace")
        enhanced, queued = _ENHANCED.match(decoded), _QUEUED.search(decoded) if state == "sent" else None
        return Outcome(message.send_key, state, phase, code, enhanced[1] if enhanced else "", text, queued[1] if queued else ""), is_usable

    def _calm(self, raw: bytes | str, message: Message | None = None) -> str:
        text = raw.decode("utf-8", "replace") if isinstance(raw, bytes) else raw
        return redacted(text, addresses=(message.recipient, message.sender) if message else (), secrets=self._secrets)
