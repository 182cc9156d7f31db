"""`engine segment add|remove|duplicate`: the files of segments, edited."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from engine.cli.door import Door
from engine.cli.options import format_option, now_option, pass_door, pii_option
from engine.errors import WrongUsage

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from engine.cli.keys_from import Named
    from engine.runs.opening import Site


def _whom(function: Callable[..., int]) -> Callable[..., int]:
    """The options that say which members."""
    for option in (
        click.option(
            "--from", "file", type=click.Path(dir_okay=False), metavar="FILE", help="Keys of a CSV (column `key`), JSON or Excel file, or one a line."
        ),
        click.option("--member", "members", multiple=True, metavar="KEY", help="A key of the segment's entity; may be said several times."),
        click.option("--contact", "contacts", multiple=True, metavar="KEY", help="The same, for a segment of contacts."),
        click.option("--dry-run", is_flag=True, help="Say what would change, and write nothing."),
    ):
        function = option(function)
    return function


@click.command()
@click.argument("id_", metavar="ID")
@_whom
@format_option("text", "json")
@pii_option
@now_option
@pass_door
def add(door: Door, id_: str, contacts: tuple[str, ...], members: tuple[str, ...], file: str | None, dry_run: bool, format_: str, show_pii: bool) -> int:
    """Put members into a static segment: its file gets a line for each, and no other line changes.

    Keys that no record of the CRM has are left out, and counted. --show-pii shows the lines.
    """
    door.refuse_pii(show_pii)
    from engine.runs.listing import added, not_in_crm

    site = door.site()
    named = _named(site, id_, contacts, members, file)
    with site.read_facts() as snapshot:
        missing = not_in_crm(snapshot, site.definitions.segments[id_].entity, [one.key for one in named])
    edited = added(door.root, site.definitions, id_, [one.key for one in named if one.key not in missing])
    listed = set(site.definitions.members.get(id_, ()))
    return _told(
        door,
        site,
        edited,
        named,
        "added",
        sorted({one.key for one in named} & listed),
        [one for one in named if one.key in missing and one.key not in listed],
        dry_run,
        format_,
        show_pii,
    )


@click.command()
@click.argument("id_", metavar="ID")
@click.option("--gone", is_flag=True, help="All members that the CRM does not have any more.")
@_whom
@format_option("text", "json")
@pii_option
@now_option
@pass_door
def remove(
    door: Door, id_: str, gone: bool, contacts: tuple[str, ...], members: tuple[str, ...], file: str | None, dry_run: bool, format_: str, show_pii: bool
) -> int:
    """Take members out of a static segment: those named, or with --gone those that the CRM does not have. --show-pii shows the lines."""
    door.refuse_pii(show_pii)
    from engine.runs.listing import removed

    site = door.site()
    if gone and (contacts or members or file):
        raise WrongUsage("--gone is whomever the CRM does not have", help="leave it out to name members, or name nobody")
    named = _gone(site, id_) if gone else _named(site, id_, contacts, members, file)
    edited = removed(door.root, site.definitions, id_, [one.key for one in named])
    missing = [one for one in named if one.key not in edited.keys]
    return _told(door, site, edited, named, "removed", [], missing, dry_run, format_, show_pii)


@click.command()
@click.argument("id_", metavar="ID")
@click.argument("new", metavar="NEW-ID")
@click.option("--name", help="The copy's name.")
@click.option("--owner", help="Whose the copy is.")
@format_option("text", "json")
@now_option
@pass_door
def duplicate(door: Door, id_: str, new: str, name: str | None, owner: str | None, format_: str) -> int:
    """Copy a segment's file under a new id, comments and all; a list of members beside it is copied too."""
    import re

    from engine.cli.segment import refuse_unknown
    from engine.definitions.translating import did_you_mean
    from engine.runs.listing import duplicated, refuse_taken, write

    site = door.site()
    refuse_unknown(site.definitions, id_)
    if not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", new):
        raise WrongUsage(f"`{new}` is not an id", help="ids are lower-case letters and digits with hyphens, such as hotels-in-thailand")
    if new in site.definitions.segments:
        raise WrongUsage(f"there is a segment `{new}` already")
    if owner is not None and owner not in site.definitions.project.owners:
        raise WrongUsage(
            f"there is no owner `{owner}`", help=did_you_mean(owner, site.definitions.project.owners, "the owners are") or "add it to `owners:` in engine.yaml"
        )
    files = duplicated(door.root, site.definitions, id_, new, name=name, owner=owner)
    refuse_taken(door.root, files)
    for file, text in files.items():
        write(door.root, file, text, new=True)
    if format_ == "json":
        from engine.views.answered import as_json

        door.out(as_json("segment_duplicated", segment=id_, new=new, files=list(files)))
    else:
        door.out("".join(f"{file}\n" for file in files))
    return 0


def _gone(site: Site, id: str) -> list[Named]:
    """The members that the CRM does not have. WrongUsage where that is all of them: then the CRM is not whole."""
    from engine.cli.keys_from import Named
    from engine.cli.segment import known
    from engine.runs.listing import not_in_crm

    entity = known(site, id)
    members = site.definitions.members.get(id, ())
    with site.read_facts() as snapshot:
        gone = sorted(not_in_crm(snapshot, entity, members))
    if gone and len(gone) == len(members):
        raise WrongUsage(
            f"the CRM has none of the members of `{id}`, and --gone would leave nobody; nothing was changed",
            help="look whether the CRM is whole; to empty the list write `members: []` into its file",
        )
    return [Named(key, "") for key in gone]


def _named(site: Site, id: str, contacts: Sequence[str], members: Sequence[str], file: str | None) -> list[Named]:
    """Whom the command line and the file name. WrongUsage where that is nobody."""
    from engine.cli.keys_from import Named, named_in
    from engine.cli.segment import known

    entity = known(site, id)
    if contacts and entity != site.definitions.crm.contact.entity:
        raise WrongUsage(f"`{id}` is a segment of {entity}, not of contacts", help="name its members with --member KEY")
    named = [Named(key, "") for key in (*contacts, *members)]
    named += named_in(file) if file is not None else []
    if not named:
        raise WrongUsage("which members?", help="name them with --contact KEY, --member KEY or --from FILE")
    return list({one.key: one for one in reversed(named)}.values())[::-1]


def _told(
    door: Door, site: Site, edited: object, named: list[Named], act: str, already: list[str], missing: list[Named], dry_run: bool, format_: str, show_pii: bool
) -> int:
    from engine.runs.listing import Edited, write
    from engine.views import segment_edits as view

    assert isinstance(edited, Edited)
    if not dry_run and edited.after != edited.before:
        write(door.root, edited.file, edited.after)
    page = view.EditPage(edited, act, len(already), tuple(one.place for one in missing), dry_run, show_pii)
    door.out(view.as_json(page) if format_ == "json" else view.as_text(page, width=door.width))
    return 0
