"""What one plan decided, written in one transaction (T1, semantics 9.1 and 9.6)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime

from engine.failpoints import failpoint
from engine.ledger.chain import Transaction, digest_of
from engine.ledger.committing import committed, refuse_earlier, refuse_unknown, run_values
from engine.ledger.duckdb.home import Home
from engine.ledger.duckdb.statements import statement
from engine.ledger.records import CHANGES, Changes, Committed, Run

_KEYED = "* REPLACE (send_key::UUID AS send_key)"

_INTRODUCTIONS = {
    "starts": """INSERT INTO starts
        SELECT n.sequence, $serial, n.started FROM new_starts n
        LEFT JOIN (SELECT sequence, arg_max(started, serial) AS started FROM starts GROUP BY ALL) l USING (sequence)
        WHERE n.started IS DISTINCT FROM l.started""",
    "step_starts": """INSERT INTO step_starts
        SELECT n.sequence, n.step, $serial, n.started FROM new_step_starts n
        LEFT JOIN (SELECT sequence, step, arg_max(started, serial) AS started FROM step_starts GROUP BY ALL) l USING (sequence, step)
        WHERE n.started IS DISTINCT FROM l.started""",
    "names": "INSERT INTO names SELECT sequence, step, $serial, name, since FROM new_names",
    "followed": "INSERT INTO followed SELECT sequence, $serial, said, since, day FROM new_followed",
    "fact_counts": "INSERT INTO fact_counts SELECT $serial, entity, records FROM new_fact_counts",
    "occurrences": """INSERT INTO occurrences
        SELECT sequence, entity, record, occurrence, base_at, source, FALSE, coalesce(note, ''), 'plan', $now FROM new_occurrences
        ON CONFLICT DO NOTHING""",
}


class Writing(Home):
    """The part of a ledger that takes a plan in."""

    def commit(self, run: Run, changes: Changes) -> Committed:
        failpoint("FP1")
        if self._rows("SELECT 1 FROM runs WHERE run_id = $id", {"id": run.run_id}):
            return Committed(self._head.serial, already=True)
        refuse_earlier(run, self._head.last_now)
        with self._transaction("plan", run.now, inside="FP2", after="FP3") as transaction:
            self._stage_changes(transaction, changes)
            self._write_run(transaction, run)
            self._write_introductions(transaction, changes, run.now)
            self._write_segments(transaction, changes, run.now)
            self._write_audiences(transaction, changes, run.now)
            self._write_triggers(changes, run.now, transaction.serial)
            self._write_enrollments(transaction, changes, run)
            return self._write_sends(run, changes, transaction.serial)

    def finish_run(self, run_id: str, outcome: str, counts: Mapping[str, int], now: datetime) -> None:
        failpoint("FP14")
        with self._transaction("end", now) as transaction:
            transaction.cover(run_id, outcome)
            self._rows(
                "UPDATE runs SET ended_at = $now, outcome = $outcome, counts = $counts WHERE run_id = $id",
                {"id": run_id, "now": now, "outcome": outcome, "counts": json.dumps(dict(counts), sort_keys=True)},
            )

    def _stage_changes(self, transaction: Transaction, changes: Changes) -> None:
        refuse_unknown(changes)
        for name, schema in CHANGES.items():
            table = changes.table(name).select(schema.names).cast(schema)
            transaction.cover(name, table.num_rows, digest_of(table))
            if table.num_rows:
                self._stage(f"new_{name}", table, _KEYED if "send_key" in schema.names else "*")

    def _write_run(self, transaction: Transaction, run: Run) -> None:
        transaction.cover(run.run_id, run.definitions_digest, run.facts_digest, run.plan_digest)
        self._rows(
            "INSERT INTO definitions_applied VALUES ($digest, $compiled, $run, $now) ON CONFLICT DO NOTHING",
            {"digest": run.definitions_digest, "compiled": run.compiled, "run": run.run_id, "now": run.now},
        )
        self._rows(
            """INSERT INTO runs (run_id, serial, now, engine_version, definitions_digest, "commit", facts_digest, plan_digest, tzdata, host, pid,
                                 overrides, planned, job)
               VALUES ($run, $serial, $now, $engine, $digest, $commit, $facts, $plan, $tzdata, $host, $pid, $overrides, $planned, $job)""",
            run_values(run, transaction.serial),
        )

    def _write_introductions(self, transaction: Transaction, changes: Changes, now: datetime) -> None:
        serial = {"serial": transaction.serial}
        for name, sql in _INTRODUCTIONS.items():
            if changes.table(name).num_rows:
                self._rows(sql, {"now": now} if name == "occurrences" else serial)

    def _write_audiences(self, transaction: Transaction, changes: Changes, now: datetime) -> None:
        if changes.table("audiences").num_rows:
            self._rows(
                """INSERT INTO audience_counts
                   SELECT n.sequence, $serial, n.digest, n.people, $now FROM new_audiences n
                   LEFT JOIN (SELECT DISTINCT ON (sequence) sequence, digest, people FROM audience_counts ORDER BY sequence, serial DESC) l USING (sequence)
                   WHERE (n.digest, n.people) IS DISTINCT FROM (l.digest, l.people)""",
                {"serial": transaction.serial, "now": now},
            )

    def _write_segments(self, transaction: Transaction, changes: Changes, now: datetime) -> None:
        if changes.table("segment_counts").num_rows:
            self._rows(
                """INSERT INTO segment_counts
                   SELECT $serial, n.segment, n.members, $now FROM new_segment_counts n
                   LEFT JOIN (SELECT segment, arg_max(members, serial) AS members FROM segment_counts GROUP BY ALL) l USING (segment)
                   WHERE n.members IS DISTINCT FROM l.members""",
                {"serial": transaction.serial, "now": now},
            )
        if changes.table("segment_uses").num_rows:
            self._rows("INSERT INTO segment_uses SELECT segment, sequence, enrolled, $now FROM new_segment_uses", {"now": now})

    def _write_triggers(self, changes: Changes, now: datetime, serial: int) -> None:
        """Times that were taken, and who is in the segments that sequences wait on (3.3, 3.4)."""
        if changes.table("ticks").num_rows:
            self._rows("INSERT INTO ticks SELECT sequence, tick, base_at, $now FROM new_ticks ON CONFLICT DO NOTHING", {"now": now})
        if changes.table("memberships").num_rows:
            self._rows(
                """INSERT INTO memberships SELECT sequence, record, member, $now FROM new_memberships
                   ON CONFLICT DO UPDATE SET member = excluded.member, changed_at = excluded.changed_at""",
                {"now": now},
            )
        if changes.table("rosters").num_rows:
            self._rows("INSERT INTO rosters SELECT sequence, $serial, digest, $now FROM new_rosters", {"serial": serial, "now": now})

    def _write_enrollments(self, transaction: Transaction, changes: Changes, run: Run) -> None:
        if changes.table("enrollments").num_rows:
            self._rows(
                """INSERT INTO enrollments (sequence, entity, record, occurrence, contact, base_date, base_at, began, run_id)
                   SELECT sequence, entity, record, occurrence, contact, base_date, base_at, $now, $run FROM new_enrollments
                   ON CONFLICT DO NOTHING""",
                {"now": run.now, "run": run.run_id},
            )
        for name, happened, reason in (("returns", "returned", "NULL, NULL"), ("exits", "exited", "reason, final")):
            if changes.table(name).num_rows:
                self._rows(statement(name), {"now": run.now} if name == "exits" else None)
                self._rows(
                    f"""INSERT INTO enrollment_history
                        SELECT sequence, entity, record, occurrence, contact, $serial, $now, '{happened}', {reason}, $run FROM new_{name}""",
                    {"serial": transaction.serial, "now": run.now, "run": run.run_id},
                )
        if changes.table("exits").num_rows:
            # A cancellation is an order until the exit that it asked for is written.
            self._rows(
                """UPDATE controls SET lifted_at = $now, lifted_by = 'exit'
                   FROM new_exits n
                   WHERE controls.lifted_at IS NULL AND controls.action = 'cancelled' AND n.reason = 'cancelled'
                     AND controls.sequence = n.sequence AND controls.entity = n.entity AND controls.record = n.record
                     AND controls.occurrence = n.occurrence AND controls.contact = n.contact""",
                {"now": run.now},
            )

    def _write_sends(self, run: Run, changes: Changes, serial: int) -> Committed:
        at_run = {"now": run.now, "run_id": run.run_id}
        cancelled = self._cancel_sends(run.now) if changes.table("cancels").num_rows else []
        moved: list[str] = []
        new_skips = 0
        if changes.table("skips").num_rows:
            moved = [state for (state,) in self._rows(statement("skip_planned"), at_run)]
            (new_skips,) = self._row("SELECT count(*) FROM new_skips n WHERE NOT EXISTS (SELECT 1 FROM sends s WHERE s.send_key = n.send_key)")
        if new_skips:
            self._rows(statement("insert_skips"), {**at_run, "number": self._take_numbers(new_skips)})
        acts: dict[str, int] = {}
        if changes.table("sends").num_rows:
            self._rows(statement("judge_sends"))
            if self._rows("SELECT 1 FROM judged WHERE message IS NOT NULL LIMIT 1"):
                self._rows(statement("judge_messages"))
            acts = dict(self._rows("SELECT act, count(*) FROM judged GROUP BY act"))
        if acts.get("insert"):
            self._rows(statement("insert_sends"), {**at_run, "number": self._take_numbers(acts["insert"])})
        if acts.keys() & {"keep", "refresh", "revive"}:
            self._rows(statement("refresh_sends"), at_run)
            self._rows(statement("thaw"))
        if acts.get("cancel"):
            self._rows("CREATE OR REPLACE TEMP TABLE new_cancels AS SELECT send_key, 'duplicate_address' AS reason FROM judged WHERE act = 'cancel'")
            cancelled += self._cancel_sends(run.now)
        if acts.keys() & {"insert", "refresh", "revive"}:
            self._rows(statement("take_slots"))
            self._rows(statement("keep_pii"))
        wanted_skips, wanted_sends = changes.table("skips").num_rows, changes.table("sends").num_rows
        return committed(serial, acts, moved=moved, cancelled=cancelled, new_skips=new_skips, wanted_skips=wanted_skips, wanted_sends=wanted_sends)

    def _cancel_sends(self, now: datetime) -> list[str]:
        """What became of each row that `new_cancels` names."""
        return [state for (state,) in self._rows(statement("cancel_sends"), {"now": now})]
