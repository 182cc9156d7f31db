"""Making, opening and refusing an embedded ledger (semantics 1.3, reliability.md §3.8)."""

from __future__ import annotations

import os
import shutil
import time
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import duckdb

from engine import __version__
from engine.errors import EngineError, LedgerRefused, LockHeld
from engine.ledger.duckdb.files import Hold, LedgerFiles, Witness, locked_by_another, refuse_network_disk, who_holds
from engine.ledger.duckdb.statements import SCHEMA_VERSION, migrations
from engine.ledger.identity import CREATE, Identity, Stamp, refuse_stranger, refuse_version
from engine.ledger.ledger import LedgerBroken
from engine.ledger.witness import RESTORE, compare_with_witness
from engine.tables import WORKERS

_PIECE = 1024 * 1024
_LEAST_SPACE = 16 * 1024 * 1024
# A ledger that was moved to another home is kept under this name, with the moment of the move. Its witness stays: what is gone is not made anew.
MOVED = "ledger.moved-"


def connect(path: Path, *, read_only: bool) -> duckdb.DuckDBPyConnection:
    """A connection that can reach nothing but its own file."""
    connection = duckdb.connect(
        str(path),
        read_only=read_only,
        config={"autoinstall_known_extensions": False, "autoload_known_extensions": False, "threads": WORKERS},
    )
    connection.execute("SET TimeZone = 'UTC'")
    connection.execute("SET python_enable_replacements = false")
    # The log holds the payloads too: folding it in every 16 MiB would cost more than all the rest of a settlement.
    connection.execute("SET checkpoint_threshold = '128MB'")
    connection.execute("SET enable_external_access = false")
    return connection


