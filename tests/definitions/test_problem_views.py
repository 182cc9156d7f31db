"""Problems as text and for machines: one escape per sink."""

from __future__ import annotations

import json
from xml.etree import ElementTree

import pytest

from engine.definitions.loading import MemoryTree, load
from engine.problem_codes import CODES
from engine.problems import Origin, Problem
from engine.views.codes import all_codes, explained, title_of
from engine.views.problems import FORMATS, LIMIT, as_data, block, cells, reader_of, text
from tests.definitions.projects import files

NASTY = "a: \x1b[31m,%\r\n::error::x<&>\"'\u202e"


def nothing(path: str) -> str | None:
    return None


def test_the_text_is_that_of_the_interface() -> None:
    """interface.md §5, sign by sign."""
    body = {"definitions/templates/renewal-30-days.en.md": b"a\nb\nYour contract {{ contract_numbr }} ends on {{ end_date }}.\n"}
    help = "did you mean `contract_number`? Type `renewal-30-days` has: contract_number, days_until_expiry, end_date, monthly_value, …"
    problem = Problem("E201", "unknown variable `contract_numbr`", Origin("definitions/templates/renewal-30-days.en.md", 3, 18, 14), help)
    assert block(problem, reader_of(MemoryTree(body))) == (
        "error[E201]: unknown variable `contract_numbr`\n"
        "  --> definitions/templates/renewal-30-days.en.md:3:18\n"
        "   |\n"
        " 3 | Your contract {{ contract_numbr }} ends on {{ end_date }}.\n"
        "   |                  ^^^^^^^^^^^^^^\n"
        f"   = help: {help}\n"
    )


def test_marks_stand_under_thai_and_wide_letters() -> None:
    """Columns count characters; a terminal counts cells."""
    line = "subject: {th: สัญญาที่จะสิ้นสุด, ja: 日本, en: x}\n"
    at = line.index("x}")
    shown = block(Problem("E105", "m", Origin("f", 1, at + 1, 1)), reader_of(MemoryTree({"f": line}))).splitlines()
    assert cells(shown[4].partition("^")[0]) == cells(shown[3].partition("x}")[0])


def test_a_long_line_is_shown_around_its_mark() -> None:
    """A line of a thousand characters does not fill the screen, and the mark stays under its word."""
    line = "x" * 500 + "WRONG" + "y" * 500
    shown = block(Problem("E105", "m", Origin("f", 1, 501, 5)), reader_of(MemoryTree({"f": line}))).splitlines()
    start = shown[4].index("^")
    assert shown[3][start : start + 5] == "WRONG" and len(shown[3]) < 160


def test_at_most_fifty_are_shown_and_the_rest_is_counted() -> None:
    """All of them are in the formats for machines."""
    many = [Problem("E103", f"number {number:03}", Origin("f", number + 1), "h") for number in range(120)] + [Problem("E123", "w", Origin("g"), "h", severity="warning")]
    shown = text(many, nothing)
    assert shown.count("error[") == LIMIT
    assert "… and 70 errors and 1 warning more, in 2 files." in shown and shown.endswith("120 errors and 1 warning\n")
    assert len(as_data(many)["problems"]) == 121


def test_nothing_wrong_is_an_empty_text() -> None:
    """And an empty list, and a passing test."""
    assert text([], nothing) == "" and json.loads(FORMATS["gitlab"]([], nothing)) == []
    assert ElementTree.fromstring(FORMATS["junit"]([], nothing)).find("testsuite").get("failures") == "0"  # type: ignore[union-attr]  # without a testsuite this fails


@pytest.mark.parametrize("format", sorted(FORMATS))
def test_no_format_can_be_steered_by_what_a_file_says(format: str) -> None:
    """Control characters, markup and the words of workflow commands stay words."""
    nasty = Problem("E105", NASTY, Origin("a,b:c%\n.yaml", 1, 1, 3), NASTY, ((Origin("x", 1), NASTY),))
    shown = FORMATS[format]([nasty], lambda path: NASTY)
    assert "\x1b" not in shown
    if format == "github":
        assert len(shown.splitlines()) == 1 and "file=a%2Cb%3Ac%25%0A.yaml," in shown
    if format == "junit":
        assert ElementTree.fromstring(shown).find("testsuite/testcase/failure") is not None
    if format in ("json", "gitlab", "sarif"):
        json.loads(shown)
    if format == "text":
        assert "\u202e" not in shown and "\r" not in shown


def test_machines_read_code_place_and_way_out() -> None:
    """JSON, SARIF, GitLab and GitHub name the same line."""
    tree = MemoryTree({**files(), "definitions/sequences/renewal.yaml": files()["definitions/sequences/renewal.yaml"].replace(b"status: active", b"status: activ", 1)})
    problems = load(tree).problems
    read = reader_of(tree)
    (told,) = json.loads(FORMATS["json"](problems, read))["problems"]
    assert (told["code"], told["source"]["line"], told["title"]) == ("E106", 4, title_of("E106")) and told["help"]
    (finding,) = json.loads(FORMATS["gitlab"](problems, read))
    assert finding["location"] == {"path": "definitions/sequences/renewal.yaml", "lines": {"begin": 4}}
    (result,) = json.loads(FORMATS["sarif"](problems, read))["runs"][0]["results"]
    assert result["locations"][0]["physicalLocation"]["region"] == {"startLine": 4, "startColumn": 9, "endColumn": 14}
    assert "line=4,col=9,endColumn=13," in FORMATS["github"](problems, read)


def test_a_finding_keeps_its_fingerprint_when_lines_move() -> None:
    """Two equal ones in a file are still two."""
    one, two = (json.loads(FORMATS["gitlab"]([Problem("E103", "m", Origin("f", line)), Problem("E103", "m", Origin("f", line + 1))], nothing)) for line in (1, 9))
    assert [finding["fingerprint"] for finding in one] == [finding["fingerprint"] for finding in two]
    assert one[0]["fingerprint"] != one[1]["fingerprint"]


def test_every_code_has_a_title_and_a_long_text() -> None:
    """`engine explain E311` tells more than the message did."""
    for code, (title, long) in all_codes().items():
        assert len(code) == 4 and code[0] == "E" and code[1] in "123456"
        assert title and not title.endswith(".") and len(long) > 60 and long.endswith("."), code
    assert explained("e311", 80) is not None and explained("X1") is None
    assert max(map(len, (explained("E252", 80) or "").splitlines())) <= 80
    assert set(CODES) <= set(all_codes())
