"""What the planner's tables say in the end: decisions in order, a funnel per sequence, and the rows that an apply writes."""

from __future__ import annotations

from collections.abc import Mapping

import duckdb
import pyarrow as pa

from engine.definitions.definitions import Definitions
from engine.ledger.keys import define_send_key, send_key
from engine.ledger.records import CHANGES
from engine.plan.identity import Identity
from engine.plan.introducing import Introduction
from engine.plan.plan import COUNTERS, DECISIONS, SequenceSummary
from engine.plan.triggers.date import every_of
from engine.tables import ask, execute, put

_KEYED = pa.schema([(name, pa.string()) for name in ("sequence", "step", "entity", "record", "occurrence", "contact", "send_key")])
_FEW = 5_000
_FINAL = "('goal_met', 'exit_condition', 'cancelled', 'complete')"


# Of a date that comes round, the next day ahead of each record (3.1, 3.6).
_RECURRING = """
SELECT u.sequence, count(*) FROM (
    SELECT v.sequence, v.record, min(b.occurrence) AS occurrence
    FROM valued v JOIN seqs s USING (sequence) JOIN bases b ON b.sequence = v.sequence AND b.value_at = v.value_at
    JOIN life l ON l.sequence = b.sequence AND l.occurrence = b.occurrence CROSS JOIN clock c
    WHERE v.matches AND v.in_range AND s.every IS NOT NULL AND s.status <> 'draft' AND l.opens > c.now GROUP BY ALL
) u ANTI JOIN enrollments k ON k.sequence = u.sequence AND k.record = u.record AND k.occurrence = u.occurrence GROUP BY ALL
"""


def close(cursor: duckdb.DuckDBPyConnection, called: Identity) -> None:
    """Give every decision about a step its send key, once; what follows reads `keyed`."""
    about_steps = "SELECT sequence, step, entity, record, occurrence, contact FROM decisions WHERE step IS NOT NULL AND contact IS NOT NULL"
    # Keys are of the ids that the ledger keeps (8.7).
    if not called and _many(cursor, about_steps):
        execute(
            cursor,
            "CREATE OR REPLACE TEMP TABLE keyed AS SELECT *, CASE WHEN step IS NOT NULL AND contact IS NOT NULL "
            "THEN send_key(sequence, step, entity, record, occurrence, contact)::VARCHAR END AS send_key FROM decisions",
        )
        return
    _name_keys(cursor, about_steps, called)
    execute(
        cursor,
        "CREATE OR REPLACE TEMP TABLE keyed AS SELECT d.*, n.send_key FROM decisions d LEFT JOIN named_keys n ON n.sequence = d.sequence "
        "AND n.step = d.step AND n.entity = d.entity AND n.record = d.record AND n.occurrence = d.occurrence AND n.contact = d.contact",
    )


def _many(cursor: duckdb.DuckDBPyConnection, query: str) -> bool:
    """Whether SQL should make the keys, which it then can: it hashes quicker, but to bind the macro takes as long as thousands of keys in Python."""
    (count,) = execute(cursor, f"SELECT count(*) FROM ({query})").fetchall()[0]
    if count <= _FEW:
        return False
    define_send_key(cursor)
    return True


def _name_keys(cursor: duckdb.DuckDBPyConnection, query: str, called: Identity) -> None:
    """Fill named_keys with the send key of each row of the query."""
    if not called and _many(cursor, query):
        execute(
            cursor,
            "CREATE OR REPLACE TEMP TABLE named_keys AS SELECT *, send_key(sequence, step, entity, record, occurrence, contact)::VARCHAR AS send_key "
            f"FROM (SELECT DISTINCT * FROM ({query}))",
        )
        return
    rows = execute(cursor, f"SELECT DISTINCT * FROM ({query})").fetchall()
    keys = [send_key(*called.kept(sequence, step), *rest) for sequence, step, *rest in rows]
    columns = [*zip(*rows, strict=True), keys] if rows else [[] for _ in _KEYED]
    put(cursor, "named_keys", pa.table([pa.array(column, pa.string()) for column in columns], _KEYED))


def decisions(cursor: duckdb.DuckDBPyConnection) -> pa.Table:
    """All decisions, sorted by (sequence, due, record, contact, step): two plans diff well."""
    return ask(
        cursor,
        "SELECT decision, reason, sequence, step, entity, record, occurrence, contact, "
        # A moment beyond the year 9999 is no date that anybody can read (5.8).
        "CASE WHEN year(due) <= 9999 THEN due END AS due, CASE WHEN year(expiry) <= 9999 THEN expiry END AS expiry, "
        "template, locale, category, topic, address, address_key, name, detail, winner, send_key "
        "FROM keyed k ORDER BY sequence, k.due NULLS LAST, whole(record) IS NULL, whole(record), record, whole(contact) IS NULL, whole(contact), contact, "
        "pos, occurrence, decision, reason",
        DECISIONS,
    )


