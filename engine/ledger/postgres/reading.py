"""What is asked of a ledger: a plan's view of it, and the rows that people look at."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from datetime import datetime
from typing import Any
from uuid import UUID

import pyarrow as pa

from engine.ledger.as_of import moment_table, views
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
from engine.ledger.identity import Holder
from engine.ledger.messages import SAME_MESSAGE
from engine.ledger.names import as_kept
from engine.ledger.postgres.home import Home
from engine.ledger.postgres.locking import read_holder
from engine.ledger.postgres.statements import quoted, statement
from engine.ledger.postgres.tables import fetch, stage
from engine.ledger.records import INSTANT, VIEW, Candidates, LedgerView, PastAsked

_OCCURRENCE = ("sequence", "entity", "record", "occurrence")
_WHOLE = {
    "starts": b"SELECT DISTINCT ON (sequence) sequence, started FROM starts ORDER BY sequence, serial DESC",
    "step_starts": b"SELECT DISTINCT ON (sequence, step) sequence, step, started FROM step_starts ORDER BY sequence, step, serial DESC",
    "names": b"SELECT sequence, step, name, since FROM names ORDER BY since, serial, sequence, step",
    "followed": b"SELECT sequence, said, since, day FROM followed ORDER BY since, serial, sequence",
    "occurrences": b"SELECT sequence, entity, record, occurrence, base_at, source, override FROM occurrences",
    "rosters": b"SELECT DISTINCT ON (sequence) sequence, digest FROM rosters ORDER BY sequence, serial DESC",
    "controls": b"SELECT scope, action, sequence, entity, record, occurrence, contact, until FROM controls WHERE lifted_at IS NULL",
    "suppressions": b"SELECT DISTINCT address_key, reason, topic FROM suppressions WHERE lifted_at IS NULL",
    "fact_counts": b"SELECT entity, records FROM fact_counts WHERE serial = (SELECT max(serial) FROM fact_counts)",
    "audiences": b"SELECT DISTINCT ON (sequence) sequence, digest, people, counted_at FROM audience_counts ORDER BY sequence, serial DESC",
    "sequences_sent": statement("view_sequences_sent"),
}
# Asked only where a sequence has such a trigger.
_OF_TRIGGERS = {
    "ticks": b"SELECT DISTINCT ON (sequence) sequence, tick, base_at FROM ticks ORDER BY sequence, base_at DESC, tick DESC",
    "memberships": b"SELECT sequence, record, member FROM memberships WHERE member",
}
_SEND = """
SELECT s.send_key::text, s.state, s.reason, s.sequence, s.step, s.entity, s.record, s.occurrence, s.contact, s.due_at, s.decided_at, s.sent_at,
       s.template, s.locale, s.category, p.address, s.attempts, s.ambiguous, s.run_id, r."commit"
