"""What a provider promises of keys that come again."""

from __future__ import annotations

import re

from pydantic import field_validator
from pydantic_core import PydanticCustomError

from engine.clock import Duration
from engine.definitions.base import DurationField, Model, Text

# A window shorter than its margin of two minutes is none.
SHORTEST_WINDOW_SECONDS = 300
_HEADER = re.compile(r"[A-Za-z][A-Za-z0-9-]{0,75}")
# These say something else to whoever reads the mail.
_OURS = re.compile(
    r"(?i)(from|to|cc|bcc|sender|reply-to|subject|date|message-id|mime-version|received|return-path|x-engine-send|(content|list|resent|arc|dkim)-.*|auto-submitted)"
)


class Idempotency(Model):
    """For a provider that takes a repeated key as one mail: the header in which its SMTP server reads the key, and how long it
    promises to know one. Its own documentation has both (Resend: `Resend-Idempotency-Key`, 24h)."""

    header: Text
    window: DurationField

    @field_validator("header")
    @classmethod
    def _is_a_header(cls, value: str) -> str:
        if not _HEADER.fullmatch(value) or _OURS.fullmatch(value):
            reason = f"`{value}` cannot be the header of a key; write the one in which the provider reads it, such as Resend-Idempotency-Key"
            raise PydanticCustomError("name", "{reason}", {"reason": reason})
        return value

    @field_validator("window")
    @classmethod
    def _is_exact(cls, value: Duration) -> Duration:
        if not value.exact or _seconds(value) < SHORTEST_WINDOW_SECONDS:
            reason = f"`{value}` is no time for which a provider promises to know a key; write hours or minutes, at least 5min, such as 24h"
            raise PydanticCustomError("duration", "{reason}", {"reason": reason})
        return value

    @property
    def seconds(self) -> int:
        return _seconds(self.window)


def _seconds(exact: Duration) -> int:
    return exact.count * (3600 if exact.unit == "h" else 60)
