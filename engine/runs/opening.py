"""A project made ready for a run: its definitions checked, one environment resolved, its keys and files at hand."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from engine.definitions.definitions import Definitions
from engine.definitions.environments import ResolvedEnvironment, resolve
from engine.definitions.loading import load
from engine.definitions.project import DuckdbLedger as DuckdbLedgerSetting
from engine.definitions.trees import Tree, WorkTree
from engine.errors import DefinitionsInError, LedgerRefused
from engine.facts.reading import read_snapshot
from engine.facts.snapshot import Snapshot
from engine.ledger.duckdb import DuckdbLedger, DuckdbReading
from engine.ledger.pseudonyms import Pseudonyms, read_pseudonyms
from engine.messages.checking import check_templates
from engine.problems import Problem

STATE = "state"
STOP_FILE = "STOP"


@dataclass(frozen=True)
class Site:
    """One project, one environment, one now (naive UTC). `stopped` is the kill switch: state/STOP, or ENGINE_STOP=1 (9.8)."""

    root: Path
    definitions: Definitions
    environment: ResolvedEnvironment
    now: datetime
    pseudonyms: Pseudonyms
    warnings: tuple[Problem, ...]
    stopped: bool

    @property
    def state(self) -> Path:
        return self.root / STATE

    @property
    def ledger_path(self) -> Path:
        setting = self.environment.ledger
        if not isinstance(setting, DuckdbLedgerSetting):
            raise LedgerRefused("a ledger on Postgres is not in this version yet; a later stage brings it", help="use `ledger: {duckdb: state/ledger.duckdb}`")
        return self.root / setting.duckdb

    def read_facts(self) -> Snapshot:
        """The CRM now, only the columns that the definitions name."""
        return read_snapshot(self.definitions, self.environment.facts, now=self.now, root=self.root)

    def read_ledger(self) -> DuckdbReading:
        """The ledger to read; while a run holds it, the copy that the last run left."""
        return DuckdbReading.open(self.ledger_path, self.definitions.project.name, self.environment.name, pseudonyms=self.pseudonyms)

    def open_ledger(self, command: str) -> DuckdbLedger:
        """The ledger to write. LockHeld when another process has it (exit 5)."""
        return DuckdbLedger.open(
            self.ledger_path, self.definitions.project.name, self.environment.name, command=command, now=self.now, pseudonyms=self.pseudonyms
        )


def open_site(root: Path, env_name: str | None, environ: Mapping[str, str], now: datetime) -> Site:
    """Everything that a run needs. Raises DefinitionsInError with all problems at once, EngineError for the set-up."""
    definitions, warnings = sound_definitions(WorkTree(root))
    environment = resolve(definitions.project, env_name, environ)
    pseudonyms = read_pseudonyms(root / STATE, environ.get("ENGINE_PSEUDONYM_KEY"))
    return Site(root, definitions, environment, now, pseudonyms, warnings, is_stopped(root, environ))


def sound_definitions(tree: Tree) -> tuple[Definitions, tuple[Problem, ...]]:
    """The definitions of a tree with their warnings. Raises DefinitionsInError when there is an error."""
    loaded = load(tree)
    problems = list(loaded.problems)
    if loaded.definitions is not None:
        problems += check_templates(loaded.definitions, tree.read)
    if loaded.definitions is None or any(problem.severity == "error" for problem in problems):
        raise DefinitionsInError(sorted(problems, key=lambda problem: problem.sort_key))
    return loaded.definitions, tuple(problems)


def is_stopped(root: Path, environ: Mapping[str, str]) -> bool:
    """Whether the kill switch is on. What cannot be read means stop: nobody can say that it is off."""
    if environ.get("ENGINE_STOP", "").strip().lower() not in ("", "0", "false", "no"):
        return True
    try:
        (root / STATE / STOP_FILE).lstat()
    except FileNotFoundError:
        return False
    except OSError:
        return True
    return True
