"""Whom an enrollment by hand is about, and what the next plan makes of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pyarrow as pa

from engine.definitions.translating import did_you_mean
from engine.errors import WrongUsage
from engine.facts.names import quoted
from engine.ledger.history import EnrollmentFilter
from engine.ledger.records import OCCURRENCES
from engine.relations.binding import Binder, sql
from engine.relations.segments import members
from engine.runs.planning import plan_now
from engine.views.enrolled import EnrolledPage
from engine.views.naming import Naming
from engine.views.phrases import joined

if TYPE_CHECKING:
    import duckdb

    from engine.facts.snapshot import Needs, Snapshot
    from engine.runs.opening import Site


# The number of an occurrence that is only supposed: greater than any that was given out.
_SUPPOSED = str(10**15)
# Contacts who can get no mail of the sequence as things are, by the first gate of 6.10 and 6.11 that does not pass. The plan has asked all of it
# before it looks at a step, so it is also known of those whose first step comes later.
_UNABLE = """
SELECT p.contact, coalesce(
    CASE WHEN NOT p.active THEN 'contact_inactive' END, p.fault,
    CASE p.suppressed WHEN 'bounce' THEN 'suppressed_bounce' WHEN 'complaint' THEN 'suppressed_complaint' ELSE CASE WHEN p.suppressed IS NOT NULL THEN 'unsubscribed' END END,
    -- Only where none of its mails may go to them: one topic of two leaves the other.
    (SELECT CASE WHEN count(*) = count(m.fault) THEN max(m.fault) END
     FROM reach r LEFT JOIN marketing_faults m ON m.contact = p.contact AND m.topic IS NOT DISTINCT FROM r.topic AND r.category = 'marketing'
     WHERE r.sequence = $1)
) AS reason
FROM people p JOIN seqs s ON s.sequence = $1 AND s.is_contact
WHERE p.contact IN (SELECT record FROM entering WHERE sequence = $1 AND occurrence = $2)
"""
_FITTING = 8
# A way that ends before its first mail.
_LEAVES = ("goal_met", "exit_condition")


@dataclass(frozen=True)
class Chosen:
    """The keys of records, which that were named are not in the CRM, and which of the keys a segment brought."""

    keys: list[str]
    missing: tuple[tuple[str, str], ...]
    brought: frozenset[str]


def supposed(sequence: str, entity: str, keys: Sequence[str], again: bool, site: Site) -> pa.Table:
    """The occurrences that an enrollment would record, for a plan that nobody writes."""
    rows = [
        {"sequence": sequence, "entity": entity, "record": key, "occurrence": _SUPPOSED, "base_at": site.now, "source": "hand", "override": again}
        for key in keys
    ]
    return pa.Table.from_pylist(rows, OCCURRENCES)


def chosen(site: Site, snapshot: Snapshot, about: str, named: Sequence[tuple[str, str]], segment: str | None) -> Chosen:
    """The records that the sequence is about, of those that were named and of a segment's members."""
    members = members_now(site, snapshot, segment) if segment is not None else []
    wanted = [*named, *members]
    by_entity: dict[str, list[str]] = {}
    for entity, key in wanted:
        by_entity.setdefault(entity, []).append(key)
    # Asked together: a segment of five hundred is one question and not five hundred.
    found = {entity: records_of(site, snapshot, about, entity, keys) for entity, keys in by_entity.items()}
    missing = tuple(dict.fromkeys((entity, key) for entity, key in wanted if not found[entity].get(key)))
    brought = frozenset(record for entity, key in members for record in found[entity].get(key, ()))
    return Chosen(list(dict.fromkeys(record for entity, key in wanted for record in found[entity].get(key, ()))), missing, brought)


def refuse_segment(site: Site, sequence: str, id: str) -> None:
    """WrongUsage for a segment that is not there, out of use, or another owner's private one."""
    segment = site.definitions.segments.get(id)
    if segment is None:
        raise WrongUsage(f"there is no segment `{id}`", help=did_you_mean(id, site.definitions.segments, "the segments are"))
    if segment.status != "active":
        raise WrongUsage(
            f"the segment `{id}` is {segment.status}, and nobody enters by it",
            help=f"write `status: active` in {site.definitions.where('segment', id).file} first",
        )
    if segment.visibility == "private" and (segment.owner is None or segment.owner != site.definitions.sequences[sequence].owner):
        whose = f"private to `{segment.owner}`" if segment.owner else "private, and has no owner"
        raise WrongUsage(f"the segment `{id}` is {whose}", help=f"only a sequence with the same owner may use it, and `{sequence}` is another's")
    about = site.definitions.sequences[sequence].about
    fit = _fitting(site, about)
    if segment.entity not in fit:
        others = [f"`{one}`" for one, other in sorted(site.definitions.segments.items()) if other.entity in fit and other.status == "active"]
        raise WrongUsage(
            f"the segment `{id}` is of {_many(segment.entity)}, and `{sequence}` is about {_many(about)}",
            help=f"a segment of {joined([_many(entity) for entity in fit], 'or')} fits: {joined(others[:_FITTING], 'or') if others else 'there is none yet'}{', …' if len(others) > _FITTING else ''}",
        )


