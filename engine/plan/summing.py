"""What the planner's tables say in the end: decisions in order, a funnel per sequence, and the rows that an apply writes."""

from __future__ import annotations

from collections.abc import Mapping

import duckdb
import pyarrow as pa

from engine.definitions.definitions import Definitions
from engine.ledger.records import CHANGES
from engine.plan.introducing import Introduction
from engine.plan.plan import COUNTERS, DECISIONS, SequenceSummary

_FINAL = "('goal_met', 'exit_condition', 'cancelled', 'complete')"


def _table(cursor: duckdb.DuckDBPyConnection, query: str, schema: pa.Schema) -> pa.Table:
    return cursor.sql(query).to_arrow_table().select(schema.names).cast(schema)


def decisions(cursor: duckdb.DuckDBPyConnection) -> pa.Table:
    """All decisions, sorted by (sequence, due, record, contact, step): two plans diff well."""
    return _table(
        cursor,
        "SELECT decision, reason, d.sequence, step, entity, record, occurrence, contact, "
        # A moment beyond the year 9999 is no date that anybody can read (5.8).
        "CASE WHEN year(due) <= 9999 THEN due END AS due, CASE WHEN year(expiry) <= 9999 THEN expiry END AS expiry, "
        "template, locale, category, topic, address, address_key, name, detail, "
        "CASE WHEN step IS NOT NULL AND contact IS NOT NULL THEN send_key(d.sequence, step, entity, record, occurrence, contact)::VARCHAR END AS send_key "
        "FROM decisions d ORDER BY d.sequence, d.due NULLS LAST, whole(record) IS NULL, whole(record), record, whole(contact) IS NULL, whole(contact), contact, "
        "pos, occurrence, decision, reason",
        DECISIONS,
    )


def summaries(cursor: duckdb.DuckDBPyConnection, definitions: Definitions, introductions: Mapping[str, Introduction]) -> tuple[SequenceSummary, ...]:
    """One funnel per sequence of the definitions, and per removed sequence that still has people on the way."""
    counts: dict[str, dict[str, int]] = {id: dict.fromkeys(COUNTERS, 0) for id in definitions.sequences}
    reasons: dict[str, dict[str, int]] = {}
    named: dict[str, dict[str, int]] = {}
    for sequence, decision, reason, number in cursor.execute("SELECT sequence, decision, reason, count(*) FROM decisions GROUP BY ALL ORDER BY ALL").fetchall():
        row = counts.setdefault(sequence, dict.fromkeys(COUNTERS, 0))
        row["skipped_steps" if decision == "skip" else decision] += number
        reasons.setdefault(sequence, {})
        reasons[sequence][reason] = reasons[sequence].get(reason, 0) + number
    for sequence, considered, new in cursor.execute("SELECT sequence, count(*), count(*) FILTER (WHERE origin = 'new') FROM enrollments GROUP BY ALL").fetchall():
        counts[sequence]["considered"] = considered
        counts[sequence]["enroll"] = new
    _beside(cursor, counts, named)
    hints = _hints(cursor, introductions)
    return tuple(SequenceSummary(id, counts[id], reasons.get(id, {}), named.get(id, {}), hints.get(id, {})) for id in sorted(counts))


def _beside(cursor: duckdb.DuckDBPyConnection, counts: dict[str, dict[str, int]], named: dict[str, dict[str, int]]) -> None:
    """What stands beside the funnel: upcoming occurrences, and why the other records enroll nobody (6.18)."""
    for sequence, upcoming, closed in cursor.execute(
        "SELECT b.sequence, coalesce(sum(records) FILTER (WHERE l.opens > now), 0)::BIGINT, coalesce(sum(records) FILTER (WHERE l.closes <= now), 0)::BIGINT "
        "FROM bases b JOIN life l USING (sequence, occurrence) CROSS JOIN clock GROUP BY ALL"
    ).fetchall():
        counts[sequence]["upcoming"] = upcoming
        if closed:
            named.setdefault(sequence, {})["closed"] = closed
    for query in (
        "SELECT sequence, reason, sum(records)::BIGINT FROM named GROUP BY ALL",
        "SELECT sequence, refused, count(DISTINCT (record, occurrence)) FROM entering WHERE refused IS NOT NULL GROUP BY ALL",
        "SELECT o.sequence, CASE WHEN s.status = 'draft' THEN 'draft' ELSE 'not_started' END, count(*) FROM occ o JOIN seqs s USING (sequence) "
        "WHERE NOT s.may_enter AND NOT EXISTS (FROM known k WHERE k.sequence = o.sequence AND k.record = o.record AND k.occurrence = o.occurrence) GROUP BY ALL",
        "SELECT sequence, 'over_max', count(*) FROM members WHERE NOT inside GROUP BY ALL",
    ):
        for sequence, reason, number in cursor.execute(query).fetchall():
            if number and reason == "before_introduction":
                counts[sequence]["before_introduction"] = number
            elif number:
                named.setdefault(sequence, {})[reason] = number


