"""Which addresses an environment may write to (threat 28, E605)."""

from __future__ import annotations

import pytest

from engine.delivery.recipients import EVERYBODY, Recipients, is_listed
from engine.messages.message import Message

KEY = "00000000-0000-0000-0000-000000000001"


def test_without_a_list_nobody_is_written_to() -> None:
    """An environment that lists nobody writes to nobody."""
    assert not Recipients().may_write_to("ann@example.com")


@pytest.mark.parametrize(
    ("address", "pattern", "listed"),
    [
        ("ann@example.com", "ann@example.com", True),
        ("Ann@EXAMPLE.com", " ann@example.com ", True),
        ("ann@example.com", "*@example.com", True),
        ("ann@sub.example.com", "*@example.com", False),
        ("ann@sub.example.com", "*@*.example.com", True),
        ("ann@notexample.com", "*@example.com", False),
        ("ann@example.com.example.net", "*@example.com", False),
        ("ann@exampleXcom", "*@example.com", False),
        ("victim@example.org,x@example.com", "*@example.com", False),
        ("qa-17@example.org", "qa-*@example.org", True),
        ("ann@example.com", "*", True),
        ("ann@example.com", "**", False),
        ("ann@example.com", "", False),
        ("a.b@example.com", "a?b@example.com", False),
        ("ab@example.com", "[ab]*@example.com", False),
    ],
)
def test_patterns(address: str, pattern: str, listed: bool) -> None:
    """A star stands for part of one side of the @; only a single star is everybody; nothing else is special."""
    assert is_listed(address, [pattern]) is listed


def test_redirect_takes_everybody_and_names_nobody() -> None:
    """All goes to one box; To, Cc and Bcc are gone, folded lines and all, and the rest of the mail is untouched."""
    payload = (
        b"From: Shop <shop@example.org>\r\nTo: Ann\r\n <ann@example.com>\r\nCC: bob@example.com\r\nSubject: Hi\r\n\r\nTo: ann@example.com said it\r\n"
    )
    rule = Recipients((), "dev@example.net", lambda address: f"pseudonym-of-{len(address)}")
    assert rule.may_write_to("ann@example.com")
    sent = rule.addressed(Message(KEY, "shop@example.org", "ann@example.com", "<1@example.org>", "Hi", payload))
    assert sent.recipient == "dev@example.net"
    assert sent.payload == (
        b"X-Original-To: pseudonym-of-15\r\nTo: dev@example.net\r\nFrom: Shop <shop@example.org>\r\nSubject: Hi\r\n\r\nTo: ann@example.com said it\r\n"
    )


def test_without_redirect_a_message_is_untouched() -> None:
    """The frozen bytes leave as they are."""
    message = Message(KEY, "shop@example.org", "ann@example.com", "<1@example.org>", "Hi", b"To: ann@example.com\r\n\r\nx\r\n")
    assert EVERYBODY.addressed(message) is message
