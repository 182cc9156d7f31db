"""YAML as version 1.2 means it, with places; and nothing that anybody can write breaks the reader."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.definitions.yaml_reader import MAX_BYTES, Document, read_yaml


def read(text: str) -> Document:
    return read_yaml("x.yaml", text.encode())


def only(text: str | bytes) -> tuple[str, int, int]:
    """Code, line and column of the one problem."""
    document = read_yaml("x.yaml", text if isinstance(text, bytes) else text.encode())
    (problem,) = document.problems
    assert problem.origin is not None
    return problem.code, problem.origin.line, problem.origin.column


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("10:30", "10:30"), ("NO", "NO"), ("on", "on"), ("yes", "yes"), ("012", 12), ("0o17", 15), ("0x1F", 31), ("1_000", "1_000"), ("2026-12-31", "2026-12-31"),
        ("2026-12-31T09:00:00", "2026-12-31T09:00:00"), ("1e3", 1000.0), (".5", 0.5), ("-7", -7), ("+7", 7), ("~", None), ("null", None), ("", None), ("true", True), ("False", False),
        ("tRue", "tRue"), ("0b11", "0b11"), ("1.2.3", "1.2.3"), ("=", "="), ("'12'", "12"), ('"true"', "true"), ("30d", "30d"), ("-", [None]), (".inf", float("inf")),
        ("1" * 5000, "1" * 5000),
    ],
)  # fmt: skip
def test_scalars_are_those_of_yaml_1_2(written: str, meant: object) -> None:
    """What looks like a time, a country or a date to YAML 1.1 is text, as interface.md §1 says."""
    found = read(f"key: {written}" if written != "-" else "key:\n  -").data
    assert found["key"] == meant
    assert type(found["key"]) is type(meant)


def test_keys_are_text() -> None:
    """`12:` and `no:` are keys as they are written."""
    assert read("12: a\nno: b\ntrue: c\n").data == {"12": "a", "no": "b", "true": "c"}


def test_every_key_and_value_has_a_place() -> None:
    """Line, column and length from 1, of keys and values, in blocks and in one line, behind Thai text too."""
    places = read('id: a\nname: "ข่าว"\nsteps:\n  - {id: one, if: {a.b: [1, 22]}}\n').places
    assert [(o.line, o.column, o.length) for o in (places.key("name"), places.value("name"))] == [(2, 1, 4), (2, 7, 6)]
    assert [(o.line, o.column, o.length) for o in (places.key("steps", 0, "if"), places.value("steps", 0, "if", "a.b", 1))] == [(4, 15, 2), (4, 29, 2)]
    # What has no place of its own has that of what it stands in.
    assert places.value("steps", 0, "if", "x", "y") == places.value("steps", 0, "if")
    assert set(places.keys) >= {("id",), ("steps", 0), ("steps", 0, "if", "a.b", 1)}
    assert places.values[()].line == 1


def test_a_byte_order_mark_and_windows_line_ends_move_nothing() -> None:
    """An editor of another world gives the same values and places."""
    places = read_yaml("x.yaml", b"\xef\xbb\xbfa: 1\r\nb: 2\r\n").places
    assert (places.value("b").line, places.value("b").column) == (2, 4)


def test_an_alias_is_the_value_and_stands_where_it_is_used() -> None:
    """`&a` and `*a` are YAML; the place of what is wrong is the use, not the anchor."""
    document = read("a: &x {y: 1}\nb: *x\n")
    assert document.data == {"a": {"y": 1}, "b": {"y": 1}}
    assert (document.places.value("b", "y").line, document.places.value("b", "y").column) == (2, 4)


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("a: [1, 2\nb: 3\n", ("E101", 1, 4)), ("a: b: c", ("E101", 1, 5)), ("\ta: 1", ("E101", 1, 1)), ("a: |\n\tx", ("E101", 2, 1)), ("a: @x", ("E101", 1, 4)),
        ("a: !x 1", ("E108", 1, 4)), ("a: !!python/object:os.system x", ("E108", 1, 4)), ("a: *x", ("E108", 1, 4)), ("a: &x [*x]", ("E108", 1, 8)), ("a: 1\na: 2", ("E107", 2, 1)),
        ("? [a]\n: b", ("E105", 1, 3)), ("---\na: 1\n---\nb: 1", ("E111", 3, 1)), (b"a: 1\nb: \xff", ("E102", 2, 4)), ("a: \0", ("E102", 1, 4)), ("a:\n  b: \x07", ("E102", 2, 6)),
        ("a: {x: 1 y: 2}", ("E101", 1, 11)), ('a: "\\q"', ("E101", 1, 5)), ("a: - b", ("E101", 1, 4)),
    ],
)  # fmt: skip
def test_what_is_no_yaml_is_told_at_its_place(text: str | bytes, place: tuple[str, int, int]) -> None:
    """Each is one problem, where the author has to look."""
    assert only(text) == place


def test_several_double_keys_are_told_together() -> None:
    """A double key does not end the reading."""
    assert [(p.origin.line, p.related[0][0].line) for p in read("a: 1\na: 2\nb: {c: 1, c: 2}\n").problems if p.origin] == [(2, 1), (3, 3)]


BOMB = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(f"{chr(98 + i)}: &{chr(98 + i)} [{','.join(['*' + chr(97 + i)] * 9)}]\n" for i in range(20))


@pytest.mark.parametrize(
    "text",
    [BOMB, "[" * 900_000, "- " * 450_000, "{a: " * 200_000, "? " * 400_000, "a:\n" + "".join("  " * i + "- a:\n" for i in range(1, 900)), "- a\n" * 240_000,
     "a: &a {b: 1}\nc: [" + "*a," * 9_000 + "]", "&a [&b [&c [*a]]]"],
    ids=["laughs", "brackets", "dashes", "braces", "questions", "stairs", "long", "many aliases", "circle"],
)  # fmt: skip
def test_a_bomb_is_refused_in_a_tenth_of_a_second(text: str) -> None:
    """Neither depth nor aliases nor length cost more than reading the file; the time is this process's own."""
    begun = time.process_time()
    document = read(text)
    spent = time.process_time() - begun
    assert document.problems
    assert document.problems[0].code in ("E110", "E108", "E105")
    # A list of 240,000 lines is no bomb; it is read up to its hundred-thousandth value.
    assert spent < (1.5 if text.startswith("- a\n") else 0.1)


