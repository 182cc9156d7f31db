"""What is asked of a ledger: a plan's view of it, and the rows that people look at."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from datetime import datetime
from typing import Any

import pyarrow as pa

from engine.ledger.as_of import moment_table, shadowed, views
from engine.ledger.duckdb.files import Holder, who_holds
from engine.ledger.duckdb.home import Home
from engine.ledger.duckdb.statements import statement
from engine.ledger.history import (
    ALL_ENROLLMENTS,
    ALL_SENDS,
    AppliedDefinitions,
    Attempt,
    ControlRow,
    EnrollmentFilter,
    EnrollmentRow,
    Page,
    RunRow,
    SendDetail,
    SendFilter,
    SendRow,
    Status,
    Told,
)
from engine.ledger.messages import SAME_MESSAGE
from engine.ledger.names import Names, as_kept
from engine.ledger.records import VIEW, Candidates, LedgerView, PastAsked

# What a view looks into; most ledgers have nothing in most of them.
_LOOKED_INTO = (
    "starts", "step_starts", "names", "followed", "occurrences", "rosters", "controls", "suppressions", "fact_counts", "audience_counts",
    "ticks", "memberships", "enrollments", "sends",
)  # fmt: skip
_FILLED = " UNION ALL ".join(f"(SELECT '{table}' FROM {table} LIMIT 1)" for table in _LOOKED_INTO)
# Where what a view calls so lies.
_LIES_IN = {"audiences": "audience_counts", "sequences_sent": "sends", "decided": "sends", "recent_sends": "sends"}
_OCCURRENCE = ("sequence", "entity", "record", "occurrence")
_WHOLE = {
    "starts": "SELECT sequence, arg_max(started, serial) AS started FROM starts GROUP BY sequence",
    "step_starts": "SELECT sequence, step, arg_max(started, serial) AS started FROM step_starts GROUP BY sequence, step",
    "names": "SELECT sequence, step, name, since FROM names ORDER BY since, serial, sequence, step",
    "followed": "SELECT sequence, said, since, day FROM followed ORDER BY since, serial, sequence",
    "occurrences": "SELECT sequence, entity, record, occurrence, base_at, source, override FROM occurrences",
    "rosters": "SELECT sequence, arg_max(digest, serial) AS digest FROM rosters GROUP BY sequence",
    "controls": "SELECT scope, action, sequence, entity, record, occurrence, contact, until FROM controls WHERE lifted_at IS NULL",
    "suppressions": "SELECT DISTINCT address_key, reason, topic FROM suppressions WHERE lifted_at IS NULL",
    "fact_counts": "SELECT entity, records FROM fact_counts WHERE serial = (SELECT max(serial) FROM fact_counts)",
    "audiences": "SELECT DISTINCT ON (sequence) sequence, digest, people, counted_at FROM audience_counts ORDER BY sequence, serial DESC",
    # Handed over, or perhaps handed over: a first run that was stopped before its first mail is still the first run.
    "sequences_sent": "SELECT DISTINCT sequence FROM sends WHERE state IN ('dispatching', 'sent', 'unknown', 'failed')",
}
# Asked only where a sequence has such a trigger.
_OF_TRIGGERS = {
    "ticks": "SELECT sequence, arg_max(tick, base_at) AS tick, max(base_at) AS base_at FROM ticks GROUP BY sequence",
    "memberships": "SELECT sequence, record, member FROM memberships WHERE member",
}
_SEND = """
SELECT s.send_key::VARCHAR, s.state, s.reason, s.sequence, s.step, s.entity, s.record, s.occurrence, s.contact, s.due_at, s.decided_at, s.sent_at,
       s.template, s.locale, s.category, p.address, s.attempts, s.ambiguous, s.run_id, r."commit"
