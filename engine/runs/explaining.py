"""Why somebody gets a mail, or does not: every gate for each enrollment of a contact or a record, and why others have none."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import duckdb

from engine.definitions.definitions import Definitions
from engine.errors import WrongUsage
from engine.plan.gates import GATES, Reason
from engine.runs.foreseeing import Upcoming, aside, foreseen
from engine.runs.opening import Site
from engine.runs.planning import plan_now
from engine.runs.standing_aside import beside


@dataclass(frozen=True)
class GateShown:
    """One gate for one step: passed, not passed, or None where it was not asked."""

    number: str
    asks: str
    passed: bool | None
    reason: str = ""
    detail: str = ""


@dataclass(frozen=True)
class Sheet:
    """One step at which an enrollment stood in this plan. `contact` is empty for a record that nobody can be told about."""

    sequence: str
    entity: str
    record: str
    occurrence: str
    contact: str
    step: str | None
    due: datetime | None
    decision: str
    reason: str
    gates: tuple[GateShown, ...]
    # When the send window opens that keeps the step.
    opens: datetime | None = None
    # Of a step that came too late: what held it (5.6).
    detail: str | None = None


@dataclass(frozen=True)
class Note:
    """Why a record or a contact has no enrollment in a sequence, or which other people a record has. Keys are the CRM's own."""

    sequence: str
    record: str
    contact: str | None
    reason: str
    at: datetime | None = None


@dataclass(frozen=True)
class Explanation:
    """All that can be said at this now; `upcoming` has not begun. `ledger_as_of` is set when only a copy of the ledger could be read.

    `looked_back`: the now is past, and the ledger is as it was then; the CRM and the definitions are today's.
    """

    subject: tuple[str, str]
    sheets: tuple[Sheet, ...]
    notes: tuple[Note, ...]
    ledger_as_of: datetime | None
    exists: bool
    upcoming: tuple[Upcoming, ...] = ()
    looked_back: bool = False


@dataclass
class _Seen:
    sheets: list[dict[str, Any]] = field(default_factory=list)
    exits: list[dict[str, Any]] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)
    faults: dict[str, dict[str, Any]] = field(default_factory=dict)
    upcoming: list[Upcoming] = field(default_factory=list)
    exists: bool = False


def explain(
    site: Site, *, contact: str | None = None, record: tuple[str, str] | None = None, sequence: str | None = None, looking_back: bool = False
) -> Explanation:
    """Every gate for the contact, or for the record (entity, key), at the site's now. WrongUsage for an unknown sequence or entity.

    `looking_back`: that now is past, and what the ledger learned later is left out.
    """
    if sequence is not None and sequence not in site.definitions.sequences:
        raise WrongUsage(f"there is no sequence `{sequence}`", help=f"the sequences are {', '.join(sorted(site.definitions.sequences))}")
    entity, key = record if record is not None else (site.definitions.crm.contact.entity, contact or "")
    if entity not in site.definitions.crm.entities:
        raise WrongUsage(f"there is no entity `{entity}`", help=f"the entities are {', '.join(sorted(site.definitions.crm.entities))}")
    seen = _Seen()

    def inspect(cursor: duckdb.DuckDBPyConnection) -> None:
        _look(cursor, seen, entity, key, record is None, sequence)
        seen.upcoming = foreseen(cursor, site.definitions, site.now, entity, key, is_contact=record is None, only=sequence)
        # Who is on the way already has a sheet that says why.
        on_the_way = {row["sequence"] for row in (*seen.sheets, *seen.exits) if row["record"] == key}
        asides = aside(cursor, site.definitions, site.now, entity, key, sequence)
        seen.notes += [Note(id, key, None, reason) for id, reason in asides if id not in on_the_way]
        others = beside(cursor, site.definitions, site.now, entity, key, sequence)
        seen.notes += [Note(id, key, None, reason, at) for id, reason, at in others if id not in on_the_way]

    planned = plan_now(site, inspect=inspect, looking_back=looking_back)
    sheets = [_sheet(row, seen, site.now) for row in seen.sheets] + [_exit(row) for row in seen.exits]
    return Explanation((entity, key), tuple(sheets), tuple(seen.notes), planned.ledger_as_of, seen.exists, tuple(seen.upcoming), looking_back)


