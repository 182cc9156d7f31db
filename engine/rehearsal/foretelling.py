"""The plans of the coming days, one at each instant when something falls due, on a thought ledger (interface.md §2, `simulate`)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import cache
from importlib import resources
from types import MappingProxyType

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from engine.clock import start_of_day
from engine.definitions.definitions import Definitions
from engine.facts.snapshot import Snapshot
from engine.ledger.records import Candidates, LedgerView
from engine.plan.plan import INSTANT, GuardResult, Plan
from engine.plan.planning import ViewOf, make_plan
from engine.plan.receiving import AddressKey
from engine.rehearsal.agenda import Agenda
from engine.rehearsal.course import AHEAD, FATES, SENDS, Blocked, Course, guard_key
from engine.rehearsal.folding import Folded
from engine.rehearsal.near_facts import NearFacts

# More instants are not simulated: what comes later is left out, and that is said.
MOST_INSTANTS = 1_000
_NO_LIMIT = 1e15
_OF_ALL = MappingProxyType({"max_exits": _NO_LIMIT})


@dataclass(frozen=True)
class Ground:
    """What two courses share: the facts, the ledger, the moment and how far to look."""

    snapshot: Snapshot
    view_of: ViewOf
    now: datetime
    until: datetime
    environment: str
    address_key: AddressKey


@cache
def _statement(name: str) -> str:
    return resources.files("engine.rehearsal").joinpath("sql", f"{name}.sql").read_text(encoding="utf-8")


def _asked(cursor: duckdb.DuckDBPyConnection, name: str, **values: object) -> pa.Table:
    return cursor.sql(_statement(name), params=values or None).to_arrow_table()


# Days done, of how many.
Progress = Callable[[int, int], None]


def silent(done: int, total: int) -> None:
    """Nobody watches."""


def foretold(ground: Ground, definitions: Definitions, *, most: int = MOST_INSTANTS, progress: Progress = silent) -> Course:
    """The course of these definitions from the ground's now until its end. Nothing is written.

    A guard that would hold a run back is told, and the course goes on as if somebody had allowed it: the question is what they would get.
    """
    with (
        Folded(ground.view_of) as folded,
        closing(Agenda(definitions, ground.until)) as agenda,
        closing(NearFacts(ground.snapshot, definitions, folded.contacts_of)) as near,
    ):
        walk = _Walk(ground, definitions, folded, agenda, near)
        walk.begin()
        first = walk.first
        assert first is not None
        moment = agenda.next()
        days = (ground.until - ground.now).days
        while moment is not None and len(walk.instants) < most:
            progress((moment - ground.now).days, days)
            walk.plan_at(moment)
            moment = agenda.next()
        reached = ground.until if moment is None else walk.instants[-1]
        return Course(
            definitions, first, ground.until, reached, tuple(walk.instants), _all(walk.sends, SENDS), _all(walk.fates, FATES), walk.ahead, tuple(walk.blocked.values()),
            dict(walk.enrolled),
        )  # fmt: skip


def _with_earlier_times(cursor: duckdb.DuckDBPyConnection) -> list[str]:
    """The sequences in which some keep the times of before an edit (§8)."""
    if not cursor.execute("SELECT 1 FROM duckdb_tables() WHERE table_name = 'held_times'").fetchall():
        return []
    return [row[0] for row in cursor.execute("SELECT DISTINCT sequence FROM held_times ORDER BY ALL").fetchall()]


def _all(tables: Iterable[pa.Table], schema: pa.Schema) -> pa.Table:
    return pa.concat_tables([schema.empty_table(), *tables])


@dataclass
class _Walk:
    """One course on its way."""

    ground: Ground
    definitions: Definitions
    folded: Folded
    agenda: Agenda
    near: NearFacts
    first: Plan | None = None
    instants: list[datetime] = field(default_factory=list)
    sends: list[pa.Table] = field(default_factory=list)
    fates: list[pa.Table] = field(default_factory=list)
    blocked: dict[tuple[str, str | None, str], Blocked] = field(default_factory=dict)
    enrolled: Counter[str] = field(default_factory=Counter)
    ahead: pa.Table = field(default_factory=AHEAD.empty_table)
    asked: Candidates | None = None
    falls: pa.Table | None = None
    nexts: pa.Table | None = None
    renamed: bool = False

    def begin(self) -> None:
        """The plan of everything. Where jobs say when an apply comes, it is only looked at, and the jobs do it."""
        paths = self.definitions.sequences.values()
        self.renamed = any(path.renamed_from is not None or any(step.renamed_from for step in path.steps) for path in paths)
        plan = self._planned(self.ground.now, self.definitions, None, {})
        self.first = plan
        if self.definitions.project.jobs:
            self.agenda.add_everything(self.ground.now)
            self._keep_waits(plan)
        else:
            self._apply(plan, self.ground.now, self.definitions, None)
        # What the ledger is asked from here on is known now.
        assert self.asked is not None
        self.folded.keep(self.asked)

    def plan_at(self, moment: datetime) -> None:
        """One simulated apply, of what is due."""
        due = self.agenda.due(moment)
        if self.renamed:
            # Under other names than the ledger's nothing can be left out of its answer.
            self._apply(self._planned(moment, self.definitions, None, {}), moment, self.definitions, None)
            return
        named = set(due["sequence"].to_pylist())
        some = replace(self.definitions, sequences={id: sequence for id, sequence in self.definitions.sequences.items() if id in named})
        # What share of all leaves is not known where only some are looked at; it is asked of all where anybody leaves.
        plan = self._planned(moment, some, due, _OF_ALL)
        if plan.summary["exit"] and self.definitions.project.guards.max_exits is not None:
            self._apply(self._planned(moment, self.definitions, None, {}), moment, self.definitions, None)
        else:
            self._apply(plan, moment, some, due, _OF_ALL)

    def _apply(self, plan: Plan, moment: datetime, definitions: Definitions, due: pa.Table | None, unasked: Mapping[str, float] = MappingProxyType({})) -> None:
        allowed = dict(unasked)
        # What one guard holds the next does not count: each is allowed in its turn, until none is left to tell of.
        while failed := [guard for guard in plan.guards if not guard.passed and guard.id not in allowed]:
            for guard in failed:
                self._remember(guard, moment)
                allowed[guard.id] = 0 if guard.id == "min_facts" else _NO_LIMIT
            plan = self._planned(moment, definitions, due, allowed)
        self.instants.append(moment)
        self.agenda.done(moment)
        if self.falls is not None:
            self.agenda.add(self.falls)
        if plan.summary["send"]:
            self.agenda.sent(moment)
        self._keep(plan, moment)
        self.folded.fold(plan.changes, moment)

    def _planned(self, moment: datetime, definitions: Definitions, due: pa.Table | None, allowed: Mapping[str, float]) -> Plan:
        return make_plan(
            definitions,
            self.ground.snapshot if due is None else self.near.of(due, lambda ahead: self.agenda.coming(moment + ahead)),
            lambda asked: self._view(asked, due),
            moment,
            environment=self.ground.environment,
            address_key=self.ground.address_key,
            allowed=allowed,
            inspect=self._look_ahead,
            only=due,
        )

    def _view(self, asked: Candidates, due: pa.Table | None) -> LedgerView:
        if self.first is None:
            # A plan whose rules look back asks for that first, and for all else after it: what is kept answers both.
            self.asked = replace(asked, history=asked.history or self.asked.history) if self.asked is not None else asked
        view = self.folded.view(asked, due)
        self.renamed = self.renamed or view.tables["names"].num_rows > 0
        return view

    def _look_ahead(self, cursor: duckdb.DuckDBPyConnection) -> None:
        now = cursor.execute("SELECT now FROM clock").fetchall()[0][0]
        cursor.execute(_statement("after_sends"), {"changed": _with_earlier_times(cursor)})
        if cursor.execute("SELECT 1 FROM after_sends WHERE unit = 'bd' LIMIT 1").fetchall():
            cursor.execute("CREATE OR REPLACE TEMP TABLE after_sends AS FROM in_days('after_sends')")
        cursor.execute("CREATE OR REPLACE TEMP TABLE moved_sends AS FROM moved_on('after_sends')")
        self.nexts = _asked(cursor, "next_steps")
        falls = [_asked(cursor, "agenda", until=self.ground.until)]
        zone, caps = self.definitions.project.timezone, self.definitions.project.caps
        if caps:
            midnight = start_of_day(start_of_day(now, zone) + timedelta(hours=36), zone)
            falls.append(_asked(cursor, "caps_free", midnight=midnight, hours=[cap.per.count for cap in caps if cap.per.exact]))
        self.falls = pa.concat_tables([table.cast(falls[0].schema) for table in falls])
        if self.first is None:
            self.ahead = _asked(cursor, "ahead").select(AHEAD.names).cast(AHEAD)
            assert self.asked is not None
            self.asked = replace(self.asked, occurrences=_asked(cursor, "open_ahead", until=self.ground.until))

    def _remember(self, guard: GuardResult, moment: datetime) -> None:
        key = guard_key(guard)
        known = self.blocked.get(key)
        worse = max if guard.id != "min_facts" else min
        self.blocked[key] = Blocked(guard, moment, guard.observed) if known is None else Blocked(known.guard, known.at, worse(known.most, guard.observed))

    def _keep_waits(self, plan: Plan) -> None:
        """Who waits, where the first plan is not applied."""
        waits = plan.decisions.filter(pc.equal(plan.decisions["decision"], "wait"))
        self.fates.append(waits.append_column("moment", pa.repeat(pa.scalar(self.ground.now, INSTANT), waits.num_rows)).select(FATES.names).cast(FATES))

    def _keep(self, plan: Plan, moment: datetime) -> None:
        # Which sends are one mail stands with the sends themselves.
        place = pc.index_in(plan.decisions["send_key"], value_set=plan.changes["sends"]["send_key"])
        rows = plan.decisions.append_column("message", plan.changes["sends"]["message"].take(place))
        at = pa.scalar(moment, SENDS.field("moment").type)
        kinds = rows["decision"]
        for kept, schema, wanted in (
            (self.sends, SENDS, pc.equal(kinds, "send")),
            (self.fates, FATES, pc.is_in(kinds, pa.array(["skip", "hold", "exit", "complete", "unreached", "wait"]))),
        ):
            chosen = rows.filter(wanted)
            if chosen.num_rows:
                kept.append(chosen.append_column("moment", pa.repeat(at, chosen.num_rows)).select(schema.names).cast(schema))
        if self.nexts is not None and self.nexts.num_rows:
            self.fates.append(self.nexts.append_column("moment", pa.repeat(at, self.nexts.num_rows)).select(FATES.names).cast(FATES))
        for sequence in plan.sequences:
            self.enrolled[sequence.id] += sequence.counts.get("enroll", 0)
