"""What a ledger was when last written, kept beside it: one that says less was rolled back or lost its end (reliability.md §3.8)."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from engine.errors import LedgerRefused

RESTORE = "put back the newest backup of the ledger together with its witness; without one, ask what was sent before anything is sent again"


@dataclass(frozen=True, slots=True)
class Witness:
    """What the ledger was when last written. A ledger that says less was rolled back or lost its end."""

    lineage: str
    serial: int
    head_hash: str


def read_witness(path: Path) -> Witness | None:
    """None when there is none; LedgerRefused when there is one that cannot be read."""
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        return Witness(str(values["lineage"]), int(values["serial"]), str(values["head_hash"]))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise LedgerRefused(f"the ledger's witness {path} cannot be read", help="put it back from a backup, together with its ledger") from error


def write_witness(path: Path, witness: Witness) -> None:
    """On disk before this returns; a reader sees the old one or the new one."""
    write_durably(path, json.dumps(asdict(witness)).encode("ascii"))


def compare_with_witness(where: str, seen: Witness, ledger: Witness, hash_at: Callable[[int], str | None]) -> None:
    """LedgerRefused for a ledger that is not the one that was seen, with all that it was then. `hash_at` is its head hash at a serial."""
    if seen.lineage != ledger.lineage:
        raise LedgerRefused(f"{where} is of another lineage than its witness: it was made anew or exchanged", help=RESTORE)
    if ledger.serial < seen.serial:
        raise LedgerRefused(
            f"the ledger stands at {ledger.serial}, its witness saw {seen.serial}: it was rolled back or lost its end, and would send again", help=RESTORE
        )
    known = "0" * 64 if seen.serial == 0 else hash_at(seen.serial)
    if known != seen.head_hash or (ledger.serial == seen.serial and ledger.head_hash != seen.head_hash):
        raise LedgerRefused(f"{where} tells another history than its witness saw", help=RESTORE)


def write_durably(path: Path, content: bytes) -> None:
    """Replace the file, all or nothing, and durably: written beside it, fsync, rename, fsync of the folder."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.{threading.get_ident()}.tmp")
    handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        os.write(handle, content)
        os.fsync(handle)
    finally:
        os.close(handle)
    os.replace(temporary, path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
