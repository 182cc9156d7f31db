"""What has not begun yet for a contact or a record: occurrences of date triggers whose first step is due later (semantics 3.6)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

import duckdb

from engine.clock import is_zone
from engine.definitions.base import RECIPIENT
from engine.definitions.definitions import Definitions
from engine.definitions.sequences import Sequence
from engine.definitions.triggers import DateTrigger
from engine.facts.names import quoted
from engine.plan.introducing import zone_of
from engine.relations.audiences import audience
from engine.relations.binding import Binder, sql
from engine.relations.people import receivers
from engine.relations.triggers import trigger_values


@dataclass(frozen=True)
class Upcoming:
    """One occurrence ahead. `step` is the first one that is switched on, `due` its moment (naive UTC; None beyond the year 9999).

    `contact` is empty where it is about a record. `behind` says that the contact is in a later group of `first_of` than another one.
    """

    sequence: str
    entity: str
    record: str
    occurrence: str
    contact: str
    step: str
    due: datetime | None
    behind: bool = False


def aside(
    cursor: duckdb.DuckDBPyConnection, definitions: Definitions, now: datetime, entity: str, key: str, only: str | None = None
) -> Iterator[tuple[str, str]]:
    """For each date sequence about the record's entity: why the record has no occurrence that is open or ahead (sequence, reason)."""
    for sequence in sorted(definitions.sequences.values(), key=lambda sequence: sequence.id):
        if not isinstance(sequence.trigger, DateTrigger) or sequence.about != entity or sequence.status == "archived" or only not in (None, sequence.id):
            continue
        binder = Binder()
        values = sql(trigger_values(definitions, sequence, now, binder))
        for (reason,) in cursor.execute(
            "SELECT CASE WHEN v.value_at IS NULL THEN 'no_date' WHEN NOT v.in_range THEN 'date_out_of_range' WHEN NOT v.matches THEN 'where_fails' "
            "WHEN l.closes <= (SELECT now FROM clock) THEN 'closed' WHEN s.status = 'draft' THEN 'draft' "
            "WHEN NOT s.may_enter AND l.opens <= (SELECT now FROM clock) THEN 'not_started' END "
            f"FROM ({values}) v JOIN seqs s ON s.sequence = '{sequence.id}' LEFT JOIN bases b ON b.sequence = s.sequence AND b.value_at = v.value_at "
            "LEFT JOIN life l ON l.sequence = b.sequence AND l.occurrence = b.occurrence WHERE v.record = $the_key "
            "QUALIFY row_number() OVER (ORDER BY l.occurrence DESC) = 1",
            {**binder.values, "the_key": key},
        ).fetchall():
            if reason is not None:
                yield sequence.id, reason


def foreseen(
    cursor: duckdb.DuckDBPyConnection, definitions: Definitions, now: datetime, entity: str, key: str, *, is_contact: bool, only: str | None = None
) -> list[Upcoming]:
    """The occurrences ahead of a record (entity, key), or of a contact, the earliest first. The cursor has a plan's tables."""
    found: list[Upcoming] = []
    for sequence in sorted(definitions.sequences.values(), key=lambda sequence: sequence.id):
        if isinstance(sequence.trigger, DateTrigger) and sequence.status in ("active", "paused") and only in (None, sequence.id):
            found += _of_sequence(cursor, definitions, sequence, now, entity, key, is_contact)
    return sorted(found, key=lambda one: (one.due is None, one.due, one.sequence, one.record, one.contact))


def _zone(cursor: duckdb.DuckDBPyConnection, definitions: Definitions, sequence: Sequence, contact: str | None) -> str:
    """The zone that counts: the contact's own where the sequence goes by it and the CRM has one, else the sequence's (5.3)."""
    said = definitions.crm.contact
    if sequence.timezone == RECIPIENT and contact is not None and said.timezone is not None:
        column = quoted(said.timezone)
        found = cursor.execute(f'SELECT {column} FROM facts.{quoted(said.entity)} WHERE "_key" = $1', [contact]).fetchone()
        if found is not None and found[0] is not None and is_zone(found[0]):
            return str(found[0])
    return zone_of(definitions, sequence)


def _of_sequence(
    cursor: duckdb.DuckDBPyConnection, definitions: Definitions, sequence: Sequence, now: datetime, entity: str, key: str, is_contact: bool
) -> Iterator[Upcoming]:
    itself = sequence.about == entity
    if not itself and not is_contact:
        return
    binder = Binder()
    values = sql(trigger_values(definitions, sequence, now, binder))
    cursor.execute(
        f"CREATE OR REPLACE TEMP TABLE ahead AS SELECT v.record, l.occurrence, l.opens FROM ({values}) v "
        f"JOIN bases b ON b.sequence = '{sequence.id}' AND b.value_at = v.value_at JOIN life l ON l.sequence = b.sequence AND l.occurrence = b.occurrence "
        "WHERE v.matches AND v.in_range AND l.opens > (SELECT now FROM clock)"
        + (" AND v.record = $the_key" if itself else "")
        # Of a date that comes round only the next.
        + " QUALIFY row_number() OVER (PARTITION BY v.record ORDER BY l.occurrence) = 1",
        {**binder.values, "the_key": key} if itself else binder.values,
    )
    # The first step that is switched on; where all are off the occurrence only opens.
    steps = (
        "(SELECT d.occurrence, arg_min(s.step, d.pos) AS step, min_by(d.due, d.pos) AS due FROM dues d JOIN steps s ON s.sequence = d.sequence AND s.pos = d.pos "
        f"WHERE d.sequence = '{sequence.id}' AND s.active AND d.zone = '{_zone(cursor, definitions, sequence, key if is_contact else None)}' GROUP BY d.occurrence)"
    )
    shown = "a.record, a.occurrence, n.step, CASE WHEN year(n.due) <= 9999 THEN n.due END"
    if itself:
        for record, occurrence, step, due in cursor.execute(f"SELECT {shown} FROM ahead a JOIN {steps} n USING (occurrence)").fetchall():
            yield Upcoming(sequence.id, sequence.about, record, occurrence, key if is_contact else "", step, due)
        return
    binder = Binder()
    cursor.execute(f"CREATE OR REPLACE TEMP TABLE reached_ahead AS {sql(audience(definitions, sequence, now, binder, 'ahead'))}", binder.values)
    binder = Binder()
    people = sql(receivers(definitions.crm, binder, "reached_ahead"))
    for record, occurrence, step, due, behind in cursor.execute(
        # The first group in which somebody can be written to (4.2), as far as the CRM says.
        "WITH r AS (SELECT h.*, min(grp) FILTER (WHERE p.active AND p.address IS NOT NULL) OVER (PARTITION BY record) AS first "
        f"FROM reached_ahead h JOIN ({people}) p USING (contact)) "
        f"SELECT {shown}, coalesce(r.grp > r.first, false) FROM r JOIN ahead a USING (record) JOIN {steps} n USING (occurrence) WHERE r.contact = $the_key",
        {**binder.values, "the_key": key},
    ).fetchall():
        yield Upcoming(sequence.id, sequence.about, record, occurrence, key, step, due, behind)
