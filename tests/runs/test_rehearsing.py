"""`diff`: both revisions on the same facts, ledger and now."""

from __future__ import annotations

import subprocess
from datetime import datetime
from pathlib import Path

from engine.clock import naive_utc
from engine.runs.rehearsing import Difference, difference
from tests.plan.base import company, contact, contract
from tests.plan.samples import ONE_NOTICE

from .ground import Ground

AT = "2026-03-02T09:00:00+07:00"


def committed(root: Path) -> Ground:
    """In git: a notice 30 days before; contract 7 is due now, contract 8 would be with 20 days."""
    rows = [company(1), company(2), contract(7, end_date="2026-04-01"), contract(8, end_date="2026-03-22", company_id=2), contact(1), contact(2, company_id=2)]
    ground = Ground.make(root, ONE_NOTICE, *rows)
    ground.write(".gitignore", "state/\n")
    for words in (["init", "-q"], ["add", "."], ["-c", "user.name=T", "-c", "user.email=t@example.com", "commit", "-qm", "base"]):
        subprocess.run(["git", *words], cwd=root, check=True, capture_output=True)
    return ground


def compared(ground: Ground, at: str = AT) -> Difference:
    return difference(ground.root, "HEAD", None, None, ground.environ, naive_utc(datetime.fromisoformat(at)))


def test_8_diff_of_equal_revisions_is_empty(tmp_path: Path) -> None:
    """§8: nothing changed, and a comment or another order of keys is nothing: no gains, no losses, one digest."""
    ground = committed(tmp_path)
    path = "definitions/sequences/renewal.yaml"
    ground.write(path, "# a comment\n" + (tmp_path / path).read_text(encoding="utf-8"))
    found = compared(ground)
    assert (found.changes, found.gains, found.losses) == ((), 0, 0)
    assert found.base_digest == found.head_digest


def test_8_diff_of_a_changed_before_gains_and_loses(tmp_path: Path) -> None:
    """§8: with 20 days in place of 30, contract 8 gains its notice of today and contract 7 loses its own, which is due on 12 March now."""
    ground = committed(tmp_path)
    ground.change("definitions/sequences/renewal.yaml", "before: 30d", "before: 20d")
    (change,) = compared(ground).changes
    assert (change.sequence, change.step, change.gains, change.losses, change.kept) == ("renewal", "notice", ("2",), ("1",), 0)


def test_8_diff_writes_nothing(tmp_path: Path) -> None:
    """§8: after a diff the ledger's head is where it was, and an apply of the work tree does what its plan said."""
    ground = committed(tmp_path)
    with ground.site(AT).read_ledger() as ledger:
        before = ledger.head()
    compared(ground)
    with ground.site(AT).read_ledger() as ledger:
        assert ledger.head() == before
