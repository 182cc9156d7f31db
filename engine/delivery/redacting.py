"""Texts that other machines wrote, made fit for a ledger and a log: one calm line without an address or a secret."""

from __future__ import annotations

import re
from collections.abc import Iterable

LONGEST_TEXT = 200
_ADDRESS = re.compile(r"[^\s<>()\[\],;:\"']+(?:@|%40)[^\s<>()\[\],;:\"']+", re.IGNORECASE)
# C0, C1 and the separators that some terminals and log readers take for the end of a line.
_CONTROLS = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]+")
# Shorter words would take harmless letters out of a reply; an address is masked whole in any case.
_SHORTEST_NAME = 3


def redacted(text: str, *, addresses: Iterable[str] = (), secrets: Iterable[str] = ()) -> str:
    """The text on one line without any address, without the local parts of `addresses`, and without `secrets`.

    >>> redacted("5.1.1 <ann.lee@example.com>: ann.lee unknown", addresses=["ann.lee@example.com"])
    '5.1.1 <address>: [name] unknown'
    """
    calm = _CONTROLS.sub(" ", text)
    for secret in sorted((one for one in secrets if one), key=len, reverse=True):
        calm = re.sub(re.escape(secret), "[secret]", calm, flags=re.IGNORECASE)
    calm = _ADDRESS.sub("address", calm)
    for address in addresses:
        local = address.partition("@")[0]
        if len(local) >= _SHORTEST_NAME:
            calm = re.sub(rf"(?<![\w.]){re.escape(local)}(?![\w.])", "[name]", calm, flags=re.IGNORECASE)
    calm = " ".join(calm.split())
    return calm if len(calm) <= LONGEST_TEXT else calm[: LONGEST_TEXT - 1] + "…"
