"""`engine enroll`: put people on a sequence by hand (semantics 3.5)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from engine.cli.door import Door
from engine.cli.options import format_option, now_option, pass_door, pii_option
from engine.cli.ordering import by, record_named, sequence_named
from engine.errors import WrongUsage

if TYPE_CHECKING:
    from engine.runs.opening import Site


@click.command()
@click.argument("sequence")
@click.option("--contact", "contacts", multiple=True, metavar="KEY", help="A contact; may be said several times.")
@click.option("--company", "companies", multiple=True, metavar="KEY", help="A company, for sequences about companies or their contacts.")
@click.option("--record", "records", multiple=True, metavar="KEY", help="A record that the sequence is about, by its key or as ENTITY:KEY.")
@click.option("--segment", metavar="ID", help="The members of a segment, as they are now.")
@click.option("--note", default="", help="Why; it stays with the enrollment.")
@click.option("--again", is_flag=True, help="Also who has been on it before.")
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
    note: str,
    again: bool,
    format_: str,
    show_pii: bool,
) -> int:
    """Put records on a SEQUENCE whose trigger is `manual`. They get their first step with the next apply.

    Says how many are enrolled, and who is not and why.
    """
    door.refuse_pii(show_pii)
    site = door.site()
    sequence_named(site.definitions, sequence)
    definition = site.definitions.sequences[sequence]
    if definition.trigger.kind != "manual":
        raise WrongUsage(f"`{sequence}` begins by itself, by its trigger", help="only sequences with `trigger: manual` take enrollments by hand")
    if definition.status in ("draft", "archived"):
        raise WrongUsage(
            f"`{sequence}` is {'a draft' if definition.status == 'draft' else 'archived'}; nobody enters it", help="write `status: active` in its file first"
        )
    if not (contacts or companies or records or segment):
        raise WrongUsage("enroll whom?", help="name --contact, --company, --record or --segment")
    from engine.cli.enrolling import already_in, chosen, outcome, refuse_segment
    from engine.views.enrolled import as_json, as_text
    from engine.views.naming import Naming

    if segment is not None:
        refuse_segment(site, sequence, segment)
    named = [record_named(site.definitions, text) if ":" in text else (definition.about, text) for text in records] + [("company", key) for key in companies]
    named += [(site.definitions.crm.contact.entity, key) for key in contacts]
    from engine.runs.planning import facts_with_past

    with facts_with_past(site) as snapshot:
        keys, missing = chosen(site, snapshot, definition.about, named, segment)
    refused = already_in(site, sequence, definition.about, keys, again)
    made = _write(site, sequence, definition.about, [key for key in keys if key not in refused], note, again, segment)
    page = outcome(site, sequence, made, refused, missing, Naming(site.definitions, site.pseudonyms, show_pii))
    door.out(as_json(page) if format_ == "json" else as_text(page, width=door.width, command=door.command))
    return 0


def _write(site: Site, sequence: str, entity: str, keys: list[str], note: str, again: bool, segment: str | None) -> dict[str, str]:
    """Record an occurrence for each key; the occurrences by record."""
    if not keys:
        return {}
    with site.open_ledger("enroll") as ledger:
        return dict(ledger.enroll_by_hand(sequence, entity, keys, by=by(), note=note, now=site.now, override=again, segment=segment))
