"""Putting a backup in place so that what was sent since is not sent again, as far as that can be known (reliability.md §3.8 6)."""

from __future__ import annotations

import os
import shutil
from collections.abc import Collection, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import duckdb

from engine.errors import EngineError, LedgerRefused
from engine.ledger.care import Restored
from engine.ledger.duckdb import opening
from engine.ledger.duckdb.caring import REPLACED, verify_file
from engine.ledger.duckdb.files import Hold, LedgerFiles, refuse_network_disk
from engine.ledger.duckdb.rebuilding import attached, put_in_place, sync, workshop
from engine.ledger.duckdb.statements import statement
from engine.ledger.duckdb.taking_over import TakingOver
from engine.ledger.duckdb.verifying import hash_at, verify
from engine.ledger.identity import Identity
from engine.ledger.witness import Witness

FLAG = "--accept-rollback"


@dataclass(frozen=True, slots=True)
class _Found:
    """What lies where the backup has to go. `newest` is the best of the ledgers there that can be read."""

    seen: Witness | None
    newest: tuple[Path, Witness] | None
    # Nothing of what was done since the backup is missing from `newest`, or nothing was done.
    complete: bool
    rolls_back: bool


def restore(files: LedgerFiles, backup: Path, identity: Identity, *, accept_rollback: bool, now: datetime, delivered: Collection[str] = ()) -> Restored:
    """Put the backup in place. LedgerRefused for one that is not whole, of another lineage, or older than the ledger was, without consent."""
    refuse_network_disk(files.ledger.parent)
    if backup.resolve() in {path.resolve() for path in (files.ledger, files.copy)}:
        raise EngineError(f"{backup} is the ledger's own file", help="copy it elsewhere first")
    with Hold(files, "state restore", now):
        head = _sound(backup, identity)
        found = _look(files, backup, head)
        if found.rolls_back and not accept_rollback:
            raise _refusal(backup, head, found)
        opening.require_space(files)
        try:
            return _restore(files, backup, head, found, delivered, now)
        except (OSError, duckdb.Error) as error:
            raise EngineError(
                "the restore could not be finished; nothing is sent until it is", help="look at the disk, then run the same command again"
            ) from error


def _sound(backup: Path, identity: Identity) -> Witness:
    checked = verify_file(backup)
    if checked.faults or checked.head is None:
        raise LedgerRefused(
            f"the backup {backup} is not whole: {checked.faults[0].asked}: {checked.faults[0].fault}",
            help="`engine state verify FILE` tells all; take another backup",
        )
    with closing(opening.connect(backup, read_only=True)) as connection:
        opening.check(connection, LedgerFiles(backup), identity, is_copy=True)
    return checked.head


def _look(files: LedgerFiles, backup: Path, head: Witness) -> _Found:
    try:
        seen = files.read_witness()
    except LedgerRefused:
        seen = None
    if seen is not None and seen.lineage != head.lineage:
        raise LedgerRefused(
            f"the backup {backup} is of another lineage than the ledger here: it belongs to another history", help="name a backup of this ledger"
        )
    readable = sorted(_readable(files, head.lineage), key=lambda one: one[1].serial)
    newest = readable[-1] if readable else None
    if newest is not None and newest[1].serial <= head.serial and _holds(backup, newest[1]):
        newest = None
    if seen is None:
        return _Found(None, newest, False, True)
    current = _holds(backup, seen) and newest is None
    return _Found(seen, newest, current or (newest is not None and _holds(newest[0], seen)), not current)


def _readable(files: LedgerFiles, lineage: str) -> Iterator[tuple[Path, Witness]]:
    """The ledger, the readers' copy, and what an earlier restore put aside, where they are whole and of this lineage."""
    for path in (files.ledger, files.copy, *sorted(files.ledger.parent.glob(f"{REPLACED}*.duckdb"))):
        if path.exists():
            checked = verify(path, None)
            if not checked.faults and checked.head is not None and checked.head.lineage == lineage:
                yield path, checked.head