def _hints(cursor: duckdb.DuckDBPyConnection, introductions: Mapping[str, Introduction]) -> dict[str, dict[str, int]]:
    """For a first run: how many earlier steps are not sent, and how many `backfill` would still send (3.7)."""
    hints = {}
    for sequence, earlier, would, days in cursor.execute(
        "SELECT sequence, count(*), count(*) FILTER (WHERE expiry > now), max(date_diff('day', due, now)) FILTER (WHERE expiry > now) + 1 "
        "FROM decisions, clock WHERE decision = 'skip' AND reason = 'before_introduction' GROUP BY ALL"
    ).fetchall():
        if sequence in introductions and introductions[sequence].new:
            hints[sequence] = {"earlier": earlier, "would_send": would, "days": days or 0}
    return hints


def changes(cursor: duckdb.DuckDBPyConnection, introductions: Mapping[str, Introduction], facts: Mapping[str, int]) -> dict[str, pa.Table]:
    """The rows that an apply writes. `variables` of sends are filled by whoever applies: a plan holds no letter."""
    keys = "sequence, entity, record, occurrence, contact"
    new = [(id, said) for id, said in sorted(introductions.items()) if said.recorded is not None]
    queries = {
        "occurrences": "SELECT sequence, entity, record, occurrence, base_at, source, note FROM taken WHERE fresh AND (record = '' OR EXISTS "
        "(FROM standing st WHERE st.sequence = taken.sequence AND st.record = taken.record)) ORDER BY ALL",
        "enrollments": f"SELECT {keys}, base_date, base_at FROM enrollments WHERE origin = 'new' ORDER BY ALL",
        "returns": f"SELECT {keys} FROM enrollments WHERE origin = 'returned' ORDER BY ALL",
        "exits": f"SELECT {keys}, reason, reason IN {_FINAL} AS final FROM decisions WHERE decision IN ('exit', 'complete') ORDER BY ALL",
        "skips": f"SELECT send_key({keys.replace('sequence,', 'sequence, step,')})::VARCHAR AS send_key, {keys}, step, reason, detail, due AS due_at "
        "FROM decisions WHERE decision = 'skip' ORDER BY sequence, record, occurrence, contact, pos",
        "sends": f"SELECT send_key({keys.replace('sequence,', 'sequence, step,')})::VARCHAR AS send_key, {keys}, step, due AS due_at, expiry AS expires_at, template, "
        "locale, category, topic, address_key, address, name, NULL::VARCHAR AS variables, "
        "row_number() OVER (ORDER BY due, sequence, whole(record) IS NULL, whole(record), record, contact) AS position "
        "FROM decisions WHERE decision = 'send' ORDER BY position",
        # 9.6: a planned row that nobody has claimed and that is neither sent nor skipped now does not pass any more.
        "cancels": f"SELECT send_key(d.{', d.'.join(keys.replace('sequence,', 'sequence, step,').split(', '))})::VARCHAR AS send_key, "
        "coalesce(max(n.reason), 'cancelled') AS reason FROM decided d LEFT JOIN decisions n ON n.sequence = d.sequence AND n.record = d.record "
        "AND n.occurrence = d.occurrence AND n.contact = d.contact AND n.decision IN ('hold', 'exit', 'wait', 'complete') "
        "WHERE d.state = 'planned' AND NOT EXISTS (FROM decisions x WHERE x.decision IN ('send', 'skip') AND x.sequence = d.sequence AND x.step = d.step "
        "AND x.record = d.record AND x.occurrence = d.occurrence AND x.contact = d.contact) GROUP BY d.sequence, d.step, d.entity, d.record, d.occurrence, d.contact ORDER BY 1",
    }
    written = {name: _table(cursor, query, CHANGES[name]) for name, query in queries.items()}
    written["starts"] = pa.Table.from_pylist([{"sequence": id, "started": said.recorded} for id, said in new if said.new], CHANGES["starts"])
    written["step_starts"] = pa.Table.from_pylist(
        [{"sequence": id, "step": step, "started": start} for id, said in new for step, start in said.new_steps.items()], CHANGES["step_starts"]
    )
    written["fact_counts"] = pa.Table.from_pylist([{"entity": name, "records": count} for name, count in sorted(facts.items())], CHANGES["fact_counts"])
    return written
