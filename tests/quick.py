"""What hundreds of stories would make again and again, made once: an empty ledger to copy, a snapshot of records that have not changed, and
the check of templates that have not changed."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

import engine.messages.checking as checking
from engine.definitions.definitions import Definitions
from engine.facts.reading import snapshot_of_rows
from engine.facts.snapshot import Snapshot
from engine.ledger.duckdb import DuckdbLedger
from engine.ledger.pseudonyms import Pseudonyms
from engine.problems import Problem

BEGAN = datetime(2000, 1, 1)
Rows = Mapping[str, Sequence[Mapping[str, Any]]]


@cache
def _empty_ledger(project: str, key: bytes) -> tuple[tempfile.TemporaryDirectory[str], Path]:
    folder = tempfile.TemporaryDirectory()
    path = Path(folder.name) / "ledger.duckdb"
    DuckdbLedger.create(path, project, "dev", now=BEGAN, pseudonyms=Pseudonyms(key))
    return folder, path


def new_ledger(folder: Path, project: str, pseudonyms: Pseudonyms) -> DuckdbLedger:
    """An empty ledger in the folder, open, with its lock: a copy of one that was made as any other is."""
    _, made = _empty_ledger(project, pseudonyms.key)
    for file in made.parent.iterdir():
        shutil.copy2(file, folder / file.name)
    return DuckdbLedger.open(folder / made.name, project, "dev", command="test", now=BEGAN, pseudonyms=pseudonyms)


@dataclass
class Records:
    """The snapshot of some records, kept until they or the definitions change: reading them anew would give the same."""

    _kept: tuple[str, Snapshot] | None = field(default=None, init=False)

    def snapshot(self, definitions: Definitions, rows: Rows, now: datetime) -> Snapshot:
        """Its connection is closed with `close`, not by who asks."""
        said = f"{definitions.digest} {rows!r}"
        if self._kept is None or self._kept[0] != said:
            self.close()
            self._kept = said, snapshot_of_rows(definitions, rows, now=now)
        return replace(self._kept[1], taken_at=now)

    def close(self) -> None:
        if self._kept is not None:
            self._kept[1].close()
            self._kept = None


_check_templates = checking.check_templates
_checked: dict[str, list[Problem]] = {}


def _same_templates(definitions: Definitions, read: checking.Read | None = None) -> list[Problem]:
    """What was found in templates that say the same, and whose files are the same to the byte: a tutorial runs twenty commands on one project."""
    if read is None or not definitions.digest:
        return _check_templates(definitions, read)
    said = hashlib.sha256(definitions.digest.encode())
    # Bodies, layouts and partials are part of the digest; places and comments are not.
    for path in sorted({places.file for places in definitions.places.values()}):
        said.update(path.encode() + b"\0" + read(path))
    key = said.hexdigest()
    if key not in _checked:
        _checked[key] = _check_templates(definitions, read)
    return list(_checked[key])


def remember_checked_templates() -> None:
    """From now on, in this process; before a command has imported the check."""
    checking.check_templates = _same_templates
