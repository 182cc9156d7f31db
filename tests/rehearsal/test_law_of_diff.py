"""The law of `diff` on random pairs of revisions: applying the head over the days that were looked at sends exactly what was said.

The worlds and the edits are the oracle's: sequences of every trigger, people on the way, pauses and suppressions; then one edit.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from unittest.mock import patch
from uuid import uuid4

import pytest

from engine.clock import naive_utc
from engine.definitions.definitions import Definitions
from engine.facts.reading import snapshot_of_rows
from engine.ledger.records import Changes, Run
from engine.plan.planning import make_plan
from engine.rehearsal import near_facts
from engine.rehearsal.course import Course
from engine.rehearsal.differing import compared
from engine.rehearsal.foretelling import Ground
from engine.rehearsal.side_by_side import followed_together
from tests.oracle.editing import Editor
from tests.oracle.engine_side import KEY, EnginePlay, definitions_of
from tests.oracle.timeline import EditDefinitions
from tests.oracle.worlds import Builder

# How far is looked ahead, and how many instants at most: each costs three plans.
SHORT, LONG = (timedelta(days=2), 4), (timedelta(days=6), 1_000)
# Guards hold a course back only in words: it is followed as if somebody had allowed them.
ALLOWED = {"min_facts": 0.0}
Mail = tuple[Any, ...]


class _Calm(Builder):
    """Few nasty values, so that something is sent."""

    @property
    def calm(self) -> bool:
        return True

    @calm.setter
    def calm(self, drawn: bool) -> None:
        """As it is."""


@contextmanager
def pair(seed: int, folder: Path) -> Iterator[tuple[EnginePlay, Definitions, datetime] | None]:
    """A world that has lived for a while, the head that somebody proposes, and the moment after; None where no edit fits."""
    builder = _Calm(random.Random(seed))
    story = builder.story()
    play = EnginePlay(_unguarded(story.project), story.facts, folder)
    try:
        for moment, operations in story.timeline:
            for operation in operations:
                play.perform(EditDefinitions(operation.note, _unguarded(operation.project)) if isinstance(operation, EditDefinitions) else operation, moment)
        editor = Editor(builder, play.project, play.facts, builder.pools)
        edit = next(filter(None, (editor.edit() for _ in range(9))), None)
        yield None if edit is None else (play, definitions_of(_unguarded(edit.project)), naive_utc(story.timeline[-1][0]) + timedelta(minutes=20))
    finally:
        play.close()


def _unguarded(project: dict[str, Any]) -> dict[str, Any]:
    sequences = {id: {key: value for key, value in said.items() if key != "guards"} for id, said in project["sequences"].items()}
    return {**project, "engine": {key: value for key, value in project["engine"].items() if key != "guards"}, "sequences": sequences}


def courses(play: EnginePlay, both: tuple[Definitions, Definitions], now: datetime, far: tuple[timedelta, int]) -> list[Course]:
    """As `diff` follows them: at the same time."""
    with ExitStack() as stack:
        snapshots = [stack.enter_context(snapshot_of_rows(definitions, play.facts, now=now)) for definitions in both]
        grounds = [Ground(snapshot, play.ledger.view, now, now + far[0], "dev", KEY.address_key) for snapshot in snapshots]
        return followed_together(list(zip(grounds, both, strict=True)), most=far[1])


def applied(play: EnginePlay, definitions: Definitions, now: datetime) -> None:
    """One real apply, every mail of it accepted."""
    snapshot = play.records.snapshot(definitions, play.facts, now)
    plan = make_plan(definitions, snapshot, play.ledger.view, now, environment="dev", address_key=KEY.address_key, allowed=ALLOWED)
    run = Run(str(uuid4()), now, "0", definitions.digest, None, "{}", plan.facts_digest, "x", "host", 1)
    play.ledger.commit(run, Changes(plan.changes))
    play.deliver(now, {})
    play.ledger.finish_run(run.run_id, "done", {}, now)


def told(found: Course) -> list[Mail]:
    return sorted(tuple(row[name] for name in ("moment", "sequence", "step", "record", "occurrence", "contact")) for row in found.sends.to_pylist())


def told_and_sent(seed: int, folder: Path, far: tuple[timedelta, int]) -> tuple[list[Mail], list[Mail]]:
    """What the head's course says, and what real applies of the head sent at its instants. The numbers of the difference fit both courses.

    Every second pair is followed as one of a large CRM is, on a part of the facts; the real applies are of all of them.
    """
    with pair(seed, folder) as made, patch.multiple(near_facts, **({"LARGE": 0, "WORTH": 0} if seed % 2 else {"LARGE": near_facts.LARGE})):
        if made is None:
            return [], []
        play, head, now = made
        was, will = courses(play, (play.definitions, head), now, far)
        found = compared("base", "head", was, will)
        assert (found.was.mails, found.will.mails) == tuple(sum(mail.moment <= found.until for mail in one.letters()) for one in (was, will))
        counts: Counter[str] = Counter()
        for step in found.steps:
            counts.update(step.counts)
        assert found.will.mails - found.was.mails == counts["gain"] + counts["sooner"] - counts["loss"] - counts["later"], counts
        for moment in will.instants:
            applied(play, head, moment)
        rows = play.ledger.sends(limit=100_000).rows
        sent = sorted((r.decided_at, r.sequence, r.step, r.record, r.occurrence, r.contact) for r in rows if r.decided_at >= now and r.state != "skipped")
        return told(will), sent


@pytest.mark.parametrize("seed", range(20))
def test_8_applying_the_head_sends_what_diff_said(seed: int, tmp_path: Path) -> None:
    """§8, 1.1: twenty pairs over two days, the same ones each time."""
    told, sent = told_and_sent(seed, tmp_path, SHORT)
    assert sent == told


@pytest.mark.soak
@pytest.mark.parametrize("first", range(1_000, 1_500, 25))
def test_8_applying_the_head_sends_what_diff_said_on_five_hundred(first: int, tmp_path: Path) -> None:
    """§8, 1.1: five hundred pairs over six days."""
    for seed in range(first, first + 25):
        folder = tmp_path / str(seed)
        folder.mkdir()
        told, sent = told_and_sent(seed, folder, LONG)
        assert sent == told, seed
