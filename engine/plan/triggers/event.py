"""Events (3.2): rows of the ledger's inbox, or records of the CRM that are mapped as events."""

from __future__ import annotations

from datetime import datetime

import duckdb

from engine.definitions.definitions import Definitions
from engine.definitions.sequences import Sequence
from engine.definitions.triggers import EventTrigger
from engine.ledger.records import LedgerView
from engine.plan.statements import run
from engine.plan.triggers.date import take_values
from engine.relations.binding import Binder, sql
from engine.relations.triggers import not_matching, trigger_path, where_of
from engine.tables import execute, put

# A table's events: the record's key is the event's. A date is the start of that day in the project's timezone.
_MAPPED = """
INSERT INTO taken SELECT v.sequence, $entity, v.record, v.record, i.moved_at, 'event', false, false, ''
FROM valued v JOIN moved('moment_source') i USING (value_at) WHERE v.sequence = $sequence AND v.matches AND v.in_range
"""
_MOMENTS = """
CREATE OR REPLACE TEMP TABLE moment_source AS
SELECT DISTINCT value_at, CASE WHEN NOT $on_a_date THEN value_at END AS from_at, CASE WHEN $on_a_date THEN value_at END AS from_wall, $zone AS zone,
    1 AS sign, 0 AS count, 'd' AS unit, NULL::BIGINT AS at_us
FROM valued WHERE sequence = $sequence AND matches AND in_range
"""


def names_of_events(definitions: Definitions) -> tuple[str, ...]:
    """The events that the ledger's inbox is asked for."""
    return tuple(sorted({s.trigger.event for s in _started(definitions) if isinstance(s.trigger, EventTrigger) and not _is_mapped(definitions, s.trigger)}))


def events(cursor: duckdb.DuckDBPyConnection, definitions: Definitions, view: LedgerView, now: datetime) -> None:
    """Add to taken the events of each sequence that one starts, also those that are ahead of now."""
    sequences = _started(definitions)
    if not sequences:
        return
    put(cursor, "inbox_events", view.tables["events"])
    for sequence in sequences:
        assert isinstance(sequence.trigger, EventTrigger)
        if _is_mapped(definitions, sequence.trigger):
            _of_table(cursor, definitions, sequence, now)
        else:
            _of_inbox(cursor, definitions, sequence, sequence.trigger, now)


def leave_out_ahead(cursor: duckdb.DuckDBPyConnection, definitions: Definitions) -> None:
    """Take out of taken the events that are ahead of now, which have not begun; those of records that are there are upcoming."""
    if _started(definitions):
        run(cursor, "events_ahead")


def _started(definitions: Definitions) -> list[Sequence]:
    chosen = [s for s in definitions.sequences.values() if isinstance(s.trigger, EventTrigger) and s.status != "archived"]
    return sorted(chosen, key=lambda sequence: sequence.id)


def _is_mapped(definitions: Definitions, trigger: EventTrigger) -> bool:
    return definitions.crm.events[trigger.event].at is not None


def _of_table(cursor: duckdb.DuckDBPyConnection, definitions: Definitions, sequence: Sequence, now: datetime) -> None:
    take_values(cursor, definitions, sequence, now)
    field = trigger_path(definitions, sequence).field
    on_a_date = field is not None and field.type == "date"
    execute(cursor, _MOMENTS, {"sequence": sequence.id, "zone": definitions.project.timezone, "on_a_date": on_a_date})
    execute(cursor, _MAPPED, {"sequence": sequence.id, "entity": sequence.about})


def _of_inbox(cursor: duckdb.DuckDBPyConnection, definitions: Definitions, sequence: Sequence, trigger: EventTrigger, now: datetime) -> None:
    binder = Binder()
    # A record that is not there is named as missing, and not as one that `where` leaves out.
    left_out = f"AND record NOT IN ({sql(not_matching(definitions, sequence, now, binder))})" if where_of(sequence) is not None else ""
    execute(
        cursor,
        "INSERT INTO taken SELECT $the_sequence, entity, record, id, happened_at, 'event', false, false, '' FROM inbox_events "
        f"WHERE event = $the_event AND entity = $the_entity {left_out}",
        {**binder.values, "the_sequence": sequence.id, "the_event": trigger.event, "the_entity": sequence.about},
    )
