"""Evidence: what was measured or counted, when, on which commit and what machine."""

from __future__ import annotations

import os
import platform
import subprocess
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
EVIDENCE = ROOT / "docs" / "evidence"


def machine(when: str) -> str:
    """One sentence about where this ran, and how busy it is now."""
    busy = os.getloadavg()[0]
    names = ", ".join(f"{name} {version(name)}" for name in ("duckdb", "jinja2", "pyarrow"))
    return f"{os.cpu_count()} cores, Python {platform.python_version()}, {names}; load {when} {busy:.1f} (the machine is shared)."


def commit() -> str:
    """The commit, and whether the checkout differs from it."""
    head = _git("rev-parse", "HEAD") or "not in git"
    return f"{head}{' with changes that are not committed' if _git('status', '--porcelain', '--untracked-files=no') else ''}"


def _git(*words: str) -> str:
    try:
        return subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return ""


def evidence(name: str, title: str, lines: list[str]) -> Path:
    """Write docs/evidence/NAME-<date>.md; a second report of a day takes the place of the first. Its path in the project."""
    now = datetime.now(UTC)
    EVIDENCE.mkdir(parents=True, exist_ok=True)
    path = EVIDENCE / f"{name}-{now:%Y-%m-%d}.md"
    head = [f"# {title}", "", f"{now:%Y-%m-%d %H:%M} UTC, commit {commit()}.", ""]
    path.write_text("\n".join([*head, *lines]).rstrip() + "\n", encoding="utf-8")
    return path.relative_to(ROOT)
