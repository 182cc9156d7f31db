"""Keyed hashes: an address as the ledger knows it, a record as a plan shows it. The key lies outside the ledger."""

from __future__ import annotations

import base64
import hmac
import os
import secrets
from dataclasses import dataclass
from pathlib import Path

from engine.errors import EngineError

KEY_FILE = "pseudonym.key"


@dataclass(frozen=True)
class Pseudonyms:
    """Makes address keys and pseudonyms. Another key makes others: suppressions would no longer be found, so a ledger
    remembers `fingerprint` and refuses another."""

    key: bytes

    def __repr__(self) -> str:
        return f"Pseudonyms(fingerprint={self.fingerprint!r})"

    def address_key(self, address: str) -> str:
        """The address, trimmed and in lower case, as 64 hex digits.

        >>> p = Pseudonyms(b"k"); p.address_key(" Ann@Example.com ") == p.address_key("ann@example.com")
        True
        """
        return self._hash(address.strip().lower())

    def of(self, text: str) -> str:
        """A record's key as a plan shows it: 16 hex digits."""
        return self._hash(text)[:16]

    def sealed(self, text: str) -> str:
        """The text as a token that says nothing to whoever has not the key; the same text gives the same token.

        >>> p = Pseudonyms(b"k"); p.opened(p.sealed("12")), p.opened("nonsense")
        ('12', None)
        """
        raw = text.encode("utf-8")
        tag = hmac.digest(self.key, b"\0seal" + raw, "sha256")[:12]
        return base64.urlsafe_b64encode(tag + self._masked(tag, raw)).decode("ascii").rstrip("=")

    def opened(self, token: str) -> str | None:
        """The text behind a token of `sealed`; None for anything else."""
        try:
            raw = base64.b64decode(token + "=" * (-len(token) % 4), b"-_", validate=True)
            text = self._masked(raw[:12], raw[12:]).decode("utf-8")
        except ValueError:
            return None
        return text if hmac.compare_digest(self.sealed(text), token) else None

    def _masked(self, tag: bytes, raw: bytes) -> bytes:
        # A key stream that depends on the text itself: no two texts share one.
        stream = b"".join(hmac.digest(self.key, b"\0stream" + tag + piece.to_bytes(4, "big"), "sha256") for piece in range(len(raw) // 32 + 1))
        return bytes(one ^ other for one, other in zip(raw, stream, strict=False))

    @property
    def fingerprint(self) -> str:
        """Tells two keys apart and gives neither away."""
        return self._hash("\0fingerprint")[:16]

    def _hash(self, text: str) -> str:
        return hmac.digest(self.key, text.encode("utf-8"), "sha256").hex()


def make_pseudonym_key(state: Path) -> Path:
    """Make `state/pseudonym.key`, readable by its owner alone. One that is there is left as it is."""
    path = state / KEY_FILE
    state.mkdir(parents=True, exist_ok=True)
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return path
    with os.fdopen(handle, "w", encoding="ascii") as file:
        file.write(secrets.token_hex(32) + "\n")
        file.flush()
        os.fsync(file.fileno())
    return path


def read_pseudonyms(state: Path, from_environment: str | None) -> Pseudonyms:
    """The key of ENGINE_PSEUDONYM_KEY (its value is passed in), else that of `state/pseudonym.key`."""
    text = (from_environment or "").strip()
    if not text:
        path = state / KEY_FILE
        try:
            text = path.read_text(encoding="utf-8").strip()
        except OSError as error:
            raise EngineError(
                f"there is no pseudonym key: ENGINE_PSEUDONYM_KEY is not set and {path} cannot be read",
                help="set ENGINE_PSEUDONYM_KEY to the key that this project was begun with; a new project gets one by `engine init` or `engine state create`",
            ) from error
    if len(text) < 16:
        raise EngineError("the pseudonym key is shorter than 16 characters", help="use the key that `engine init` made, or 64 hex digits")
    return Pseudonyms(text.encode("utf-8"))
