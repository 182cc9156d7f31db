"""What a slice is made by: the files that its program can import. Where these are the same, what was counted on another commit counts."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterator
from functools import cache
from importlib.metadata import distributions
from pathlib import Path

import grimp

ROOT = Path(__file__).resolve().parents[2]


def files_of(program: str) -> list[Path]:
    """The module, whatever it imports of the engine and of the tests (also late, in a function), and the SQL beside these."""
    modules = {program} | _imports().find_upstream_modules(program)
    return sorted({file for module in modules for file in _files(module)})


def digest_of(program: str) -> str:
    """Sixteen characters that another byte in one of these files changes, another Python, or another version of a library."""
    said = hashlib.sha256(sys.version.encode())
    for line in sorted(f"{one.metadata['Name']} {one.version}\n" for one in distributions()):
        said.update(line.encode())
    for file in files_of(program):
        said.update(f"{file.relative_to(ROOT)}\n".encode() + file.read_bytes())
    return said.hexdigest()[:16]


@cache
def _imports() -> grimp.ImportGraph:
    return grimp.build_graph("engine", "tests")


def _files(module: str) -> Iterator[Path]:
    path = ROOT.joinpath(*module.split("."))
    folder = path if path.is_dir() else path.parent
    yield path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    yield from folder.glob("*.sql")
    yield from (file for file in folder.glob("*/*.sql") if not (file.parent / "__init__.py").exists())
