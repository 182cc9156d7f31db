"""A ledger's backup, check and restore, for the environment at hand."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from engine.delivery.outbox import delivered_keys
from engine.errors import WrongUsage
from engine.ledger.care import BackedUp, Restored, Verified
from engine.ledger.duckdb import caring, restoring
from engine.runs.homes import EmbeddedHome, PostgresHome
from engine.runs.opening import Site
from engine.runs.sending import outbox_folder

FOLDER = "backups"


def back_up(site: Site, target: Path | None, *, force: bool) -> BackedUp:
    """Copy an embedded ledger to a file; to `state/backups/ENVIRONMENT-MOMENT.duckdb` if none is named."""
    home = site.home
    if isinstance(home, PostgresHome):
        raise WrongUsage(
            f"{home} is backed up by the server's own means, while it runs",
            help=f"`pg_dump --format=custom --schema='\"{home.schema}\"' --file=ledger.dump DATABASE`, or continuous archiving",
        )
    if target is None:
        folder = backups(site)
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        target = folder / f"{site.environment.name}-{site.now:%Y%m%dT%H%M%SZ}.duckdb"
    return caring.back_up(home.files, target, home.identity, now=site.now, force=force)


def verify(site: Site, path: Path | None) -> tuple[Verified, datetime | None]:
    """Check the ledger, or a backup of an embedded one. With the moment of the readers' copy, when that was read in place of a ledger
    that a run holds."""
    home = site.home
    if path is not None and not (isinstance(home, EmbeddedHome) and path.resolve() == home.path.resolve()):
        return caring.verify_file(path), None
    if isinstance(home, EmbeddedHome):
        return caring.verify_ledger(home.files, now=site.now)
    return home.verify(), None


def restore(site: Site, backup: Path | None, *, accept_rollback: bool) -> Restored | None:
    """Put a backup in place, or take what a server's own restore put there; what the outbox holds counts as sent. None when nothing
    was forgotten, and so nothing is done."""
    home, folder = site.home, outbox_folder(site)
    delivered = delivered_keys(folder) if folder is not None else ()
    if isinstance(home, EmbeddedHome):
        if backup is None:
            raise WrongUsage("name the backup that is put in place", help="`engine state restore FILE`; backups lie in state/backups if nothing else was said")
        return restoring.restore(home.files, backup, home.identity, accept_rollback=accept_rollback, now=site.now, delivered=delivered)
    if backup is not None:
        raise WrongUsage(
            f"{home} is restored by the server's own means, not from {backup.name}",
            help="`pg_restore` first, while nothing sends; then `engine state restore` without a file. `engine state move FILE` brings an embedded ledger there",
        )
    return home.restored(site.now, accept_rollback=accept_rollback, delivered=delivered)


def backups(site: Site) -> Path:
    """Where backups go that are not named."""
    return site.state / FOLDER
