"""A ledger's backup, check and restore, for the environment at hand."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from engine.delivery.outbox import delivered_keys
from engine.ledger.care import BackedUp, Restored, Verified
from engine.ledger.duckdb import caring, restoring
from engine.ledger.duckdb.files import LedgerFiles
from engine.ledger.identity import Identity
from engine.runs.applying import outbox_folder
from engine.runs.opening import Site

FOLDER = "backups"


def back_up(site: Site, target: Path | None, *, force: bool) -> BackedUp:
    """Copy the ledger to a file; to `state/backups/ENVIRONMENT-MOMENT.duckdb` if none is named."""
    if target is None:
        folder = backups(site)
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        target = folder / f"{site.environment.name}-{site.now:%Y%m%dT%H%M%SZ}.duckdb"
    return caring.back_up(LedgerFiles(site.ledger_path), target, _identity(site), now=site.now, force=force)


def verify(site: Site, path: Path | None) -> tuple[Verified, datetime | None]:
    """Check the ledger, or a backup. With the moment of the readers' copy, when that was read in place of a ledger that a run holds."""
    if path is None or path.resolve() == site.ledger_path.resolve():
        return caring.verify_ledger(LedgerFiles(site.ledger_path), now=site.now)
    return caring.verify_file(path), None


def restore(site: Site, backup: Path, *, accept_rollback: bool) -> Restored:
    """Put a backup in place; what the outbox holds counts as sent."""
    folder = outbox_folder(site)
    delivered = delivered_keys(folder) if folder is not None else ()
    return restoring.restore(LedgerFiles(site.ledger_path), backup, _identity(site), accept_rollback=accept_rollback, now=site.now, delivered=delivered)


def backups(site: Site) -> Path:
    """Where backups go that are not named."""
    return site.state / FOLDER


def _identity(site: Site) -> Identity:
    return Identity.of(site.definitions.project.name, site.environment.name, site.pseudonyms)
