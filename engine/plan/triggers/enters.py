"""Members who enter a segment (3.3): who is one now, and was none at the sequence's previous apply."""

from __future__ import annotations

from datetime import datetime

import duckdb

from engine.definitions.definitions import Definitions
from engine.definitions.rule_digest import rule_digest
from engine.definitions.sequences import Sequence
from engine.definitions.triggers import EntersTrigger
from engine.ledger.records import LedgerView
from engine.plan.introducing import restored_at
from engine.relations.binding import Binder, sql
from engine.relations.segments import members
from engine.tables import execute, put

# A roster whose members are not kept any more: should the sequence begin again, they are recorded anew.
LAID_DOWN = ""

_TABLES = """
CREATE OR REPLACE TEMP TABLE new_memberships (sequence VARCHAR, record VARCHAR, member BOOLEAN);
CREATE OR REPLACE TEMP TABLE new_rosters (sequence VARCHAR, digest VARCHAR);
"""
# The base is the now of the apply that sees it, the key the count of entries.
_ENTER = """
INSERT INTO taken
SELECT $sequence, $entity, m.record, CAST(coalesce(max(TRY_CAST(o.occurrence AS BIGINT)), 0) + 1 AS VARCHAR), $now, 'enters', false, true, ''
FROM present m ANTI JOIN memberships b ON b.sequence = $sequence AND b.record = m.record AND b.member
LEFT JOIN occurrences o ON o.sequence = $sequence AND o.record = m.record
GROUP BY m.record
"""
_CHANGED = """
INSERT INTO new_memberships
SELECT $1, coalesce(m.record, b.record), m.record IS NOT NULL
FROM present m FULL JOIN (FROM memberships WHERE sequence = $1 AND member) b ON b.record = m.record
WHERE m.record IS NULL OR b.record IS NULL
"""


def entered(definitions: Definitions) -> list[Sequence]:
    """The sequences that wait on a segment, in the order of their ids."""
    chosen = [s for s in definitions.sequences.values() if isinstance(s.trigger, EntersTrigger) and s.status != "archived"]
    return sorted(chosen, key=lambda sequence: sequence.id)


def kept(view: LedgerView) -> dict[str, str]:
    """The sequences whose segment's members the ledger has, and the rules under which it recorded them."""
    return {row["sequence"]: row["digest"] for row in view.tables["rosters"].to_pylist() if row["digest"] != LAID_DOWN}


def enters(cursor: duckdb.DuckDBPyConnection, definitions: Definitions, view: LedgerView, now: datetime) -> None:
    """Add to taken who entered, and fill new_memberships and new_rosters: what the next apply compares with."""
    rosters, sequences = kept(view), entered(definitions)
    if not sequences and not rosters:
        return
    execute(cursor, _TABLES)
    begun = {id for (id,) in execute(cursor, "SELECT sequence FROM seqs WHERE kind = 'enters' AND status <> 'archived' AND may_enter").fetchall()}
    # Members are kept from the sequence's start; a draft, or one that is gone, keeps none.
    for id in sorted(set(rosters) - begun):
        execute(cursor, "INSERT INTO new_rosters VALUES ($1, $2)", [id, LAID_DOWN])
    if begun:
        put(cursor, "memberships", view.tables["memberships"])
    restored = restored_at(view)
    # The first plan after a restore cannot tell who entered since the backup, and has had a mail.
    forgotten = restored is not None and (view.last_now is None or view.last_now < restored)
    for sequence in sequences:
        if sequence.id in begun:
            _of_segment(cursor, definitions, sequence, None if forgotten else rosters.get(sequence.id), now)


def _of_segment(cursor: duckdb.DuckDBPyConnection, definitions: Definitions, sequence: Sequence, recorded: str | None, now: datetime) -> None:
    assert isinstance(sequence.trigger, EntersTrigger)
    segment = sequence.trigger.segment
    binder = Binder()
    execute(cursor, f"CREATE OR REPLACE TEMP TABLE present AS SELECT key AS record FROM ({sql(members(definitions, segment, now, binder))})", binder.values)
    digest = rule_digest(definitions, segment)
    # At the first apply, and where the rules or the map are others, members are recorded, which is no entry; of a paused segment nobody enters.
    if recorded == digest and definitions.segments[segment].status != "paused":
        execute(cursor, _ENTER, {"sequence": sequence.id, "entity": sequence.about, "now": now})
    if recorded != digest:
        execute(cursor, "INSERT INTO new_rosters VALUES ($1, $2)", [sequence.id, digest])
        execute(cursor, "INSERT INTO named SELECT $1, 'members_recorded', count(*) FROM present", [sequence.id])
    execute(cursor, _CHANGED, [sequence.id])
