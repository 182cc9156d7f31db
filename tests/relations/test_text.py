"""How text folds, what is blank, and how keys are ordered: DuckDB and Python agree for every character."""

from __future__ import annotations

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlglot import exp

from engine.relations.binding import Binder, sql
from engine.relations.text import fold, folded, has_no_value, key_order, simple_lower

from .reference import key_order as natural

CHARACTERS = [chr(code) for code in range(1, 0x110000) if not 0xD800 <= code < 0xE000]


def one(expression: exp.Expression, binder: Binder) -> object:
    return duckdb.execute(sql(exp.select(expression)), binder.values).fetchall()[0][0]


@pytest.fixture(scope="module")
def characters() -> duckdb.DuckDBPyConnection:
    """A table of every code point, one character a row."""
    connection = duckdb.connect()
    connection.execute("CREATE TABLE characters AS SELECT code, chr(code::INTEGER) AS c FROM range(1, 1114112) t(code) WHERE code NOT BETWEEN 55296 AND 57343")
    return connection


def test_7_2_every_character_folds_as_in_python(characters: duckdb.DuckDBPyConnection) -> None:
    """DuckDB's lower after nfc_normalize is the simple lower case of each character, for every code point alone and after a Σ."""
    column = exp.column("c", quoted=True)
    for made, expected in ((column, "{}"), (exp.Anonymous(this="CONCAT", expressions=[exp.Literal.string("AΣ"), column, exp.Literal.string("Σ")]), "AΣ{}Σ")):
        rows = characters.execute(f"SELECT c, {sql(fold(made))} FROM characters").fetchall()
        assert [character for character, lower in rows if lower != folded(expected.format(character))] == []


def test_7_3_blank_is_what_python_calls_white_space(characters: duckdb.DuckDBPyConnection) -> None:
    """A text of one character is no value exactly when Python's isspace says so: U+00A0 and U+3000 are blank, U+200B is not."""
    rows = characters.execute(f"SELECT c FROM characters WHERE {sql(has_no_value(exp.column('c', quoted=True), 'text'))}").fetchall()
    assert {character for (character,) in rows} == {character for character in CHARACTERS if character.isspace()}


@pytest.mark.parametrize(
    ("one_text", "other", "same"),
    [
        ("İ", "i", True),
        ("I\u0307", "i", True),
        ("ı", "i", False),
        ("ẞ", "ß", True),
        ("ẞ", "ss", False),
        ("ΣΑΣ", "σασ", True),
        ("ς", "σ", False),
        ("\u212a", "k", True),
        ("\u212b", "a\u030a", True),
        ("E\u0301", "é", True),
        ("ﬁ", "fi", False),
        ("a ", "a", False),
        ("\u1112\u1161\u11ab", "한", True),
    ],
)
def test_7_2_what_is_equal(one_text: str, other: str, same: bool) -> None:
    """The examples of the page, and the characters that most tables of lower case get wrong."""
    binder = Binder()
    assert one(exp.EQ(this=fold(binder.bind(one_text)), expression=fold(binder.bind(other))), binder) is same
    assert (folded(one_text) == folded(other)) is same


def test_simple_lower_is_one_character() -> None:
    """Python's own lower makes two characters of İ; the simple one never does."""
    assert all(len(simple_lower(character)) == 1 for character in CHARACTERS)


@given(st.lists(st.sampled_from(["9", "10", "010", "-1", "0", "-0", "a", "B", "1a", " 1", "", "1.5", "٣", "é", "😀", "9" * 38]) | st.text(max_size=3).filter(lambda t: "\0" not in t), max_size=8))
def test_6_21_keys_order_by_value_then_by_code_point(keys: list[str]) -> None:
    """Whole numbers stand first, by value; all other keys follow by code point."""
    try:
        "".join(keys).encode()
    except UnicodeEncodeError:
        return
    distinct = sorted(set(keys))
    binder = Binder()
    rows = exp.select(exp.alias_(exp.Anonymous(this="UNNEST", expressions=[exp.cast(binder.bind(distinct), exp.DataType.build("VARCHAR[]", dialect="duckdb"))]), "k"))
    select = exp.select("k").from_(rows.subquery("given")).order_by(*key_order(exp.column("k")))
    found = [key for (key,) in duckdb.execute(sql(select), binder.values).fetchall()]
    assert found == sorted(distinct, key=natural)
