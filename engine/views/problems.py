"""Problems for people and for machines: the text of interface.md §5, JSON, annotations of GitHub and GitLab, SARIF, JUnit."""

from __future__ import annotations

import hashlib
import json
import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any
from xml.sax.saxutils import escape, quoteattr

from engine.problems import Origin, Problem
from engine.views.codes import title_of

# The text of a file of the project by its path, or None where it cannot be read.
Reader = Callable[[str], str | None]

LIMIT = 50
_WIDTH = 140
_TAB = "    "
_BREAK = re.compile("\r\n|[\n\r\x85\u2028\u2029]")


def reader_of(tree: Any) -> Reader:
    """A reader over a tree (`read(path) -> bytes`), each file read once."""

    @lru_cache(maxsize=256)
    def read(path: str) -> str | None:
        try:
            raw: bytes = tree.read(path)
        # A tree refuses in its own ways; a place without its line is still a place.
        except Exception:
            return None
        return raw[:2_000_000].decode("utf-8-sig", "replace")

    return read


def text(problems: Sequence[Problem], read: Reader, *, limit: int = LIMIT) -> str:
    """One block per problem, sorted by place; at most `limit`, then how many more there are. Empty when nothing is wrong."""
    ordered = sorted(problems, key=lambda problem: problem.sort_key)
    if not ordered:
        return ""
    blocks = [block(problem, read) for problem in ordered[:limit]]
    rest = ordered[limit:]
    if rest:
        files = len({problem.origin.file for problem in rest if problem.origin is not None})
        blocks.append(f"… and {_count(rest)} more, in {files} file{'' if files == 1 else 's'}. Mend these first, then validate again.\n")
    return "\n".join([*blocks, f"{_count(ordered)}\n"])


def block(problem: Problem, read: Reader) -> str:
    """One problem with its line, what is marked in it, the other places that matter, and the way out."""
    places = [place for place in (problem.origin, *(origin for origin, _ in problem.related)) if place is not None]
    width = max((len(str(place.line)) for place in places), default=1) + 1
    lines = [f"{problem.severity}[{problem.code}]: {calm(problem.message)}"]
    if problem.origin is not None:
        lines += _place(problem.origin, read, width, "-->", "^", "")
    for origin, label in problem.related:
        lines += _place(origin, read, width, ":::", "-", calm(label))
    if problem.help:
        lines.append(f"{' ' * width} = help: {calm(problem.help)}")
    return "\n".join(lines) + "\n"


def _place(origin: Origin, read: Reader, width: int, arrow: str, mark: str, label: str) -> list[str]:
    gutter = " " * width
    head = f"{' ' * width}{arrow} {calm(origin.file)}:{origin.line}:{origin.column}"
    source = read(origin.file)
    lines = _BREAK.split(source) if source is not None else []
    if not 1 <= origin.line <= len(lines) or not lines[origin.line - 1].strip():
        return [head + (f"  {label}" if label else "")]
    shown, indent, length = _window(lines[origin.line - 1], origin.column, origin.length)
    marked = f"{gutter} | {' ' * indent}{mark * length}" + (f" {label}" if label else "")
    return [head, f"{gutter} |", f"{origin.line:>{width}} | {shown}", marked]


def _window(line: str, column: int, length: int) -> tuple[str, int, int]:
    """The part of a line around a column, with the cells before the mark and under it."""
    start = min(max(column - 1, 0), len(line))
    end = min(start + max(length, 1), max(len(line), start + 1))
    first = max(0, start - 60) if len(line) > _WIDTH else 0
    last = min(len(line), first + _WIDTH) if len(line) > _WIDTH else len(line)
    before, after = "…" if first else "", "…" if last < len(line) else ""
    shown = before + calm(line[first:last]).rstrip() + after
    indent = len(before) + cells(calm(line[first:start]))
    return shown, indent, max(1, cells(calm(line[start : min(end, last)])))


def calm(words: str) -> str:
    """Text that cannot steer a terminal: control characters are shown as a replacement, a tab as spaces."""
    return "".join(_shown(character) for character in words)


def _shown(character: str) -> str:
    if character == "\t":
        return _TAB
    kind = unicodedata.category(character)
    # No XML may have these two, which are no characters.
    if character in "\ufffe\uffff":
        return "\ufffd"
    # Cf holds the signs that turn the direction of text round.
    return "\ufffd" if kind in ("Cc", "Cs", "Zl", "Zp") or (kind == "Cf" and character not in "\u200b\u200c\u200d") else character


def cells(words: str) -> int:
    """How many columns of a terminal the text takes: Thai vowels above and below take none, wide letters two.

    >>> cells("ข่าวสาร"), cells("日本"), cells("abc")
    (6, 4, 3)
    """
    total = 0
    for character in words:
        if unicodedata.category(character) in ("Mn", "Me", "Cf"):
            continue
        total += 2 if unicodedata.east_asian_width(character) in ("W", "F") else 1
    return total


def _count(problems: Sequence[Problem]) -> str:
    errors = sum(problem.severity == "error" for problem in problems)
    warnings = len(problems) - errors
    parts = [f"{number} {noun}{'' if number == 1 else 's'}" for number, noun in ((errors, "error"), (warnings, "warning")) if number]
    return " and ".join(parts)


def as_data(problems: Sequence[Problem]) -> dict[str, Any]:
    """What `--format json` prints; all problems, not only the first fifty."""
    ordered = sorted(problems, key=lambda problem: problem.sort_key)
    errors = sum(problem.severity == "error" for problem in ordered)
    return {
        "format_version": "1.0",
        "kind": "problems",
        "summary": {"errors": errors, "warnings": len(ordered) - errors},
        "problems": [
            {
                "code": problem.code, "severity": problem.severity, "title": title_of(problem.code), "message": problem.message, "help": problem.help or None,
                "source": _origin(problem.origin), "related": [{**(_origin(origin) or {}), "label": label} for origin, label in problem.related],
            }
            for problem in ordered
        ],
    }  # fmt: skip


