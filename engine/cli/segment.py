"""`engine segment`: who belongs together, now."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from engine.cli.door import Door
from engine.cli.options import format_option, now_option, page_options, pass_door, pii_option
from engine.cli.segment_editing import add, duplicate, remove
from engine.cli.segment_files import export, import_
from engine.errors import LedgerRefused, WrongUsage

if TYPE_CHECKING:
    from collections.abc import Sequence

    from engine.definitions.definitions import Definitions
    from engine.ledger.history import SegmentHistory
    from engine.runs.opening import Site


@click.group()
def segment() -> None:
    """Segments: list, show, members, count; add, remove, duplicate; export, import."""


for _command in (add, remove, duplicate, export, import_):
    segment.add_command(_command)


@segment.command("list")
@click.option("--counts", is_flag=True, help="Also how many members each has now; reads the CRM.")
@click.option("--owner", help="Only those of an owner.")
@click.option("--tag", help="Only those with a tag.")
@format_option("text", "json")
@now_option
@pass_door
def list_(door: Door, counts: bool, owner: str | None, tag: str | None, format_: str) -> int:
    """All segments."""
    from engine.cli.reading import sound
    from engine.relations.segments import counts as counted
    from engine.views import segments as view

    definitions = door.site().definitions if counts else sound(door)
    ids = [id for id, one in sorted(definitions.segments.items()) if owner in (None, one.owner) and (tag is None or tag in one.tags)]
    numbers = {}
    if counts:
        from engine.runs.planning import facts_with_past

        with facts_with_past(door.site()) as snapshot:
            numbers = counted(definitions, ids, door.site().now, snapshot.connection)
    door.out(view.list_json(definitions, ids, numbers) if format_ == "json" else view.list_text(definitions, ids, numbers, width=door.width, ink=door.ink))
    return 0


@segment.command()
@click.argument("id_", metavar="ID")
@format_option("text", "json")
@pii_option
@now_option
@pass_door
def show(door: Door, id_: str, format_: str, show_pii: bool) -> int:
    """One segment: how many members it has and had, who names it, when it was used, its rules. Listed members are told by pseudonyms."""
    door.refuse_pii(show_pii)
    from engine.relations.segments import SegmentTable
    from engine.views import segments as view
    from engine.views.naming import Naming

    site = door.site()
    known(site, id_)
    from engine.runs.planning import facts_with_past

    with facts_with_past(site) as snapshot:
        count = SegmentTable(snapshot.connection, site.definitions, id_, site.now).count()
    naming = Naming(site.definitions, site.pseudonyms, show_pii)
    page = view.SegmentPage(site.definitions, id_, count, _history(door, site, id_), site.now, _source(door, site, id_), naming)
    door.out(view.show_json(page) if format_ == "json" else view.show_text(page, width=door.width, ink=door.ink))
    return 0


@segment.command()
@click.argument("id_", metavar="ID")
@format_option("text", "json")
@now_option
@pass_door
def count(door: Door, id_: str, format_: str) -> int:
    """How many members a segment has now."""
    from engine.relations.segments import SegmentTable
    from engine.views import segments as view

    site = door.site()
    known(site, id_)
    from engine.runs.planning import facts_with_past

    with facts_with_past(site) as snapshot:
        number = SegmentTable(snapshot.connection, site.definitions, id_, site.now).count()
    door.out(view.count_json(site.definitions, id_, number, site.now) if format_ == "json" else f"{number}")
    return 0


@segment.command()
@click.argument("id_", metavar="ID")
@click.option("--fields", default="", metavar="A,B", help="Fields of the entity to show beside the key; personal ones need --show-pii.")
@click.option("--cursor", metavar="TOKEN", help="Go on where a page ended, also when members came or went meanwhile.")
@page_options
@format_option("text", "json")
@pii_option
@now_option
@pass_door
def members(door: Door, id_: str, fields: str, cursor: str | None, limit: int, offset: int, format_: str, show_pii: bool) -> int:
    """The members of a segment, in pages."""
    door.refuse_pii(show_pii)
    from engine.relations.segments import SegmentTable
    from engine.views import segments as view
    from engine.views.naming import Naming

    site = door.site()
    entity = known(site, id_)
    wanted = fields_named(site, entity, fields, show_pii)
    after = None
    if cursor is not None:
        after = site.pseudonyms.opened(cursor)
        if after is None:
            raise WrongUsage("--cursor is none that a page of members ended with", help="leave it out to begin with the first page")
    from engine.runs.planning import facts_with_past

    with facts_with_past(site, {entity: frozenset(wanted)}) as snapshot:
        table = SegmentTable(snapshot.connection, site.definitions, id_, site.now)
        rows = table.page(wanted, limit=limit + 1, offset=offset, after=after)
        following = site.pseudonyms.sealed(rows[limit - 1][0]) if len(rows) > limit else None
        page = view.MembersPage(id_, entity, tuple(wanted), rows[:limit], table.count(), offset, following)
    naming = Naming(site.definitions, site.pseudonyms, show_pii)
    door.out(view.members_json(page, naming) if format_ == "json" else view.members_text(page, naming, width=door.width, ink=door.ink))
    return 0


def known(site: Site, id: str) -> str:
    """The segment's entity. WrongUsage for a segment that is not there."""
    refuse_unknown(site.definitions, id)
    return site.definitions.segments[id].entity


def refuse_unknown(definitions: Definitions, id: str) -> None:
    from engine.definitions.translating import did_you_mean

    if id not in definitions.segments:
        raise WrongUsage(f"there is no segment `{id}`", help=did_you_mean(id, definitions.segments, "the segments are"))


def fields_named(site: Site, entity: str, fields: str, show_pii: bool) -> Sequence[str]:
    """The fields that are asked for; with --show-pii and nothing said, name and address. WrongUsage for one that is not there or personal."""
    known_fields = site.definitions.crm.entities[entity].fields
    wanted = [name.strip() for name in fields.split(",") if name.strip()]
    if not fields and show_pii:
        wanted = [name for name in ("name", site.definitions.crm.contact.address) if name in known_fields]
    unknown = [name for name in wanted if name not in known_fields]
    if unknown:
        raise WrongUsage(f"there is no field `{unknown[0]}`", help=f"the fields are {', '.join(known_fields)}")
    private = [name for name in wanted if known_fields[name].pii]
    if private and not show_pii:
        raise WrongUsage(f"`{private[0]}` is personal data", help="add --show-pii, or leave the field out")
    return wanted


def _history(door: Door, site: Site, id: str) -> SegmentHistory | None:
    """What the ledger knows of it; None, with a word, where there is no ledger to ask."""
    try:
        with site.read_ledger() as ledger:
            door.say_age(ledger.copied_at, site.definitions.project.timezone)
            return ledger.segment_history(id)
    except LedgerRefused as error:
        door.say(f"note: without its growth, for {error.message}")
        return None


def _source(door: Door, site: Site, id: str) -> str:
    """The segment's file as it was written: nobody reads rules better than in their own words."""
    path = site.definitions.where("segment", id).file
    return (door.root / path).read_text(encoding="utf-8", errors="replace")
