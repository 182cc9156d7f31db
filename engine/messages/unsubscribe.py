"""Unsubscribe links: a token that names a send and an address by their keys, signed, without anything personal in it.

A token never expires (the law asks for weeks, and old mails are opened for years). Keys rotate: the newest signs, every
known one verifies.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256

_PURPOSE = b"engine/unsubscribe/1\x00"
_VERSION = b"\x01"
_LENGTH = 1 + 4 + 16 + 32 + 32


@dataclass(frozen=True, slots=True)
class Unsubscribe:
    """What a link says: which send it was in, and the keyed hash of the address that it went to."""

    send_key: str
    address_key: str


def _key_id(key: bytes) -> bytes:
    return sha256(b"engine/key-id\x00" + key).digest()[:4]


def _signature(key: bytes, body: bytes) -> bytes:
    return hmac.new(key, _PURPOSE + body, sha256).digest()


def make_token(key: bytes, *, send_key: str, address_key: str) -> str:
    """The token for one mail, safe in a URL. `send_key` is a UUID, `address_key` 64 hex digits.

    >>> make_token(b"k" * 32, send_key="6d0f7d63-2f4f-5f0e-9d6e-0d2f7a4b1c22", address_key="ab" * 32)[:12]
    'AaaILOFtD31j'
    """
    body = _VERSION + _key_id(key) + uuid.UUID(send_key).bytes + bytes.fromhex(address_key)
    return base64.urlsafe_b64encode(body + _signature(key, body)).rstrip(b"=").decode("ascii")


def read_token(token: str, keys: Sequence[bytes]) -> Unsubscribe | None:
    """What a token says, or None when no key signed it. `keys` has the newest first."""
    if not token.isascii() or len(token) > 200:
        return None
    try:
        raw = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return None
    # Base64 has several spellings of one value; only ours counts.
    if len(raw) != _LENGTH or raw[:1] != _VERSION or base64.urlsafe_b64encode(raw).rstrip(b"=").decode("ascii") != token:
        return None
    body, signature = raw[:-32], raw[-32:]
    for key in keys:
        if hmac.compare_digest(body[1:5], _key_id(key)) and hmac.compare_digest(signature, _signature(key, body)):
            return Unsubscribe(str(uuid.UUID(bytes=body[5:21])), body[21:53].hex())
    return None


def link_of(pattern: str, token: str) -> str:
    """The link: the project's `links.unsubscribe` with its `{token}` filled."""
    return pattern.replace("{token}", token)
