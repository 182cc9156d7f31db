"""The bytes of a message as SMTP wants them, and the reasons for which they are refused before any server sees them."""

from __future__ import annotations

import re

from engine.messages.addresses import normalize
from engine.messages.message import Message

LONGEST_LINE = 998
TERMINATOR = b"\r\n.\r\n"
_BARE = re.compile(rb"(?<!\r)\n|\r(?!\n)")
_NOT_MAIL = re.compile(rb"[\x00\x80-\xff]")


def is_envelope_address(text: str) -> bool:
    """Whether the text is exactly one plain address: nothing before, between or after.

    >>> is_envelope_address("ann@example.com"), is_envelope_address("ann@example.com> SIZE=1"), is_envelope_address("a@x.example,b@x.example")
    (True, False, False)
    """
    return normalize(text) == text


def why_not_mail(message: Message) -> str:
    """Why these bytes and this envelope cannot be handed to any server, or an empty text when they can."""
    if not is_envelope_address(message.recipient):
        return "the recipient is not one plain address"
    if not is_envelope_address(message.sender):
        return "the sender is not one plain address"
    if _BARE.search(message.payload):
        return "the message holds a bare CR or LF"
    if _NOT_MAIL.search(message.payload):
        return "the message holds bytes beyond ASCII, or a NUL"
    if max(map(len, message.payload.split(b"\r\n"))) > LONGEST_LINE:
        return f"the message holds a line of more than {LONGEST_LINE} bytes"
    return ""


def before_the_dot(payload: bytes) -> bytes:
    r"""The payload with its dots stuffed and without its last CRLF, which the terminator brings.

    >>> before_the_dot(b".a\r\n..\r\nb\r\n") + TERMINATOR
    b'..a\r\n...\r\nb\r\n.\r\n'
    """
    stuffed = payload.replace(b"\r\n.", b"\r\n..")
    if stuffed.startswith(b"."):
        stuffed = b"." + stuffed
    return stuffed.removesuffix(b"\r\n")


def with_key(payload: bytes, header: str, send_key: str) -> bytes:
    r"""The mail with the key by which its provider knows it again.

    >>> with_key(b"To: ann@example.com\r\n\r\nHello\r\n", "Resend-Idempotency-Key", "68b2aa1f-7dbc-98d1-b5d7-2f6bcd8c5ba1")
    b'Resend-Idempotency-Key: 68b2aa1f-7dbc-98d1-b5d7-2f6bcd8c5ba1\r\nTo: ann@example.com\r\n\r\nHello\r\n'
    """
    return f"{header}: {send_key}\r\n".encode("ascii") + payload


def readdressed(payload: bytes, to: str, original: str) -> bytes:
    """The same mail for another box: To names the box, X-Original-To the pseudonym of whom it was for; Cc and Bcc go.

    >>> readdressed(b"To: Ann\\r\\n <ann@example.com>\\r\\nSubject: Hi\\r\\n\\r\\nHello\\r\\n", "dev@example.org", "1f00")
    b'X-Original-To: 1f00\\r\\nTo: dev@example.org\\r\\nSubject: Hi\\r\\n\\r\\nHello\\r\\n'
    """
    head, blank, body = payload.partition(b"\r\n\r\n")
    fields = re.split(rb"\r\n(?![ \t])", head)
    kept = [field for field in fields if field.partition(b":")[0].strip().lower() not in (b"to", b"cc", b"bcc", b"x-original-to")]
    return b"\r\n".join([b"X-Original-To: " + original.encode("ascii"), b"To: " + to.encode("ascii"), *kept]) + blank + body
