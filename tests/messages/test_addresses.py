"""Threat 12: one strict rule for addresses, the same in Python and in the planner's SQL."""

from __future__ import annotations

import duckdb
from email_validator import EmailNotValidError, validate_email
from hypothesis import given
from hypothesis import strategies as st

from engine.definitions.checking_project import is_address
from engine.messages.addresses import is_address_sql, normalize, trimmed_sql
from tests.laws import cases

GOOD = [
    "ana@example.com", "a@b.example", "o'brien+tag@mail.example.com", "A.B-c_d@Example.ORG", "x" * 64 + "@example.com", "a@xn--12c.example", "1@2.example",
    "!#$%&'*+/=?^_`{|}~-@example.com", "a@" + "b" * 63 + ".example", "a@a-b.example", "a@1.a1", " ana@example.com\t\r\n",
]  # fmt: skip
BAD = [
    "", " ", "n/a", "ana", "@example.com", "ana@", "ana@localhost", "ana@example", "ana@@example.com", "a@b@example.com", "ana@example..com", "ana@.example.com",
    "ana@example.com.", ".ana@example.com", "ana.@example.com", "a..b@example.com", "ana@-example.com", "ana@example-.com", "ana@exa_mple.com", "ana@192.168.1.1",
    "ana@[192.168.1.1]", '"ana b"@example.com', "ana b@example.com", "ana@exam ple.com", "Ana <ana@example.com>", "ana@example.com, bo@example.com", "ana(x)@example.com",
    "alice@x)bob@example.com", "x" * 65 + "@example.com", "a@" + "b" * 64 + ".example", "a@" + ("b" * 60 + ".") * 4 + "example.example.exam", "ana@example.123",
    "ana@example.c-", "ána@example.com", "ana@exämple.com", "ana@example.com\nbcc@example.org", "ana\x00@example.com", "ana@example.com\u2028", "\u00a0ana@example.com",
    "mailto:ana@example.com", "ana@example,com", "ana;bo@example.com", "ana@example.com;",
]  # fmt: skip


CONNECTION = duckdb.connect()


def in_sql(texts: list[str]) -> list[bool]:
    """What the planner thinks of each."""
    question = is_address_sql(trimmed_sql("t"))
    rows = CONNECTION.execute(f"SELECT {question} FROM (SELECT unnest($texts) AS t, generate_subscripts($texts, 1) AS n) ORDER BY n", {"texts": texts}).fetchall()
    return [row[0] for row in rows]


def test_good_and_bad_ones_are_told_apart_in_both() -> None:
    """The list, in Python and in SQL."""
    assert [text for text in GOOD if normalize(text) is None] == []
    assert [text for text in BAD if normalize(text) is not None] == []
    assert in_sql([*GOOD, *BAD]) == [True] * len(GOOD) + [False] * len(BAD)


_PIECES = st.sampled_from(
    ["a", "Z", "9", ".", "-", "@", "example", "com", "xn--", "'", "+", "_", " ", "\t", "\n", "\x00", "\u00a0", "é", '"', "(", ")", ",", "b" * 63, "c" * 60]
)
_NEAR = st.lists(_PIECES, max_size=12).map("".join) | st.tuples(st.lists(_PIECES, max_size=4).map("".join), st.lists(_PIECES, max_size=6).map("".join)).map(
    "@".join
)


@cases(2)
@given(st.lists(st.text(max_size=20) | _NEAR, min_size=1, max_size=20))
def test_python_and_sql_never_differ(texts: list[str]) -> None:
    """Over random text and over text that is nearly an address."""
    texts = [text.encode("utf-8", "ignore").decode() for text in texts]
    assert in_sql(texts) == [normalize(text) is not None for text in texts]


@cases(2)
@given(st.lists(st.sampled_from([*GOOD, *BAD]) | _NEAR, min_size=1, max_size=20))
def test_what_engine_yaml_takes_for_an_address_is_what_a_head_takes(texts: list[str]) -> None:
    """A sender that `validate` lets pass can be the sender of a mail."""
    assert [is_address(text) for text in texts] == [normalize(text) == text for text in texts]


@cases(8)
@given(_NEAR)
def test_ours_is_stricter_than_the_library(text: str) -> None:
    """What we take, email-validator takes too (but for names that it reserves)."""
    address = normalize(text)
    if address is None:
        return
    try:
        validate_email(address, check_deliverability=False, test_environment=True)
    except EmailNotValidError as error:
        assert (
            "special-use" in str(error) or "IDNA" in str(error) or "xn--" in address.lower() or "--" in address or "internationalized" in str(error).lower()
        ), (address, error)