def create(path: Path, identity: Identity, now: datetime) -> str:
    """Make an empty ledger and return its lineage. LedgerRefused where there is one, or the trace of one."""
    files = LedgerFiles(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    refuse_network_disk(path.parent)
    with Hold(files, CREATE, now):
        if path.exists():
            raise LedgerRefused(f"there is a ledger already: {path}", help="nothing to do; `engine status` shows it")
        if files.witness.exists():
            raise LedgerRefused(f"{files.witness} says that there was a ledger here, and it is gone", help=RESTORE)
        # Made under another name: a kill on the way leaves no half-made ledger behind.
        making = path.with_suffix(".making")
        for left in (making, making.with_name(making.name + ".wal")):
            left.unlink(missing_ok=True)
        lineage = str(uuid4())
        connection = connect(making, read_only=False)
        try:
            for migration in migrations():
                connection.execute(migration)
            connection.execute(
                "INSERT INTO ledger_meta VALUES (TRUE, $1, $2, $3, 0, $4, $5, $6, $7, $8, NULL, 0)",
                [identity.project, identity.environment, lineage, "0" * 64, SCHEMA_VERSION, __version__, identity.pseudonyms, now],
            )
            connection.execute("CHECKPOINT")
        finally:
            connection.close()
        # The ledger first: one without a witness is taken for a new one while its serial is 0, a witness alone for a loss.
        os.replace(making, path)
        files.write_witness(Witness(lineage, 0, "0" * 64))
        files.leave_copy()
    return lineage


def open_to_write(path: Path, identity: Identity, *, command: str, now: datetime) -> tuple[duckdb.DuckDBPyConnection, LedgerFiles, Hold]:
    """Take the lock and open. LockHeld when another process has it, LedgerRefused for any ledger but the one meant."""
    files = LedgerFiles(path)
    refuse_missing(files)
    refuse_network_disk(path.parent)
    hold = Hold(files, command, now)
    try:
        require_space(files)
        connection = connect_patiently(files)
    except BaseException:
        hold.release()
        raise
    try:
        check(connection, files, identity)
        if files.read_witness() is None:
            files.write_witness(_as_witness(connection))
    except BaseException:
        with suppress(duckdb.Error):
            connection.close()
        hold.release()
        raise
    return connection, files, hold


def open_to_read(path: Path, identity: Identity) -> tuple[duckdb.DuckDBPyConnection, LedgerFiles, datetime | None]:
    """The ledger, or the copy that the last run left while one holds it; then also when that copy was made (naive UTC).

    The copy is preferred where it says the same as the ledger: a reader that has the ledger itself open keeps an apply out.
    """
    files = LedgerFiles(path)
    refuse_missing(files)
    witness = files.read_witness()
    if (copy := _open_copy(files)) is not None:
        held = who_holds(files) is not None
        if witness is not None and _as_witness(copy) == witness:
            if not held:
                try:
                    _refuse_damage(files)
                except BaseException:
                    copy.close()
                    raise
            check(copy, files, identity, is_copy=True)
            return copy, files, None
        if held:
            check(copy, files, identity, is_copy=True)
            return copy, files, datetime.fromtimestamp(files.copy.stat().st_mtime, UTC).replace(tzinfo=None)
        copy.close()
    try:
        connection = connect(path, read_only=True)
    except duckdb.Error as error:
        if not locked_by_another(path):
            raise _damaged(files) from error
        copy = _open_copy(files)
        if copy is None:
            raise LockHeld(f"the ledger {path} is held by another process, and no run has left a copy to read yet") from error
        check(copy, files, identity, is_copy=True)
        return copy, files, datetime.fromtimestamp(files.copy.stat().st_mtime, UTC).replace(tzinfo=None)
    try:
        check(connection, files, identity)
    except BaseException:
        connection.close()
        raise
    return connection, files, None


def _refuse_damage(files: LedgerFiles) -> None:
    """LedgerRefused when the ledger itself cannot be read, though its copy says all that it said.

    A ledger that was closed well is the same to the byte as its copy, and is not opened: a reader that has it open keeps an apply out.
    """
    if files.wal.exists() or _same(files.ledger, files.copy):
        return
    try:
        connection = connect(files.ledger, read_only=True)
        try:
            for (name,) in connection.execute("SELECT table_name FROM duckdb_tables() WHERE NOT temporary").fetchall():
                connection.execute(f"SELECT bit_xor(hash(t)) FROM {name} t").fetchall()
        finally:
            connection.close()
    except duckdb.Error as error:
        if not os.access(files.ledger, os.W_OK) or locked_by_another(files.ledger):
            return
        raise LedgerRefused(
            f"{files.ledger} cannot be read as a ledger: it is damaged. The copy for readers, {files.copy.name}, is whole and as new",
            help=f"copy {files.copy.name} to another folder, then `engine state restore` it; nothing that was sent is lost",
        ) from error


def _same(first: Path, second: Path) -> bool:
    if first.stat().st_size != second.stat().st_size:
        return False
    with first.open("rb") as one, second.open("rb") as other:
        while piece := one.read(_PIECE):
            if piece != other.read(_PIECE):
                return False
    return True


def _open_copy(files: LedgerFiles) -> duckdb.DuckDBPyConnection | None:
    with suppress(duckdb.Error, OSError):
        if files.copy.exists():
            connection = connect(files.copy, read_only=True)
            connection.execute("SELECT serial FROM ledger_meta").fetchall()
            return connection
    return None


def refuse_missing(files: LedgerFiles) -> None:
    if files.ledger.exists():
        return
    if moved := sorted(files.ledger.parent.glob(f"{MOVED}*.duckdb")):
        raise LedgerRefused(
            f"the ledger {files.ledger} was moved to Postgres; {moved[-1].name} is what was left of it",
            help="name that database under `ledger:` in engine.yaml: `ledger: {postgres: …}`",
        )
    if files.witness.exists():
        raise LedgerRefused(f"the ledger {files.ledger} is gone: {files.witness.name} says that there was one", help=RESTORE)
    raise LedgerRefused(f"there is no ledger at {files.ledger}", help=f"run `{CREATE}`; it begins with an empty memory of what was sent")


def require_space(files: LedgerFiles) -> None:
    """Twice the ledger has to be free: what cannot be recorded must not be sent."""
    size = sum(path.stat().st_size for path in (files.ledger, files.wal) if path.exists())
    needed = max(2 * size, _LEAST_SPACE)
    free = shutil.disk_usage(files.ledger.parent).free
    if free < needed:
        raise LedgerBroken(f"{free // 2**20} MiB are free beside the ledger, and {needed // 2**20} MiB are needed", help="free some space; nothing was sent")


def connect_patiently(files: LedgerFiles) -> duckdb.DuckDBPyConnection:
    """We are the only writer, but a reader may have the file open for a moment."""
    if not os.access(files.ledger, os.W_OK):
        raise LedgerBroken(f"the ledger {files.ledger} cannot be written by this user", help="look at the file's rights and the disk; nothing was sent")
    for _ in range(20):
        try:
            return connect(files.ledger, read_only=False)
        except duckdb.Error as error:
            cause = error
            if not locked_by_another(files.ledger):
                raise _damaged(files) from error
            time.sleep(0.1)
    raise LockHeld(f"the ledger {files.ledger} is open in another program", help="close it; a database browser that has it open is enough") from cause


def _as_witness(connection: duckdb.DuckDBPyConnection) -> Witness:
    row = connection.execute("SELECT lineage::VARCHAR, serial, head_hash FROM ledger_meta").fetchone()
    if row is None:
        raise LedgerRefused("the ledger has no head: it is damaged", help=RESTORE)
    return Witness(*row)


def _damaged(files: LedgerFiles) -> LedgerRefused:
    return LedgerRefused(f"{files.ledger} cannot be read as a ledger: it is damaged, or of another program", help=RESTORE)


def check(connection: duckdb.DuckDBPyConnection, files: LedgerFiles, identity: Identity, *, is_copy: bool = False) -> None:
    """Refuse a ledger that is empty, older or newer, of another project, environment or key, or less than its witness says."""
    try:
        row = connection.execute(
            "SELECT project, environment, schema_version, min_engine, pseudonyms FROM ledger_meta",
        ).fetchone()
    except duckdb.Error as error:
        raise LedgerRefused(f"{files.ledger} holds no ledger: copied while it was open, without its {files.wal.name}, or never one", help=RESTORE) from error
    if row is None:
        raise _damaged(files)
    stamp = Stamp(*row)
    refuse_version(stamp, SCHEMA_VERSION)
    refuse_stranger(f"the ledger {files.ledger}", stamp, identity)
    if not is_copy:
        _compare_with_witness(connection, files)


def _compare_with_witness(connection: duckdb.DuckDBPyConnection, files: LedgerFiles) -> None:
    witness, ledger = files.read_witness(), _as_witness(connection)
    if witness is None:
        if ledger.serial == 0:
            return
        raise LedgerRefused(f"the ledger's witness {files.witness} is missing, so nobody can tell whether the ledger is whole", help=RESTORE)

    def hash_at(serial: int) -> str | None:
        row = connection.execute("SELECT head_hash FROM transactions WHERE serial = $1", [serial]).fetchone()
        return str(row[0]) if row else None

    compare_with_witness(f"the ledger {files.ledger}", witness, ledger, hash_at)


def close(connection: duckdb.DuckDBPyConnection, files: LedgerFiles, hold: Hold, *, copy: bool) -> None:
    """Everything into one file, a copy for readers, and the lock given back."""
    try:
        with suppress(duckdb.Error):
            connection.execute("CHECKPOINT")
        with suppress(duckdb.Error):
            connection.close()
        if copy or not files.copy.exists():
            try:
                files.leave_copy()
            except OSError as error:
                raise EngineError(f"the copy for readers, {files.copy}, could not be made", help="look at the disk; the ledger itself is whole") from error
    finally:
        hold.release()
