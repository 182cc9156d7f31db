"""Editing a file by command: what is not edited stays byte for byte."""

from __future__ import annotations

from difflib import SequenceMatcher
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.definitions.base import Loc
from engine.definitions.editing import CannotEdit, rewritten, same, with_items, with_value, without
from engine.definitions.yaml_reader import read_yaml
from engine.definitions.yaml_writing import as_flow
from tests.laws import cases

ROOT = Path(__file__).parents[2]
EXAMPLES = sorted(
    path
    for folder in ("definitions", "examples", "tests/mistakes/base", "tests/cli/project")
    for path in (ROOT / folder).rglob("*.yaml")
    if ".schemas" not in path.parts
)


def read(text: str) -> Any:
    document = read_yaml("x.yaml", text.encode())
    assert not document.problems
    return document.data


def changed_lines(before: str, after: str) -> tuple[list[str], list[str]]:
    """The lines that went and those that came."""
    old, new = before.splitlines(keepends=True), after.splitlines(keepends=True)
    gone, come = [], []
    for kind, a, b, c, d in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if kind != "equal":
            gone += old[a:b]
            come += new[c:d]
    return gone, come


BLOCK = """\
# Who may be written to first.
id: vip
members:   # keys of the CRM
  - 12     # Lotus Hotel

  # The two of Chiang Mai:
  - 17
  - "0042" # with zeros
tags: [ vip,  'hotel' ]
# the end
"""


def test_a_member_is_one_line_more() -> None:
    """D4: an added member is one line of diff; comments, quotes, empty lines and odd spaces stay."""
    after = with_items(BLOCK, ("members",), [23, "x y"])
    assert changed_lines(BLOCK, after) == ([], ["  - 23\n", "  - x y\n"])
    assert after.index("- 23") > after.index("0042") and after.index("x y") < after.index("tags")


def test_a_member_less_is_one_line_less() -> None:
    """D4: a removed member takes its own line and its own remark, and no other's."""
    after = rewritten(BLOCK, {"id": "vip", "members": [12, "0042"], "tags": ["vip", "hotel"]})
    assert changed_lines(BLOCK, after) == (["  - 17\n"], [])
    assert "The two of Chiang Mai" in after


@pytest.mark.parametrize(
    ("before", "members", "after"),
    [
        ("members: [12, 17] # two\n", [12, 17, 23], "members: [12, 17, 23] # two\n"),
        ("members: [12, 17, 23]\n", [17, 23], "members: [17, 23]\n"),
        ("members: [12, 17, 23]\n", [12, 23], "members: [12, 23]\n"),
        ("members: [12, 17, 23]\n", [12, 17], "members: [12, 17]\n"),
        ("members: [12, 17,]\n", [12], "members: [12,]\n"),
        ("members: []\n", [12], "members: [12]\n"),
        ("members: [12]\n", [], "members: []\n"),
        ("members:\n  - 12\n", [], "members: []\n"),
        ("members:\n- 12\n- 17\n", [12, 17, 5], "members:\n- 12\n- 17\n- 5\n"),
        ("members:\n  - 12", [12, 17], "members:\n  - 12\n  - 17"),
        ("members:\n  - 12\n", [3, 12], "members:\n  - 3\n  - 12\n"),
        ("members: [\n  12, # Lotus\n  17  # Siam\n]\n", [12, 17, 23], "members: [\n  12, # Lotus\n  17,  # Siam\n  23\n]\n"),
        ("members: [\n  12, # Lotus\n  17, # Siam\n]\n", [12, 23, 17], "members: [\n  12, # Lotus\n  23,\n  17, # Siam\n]\n"),
        ("members: [\n  12, # Lotus\n  17, # Siam\n]\n", [12], "members: [\n  12, # Lotus\n]\n"),
        ("members:\r\n  - 12\r\n  - 17\r\n", [12, 17, 23], "members:\r\n  - 12\r\n  - 17\r\n  - 23\r\n"),
        ("\ufeffmembers: [1]\n", [1, 2], "\ufeffmembers: [1, 2]\n"),
        ("- 1\n", None, None),
    ],
)
def test_lists_in_every_way_of_writing(before: str, members: list[int] | None, after: str | None) -> None:
    """D4: a list is edited in the way in which it is written: lines, brackets, brackets over lines, Windows' line ends."""
    if members is None:
        assert rewritten(before, [1, 2]) == "- 1\n- 2\n"
    else:
        assert rewritten(before, {"members": members}) == after


@pytest.mark.parametrize(
    ("before", "loc", "value", "after"),
    [
        ("a: 1 # one\nb: 2\n", ("a",), 5, "a: 5 # one\nb: 2\n"),
        ("a: 1\nb: 2\n", ("c",), "x: y", 'a: 1\nb: 2\nc: "x: y"\n'),
        ("a: {x: 1, y: 2}\n", ("a", "z"), [1], "a: {x: 1, y: 2, z: [1]}\n"),
        ("- name: x\n  now: '1'\n- name: y\n", (0, "now"), "2026-01-01T09:00", '- name: x\n  now: "2026-01-01T09:00"\n- name: y\n'),
        ("a:\n  - 1\n  - 2\nb: 3\n", ("a",), "no more", "a: no more\nb: 3\n"),
        ("a: |\n  one\n  two\n# after\nb: 3\n", ("a",), "one\nthree\n", "a: |\n  one\n  three\n# after\nb: 3\n"),
        ("a: one\nb: 3\n", ("a",), "one\ntwo\n", "a: |\n  one\n  two\nb: 3\n"),
        ("a: {}\n", ("a", "b"), 1, "a: {b: 1}\n"),
    ],
)
def test_values_at_a_place(before: str, loc: Loc, value: Any, after: str) -> None:
    """D4: a value is replaced, or a key added, at its place."""
    assert with_value(before, loc, value) == after