def _fitting(site: Site, about: str) -> list[str]:
    """The entities whose records can be put on a sequence: what it is about, and what a contact belongs to where it is about contacts (3.5)."""
    crm = site.definitions.crm
    belongs = [relation.one for relation in crm.entities[about].relations.values() if relation.one] if about == crm.contact.entity else []
    return list(dict.fromkeys([about, *belongs]))


def _many(noun: str) -> str:
    return f"{noun[:-1]}ies" if noun.endswith("y") else f"{noun}s"


def members_now(site: Site, snapshot: Snapshot, segment: str) -> list[tuple[str, str]]:
    """The members of a segment, as entity and key."""
    binder = Binder()
    select = members(site.definitions, segment, site.now, binder)
    rows = snapshot.connection.execute(f"SELECT key FROM ({sql(select)}) ORDER BY key", binder.of(select)).fetchall()
    return [(site.definitions.segments[segment].entity, key) for (key,) in rows]


def belonging(site: Site, about: str) -> Needs:
    """What tells to whom the records belong: `records_of` reads it, whether or not the definitions name it."""
    return {about: frozenset(relation.via for relation in site.definitions.crm.entities[about].relations.values() if relation.one)}


def records_of(site: Site, snapshot: Snapshot, about: str, entity: str, keys: Sequence[str]) -> dict[str, list[str]]:
    """By key: the record itself, or the contacts that belong to it where the sequence is about contacts."""
    crm = site.definitions.crm
    if entity == about:
        said = "_key"
    else:
        via = next((relation.via for relation in crm.entities[about].relations.values() if relation.one == entity), None)
        if about != crm.contact.entity or via is None:
            fit = _fitting(site, about)
            raise WrongUsage(
                f"the sequence is about {_many(about)}, not about {_many(entity)}",
                help=f"name the record: {joined([f'--record {one}:KEY' for one in fit], 'or')}",
            )
        said = f"CAST({quoted(via)} AS VARCHAR)"
    rows = snapshot.connection.execute(
        f"SELECT {said}, list(_key ORDER BY _key) FROM facts.{quoted(about)} WHERE {said} IN (SELECT unnest($1::VARCHAR[])) GROUP BY 1", [list(keys)]
    ).fetchall()
    return dict(rows)


def already_in(site: Site, sequence: str, about: str, keys: Sequence[str], again: bool) -> dict[str, str]:
    """Contacts that would be refused, with the reason, so that no occurrence is left for them (3.9)."""
    if about != site.definitions.crm.contact.entity:
        return {}
    wanted = set(keys)
    never = site.definitions.sequences[sequence].reenter in (None, "never")
    refused: dict[str, str] = {}
    with site.read_ledger() as ledger:
        for row in ledger.enrollments(EnrollmentFilter(sequence=sequence), limit=10_000_000).rows:
            if row.contact in wanted and row.exit_at is None:
                refused[row.contact] = "already_enrolled"
            elif row.contact in wanted and never and not again:
                refused.setdefault(row.contact, "enrolled_before")
    return refused


def outcome(site: Site, sequence: str, only: pa.Table, refused: dict[str, str], naming: Naming) -> EnrolledPage:
    """What a plan at this moment says of occurrences that are only supposed, by record."""
    meant = set(only["record"].to_pylist())
    barred: dict[str, str] = {}
    begun = False
    unable: dict[str, str] = {}

    def look(cursor: duckdb.DuckDBPyConnection) -> None:
        nonlocal begun
        begun = cursor.execute("SELECT coalesce(bool_or(may_enter), false) FROM seqs WHERE sequence = $1", [sequence]).fetchall() == [(True,)]
        rows = cursor.execute(
            "SELECT record, refused FROM entering WHERE sequence = $1 AND occurrence = $2 AND refused IS NOT NULL", [sequence, _SUPPOSED]
        ).fetchall()
        barred.update({record: reason for record, reason in rows if record in meant})
        people = cursor.execute(f"SELECT contact, reason FROM ({_UNABLE}) WHERE reason IS NOT NULL", [sequence, _SUPPOSED]).fetchall()
        unable.update({contact: reason for contact, reason in people if contact in meant})

    plan = plan_now(site, inspect=look, supposed=only).plan
    found: dict[str, list[tuple[str, str, str | None]]] = {}
    waiting: set[str] = set()
    for row in plan.decisions.to_pylist():
        if row["sequence"] != sequence or row["record"] not in meant:
            continue
        if row["occurrence"] == _SUPPOSED:
            found.setdefault(row["record"], []).append((row["decision"], row["reason"], row["contact"]))
        elif row["contact"] is not None:
            # Enrolled by hand before, and no apply has seen it yet. Nobody is on the way for a record that only cannot be told about.
            waiting.add(row["record"])
    reasons = dict(refused)
    for record in meant:
        if record in barred and record not in found:
            reasons[record] = barred[record]
        elif record not in found:
            reasons[record] = "already_enrolled" if record in waiting else "no_recipient_yet" if begun else "not_started"
        elif all(decision == "unreached" for decision, _, _ in found[record]):
            reasons[record] = "no_recipient"
    enrolled = {record: rows for record, rows in found.items() if record not in reasons}
    leave = {record: rows[0][1] for record, rows in enrolled.items() if all(decision == "exit" and reason in _LEAVES for decision, reason, _ in rows)}
    nothing = {record: reason for record, reason in (unable | leave).items() if record in enrolled}
    return EnrolledPage(sequence, enrolled, reasons, naming, site.definitions.sequences[sequence].about, nothing=nothing)
