"""Bringing an older embedded ledger to this engine's schema: nothing but `state migrate` ever does (semantics 1.3)."""

from __future__ import annotations

import shutil
from contextlib import closing
from datetime import datetime

import duckdb

from engine import __version__
from engine.errors import LedgerRefused
from engine.ledger.duckdb import opening
from engine.ledger.duckdb.files import Hold, LedgerFiles, refuse_network_disk
from engine.ledger.duckdb.rebuilding import fold_in, put_in_place, workshop
from engine.ledger.duckdb.statements import migrations
from engine.ledger.duckdb.verifying import verify
from engine.ledger.identity import MIGRATE, Identity, Stamp, refuse_stranger, refuse_version
from engine.ledger.ledger import LedgerBroken


def migrate(files: LedgerFiles, identity: Identity, now: datetime, steps: tuple[str, ...] = migrations()) -> tuple[int, int]:
    """The versions before and after. All or nothing: the steps are taken on a copy, which then takes the ledger's place."""
    opening.refuse_missing(files)
    refuse_network_disk(files.ledger.parent)
    with Hold(files, MIGRATE, now):
        opening.require_space(files)
        opening.connect_patiently(files).close()
        fold_in(files.ledger)
        stamp = _stamp(files)
        refuse_stranger(f"the ledger {files.ledger}", stamp, identity)
        if stamp.schema_version > len(steps):
            refuse_version(stamp, len(steps))
        if stamp.schema_version == len(steps):
            return stamp.schema_version, len(steps)
        with workshop(files.ledger) as folder:
            made = folder / "ledger.duckdb"
            shutil.copyfile(files.ledger, made)
            try:
                with closing(opening.connect(made, read_only=False)) as connection:
                    for step in steps[stamp.schema_version :]:
                        connection.execute(step)
                    connection.execute("UPDATE ledger_meta SET schema_version = $1, min_engine = $2", [len(steps), __version__])
                    connection.execute("CHECKPOINT")
            except duckdb.Error as error:
                raise LedgerBroken(
                    f"the ledger {files.ledger} could not be migrated; it is as it was", help="nothing was changed; look at the disk, then run it again"
                ) from error
            checked = verify(made, files.read_witness(), version=len(steps))
            if checked.faults:
                fault = checked.faults[0]
                raise LedgerRefused(
                    f"the migrated ledger is not whole ({fault.asked}: {fault.fault}); the ledger is as it was", help="run `engine state verify`"
                )
            put_in_place(made, files.ledger)
        files.leave_copy()
    return stamp.schema_version, len(steps)


def _stamp(files: LedgerFiles) -> Stamp:
    try:
        with closing(opening.connect(files.ledger, read_only=True)) as connection:
            row = connection.execute("SELECT project, environment, schema_version, min_engine, pseudonyms FROM ledger_meta").fetchone()
    except duckdb.Error as error:
        raise LedgerRefused(f"{files.ledger} holds no ledger that can be read", help="run `engine state verify`") from error
    if row is None:
        raise LedgerRefused(f"{files.ledger} has no head: it is damaged", help="run `engine state verify`")
    return Stamp(*row)
