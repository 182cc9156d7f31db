"""The send key: one name for one mail, the same in Python, in SQL and for ever (semantics §2, reliability.md §3.3)."""

from __future__ import annotations

import json
from hashlib import sha256
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import duckdb

KEY_VERSION = "engine/1"

# Made once: a simulation names a hundred thousand sends.
_AS_JSON = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode

# The control characters whose JSON escape has a hexadecimal letter: DuckDB writes it in upper case, RFC 8785 in lower.
_LETTERED = "\x0b\x0e\x0f\x1a\x1b\x1c\x1d\x1e\x1f"


def canonical(*texts: str) -> bytes:
    """A list of texts as RFC 8785 (JCS) writes it: no spaces, the shortest escapes, lower-case hexadecimal, UTF-8.

    >>> canonical("a", 'b"')
    b'["a","b\\\\""]'
    """
    return _AS_JSON(texts).encode("utf-8")


def send_key(sequence: str, step: str, entity: str, record: str, occurrence: str, contact: str) -> str:
    """The key of one send, a UUID as text. Template, address, environment and run are not in it.

    >>> send_key("renewal", "notice-30", "contract", "17", "2026-02-04", "42")
    '84c5d9e6-529c-cc53-c3b3-574abc58d393'
    """
    return _uuid(canonical(KEY_VERSION, sequence, step, entity, record, occurrence, contact))


def _uuid(text: bytes) -> str:
    digits = sha256(text).hexdigest()
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:32]}"


def _literal(text: str) -> str:
    return "".join(["'", text.replace("'", "''"), "'"]) if text.isprintable() else f"chr({ord(text)})"


def _canonical_text_sql(column: str) -> str:
    escaped = f"replace(replace({column}, '\\', '\\\\'), '\"', '\\\"')"
    for code in range(0x20):
        character = chr(code)
        escaped = f"replace({escaped}, chr({code}), {_literal(json.dumps(character)[1:-1])})"
    return f"'\"' || {escaped} || '\"'"


def _key_sql(*columns: str) -> str:
    quick = f"CAST(json_array({', '.join(columns)}) AS VARCHAR)"
    exact = "'[' || " + " || ',' || ".join(_canonical_text_sql(column) for column in columns) + " || ']'"
    pattern = "[" + "".join(f"\\x{ord(character):02x}" for character in _LETTERED) + "]"
    # Escaping by hand costs forty passes over the text; nearly no key needs it.
    return f"CAST(substr(sha256(CASE WHEN regexp_matches(concat({', '.join(columns)}), '{pattern}') THEN {exact} ELSE {quick} END), 1, 32) AS UUID)"


def define_send_key(connection: duckdb.DuckDBPyConnection) -> None:
    """Give the connection the macro `send_key(sequence, step, entity, record, occurrence, contact)`: a UUID, equal to `send_key` here."""
    names = ("s", "t", "e", "r", "o", "c")
    columns = [f"'{KEY_VERSION}'", *(f"CAST({name} AS VARCHAR)" for name in names)]
    connection.execute(f"CREATE OR REPLACE TEMP MACRO send_key({', '.join(names)}) AS {_key_sql(*columns)}")
