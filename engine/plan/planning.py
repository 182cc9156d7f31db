"""plan = f(definitions, facts, ledger, now): one pure function behind plan, diff, explain, test and apply (semantics 1.1)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from engine.clock import Duration, reach_back
from engine.definitions.definitions import Definitions
from engine.definitions.sequences import WEEK
from engine.facts.snapshot import Snapshot
from engine.ledger.records import AUDIENCES, OCCURRENCE, Candidates, LedgerView
from engine.plan.capping import keep_caps
from engine.plan.drifting import drift
from engine.plan.earlier import Earlier, earlier_dues, fill_earlier
from engine.plan.followed import Followed, earlier_times, fill_eras, followed, has_eras, new_rows
from engine.plan.guards import project_guards
from engine.plan.identity import Identity, identity
from engine.plan.introducing import Introduction, introduction, restored_at
from engine.plan.occurring import known_bases, open_taken, standings, take, taken_changes
from engine.plan.outline import introduce, outline, reenter_of
from engine.plan.plan import GuardResult, Plan
from engine.plan.receiving import AddressKey, audiences, members, people
from engine.plan.remembering import remember
from engine.plan.sequence_guards import DAY, DAYS_COMPARED, sequence_guards
from engine.plan.statements import run
from engine.plan.summing import changes, close, decisions, summaries
from engine.plan.timing import closings, ends_of_knowledge
from engine.plan.triggers.date import date_occurrences
from engine.plan.triggers.enters import entered
from engine.plan.triggers.event import names_of_events
from engine.plan.triggers.ticks import ticking
from engine.plan.walking import forget_walk, walk
from engine.tables import ask, execute, put

ViewOf = Callable[[Candidates], LedgerView]

# Records, of all entities.
_FEW = 20_000


def make_plan(
    definitions: Definitions,
    snapshot: Snapshot,
    view_of: ViewOf,
    now: datetime,
    *,
    environment: str,
    address_key: AddressKey,
    allowed: Mapping[str, float] | None = None,
    inspect: Callable[[duckdb.DuckDBPyConnection], None] | None = None,
    only: pa.Table | None = None,
) -> Plan:
    """The plan at `now` (naive UTC). `view_of` answers what the ledger knows of the candidates; nothing is written.

    `allowed` are guards overridden for this run. `inspect` sees the planner's tables before they go, for explain. `only` (sequence, record;
    NULL for all of a sequence) are the records of date triggers that a simulation looks at: nothing is due for the others.
    """
    cursor = snapshot.connection.cursor()
    try:
        in_one_transaction = only is not None or sum(snapshot.counts.values()) <= _FEW
        if in_one_transaction:
            # Of few records each statement costs less than a transaction of its own would.
            execute(cursor, "BEGIN TRANSACTION")
        prepare(cursor, definitions, now)
        remember(cursor, definitions, view_of, now)
        date_occurrences(cursor, definitions, now, only)
        view = view_of(_candidates(cursor, definitions, now))
        called = identity(definitions, view, now)
        view = called.named_view(view)
        known = followed(definitions, view, called, now)
        earlier = earlier_times(known)
        if earlier:
            # Another time opens and closes other occurrences: the ledger is asked about those.
            fill_earlier(cursor, definitions, earlier)
            earlier_dues(cursor, definitions, earlier)
            execute(cursor, "DELETE FROM occ")
            run(cursor, "open_occurrences")
            view = called.named_view(view_of(_candidates(cursor, definitions, now)))
        introductions = _take_in(cursor, definitions, view, known, now)
        if earlier and view.tables["enrollments"].num_rows:
            earlier_dues(cursor, definitions, earlier)
        consider(cursor, definitions, view, known, now, address_key)
        # Some records say nothing of how many there are.
        drifted, audiences_now = drift(cursor, definitions, view, now, allowed or {}) if only is None else ([], AUDIENCES.empty_table())
        guards = _walk_guarded(
            cursor, definitions, view, snapshot, now, allowed or {}, called, earlier, drifted, eras=has_eras(known), sheets=inspect is not None
        )
        close(cursor, called)
        if inspect is not None:
            inspect(cursor)
        plan = Plan(
            definitions=definitions,
            environment=environment,
            now=now,
            facts_digest=snapshot.digest,
            facts_taken_at=snapshot.taken_at,
            ledger_head=view.head,
            decisions=decisions(cursor),
            sequences=summaries(cursor, definitions, introductions),
            guards=guards,
            changes=called.kept_changes(
                {
                    **changes(cursor, introductions, snapshot.counts, called, closing=closings(cursor, definitions, now)),
                    "followed": new_rows(known, introductions),
                    "audiences": audiences_now,
                    **taken_changes(cursor, definitions, view),
                }
            ),
            diagnostics=(*_diagnostics(snapshot), *ends_of_knowledge(definitions, now)),
            called=called,
        )
        if in_one_transaction:
            # What rules on history ask stays in the snapshot: members of segments are counted with it after the plan.
            execute(cursor, "COMMIT")
        return plan
    finally:
        cursor.close()


def prepare(cursor: duckdb.DuckDBPyConnection, definitions: Definitions, now: datetime) -> None:
    """The planner's empty tables, the definitions as rows, and the clock."""
    run(cursor, "timing")
    run(cursor, "tables")
    execute(cursor, "INSERT INTO clock VALUES ($1, 0, NULL)", [now])
    outline(cursor, definitions, now)


