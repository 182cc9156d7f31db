"""A frozen message read back for a person's eyes: the few headers that matter, and its two bodies."""

from __future__ import annotations

import re
from dataclasses import dataclass
from email import message_from_bytes, policy
from email.header import decode_header, make_header
from email.message import EmailMessage

# Everything that moves a cursor, changes a color or turns the direction of a line; newline and tab stay.
_UNPRINTABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")


@dataclass(frozen=True, slots=True)
class Letter:
    """What a mail says, decoded. `html` and `text` are empty where the mail has no such part; `step` is `sequence/step` if it says so."""

    subject: str
    sender: str
    to: str
    date: str
    step: str
    html: str
    text: str


def read_letter(payload: bytes) -> Letter:
    """Read what was frozen. A mail that cannot be decoded is shown as far as it can be."""
    mail = message_from_bytes(payload, policy=policy.default)
    html, text = mail.get_body(("html",)), mail.get_body(("plain",))
    when = mail["date"].datetime if mail["date"] is not None else None
    names = [name for name in (_header(mail, "X-Engine-Sequence"), _header(mail, "X-Engine-Step")) if name]
    return Letter(
        subject=_header(mail, "Subject"),
        sender=_unquoted(_header(mail, "From")),
        to=_unquoted(_header(mail, "To")),
        date=when.strftime("%Y-%m-%d %H:%M %z").strip() if when else "",
        step="/".join(names),
        html=_content(html),
        text=_content(text),
    )


def calm(text: str) -> str:
    """The text without anything that a terminal would obey."""
    return _UNPRINTABLE.sub("", text.replace("\r\n", "\n").replace("\r", "\n"))


def _header(mail: EmailMessage, name: str) -> str:
    """A header's value without its encoding. Between two encoded words the white space is none (RFC 2047, 6.2), which the
    parser of addresses forgets: a long Thai name would be shown with a gap."""
    written = next((str(value) for key, value in mail.raw_items() if key.lower() == name.lower()), "")
    unfolded = re.sub(r"\r?\n(?=[ \t])", "", written)
    try:
        return calm(str(make_header(decode_header(unfolded)))).strip()
    except (LookupError, ValueError):
        return calm(unfolded).strip()


def _unquoted(box: str) -> str:
    """A name without quotes that it does not need (RFC 5322, 3.2.3): no comma, bracket or the like is in it."""
    return re.sub(r'^"([^"\\\\()<>\[\]:;@,.]*)"(?= <)', r"\1", box)


def _content(part: object) -> str:
    if not isinstance(part, EmailMessage):
        return ""
    try:
        content = part.get_content()
    except (LookupError, ValueError):
        return ""
    return content if isinstance(content, str) else ""
