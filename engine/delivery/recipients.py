"""Who may be written to from an environment (threat 28): a staging run over the real CRM reaches nobody outside.

The rule belongs to transports that leave the house. It is asked twice: before a row is dispatched, so that a refused
row is held and keeps its send key for the day when the list allows it (E605), and by the transport itself, which hands
nothing over that the rule refuses, whoever calls it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import lru_cache

from engine.delivery.wire import readdressed
from engine.messages.message import Message


@lru_cache(maxsize=256)
def _pattern(text: str) -> re.Pattern[str]:
    # A star never crosses the @, so `*@example.com` is one mailbox there and nothing that merely ends so.
    return re.compile("[^@]*".join(map(re.escape, text.strip().lower().split("*"))))


def is_listed(address: str, patterns: Iterable[str]) -> bool:
    """Whether one of the patterns covers the address; upper and lower case are one. `*` alone covers everybody.

    >>> is_listed("Ann@Example.com", ["*@example.com"]), is_listed("ann@example.com.example.net", ["*@example.com"])
    (True, False)
    """
    plain = address.strip().lower()
    return any(pattern.strip() == "*" or _pattern(pattern).fullmatch(plain) is not None for pattern in patterns)


def _unnamed(address: str) -> str:
    return "unnamed"


@dataclass(frozen=True)
class Recipients:
    """The rule of one environment: `allow` as in `allow_recipients:`, `redirect_to` one box for all of it.

    `pseudonym` turns the address that a redirected mail was for into its keyed hash.
    """

    allow: tuple[str, ...] = ()
    redirect_to: str | None = None
    pseudonym: Callable[[str], str] = field(default=_unnamed, compare=False)

    def may_write_to(self, address: str) -> bool:
        """True when all goes to one box anyway, or when the list covers the address."""
        return self.redirect_to is not None or is_listed(address, self.allow)

    def addressed(self, message: Message) -> Message:
        """The message as it leaves: untouched, or with the one box as envelope and To, and the original pseudonymized."""
        if self.redirect_to is None:
            return message
        return Message(
            send_key=message.send_key,
            sender=message.sender,
            recipient=self.redirect_to,
            message_id=message.message_id,
            subject=message.subject,
            payload=readdressed(message.payload, self.redirect_to, self.pseudonym(message.recipient)),
        )


EVERYBODY = Recipients(allow=("*",))
