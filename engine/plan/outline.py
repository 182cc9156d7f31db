"""The definitions as rows for the planner's SQL: sequences, steps, templates, and the zone tables that they need."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any

import duckdb
import pyarrow as pa

from engine.clock import offsets, walls
from engine.definitions.base import RECIPIENT
from engine.definitions.definitions import Definitions
from engine.definitions.sequences import ReenterAfter, Sequence, Step
from engine.definitions.triggers import DateTrigger, OnceTrigger, ScheduleTrigger
from engine.definitions.variables import category_of, topic_of
from engine.plan.earlier import Time
from engine.plan.introducing import Introduction, zone_of
from engine.plan.timing import business_calendar, microseconds, prepare_calendars, recipient_zones, window_of_sequence
from engine.plan.triggers.date import every_of, horizon, period
from engine.relations.triggers import trigger_path
from engine.tables import append, execute, put

# Whose mails take the places of a frequency cap first (6.21).
_PRIORITIES = ("urgent", "high", "normal", "low")
_BEGUN = pa.schema([("sequence", pa.string()), ("start", pa.timestamp("us")), ("may_enter", pa.bool_())])
_STEPS_BEGUN = pa.schema([("sequence", pa.string()), ("step", pa.string()), ("start", pa.timestamp("us"))])


def outline(cursor: duckdb.DuckDBPyConnection, definitions: Definitions, now: datetime) -> None:
    """Fill seqs and steps (without their starts), reach, templates, opt_ins, step_template and the zone tables."""
    sequences = sorted(definitions.sequences.values(), key=lambda sequence: sequence.id)
    _append(cursor, "seqs", [_sequence_row(definitions, number, sequence, now) for number, sequence in enumerate(sequences)])
    # Archived is as good as removed (8.13): no step of it stands any more.
    _append(cursor, "steps", [_step_row(definitions, s, position, step) for s in sequences if s.status != "archived" for position, step in enumerate(s.steps)])
    _append(cursor, "reach", [row for s in sequences for row in _reach_rows(definitions, s)])
    _append(cursor, "templates", [
        {"template": t.id, "type": t.type, "category": category_of(definitions, t.id), "topic": topic_of(definitions, t.id), "active": t.status == "active"}
        for t in definitions.templates.values()
    ])  # fmt: skip
    _append(cursor, "opt_ins", [{"topic": name} for name, topic in definitions.project.topics.items() if topic.consent == "opt_in"])
    _append(cursor, "step_template", [
        {"sequence": s.id, "step": step.id, "template": step.template} for s in sequences for step in s.steps if isinstance(step.template, str)
    ])  # fmt: skip
    of_contacts = recipient_zones(cursor, definitions)
    zones = frozenset({zone_of(definitions, sequence) for sequence in sequences} | {definitions.project.timezone}) | of_contacts
    fill_zones(cursor, zones)
    prepare_calendars(cursor, definitions, zones, of_contacts)


def introduce(cursor: duckdb.DuckDBPyConnection, definitions: Definitions, introductions: Mapping[str, Introduction], now: datetime) -> None:
    """Write the starts of sequences and steps beside them; only a sequence that has started, and is not a draft, lets anybody in."""
    begun = [(sequence, introductions[sequence.id]) for sequence in definitions.sequences.values()]
    put(cursor, "begun", pa.Table.from_pylist([
        {"sequence": s.id, "start": said.start, "may_enter": said.start is not None and said.start <= now and s.status in ("active", "paused")} for s, said in begun
    ], _BEGUN))  # fmt: skip
    execute(cursor, "UPDATE seqs SET start = b.start, may_enter = b.may_enter FROM begun b WHERE b.sequence = seqs.sequence")
    put(cursor, "steps_begun", pa.Table.from_pylist([
        {"sequence": s.id, "step": step, "start": start} for s, said in begun for step, start in said.step_starts.items()
    ], _STEPS_BEGUN))  # fmt: skip
    execute(cursor, "UPDATE steps SET start = b.start FROM steps_begun b WHERE b.sequence = steps.sequence AND b.step = steps.step")


def _append(cursor: duckdb.DuckDBPyConnection, table: str, rows: list[dict[str, Any]]) -> None:
    if rows:
        append(cursor, table, pa.Table.from_pylist(rows))


def _sequence_row(definitions: Definitions, number: int, sequence: Sequence, now: datetime) -> dict[str, Any]:
    dated = isinstance(sequence.trigger, DateTrigger)
    again = sequence.reenter.after if isinstance(sequence.reenter, ReenterAfter) else None
    every = every_of(sequence)
    length, months = period(every) if every else (None, None)
    begins, ends = horizon(sequence, every, now, zone_of(definitions, sequence)) if every else (None, None)
    return {
        "sequence": sequence.id,
        "no": number,
        "entity": sequence.about,
        "kind": sequence.trigger.kind,
        "status": sequence.status,
        "zone": zone_of(definitions, sequence),
        "may_enter": False,
        "at_us": microseconds(sequence.at),
        "gap_count": sequence.gap.count if sequence.gap else None,
        "gap_unit": sequence.gap.unit if sequence.gap else None,
        "reenter": reenter_of(sequence),
        "again_count": again.count if again else None,
        "again_unit": again.unit if again else None,
        "is_contact": sequence.about == definitions.crm.contact.entity,
        "audience_max": sequence.audience.max if sequence.audience else None,
        "guarded": False,
        "backfilled": sequence.backfill is not None,
        "priority": _PRIORITIES.index(sequence.priority),
        "on_a_date": dated and _is_date(definitions, sequence),
        "every": length,
        "every_months": months,
        "horizon_from": begins,
        "horizon_to": ends,
        "by_recipient": sequence.timezone == RECIPIENT,
        "cal": business_calendar(definitions, sequence),
        "win": window_of_sequence(definitions, sequence),
        "combined": sequence.combine is not None,
    }


def _is_date(definitions: Definitions, sequence: Sequence) -> bool:
    """Whether the trigger's field is a date; else it is a moment."""
    field = trigger_path(definitions, sequence).field
    return field is not None and field.type == "date"


