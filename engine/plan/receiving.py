"""Contacts as receivers: their addresses, what those addresses refused, and the audience of each record (§4, 6.10, 6.11)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

import duckdb
import pyarrow as pa

from engine.definitions.definitions import Definitions
from engine.definitions.variables import category_of
from engine.facts.names import quoted
from engine.messages.addresses import ADDRESS_PATTERN
from engine.plan.statements import run
from engine.relations.audiences import audience
from engine.relations.binding import Binder, sql
from engine.relations.people import answers, receivers
from engine.tables import append, execute

AddressKey = Callable[[str], str]


def audiences(cursor: duckdb.DuckDBPyConnection, definitions: Definitions, now: datetime) -> None:
    """Fill audience: the contacts of every record that has an open occurrence or an enrollment that could live."""
    execute(
        cursor,
        "CREATE OR REPLACE TEMP TABLE asked AS SELECT sequence, record FROM occ UNION "
        "SELECT k.sequence, k.record FROM known k JOIN standing USING (sequence, record) WHERE k.exit_final IS NOT TRUE",
    )
    for sequence in sorted(definitions.sequences.values(), key=lambda s: s.id):
        if sequence.about == definitions.crm.contact.entity:
            continue
        execute(cursor, "CREATE OR REPLACE TEMP TABLE asked_here AS SELECT record FROM asked WHERE sequence = $1", [sequence.id])
        binder = Binder()
        select = sql(audience(definitions, sequence, now, binder, "asked_here"))
        execute(cursor, f"INSERT INTO audience SELECT '{sequence.id}', record, contact, grp, pos FROM ({select})", binder.values)


def people(cursor: duckdb.DuckDBPyConnection, definitions: Definitions, address_key: AddressKey) -> None:
    """Fill people, refusals, denials, consents and locales for everybody involved; then members, the audiences that can be mailed."""
    execute(
        cursor,
        "CREATE OR REPLACE TEMP TABLE involved AS SELECT contact FROM audience UNION SELECT contact FROM known "
        "UNION SELECT record FROM occ JOIN seqs USING (sequence) WHERE is_contact",
    )
    binder = Binder()
    execute(cursor, f"CREATE OR REPLACE TEMP TABLE met AS {sql(receivers(definitions.crm, binder, 'involved'))}", binder.values)
    addresses = [row[0] for row in execute(cursor, "SELECT DISTINCT address FROM met WHERE address IS NOT NULL ORDER BY address").fetchall()]
    keys = pa.table({"address": pa.array(addresses, pa.string()), "address_key": pa.array([address_key(a) for a in addresses], pa.string())})
    execute(cursor, "CREATE OR REPLACE TEMP TABLE address_keys (address VARCHAR, address_key VARCHAR)")
    append(cursor, "address_keys", keys)
    execute(
        cursor,
        "INSERT INTO people SELECT m.contact, m.address, k.address_key, "
        "CASE WHEN m.address IS NULL THEN 'no_address' "
        # What the pattern cannot say: RFC 5321 gives the local part 64 characters, and the whole 254.
        "WHEN NOT regexp_full_match(m.address, $pattern) OR strpos(m.address, '@') > 65 OR length(m.address) > 254 THEN 'invalid_address' END, "
        "m.active, m.language, m.name, "
        "(SELECT min(s.reason) FROM suppressions s "
        "WHERE s.address_key = k.address_key AND s.reason <> 'unsubscribed'), m.zone "
        "FROM met m LEFT JOIN address_keys k USING (address)",
        {"pattern": ADDRESS_PATTERN},
    )
    _answers(cursor, definitions)
    _locales(cursor, definitions)


def _answers(cursor: duckdb.DuckDBPyConnection, definitions: Definitions) -> None:
    """4.7: one record that says no silences its address; without one, one that says yes is enough. Only marketing asks."""
    if not any(category_of(definitions, template) == "marketing" for template in definitions.templates):
        return
    crm = definitions.crm
    execute(
        cursor, "INSERT INTO refusals SELECT a.address, s.topic FROM suppressions s JOIN address_keys a USING (address_key) WHERE s.reason = 'unsubscribed'"
    )
    binder = Binder()
    select = answers(crm, binder)
    if select is None:
        return
    execute(cursor, f"CREATE OR REPLACE TEMP TABLE said AS FROM ({sql(select)}) WHERE address IN (SELECT address FROM address_keys)", binder.values)
    if crm.contact.unsubscribed is not None:
        execute(cursor, f"INSERT INTO refusals SELECT DISTINCT address, NULL FROM said WHERE {quoted(crm.contact.unsubscribed)}")
    for topic, field in crm.contact.consent.items():
        execute(cursor, f"INSERT INTO denials SELECT DISTINCT address, $1 FROM said WHERE NOT {quoted(field)}", [topic])
        execute(cursor, f"INSERT INTO consents SELECT DISTINCT address, $1 FROM said WHERE {quoted(field)}", [topic])


def _locales(cursor: duckdb.DuckDBPyConnection, definitions: Definitions) -> None:
    wanted = [row[0] for row in execute(cursor, "SELECT DISTINCT coalesce(language, '') FROM people UNION SELECT ''").fetchall()]
    rows = [{"template": id, "wanted": language, "locale": locale_of(definitions, id, language)} for id in definitions.templates for language in wanted]
    if rows:
        append(cursor, "locales", pa.Table.from_pylist(rows))


def locale_of(definitions: Definitions, template: str, language: str | None) -> str:
    """The locale of a mail: the contact's language (th, TH and th-TH are one) where the template has it, else the project's first."""
    short = (language or "").strip().lower().replace("_", "-").split("-")[0]
    said = definitions.templates[template]
    return short if short in definitions.project.locales and short in said.subject and short in said.body else definitions.project.fallback


def members(cursor: duckdb.DuckDBPyConnection, *, known: bool) -> None:
    """Choose each record's audience; `known` where the ledger has enrollments, which are judged before."""
    # On the way in any occurrence of the record that stands: who is leaving an old one has no place in the new.
    on_the_way = (
        "SELECT DISTINCT sequence, record, contact FROM judged_known JOIN seqs USING (sequence) WHERE live AND gone IS NULL AND audience_max IS NOT NULL"
    )
    execute(
        cursor,
        f"CREATE OR REPLACE TEMP TABLE placed AS {on_the_way}"
        if known
        else "CREATE OR REPLACE TEMP TABLE placed (sequence VARCHAR, record VARCHAR, contact VARCHAR)",
    )
    run(cursor, "members")