def _holds(path: Path, seen: Witness) -> bool:
    """Whether the history that was seen is in this ledger."""
    with suppress(duckdb.Error), closing(opening.connect(path, read_only=True)) as connection:
        return hash_at(connection, seen.serial) == seen.head_hash
    return False


def _refusal(backup: Path, head: Witness, found: _Found) -> LedgerRefused:
    help = f"{FLAG} puts it in place: sends that can still be known are taken over, and where not all can be, nothing that was due before now is sent"
    if found.newest is not None:
        sends = _sends_since(backup, found.newest[0])
        most = max(found.newest[1].serial, found.seen.serial if found.seen else 0)
        return LedgerRefused(
            f"the backup stands at {head.serial}, the ledger got to {most}: {max(0, most - head.serial)} transactions since would be forgotten, among them {sends} sends",
            help=help,
        )
    if found.seen is not None:
        lost = f"{max(0, found.seen.serial - head.serial)} transactions since would be forgotten; how many sends, nobody can tell, for the ledger here cannot be read"
        return LedgerRefused(f"the backup stands at {head.serial}, the ledger's witness saw {found.seen.serial}: {lost}", help=help)
    return LedgerRefused(f"the backup stands at {head.serial}, and there is no witness here: nobody can tell what was sent since", help=help)


def _sends_since(backup: Path, newest: Path) -> int:
    with closing(attached(None, newer=newest, older=backup)) as connection:
        connection.execute("CREATE TEMP VIEW sends AS SELECT * FROM older.sends")
        connection.execute(statement("restore_taken"), {"number": 0})
        return int(connection.execute("SELECT count(*) FROM taken WHERE state IN ('sent', 'unknown', 'failed')").fetchall()[0][0])


def _restore(files: LedgerFiles, backup: Path, head: Witness, found: _Found, delivered: Collection[str], now: datetime) -> Restored:
    passed_over = None if found.complete else now
    taken = in_doubt = 0
    with workshop(files.ledger) as folder:
        made = LedgerFiles(folder / "ledger.duckdb")
        _copy_with_log(backup, made.ledger)
        newest = found.newest[0] if found.newest else None
        with closing(attached(made.ledger, **({"newer": newest} if newest else {}))) as connection:
            if newest or passed_over:
                home = TakingOver(connection, made)
                taken, in_doubt = home.take_over(has_newer=newest is not None, passed_over=passed_over, delivered=delivered, now=now)
            connection.execute("CHECKPOINT")
        checked = verify(made.ledger, None)
        if checked.faults or checked.head is None:
            raise LedgerRefused(
                f"the ledger made from {backup} is not whole ({checked.faults[0].asked}: {checked.faults[0].fault}); nothing was changed",
                help="take another backup",
            )
        replaced = _put_aside(files, now)
        put_in_place(made.ledger, files.ledger)
    files.write_witness(checked.head)
    files.leave_copy()
    return Restored(checked.head, head, replaced, newest, taken, in_doubt, passed_over)


def _copy_with_log(backup: Path, place: Path) -> None:
    shutil.copyfile(backup, place)
    log = backup.with_name(backup.name + ".wal")
    if log.exists():
        shutil.copyfile(log, place.with_name(place.name + ".wal"))


def _put_aside(files: LedgerFiles, now: datetime) -> Path | None:
    """Keep what is replaced, its log with it. A kill on the way leaves a ledger that its witness refuses, and nothing lost."""
    if not files.ledger.exists():
        files.wal.unlink(missing_ok=True)
        return None
    number = 1
    while (aside := files.ledger.with_name(f"{REPLACED}{now:%Y%m%dT%H%M%SZ}-{number}.duckdb")).exists():
        number += 1
    os.link(files.ledger, aside)
    if files.wal.exists():
        os.replace(files.wal, aside.with_name(aside.name + ".wal"))
    sync(aside.parent)
    return aside
