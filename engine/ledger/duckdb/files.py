"""The files of an embedded ledger: who holds it, what it was last seen to be, and the copy that readers use."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import socket
import time
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Self

from engine.errors import LedgerRefused, LockHeld
from engine.ledger.identity import Holder, held_by
from engine.ledger.ledger import LedgerBroken
from engine.ledger.witness import Witness, read_witness, write_durably, write_witness

__all__ = ["Hold", "Holder", "LedgerFiles", "Witness", "locked_by_another", "refuse_network_disk", "who_holds", "write_durably"]

# Held by this process. A POSIX lock does not keep out its own process, and closing any descriptor of the file gives it up.
_held: dict[Path, Holder] = {}


@dataclass(frozen=True, slots=True)
class LedgerFiles:
    """The ledger and its companions: `ledger.duckdb`, `ledger.lock`, `ledger.witness`, `ledger.copy.duckdb`."""

    ledger: Path

    @property
    def wal(self) -> Path:
        return self.ledger.with_name(self.ledger.name + ".wal")

    @property
    def lock(self) -> Path:
        return self.ledger.with_suffix(".lock")

    @property
    def witness(self) -> Path:
        return self.ledger.with_suffix(".witness")

    @property
    def copy(self) -> Path:
        return self.ledger.with_suffix(".copy.duckdb")

    def read_witness(self) -> Witness | None:
        """None when there is none; LedgerRefused when there is one that cannot be read."""
        return read_witness(self.witness)

    def write_witness(self, witness: Witness) -> None:
        """On disk before this returns; a reader sees the old one or the new one."""
        write_witness(self.witness, witness)

    def leave_copy(self) -> None:
        """Give readers the ledger as it is now. Only while it is closed: closing a descriptor of it would give up its lock."""
        temporary = self.copy.with_suffix(".tmp")
        shutil.copyfile(self.ledger, temporary)
        os.replace(temporary, self.copy)


class Hold:
    """The mutex of an embedded ledger, gone with the process that has it. LockHeld names the one who has it."""

    def __init__(self, files: LedgerFiles, command: str, since: datetime) -> None:
        self.path = files.lock.resolve()
        holder = Holder(os.getpid(), socket.gethostname(), since.isoformat(timespec="seconds") + "Z", command)
        if self.path in _held:
            raise _lock_held(files, _held[self.path])
        try:
            self.handle = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise LedgerBroken(
                f"the lock {self.path} cannot be written, and so neither can the ledger", help="look at the folder's rights and the disk; nothing was sent"
            ) from error
        try:
            fcntl.lockf(self.handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            other = _read_holder(self.handle)
            os.close(self.handle)
            raise _lock_held(files, other) from error
        _held[self.path] = holder
        os.ftruncate(self.handle, 0)
        os.pwrite(self.handle, json.dumps(asdict(holder)).encode("utf-8"), 0)

    def release(self) -> None:
        if _held.pop(self.path, None) is not None:
            os.ftruncate(self.handle, 0)
            os.close(self.handle)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        self.release()


def _read_holder(handle: int) -> Holder | None:
    # The holder writes its name just after it took the lock; a moment's patience finds it.
    for _ in range(20):
        try:
            return Holder(**json.loads(os.pread(handle, 4096, 0)))
        except (ValueError, TypeError):
            time.sleep(0.01)
    return None


def _lock_held(files: LedgerFiles, holder: Holder | None) -> LockHeld:
    return held_by(f"the ledger {files.ledger}", holder)


def who_holds(files: LedgerFiles) -> Holder | None:
    """The holder of the ledger, None when it is free. For people to read; only a `Hold` decides."""
    path = files.lock.resolve()
    if path in _held:
        return _held[path]
    if not path.exists():
        return None
    try:
        handle = os.open(path, os.O_RDONLY)
    except PermissionError:
        # Of another user; who cannot look is not told.
        return None
    try:
        fcntl.lockf(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return _read_holder(handle)
    finally:
        os.close(handle)
    return None


def locked_by_another(ledger: Path) -> bool:
    """Whether another process has the database file open. Never asked while this process has it."""
    with ledger.open("rb+") as file:
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return True
    return False


def refuse_network_disk(folder: Path, mounts: Path = Path("/proc/mounts")) -> None:
    """A lock on NFS or SMB keeps nobody out: LedgerRefused there."""
    if not mounts.exists():
        return
    best, kind = Path("/"), ""
    for line in mounts.read_text(encoding="utf-8", errors="replace").splitlines():
        words = line.split(" ")
        where = Path(words[1].replace("\\040", " "))
        if folder.resolve().is_relative_to(where) and len(where.parts) >= len(best.parts):
            best, kind = where, words[2]
    if kind in ("nfs", "nfs4", "cifs", "smb3", "smbfs", "afs"):
        raise LedgerRefused(
            f"{folder} is on a network disk ({kind}), where a file lock keeps nobody out", help="put the ledger on a local disk, or use Postgres"
        )
