"""Copies of an embedded ledger: made whole, also while a run holds it, with what they are written beside them."""

from __future__ import annotations

import os
import shutil
from contextlib import ExitStack, suppress
from datetime import UTC, datetime
from pathlib import Path

import duckdb

from engine.errors import EngineError, LedgerRefused, LockHeld
from engine.ledger.care import BackedUp, Verified
from engine.ledger.duckdb import opening
from engine.ledger.duckdb.files import Hold, LedgerFiles
from engine.ledger.duckdb.rebuilding import fold_in, put_in_place, workshop, write_anew
from engine.ledger.duckdb.verifying import verify
from engine.ledger.identity import Identity
from engine.ledger.ledger import LedgerBroken
from engine.ledger.witness import Witness, read_witness, write_witness

# A ledger that a restore replaced is kept under this name, with the moment of the restore.
REPLACED = "ledger.replaced-"


def beside(backup: Path) -> Path:
    """Where a backup's lineage, serial and head hash are written."""
    return backup.with_name(backup.name + ".witness")


def back_up(files: LedgerFiles, target: Path, identity: Identity, *, now: datetime, force: bool = False) -> BackedUp:
    """Copy the ledger to a file. While a run holds it, its readers' copy is copied; `copied_at` says of when that is."""
    _refuse_target(files, target, force)
    opening.refuse_missing(files)
    try:
        with Hold(files, "state backup", now):
            connection = opening.connect_patiently(files)
            try:
                opening.check(connection, files, identity)
                connection.execute("CHECKPOINT")
            finally:
                connection.close()
            return _copy(files.ledger, target, files.read_witness(), None)
    except LockHeld:
        if not files.copy.exists():
            raise
    connection, _, _ = opening.open_to_read(files.ledger, identity)
    connection.close()
    copied_at = datetime.fromtimestamp(files.copy.stat().st_mtime, UTC).replace(tzinfo=None)
    return _copy(files.copy, target, None, copied_at)


def copy_held(files: LedgerFiles, target: Path) -> BackedUp:
    """The same for a ledger that this process holds and has closed, all of it in its file."""
    _refuse_target(files, target, force=False)
    return _copy(files.ledger, target, files.read_witness(), None)


def _refuse_target(files: LedgerFiles, target: Path, force: bool) -> None:
    own = {path.resolve() for path in (files.ledger, files.wal, files.lock, files.witness, files.copy)}
    if {target.resolve(), beside(target).resolve()} & own:
        raise EngineError(f"{target} is the ledger's own file", help="name another file for the backup")
    if not target.parent.is_dir():
        raise EngineError(f"there is no folder {target.parent}", help="make it, or name a file in another one")
    if target.exists() and not force:
        raise EngineError(f"{target} is there already, and a backup is not overwritten", help="name another file, or say --force")


def _copy(source: Path, target: Path, seen: Witness | None, copied_at: datetime | None) -> BackedUp:
    making = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    try:
        handle = os.open(making, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "wb") as out, source.open("rb") as given:
            shutil.copyfileobj(given, out, 1024 * 1024)
            out.flush()
            os.fsync(out.fileno())
        checked = verify(making, seen)
        if checked.faults or checked.head is None:
            fault = checked.faults[0]
            raise LedgerRefused(
                f"the copy is not whole ({fault.asked}: {fault.fault}); no backup was made", help="run `engine state verify`: the ledger itself may be damaged"
            )
        os.replace(making, target)
        target.chmod(0o600)
        write_witness(beside(target), checked.head)
        size = target.stat().st_size
        sends = _count_sends(target)
    except OSError as error:
        raise EngineError(
            f"the backup {target} could not be written", help="look at the disk and the folder; no backup was made, the ledger is as it was"
        ) from error
    finally:
        with suppress(OSError):
            making.unlink(missing_ok=True)
    return BackedUp(target, checked.head, size, sends, copied_at)


def _count_sends(path: Path) -> int:
    connection = opening.connect(path, read_only=True)
    try:
        return int(connection.execute("SELECT count(*) FROM sends").fetchall()[0][0])
    finally:
        connection.close()


def verify_ledger(files: LedgerFiles, *, now: datetime) -> tuple[Verified, datetime | None]:
    """Check the ledger; while a run holds it the readers' copy, and then of when that is."""
    opening.refuse_missing(files)
    with ExitStack() as stack:
        try:
            stack.enter_context(Hold(files, "state verify", now))
        except LockHeld:
            if not files.copy.exists():
                raise
            return verify(files.copy, None), datetime.fromtimestamp(files.copy.stat().st_mtime, UTC).replace(tzinfo=None)
        except LedgerBroken:
            # A folder that cannot be written has no writer either.
            pass
        return verify(files.ledger, files.read_witness()), None


def verify_file(path: Path) -> Verified:
    """Check a backup, against what was written beside it if that is there."""
    if not path.is_file():
        raise EngineError(f"there is no file {path}")
    return verify(path, read_witness(beside(path)))


def close_anew(connection: duckdb.DuckDBPyConnection, files: LedgerFiles, hold: Hold) -> None:
    """Close the ledger for good with nothing in its file that was deleted; the readers' copy likewise."""
    try:
        connection.close()
        fold_in(files.ledger)
        with workshop(files.ledger) as folder:
            made = folder / "ledger.duckdb"
            write_anew(files.ledger, made)
            checked = verify(made, files.read_witness())
            if checked.faults:
                raise LedgerRefused(
                    f"the ledger could not be written anew ({checked.faults[0].asked}: {checked.faults[0].fault}); it is as it was",
                    help="run `engine state verify`",
                )
            put_in_place(made, files.ledger)
        files.leave_copy()
    except (OSError, duckdb.Error) as error:
        raise EngineError(
            f"the file {files.ledger} could not be written anew: what was erased may still be in its unused blocks",
            help="look at the disk, then run the same command again",
        ) from error
    finally:
        hold.release()