"""
_SEND_FROM = " FROM sends s LEFT JOIN pii p ON p.send_key = s.send_key AND s.state <> 'skipped' LEFT JOIN runs r ON r.run_id = s.run_id "
_RUN = 'SELECT run_id, now, ended_at, outcome, "commit", definitions_digest, host, pid, coalesce(counts, planned), overrides, job FROM runs'


class Reading(Home):
    """The part of a ledger that never writes."""

    def holder(self) -> Holder | None:
        """Who has the ledger at this moment; None when it is free."""
        return who_holds(self.files)

    def warnings(self) -> tuple[str, ...]:
        """A file has none."""
        return ()

    def view(self, candidates: Candidates) -> LedgerView:
        with self._standing_at(candidates.as_of):
            return self._view(candidates)

    @contextmanager
    def _standing_at(self, moment: datetime | None) -> Iterator[None]:
        """While the block lasts, what is read under the tables' names is as it was at the moment; None is now."""
        if moment is None:
            yield
            return
        (catalog,) = self._row("SELECT current_database()")
        self._stage("as_of", moment_table(moment))
        self.connection.execute(views('"{}".main'.format(catalog.replace('"', '""'))))
        try:
            yield
        finally:
            for name in shadowed():
                self.connection.execute(f"DROP VIEW temp.{name}")

    def _view(self, candidates: Candidates) -> LedgerView:
        filled = {table for (table,) in self._rows(_FILLED)}

        def asked(name: str, sql: str, values: dict[str, Any] | None = None) -> pa.Table:
            return self._arrow(sql, VIEW[name], values) if _LIES_IN.get(name, name) in filled else VIEW[name].empty_table()

        candidates = as_kept(candidates, self._followed_names() if "names" in filled else Names.of(()))
        tables = {name: asked(name, sql) for name, sql in _WHOLE.items()}
        tables["events"] = self._events(candidates.events)
        for name, wanted in (("ticks", candidates.ticks), ("memberships", candidates.memberships)):
            tables[name] = asked(name, _OF_TRIGGERS[name]) if wanted else VIEW[name].empty_table()
        if filled & {"enrollments", "sends"}:
            self._stage("candidate_occurrences", candidates.occurrences.select(_OCCURRENCE), f"DISTINCT {', '.join(_OCCURRENCE)}")
        enrolled = {"whole_sequences": list(candidates.whole_sequences), "exits_since": candidates.exits_since}
        tables["enrollments"] = asked("enrollments", statement("view_enrollments"), enrolled)
        if "sends" in filled:
            self._stage("viewed_enrollments", tables["enrollments"].select(_OCCURRENCE), f"DISTINCT {', '.join(_OCCURRENCE)}")
        tables["decided"] = asked("decided", statement("view_decided"))
        tables["recent_sends"] = asked("recent_sends", statement("view_recent_sends"), {"sends_since": candidates.sends_since})
        tables["history"] = pa.concat_tables([VIEW["history"].empty_table(), *(self._past(past) for past in candidates.history)])
        return LedgerView(tables, self._head.serial, self._head.last_now)

    def _past(self, past: PastAsked) -> pa.Table:
        name = {"received": "past_received", "enrolled": "past_enrolled"}.get(past.kind, "past_feedback")
        values = {"sequence": past.sequence, "since": past.since, "until": past.until}
        return self._arrow(statement(name), VIEW["history"], values | ({"kind": past.kind} if name == "past_feedback" else {}))

    def _events(self, names: tuple[str, ...]) -> pa.Table:
        if not names:
            return VIEW["events"].empty_table()
        asked = "SELECT event, event_id AS id, entity, record, happened_at FROM inbox_events WHERE event IN (SELECT unnest($names::VARCHAR[]))"
        return self._arrow(asked, VIEW["events"], {"names": list(names)})

    def applied_definitions(self) -> AppliedDefinitions | None:
        rows = self._rows(
            'SELECT d.digest, r."commit", d.compiled, r.run_id, r.now FROM runs r JOIN definitions_applied d ON d.digest = r.definitions_digest '
            "ORDER BY r.serial DESC LIMIT 1"
        )
        return AppliedDefinitions(*rows[0]) if rows else None

    def sends(self, wanted: SendFilter = ALL_SENDS, *, limit: int = 50, offset: int = 0) -> Page[SendRow]:
        where = """ WHERE ($sequence IS NULL OR s.sequence = $sequence) AND ($contact IS NULL OR s.contact = $contact)
                    AND ($entity IS NULL OR s.entity = $entity) AND ($record IS NULL OR s.record = $record) AND ($state IS NULL OR s.state = $state) AND ($since IS NULL OR s.decided_at >= $since)"""
        names = self.names()
        values: dict[str, Any] = asdict(wanted) | {"sequence": wanted.sequence and names.kept(wanted.sequence)}
        (total,) = self._row("SELECT count(*) FROM sends s" + where, values)
        rows = self._rows(
            _SEND + _SEND_FROM + where + " ORDER BY s.decided_at DESC, s.number DESC LIMIT $limit OFFSET $offset", {**values, "limit": limit, "offset": offset}
        )
        return names.sends(Page(tuple(SendRow(*row) for row in rows), total, offset))

    def find_sends(self, prefix: str) -> tuple[str, ...]:
        rows = self._rows(
            "SELECT send_key::VARCHAR AS key FROM sends WHERE starts_with(send_key::VARCHAR, lower($prefix)) ORDER BY key LIMIT 10", {"prefix": prefix.strip()}
        )
        return tuple(key for (key,) in rows)

    def show(self, send_key: str) -> SendDetail | None:
        key = {"key": send_key}
        rows = self._rows(
            _SEND
            + """, s.expires_at, s.judged_at, s.not_before, s.detail, p.variables, s.transport, s.provider_message_id, s.message_id, s.payload_hash,
                 f.sender, f.recipient, f.subject, f.payload"""
            + _SEND_FROM
            + "LEFT JOIN payloads f ON f.send_key = CASE WHEN s.payload_hash IS NULL THEN s.send_key ELSE coalesce(s.message, s.send_key) END "
            + "WHERE s.send_key = TRY_CAST($key AS UUID)",
            key,
        )
        if not rows:
            return None
        others = self._rows(
            f"{_SEND}{_SEND_FROM}{SAME_MESSAGE} WHERE k.send_key = TRY_CAST($key AS UUID) ORDER BY s.item, s.number",
            key,
        )
        attempts = self._rows(
            """SELECT coalesce(a.token, o.token) AS token, coalesce(a.started_at, o.said_at) AS started_at, o.said_at, coalesce(a.transport, ''), o.became,
                      coalesce(o.phase, ''), o.code, coalesce(o.enhanced_code, ''), coalesce(o.text, '')
               FROM (SELECT * FROM attempts WHERE send_key = TRY_CAST($key AS UUID)) a
               FULL JOIN (SELECT * FROM outcomes WHERE send_key = TRY_CAST($key AS UUID)) o ON o.token = a.token
               ORDER BY started_at, o.said_at""",
            key,
        )
        told = self._rows(
            "SELECT kind, occurred_at FROM events WHERE send_key IN (SELECT unnest([send_key, message]) FROM sends WHERE send_key = TRY_CAST($key AS UUID)) "
            "ORDER BY occurred_at, kind",
            key,
        )
        row, rest = rows[0][:20], rows[0][20:]
        payload = bytes(rest[-1]) if rest[-1] is not None else None
        names = self.names()
        said = (
            tuple(Attempt(*attempt) for attempt in attempts),
            tuple(names.send(SendRow(*other)) for other in others),
            tuple(Told(*one) for one in told),
        )
        fields: tuple[Any, ...] = (names.send(SendRow(*row)), *rest[:-1], payload, *said)
        return SendDetail(*fields)

    def enrollments(self, wanted: EnrollmentFilter = ALL_ENROLLMENTS, *, limit: int = 50, offset: int = 0) -> Page[EnrollmentRow]:
        where = """ WHERE ($sequence IS NULL OR e.sequence = $sequence) AND ($contact IS NULL OR e.contact = $contact)
                    AND ($entity IS NULL OR e.entity = $entity) AND ($record IS NULL OR e.record = $record) AND ($live IS NULL OR (e.exit_at IS NULL) = $live)"""
        names = self.names()
        values: dict[str, Any] = asdict(wanted) | {"sequence": wanted.sequence and names.kept(wanted.sequence)}
        (total,) = self._row("SELECT count(*) FROM enrollments e" + where, values)
        rows = self._rows(
            f"""WITH shown AS (
                  SELECT e.* FROM enrollments e {where}
                  ORDER BY e.began DESC, e.sequence, e.entity, e.record, e.occurrence, e.contact LIMIT $limit OFFSET $offset
                ), last AS (
                  SELECT s.sequence, s.entity, s.record, s.occurrence, s.contact, count(*) FILTER (s.state NOT IN ('skipped', 'cancelled')) AS sends,
                         arg_max(s.step, (s.decided_at, s.number)) AS step, max(s.decided_at) AS decided_at
                  FROM sends s SEMI JOIN shown USING (sequence, entity, record, occurrence, contact)
                  WHERE s.state <> 'cancelled' GROUP BY ALL
                )
                SELECT sequence, entity, record, occurrence, contact, base_date, shown.base_at, began, exit_at, exit_reason, exit_final, coalesce(sends, 0), step,
                       decided_at, o.taken_by, coalesce(o.note, '')
                FROM shown LEFT JOIN last USING (sequence, entity, record, occurrence, contact)
                LEFT JOIN (FROM occurrences WHERE source = 'hand') o USING (sequence, entity, record, occurrence)
                ORDER BY began DESC, sequence, entity, record, occurrence, contact""",
            {**values, "limit": limit, "offset": offset},
        )
        return names.enrollments(Page(tuple(EnrollmentRow(*row) for row in rows), total, offset))

    def held(self, at: datetime | None = None) -> tuple[ControlRow, ...]:
        names = self.names()
        with self._standing_at(at):
            rows = self._rows(
                """SELECT scope, action, sequence, entity, record, occurrence, contact, until, ordered_by, ordered_at, note FROM controls
                   WHERE lifted_at IS NULL AND scope = 'enrollment' ORDER BY ordered_at, order_id, sequence, entity, record, occurrence, contact"""
            )
        return tuple(names.control(ControlRow(*row)) for row in rows)

    def status(self, at: datetime | None = None) -> Status:
        names = self.names()
        (live,) = self._row("SELECT count(*) FROM enrollments WHERE exit_at IS NULL")
        (suppressions,) = self._row("SELECT count(DISTINCT address_key) FROM suppressions WHERE lifted_at IS NULL")
        controls = self._rows(
            """SELECT scope, action, sequence, entity, record, occurrence, contact, until, ordered_by, ordered_at, note FROM controls c
               WHERE lifted_at IS NULL AND ($at IS NULL OR until IS NULL OR until > $at)
                 -- What was cancelled and has left is done with.
                 AND NOT (action = 'cancelled' AND EXISTS (SELECT 1 FROM enrollments e WHERE e.exit_final
                   AND (e.sequence, e.entity, e.record, e.occurrence, e.contact) = (c.sequence, c.entity, c.record, c.occurrence, c.contact)))
               ORDER BY CASE scope WHEN 'project' THEN 0 WHEN 'sequence' THEN 1 ELSE 2 END, ordered_at, order_id LIMIT 1000""",
            {"at": at},
        )
        return Status(
            head=self._head,
            states=dict(self._rows("SELECT state, count(*) FROM sends GROUP BY state ORDER BY state")),
            unknown=self.sends(SendFilter(state="unknown"), limit=100).rows,
            controls=tuple(names.control(ControlRow(*row)) for row in controls),
            runs=_runs(self._rows(_RUN + " ORDER BY serial DESC LIMIT 10")),
            enrollments_live=live,
            suppressions=suppressions,
            jobs=dict(self._rows("SELECT job, max(now) FROM runs WHERE job IS NOT NULL GROUP BY job ORDER BY job")),
        )

    def close(self) -> None:
        self.connection.close()


def _runs(rows: Sequence[tuple[Any, ...]]) -> tuple[RunRow, ...]:
    read: list[tuple[Any, ...]] = [(*row[:8], json.loads(row[8]), tuple(tuple(override) for override in json.loads(row[9])), row[10]) for row in rows]
    return tuple(RunRow(*row) for row in read)


def occurrences_table(keys: Sequence[tuple[str, str, str, str]]) -> pa.Table:
    """Candidates' occurrences out of (sequence, entity, record, occurrence)."""
    return pa.table({name: pa.array([key[place] for key in keys], pa.string()) for place, name in enumerate(_OCCURRENCE)})
