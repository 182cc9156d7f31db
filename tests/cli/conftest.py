"""A small project whose people are all canaries: their names and addresses may stand in no output that nobody asked for."""

from __future__ import annotations

import contextlib
import io
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import patch

import pytest

from engine.cli import cli
from engine.cli.ending import ended_calmly

HERE = Path(__file__).parent
NOW = "2026-11-23T09:00:00+07:00"
KEY = "0123456789abcdef0123456789abcdef"


@dataclass(frozen=True)
class Said:
    """What one command said."""

    code: int
    out: str
    err: str


@dataclass(frozen=True)
class Project:
    """A project in a folder, and the real command line on it."""

    root: Path

    def run(self, *words: str, now: str | None = NOW, **environ: str) -> Said:
        arguments = [*words, "--now", now] if now else list(words)
        return engine("-C", str(self.root), *arguments, **environ)

    def calm(self, text: str) -> str:
        """The text without what differs from run to run and from machine to machine."""
        text = text.replace(str(self.root), "PROJECT")
        text = re.sub(r"sha256:[0-9a-f]{64}", "sha256:…", text)
        text = re.sub(r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b", lambda found: found[0][:8] if "send_key" in text else "…", text)
        return re.sub(r"\b(run|Run) [0-9a-f]{8}\b", r"\1 …", text)


def engine(*words: str, **environ: str) -> Said:
    """The command line in this process: the same door, the same end, and no second start of the interpreter."""
    out, err = (io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True) for _ in range(2))
    with patch.dict(os.environ, told(environ)), contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = ended_calmly(cli, words)
    return Said(code, written(out), written(err))


def process(*words: str, **environ: str) -> Said:
    """The command line in a process of its own, for what only that shows."""
    done = subprocess.run([sys.executable, "-m", "engine", *words], capture_output=True, env={**os.environ, **told(environ)}, check=False, timeout=120)
    return Said(done.returncode, done.stdout.decode(), done.stderr.decode())


def told(environ: Mapping[str, str]) -> dict[str, str]:
    return {"ENGINE_PSEUDONYM_KEY": KEY, "COLUMNS": "80", "PYTHONUTF8": "1", **environ}


def written(stream: io.TextIOWrapper) -> str:
    buffer = stream.buffer
    assert isinstance(buffer, io.BytesIO)
    return buffer.getvalue().decode()


@pytest.fixture(scope="session")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The project with an empty ledger. Nothing may write into it: take `project` for that."""
    root = tmp_path_factory.mktemp("fresh") / "project"
    shutil.copytree(HERE / "project", root)
    project = Project(root)
    said = project.run("state", "create")
    assert said.code == 0, said.err
    return project


@pytest.fixture
def project(fresh: Project, tmp_path: Path) -> Project:
    """A copy of the project of one's own."""
    shutil.copytree(fresh.root, tmp_path / "project")
    return Project(tmp_path / "project")


@pytest.fixture(scope="session")
def applied(fresh: Project, tmp_path_factory: pytest.TempPathFactory) -> tuple[Project, Said]:
    """The project after one apply, and what that said. Only to be read."""
    root = tmp_path_factory.mktemp("applied") / "project"
    shutil.copytree(fresh.root, root)
    return Project(root), Project(root).run("apply")


@pytest.fixture
def golden() -> Callable[[str, str], None]:
    """Compare with a file of tests/cli/golden; GOLDEN=write writes it, for a person to look at."""

    def compare(name: str, text: str) -> None:
        path = HERE / "golden" / name
        if os.environ.get("GOLDEN") == "write":
            path.write_text(text, encoding="utf-8")
        assert text == path.read_text(encoding="utf-8"), f"{name} differs; GOLDEN=write renews it"

    return compare