def _origin(origin: Origin | None) -> dict[str, Any] | None:
    return None if origin is None else {"file": origin.file, "line": origin.line, "column": origin.column, "length": origin.length}


def as_json(problems: Sequence[Problem], read: Reader | None = None) -> str:
    return json.dumps(as_data(problems), ensure_ascii=False, indent=2) + "\n"


def as_github(problems: Sequence[Problem], read: Reader | None = None) -> str:
    """Workflow commands: GitHub shows each beside its line of the pull request."""
    lines = []
    for problem in sorted(problems, key=lambda problem: problem.sort_key):
        fields = {"title": f"{problem.code} {title_of(problem.code)}"}
        if problem.origin is not None:
            end = problem.origin.column + problem.origin.length - 1
            fields = {"file": problem.origin.file, "line": str(problem.origin.line), "col": str(problem.origin.column), "endColumn": str(end), **fields}
        message = problem.message + (f"\n{problem.help}" if problem.help else "")
        written = ",".join(f"{key}={_command(value).replace(':', '%3A').replace(',', '%2C')}" for key, value in fields.items())
        lines.append(f"::{problem.severity} {written}::{_command(message)}\n")
    return "".join(lines)


def _command(words: str) -> str:
    # A log is read in a terminal too.
    plain = "".join(character if character in "\r\n" else _shown(character) for character in words)
    return plain.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def as_gitlab(problems: Sequence[Problem], read: Reader | None = None) -> str:
    """A code quality report. A fingerprint has no line in it, so that a finding is the same one when lines move."""
    seen: dict[str, int] = {}
    found = []
    for problem in sorted(problems, key=lambda problem: problem.sort_key):
        file = problem.origin.file if problem.origin is not None else "engine.yaml"
        key = f"{problem.code}\0{file}\0{problem.message}"
        seen[key] = seen.get(key, 0) + 1
        found.append(
            {
                "description": problem.message + (f" ({problem.help})" if problem.help else ""),
                "check_name": problem.code,
                "fingerprint": hashlib.sha256(f"{key}\0{seen[key]}".encode("utf-8", "replace")).hexdigest(),
                "severity": "major" if problem.severity == "error" else "minor",
                "location": {"path": file, "lines": {"begin": problem.origin.line if problem.origin is not None else 1}},
            }
        )
    return json.dumps(found, ensure_ascii=False, indent=2) + "\n"


def as_sarif(problems: Sequence[Problem], read: Reader | None = None) -> str:
    """SARIF 2.1.0, one run, one rule per code."""
    from engine import __version__
    from engine.views.codes import all_codes

    ordered = sorted(problems, key=lambda problem: problem.sort_key)
    used = sorted({problem.code for problem in ordered})
    rules = [
        {"id": code, "name": code, "shortDescription": {"text": title_of(code)}, "fullDescription": {"text": all_codes().get(code, (code, code))[1]}}
        for code in used
    ]
    results = []
    for problem in ordered:
        result: dict[str, Any] = {
            "ruleId": problem.code, "ruleIndex": used.index(problem.code), "level": problem.severity,
            "message": {"text": problem.message + (f"\n{problem.help}" if problem.help else "")},
        }  # fmt: skip
        if problem.origin is not None:
            result["locations"] = [_location(problem.origin)]
        if problem.related:
            result["relatedLocations"] = [
                {"id": index, **_location(origin), "message": {"text": label}} for index, (origin, label) in enumerate(problem.related)
            ]
        results.append(result)
    driver = {"name": "engine", "version": __version__, "rules": rules}
    return (
        json.dumps(
            {"version": "2.1.0", "runs": [{"tool": {"driver": driver}, "columnKind": "unicodeCodePoints", "results": results}]}, ensure_ascii=False, indent=2
        )
        + "\n"
    )


def _location(origin: Origin) -> dict[str, Any]:
    from urllib.parse import quote

    region = {"startLine": origin.line, "startColumn": origin.column, "endColumn": origin.column + origin.length}
    return {"physicalLocation": {"artifactLocation": {"uri": quote(origin.file)}, "region": region}}


def as_junit(problems: Sequence[Problem], read: Reader | None = None) -> str:
    """One test case per problem, and one that passes when there is none. A warning is a case with output, no failure."""
    ordered = sorted(problems, key=lambda problem: problem.sort_key)
    failures = sum(problem.severity == "error" for problem in ordered)
    cases = [_case(problem) for problem in ordered] or ['    <testcase classname="engine.validate" name="definitions"/>\n']
    head = f'<testsuite name="engine validate" tests="{len(cases)}" failures="{failures}" errors="0">'
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<testsuites>\n  {head}\n{"".join(cases)}  </testsuite>\n</testsuites>\n'


def _case(problem: Problem) -> str:
    place = str(problem.origin) if problem.origin is not None else ""
    name = f"{place} {problem.code}".strip()
    body = escape(calm(f"{place}: {problem.message}" + (f" ({problem.help})" if problem.help else "")))
    inside = (
        f"<failure message={quoteattr(calm(problem.message))} type={quoteattr(problem.code)}>{body}</failure>"
        if problem.severity == "error"
        else f"<system-out>{body}</system-out>"
    )
    return f'    <testcase classname="engine.validate" name={quoteattr(calm(name))}>{inside}</testcase>\n'


FORMATS: Mapping[str, Callable[[Sequence[Problem], Reader], str]] = {
    "text": text, "json": as_json, "github": as_github, "gitlab": as_gitlab, "sarif": as_sarif, "junit": as_junit,
}  # fmt: skip
