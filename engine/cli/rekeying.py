"""`engine state rekey`: other keys for the records of one entity."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import click

from engine.cli.door import Door
from engine.cli.options import format_option, now_option, pass_door, pii_option
from engine.errors import EngineError, WrongUsage

if TYPE_CHECKING:
    from engine.ledger.care import Rekeyed
    from engine.runs.opening import Site

# So many keys without a new one are listed.
_LISTED = 50


@click.command()
@click.argument("entity")
@click.option("--map", "file", required=True, metavar="FILE", help="CSV, Excel or JSON with the columns `old` and `new`.")
@click.option("--keep-missing", is_flag=True, help="Records that the map lacks keep the key that they have.")
@click.option("--dry-run", is_flag=True, help="Only say what would be done.")
@format_option("text", "json")
@pii_option
@now_option
@pass_door
def rekey(door: Door, entity: str, file: str, keep_missing: bool, dry_run: bool, format_: str, show_pii: bool) -> int:
    """The ledger knows the records of ENTITY by other keys from now on, so that nothing that was sent is sent again.

    For a CRM that was moved, or a map that names another field as `key:`. All or nothing. Of a ledger in a file a backup is made first, of one
    on Postgres the map that leads back is kept. Every key that the ledger knows has to be in the map, or --keep-missing says that the others stay.
    """
    door.refuse_pii(show_pii)
    from engine.cli.ordering import entity_named
    from engine.runs.rekeying import rekey as carry

    site = door.site()
    keys = _map(file)
    done = carry(site, entity_named(site.definitions, entity), keys, keep_missing=keep_missing, dry_run=dry_run)
    if done.missing and not keep_missing:
        door.out(_json(site, entity, done, show_pii, changed=False) if format_ == "json" else _listed(site, done.missing, show_pii))
        raise EngineError(
            f"{len(done.missing):,} of the {done.known + len(done.missing):,} keys that the ledger knows are not in {file}; nothing was changed",
            help="add them, or say --keep-missing where these records keep their keys or are gone"
            + ("" if show_pii else "; --show-pii lists the keys themselves"),
        )
    if format_ == "json":
        door.out(_json(site, entity, done, show_pii, changed=done.backup is not None))
        return 0
    kept = f"; {len(done.missing):,} keep theirs" if done.missing else ""
    if done.backup is None:
        door.out(f"{done.known:,} keys of `{entity}` that the ledger knows would be others{kept}. Nothing was changed.")
        return 0
    door.out(f"{done.known:,} keys of `{entity}` are others now{kept}; {done.sends:,} sends have another key with them.")
    door.out(f"{'The map that leads back' if done.backup.suffix == '.csv' else 'The ledger as it was'}: {done.backup}")
    door.out(f"Lists of members and enrollments in definitions/ name records too: change them by hand. Look at `{door.command('plan')}` before the next apply.")
    return 0


def _map(file: str) -> Mapping[str, str]:
    """New keys by old ones. WrongUsage where one stands alone or twice."""
    from engine.cli.keys_from import named_in

    old, new = ({named.place: named.key for named in named_in(file, column)} for column in ("old", "new"))
    for place in [*old, *new]:
        if place not in old or place not in new:
            raise WrongUsage(f"{place} of {file} has no {'new' if place in old else 'old'} key", help="each has an old key and a new one")
    for which, keys in (("old", old), ("new", new)):
        seen: dict[str, str] = {}
        for place, key in keys.items():
            if key in seen:
                raise WrongUsage(f"{place} of {file} has the {which} key of {seen[key]} again", help="each record stands once")
            seen[key] = place
    if not old:
        raise WrongUsage(f"{file} has no keys")
    return {key: new[place] for place, key in old.items()}


def _json(site: Site, entity: str, done: Rekeyed, show_pii: bool, *, changed: bool) -> str:
    from engine.views.answered import as_json

    return as_json(
        "rekeyed",
        entity=entity,
        changed=changed,
        known=done.known,
        sends=done.sends,
        missing=len(done.missing),
        missing_keys=[key if show_pii else site.pseudonyms.of(key) for key in done.missing[:_LISTED]],
        backup=None if done.backup is None else str(done.backup),
    )


def _listed(site: Site, missing: tuple[str, ...], show_pii: bool) -> str:
    lines = [f"  {key if show_pii else site.pseudonyms.of(key)}" for key in missing[:_LISTED]]
    more = [f"  … and {len(missing) - _LISTED:,} more"] if len(missing) > _LISTED else []
    return "\n".join(["Not in the map:", *lines, *more])
