"""What the care of a ledger tells: a copy made, a check's findings, what a restore would forget and did, what was forgotten. Values."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from engine.ledger.witness import Witness

# The sequence of a row of `starts` that is about the whole project: nothing that was due before it is sent.
WHOLE_PROJECT = ""
# Why a send is in doubt, or a step passed over, after a restore.
RESTORED = "ledger_restored"
# Why a planned send was cancelled when its address was erased.
FORGOTTEN = "forgotten"


@dataclass(frozen=True, slots=True)
class BackedUp:
    """A copy of a ledger. `copied_at` is None when it is as new as the ledger, else when the readers' copy was made (naive UTC)."""

    path: Path
    head: Witness
    size: int
    sends: int
    copied_at: datetime | None


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was checked; `fault` is empty when it is well."""

    asked: str
    told: str
    fault: str = ""


@dataclass(frozen=True, slots=True)
class Verified:
    """A ledger that was read from its first row to its last: a file, or a schema in words. `head` is None when it could not be opened."""

    path: Path | str
    head: Witness | None
    findings: tuple[Finding, ...]

    @property
    def faults(self) -> tuple[Finding, ...]:
        return tuple(finding for finding in self.findings if finding.fault)


@dataclass(frozen=True, slots=True)
class Restored:
    """A backup in place. `taken_over` are sends whose key was taken from what was replaced; `in_doubt` those that may have left.

    `passed_over` is the instant before which nothing that was due is sent: None when all that was done since the backup is known.
    """

    head: Witness
    backup: Witness
    replaced: Path | None
    known_from: Path | None
    taken_over: int
    in_doubt: int
    passed_over: datetime | None


@dataclass(frozen=True, slots=True)
class Rekeyed:
    """What became of new keys for the records of an entity: `known` is how many of those that the ledger knows have one, `missing` are the
    keys that have none.

    `sends` is how many send keys are others now, and `backup` the copy of the ledger made before. Without `backup` nothing was done.
    """

    known: int
    missing: tuple[str, ...]
    sends: int = 0
    backup: Path | None = None


@dataclass(frozen=True, slots=True)
class Forgotten:
    """What was erased. `cancelled` are planned sends that lost their address; `backups` are the files that were cleaned with it."""

    sends: int
    payloads: int
    texts: int
    cancelled: int
    backups: tuple[Path, ...] = ()
