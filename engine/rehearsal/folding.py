"""A ledger that is only thought: what a ledger would hold after plans that nobody applied, and after an import that nobody made.

It answers a plan's questions as a ledger does and is written nowhere. What it adds lies over a real ledger's view, if there is one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from types import TracebackType
from typing import Self

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from engine.ledger.names import as_kept, names_of
from engine.ledger.past import IMPORTED, Past
from engine.ledger.records import CHANGES, VIEW, Candidates, LedgerView
from engine.tables import WORKERS

ViewOf = Callable[[Candidates], LedgerView]
_KEYS = ("sequence", "entity", "record", "occurrence", "contact")
_ENROLLMENT = ", ".join(_KEYS)
_OCCURRENCE = ", ".join(_KEYS[:4])
_STEP = f"{_ENROLLMENT}, step"
_SAME_STEP = " AND ".join(f"k.{key} = d.{key}" for key in (*_KEYS, "step"))
_LETTER = "address_key, template, locale, category, topic"

_TABLES = f"""
CREATE TABLE starts (sequence VARCHAR, started TIMESTAMP);
CREATE TABLE step_starts (sequence VARCHAR, step VARCHAR, started TIMESTAMP);
CREATE TABLE occurrences ({_OCCURRENCE.replace(",", " VARCHAR,")} VARCHAR, base_at TIMESTAMP, source VARCHAR, override BOOLEAN);
CREATE TABLE enrollments ({_ENROLLMENT.replace(",", " VARCHAR,")} VARCHAR, base_date DATE, base_at TIMESTAMP, began TIMESTAMP);
CREATE TABLE moves (number BIGINT, {_ENROLLMENT.replace(",", " VARCHAR,")} VARCHAR, exit_at TIMESTAMP, exit_reason VARCHAR, exit_final BOOLEAN);
CREATE TABLE decided ({_STEP.replace(",", " VARCHAR,")} VARCHAR, state VARCHAR, reason VARCHAR, decided_at TIMESTAMP, due_at TIMESTAMP, address_key VARCHAR,
  template VARCHAR, locale VARCHAR, category VARCHAR, topic VARCHAR, message VARCHAR, ambiguous BOOLEAN DEFAULT FALSE);
CREATE TABLE controls (scope VARCHAR, action VARCHAR, {_ENROLLMENT.replace(",", " VARCHAR,")} VARCHAR, until TIMESTAMP);
CREATE TABLE fact_counts (entity VARCHAR, records BIGINT);
"""
# Two memberships, each of which is a hash: joined by the sequence alone, every record would meet all that are looked at.
_LOOKED_AT = (
    "(k.sequence IN (SELECT sequence FROM looked_at WHERE record IS NULL) "
    "OR (k.sequence, k.record) IN (SELECT (sequence, record) FROM looked_at WHERE record IS NOT NULL))"
)
_ITS_RECORD_LOOKED_AT = "EXISTS (FROM looked_at l WHERE l.sequence = k.sequence AND l.record = k.record)"


def _met(wanted: str) -> str:
    """The enrollments that are wanted, as `k`. The latest move of each holds, whoever wrote the enrollment."""
    return f"""
WITH known AS (
  SELECT * FROM below_enrollments k WHERE {wanted}
  UNION ALL BY NAME
  SELECT *, NULL::TIMESTAMP AS exit_at, NULL::VARCHAR AS exit_reason, NULL::BOOLEAN AS exit_final FROM enrollments k
  WHERE {wanted} AND NOT EXISTS (FROM below_enrollments b WHERE ({", ".join("b." + key for key in _KEYS)}) = ({", ".join("k." + key for key in _KEYS)}))
), moved AS (
  SELECT {_ENROLLMENT}, arg_max(struct_pack(at := exit_at, reason := exit_reason, final := exit_final), number) AS last
  FROM moves k WHERE {wanted} GROUP BY ALL
)
SELECT k.* REPLACE (
  CASE WHEN m.last IS NULL THEN k.exit_at ELSE m.last.at END AS exit_at,
  CASE WHEN m.last IS NULL THEN k.exit_reason ELSE m.last.reason END AS exit_reason,
  CASE WHEN m.last IS NULL THEN k.exit_final ELSE m.last.final END AS exit_final)
