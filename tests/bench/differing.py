"""The difference of two revisions over thirty days, beside one plan of the same records."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

from engine.rehearsal.differing import difference
from engine.runs.planning import plan_now
from tests.bench.measuring import Measure, best, seconds
from tests.bench.world import NOW, World

# A step earlier by four days, another one for fewer people.
_EDITS = (("before: 14d", "before: 18d"), ("contact_type: [billing, primary]", "contact_type: [billing]"))
_NAMES = {"GIT_AUTHOR_NAME": "bench", "GIT_AUTHOR_EMAIL": "bench@example.com", "GIT_COMMITTER_NAME": "bench", "GIT_COMMITTER_EMAIL": "bench@example.com"}


def measures(world: World, rounds: int) -> Iterator[Measure]:
    root = world.site.root
    for words in (("init", "-q"), ("add", "engine.yaml", "definitions"), ("commit", "-q", "-m", "base")):
        subprocess.run(["git", "-c", "core.hooksPath=", *words], cwd=root, check=True, env=os.environ | _NAMES)
    _edit(root)
    found = []
    ours, plan = best(lambda: found.append(difference(root, "HEAD", None, "bench", os.environ, NOW)), lambda: plan_now(world.site), rounds)
    one = found[0]
    changed = ", ".join(f"{one.total(kind):,} {kind}" for kind in ("gain", "loss", "move", "later", "sooner"))
    note = f"{one.was.mails:,} mails before and {one.will.mails:,} after; {changed}; {len(one.before.instants)} and {len(one.after.instants)} simulated applies"
    what = f"diff over 30 days, {world.contacts:,} contacts"
    yield Measure(what, seconds(ours), seconds(plan), ours / plan, "at most 15 plans of the same size", ours / plan <= 15, note)


def _edit(root: Path) -> None:
    for file in sorted((root / "definitions" / "sequences").glob("*.yaml")):
        text = file.read_text(encoding="utf-8")
        for old, new in _EDITS:
            text = text.replace(old, new)
        file.write_text(text, encoding="utf-8")
