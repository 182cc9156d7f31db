"""The same stories through the real command line: files on disk, `engine apply`, `engine plan --format json` (semantics 1.1)."""

from __future__ import annotations

import io
import json
import os
from collections import Counter
from contextlib import redirect_stderr, redirect_stdout
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from engine.cli import main

from .engine_side import held_for
from .timeline import Apply, Cancel, ChangeFacts, EditDefinitions, Enroll, Operation, Pause, Play, Resume, Start, Stop, Suppress, Tell
from .worlds import world_from_seed
from .writing import write_definitions, write_facts, write_project

SEEDS = [int(seed) for seed in os.environ.get("ORACLE_CLI_SEEDS", "3,11").split(",")]


class Project:
    """A folder, and commands run in it at given moments."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def engine(self, *arguments: str, now: datetime | None = None, codes: tuple[int, ...] = (0,)) -> str:
        said, errors = io.StringIO(), io.StringIO()
        moment = ["--now", now.isoformat()] if now is not None else []
        with redirect_stdout(said), redirect_stderr(errors), pytest.raises(SystemExit) as ended:
            main(["-C", str(self.folder), *arguments, *moment])
        code = ended.value.code or 0
        assert code in codes, f"engine {' '.join(arguments)} ended with {code}\n{said.getvalue()}\n{errors.getvalue()}"
        return said.getvalue()

    def perform(self, operation: Operation, now: datetime, play: Play) -> None:
        """The operation as a user would do it."""
        match operation:
            case Apply():
                self.engine("apply", now=now, codes=(0, 3))
            case ChangeFacts(_, facts):
                write_facts(self.folder, play.project, facts)
            case EditDefinitions(_, project):
                write_definitions(self.folder, project)
            case Enroll():
                self.enroll(operation, now)
            case Tell(event, entity, record, id, at):
                self.engine("event", event, "--record", f"{entity}:{record}", "--id", id, "--at", at.isoformat(), now=now)
            case Pause(sequence, contact) | Resume(sequence, contact):
                verb = "pause" if isinstance(operation, Pause) else "resume"
                target = [sequence] if sequence else ["--all"] if contact is None else []
                self.engine(verb, *target, *(["--contact", str(contact)] if contact is not None else []), now=now, codes=(0, 1))
            case Cancel(sequence, contact):
                self.engine("cancel", sequence, "--contact", str(contact), now=now, codes=(0, 1))
            case Stop(sequence):
                self.engine("stop", *([sequence] if sequence else []), now=now)
            case Start(sequence):
                self.engine("start", *([sequence] if sequence else []), now=now)
            case Suppress(address, reason, topic):
                self.engine("suppress", address, "--reason", reason, *(["--topic", topic] if topic else []), now=now)

    def enroll(self, operation: Enroll, now: datetime) -> bool:
        """False where the door refused at once what the planner would count as before_introduction (3.7)."""
        said = self.engine("enroll", operation.sequence, "--record", f"{operation.entity}:{operation.record}", "--format", "json", now=now, codes=(0, 1))
        return not (said.startswith("{") and "not_started" in json.loads(said)["skipped"])


def shown(plan: dict[str, Any]) -> Counter[tuple[str, ...]]:
    rows = []
    for row in plan["decisions"]:
        due = row["due_at"] and datetime.fromisoformat(row["due_at"]).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        sent = row["decision"] == "send"
        rows.append((
            row["sequence"], due or "", row["about"]["entity"], row["about"]["key"], row["occurrence"], row["contact"] or "", row["step"] or "",
            row["decision"], row["reason"], row["template"] if sent else "", row["locale"] if sent else "",
            held_for(row),
        ))  # fmt: skip
    return Counter(rows)


@pytest.mark.parametrize("seed", SEEDS)
def test_the_command_line_says_what_the_oracle_says(seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """1.1: plan, apply and the orders between them, as commands, give the plans that the page describes."""
    monkeypatch.setenv("ENGINE_PSEUDONYM_KEY", "oracle" * 6)
    story = world_from_seed(seed)
    project, oracle = Project(tmp_path), Play(story.project, story.facts)
    write_project(tmp_path, story.project, story.facts)
    first = story.timeline[0][0]
    project.engine("state", "create", now=first)
    for instant, operations in story.timeline:
        for operation in operations:
            if isinstance(operation, Apply):
                # The outbox takes everything: nothing fails on this road.
                operation = Apply()
                plan = json.loads(project.engine("plan", "--all", "--format", "json", "--show-pii", now=instant))
                project.perform(operation, instant, oracle)
                expected = oracle.perform(operation, instant)
                assert expected is not None
                assert shown(plan) == Counter(expected.as_rows()), story.told()
                assert plan["applyable"] is not expected.blocked
            else:
                if isinstance(operation, Enroll):
                    if oracle.project["sequences"][operation.sequence]["status"] in ("draft", "archived") or not project.enroll(operation, instant):
                        continue
                    oracle.perform(operation, instant)
                    continue
                oracle.perform(operation, instant)
                project.perform(operation, instant, oracle)