def test_a_long_value_is_written_as_a_block() -> None:
    """D4: what does not fit on a line is written as lines, each item on its own."""
    sends = [{"sequence": "contract-renewal", "step": f"notice-{days}", "contact": days, "subject": "Lotus Hotel: your contract"} for days in (30, 14)]
    after = with_value("- name: first\n  expect:\n    sends: []\n- name: second\n", (0, "expect", "sends"), sends)
    assert after == (
        "- name: first\n  expect:\n    sends:\n"
        '      - {sequence: contract-renewal, step: notice-30, contact: 30, subject: "Lotus Hotel: your contract"}\n'
        '      - {sequence: contract-renewal, step: notice-14, contact: 14, subject: "Lotus Hotel: your contract"}\n'
        "- name: second\n"
    )


def test_a_key_goes_with_its_lines() -> None:
    """D4: a key that is taken out takes its value and leaves its neighbors."""
    assert without("a: 1\nb:\n  - 2 # two\n# c's\nc: 3\n", ("b",)) == "a: 1\n# c's\nc: 3\n"
    assert without("- a: 1\n  b: 2\n", (0, "a")) == "- b: 2\n"


@pytest.mark.parametrize("text", ["a: &x [1]\nb: *x\n", "a: [1\n", "a: 1\n---\nb: 2\n", "a: 1\r\nb: 2\n"])
def test_what_cannot_be_edited_is_refused(text: str) -> None:
    """D4: aliases, broken files and mixed line ends are left alone, with a word."""
    with pytest.raises(CannotEdit):
        rewritten(text, {"a": [2], "b": [1]})


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_round_trip_of_every_example(path: Path) -> None:
    """D4: saying again what a file says changes no byte; a key more is a line more."""
    text = path.read_bytes().decode()
    data = read(text)
    assert rewritten(text, data) == text
    if isinstance(data, dict):
        after = with_value(text, ("x_new",), "a word")
        gone, come = changed_lines(text, after)
        assert come == ["x_new: a word\n"] and not gone
        assert without(after, ("x_new",)) == text


def places(data: Any, loc: Loc = ()) -> list[Loc]:
    found = [loc]
    below = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    for key, value in below:
        found += places(value, (*loc, key))
    return found


SCALARS = st.one_of(
    st.integers(-5, 5), st.booleans(), st.none(), st.text(max_size=8),
    st.sampled_from(["a: b", "# no", "- x", "on", "NO", "1e3", "2026-01-31", "ends \n", "one\ntwo\n", "ก ข", "'", "{", "x" * 130, "\u2028"]),
)  # fmt: skip
VALUES = st.recursive(SCALARS, lambda below: st.one_of(st.lists(below, max_size=4), st.dictionaries(st.text("abc-: é", min_size=1, max_size=5), below, max_size=4)), max_leaves=8)


@cases(1)
@given(st.data())
def test_any_edit_of_any_example_says_what_it_should(data: st.DataObject) -> None:
    """D4: whatever is put at whatever place of an example, the file says it, and lines above and below the place stay."""
    path = data.draw(st.sampled_from(EXAMPLES))
    text = path.read_bytes().decode()
    said = read(text)
    loc = data.draw(st.sampled_from(places(said)[1:]))
    kind = data.draw(st.sampled_from(["value", "gone", "more"]))
    value = data.draw(VALUES)
    above = said
    for part in loc[:-1]:
        above = above[part]
    if kind == "gone":
        after = without(text, loc)
    elif kind == "more" and isinstance(above[loc[-1]], list):
        after = with_items(text, loc, [value])
        assert len(changed_lines(text, after)[0]) <= 1
    else:
        after = with_value(text, loc, value)
    at = read_yaml("x.yaml", text.encode()).places.key(*loc).line
    assert after.splitlines()[: max(at - 2, 0)] == text.splitlines()[: max(at - 2, 0)]
    comments = [line for line in text.splitlines()[: at - 1] if line.lstrip().startswith("#")]
    assert [line for line in after.splitlines() if line.lstrip().startswith("#")][: len(comments)] == comments


@cases(1)
@given(st.lists(st.integers(0, 30), max_size=8, unique=True), st.lists(st.integers(0, 30), max_size=8, unique=True), st.sampled_from(["block", "flow", "lines"]))
def test_any_list_becomes_any_other(before: list[int], after: list[int], style: str) -> None:
    """D4: lists of members in three ways of writing; the remark of a member that stays, stays at it."""
    if style == "block":
        text = "members:\n" + "".join(f"  - {one} # is {one}\n" for one in before) if before else "members: []\n"
    elif style == "flow":
        text = f"members: {as_flow(before)}\n"
    else:
        text = "members: [\n" + "".join(f"  {one}, # is {one}\n" for one in before) + "]\n"
    made = rewritten(text, {"members": after})
    assert same(read(made), {"members": after})
    for line in made.splitlines():
        if "# is" in line and sorted(before) == before and sorted(after) == after and set(after) & set(before) and set(after) <= set(before):
            number, _, remark = line.strip(" -").partition("#")
            assert number.strip(" ,") == remark.removeprefix(" is ")
