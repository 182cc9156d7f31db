"""A plan with only the selected sequences: what is shown, what is counted, and the rows that an apply writes (9.1).

The plan is made of everything first. Caps, priorities and duplicates have been judged with all sequences, so a
selection never lets a mail go that would lose its place when all are run.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import replace

import pyarrow as pa
import pyarrow.compute as pc

from engine.ledger.keys import send_key
from engine.plan.plan import GuardResult, Plan, mails_in

# Guards that count the mails of this plan beside the ledger's.
_COUNT_SENDS = ("max_sends.per_run", "max_sends.per_day")


def narrowed(plan: Plan, sequences: Collection[str] | None) -> Plan:
    """The plan as far as it is about these sequences; the whole of it for None."""
    if sequences is None:
        return plan
    # Decisions are under the names of the definitions, changes under the ids of the ledger.
    named = pa.array(sorted(sequences), pa.string())
    stored = pa.array(sorted(map(plan.called.kept_sequence, sequences)), pa.string())
    # What was renamed is remembered whole: the next apply, of whatever selection, compares with these definitions (8.7).
    changes = {name: _of(table, stored) if "sequence" in table.schema.names and name != "names" else table for name, table in plan.changes.items()}
    changes["cancels"] = _cancels(plan, sequences)
    left_out = plan.mails() - mails_in(changes["sends"])
    return replace(
        plan,
        decisions=_of(plan.decisions, named),
        sequences=tuple(summary for summary in plan.sequences if summary.id in sequences),
        guards=tuple(_guards(plan, sequences, left_out)),
        changes=changes,
    )


def _of(table: pa.Table, sequences: pa.Array) -> pa.Table:
    return table.filter(pc.is_in(table["sequence"], value_set=sequences))


def _guards(plan: Plan, sequences: Collection[str], left_out: int) -> Iterator[GuardResult]:
    """The guards of these sequences and of the project. Limits of mails count those that would really go.

    `max_per_contact` stays as it was counted, with all: it may stop too early, and never too late.
    """
    for guard in plan.guards:
        if guard.sequence is not None and guard.sequence not in sequences:
            continue
        if guard.id in _COUNT_SENDS and left_out:
            observed = guard.observed - left_out
            yield replace(guard, observed=observed, passed=observed <= guard.limit)
        else:
            yield guard


def _cancels(plan: Plan, sequences: Collection[str]) -> pa.Table:
    """9.6 for these sequences. A cancelled row has only its key, so those of the others are reckoned from their decisions;
    what cannot be told stays cancelled, until a plan of everything lets it go again."""
    cancels = plan.changes["cancels"]
    if not cancels.num_rows:
        return cancels
    columns = ["sequence", "entity", "record", "occurrence", "contact"]
    others: set[str] = set()
    for row in {tuple(row[name] for name in columns) for row in plan.decisions.select(columns).to_pylist()}:
        sequence, entity, record, occurrence, contact = row
        if sequence in sequences or contact is None or sequence not in plan.definitions.sequences:
            continue
        for step in plan.definitions.sequences[sequence].steps:
            others.add(str(send_key(*plan.called.kept(sequence, step.id), entity, record, occurrence, contact)))
    return cancels.filter(pc.invert(pc.is_in(cancels["send_key"], value_set=pa.array(sorted(others), pa.string()))))