def _candidates(cursor: duckdb.DuckDBPyConnection, definitions: Definitions, now: datetime) -> Candidates:
    occurrences = ask(cursor, "SELECT sequence, entity, record, occurrence FROM occ", OCCURRENCE)
    # Occurrences made by hand are the ledger's own: which are open is known only when it has answered.
    whole = tuple(sorted(s.id for s in definitions.sequences.values() if reenter_of(s) != "every_occurrence" or s.trigger.kind != "date"))
    zone = definitions.project.timezone
    spans: list[Duration] = [WEEK, *(s.gap for s in definitions.sequences.values() if s.gap is not None)]
    if definitions.project.guards.max_per_contact is not None:
        spans.append(definitions.project.guards.max_per_contact.per)
    spans += [cap.per for cap in definitions.project.caps]
    growing = [s.guards.max_growth for s in definitions.sequences.values() if s.guards is not None]
    if any(factor is not None for factor in (definitions.project.guards.max_growth, *growing)):
        spans.append(Duration(DAYS_COMPARED + 1, "d"))
    # A day more than the longest gap, since zones differ; what is too old is left out again by the exact rule.
    since = min(reach_back(now, span, zone) for span in spans) - timedelta(days=1)
    exits_since = now - DAY if definitions.project.guards.max_exits is not None else None
    return Candidates(
        occurrences,
        whole,
        since,
        definitions.former_names,
        names_of_events(definitions),
        exits_since,
        ticks=bool(ticking(definitions)),
        memberships=bool(entered(definitions)),
    )


def _take_in(
    cursor: duckdb.DuckDBPyConnection, definitions: Definitions, view: LedgerView, known: Mapping[str, Followed], now: datetime
) -> dict[str, Introduction]:
    for name in ("enrollments", "decided", "recent_sends", "occurrences", "controls", "suppressions"):
        put(cursor, "known" if name == "enrollments" else name, view.tables[name])
    # A start of the whole project is a restore: nothing that was due before it is sent.
    execute(cursor, "UPDATE clock SET known_from = $1", [restored_at(view)])
    introductions = {s.id: introduction(definitions, s, view, now, known[s.id].restarts) for s in definitions.sequences.values()}
    if has_eras(known):
        fill_eras(cursor, known, {s.id: [
            (until.since, introduction(definitions, s, view, now, known[s.id].restarts[:place]).step_starts) for place, until in enumerate(known[s.id].restarts)
        ] for s in definitions.sequences.values()})  # fmt: skip
    introduce(cursor, definitions, introductions, now)
    # What is not there costs nothing: most plans have no enrollment by hand, or nobody on the way.
    if view.tables["enrollments"].num_rows:
        known_bases(cursor, definitions)
    run(cursor, "recent_mails")
    return introductions