def summaries(cursor: duckdb.DuckDBPyConnection, definitions: Definitions, introductions: Mapping[str, Introduction]) -> tuple[SequenceSummary, ...]:
    """One funnel per sequence of the definitions, and per removed sequence that still has people on the way."""
    counts: dict[str, dict[str, int]] = {id: dict.fromkeys(COUNTERS, 0) for id in definitions.sequences}
    reasons: dict[str, dict[str, int]] = {}
    named: dict[str, dict[str, int]] = {}
    for sequence, decision, reason, number in execute(
        cursor, "SELECT sequence, decision, reason, count(*) FROM decisions GROUP BY ALL ORDER BY ALL"
    ).fetchall():
        row = counts.setdefault(sequence, dict.fromkeys(COUNTERS, 0))
        row["skipped_steps" if decision == "skip" else decision] += number
        reasons.setdefault(sequence, {})
        reasons[sequence][reason] = reasons[sequence].get(reason, 0) + number
    for sequence, considered, new in execute(
        cursor, "SELECT sequence, count(*), count(*) FILTER (WHERE origin = 'new') FROM enrollments GROUP BY ALL"
    ).fetchall():
        counts[sequence]["considered"] = considered
        counts[sequence]["enroll"] = new
    _beside(cursor, counts, named)
    if any(every_of(sequence) is not None for sequence in definitions.sequences.values()):
        for sequence, upcoming in execute(cursor, _RECURRING).fetchall():
            counts[sequence]["upcoming"] = upcoming
    hints = _hints(cursor, introductions)
    return tuple(SequenceSummary(id, counts[id], reasons.get(id, {}), named.get(id, {}), hints.get(id, {})) for id in sorted(counts))


def _beside(cursor: duckdb.DuckDBPyConnection, counts: dict[str, dict[str, int]], named: dict[str, dict[str, int]]) -> None:
    """What stands beside the funnel: upcoming occurrences, and why the other records enroll nobody (6.18)."""
    for sequence, upcoming, closed in execute(
        cursor,
        # A record with somebody on the way is considered, also when an edit has made its occurrence upcoming again. Who has ended takes it
        # out of no calendar: it can come to others (A141).
        "WITH met AS (SELECT k.sequence, k.occurrence, count(DISTINCT k.record) AS records FROM enrollments k JOIN standing st "
        "ON st.sequence = k.sequence AND st.record = k.record AND st.matches AND st.occurrence = k.occurrence GROUP BY ALL) "
        "SELECT b.sequence, coalesce(sum(b.records - coalesce(m.records, 0)) FILTER (WHERE l.opens > now AND s.status <> 'draft'), 0)::BIGINT, "
        "coalesce(sum(b.records - coalesce(m.records, 0)) FILTER (WHERE l.closes <= now), 0)::BIGINT "
        "FROM bases b JOIN life l USING (sequence, occurrence) JOIN seqs s USING (sequence) LEFT JOIN met m USING (sequence, occurrence) CROSS JOIN clock WHERE s.every IS NULL GROUP BY ALL",
    ).fetchall():
        counts[sequence]["upcoming"] = upcoming
        if closed:
            named.setdefault(sequence, {})["closed"] = closed
    for query in (
        "SELECT sequence, reason, sum(records)::BIGINT FROM named GROUP BY ALL",
        "SELECT sequence, refused, count(DISTINCT (record, occurrence)) FROM entering WHERE refused IS NOT NULL GROUP BY ALL",
        "SELECT o.sequence, CASE WHEN s.status = 'draft' THEN 'draft' ELSE 'not_started' END, count(*) FROM occ o JOIN seqs s USING (sequence) "
        "WHERE NOT s.may_enter AND NOT EXISTS (FROM known k WHERE k.sequence = o.sequence AND k.record = o.record AND k.occurrence = o.occurrence) GROUP BY ALL",
        # Of records that have something open: who once was on the way for a date that has moved is asked for too, and no news.
        "SELECT sequence, 'over_max', count(*) FROM members WHERE NOT inside AND (sequence, record) IN "
        "(SELECT (sequence, record) FROM occ UNION ALL SELECT (sequence, record) FROM enrollments) GROUP BY ALL",
    ):
        for sequence, reason, number in execute(cursor, query).fetchall():
            if number and reason in ("before_introduction", "upcoming"):
                counts[sequence][reason] += number
            elif number:
                named.setdefault(sequence, {})[reason] = number


def _hints(cursor: duckdb.DuckDBPyConnection, introductions: Mapping[str, Introduction]) -> dict[str, dict[str, int]]:
    """For a first run: how many earlier steps are not sent, and how many `backfill` would still send (3.7)."""
    hints = {}
    for sequence, earlier, would, days in execute(
        cursor,
        "SELECT sequence, count(*), count(*) FILTER (WHERE expiry > now), max(date_diff('day', due, now)) FILTER (WHERE expiry > now) + 1 "
        "FROM decisions, clock WHERE decision = 'skip' AND reason = 'before_introduction' GROUP BY ALL UNION ALL FROM early_ones",
    ).fetchall():
        if sequence in introductions and introductions[sequence].new:
            hints[sequence] = {"earlier": earlier, "would_send": would, "days": days or 0}
    return hints