def test_a_file_of_more_than_a_megabyte_is_not_read() -> None:
    """The size is told, and what to do."""
    (problem,) = read_yaml("x.yaml", b"a: " + b"x" * MAX_BYTES).problems
    assert problem.code == "E102" and "1,000,003 bytes" in problem.message and problem.help


_BITS = st.lists(
    st.sampled_from(["a", "b: ", "- ", "\n", "  ", "{", "}", "[", "]", ": ", ",", '"', "'", "&x ", "*x", "!t ", "|\n", ">", "#", "\t", "---", "...", "%", "@", "\ufeff", "é", "ข", "\0", "?", "<<", "1", "~", "\\"]),
    max_size=60,
).map("".join)  # fmt: skip


@given(st.one_of(st.binary(max_size=300), st.text(max_size=300).map(lambda text: text.encode("utf-8", "surrogatepass")), _BITS.map(str.encode)))
def test_arbitrary_bytes_give_values_or_problems_and_never_raise(raw: bytes) -> None:
    """Every problem has a code, a place in the file, and a sentence; every value has a place."""
    begun = time.process_time()
    document = read_yaml("x.yaml", raw)
    assert time.process_time() - begun < 1
    lines = raw.decode("utf-8", "replace").count("\n") + raw.decode("utf-8", "replace").count("\r") + 5
    for problem in document.problems:
        assert problem.origin is not None and problem.origin.line >= 1 and problem.origin.column >= 1
        assert problem.origin.line <= lines + sum(map(raw.decode("utf-8", "replace").count, "\x85\u2028\u2029"))
        assert problem.message and problem.help
    for loc in list(document.places.values)[:50]:
        assert document.places.value(*loc).length >= 1
