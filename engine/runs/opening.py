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
from engine.definitions.project import PostgresFacts
from engine.definitions.trees import Tree, WorkTree
from engine.errors import DefinitionsInError, WrongUsage
from engine.facts.needs import needed, together
from engine.facts.reading import read_snapshot
from engine.facts.snapshot import Needs, Snapshot
from engine.ledger.identity import Identity
from engine.ledger.ledger import Ledger, Reading
from engine.ledger.pseudonyms import Pseudonyms
from engine.messages.checking import check_templates
from engine.problems import Problem
from engine.runs.homes import SCHEMA, Crm, EmbeddedHome, PostgresHome
from engine.runs.saved import judged, pseudonyms_for

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
    def home(self) -> EmbeddedHome | PostgresHome:
        """Where this environment's ledger is."""
        setting = self.environment.ledger
        identity = Identity.of(self.definitions.project.name, self.environment.name, self.pseudonyms)
        if isinstance(setting, DuckdbLedgerSetting):
            return EmbeddedHome(self.root / setting.duckdb, identity, self.pseudonyms)
        return PostgresHome(
            str(setting.postgres), setting.schema_ or SCHEMA, self.state / f"postgres-{self.environment.name}.witness", identity, self.pseudonyms
        )

    @property
    def ledger_path(self) -> Path:
        """The file of an embedded ledger. WrongUsage for one on Postgres."""
        home = self.home
        if not isinstance(home, EmbeddedHome):
            raise WrongUsage(f"the ledger of `{self.environment.name}` is on Postgres, and this is for a ledger in a file")
        return home.path

    def read_facts(self, also: Needs | None = None) -> Snapshot:
        """The CRM now, only the columns that the definitions name, and those of `also`."""
        return read_snapshot(self.definitions, self.environment.facts, now=self.now, root=self.root, needs=together(needed(self.definitions), also or {}))

    def read_ledger(self) -> Reading:
        """The ledger to read; an embedded one that a run holds: the copy that the last run left."""
        ledger = self.home.read()
        ledger.know(self.definitions.former_names)
        return ledger

    def open_ledger(self, command: str, *, lock: bool = True) -> Ledger:
        """The ledger to write. LockHeld when another process has it (exit 5); on Postgres only where `lock`, the plan's lock, is wanted:
        an order and a worker need none. LedgerRefused for a role that may write the CRM, where mails are planned or sent with it."""
        home = self.home
        if isinstance(home, PostgresHome) and command in ("apply", "deliver"):
            ledger = home.open(command, self.now, lock=lock, crm=self._crm)
        else:
            ledger = home.open(command, self.now, lock=lock)
        ledger.know(self.definitions.former_names)
        return ledger

    @property
    def _crm(self) -> Crm | None:
        facts = self.environment.facts
        if not isinstance(facts, PostgresFacts):
            return None
        tables = tuple(entity.table for entity in self.definitions.crm.entities.values() if entity.table)
        return Crm(str(facts.postgres), facts.schema_, tables)


def open_site(root: Path, env_name: str | None, environ: Mapping[str, str], now: datetime) -> Site:
    """Everything that a run needs. Raises DefinitionsInError with all problems at once, EngineError for the set-up."""
    definitions, warnings = sound_definitions(WorkTree(root))
    environment = resolve(definitions.project, env_name, environ)
    pseudonyms = pseudonyms_for(root, root / STATE, environment, environ)
    definitions, not_judged = judged(definitions, environment, root, pseudonyms)
    return Site(root, definitions, environment, now, pseudonyms, (*not_judged, *warnings), is_stopped(root, environ))


def sound_definitions(tree: Tree) -> tuple[Definitions, tuple[Problem, ...]]:
    """The definitions of a tree with their warnings. Raises DefinitionsInError when there is an error."""
    loaded = load(tree)
    problems = list(loaded.problems)
    if loaded.sound_parts is not None:
        problems += check_templates(loaded.sound_parts, tree.read)
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