def reenter_of(sequence: Sequence) -> str:
    """every_occurrence, never or after; the defaults of 3.9."""
    if isinstance(sequence.reenter, ReenterAfter):
        return "after"
    return sequence.reenter or ("every_occurrence" if isinstance(sequence.trigger, DateTrigger | ScheduleTrigger | OnceTrigger) else "never")


def active_step(definitions: Definitions, step: Step) -> bool:
    """Whether the step is switched on and has a template that is."""
    return step.active and any(definitions.templates[choice.use].status == "active" for choice in step.choices)


def _step_row(definitions: Definitions, sequence: Sequence, position: int, step: Step) -> dict[str, Any]:
    expires = sequence.expires_of(step)
    sign, count, unit, at_us = time_of(sequence, step)
    return {
        "sequence": sequence.id,
        "pos": position,
        "step": step.id,
        "kind": step.kind,
        "sign": sign,
        "count": count,
        "unit": unit,
        "at_us": at_us,
        "exp_count": expires.count,
        "exp_unit": expires.unit,
        "active": active_step(definitions, step),
        "has_if": step.if_ is not None,
    }


def time_of(sequence: Sequence, step: Step) -> Time:
    """When a step is due, as SQL counts it."""
    # min and h move the instant: the sequence's time of day then only sets the hour of a base that is a date, and a wait has none.
    at = None if step.duration.exact and step.kind == "wait" else (step.at or sequence.at)
    return -1 if step.kind == "before" else 1, step.duration.count, step.duration.unit, microseconds(at)


def _reach_rows(definitions: Definitions, sequence: Sequence) -> list[dict[str, Any]]:
    used = {choice.use for step in sequence.steps if step.active for choice in step.choices}
    templates = [definitions.templates[id] for id in sorted(used) if definitions.templates[id].status == "active"]
    pairs = {(category_of(definitions, t.id), topic_of(definitions, t.id)) for t in templates}
    return [{"sequence": sequence.id, "category": category, "topic": topic} for category, topic in sorted(pairs, key=str)]


def fill_zones(cursor: duckdb.DuckDBPyConnection, zones: frozenset[str]) -> None:
    for table, rows in zip(("zone_offsets", "zone_walls"), _zone_tables(zones), strict=True):
        append(cursor, table, rows)


@lru_cache(maxsize=16)
def _zone_tables(zones: frozenset[str]) -> tuple[pa.Table, pa.Table]:
    def us(offset: timedelta | None) -> int | None:
        return None if offset is None else int(offset.total_seconds()) * 1_000_000

    named = sorted(zones)
    instants = [{"zone": zone, "utc_from": row.utc_from, "off": us(row.offset)} for zone in named for row in offsets(zone)]
    wall_times = [{"zone": z, "wall_from": row.wall_from, "off": us(row.offset), "fixed": row.fixed} for z in named for row in walls(z)]
    return pa.Table.from_pylist(instants), pa.Table.from_pylist(wall_times)
