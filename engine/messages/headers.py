"""Header fields as bytes: nothing that comes from the CRM can end a line, add a field, or name a second recipient."""

from __future__ import annotations

import re
from email.header import Header
from functools import lru_cache

from engine.messages.addresses import normalize

# C0, DEL, C1, and the two Unicode line separators: what some program on the way takes for the end of a line.
SEPARATORS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
MAX_NAME, MAX_SUBJECT = 200, 500
_PLAIN_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~ -]+")
_ASCII = re.compile(r"[\x20-\x7e]*")


class HeaderRefused(Exception):
    """A header field has a character that could end it, or is no address. `field` names it."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field, self.message = field, message


def one_line(field: str, value: str) -> str:
    """The value without white space around it. Raises HeaderRefused when a separator is in it."""
    value = value.strip(" \t\r\n\u00a0")
    if SEPARATORS.search(value):
        raise HeaderRefused(field, f"the {field} has a line break or a control character in it")
    return value


def encode_text(field: str, value: str) -> bytes:
    """Unstructured text, as RFC 2047 words where it is not ASCII.

    >>> encode_text("Subject", "Hello")
    b'Hello'
    """
    value = one_line(field, value).replace("\u00a0", " ").replace("\u202f", " ")
    if len(value) > MAX_SUBJECT:
        value = value[: MAX_SUBJECT - 1].rstrip() + "…"
    if _ASCII.fullmatch(value) and "=?" not in value:
        return value.encode("ascii")
    return _words(value, len(field) + 2)


@lru_cache(maxsize=65536)
def _words(value: str, used: int) -> bytes:
    words: str = Header(value, "utf-8", maxlinelen=76, header_name="x" * max(used - 2, 1)).encode(linesep="\r\n")
    return words.encode("ascii")


@lru_cache(maxsize=65536)
def mailbox(field: str, name: str, address: str) -> bytes:
    """One mailbox: a display name that can only be a name, and one address. Raises HeaderRefused.

    >>> mailbox("To", 'Bob, v@victim.example', "u@example.com")
    b'"Bob, v@victim.example" <u@example.com>'
    """
    if SEPARATORS.search(address) or normalize(address) != address:
        raise HeaderRefused(field, f"the {field} is not an address")
    name = one_line(field, name)[:MAX_NAME].strip()
    if not name:
        return address.encode("ascii")
    if _PLAIN_NAME.fullmatch(name) and "=?" not in name:
        shown = name.encode("ascii")
    elif _ASCII.fullmatch(name) and "=?" not in name:
        shown = b'"' + name.replace("\\", "\\\\").replace('"', '\\"').encode("ascii") + b'"'
    else:
        shown = _words(name, len(field) + 2)
    return shown + b" <" + address.encode("ascii") + b">"


def link(field: str, url: str) -> bytes:
    """An https link in angle brackets (RFC 2369, 8058). Raises HeaderRefused."""
    if not re.fullmatch(r"https://[\x21-\x3b\x3d\x3f-\x7e]{1,800}", url):
        raise HeaderRefused(field, f"the {field} is not one https link")
    return b"<" + url.encode("ascii") + b">"
