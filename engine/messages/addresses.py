"""Which texts are addresses: one strict rule, as a Python function and as a regular expression for DuckDB.

Stricter than RFC 5321 on purpose: an ASCII dot-atom local part of at most 64 characters; a domain of letters, digits and
hyphens with at least one dot and a last label that begins with a letter; 254 characters in all. Quoted local parts,
comments, address literals and non-ASCII (so also internationalized domains, unless written as xn--) are not addresses
here: each of them has been read differently by two programs on the way of one mail.
"""

from __future__ import annotations

import re

_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_TOP = r"[A-Za-z](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"

# The form, for Python's `fullmatch` and for DuckDB's `regexp_full_match` (RE2) alike. RE2 has no look-ahead, so the two
# lengths stand beside it: `is_address_sql` has all three.
ADDRESS_PATTERN = rf"{_ATOM}(?:\.{_ATOM})*@(?:{_LABEL}\.)+{_TOP}"
MAX_LENGTH, MAX_LOCAL = 254, 64
# What is trimmed: the ASCII white space that people paste around an address.
WHITE = " \t\r\n\v\f"

_PATTERN = re.compile(ADDRESS_PATTERN)


def normalize(address: object) -> str | None:
    """The address without white space around it, or None when it is not one. Case is kept; keys lower it.

    >>> normalize(" Ana@Example.com ")
    'Ana@Example.com'
    >>> normalize("ana@localhost") is None
    True
    """
    if not isinstance(address, str):
        return None
    trimmed = address.strip(WHITE)
    if len(trimmed) > MAX_LENGTH or trimmed.find("@") > MAX_LOCAL or _PATTERN.fullmatch(trimmed) is None:
        return None
    return trimmed


def trimmed_sql(column: str) -> str:
    """DuckDB SQL for the text of a column without white space around it: the same as `normalize` trims.

    >>> trimmed_sql("c.email")
    "trim(c.email, ' ' || chr(9) || chr(10) || chr(11) || chr(12) || chr(13))"
    """
    return f"trim({column}, ' ' || chr(9) || chr(10) || chr(11) || chr(12) || chr(13))"


def is_address_sql(trimmed: str) -> str:
    """DuckDB SQL that is true exactly where `normalize` has an address, over an expression that is trimmed already.

    NULL where the text is NULL. The pattern is a constant of this module, so it may stand in the SQL as a literal.
    """
    pattern = ADDRESS_PATTERN.replace("'", "''")
    return f"(length({trimmed}) <= {MAX_LENGTH} and strpos({trimmed}, '@') <= {MAX_LOCAL + 1} and regexp_full_match({trimmed}, '{pattern}'))"


def split(address: str) -> tuple[str, str]:
    """Local part and domain of an address that `normalize` has passed."""
    local, _, domain = address.rpartition("@")
    return local, domain