FROM known k LEFT JOIN moved m USING ({_ENROLLMENT})
"""


_ASKED = f"({_OCCURRENCE}) IN (SELECT ({_OCCURRENCE}) FROM asked)"
# Of what is asked by record, `{wanted}` says of which, before anything is joined; `{here}` are the decisions about these.
_VIEW = {
    "starts": "SELECT * FROM below_starts b WHERE NOT EXISTS (FROM starts s WHERE s.sequence = b.sequence) UNION ALL BY NAME SELECT * FROM starts",
    "step_starts": "SELECT * FROM below_step_starts b WHERE NOT EXISTS (FROM step_starts s WHERE s.sequence = b.sequence AND s.step = b.step) "
    "UNION ALL BY NAME SELECT * FROM step_starts",
    "occurrences": "SELECT * FROM below_occurrences k WHERE {wanted} UNION ALL BY NAME SELECT * FROM occurrences k WHERE {wanted} "
    f"AND ({_OCCURRENCE}) NOT IN (SELECT ({_OCCURRENCE}) FROM below_occurrences)",
    "enrollments": f"SELECT * FROM met WHERE exit_final IS NOT TRUE OR list_contains($whole::VARCHAR[], sequence) OR exit_at > $exits_since OR {_ASKED}",
    # What the ledger had planned is what became of it in thought.
    "decided": f"SELECT * FROM below_decided k WHERE {{wanted}} AND NOT EXISTS (FROM {{here}} d WHERE {_SAME_STEP}) UNION ALL BY NAME "
    "SELECT * REPLACE (CASE WHEN state <> 'skipped' THEN address_key END AS address_key) FROM {here} "
    f"WHERE {_ASKED} OR ({_OCCURRENCE}) IN (SELECT ({_OCCURRENCE}) FROM viewed)",
    "recent_sends": f"SELECT r.* REPLACE (coalesce(m.exit_reason, r.ended_as) AS ended_as) FROM below_recent_sends r LEFT JOIN met m USING ({_ENROLLMENT}) "
    f"UNION ALL BY NAME SELECT d.*, m.exit_reason AS ended_as FROM decided d LEFT JOIN met m USING ({_ENROLLMENT}) "
    "WHERE d.state <> 'skipped' AND d.decided_at > $since",
    # Wider than what was asked: a rule asks again for the kind, the sequence and the moment.
    "history": "SELECT * FROM below_history UNION ALL BY NAME SELECT 'received' AS kind, contact, sequence, step, template, decided_at AS at FROM decided "
    "WHERE state NOT IN ('skipped', 'planned', 'failed') UNION ALL BY NAME SELECT 'enrolled' AS kind, contact, sequence, began AS at FROM enrollments",
    "controls": "SELECT * FROM below_controls UNION ALL BY NAME SELECT * FROM controls",
    "fact_counts": "SELECT * FROM below_fact_counts WHERE NOT EXISTS (FROM fact_counts) UNION ALL BY NAME SELECT * FROM fact_counts",
    "sequences_sent": "SELECT * FROM below_sequences_sent UNION SELECT sequence FROM decided WHERE state <> 'skipped'",
}


# What is the same for whoever asks: answered once, until a plan changes it.
_FOR_ALL = ("starts", "step_starts", "controls", "fact_counts", "sequences_sent")
# Tables in which a later row takes the place of an earlier one.
_LAST_OF: Mapping[str, tuple[str, ...]] = {"memberships": ("sequence", "record"), "rosters": ("sequence",)}


class Folded:
    """A view that grows. `below` is a real ledger's, or None for one with nothing in it; `before` leaves out what it decided later."""

    def __init__(self, below: ViewOf | None = None, *, before: datetime | None = None) -> None:
        self._below, self._before = below, before
        self._connection = duckdb.connect(
            ":memory:", config={"autoinstall_known_extensions": "false", "python_enable_replacements": "false", "threads": str(WORKERS)}
        )
        self._connection.execute("SET TimeZone = 'UTC'")
        self._connection.execute(_TABLES)
        self._moves = 0
        self._beside: dict[str, pa.Table] = {}
        self._answered: dict[str, pa.Table] = {}
        self._counted: pa.Table | None = None
        self._last_now: datetime | None = None
        self._kept: LedgerView | None = None

    def close(self) -> None:
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    # --- asking ---------------------------------------------------------------------------------------------

    def keep(self, candidates: Candidates) -> None:
        """Ask what lies below once, for all that will ever be asked here: it does not change, and each question costs as much as a plan."""
        self._kept = self._take_below(candidates)

    def _take_below(self, candidates: Candidates) -> LedgerView:
        below = self._below(candidates) if self._below is not None else LedgerView.empty()
        self._answered.clear()
        for name in VIEW:
            self._put(f"below_{name}", self._as_of(name, below.tables[name]))
        return below

    def view(self, candidates: Candidates, only: pa.Table | None = None) -> LedgerView:
        """What the ledger would answer. `only` (sequence, record; NULL for all of a sequence) leaves out the enrollments of everybody else."""
        below = self._kept or self._take_below(candidates)
        # What a sequence or a step is called now is not what it is kept under: a renamed one that is over would look as if it had never been.
        candidates = as_kept(candidates, names_of(self._grown("names", below.tables["names"]).to_pylist()))
        self._put("asked", candidates.occurrences.select(list(_KEYS[:4])))
        if only is not None:
            self._put("looked_at", only)
        wanted = "true" if only is None else _LOOKED_AT if only["record"].null_count else _ITS_RECORD_LOOKED_AT
        self._connection.execute(f"CREATE OR REPLACE TEMP TABLE met AS {_met(wanted)}")
        here = "decided"
        if only is not None:
            here = "decided_here"
            self._connection.execute(f"CREATE OR REPLACE TEMP TABLE {here} AS FROM decided k WHERE {wanted}")
        values = {"whole": list(candidates.whole_sequences), "since": candidates.sends_since, "exits_since": candidates.exits_since}
        tables: dict[str, pa.Table] = {}
        for name, schema in VIEW.items():
            if name not in _VIEW:
                grown = self._grown(name, below.tables[name])
                # A sequence that is not looked at is not gone: its members are nobody's to lay down (3.3).
                tables[name] = grown.filter(pc.is_in(grown["sequence"], only["sequence"])) if only is not None and name in _LAST_OF else grown
                continue
            if name in self._answered or (name == "history" and not candidates.history):
                tables[name] = self._answered.get(name, schema.empty_table())
                continue
            # An occurrence without its enrollment would look like one that nobody has taken yet.
            query = _VIEW[name].replace("{wanted}", wanted).replace("{here}", here)
            named = {key: value for key, value in values.items() if f"${key}" in query}
            tables[name] = _shaped(self._connection.sql(query, params=named or None).to_arrow_table(), schema)
            if name == "enrollments":
                self._put("viewed", tables[name].select(list(_KEYS[:4])))
            if name in _FOR_ALL:
                self._answered[name] = tables[name]
        return LedgerView(tables, below.head, self._last_now or (None if self._before else below.last_now))

    def contacts_of(self, pairs: pa.Table) -> list[str]:
        """The contacts on the way for records (sequence, record; no NULL), once what lies below is kept."""
        self._put("looked_at", pairs)
        known = " UNION ".join(f"SELECT contact FROM {table} k WHERE {_ITS_RECORD_LOOKED_AT}" for table in ("below_enrollments", "enrollments"))
        return [contact for (contact,) in self._connection.execute(known).fetchall()]

    def _as_of(self, name: str, table: pa.Table) -> pa.Table:
        """The rows that were there before the moment. A return is not told apart, so an exit that came later is none yet."""
        if self._before is None:
            return table
        column = {"enrollments": "began", "decided": "decided_at", "recent_sends": "decided_at"}.get(name)
        if column is None:
            return table
        table = table.filter(pc.less(table[column], pa.scalar(self._before, table.schema.field(column).type)))
        if name == "enrollments" and table.num_rows:
            later = pc.fill_null(pc.greater_equal(table["exit_at"], pa.scalar(self._before, table.schema.field("exit_at").type)), False)
            for place in ("exit_at", "exit_reason", "exit_final"):
                index, field = table.schema.get_field_index(place), table.schema.field(place)
                table = table.set_column(index, field, pc.if_else(later, pa.scalar(None, field.type), table[place]))
        return table

    def _grown(self, name: str, below: pa.Table) -> pa.Table:
        """A table that has no rule of its own here: the ledger's, and what plans wrote under the same name."""
        beside = self._beside.get(name)
        if beside is None:
            return below
        grown = pa.concat_tables([below, beside])
        if keys := _LAST_OF.get(name):
            # What was written last holds.
            last = grown.group_by(list(keys), use_threads=False).aggregate([(column, "last") for column in grown.schema.names if column not in keys])
            return last.rename_columns([column.removesuffix("_last") for column in last.column_names]).select(grown.schema.names)
        return grown

    # --- growing --------------------------------------------------------------------------------------------

    def fold(self, changes: Mapping[str, pa.Table], now: datetime) -> None:
        """As if the plan of `now` had been applied and every mail of it accepted."""
        at = {"now": now}
        for name in ("starts", "step_starts"):
            if name in changes and changes[name].num_rows:
                self._answered.pop(name, None)
        if "sends" in changes and not set(changes["sends"]["sequence"].unique().to_pylist()) <= self._known_to_send():
            self._answered.pop("sequences_sent", None)
        for name, keys in (("starts", "sequence"), ("step_starts", "sequence, step")):
            self._take(changes, name, f"DELETE FROM {name} WHERE ({keys}) IN (SELECT ({keys}) FROM arriving)")
            self._take(changes, name, f"INSERT INTO {name} BY NAME SELECT {keys}, started FROM arriving")
        self._take(changes, "occurrences", f"INSERT INTO occurrences SELECT {_OCCURRENCE}, base_at, source, FALSE FROM arriving")
        self._take(changes, "enrollments", f"INSERT INTO enrollments SELECT {_ENROLLMENT}, base_date, base_at, $now FROM arriving", at)
        self._move(changes, "returns", "NULL, NULL, NULL")
        self._move(changes, "exits", "$now, reason, final", at)
        self._take(changes, "skips", f"INSERT INTO decided BY NAME SELECT {_STEP}, 'skipped' AS state, reason, $now AS decided_at, due_at FROM arriving", at)
        self._take(
            changes, "sends", f"INSERT INTO decided BY NAME SELECT {_STEP}, 'sent' AS state, $now AS decided_at, due_at, {_LETTER}, message FROM arriving", at
        )
        if "fact_counts" in changes and changes["fact_counts"].num_rows and changes["fact_counts"] != self._counted:
            self._counted = changes["fact_counts"]
            self._answered.pop("fact_counts", None)
            self._connection.execute("DELETE FROM fact_counts")
            self._take(changes, "fact_counts", "INSERT INTO fact_counts SELECT entity, records FROM arriving")
        for name, schema in VIEW.items():
            if name not in _VIEW and name in changes and changes[name].num_rows and CHANGES.get(name) == schema:
                self._beside[name] = pa.concat_tables([self._beside.get(name, schema.empty_table()), changes[name].cast(schema)])
        self._last_now = now

    def _known_to_send(self) -> set[str]:
        return set(self._answered["sequences_sent"]["sequence"].to_pylist()) if "sequences_sent" in self._answered else set()

    def add(self, past: Past, *, revive: bool = False) -> None:
        """As if the import had been made. `revive`: it knows who is on the way, and paths that were taken for done go on."""
        self._answered.clear()
        self._take_past(past, "enrollments", f"INSERT INTO enrollments SELECT {_ENROLLMENT}, base_date, base_at, began FROM arriving")
        self._moves += 1
        self._take_past(
            past, "enrollments",
            f"INSERT INTO moves SELECT {self._moves}, {_ENROLLMENT}, exit_at, exit_reason, exit_final FROM arriving WHERE exit_at IS NOT NULL OR $revive",
            {"revive": revive},
        )  # fmt: skip
        self._take_past(past, "occurrences", f"INSERT INTO occurrences SELECT {_OCCURRENCE}, base_at, '{IMPORTED}', FALSE FROM arriving")
        self._take_past(past, "sends", f"INSERT INTO decided BY NAME SELECT {_STEP}, state, reason, decided_at, due_at, {_LETTER} FROM arriving")
        self._take_past(past, "pauses", f"INSERT INTO controls SELECT 'enrollment', 'paused', {_ENROLLMENT}, NULL FROM arriving")

    def start_from(self, whole_project: str, moment: datetime) -> None:
        """Nothing that was due before the moment is this plan's to send."""
        self._answered.clear()
        self._connection.execute("INSERT INTO starts VALUES ($1, $2)", [whole_project, moment])

    def _move(self, changes: Mapping[str, pa.Table], name: str, columns: str, values: Mapping[str, object] | None = None) -> None:
        self._moves += 1
        self._take(changes, name, f"INSERT INTO moves SELECT {self._moves}, {_ENROLLMENT}, {columns} FROM arriving", values)

    def _take(self, changes: Mapping[str, pa.Table], name: str, sql: str, values: Mapping[str, object] | None = None) -> None:
        if name in changes and changes[name].num_rows:
            self._arrive(changes[name], sql, values)

    def _take_past(self, past: Past, name: str, sql: str, values: Mapping[str, object] | None = None) -> None:
        table = past.table(name)
        if table.num_rows:
            self._arrive(table, sql, values)

    def _put(self, name: str, table: pa.Table) -> None:
        self._arrive(table, f"CREATE OR REPLACE TEMP TABLE {name} AS FROM arriving", None)

    def _arrive(self, table: pa.Table, sql: str, values: Mapping[str, object] | None) -> None:
        self._connection.register("arriving", table)
        try:
            self._connection.execute(sql, None if values is None else dict(values))
        finally:
            self._connection.unregister("arriving")


def _shaped(table: pa.Table, schema: pa.Schema) -> pa.Table:
    """The columns of the schema in its order; what a thought ledger does not know of has no value."""
    columns = [table[field.name] if field.name in table.schema.names else pa.nulls(table.num_rows, field.type) for field in schema]
    return pa.table(columns, names=schema.names).cast(schema)
