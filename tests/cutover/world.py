"""A small project before its cut-over, and the command line on it, in this process."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from engine.cli import cli
from engine.cli.ending import ended_calmly
from tests.plan.base import Row
from tests.runs.ground import Ground

RENEWAL = """
id: renewal
status: active
about: contract
active_from: 2026-01-01
trigger: {date: contract.end_date, where: {contract.status: active}}
audience: {from: contract.company.contacts}
goal: {contract.status: renewed}
at: "09:00"
steps:
  - {id: notice-30, before: 30d, template: notice}
  - {id: reminder-7, before: 7d, template: reminder}
"""
WELCOME = """
id: welcome
status: active
about: contact
trigger: manual
steps:
  - {id: hello, wait: 0d, template: hello}
  - {id: tips, wait: 3d, template: tips}
  - {id: last, wait: 7d, template: tips}
"""


@dataclass(frozen=True)
class Said:
    """What one command said."""

    code: int
    out: str
    err: str

    @property
    def value(self) -> Any:
        """What it said, as JSON."""
        return json.loads(self.out)


@dataclass
class Shop:
    """The project and its command line."""

    ground: Ground
    capsys: pytest.CaptureFixture[str]

    @classmethod
    def make(cls, folder: Path, capsys: pytest.CaptureFixture[str], *said: str | Row, more: str = "") -> Shop:
        return cls(Ground.make(folder, *said, more=more), capsys)

    def run(self, *words: str, at: str = "2026-03-05T09:00:00+07:00") -> Said:
        self.capsys.readouterr()
        code = ended_calmly(cli, ["-C", str(self.ground.root), *words, "--now", at])
        said = self.capsys.readouterr()
        return Said(code, said.out, said.err)

    def file(self, name: str, *lines: str) -> str:
        """A file beside the project, by its path."""
        path = self.ground.root.parent / name
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        return str(path)

    def decided(self) -> set[tuple[str, ...]]:
        """Sequence, step, record, contact, occurrence and state of everything that the ledger has decided."""
        with self.ground.site("2026-03-05T09:00:00+07:00").read_ledger() as ledger:
            return {(row.sequence, row.step, row.record, row.contact, row.occurrence, row.state) for row in ledger.sends(limit=1000).rows}

    def exits(self) -> dict[tuple[str, str], str | None]:
        """How each (sequence, contact) ended, None for who is on the way."""
        with self.ground.site("2026-03-05T09:00:00+07:00").read_ledger() as ledger:
            return {(row.sequence, row.contact): row.exit_reason for row in ledger.enrollments(limit=1000).rows}


def rows(value: Iterable[dict[str, Any]], *names: str) -> list[tuple[Any, ...]]:
    """Some columns of JSON rows."""
    return [tuple(row[name] for name in names) for row in value]
