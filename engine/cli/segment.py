"""`engine segment`: who belongs together, now."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from engine.cli.catalog import LaterCommand
from engine.cli.door import Door
from engine.cli.options import format_option, now_option, page_options, pass_door, pii_option
from engine.errors import WrongUsage

if TYPE_CHECKING:
    from engine.runs.opening import Site


class _Segment(click.Group):
    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        return super().get_command(context, name) or (LaterCommand(name) if name in ("export", "import", "duplicate") else None)


@click.group(cls=_Segment)
def segment() -> None:
    """Segments: list, show, members, count. export, import and duplicate come with a later version."""


@segment.command("list")
@click.option("--counts", is_flag=True, help="Also how many members each has now; reads the CRM.")
@format_option("text", "json")
@now_option
@pass_door
def list_(door: Door, counts: bool, format_: str) -> int:
    """All segments."""
    from engine.cli.reading import sound
    from engine.relations.segments import SegmentTable
    from engine.views import segments as view

    if counts:
        site = door.site()
        with site.read_facts() as snapshot:
            numbers = {id: SegmentTable(snapshot.connection, site.definitions, id, site.now).count() for id in site.definitions.segments}
        definitions = site.definitions
    else:
        definitions, numbers = sound(door), {}
    door.out(view.list_json(definitions, numbers) if format_ == "json" else view.list_text(definitions, numbers, width=door.width, ink=door.ink))
    return 0


@segment.command()
@click.argument("id_", metavar="ID")
@format_option("text", "json")
@now_option
@pass_door
def show(door: Door, id_: str, format_: str) -> int:
    """One segment: its rules, who uses it, how many members it has."""
    from engine.relations.segments import SegmentTable
    from engine.views import segments as view

    site = door.site()
    _known(site, id_)
    with site.read_facts() as snapshot:
        count = SegmentTable(snapshot.connection, site.definitions, id_, site.now).count()
    source = _source(door, site, id_)
    door.out(
        view.show_json(site.definitions, id_, count)
        if format_ == "json"
        else view.show_text(site.definitions, id_, count, source, width=door.width, ink=door.ink)
    )
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
    _known(site, id_)
    with site.read_facts() as snapshot:
        number = SegmentTable(snapshot.connection, site.definitions, id_, site.now).count()
    door.out(view.count_json(site.definitions, id_, number, site.now) if format_ == "json" else f"{number}")
    return 0


@segment.command()
@click.argument("id_", metavar="ID")
@click.option("--fields", default="", metavar="A,B", help="Fields of the entity to show beside the key; personal ones need --show-pii.")
@page_options
@format_option("text", "json")
@pii_option
@now_option
@pass_door
def members(door: Door, id_: str, fields: str, limit: int, offset: int, format_: str, show_pii: bool) -> int:
    """The members of a segment, in pages."""
    door.refuse_pii(show_pii)
    from engine.relations.segments import SegmentTable
    from engine.views import segments as view
    from engine.views.naming import Naming

    site = door.site()
    entity = site.definitions.crm.entities[_known(site, id_)]
    wanted = [name.strip() for name in fields.split(",") if name.strip()]
    if not fields and show_pii:
        wanted = [name for name in ("name", site.definitions.crm.contact.address) if name in entity.fields]
    unknown = [name for name in wanted if name not in entity.fields]
    if unknown:
        raise WrongUsage(f"there is no field `{unknown[0]}`", help=f"the fields are {', '.join(entity.fields)}")
    private = [name for name in wanted if entity.fields[name].pii]
    if private and not show_pii:
        raise WrongUsage(f"`{private[0]}` is personal data", help="add --show-pii, or leave the field out")
    with site.read_facts() as snapshot:
        table = SegmentTable(snapshot.connection, site.definitions, id_, site.now)
        page = view.MembersPage(
            id_, site.definitions.segments[id_].entity, tuple(wanted), table.page(wanted, limit=limit, offset=offset), table.count(), offset
        )
    naming = Naming(site.definitions, site.pseudonyms, show_pii)
    door.out(view.members_json(page, naming) if format_ == "json" else view.members_text(page, naming, width=door.width, ink=door.ink))
    return 0


def _known(site: Site, id: str) -> str:
    """The segment's entity. WrongUsage for a segment that is not there."""
    from engine.definitions.translating import did_you_mean

    if id not in site.definitions.segments:
        raise WrongUsage(f"there is no segment `{id}`", help=did_you_mean(id, site.definitions.segments, "the segments are"))
    return site.definitions.segments[id].entity


def _source(door: Door, site: Site, id: str) -> str:
    """The segment's file as it was written: nobody reads rules better than in their own words."""
    path = site.definitions.where("segment", id).file
    return (door.root / path).read_text(encoding="utf-8", errors="replace")
