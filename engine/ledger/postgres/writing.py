"""What one plan decided, written in one transaction (T1, semantics 9.1 and 9.6)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

from engine.errors import WrongUsage
from engine.failpoints import failpoint
from engine.ledger.chain import Transaction, digest_of
from engine.ledger.committing import committed, refuse_earlier, refuse_unknown, run_values
from engine.ledger.identity import held_by
from engine.ledger.postgres.home import Home
from engine.ledger.postgres.locking import has_lock, read_holder
from engine.ledger.postgres.statements import statement
from engine.ledger.postgres.tables import stage
from engine.ledger.records import CHANGES, OF_TRIGGERS, Changes, Committed, Run


class Writing(Home):
    """The part of a ledger that takes a plan in. Only the holder of the plan's lock does."""

    lock_token: int | None = None

    def commit(self, run: Run, changes: Changes) -> Committed:
        failpoint("FP1")
        if self.lock_token is None:
            raise WrongUsage("this ledger was opened without the plan's lock, and takes no plan in")
        refuse_unknown(changes)
        return self._write("plan", run.now, lambda moving: self._commit(moving, run, changes), inside="FP2", after="FP3", by_index=False)

    def _commit(self, moving: Transaction, run: Run, changes: Changes) -> Committed:
        if not has_lock(self.connection, self.lock_token or 0):
            raise held_by(str(self.place), read_holder(self.connection))
        head = self._read_head()
        if self._rows(b"SELECT 1 FROM runs WHERE run_id = %(id)s", {"id": run.run_id}):
            moving.abandon()
            return Committed(head.serial, already=True)
        refuse_earlier(run, head.last_now)
        self._stage_changes(moving, changes)
        done = self._write_sends(run)
        self._write_enrollments(run)
        self._close_gate()
        serial = self._take_head(moving)
        self._write_run(moving, run)
        self._write_introductions(moving, run.now)
        self._write_segments(moving, changes, run.now)
        self._write_audiences(moving, changes, run.now)
        self._write_triggers(changes, run.now, serial)
        self._write_history(moving, run)
        return replace(done, head=serial)

    def finish_run(self, run_id: str, outcome: str, counts: Mapping[str, int], now: datetime) -> None:
        failpoint("FP14")

        def work(moving: Transaction) -> None:
            moving.cover(run_id, outcome)
            self._run(
                b"UPDATE runs SET ended_at = %(now)s, outcome = %(outcome)s, counts = %(counts)s WHERE run_id = %(id)s",
                {"id": run_id, "now": now, "outcome": outcome, "counts": json.dumps(dict(counts), sort_keys=True)},
            )

        self._write("end", now, work)

    def _stage_changes(self, moving: Transaction, changes: Changes) -> None:
        for name, schema in CHANGES.items():
            table = changes.table(name).select(schema.names).cast(schema)
            moving.cover(name, table.num_rows, digest_of(table))
            if table.num_rows or name not in OF_TRIGGERS:
                stage(self.connection, f"new_{name}", table)

    def _write_run(self, moving: Transaction, run: Run) -> None:
        moving.cover(run.run_id, run.definitions_digest, run.facts_digest, run.plan_digest)
        self._run(
            b"INSERT INTO definitions_applied (digest, compiled, first_run, first_now) VALUES (%(digest)s, %(compiled)s, %(run)s, %(now)s) ON CONFLICT DO NOTHING",
            {"digest": run.definitions_digest, "compiled": run.compiled, "run": run.run_id, "now": run.now},
        )
        self._run(
            b"""INSERT INTO runs (run_id, serial, now, engine_version, definitions_digest, "commit", facts_digest, plan_digest, tzdata, host, pid,
                                 overrides, planned, job)
               VALUES (%(run)s, %(serial)s, %(now)s, %(engine)s, %(digest)s, %(commit)s, %(facts)s, %(plan)s, %(tzdata)s, %(host)s, %(pid)s, %(overrides)s, %(planned)s, %(job)s)""",
            run_values(run, moving.serial),
        )

    def _write_introductions(self, moving: Transaction, now: datetime) -> None:
        serial = {"serial": moving.serial}
        self._run(
            b"""INSERT INTO starts (sequence, serial, started)
                SELECT n.sequence, %(serial)s, n.started FROM new_starts n
                LEFT JOIN (SELECT DISTINCT ON (sequence) sequence, started FROM starts ORDER BY sequence, serial DESC) l USING (sequence)
                WHERE n.started IS DISTINCT FROM l.started""",
            serial,
        )
        self._run(
            b"""INSERT INTO step_starts (sequence, step, serial, started)
                SELECT n.sequence, n.step, %(serial)s, n.started FROM new_step_starts n
                LEFT JOIN (SELECT DISTINCT ON (sequence, step) sequence, step, started FROM step_starts ORDER BY sequence, step, serial DESC) l
                  USING (sequence, step)
                WHERE n.started IS DISTINCT FROM l.started""",
            serial,
        )
        self._run(b"INSERT INTO names (sequence, step, serial, name, since) SELECT sequence, step, %(serial)s, name, since FROM new_names", serial)
        self._run(b"INSERT INTO followed (sequence, serial, said, since, day) SELECT sequence, %(serial)s, said, since, day FROM new_followed", serial)
        self._run(b"INSERT INTO fact_counts (serial, entity, records) SELECT %(serial)s, entity, records FROM new_fact_counts", serial)
        self._run(
            b"""INSERT INTO occurrences (sequence, entity, record, occurrence, base_at, source, override, note, taken_by, taken_at)
                SELECT sequence, entity, record, occurrence, base_at, source, FALSE, coalesce(note, ''), 'plan', %(now)s FROM new_occurrences
                ON CONFLICT DO NOTHING""",
            {"now": now},
        )

    def _write_audiences(self, moving: Transaction, changes: Changes, now: datetime) -> None:
        if changes.table("audiences").num_rows:
            self._run(
                b"""INSERT INTO audience_counts (sequence, serial, digest, people, counted_at)
                    SELECT n.sequence, %(serial)s, n.digest, n.people, %(now)s FROM new_audiences n
                    LEFT JOIN (SELECT DISTINCT ON (sequence) sequence, digest, people FROM audience_counts ORDER BY sequence, serial DESC) l USING (sequence)
                    WHERE (n.digest, n.people) IS DISTINCT FROM (l.digest, l.people)""",
                {"serial": moving.serial, "now": now},
            )

    def _write_segments(self, moving: Transaction, changes: Changes, now: datetime) -> None:
        if changes.table("segment_counts").num_rows:
            self._run(
                b"""INSERT INTO segment_counts (serial, segment, members, counted_at)
                    SELECT %(serial)s, n.segment, n.members, %(now)s FROM new_segment_counts n
                    LEFT JOIN (SELECT DISTINCT ON (segment) segment, members FROM segment_counts ORDER BY segment, serial DESC) l USING (segment)
                    WHERE n.members IS DISTINCT FROM l.members""",
                {"serial": moving.serial, "now": now},
            )
        if changes.table("segment_uses").num_rows:
            self._run(
                b"INSERT INTO segment_uses (segment, sequence, enrolled, used_at) SELECT segment, sequence, enrolled, %(now)s FROM new_segment_uses",
                {"now": now},
            )

    def _write_triggers(self, changes: Changes, now: datetime, serial: int) -> None:
        """Times that were taken, and who is in the segments that sequences wait on (3.3, 3.4)."""
        at = {"now": now}
        if changes.table("ticks").num_rows:
            ticks = b"INSERT INTO ticks (sequence, tick, base_at, closed_at) SELECT sequence, tick, base_at, %(now)s FROM new_ticks ON CONFLICT DO NOTHING"
            self._run(ticks, at)
        if changes.table("memberships").num_rows:
            self._run(
                b"""INSERT INTO memberships (sequence, record, member, changed_at) SELECT sequence, record, member, %(now)s FROM new_memberships
                    ON CONFLICT (sequence, record) DO UPDATE SET member = excluded.member, changed_at = excluded.changed_at""",
                at,
            )
        if changes.table("rosters").num_rows:
            rosters = b"INSERT INTO rosters (sequence, serial, digest, kept_at) SELECT sequence, %(serial)s, digest, %(now)s FROM new_rosters"
            self._run(rosters, {**at, "serial": serial})

    def _write_enrollments(self, run: Run) -> None:
        self._run(
            b"""INSERT INTO enrollments (sequence, entity, record, occurrence, contact, base_date, base_at, began, run_id)
                SELECT sequence, entity, record, occurrence, contact, base_date, base_at, %(now)s, %(run)s FROM new_enrollments
                ON CONFLICT DO NOTHING""",
            {"now": run.now, "run": run.run_id},
        )
        self._run(statement("returns"))
        self._run(statement("exits"), {"now": run.now})

    def _write_history(self, moving: Transaction, run: Run) -> None:
        values = {"serial": moving.serial, "now": run.now, "run": run.run_id}
        self._run(
            b"""INSERT INTO enrollment_history (sequence, entity, record, occurrence, contact, serial, happened_at, happened, reason, final, run_id)
                SELECT sequence, entity, record, occurrence, contact, %(serial)s, %(now)s, 'returned', NULL, NULL::boolean, %(run)s FROM new_returns
                UNION ALL
                SELECT sequence, entity, record, occurrence, contact, %(serial)s, %(now)s, 'exited', reason, final, %(run)s FROM new_exits""",
            values,
        )
        # A cancellation is an order until the exit that it asked for is written.
        self._run(
            b"""UPDATE controls SET lifted_at = %(now)s, lifted_by = 'exit'
                FROM new_exits n
                WHERE controls.lifted_at IS NULL AND controls.action = 'cancelled' AND n.reason = 'cancelled'
                  AND controls.sequence = n.sequence AND controls.entity = n.entity AND controls.record = n.record
                  AND controls.occurrence = n.occurrence AND controls.contact = n.contact""",
            {"now": run.now},
        )

    def _write_sends(self, run: Run) -> Committed:
        at_run = {"now": run.now, "run_id": run.run_id}
        self._rows(statement("lock_sends"))
        cancelled = [state for (state,) in self._rows(statement("cancel_sends"), {"now": run.now})]
        moved = [state for (state,) in self._rows(statement("skip_planned"), at_run)]
        (wanted_skips,) = self._row(b"SELECT count(*) FROM new_skips")
        new_skips = self._run(statement("insert_skips"), at_run)
        self._run(statement("judge_sends"))
        self._run(b"ANALYZE judged")
        if self._rows(b"SELECT 1 FROM judged WHERE message IS NOT NULL LIMIT 1"):
            self._run(statement("judge_messages"))
        acts: dict[str, int] = dict(self._rows(b"SELECT act, count(*) FROM judged GROUP BY act"))
        if acts.get("insert"):
            self._run(statement("insert_sends"), at_run)
        if acts.keys() & {"keep", "refresh", "revive"}:
            self._run(statement("refresh_sends"), at_run)
            self._run(statement("thaw"))
        if acts.get("cancel"):
            self._run(b"TRUNCATE new_cancels")
            self._run(b"INSERT INTO new_cancels (send_key, reason) SELECT send_key, 'duplicate_address' FROM judged WHERE act = 'cancel'")
            cancelled += [state for (state,) in self._rows(statement("cancel_sends"), {"now": run.now})]
        if acts.keys() & {"insert", "refresh", "revive"}:
            self._run(statement("take_slots"))
            self._run(statement("keep_pii"))
        (wanted_sends,) = self._row(b"SELECT count(*) FROM new_sends")
        return committed(0, acts, moved=moved, cancelled=cancelled, new_skips=new_skips, wanted_skips=wanted_skips, wanted_sends=wanted_sends)
