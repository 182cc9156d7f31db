"""One message, ready to leave: the bytes are frozen, and the envelope is given, never derived from headers."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Message:
    """A frozen mail. `send_key` is a UUID as text; `recipient` and `sender` are the envelope's; `payload` is RFC 5322 with CRLF."""

    send_key: str
    sender: str
    recipient: str
    message_id: str
    subject: str
    payload: bytes
