"""`state rekey`: the ledger knows the records of one entity by other keys from now on (semantics 8.10)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from engine.ledger.care import Rekeyed
from engine.ledger.duckdb.rekeying import rekey as written_anew
from engine.ledger.ledger import Reading
from engine.ledger.rekeying import NewKeys
from engine.runs.backing_up import backups
from engine.runs.homes import PostgresHome
from engine.runs.inbox import take_in_inbox
from engine.runs.opening import Site

_COMMAND = "state rekey"


def rekey(site: Site, entity: str, keys: Mapping[str, str], *, keep_missing: bool = False, dry_run: bool = False) -> Rekeyed:
    """Give the records their new keys. What a killed run left is settled first, and orders that name old keys are carried out."""
    home = site.home
    if isinstance(home, PostgresHome):
        return _in_place(site, home, entity, keys, keep_missing, dry_run)
    if dry_run:
        with site.read_ledger() as reading:
            wanted = _wanted(site, reading, entity, keys)
        return written_anew(home.files, home.identity, wanted, backup=None, keep_missing=keep_missing, now=site.now)
    with site.open_ledger(_COMMAND) as ledger:
        ledger.recover(site.now)
        take_in_inbox(ledger, site.state, site.now)
        wanted = _wanted(site, ledger, entity, keys)
    return written_anew(home.files, home.identity, wanted, backup=_free(site, "duckdb"), keep_missing=keep_missing, now=site.now)


def _in_place(site: Site, home: PostgresHome, entity: str, keys: Mapping[str, str], keep_missing: bool, dry_run: bool) -> Rekeyed:
    """The server's own transaction is what brings the ledger back if anything fails; after it, the map the other way round is."""
    with home.ledger_to_write(_COMMAND, lock=not dry_run) as ledger:
        if not dry_run:
            ledger.recover(site.now)
            take_in_inbox(ledger, site.state, site.now)
        wanted = _wanted(site, ledger, entity, keys)
        return ledger.rekey(wanted, way_back=None if dry_run else _free(site, "csv"), keep_missing=keep_missing, now=site.now)


def _free(site: Site, ending: str) -> Path:
    """Where the ledger as it was is kept, or the way back to it: beside the other backups, under a name of its own."""
    folder, number = backups(site), 1
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    while (path := folder / f"{site.environment.name}-{site.now:%Y%m%dT%H%M%SZ}-before-rekey-{number}.{ending}").exists():
        number += 1
    return path


def _wanted(site: Site, ledger: Reading, entity: str, keys: Mapping[str, str]) -> NewKeys:
    names, applied = ledger.names(), ledger.applied_definitions()
    # Those of the last apply too: what was removed since has a history all the same.
    told = [json.loads(compiled) for compiled in (site.definitions.compiled, applied.compiled if applied else "{}")]
    about = [(id, sequence, said) for said in told for id, sequence in said.get("sequences", {}).items() if sequence.get("about") == entity]
    sequences = {names.kept(id, sequence.get("renamed_from")) for id, sequence, _ in about}
    by_record = {names.kept(id, sequence.get("renamed_from")) for id, sequence, said in about if _is_a_row(sequence, said)}
    crm = site.definitions.crm
    return NewKeys(entity, keys, crm.entities[entity].key, entity == crm.contact.entity, sorted(sequences), sorted(by_record))


def _is_a_row(sequence: Mapping[str, Any], said: Mapping[str, Any]) -> bool:
    """Whether an event starts the sequence that is a row of the CRM: its key is the record's (3.2)."""
    trigger = sequence.get("trigger")
    event = trigger.get("event") if isinstance(trigger, dict) else None
    return bool(event and said.get("crm", {}).get("events", {}).get(event, {}).get("at"))
