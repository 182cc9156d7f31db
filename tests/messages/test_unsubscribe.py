"""Threat 24: a token cannot be guessed or changed, holds nothing personal, and outlives its key's turn."""

from __future__ import annotations

import base64
import random

from engine.messages.unsubscribe import Unsubscribe, link_of, make_token, read_token

SEND, ADDRESS = "6d0f7d63-2f4f-5f0e-9d6e-0d2f7a4b1c22", "ab" * 32
OLD, NEW = b"o" * 32, b"n" * 32


def test_a_token_reads_back_with_every_known_key() -> None:
    """The newest key signs; an older one still verifies; an unknown one does not."""
    token = make_token(OLD, send_key=SEND, address_key=ADDRESS)
    assert read_token(token, [NEW, OLD]) == Unsubscribe(SEND, ADDRESS)
    assert read_token(token, [NEW]) is None and read_token(token, []) is None


def test_a_changed_token_is_no_token() -> None:
    """Each character, a character more, a character less, another spelling of the same bytes."""
    token = make_token(NEW, send_key=SEND, address_key=ADDRESS)
    for index, character in enumerate(token):
        assert read_token(token[:index] + ("A" if character != "A" else "B") + token[index + 1 :], [NEW]) is None
    for other in (token + "A", token[:-1], token + "=", " " + token, token + "\n", "", "é", "x" * 500):
        assert read_token(other, [NEW]) is None


def test_random_tokens_never_hit() -> None:
    """Of the right length and version."""
    chance = random.Random(1)
    length = len(base64.urlsafe_b64decode(make_token(NEW, send_key=SEND, address_key=ADDRESS) + "=="))
    for _ in range(5_000):
        guess = base64.urlsafe_b64encode(b"\x01" + chance.randbytes(length - 1)).rstrip(b"=").decode()
        assert read_token(guess, [NEW]) is None


def test_the_link_is_one_url() -> None:
    """Safe in a header and in HTML as it is."""
    link = link_of("https://mail.example.com/u/{token}", make_token(NEW, send_key=SEND, address_key=ADDRESS))
    assert link.startswith("https://mail.example.com/u/A") and link.isascii() and not set(link) & set("<>\"' &{}")
