"""`engine enroll`: put people on a sequence by hand (semantics 3.5)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import click

from engine.cli.door import Door
from engine.cli.options import format_option, now_option, pass_door, pii_option
from engine.cli.ordering import by, entity_named, record_named, sequence_named
from engine.errors import WrongUsage

if TYPE_CHECKING:
    from engine.cli.keys_from import Named
    from engine.runs.opening import Site
    from engine.views.enrolled import EnrolledPage

# What an occurrence would be of no use for: it would let nobody in, or by itself some day (3.9).
_REFUSED = ("already_enrolled", "enrolled_before", "enrolled_lately", "not_started")


@click.command()
@click.argument("sequence")
@click.option("--contact", "contacts", multiple=True, metavar="KEY", help="A contact; may be said several times.")
@click.option("--company", "companies", multiple=True, metavar="KEY", help="A company, for sequences about companies or their contacts.")
@click.option("--record", "records", multiple=True, metavar="KEY", help="A record that the sequence is about, by its key or as ENTITY:KEY.")
@click.option("--segment", metavar="ID", help="The members of a segment, as they are now.")
@click.option("--from", "file", type=click.Path(dir_okay=False), metavar="FILE", help="Keys of a CSV (column `key`), JSON or Excel file, or one a line.")
@click.option("--keys-of", metavar="ENTITY", help="What the keys of FILE are, if not what the sequence is about: `company`.")
@click.option("--note", default="", help="Why; it stays with the enrollment.")
@click.option("--again", is_flag=True, help="Also who has been on it before.")
@click.option("--dry-run", is_flag=True, help="Say who would be enrolled, and write nothing.")
@format_option("text", "json")
@pii_option
@now_option
@pass_door
def enroll(
    door: Door,
    sequence: str,
    contacts: tuple[str, ...],
    companies: tuple[str, ...],
    records: tuple[str, ...],
    segment: str | None,
    file: str | None,
    keys_of: str | None,
    note: str,
    again: bool,
    dry_run: bool,
    format_: str,
    show_pii: bool,
) -> int:
    """Put records on a SEQUENCE whose trigger is `manual`. They get their first step with the next apply.

    Says how many are enrolled, and who is not and why.
    """
    door.refuse_pii(show_pii)
    site = door.site()
    _refuse_sequence(site, sequence)
    if not (contacts or companies or records or segment or file):
        raise WrongUsage("enroll whom?", help="name --contact, --company, --record, --segment or --from FILE")
    if keys_of and not file:
        raise WrongUsage("--keys-of says what the keys of a file are", help="name the file with --from")
    about, contact = site.definitions.sequences[sequence].about, site.definitions.crm.contact.entity
    named = [record_named(site.definitions, text) if ":" in text else (about, text) for text in records]
    named += [("company", key) for key in companies] + [(contact, key) for key in contacts]
    entity = entity_named(site.definitions, keys_of) if keys_of else about
    listed = _listed(file)
    named += [(entity, one.key) for one in listed]
    page = _enroll(site, sequence, list(dict.fromkeys(named)), segment, note, again, dry_run, show_pii, entity, listed)
    page = replace(page, repeated=len(named) - len(set(named)))
    from engine.views.enrolled import as_json, as_text

    door.out(as_json(page) if format_ == "json" else as_text(page, width=door.width, command=door.command))
    return 0


def _refuse_sequence(site: Site, sequence: str) -> None:
    sequence_named(site.definitions, sequence)
    definition = site.definitions.sequences[sequence]
    if definition.trigger.kind != "manual":
        raise WrongUsage(f"`{sequence}` begins by itself, by its trigger", help="only sequences with `trigger: manual` take enrollments by hand")
    if definition.status in ("draft", "archived"):
        raise WrongUsage(
            f"`{sequence}` is {'a draft' if definition.status == 'draft' else 'archived'}; nobody enters it", help="write `status: active` in its file first"
        )


def _listed(file: str | None) -> Sequence[Named]:
    from engine.cli.keys_from import named_in

    if file is None:
        return ()
    listed = named_in(file)
    if not listed:
        raise WrongUsage(f"{file} names nobody", help="write one key a line, or a CSV with the column `key`")
    return listed


def _enroll(
    site: Site,
    sequence: str,
    named: list[tuple[str, str]],
    segment: str | None,
    note: str,
    again: bool,
    dry_run: bool,
    show_pii: bool,
    entity: str,
    listed: Sequence[Named],
) -> EnrolledPage:
    from engine.cli.enrolling import already_in, belonging, chosen, outcome, refuse_segment, supposed
    from engine.runs.planning import facts_with_past
    from engine.views.naming import Naming

    about = site.definitions.sequences[sequence].about
    if segment is not None:
        refuse_segment(site, sequence, segment)
    with facts_with_past(site, belonging(site, about)) as snapshot:
        found = chosen(site, snapshot, about, named, segment)
    refused = already_in(site, sequence, about, found.keys, again)
    new = [key for key in found.keys if key not in refused]
    naming = Naming(site.definitions, site.pseudonyms, show_pii)
    page = outcome(site, sequence, supposed(sequence, about, new, again, site), refused, naming)
    if not dry_run:
        kept = [key for key in new if page.refused.get(key) not in _REFUSED]
        # A use of the segment is whom it brought and who is on the way, and not who was named beside it, or is only noted (D6).
        used = {key for key in kept if key in found.brought and key in page.enrolled}
        groups = [([key for key in kept if key in used], segment), ([key for key in kept if key not in used], None)]
        _write(site, sequence, about, [(keys, by_segment) for keys, by_segment in groups if keys], note, again)
    gone = {key for kind, key in found.missing if kind == entity}
    return replace(page, dry_run=dry_run, missing=len(found.missing), places=[one.place for one in listed if one.key in gone])


def _write(site: Site, sequence: str, entity: str, groups: Sequence[tuple[list[str], str | None]], note: str, again: bool) -> None:
    """Record an occurrence for each key, beside the segment that brought it; a second try adds what a first one that was cut off did not."""
    if not groups:
        return
    with site.open_ledger("enroll") as ledger:
        for keys, segment in groups:
            ledger.enroll_by_hand(sequence, entity, keys, by=by(), note=note, now=site.now, override=again, segment=segment)
