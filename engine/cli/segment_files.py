"""`engine segment export|import`: members as a file, and a file as members."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from engine.cli.door import Door
from engine.cli.options import format_option, now_option, pass_door, pii_option
from engine.errors import EngineError, WrongUsage

if TYPE_CHECKING:
    from collections.abc import Sequence

    from engine.cli.keys_from import Named
    from engine.facts.snapshot import Snapshot
    from engine.runs.opening import Site

# A longer list is easier to look at in a file of its own.
_IN_THE_YAML = 200
# Excel's 1,048,576 rows, without the first.
_IN_A_SHEET = 1_048_575
_PSEUDONYM = re.compile(r"[0-9a-f]{16}")


@click.command()
@click.argument("id_", metavar="ID")
@click.option("--format", "format_", type=click.Choice(["csv", "json", "xlsx"]), help="csv if --out does not say it.")
@click.option("--fields", default="", metavar="A,B", help="Fields of the entity beside the key; personal ones need --show-pii.")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="The file; stdout if not said (Excel needs one).")
@pii_option
@now_option
@pass_door
def export(door: Door, id_: str, format_: str | None, fields: str, out: Path | None, show_pii: bool) -> int:
    """All members as CSV, JSON or Excel. Without --show-pii the keys are pseudonyms, and no CRM knows them."""
    door.refuse_pii(show_pii)
    from engine.cli.segment import fields_named, known
    from engine.relations.segments import SegmentTable
    from engine.views import segment_files as view
    from engine.views.naming import Naming

    kind = format_ or (out.suffix.lower().lstrip(".") if out is not None and out.suffix.lower() in (".csv", ".json", ".xlsx") else "csv")
    if kind == "xlsx" and out is None:
        raise WrongUsage("an Excel file is not written to stdout", help="add --out MEMBERS.xlsx")
    site = door.site()
    entity = known(site, id_)
    wanted = fields_named(site, entity, fields, show_pii)
    from engine.runs.planning import facts_with_past

    with facts_with_past(site, {entity: frozenset(wanted)}) as snapshot:
        rows = SegmentTable(snapshot.connection, site.definitions, id_, site.now).page(wanted, limit=2**62)
    naming = Naming(site.definitions, site.pseudonyms, show_pii)
    head = ["key", *wanted]
    cells = [[naming.record(entity, row[0]), *(_plain(value) for value in row[1:])] for row in rows]
    if kind == "xlsx":
        if len(cells) > _IN_A_SHEET:
            raise WrongUsage(f"an Excel sheet has no room for {len(cells):,} members", help="--format csv has")
        content = view.as_xlsx(id_, head, cells)
    else:
        content = (view.as_csv(head, cells) if kind == "csv" else view.as_json(id_, entity, head, cells)).encode()
    if out is None:
        door.out(content.decode())
        return 0
    try:
        out.write_bytes(content)
    except OSError as error:
        raise EngineError(f"{out} cannot be written: {error.strerror}") from None
    door.say(f"{len(cells):,} members of {id_} in {out}" + ("" if show_pii else "; their keys are pseudonyms"))
    return 0


@click.command("import")
@click.argument("id_", metavar="ID")
@click.argument("file", type=click.Path(dir_okay=False))
@click.option("--by", "by_field", metavar="FIELD", help="The column of this name holds values of this field (such as email), not keys.")
@click.option("--column", metavar="NAME", help="The column to read; `key`, or the field of --by, if not said.")
@click.option("--entity", metavar="NAME", help="What a new segment is of; contacts if not said.")
@click.option("--name", help="The name of a new segment.")
@click.option("--owner", help="The owner of a new segment.")
@click.option("--replace", is_flag=True, help="Also take out the members that the file does not have.")
@format_option("text", "json")
@now_option
@pass_door
def import_(
    door: Door,
    id_: str,
    file: str,
    by_field: str | None,
    column: str | None,
    entity: str | None,
    name: str | None,
    owner: str | None,
    replace: bool,
    format_: str,
) -> int:
    """Put the records of a CSV, JSON or Excel file into a static segment; a new one is made where there is none of this ID.

    What the CRM does not have is left out, and counted with its place in the file. Nothing of the file but keys is kept. With --replace
    a file of which the CRM has nothing changes nothing.
    """
    from engine.cli.keys_from import entries_in

    site = door.site()
    segment = site.definitions.segments.get(id_)
    if segment is not None:
        _refuse_for_new(site, id_, {"--entity": None if entity == segment.entity else entity, "--name": name, "--owner": owner})
    of = segment.entity if segment is not None else entity or site.definitions.crm.contact.entity
    if of not in site.definitions.crm.entities:
        raise WrongUsage(f"there is no entity `{of}`", help=f"the entities are {', '.join(site.definitions.crm.entities)}")
    if by_field is not None and by_field not in site.definitions.crm.entities[of].fields:
        raise WrongUsage(f"there is no field `{by_field}`", help=f"the fields are {', '.join(site.definitions.crm.entities[of].fields)}")
    wanted = column or by_field or "key"
    entries = entries_in(file, wanted)
    found = _found(site, of, [one for one in entries if one.key], by_field, site.definitions.members.get(id_, ()))
    if not found.keys:
        _refuse_nobody(file, found, replace and bool(site.definitions.members.get(id_)))
    if segment is None and not found.keys:
        raise WrongUsage(
            f"{file} names no record of the CRM, so there is nobody to make a segment of; nothing was written", help="look at its keys, or at --column and --by"
        )
    filled = _make(door, site, id_, of, found.keys, name or "", owner) if segment is None else _fill(door, site, id_, found, replace)
    blank = [one.place for one in entries if not one.key]
    if format_ == "json":
        from engine.views.answered import as_json

        left_out = {"not_in_crm": found.missing, "ambiguous": found.ambiguous, "blank": blank}
        counts = {"added": filled.added, "removed": filled.removed, "members": filled.members}
        door.out(as_json("segment_imported", segment=id_, made=segment is None, files=list(filled.files), **counts, left_out=left_out))
        return 0
    door.out(filled.in_words(made=segment is None, replaced=replace))
    for what, places in (("not in the CRM", found.missing), ("more than one record has it", found.ambiguous), (f"nothing in `{wanted}`", blank)):
        if places:
            door.say(f"{len(places):,} left out, {what}: {', '.join(places[:10])}{' and more' if len(places) > 10 else ''}")
    return 0


def _refuse_for_new(site: Site, id: str, said: dict[str, str | None]) -> None:
    """What only a new segment takes, said of one that is there."""
    given = [option for option, value in said.items() if value is not None]
    if given:
        raise WrongUsage(
            f"the segment `{id}` is there already, and {' and '.join(given)} {'is' if len(given) == 1 else 'are'} for a new one",
            help=f"leave {'it' if len(given) == 1 else 'them'} out, and write it into {site.definitions.where('segment', id).file}; or choose another ID",
        )


def _refuse_nobody(file: str, found: _Found, would_empty: bool) -> None:
    """A file of which the CRM has nothing: a slip, where it is full of pseudonyms, or would empty the list."""
    if found.are_pseudonyms:
        raise WrongUsage(
            f"the keys in {file} are pseudonyms of records, and the CRM knows none of them; nothing was changed",
            help="`segment export` gives pseudonyms; with --show-pii it exports the CRM's own keys, which can be imported",
        )
    if would_empty:
        raise WrongUsage(
            f"{file} names no record of the CRM, and --replace would take out all members; nothing was changed",
            help="look at its keys, or at --column and --by; to empty the list write `members: []` into its file",
        )


class _Found:
    """The records that a file names, and the places of what names none, or several; whether it names records by their pseudonyms.

    `said` are all keys that it names, or may name: also of members that the CRM does not have just now, and of several with one value.
    """

    def __init__(self, keys: list[str], missing: list[str], ambiguous: list[str], said: set[str], are_pseudonyms: bool = False) -> None:
        self.keys, self.missing, self.ambiguous, self.said, self.are_pseudonyms = keys, missing, ambiguous, said, are_pseudonyms


def _found(site: Site, entity: str, named: list[Named], by_field: str | None, members: Sequence[str]) -> _Found:
    from engine.facts.names import quoted
    from engine.runs.listing import not_in_crm

    # Values compare as rules do: without regard to upper and lower case, and without white space around them.
    value = f"trim(CAST(r.{quoted(by_field)} AS VARCHAR))" if by_field else "r._key"
    match = f"lower({value}) = lower(n.said)" if by_field else f"{value} = n.said"
    with site.read_facts({entity: frozenset([by_field] if by_field else [])}) as snapshot:
        rows = snapshot.connection.execute(
            f"SELECT n.place, count(r._key), list(r._key) FILTER (r._key IS NOT NULL) FROM (SELECT unnest($1::VARCHAR[]) AS said, unnest($2::VARCHAR[]) AS place, unnest($3::INTEGER[]) AS number) n "
            f"LEFT JOIN facts.{quoted(entity)} r ON {match} GROUP BY n.place, n.number ORDER BY n.number",
            [[one.key for one in named], [one.place for one in named], list(range(len(named)))],
        ).fetchall()
        keys = list(dict.fromkeys(found[0] for _, count, found in rows if count == 1))
        said = {key for _, count, found in rows if count for key in found} | {one.key for one in named if by_field is None}
        if by_field is not None and any(not count for _, count, _ in rows):
            # Whose value it is, only the record could say that is not there.
            said |= not_in_crm(snapshot, entity, members)
        looks_so = not keys and any(_PSEUDONYM.fullmatch(one.key) for one in named)
        of_records = _pseudonyms(site, snapshot, entity) if looks_so else set()
    return _Found(
        keys,
        [place for place, count, _ in rows if not count],
        [place for place, count, _ in rows if count > 1],
        said,
        any(one.key in of_records for one in named),
    )


def _pseudonyms(site: Site, snapshot: Snapshot, entity: str) -> set[str]:
    """Those of all records of the entity."""
    from engine.facts.names import quoted
    from engine.views.naming import Naming

    naming = Naming(site.definitions, site.pseudonyms)
    rows = snapshot.connection.execute(f"SELECT _key FROM facts.{quoted(entity)}").fetchall()
    return {str(naming.record(entity, key)) for (key,) in rows}


@dataclass(frozen=True)
class _Filled:
    """What became of a segment: the files that were written, members added and removed, and how many it has now."""

    files: tuple[str, ...]
    added: int
    removed: int
    members: int

    def in_words(self, *, made: bool, replaced: bool) -> str:
        from engine.views.phrases import counted

        if made:
            return f"{self.files[0]}: {counted(self.members, 'member')}"
        return f"{self.files[0]}: {self.added:,} added" + (f", {self.removed:,} removed" if replaced else "") + f"; {counted(self.members, 'member')} now"


def _make(door: Door, site: Site, id: str, entity: str, keys: list[str], name: str, owner: str | None) -> _Filled:
    """A new file of `definitions/segments/`."""
    from engine.definitions.listing import csv_with, yaml_list
    from engine.definitions.schema import modeline
    from engine.definitions.translating import did_you_mean
    from engine.definitions.yaml_writing import as_flow
    from engine.runs.listing import refuse_taken, write

    if not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", id):
        raise WrongUsage(f"`{id}` is not an id", help="ids are lower-case letters and digits with hyphens, such as trade-fair-2026")
    if owner is not None and owner not in site.definitions.project.owners:
        raise WrongUsage(
            f"there is no owner `{owner}`", help=did_you_mean(owner, site.definitions.project.owners, "the owners are") or "add it to `owners:` in engine.yaml"
        )
    path = f"definitions/segments/{id}.yaml"
    text = f"{modeline(path)}\nid: {as_flow(id)}\nname: {as_flow(name or id.replace('-', ' ').capitalize())}\nentity: {as_flow(entity)}\n"
    text += f"owner: {as_flow(owner)}\n" if owner else ""
    beside = [f"definitions/segments/{id}.csv"] if len(keys) > _IN_THE_YAML else []
    refuse_taken(door.root, (path, *beside))
    if beside:
        write(door.root, beside[0], csv_with("key\n", keys), new=True)
        text += f"members: {{file: {id}.csv}}\n"
    else:
        text += yaml_list(keys)
    write(door.root, path, text, new=True)
    return _Filled((path, *beside), len(keys), 0, len(keys))


def _fill(door: Door, site: Site, id: str, found: _Found, replace: bool) -> _Filled:
    """More members for a segment that is there, and with `replace` none whom the file does not name."""
    from dataclasses import replace as changed

    from engine.runs.listing import added, removed, write

    more = added(door.root, site.definitions, id, found.keys)
    gone: tuple[str, ...] = ()
    if more.after != more.before:
        write(door.root, more.file, more.after)
    if replace:
        members = {**site.definitions.members, id: (*site.definitions.members.get(id, ()), *more.keys)}
        less = removed(door.root, changed(site.definitions, members=members), id, [key for key in members[id] if key not in found.said])
        gone = less.keys
        if less.after != less.before:
            write(door.root, less.file, less.after)
    return _Filled((more.file,), len(more.keys), len(gone), more.members - len(gone))


def _plain(value: Any) -> Any:
    """A value as every program reads it."""
    if isinstance(value, datetime):
        return value.isoformat() + "Z"
    if isinstance(value, date):
        return value.isoformat()
    return float(value) if isinstance(value, Decimal) else value