def changes(
    cursor: duckdb.DuckDBPyConnection, introductions: Mapping[str, Introduction], facts: Mapping[str, int], called: Identity, *, closing: bool
) -> dict[str, pa.Table]:
    """The rows that an apply writes. `variables` of sends are filled by whoever applies: a plan holds no letter.

    `closing` says that the table of that name is there: some windows close soon."""
    keys = "sequence, entity, record, occurrence, contact"
    new = sorted(introductions.items())
    queries = {
        "occurrences": "SELECT sequence, entity, record, occurrence, base_at, source, note FROM taken WHERE fresh AND (record = '' AND source = 'file' OR EXISTS "
        "(FROM standing st WHERE st.sequence = taken.sequence AND st.record = taken.record)) ORDER BY ALL",
        "enrollments": f"SELECT {keys}, base_date, base_at FROM enrollments WHERE origin = 'new' ORDER BY ALL",
        "returns": f"SELECT {keys} FROM enrollments WHERE origin = 'returned' ORDER BY ALL",
        "exits": f"SELECT {keys}, reason, reason IN {_FINAL} AS final FROM decisions WHERE decision IN ('exit', 'complete') ORDER BY ALL",
        "skips": f"SELECT send_key, {keys}, step, reason, detail, CASE WHEN year(due) <= 9999 THEN due END AS due_at FROM keyed WHERE decision = 'skip' ORDER BY sequence, record, occurrence, contact, pos",
        "sends": f"SELECT send_key, {keys}, step, due AS due_at, CASE WHEN year(expiry) <= 9999 THEN expiry END AS expires_at, template, "
        "locale, category, topic, address_key, address, name, NULL::VARCHAR AS variables, "
        "row_number() OVER (ORDER BY due, sequence, whole(record) IS NULL, whole(record), record, contact) AS position, "
        "CASE WHEN mail IS NOT NULL THEN first_value(send_key) OVER (PARTITION BY mail ORDER BY item) END AS message, CASE WHEN mail IS NOT NULL THEN item END AS item, "
        + ("open_until FROM keyed LEFT JOIN closing USING (sequence, contact)" if closing else "NULL::TIMESTAMP AS open_until FROM keyed")
        + " WHERE decision = 'send' ORDER BY position",
    }
    written = {name: ask(cursor, query, CHANGES[name]) for name, query in queries.items()}
    written["cancels"] = _cancels(cursor, called)
    written["names"] = called.names
    written["starts"] = pa.Table.from_pylist([{"sequence": id, "started": said.recorded} for id, said in new if said.new], CHANGES["starts"])
    written["step_starts"] = pa.Table.from_pylist(
        [{"sequence": id, "step": step, "started": start} for id, said in new for step, start in said.step_records.items()], CHANGES["step_starts"]
    )
    written["fact_counts"] = pa.Table.from_pylist([{"entity": name, "records": count} for name, count in sorted(facts.items())], CHANGES["fact_counts"])
    return written


def _cancels(cursor: duckdb.DuckDBPyConnection, called: Identity) -> pa.Table:
    """9.6: planned rows that nobody has claimed and that are neither sent nor skipped now do not pass any more; one behind a send of this
    plan has not been asked (6.17), and is by the next."""
    if not execute(cursor, "SELECT count(*) FROM decided WHERE state = 'planned'").fetchall()[0][0]:
        return CHANGES["cancels"].empty_table()
    _name_keys(cursor, "SELECT sequence, step, entity, record, occurrence, contact FROM decided WHERE state = 'planned'", called)
    same = "{0}.sequence = d.sequence AND {0}.record = d.record AND {0}.occurrence = d.occurrence AND {0}.contact = d.contact"
    return ask(
        cursor,
        "SELECT d.send_key, coalesce(max(n.reason), 'cancelled') AS reason "
        f"FROM named_keys d LEFT JOIN decisions n ON {same.format('n')} AND n.decision IN ('hold', 'exit', 'wait', 'complete') "
        f"WHERE NOT EXISTS (FROM decisions x WHERE {same.format('x')} AND x.step = d.step AND x.decision IN ('send', 'skip')) "
        f"AND NOT EXISTS (FROM decisions y JOIN steps before ON before.sequence = y.sequence AND before.step = y.step "
        "JOIN steps here ON here.sequence = d.sequence AND here.step = d.step "
        f"WHERE {same.format('y')} AND y.decision = 'send' AND before.pos < here.pos) "
        "GROUP BY d.send_key ORDER BY 1",
        CHANGES["cancels"],
    )
