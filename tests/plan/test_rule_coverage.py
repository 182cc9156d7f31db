"""Every numbered rule of the semantics page is named by a test, or by the stage that brings it."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

TESTS = Path(__file__).parents[1]
PAGE = TESTS.parent / "docs" / "reference" / "semantics.md"
# The rules of the page, for a checkout in which it is not there.
COUNTS = {1: 3, 3: 10, 4: 8, 5: 8, 6: 21, 7: 6, 8: 15, 9: 8, 10: 4}
# What this version refuses, or does not have yet, and the stage that brings it.
LATER = {
    "5.4": "the language: `send_window`, holidays and business days",
}


def rules_of_the_page() -> set[str]:
    """The numbers in front of the rules: `- 3.1 **date.**`, `| 6.1 stop file`, `| 8.1 | text`."""
    if not PAGE.exists():
        return {f"{section}.{number}" for section, count in COUNTS.items() for number in range(1, count + 1)}
    return set(re.findall(r"^(?:- |\| )(?:\*\*)?(\d+\.\d+)\b", PAGE.read_text(encoding="utf-8"), re.MULTILINE))


def rules_of_the_tests() -> Iterator[str]:
    """The numbers in names and docstrings of test functions; `6.1 to 6.16` names the two ends only."""
    for path in sorted(TESTS.rglob("test_*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.FunctionDef) or not node.name.startswith("test_"):
                continue
            if match := re.match(r"test_(\d+)_(\d+)_", node.name):
                yield f"{match[1]}.{match[2]}"
            yield from re.findall(r"(?<![\d.])(\d{1,2}\.\d{1,2})(?![\d.])", (ast.get_docstring(node) or "").split(": ")[0])


def test_every_rule_in_scope_is_named_by_a_test() -> None:
    """§1 to §10: a rule that no test names is a rule that nobody holds."""
    assert sorted(rules_of_the_page() - set(LATER) - set(rules_of_the_tests())) == []


def test_later_rules_are_rules_of_the_page() -> None:
    """What waits for a stage stands on the page."""
    assert set(LATER) <= rules_of_the_page()
