"""What stands on a page: its blocks, and what a reader does with each.

- ```console blocks whose first line begins with `$ ` are run, in order, in one project; the lines below a command are what
  it prints. `…` stands for anything in a line, and a line of its own for any lines. `# exit 3` behind a command is its exit code.
- ```yaml blocks whose first line is a comment with a file's name are written to that file: `# definitions/segments/vip.yaml`.
  With `, in part` only the keys that are there are put in place of the file's; `# engine.yaml, below environments` goes below that key.
- A block under `<!-- file: NAME -->` is written to that file, whatever its language.
- ```yaml blocks that begin with `# a rule about contract` are checked as a rule of a segment.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
NOW = "2026-11-23T09:00:00+07:00"
_FENCE = re.compile(r"(?:^<!-- file: (?P<file>\S+) -->\n+)?^(?P<ticks>```+)(?P<language>[a-z]*)[^\n]*\n(?P<text>.*?)^(?P=ticks)[ ]*$", re.M | re.S)
_NAMED = re.compile(r"#\s*(?P<file>(?:definitions/[\w./-]+|engine)\.yaml)(?:, (?P<part>in part|below (?P<key>\w+)))?\s*$")
_RULE = re.compile(r"#\s*a rule about (?P<entity>\w+)\s*$")
_EXIT = re.compile(r"\s+# exit (\d+)\s*$")


@dataclass(frozen=True)
class Write:
    """A file that the page shows: whole, or in part, or what goes below one of its keys."""

    file: str
    text: str
    part: bool
    below: str | None
    line: int


@dataclass(frozen=True)
class RuleShown:
    """A rule that stands alone."""

    entity: str
    text: str
    line: int


@dataclass(frozen=True)
class Run:
    """A command with what it prints, where the page says that."""

    command: str
    code: int
    expected: str | None
    line: int


def pages() -> list[Path]:
    """Every page that people wrote; what is generated has a test of its own."""
    top = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")]
    return [*top, *sorted(path for path in (ROOT / "docs").rglob("*.md") if "Made by `make docs`" not in path.read_text(encoding="utf-8")[:200])]


def blocks(page: Path) -> Iterator[Write | RuleShown | Run]:
    """What a reader of the page writes and runs, in order."""
    text = page.read_text(encoding="utf-8")
    for found in _FENCE.finditer(text):
        line = text.count("\n", 0, found.start("text")) + 1
        body, first = found["text"], found["text"].split("\n", 1)[0]
        named, rule = _NAMED.match(first), _RULE.match(first)
        if found["file"]:
            yield Write(found["file"], body, False, None, line)
        elif found["language"] == "yaml" and named:
            yield Write(named["file"], body, named["part"] == "in part", named["key"], line)
        elif found["language"] == "yaml" and rule:
            yield RuleShown(rule["entity"], body, line)
        elif found["language"] == "console" and body.startswith("$ "):
            yield from _runs(body, line)


def _runs(body: str, line: int) -> Iterator[Run]:
    command, expected, started = "", [], line
    for number, text in enumerate(body.splitlines(), line):
        if text.startswith("$ "):
            if command:
                yield _run(command, expected, started)
            command, expected, started = text[2:], [], number
        elif command.endswith("\\") and not expected:
            command = command[:-1].rstrip() + " " + text.strip()
        else:
            expected.append(text)
    yield _run(command, expected, started)


def _run(command: str, expected: list[str], line: int) -> Run:
    code = _EXIT.search(command)
    return Run(_EXIT.sub("", command), int(code[1]) if code else 0, "\n".join(expected).strip() or None, line)


def matches(expected: str, printed: str) -> bool:
    """Whether the output is what the page shows."""
    pattern = []
    for line in expected.splitlines():
        pattern.append(r"(?:.*\n)*?" if line.strip() == "…" else "".join(".*" if part == "…" else re.escape(part) for part in re.split("(…)", line.rstrip())) + "\n")
    lines = "".join(line.rstrip() + "\n" for line in printed.strip().splitlines())
    return re.fullmatch("".join(pattern), lines) is not None


def first_lost(expected: str, printed: str) -> str:
    """The first line of the page that the output does not have; for the message of a test."""
    lines = [line.rstrip() for line in printed.splitlines()]
    for line in expected.splitlines():
        if line.strip() != "…" and not any(matches(line, shown) for shown in lines if shown) and line.strip():
            return line
    return "(every line is there, in another order or with others between)"