"""
_SEND_FROM = " FROM sends s LEFT JOIN {pii} p ON p.send_key = s.send_key AND s.state <> 'skipped' LEFT JOIN runs r ON r.run_id = s.run_id "
_RUN = 'SELECT run_id, now, ended_at, outcome, "commit", definitions_digest, host, pid, coalesce(counts, planned), overrides, job FROM runs'
_NOBODY = {
    "pii": "(SELECT NULL::uuid AS send_key, NULL::text AS address, NULL::text AS variables WHERE FALSE)",
    "payloads": "(SELECT NULL::uuid AS send_key, NULL::text AS sender, NULL::text AS recipient, NULL::text AS subject, NULL::bytea AS payload WHERE FALSE)",
}


_PAST = pa.schema([("kind", pa.string()), ("sequence", pa.string()), ("since", INSTANT), ("until", INSTANT)])


class Reading(Home):
    """The part of a ledger that never writes."""

    def view(self, candidates: Candidates) -> LedgerView:
        # Read-write only for the tables of the question, which end with it.
        with self._reading("READ WRITE"), self._standing_at(candidates.as_of):
            candidates = as_kept(candidates, self._followed_names())
            occurrences = candidates.occurrences.select(_OCCURRENCE).group_by(list(_OCCURRENCE)).aggregate([])
            stage(self.connection, "candidate_occurrences", occurrences.cast(pa.schema([(name, pa.string()) for name in _OCCURRENCE])))
            stage(self.connection, "whole_sequences", pa.table({"sequence": pa.array(candidates.whole_sequences, pa.string())}))
            stage(
                self.connection,
                "asked",
                pa.table({"sends_since": pa.array([candidates.sends_since], INSTANT), "exits_since": pa.array([candidates.exits_since], INSTANT)}),
            )
            tables = {name: fetch(self.connection, query, VIEW[name]) for name, query in _WHOLE.items()}
            tables["enrollments"] = fetch(self.connection, statement("view_enrollments"), VIEW["enrollments"])
            stage(self.connection, "viewed_enrollments", tables["enrollments"].select(_OCCURRENCE))
            for name in ("decided", "recent_sends"):
                tables[name] = fetch(self.connection, statement(f"view_{name}"), VIEW[name])
            tables["events"] = self._events(candidates.events)
            tables["history"] = self._past(candidates.history)
            for name, wanted in (("ticks", candidates.ticks), ("memberships", candidates.memberships)):
                tables[name] = fetch(self.connection, _OF_TRIGGERS[name], VIEW[name]) if wanted else VIEW[name].empty_table()
            head = self._read_head()
        return LedgerView(tables, head.serial, head.last_now)

    @contextmanager
    def _standing_at(self, moment: datetime | None) -> Iterator[None]:
        """Until the transaction ends, what is read under the tables' names is as it was at the moment; None is now."""
        if moment is not None:
            schema = quoted(self.place.schema)
            stage(self.connection, "as_of", moment_table(moment))
            self.connection.execute(f"SET LOCAL search_path = pg_temp, {schema}; {views(schema)}".encode())
        yield

    def _past(self, asked: Sequence[PastAsked]) -> pa.Table:
        if not asked:
            return VIEW["history"].empty_table()
        rows = [{"kind": past.kind, "sequence": past.sequence, "since": past.since, "until": past.until} for past in asked]
        stage(self.connection, "past_asked", pa.Table.from_pylist(rows, _PAST))
        kinds = dict.fromkeys({"received": "past_received", "enrolled": "past_enrolled"}.get(past.kind, "past_feedback") for past in asked)
        return pa.concat_tables([fetch(self.connection, statement(name), VIEW["history"]) for name in kinds])

    def _events(self, names: tuple[str, ...]) -> pa.Table:
        if not names:
            return VIEW["events"].empty_table()
        stage(self.connection, "asked_events", pa.table({"event": pa.array(names, pa.string())}))
        asked = b"SELECT event, event_id, entity, record, happened_at FROM inbox_events WHERE event IN (SELECT event FROM asked_events)"
        return fetch(self.connection, asked, VIEW["events"])

    def holder(self) -> Holder | None:
        """Who plans at this moment; None when nobody does."""
        with self._reading():
            return read_holder(self.connection)

    def applied_definitions(self) -> AppliedDefinitions | None:
        with self._reading():
            rows = self._rows(
                b'SELECT d.digest, r."commit", d.compiled, r.run_id, r.now FROM runs r JOIN definitions_applied d ON d.digest = r.definitions_digest '
                b"ORDER BY r.serial DESC LIMIT 1"
            )
        return AppliedDefinitions(*rows[0]) if rows else None

    def sends(self, wanted: SendFilter = ALL_SENDS, *, limit: int = 50, offset: int = 0) -> Page[SendRow]:
        with self._reading():
            return self._sends(wanted, limit, offset)

    def _sends(self, wanted: SendFilter, limit: int, offset: int) -> Page[SendRow]:
        names = self._read_names()
        asked = {name: value for name, value in asdict(wanted).items() if value is not None}
        if "sequence" in asked:
            asked["sequence"] = names.kept(asked["sequence"])
        said = [f"s.decided_at >= %({name})s" if name == "since" else f"s.{name} = %({name})s" for name in asked]
        where = " WHERE " + " AND ".join(said or ["TRUE"])
        (total,) = self._row(f"SELECT count(*) FROM sends s{where}".encode(), asked)
        query = f"{_SEND}{self._joined(_SEND_FROM)}{where} ORDER BY s.decided_at DESC, s.number DESC LIMIT %(limit)s OFFSET %(offset)s"
        rows = self._rows(query.encode(), {**asked, "limit": limit, "offset": offset})
        return names.sends(Page(tuple(SendRow(*row) for row in rows), total, offset))

    def _joined(self, query: str) -> str:
        """The query with the tables of personal data, or with nobody's where the role may not read them."""
        for name, nobody in _NOBODY.items():
            if f"{{{name}}}" in query:
                (may_read,) = self._row(b"SELECT has_table_privilege(%(name)s, 'SELECT')", {"name": name})
                query = query.replace(f"{{{name}}}", name if may_read else nobody)
        return query

    def find_sends(self, prefix: str) -> tuple[str, ...]:
        digits = prefix.strip().lower().replace("-", "")
        if len(digits) > 32 or set(digits) - set("0123456789abcdef"):
            return ()
        values = {"low": digits.ljust(32, "0"), "high": digits.ljust(32, "f"), "prefix": prefix.strip().lower()}
        with self._reading():
            rows = self._rows(
                b"""SELECT send_key::text FROM sends WHERE send_key BETWEEN %(low)s::uuid AND %(high)s::uuid AND starts_with(send_key::text, %(prefix)s)
                    ORDER BY send_key LIMIT 10""",
                values,
            )
        return tuple(key for (key,) in rows)

    def show(self, send_key: str) -> SendDetail | None:
        try:
            key = {"key": str(UUID(send_key))}
        except ValueError:
            return None
        query = f"""{_SEND}, s.expires_at, s.judged_at, s.not_before, s.detail, p.variables, s.transport, s.provider_message_id, s.message_id, s.payload_hash,
                    f.sender, f.recipient, f.subject, f.payload
                    {_SEND_FROM} LEFT JOIN {{payloads}} f ON f.send_key = CASE WHEN s.payload_hash IS NULL THEN s.send_key ELSE coalesce(s.message, s.send_key) END
                    WHERE s.send_key = %(key)s::uuid"""
        with self._reading():
            names = self._read_names()
            rows = self._rows(self._joined(query).encode(), key)
            same = f"{_SEND}{_SEND_FROM}{SAME_MESSAGE} WHERE k.send_key = %(key)s::uuid ORDER BY s.item, s.number"
            others = self._rows(self._joined(same).encode(), key)
            attempts = self._rows(
                b"""SELECT coalesce(a.token, o.token) AS token, coalesce(a.started_at, o.said_at) AS started_at, o.said_at, coalesce(a.transport, ''), o.became,
                           coalesce(o.phase, ''), o.code, coalesce(o.enhanced_code, ''), coalesce(o.text, '')
                    FROM (SELECT * FROM attempts WHERE send_key = %(key)s::uuid) a
                    FULL JOIN (SELECT * FROM outcomes WHERE send_key = %(key)s::uuid) o ON o.token = a.token
                    ORDER BY started_at, o.said_at""",
                key,
            )
            told = self._rows(
                b"""SELECT kind, occurred_at FROM events
                    WHERE send_key IN (SELECT unnest(ARRAY[send_key, message]) FROM sends WHERE send_key = %(key)s::uuid) ORDER BY occurred_at, kind""",
                key,
            )
        if not rows:
            return None
        said = (
            tuple(Attempt(*attempt) for attempt in attempts),
            tuple(names.send(SendRow(*other)) for other in others),
            tuple(Told(*one) for one in told),
        )
        fields: tuple[Any, ...] = (names.send(SendRow(*rows[0][:20])), *rows[0][20:], *said)
        return SendDetail(*fields)

    def enrollments(self, wanted: EnrollmentFilter = ALL_ENROLLMENTS, *, limit: int = 50, offset: int = 0) -> Page[EnrollmentRow]:
        names = self.names()
        asked = {name: value for name, value in asdict(wanted).items() if value is not None and name != "live"}
        if "sequence" in asked:
            asked["sequence"] = names.kept(asked["sequence"])
        said = [f"e.{name} = %({name})s" for name in asked]
        if wanted.live is not None:
            said.append("e.exit_at IS NULL" if wanted.live else "e.exit_at IS NOT NULL")
        where = " WHERE " + " AND ".join(said or ["TRUE"])
        query = f"""
            WITH shown AS (
              SELECT e.* FROM enrollments e {where} ORDER BY e.began DESC, {_ordered("e.")} LIMIT %(limit)s OFFSET %(offset)s
            )
            SELECT e.sequence, e.entity, e.record, e.occurrence, e.contact, e.base_date, e.base_at, e.began, e.exit_at, e.exit_reason, e.exit_final,
                   coalesce(l.sends, 0), l.step, l.decided_at, o.taken_by, coalesce(o.note, '')
            FROM shown e
            LEFT JOIN occurrences o ON (o.sequence, o.entity, o.record, o.occurrence) = (e.sequence, e.entity, e.record, e.occurrence) AND o.source = 'hand'
            LEFT JOIN LATERAL (
              SELECT count(*) FILTER (WHERE s.state NOT IN ('skipped', 'cancelled')) AS sends, (array_agg(s.step ORDER BY s.decided_at DESC, s.number DESC))[1] AS step,
                     max(s.decided_at) AS decided_at
              FROM sends s
              WHERE (s.sequence, s.entity, s.record, s.occurrence, s.contact) = (e.sequence, e.entity, e.record, e.occurrence, e.contact)
                AND s.state <> 'cancelled'
            ) l ON TRUE
            ORDER BY e.began DESC, {_ordered("e.")}"""
        with self._reading():
            (total,) = self._row(f"SELECT count(*) FROM enrollments e{where}".encode(), asked)
            rows = self._rows(query.encode(), {**asked, "limit": limit, "offset": offset})
        return names.enrollments(Page(tuple(EnrollmentRow(*row) for row in rows), total, offset))

    def held(self, at: datetime | None = None) -> tuple[ControlRow, ...]:
        with self._reading("READ ONLY" if at is None else "READ WRITE"), self._standing_at(at):
            names = self._read_names()
            rows = self._rows(
                b"""SELECT scope, action, sequence, entity, record, occurrence, contact, until, ordered_by, ordered_at, note FROM controls
                    WHERE lifted_at IS NULL AND scope = 'enrollment' ORDER BY ordered_at, order_id COLLATE "C" """
            )
            return tuple(names.control(ControlRow(*row)) for row in rows)

    def status(self, at: datetime | None = None) -> Status:
        with self._reading():
            names = self._read_names()
            (live,) = self._row(b"SELECT count(*) FROM enrollments WHERE exit_at IS NULL")
            (suppressions,) = self._row(b"SELECT count(DISTINCT address_key) FROM suppressions WHERE lifted_at IS NULL")
            controls = self._rows(
                b"""SELECT scope, action, sequence, entity, record, occurrence, contact, until, ordered_by, ordered_at, note FROM controls c
                    WHERE lifted_at IS NULL AND (%(at)s::timestamp IS NULL OR until IS NULL OR until > %(at)s)
                      -- What was cancelled and has left is done with.
                      AND NOT (action = 'cancelled' AND EXISTS (SELECT 1 FROM enrollments e WHERE e.exit_final
                        AND (e.sequence, e.entity, e.record, e.occurrence, e.contact) = (c.sequence, c.entity, c.record, c.occurrence, c.contact)))
                    ORDER BY CASE scope WHEN 'project' THEN 0 WHEN 'sequence' THEN 1 ELSE 2 END, ordered_at, order_id COLLATE "C" LIMIT 1000""",
                {"at": at},
            )
            return Status(
                head=self._read_head(),
                states=dict(self._rows(b'SELECT state, count(*) FROM sends GROUP BY state ORDER BY state COLLATE "C"')),
                unknown=self._sends(SendFilter(state="unknown"), 100, 0).rows,
                controls=tuple(names.control(ControlRow(*row)) for row in controls),
                runs=_runs(self._rows(f"{_RUN} ORDER BY serial DESC LIMIT 10".encode())),
                enrollments_live=live,
                suppressions=suppressions,
                jobs=dict(self._rows(b"SELECT job, max(now) FROM runs WHERE job IS NOT NULL GROUP BY job ORDER BY job")),
            )

    def close(self) -> None:
        self.connection.close()


def _runs(rows: Sequence[tuple[Any, ...]]) -> tuple[RunRow, ...]:
    read: list[tuple[Any, ...]] = [(*row[:8], json.loads(row[8]), tuple(tuple(override) for override in json.loads(row[9])), row[10]) for row in rows]
    return tuple(RunRow(*row) for row in read)


def _ordered(alias: str) -> str:
    # By code points, whatever the database's collation is: as the embedded ledger orders them.
    return ", ".join(f'{alias}{name} COLLATE "C"' for name in (*_OCCURRENCE, "contact"))
