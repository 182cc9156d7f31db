"""§1: one function of the definitions, the facts, the ledger and now."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from engine.errors import LedgerRefused
from engine.ledger.duckdb import DuckdbLedger
from tests.quick import BEGAN
from tests.runs.ground import Ground

from .base import contact, contract
from .samples import RENEWAL, TRIAL
from .story import KEY, Story, Teller


def two_sequences(tell: Teller) -> Story:
    """Three contracts and two trials in one project; two contacts share an address."""
    return tell(
        RENEWAL + "    audience: {first_of: [{contact.kind: billing}, all]}\n",
        TRIAL,
        *(contract(i, end_date=f"2026-04-0{i}") for i in (1, 2, 3)),
        contact(1, trial_end="2026-03-02", email="desk@example.com", kind="billing"),
        contact(2, email="Desk@example.com ", kind="billing"),
        contact(3, trial_end="2026-03-01"),
    )


def shuffled(value: Any, dice: random.Random) -> Any:
    """The same YAML with the keys of every mapping in another order."""
    if isinstance(value, dict):
        return {key: shuffled(value[key], dice) for key in dice.sample(list(value), len(value))}
    return [shuffled(item, dice) for item in value] if isinstance(value, list) else value


def test_1_1_order_of_keys_files_and_records_changes_nothing(tell: Teller) -> None:
    """1.1: the same definitions with keys and files in another order, over the same records in another order, give the same plan."""
    story = two_sequences(tell)
    first = story.planned("2026-03-04 09:00")
    dice = random.Random(7)
    names = dice.sample(list(story.files), len(story.files))
    # Keys are quoted nowhere else: a time such as "09:00" stays text on its way through YAML.
    story.files = {name: yaml.safe_dump(shuffled(yaml.load(story.files[name], yaml.BaseLoader), dice), sort_keys=False, default_style='"') if "crm" in name else story.files[name]
                   for name in names}  # fmt: skip
    story.rows = {entity: dice.sample(rows, len(rows)) for entity, rows in story.rows.items()}
    story.load()
    second = story.planned("2026-03-04 09:00")
    assert second.definitions.digest == first.definitions.digest
    assert second.decisions.equals(first.decisions)
    assert second.sequences == first.sequences
    assert {name: table.equals(second.changes[name]) for name, table in first.changes.items()} == dict.fromkeys(first.changes, True)


def test_1_1_two_processes_write_the_same_bytes(tmp_path: Path) -> None:
    """1.1: `engine plan --format json` in two processes with other hash seeds: the same bytes, also after an apply."""
    ground = Ground.make(tmp_path, RENEWAL, TRIAL, contract(1, end_date="2026-04-01"), contract(2, end_date="2026-04-02"), contact(1, trial_end="2026-03-02"), contact(2))
    ground.apply("2026-03-02T09:00:00+07:00")
    written = []
    for seed in ("1", "4242"):
        command = [sys.executable, "-m", "engine", "-C", str(ground.root), "plan", "--format", "json", "--all", "--now", "2026-03-03T09:00:00+07:00"]
        done = subprocess.run(command, env={**os.environ, "PYTHONHASHSEED": seed}, capture_output=True, check=True, timeout=60)
        written.append(done.stdout)
    assert written[0] == written[1]
    assert b'"decision": "send"' in written[0] or b'"decision":"send"' in written[0]


def test_1_2_apply_twice_is_apply_once(tell: Teller) -> None:
    """1.2: the second apply at the same now sends nothing and enters nobody, and the ledger's sends are as they were."""
    story = two_sequences(tell)
    story.applied("2026-03-04 09:00")
    once = story.sent()
    assert len(once) == 5
    again = story.applied("2026-03-04 09:00")
    assert again.summary["send"] == again.summary["enroll"] == again.summary["skipped_steps"] == 0
    assert story.sent() == once


def test_1_2_plan_after_apply_is_without_sends(tell: Teller) -> None:
    """1.2: what was due has been decided; a minute later nothing is."""
    story = two_sequences(tell)
    story.applied("2026-03-04 09:00")
    assert story.sends("2026-03-04 09:01") == []


def test_1_2_missed_run_changes_nothing_but_the_lateness(tell: Teller) -> None:
    """1.2: runs on every day, or one run after four days: the same mails to the same people."""
    daily, late = two_sequences(tell), two_sequences(tell)
    for day in range(1, 5):
        daily.applied(f"2026-03-0{day} 09:00")
    late.applied("2026-03-04 09:00")
    assert sorted(daily.sent()) == sorted(late.sent())


def test_1_3_ledger_of_another_environment_or_project_is_refused(tell: Teller, tmp_path: Path) -> None:
    """1.3: both names stand in the ledger from its creation; any other is refused with exit 7, and so is one that is not there."""
    path = tmp_path / "one.duckdb"
    DuckdbLedger.create(path, "stories", "dev", now=BEGAN, pseudonyms=KEY)
    for project, environment in (("stories", "production"), ("others", "dev")):
        with pytest.raises(LedgerRefused) as refused:
            DuckdbLedger.open(path, project, environment, command="apply", now=BEGAN, pseudonyms=KEY)
        assert refused.value.exit_code == 7
    with pytest.raises(LedgerRefused) as refused:
        DuckdbLedger.open(tmp_path / "none.duckdb", "stories", "dev", command="apply", now=BEGAN, pseudonyms=KEY)
    assert refused.value.exit_code == 7
    assert not (tmp_path / "none.duckdb").exists()
