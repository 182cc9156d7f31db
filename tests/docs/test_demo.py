"""`make demo`, as somebody new sees it."""

from __future__ import annotations

import resource
import subprocess
import sys
from pathlib import Path

from tests.docs.pages import NOW, ROOT


def _demo(folder: Path) -> str:
    done = subprocess.run([sys.executable, "-m", "engine.library.demo", "--at", NOW, str(folder)], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert not done.stderr.strip(), done.stderr
    return done.stdout


def _worked() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def test_the_demo_shows_every_kind_of_decision_and_a_second_one_sends_nothing(tmp_path: Path) -> None:
    """Sends, waits, skips, unreached; the mails are where it says; run again, nothing is due."""
    folder = tmp_path / "demo"
    before = _worked()
    first = _demo(folder)
    # The machine may be shared: what is counted is the work, and not the waiting for others.
    assert _worked() - before < 60
    for shown in ("get a mail now", "wait", "steps passed over", "reach nobody", "mails sent.", "No mail was sent."):
        assert shown in first, shown
    assert "nobody can be told" in first
    index = folder / "state/outbox/index.html"
    assert index.resolve().as_uri() in first
    mails = sorted(path.name for path in index.parent.glob("*.eml"))
    assert len(mails) > 100

    second = _demo(folder)
    assert "mails sent." not in second
    assert second.count("No mail would go now.") == 1
    assert sorted(path.name for path in index.parent.glob("*.eml")) == mails


def test_the_demo_touches_no_folder_that_it_did_not_make(tmp_path: Path) -> None:
    """A folder with somebody's files is refused, and nothing in it is changed."""
    (tmp_path / "notes.txt").write_text("mine", encoding="utf-8")
    done = subprocess.run([sys.executable, "-m", "engine.library.demo", "--at", NOW, "--fresh", str(tmp_path)], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "not made by a demo" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]
