"""A plain mail from the engine to those who look after it: no template, no reader of a campaign."""

from __future__ import annotations

import html
from datetime import UTC, datetime
from email.utils import format_datetime

from engine.definitions.project import Sender
from engine.messages import headers
from engine.messages.addresses import normalize, split
from engine.messages.message import Message
from engine.messages.skeleton import Frame, Skeleton

_PAGE = '<!doctype html><html lang="en"><meta charset="utf-8"><body><pre style="font: 14px/1.5 ui-monospace, monospace; white-space: pre-wrap">{}</pre></body></html>'


def notice(sender: Sender, address: str, subject: str, text: str, *, key: str, at: datetime) -> Message | None:
    """The frozen mail; None where the address is not one. `key` is a UUID, `at` naive UTC: the same inputs give the same bytes."""
    to, own = normalize(address), normalize(sender.address)
    if to is None or own is None:
        return None
    frame = Skeleton(Frame(headers.mailbox("From", sender.name, own), None, None, False, "en", False))
    message_id = f"<{key}@{split(own)[1]}>"
    values = {
        "to": headers.mailbox("To", "", to),
        "subject": headers.encode_text("Subject", subject),
        "date": format_datetime(at.replace(tzinfo=UTC)).encode("ascii"),
        "message_id": message_id.encode("ascii"),
        "send_key": key.encode("ascii"),
        "boundary": b"=_" + key.encode("ascii"),
        "text": frame.part(text),
        "html": frame.part(_PAGE.format(html.escape(text))),
    }
    return Message(key, own, to, message_id, subject, frame.fill(values))
