"""When a message that was not accepted may be tried again: later each time, and never all of them at once."""

from __future__ import annotations

from datetime import timedelta
from hashlib import sha256

FIRST, FACTOR, LONGEST = timedelta(seconds=10), 3.0, timedelta(hours=1)


def backoff(send_key: str, attempts: int) -> timedelta:
    """How long to wait after this many attempts: about 10 s, 30 s, 90 s, 270 s, … and at most an hour, between a half and
    one and a half of that by the send key. The same key and count always give the same time.

    >>> backoff("68b2aa1f-7dbc-98d1-b5d7-2f6bcd8c5ba1", 1) == backoff("68b2aa1f-7dbc-98d1-b5d7-2f6bcd8c5ba1", 1)
    True
    >>> timedelta(seconds=5) <= backoff("68b2aa1f-7dbc-98d1-b5d7-2f6bcd8c5ba1", 1) < timedelta(seconds=15)
    True
    """
    # The power is bounded before it is taken: attempts come from a row.
    plain = min(FIRST * FACTOR ** min(max(attempts, 1) - 1, 12), LONGEST)
    share = int.from_bytes(sha256(f"{send_key}:{attempts}".encode()).digest()[:4], "big") / 2**32
    return plain * (0.5 + share)
