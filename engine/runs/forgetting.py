"""Erasing what is personal wherever the engine keeps it: the ledger, its log, the readers' copy, the outbox, the backups at hand."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from engine.delivery.outbox import remove_mails
from engine.ledger.care import Forgotten
from engine.ledger.duckdb.caring import REPLACED
from engine.ledger.duckdb.forgetting import forget_in_file
from engine.ledger.duckdb.opening import MOVED
from engine.runs.backing_up import backups
from engine.runs.homes import EmbeddedHome
from engine.runs.inbox import take_in_inbox
from engine.runs.opening import Site
from engine.runs.sending import outbox_folder


@dataclass(frozen=True, slots=True)
class Erased:
    """What was erased, and where it could not be: `unreadable` files still hold whatever they held."""

    forgotten: Forgotten
    mails: int
    backups: tuple[Path, ...]
    unreadable: tuple[Path, ...]


def forget_contact(site: Site, contact: str) -> Erased:
    """Erase what is personal about a contact, named by the CRM's key or by an address."""
    address_key = site.pseudonyms.address_key(contact) if "@" in contact else None
    return _forget(site, contact=contact, address_key=address_key, age=None)


def forget_older(site: Site, age: timedelta) -> Erased:
    """Erase what is personal about sends that were over longer ago than this."""
    return _forget(site, contact=None, address_key=None, age=age)


def _forget(site: Site, *, contact: str | None, address_key: str | None, age: timedelta | None) -> Erased:
    # Asked first: nothing is half erased because nobody can say where the mails lie.
    folder = outbox_folder(site)
    ledger = site.open_ledger("forget")
    try:
        ledger.recover(site.now)
        take_in_inbox(ledger, site.state, site.now)
        before = site.now - age if age is not None else None
        forgotten, keys = ledger.forget(contact=contact, address_key=address_key, before=before, now=site.now)
        # Outside the ledger first: a kill on the way leaves a ledger that still names the files, for the next try.
        mails = remove_mails(folder, keys) if folder is not None else 0
        cleaned, unreadable = _clean_backups(site, keys, contact, address_key) if keys else ((), ())
        # Also when nothing was found: an earlier try may have been killed before it wrote the file anew.
        ledger.close_anew()
    except BaseException:
        ledger.close()
        raise
    return Erased(forgotten, mails, cleaned, unreadable)


def _clean_backups(site: Site, keys: tuple[str, ...], contact: str | None, address_key: str | None) -> tuple[tuple[Path, ...], tuple[Path, ...]]:
    home = site.home
    # A ledger that was moved to Postgres left its file behind.
    beside = home.path.parent if isinstance(home, EmbeddedHome) else site.state
    files = (*sorted(backups(site).glob("*.duckdb")), *sorted(beside.glob(f"{REPLACED}*.duckdb")), *sorted(beside.glob(f"{MOVED}*.duckdb")))
    done = {path: forget_in_file(path, keys, contact, address_key) for path in files}
    return tuple(path for path, well in done.items() if well), tuple(path for path, well in done.items() if not well)