def why_not(
    cursor: duckdb.DuckDBPyConnection, definitions: Definitions, now: datetime, sequence: str, *, contact: str | None, record: tuple[str, str] | None
) -> list[Note]:
    """Why nobody is on this sequence for a record (entity, key), or with a contact, in a plan whose tables are still there."""
    entity, key = record if record is not None else (definitions.crm.contact.entity, contact or "")
    seen = _Seen()
    _look(cursor, seen, entity, key, record is None, sequence)
    notes = [note for note in seen.notes if contact is None or note.contact in (None, contact)]
    notes += [Note(id, key, None, reason) for id, reason in aside(cursor, definitions, now, entity, key, sequence)]
    ahead = foreseen(cursor, definitions, now, entity, key, is_contact=record is None, only=sequence)
    return [*notes, *(Note(one.sequence, one.record, one.contact, "upcoming", one.due) for one in ahead)]


def _rows(cursor: duckdb.DuckDBPyConnection, query: str, values: dict[str, Any]) -> list[dict[str, Any]]:
    cursor.execute(query, values)
    names = [column[0] for column in cursor.description or ()]
    return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def _look(cursor: duckdb.DuckDBPyConnection, seen: _Seen, entity: str, key: str, is_contact: bool, sequence: str | None) -> None:
    # A contact is also the record of the sequences that are about contacts.
    who = "contact = $key" if is_contact else "entity = $entity AND record = $key"
    only = "" if sequence is None else " AND sequence = $sequence"
    values: dict[str, Any] = {"key": key} if is_contact else {"key": key, "entity": entity}
    if sequence is not None:
        values["sequence"] = sequence
    readable = "* REPLACE (CASE WHEN year(due) <= 9999 THEN due END AS due, CASE WHEN year(expiry) <= 9999 THEN expiry END AS expiry)"
    seen.sheets = _rows(
        cursor,
        f"SELECT {readable} FROM sheets "
        "LEFT JOIN (SELECT sequence, record, occurrence, contact, ended, gone, in_audience FROM standings) "
        "USING (sequence, record, occurrence, contact) "
        "LEFT JOIN (SELECT sequence, record, occurrence, contact, step, detail FROM decisions WHERE reason = 'expired') USING (sequence, record, occurrence, contact, step) "
        f"WHERE {who}{only} ORDER BY sequence, record, occurrence, contact, pos",
        values,
    )
    seen.exits = _rows(cursor, f"SELECT * FROM decisions WHERE decision = 'exit' AND {who}{only} ORDER BY sequence, record, occurrence, contact", values)
    contacts = {row["contact"] for row in seen.sheets}
    for row in _rows(cursor, "SELECT contact, active, fault, suppressed FROM people", {}):
        if row["contact"] in contacts:
            seen.faults[row["contact"]] = row
    for row in _rows(cursor, "SELECT contact, topic, fault FROM marketing_faults WHERE fault IS NOT NULL", {}):
        if row["contact"] in contacts:
            seen.faults[row["contact"]].setdefault("topics", {})[row["topic"]] = row["fault"]
    count = cursor.execute(f'SELECT count(*) FROM facts."{entity}" WHERE "_key" = $1', [key]).fetchone()
    seen.exists = bool(count and count[0])
    seen.notes = list(_notes(cursor, key, is_contact, only, values))


