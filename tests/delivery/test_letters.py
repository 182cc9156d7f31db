"""A frozen message read back: what a person sees is what was meant."""

from __future__ import annotations

from engine.delivery.letters import read_letter
from engine.messages.headers import mailbox


def test_a_long_thai_name_has_no_gap() -> None:
    """RFC 2047, 6.2: the white space between two encoded words of one name is not shown."""
    name = "เบญจมาศ บุญประเสริฐวงศ์ไพบูลย์ กาญจนาภิเษก"
    header = mailbox("To", name, "b@example.com")
    assert header.count(b"=?utf-8?") > 1
    assert read_letter(b"To: " + header + b"\r\n\r\nhello\r\n").to == f"{name} <b@example.com>"


def test_a_header_that_nobody_can_decode_is_shown_as_it_is() -> None:
    """A letter is always shown, as far as it can be."""
    letter = read_letter(b"To: \"Doe, Jane\" <j@example.com>\r\nSubject: a very\r\n long one =?x-nope?b?YQ==?=\r\n\r\nhello\r\n")
    assert (letter.to, letter.subject) == ('"Doe, Jane" <j@example.com>', "a very long one =?x-nope?b?YQ==?=")
