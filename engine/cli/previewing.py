"""A preview with a real record's values, and a preview that is sent to a tester."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING
from uuid import uuid4

from engine.definitions.variables import about_of, names_of
from engine.errors import EngineError, WrongUsage
from engine.facts.names import quoted
from engine.messages.preview import Case
from engine.plan.receiving import locale_of
from engine.relations.binding import Binder, sql
from engine.relations.variables import values

if TYPE_CHECKING:
    from engine.definitions.definitions import Definitions
    from engine.facts.snapshot import Snapshot
    from engine.messages.message import Message
    from engine.runs.opening import Site


def cases_of_record(site: Site, template: str, contact: str | None, record: tuple[str, str] | None, locale: str | None) -> Case:
    """The values of the record and the contact as a case. WrongUsage where one of them is not in the CRM."""
    from engine.views.phrases import with_article

    definitions = site.definitions
    type_id = definitions.templates[template].type
    person = definitions.crm.contact.entity
    about = about_of(definitions, type_id) or (record[0] if record else person)
    if record is None and about != person:
        raise WrongUsage(f"the template is about {with_article(about)}, so a contact alone has no values for it", help=f"add --record {about}:KEY")
    if record is not None and record[0] != about:
        raise WrongUsage(f"the template is about {with_article(about)}, not about {with_article(record[0])}", help=f"write --record {about}:KEY")
    from engine.runs.planning import facts_with_past

    with facts_with_past(site) as snapshot:
        key = record[1] if record else str(contact)
        who = contact or (key if about == person else _a_contact(definitions, snapshot, about, key))
        for entity, wanted in ((about, key), (person, who)):
            if wanted is not None and not snapshot.connection.execute(f"SELECT 1 FROM facts.{quoted(entity)} WHERE _key = $1", [wanted]).fetchall():
                raise WrongUsage(f"there is no {entity} with the key `{wanted}` in the CRM")
        binder = Binder()
        snapshot.connection.execute("CREATE OR REPLACE TEMP TABLE pairs AS SELECT $1::VARCHAR AS record, $2::VARCHAR AS contact", [key, who])
        select = values(definitions, type_id, names_of(definitions, type_id), "pairs", about, site.now, binder)
        row = snapshot.connection.execute(f"SELECT variables FROM ({sql(select)})", binder.of(select)).fetchall()
        name, language = _person(definitions, snapshot, who)
    return Case("record", f"{about} {key}", locale or locale_of(definitions, template, language), json.loads(row[0][0]), name or "")


def _a_contact(definitions: Definitions, snapshot: Snapshot, about: str, key: str) -> str | None:
    """Some contact of the record, where one relation leads there: a preview needs a reader, not the right one."""
    person = definitions.crm.entities[definitions.crm.contact.entity]
    for relation in definitions.crm.entities[about].relations.values():
        back = next((other.via for other in person.relations.values() if other.one == relation.one), None)
        if relation.one and back:
            rows = snapshot.connection.execute(
                f"SELECT c._key FROM facts.{quoted(definitions.crm.contact.entity)} c JOIN facts.{quoted(about)} a "
                f"ON CAST(c.{quoted(back)} AS VARCHAR) = CAST(a.{quoted(relation.via)} AS VARCHAR) WHERE a._key = $1 ORDER BY c._key LIMIT 1",
                [key],
            ).fetchall()
            if rows:
                return str(rows[0][0])
    return None


def _person(definitions: Definitions, snapshot: Snapshot, contact: str | None) -> tuple[str | None, str | None]:
    crm = definitions.crm.contact
    columns = ", ".join(quoted(field) if field else "NULL" for field in (crm.name, crm.language))
    rows = snapshot.connection.execute(f"SELECT {columns} FROM facts.{quoted(crm.entity)} WHERE _key = $1", [contact]).fetchall()
    return (rows[0][0], rows[0][1]) if rows else (None, None)


def send(site: Site, messages: Sequence[Message]) -> str:
    """Hand the mails to the environment's transport; the ledger knows nothing of them. What to tell."""
    from dataclasses import replace

    from engine.delivery.recipients import Recipients
    from engine.runs.sending import outbox_folder, refuse_stopped, transport_of

    refuse_stopped(site)
    # Testers are listed by the project, so a preview may leave an environment that may write to nobody else.
    transport = transport_of(site, Recipients(tuple(site.definitions.project.testers), site.environment.sending.redirect_to, site.pseudonyms.address_key))
    failed = []
    try:
        for message in messages:
            outcome = transport.deliver(replace(message, send_key=str(uuid4())), lambda key: None)
            if outcome.state != "sent":
                failed.append(outcome.text or outcome.state)
    finally:
        transport.close()
    if failed:
        raise EngineError(f"{len(failed)} of {len(messages)} previews were not accepted: {failed[0]}")
    folder = outbox_folder(site)
    return f"sent {len(messages)} to the tester" + (f"; it lies in {folder}" if folder else "")