def _notes(cursor: duckdb.DuckDBPyConnection, key: str, is_contact: bool, only: str, values: dict[str, Any]) -> Iterator[Note]:
    """People outside the audience, and re-entries refused."""
    who = "a.contact = $key" if is_contact else "a.record = $key AND a.sequence IN (SELECT sequence FROM seqs WHERE entity = $entity)"
    scoped = only.replace("sequence =", "a.sequence =")
    for row in _rows(
        cursor,
        "SELECT a.sequence, a.record, a.contact, CASE WHEN p.fault IS NOT NULL THEN p.fault WHEN NOT p.active THEN 'contact_inactive' "
        "WHEN p.suppressed IS NOT NULL THEN 'suppressed_' || p.suppressed WHEN m.contact IS NULL AND l.contact IS NULL THEN 'not_reachable_for_category' "
        "WHEN m.contact IS NULL THEN 'lower_group' WHEN NOT m.inside THEN 'over_max' END AS reason "
        "FROM audience a LEFT JOIN people p ON p.contact = a.contact LEFT JOIN mailable l ON l.sequence = a.sequence AND l.contact = a.contact "
        f"LEFT JOIN members m ON m.sequence = a.sequence AND m.record = a.record AND m.contact = a.contact WHERE {who}{scoped} ORDER BY ALL",
        values,
    ):
        if row["reason"]:
            yield Note(row["sequence"], row["record"], row["contact"], row["reason"])
    refused = who.replace("a.sequence IN", "a.entity = $entity AND a.sequence IN")
    for row in _rows(cursor, f"SELECT sequence, record, contact, refused FROM entering a WHERE refused IS NOT NULL AND {refused}{scoped} ORDER BY ALL", values):
        yield Note(row["sequence"], row["record"], row["contact"], row["refused"])


def _sheet(row: dict[str, Any], seen: _Seen, now: datetime) -> Sheet:
    return Sheet(
        row["sequence"], row["entity"], row["record"], row["occurrence"], row["contact"] or "", row["step"], row["due"], row["decision"], row["reason"],
        tuple(_gates(row, seen.faults.get(row["contact"], {}), now)), row["opens"], row["detail"],
    )  # fmt: skip


def _exit(row: dict[str, Any]) -> Sheet:
    stopped = False
    gates = []
    for gate in GATES:
        here = row["reason"] in gate.reasons
        gates.append(GateShown(gate.number, gate.asks, None if stopped else not here, row["reason"] if here else ""))
        stopped = stopped or here
    return Sheet(row["sequence"], row["entity"], row["record"], row["occurrence"], row["contact"], None, None, "exit", row["reason"], tuple(gates))


def _gates(row: dict[str, Any], person: dict[str, Any], now: datetime) -> Iterator[GateShown]:
    """Each gate in its order; those behind the one that decided are still asked where there is something to look at."""
    asked = _asked(row, person, now)
    for gate in GATES:
        decided_here = row["reason"] in gate.reasons
        passed, detail = asked.get(gate.number, (True, ""))
        if decided_here and gate.number != "6.16":
            passed = False
        yield GateShown(gate.number, gate.asks, passed, row["reason"] if decided_here else "", detail)


def _asked(row: dict[str, Any], person: dict[str, Any], now: datetime) -> dict[str, tuple[bool | None, str]]:
    due, expiry, start = row["due"], row["expiry"], row["start"]
    timed = due is not None
    reached = bool(row["reached"])
    fault = person.get("fault") or ("contact_inactive" if person.get("active") is False else "")
    refused = person.get("suppressed") or ", ".join(sorted(set(person.get("topics", {}).values())))
    return {
        # Asked of somebody who is held too: what stands here takes hold when the pause ends.
        "6.2": (row["ended"] is None, row["ended"] or ""),
        "6.3": (row["gone"] is None, row["gone"] or ""),
        # A record that nobody can be told about is walked without a contact.
        "6.4": (bool(row["contact"]) and row["in_audience"] is not False, "" if row["contact"] else Reason.NO_RECIPIENT),
        "6.5": (row["step"] is not None, ""),
        # A `wait` has no start of its own: the occurrence's is asked when it begins (3.7).
        "6.6": (None if not timed or start is None else row["kind"] == "wait" or due >= start, ""),
        "6.7": (None if not timed else due <= now and row["opens"] is None, ""),
        "6.8": (None if expiry is None else now < expiry, ""),
        "6.9": (None if not reached else row["step_fault"] is None, row["step_fault"] or ""),
        "6.10": (None if not person else not fault, fault),
        "6.11": (None if not person else row["reason"] not in (Reason.UNSUBSCRIBED, Reason.NO_CONSENT) and not person.get("suppressed"), refused),
        "6.12": (None if not reached else not (row["duplicate"] or row["too_soon"]), ""),
        "6.13": (None if not reached else row["variable"] is None, row["variable"] or ""),
        "6.14": (None if not reached else not row["guarded"], ""),
        "6.15": (None if not reached else row["cap"] is None, row["cap"] or ""),
        "6.16": (row["decision"] == "send", ""),
    }
