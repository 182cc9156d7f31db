"""`engine segment export|import`: members as a file, and a file as members."""

from __future__ import annotations

import re
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from engine.cli.door import Door
from engine.cli.options import now_option, pass_door, pii_option
from engine.errors import EngineError, WrongUsage

if TYPE_CHECKING:
    from engine.cli.keys_from import Named
    from engine.runs.opening import Site

# A longer list is easier to look at in a file of its own.
_IN_THE_YAML = 200


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

    with facts_with_past(site) as snapshot:
        rows = SegmentTable(snapshot.connection, site.definitions, id_, site.now).page(wanted, limit=2**62)
    naming = Naming(site.definitions, site.pseudonyms, show_pii)
    head = ["key", *wanted]
    cells = [[naming.record(entity, row[0]), *(_plain(value) for value in row[1:])] for row in rows]
    if kind == "xlsx":
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
@click.option("--name", default="", help="The name of a new segment.")
@click.option("--owner", help="The owner of a new segment.")
@click.option("--replace", is_flag=True, help="Also take out the members that the file does not have.")
@now_option
@pass_door
def import_(door: Door, id_: str, file: str, by_field: str | None, column: str | None, entity: str | None, name: str, owner: str | None, replace: bool) -> int:
    """Put the records of a CSV, JSON or Excel file into a static segment; a new one is made where there is none of this ID.

    What the CRM does not have is left out, and counted with its place in the file. Nothing of the file but keys is kept.
    """
    from engine.cli.keys_from import named_in

    site = door.site()
    segment = site.definitions.segments.get(id_)
    of = segment.entity if segment is not None else entity or site.definitions.crm.contact.entity
    if of not in site.definitions.crm.entities:
        raise WrongUsage(f"there is no entity `{of}`", help=f"the entities are {', '.join(site.definitions.crm.entities)}")
    if by_field is not None and by_field not in site.definitions.crm.entities[of].fields:
        raise WrongUsage(f"there is no field `{by_field}`", help=f"the fields are {', '.join(site.definitions.crm.entities[of].fields)}")
    found = _found(site, of, named_in(file, column or by_field or "key"), by_field)
    if segment is None:
        _make(door, site, id_, of, found.keys, name, owner)
    else:
        _fill(door, site, id_, found.keys, replace)
    for what, places in (("not in the CRM", found.missing), ("more than one record has it", found.ambiguous)):
        if places:
            door.say(f"{len(places):,} left out, {what}: {', '.join(places[:10])}{' and more' if len(places) > 10 else ''}")
    return 0


class _Found:
    """The records that a file names, and the places of what names none, or several."""

    def __init__(self, keys: list[str], missing: list[str], ambiguous: list[str]) -> None:
        self.keys, self.missing, self.ambiguous = keys, missing, ambiguous


def _found(site: Site, entity: str, named: list[Named], by_field: str | None) -> _Found:
    from engine.facts.names import quoted
    from engine.facts.needs import needed, together
    from engine.facts.reading import read_snapshot

    # Values compare as rules do: without regard to upper and lower case, and without white space around them.
    needs = together(needed(site.definitions), {entity: frozenset([by_field] if by_field else [])})
    value = f"trim(CAST(r.{quoted(by_field)} AS VARCHAR))" if by_field else "r._key"
    match = f"lower({value}) = lower(n.said)" if by_field else f"{value} = n.said"
    with read_snapshot(site.definitions, site.environment.facts, now=site.now, root=site.root, needs=needs) as snapshot:
        rows = snapshot.connection.execute(
            f"SELECT n.place, count(r._key), min(r._key) FROM (SELECT unnest($1::VARCHAR[]) AS said, unnest($2::VARCHAR[]) AS place, unnest($3::INTEGER[]) AS number) n "
            f"LEFT JOIN facts.{quoted(entity)} r ON {match} GROUP BY n.place, n.number ORDER BY n.number",
            [[one.key for one in named], [one.place for one in named], list(range(len(named)))],
        ).fetchall()
    keys = list(dict.fromkeys(key for _, count, key in rows if count == 1))
    return _Found(keys, [place for place, count, _ in rows if not count], [place for place, count, _ in rows if count > 1])


def _make(door: Door, site: Site, id: str, entity: str, keys: list[str], name: str, owner: str | None) -> None:
    """A new file of `definitions/segments/`."""
    from engine.definitions.listing import csv_with, yaml_list
    from engine.definitions.schema import modeline
    from engine.definitions.translating import did_you_mean
    from engine.definitions.yaml_writing import as_flow
    from engine.runs.listing import write

    if not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", id):
        raise WrongUsage(f"`{id}` is not an id", help="ids are lower-case letters and digits with hyphens, such as trade-fair-2026")
    if owner is not None and owner not in site.definitions.project.owners:
        raise WrongUsage(
            f"there is no owner `{owner}`", help=did_you_mean(owner, site.definitions.project.owners, "the owners are") or "add it to `owners:` in engine.yaml"
        )
    path = f"definitions/segments/{id}.yaml"
    text = f"{modeline(path)}\nid: {id}\nname: {as_flow(name or id.replace('-', ' ').capitalize())}\nentity: {entity}\n"
    text += f"owner: {as_flow(owner)}\n" if owner else ""
    if len(keys) > _IN_THE_YAML:
        write(door.root, f"definitions/segments/{id}.csv", csv_with("key\n", keys), new=True)
        text += f"members: {{file: {id}.csv}}\n"
    else:
        text += yaml_list(keys)
    write(door.root, path, text, new=True)
    door.out(f"{path}: {len(keys):,} member{'' if len(keys) == 1 else 's'}")


def _fill(door: Door, site: Site, id: str, keys: list[str], replace: bool) -> None:
    """More members for a segment that is there, and with `replace` no others."""
    from dataclasses import replace as changed

    from engine.runs.listing import added, removed, write

    more = added(door.root, site.definitions, id, keys)
    gone: tuple[str, ...] = ()
    if more.after != more.before:
        write(door.root, more.file, more.after)
    if replace:
        members = {**site.definitions.members, id: (*site.definitions.members.get(id, ()), *more.keys)}
        less = removed(door.root, changed(site.definitions, members=members), id, [key for key in members[id] if key not in set(keys)])
        gone = less.keys
        if less.after != less.before:
            write(door.root, less.file, less.after)
    door.out(f"{more.file}: {len(more.keys):,} added" + (f", {len(gone):,} removed" if replace else "") + f"; {more.members - len(gone):,} members now")


def _plain(value: Any) -> Any:
    """A value as every program reads it."""
    if isinstance(value, datetime):
        return value.isoformat() + "Z"
    if isinstance(value, date):
        return value.isoformat()
    return float(value) if isinstance(value, Decimal) else value
