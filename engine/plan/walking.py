"""The walk (6.17): position by position, everyone who stands there is taken through the gates; a step passed over moves on."""

from __future__ import annotations

from datetime import datetime

import duckdb

from engine.definitions.definitions import Definitions
from engine.definitions.sequences import Sequence, Step
from engine.plan import timing
from engine.plan.earlier import Earlier, earlier_waits
from engine.plan.judging import choose, find_missing, holds_for, rules_of
from engine.plan.statements import run
from engine.tables import execute


def walk(
    cursor: duckdb.DuckDBPyConnection, definitions: Definitions, now: datetime, earlier: Earlier | None = None, *, eras: bool = False, sheets: bool = False
) -> None:
    """Fill decisions for every considered enrollment, and unreached for records with nobody; `sheets` keeps what each gate saw.

    `eras`: a trigger or an audience was changed once, and who came before and after is told apart.
    """
    for sequence in _sorted(definitions):
        for name, rule in rules_of(sequence).items():
            execute(
                cursor,
                "CREATE OR REPLACE TEMP TABLE pairs AS SELECT record, contact FROM enrollments WHERE sequence = $1 "
                "UNION SELECT record, '' FROM occ WHERE sequence = $1",
                [sequence.id],
            )
            holds_for(cursor, definitions, sequence, rule, name, "pairs", now)
    run(cursor, "start_walk")
    timing.windows_now(cursor, definitions)
    own = _partly_active(definitions)
    for sequence, step in own:
        execute(cursor, "CREATE OR REPLACE TEMP TABLE pairs AS SELECT DISTINCT record, contact FROM walk WHERE sequence = $1", [sequence.id])
        choose(cursor, definitions, sequence, step, "pairs", now)
    lapsing = any(step.kind != "wait" for _, step in own)
    position = _next_position(cursor, -1)
    while position is not None:
        execute(cursor, "UPDATE clock SET pass = $1", [position])
        _pass(cursor, definitions, position, now, earlier, eras, lapsing)
        if sheets:
            run(cursor, "sheets")
        position = _next_position(cursor, position)


def forget_walk(cursor: duckdb.DuckDBPyConnection) -> None:
    """Empty what a walk filled, before another."""
    for table in ("decisions", "holds", "chosen", "missing", "sheets"):
        execute(cursor, f"DELETE FROM {table}")
    execute(cursor, "DELETE FROM named WHERE reason = 'no_recipient_yet'")


def _next_position(cursor: duckdb.DuckDBPyConnection, position: int) -> int | None:
    """The first position behind this one at which anybody stands."""
    row = execute(cursor, "SELECT min(pos) FROM walk WHERE pos > $1", [position]).fetchone()
    return row[0] if row else None


def _partly_active(definitions: Definitions) -> list[tuple[Sequence, Step]]:
    """The steps that have several templates of which some are inactive: whether such a step is active, each contact's own choice says (5.7)."""
    return [
        (sequence, step)
        for sequence in _sorted(definitions)
        if sequence.status != "archived"
        for step in sequence.steps
        if not isinstance(step.template, str) and not _all_active(definitions, step)
    ]


def _all_active(definitions: Definitions, step: Step) -> bool:
    return all(definitions.templates[choice.use].status == "active" for choice in step.choices)


def _pass(
    cursor: duckdb.DuckDBPyConnection, definitions: Definitions, position: int, now: datetime, earlier: Earlier | None, eras: bool, lapsing: bool
) -> None:
    run(cursor, "pass_here")
    if eras:
        run(cursor, "eras")
    timing.zones_of_contacts(cursor, definitions)
    if lapsing:
        run(cursor, "lapses")
    if any(position < len(sequence.steps) and sequence.steps[position].kind == "wait" for sequence in definitions.sequences.values()) and timing.there_is(
        cursor, "here", "kind = 'wait'"
    ):
        timing.waits(cursor, definitions)
        if earlier and any(position < len(s.steps) and (s.id, s.steps[position].id) in earlier for s in definitions.sequences.values()):
            earlier_waits(cursor, definitions, earlier)
    run(cursor, "pass_due")
    timing.keep_to_windows(cursor, definitions)
    reached = {row[0] for row in execute(cursor, "SELECT DISTINCT sequence FROM at_step WHERE decision IS NULL OR late").fetchall()}
    for sequence in _sorted(definitions):
        if sequence.id in reached:
            _ask(cursor, definitions, sequence, sequence.steps[position], now)
    if reached:
        run(cursor, "pass_gates")
        _find_missing(cursor, definitions, now)
        _take_addresses(cursor)
        run(cursor, "pass_judge")
    else:
        execute(cursor, "DELETE FROM judged")
    run(cursor, "pass_decide")


def _ask(cursor: duckdb.DuckDBPyConnection, definitions: Definitions, sequence: Sequence, step: Step, now: datetime) -> None:
    """The rules of one step, of those for whom it is due, or was until it came too late."""
    if step.if_ is None and isinstance(step.template, str):
        return
    execute(
        cursor,
        "CREATE OR REPLACE TEMP TABLE pairs AS SELECT DISTINCT record, contact FROM at_step WHERE (decision IS NULL OR late) AND sequence = $1",
        [sequence.id],
    )
    if step.if_ is not None:
        holds_for(cursor, definitions, sequence, step.if_, f"if:{step.id}", "pairs", now)
    if not isinstance(step.template, str) and _all_active(definitions, step):
        choose(cursor, definitions, sequence, step, "pairs", now)


def _find_missing(cursor: duckdb.DuckDBPyConnection, definitions: Definitions, now: datetime) -> None:
    passing = "step_fault IS NULL AND hold_fault IS NULL AND consent_fault IS NULL"
    groups = execute(
        cursor,
        f"SELECT DISTINCT sequence, step, template, coalesce(locale, $1), is_record FROM gated WHERE {passing} ORDER BY ALL",
        [definitions.project.fallback],
    )
    for sequence_id, step_id, template, locale, is_record in groups.fetchall():
        execute(
            cursor,
            "CREATE OR REPLACE TEMP TABLE pairs AS SELECT DISTINCT record, contact FROM gated WHERE sequence = $1 AND step = $2 AND template = $3 "
            f"AND (is_record OR locale = $4) AND is_record = $5 AND {passing}",
            [sequence_id, step_id, template, locale, is_record],
        )
        find_missing(cursor, definitions, definitions.sequences[sequence_id], step_id, template, locale, "pairs", now, of_record=is_record)


def _take_addresses(cursor: duckdb.DuckDBPyConnection) -> None:
    """Fill winners: who takes each address at this position (4.6).

    Whoever has taken one for an earlier occurrence of the record is too soon for the others (3.8), and leaves them to the next with that address.
    """
    run(cursor, "pass_flags")
    run(cursor, "pass_winners")
    while execute(cursor, "SELECT 1 FROM later_turns LIMIT 1").fetchone() is not None:
        execute(cursor, "UPDATE flagged SET too_soon = true WHERE id IN (FROM later_turns)")
        run(cursor, "pass_winners")


def _sorted(definitions: Definitions) -> list[Sequence]:
    return sorted(definitions.sequences.values(), key=lambda sequence: sequence.id)