def consider(
    cursor: duckdb.DuckDBPyConnection, definitions: Definitions, view: LedgerView, followed: Mapping[str, Followed], now: datetime, address_key: AddressKey
) -> None:
    """Fill enrollments: who is considered in this plan (6.18)."""
    take(cursor, definitions, view, now)
    standings(cursor, definitions)
    open_taken(cursor, definitions)
    audiences(cursor, definitions, now)
    people(cursor, definitions, address_key)
    known = view.tables["enrollments"].num_rows > 0
    if known:
        run(cursor, "judged_known")
    members(cursor, known=known)
    if known:
        run(cursor, "known_now")
        changed = sorted(id for id, one in followed.items() if one.trigger_changed_now)
        if changed:
            # 8.8: with this plan, and by the edit, whatever else happened to the record.
            execute(
                cursor,
                "UPDATE known_now SET gone = 'trigger_changed' WHERE live AND record_there AND gone IN ('trigger_gone', 'date_moved') AND list_contains($1::VARCHAR[], sequence)",
                [changed],
            )
        if any(sequence.backfill is not None for sequence in definitions.sequences.values()):
            run(cursor, "appended")
        if pc.any(pc.equal(view.tables["decided"].column("state"), "planned")).as_py():
            run(cursor, "planned_again")
    run(cursor, "candidates")
    if known and any(reenter_of(sequence) != "every_occurrence" for sequence in definitions.sequences.values()):
        run(cursor, "returning")
    run(cursor, "enrollments")
    if view.tables["recent_sends"].num_rows:
        run(cursor, "gaps")


def _walk_guarded(
    cursor: duckdb.DuckDBPyConnection,
    definitions: Definitions,
    view: LedgerView,
    snapshot: Snapshot,
    now: datetime,
    allowed: Mapping[str, float],
    called: Identity,
    earlier: Earlier,
    drifted: list[GuardResult],
    *,
    eras: bool,
    sheets: bool,
) -> tuple[GuardResult, ...]:
    """Walk; where a sequence is over its own guard, walk again with that sequence held (10.2)."""
    _walk(cursor, definitions, now, earlier, eras=eras, sheets=sheets)
    own = [*sequence_guards(cursor, definitions, view, now, allowed), *drifted]
    over = sorted({guard.sequence for guard in own if guard.sequence is not None and not guard.passed})
    if over:
        cursor.executemany("UPDATE seqs SET guarded = true WHERE sequence = $1", [[sequence] for sequence in over])
        forget_walk(cursor)
        _walk(cursor, definitions, now, earlier, eras=eras, sheets=sheets)
    keep_caps(cursor, definitions, now, called)
    return (*own, *project_guards(cursor, definitions, view, snapshot, now, allowed))


def _walk(cursor: duckdb.DuckDBPyConnection, definitions: Definitions, now: datetime, earlier: Earlier, *, eras: bool, sheets: bool) -> None:
    walk(cursor, definitions, now, earlier, eras=eras, sheets=sheets)
    # Guards and caps count mails, so what is one mail is known before they ask.
    if any(sequence.combine is not None for sequence in definitions.sequences.values()):
        run(cursor, "combining")


def _diagnostics(snapshot: Snapshot) -> tuple[str, ...]:
    return tuple(
        f"{count} record{'' if count == 1 else 's'} of {entity} without a key {'is' if count == 1 else 'are'} left out"
        for entity, count in sorted(snapshot.left_out.items())
        if count
    )
