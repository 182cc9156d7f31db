"""Whose ledger one has to be, and who holds it: the same words in every home."""

from __future__ import annotations

from dataclasses import dataclass

from engine import __version__
from engine.errors import LedgerRefused, LockHeld
from engine.ledger.pseudonyms import Pseudonyms

CREATE = "engine state create"
MIGRATE = "engine state migrate"


@dataclass(frozen=True, slots=True)
class Identity:
    """Whose ledger it has to be. `pseudonyms` is the fingerprint of the key that its address keys were made with; None is not checked."""

    project: str
    environment: str
    pseudonyms: str | None = None

    @classmethod
    def of(cls, project: str, environment: str, pseudonyms: Pseudonyms | None) -> Identity:
        return cls(project, environment, pseudonyms.fingerprint if pseudonyms else None)


@dataclass(frozen=True, slots=True)
class Stamp:
    """What a ledger says of itself."""

    project: str
    environment: str
    schema_version: int
    min_engine: str
    pseudonyms: str | None


def refuse_version(stamp: Stamp, needed: int) -> None:
    """A ledger of an older or a newer engine; nothing but `state migrate` ever migrates one."""
    if stamp.schema_version < needed:
        raise LedgerRefused(f"the ledger has schema {stamp.schema_version}, this engine needs {needed}", help=f"run `{MIGRATE}`")
    if stamp.schema_version > needed:
        raise LedgerRefused(
            f"the ledger has schema {stamp.schema_version}, this engine ({__version__}) knows {needed}", help=f"use engine {stamp.min_engine} or later"
        )


def refuse_stranger(where: str, stamp: Stamp, identity: Identity) -> None:
    """A ledger of another project, another environment, or with addresses hashed by another key."""
    if (stamp.project, stamp.environment) != (identity.project, identity.environment):
        raise LedgerRefused(
            f"{where} belongs to project `{stamp.project}`, environment `{stamp.environment}`, not to `{identity.project}`, `{identity.environment}`",
            help="name the right environment with --env, or the right ledger under `ledger:` in engine.yaml",
        )
    if identity.pseudonyms and stamp.pseudonyms and identity.pseudonyms != stamp.pseudonyms:
        raise LedgerRefused(
            "the pseudonym key is not the one that this ledger's addresses were hashed with: its suppressions would not be found",
            help="set ENGINE_PSEUDONYM_KEY, or state/pseudonym.key, to the key that this ledger was begun with",
        )


@dataclass(frozen=True, slots=True)
class Holder:
    """Who holds a ledger, and since when."""

    pid: int
    host: str
    since: str
    command: str

    def __str__(self) -> str:
        return f"`{self.command}`, process {self.pid} on {self.host}, since {self.since}"


def held_by(where: str, holder: Holder | None) -> LockHeld:
    """The refusal of a ledger that another process works on; it names that process."""
    who = str(holder) if holder else "another process"
    return LockHeld(f"{where} is held by {who}", help="wait for it to end; `engine stop` reaches a running apply at once")
