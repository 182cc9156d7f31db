"""Send keys and pseudonyms: the same for ever, in Python and in SQL."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import EngineError
from engine.ledger.keys import canonical, define_send_key, send_key
from engine.ledger.pseudonyms import Pseudonyms, make_pseudonym_key, read_pseudonyms
from tests.laws import cases

CONNECTION = duckdb.connect()
define_send_key(CONNECTION)
NASTY = st.text(alphabet=st.one_of(st.sampled_from("\"\\/'\x00\x08\x0b\x1b\x1f\x7f\u2028กำ้🎵u000B[],"), st.characters(exclude_categories=["Cs"])), max_size=12)


@cases(4)
@given(st.lists(NASTY, min_size=6, max_size=6))
def test_the_same_key_in_python_and_in_sql(parts: list[str]) -> None:
    """Quotes, control characters, Thai, emoji: one key, wherever it is made."""
    row = CONNECTION.execute("SELECT send_key(?, ?, ?, ?, ?, ?)::VARCHAR", parts).fetchone()
    assert row == (send_key(*parts),)


def test_the_key_never_changes() -> None:
    """A key of an older version would be sent again: these two are written down."""
    assert send_key("renewal", "notice-30", "contract", "17", "2026-02-04", "42") == "84c5d9e6-529c-cc53-c3b3-574abc58d393"
    assert canonical("é\u2028", "\x1b\n", "ก") == '["é\u2028","\\u001b\\n","ก"]'.encode()


def test_no_two_sends_share_a_key() -> None:
    """Where one part ends and the next begins is in it."""
    assert len({send_key("a", "b", "c", "d", "e", "f"), send_key("ab", "", "c", "d", "e", "f"), send_key("a", "b", "c", "d", "f", "e")}) == 3


def test_an_address_is_one_whatever_its_case() -> None:
    """Trimmed and in lower case (4.6); another key makes another hash."""
    one, other = Pseudonyms(b"a" * 32), Pseudonyms(b"b" * 32)
    assert one.address_key(" Ann@Example.COM\n") == one.address_key("ann@example.com")
    assert len(one.address_key("ann@example.com")) == 64
    assert one.address_key("ann@example.com") != other.address_key("ann@example.com")
    assert (len(one.of("17")), one.of("17")) == (16, one.of("17"))
    assert one.fingerprint != other.fingerprint
    assert "aaaa" not in repr(one)


def test_the_pseudonym_key_is_made_once(tmp_path: Path) -> None:
    """For its owner alone; the environment's goes first; none is an error that says what to do."""
    with pytest.raises(EngineError, match="no pseudonym key"):
        read_pseudonyms(tmp_path, None)
    path = make_pseudonym_key(tmp_path)
    text = path.read_text()
    assert make_pseudonym_key(tmp_path).read_text() == text
    assert path.stat().st_mode & 0o777 == 0o600
    assert read_pseudonyms(tmp_path, None) == read_pseudonyms(tmp_path / "elsewhere", text)
    with pytest.raises(EngineError, match="shorter"):
        read_pseudonyms(tmp_path, "short")
