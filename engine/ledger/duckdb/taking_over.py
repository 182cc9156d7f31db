"""A backup takes over what is known of the time after it, and shuts out what is not (reliability.md §3.8 6)."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from engine.ledger.care import RESTORED, WHOLE_PROJECT
from engine.ledger.chain import Transaction
from engine.ledger.duckdb.home import Home
from engine.ledger.duckdb.statements import statement

_ENROLLMENT = "sequence, entity, record, occurrence, contact"
_BESIDE = "SELECT b.* FROM newer.{table} b SEMI JOIN taken t ON t.send_key = b.send_key"
# In force in the newer ledger: a stop or an unsubscription is not undone by a restore. What was lifted since stays in force.
_IN_FORCE = {
    "suppressions": ("address_key", "reason", "topic"),
    "controls": ("scope", "action", "sequence", "entity", "record", "occurrence", "contact", "until"),
}


class TakingOver(Home):
    """A backup on its way to be the ledger. Where a newer ledger could be read it is attached as `newer`."""

    def take_over(self, *, has_newer: bool, passed_over: datetime | None, delivered: Collection[str], now: datetime) -> tuple[int, int]:
        """Make it safe to send from: how many sends were taken over, and how many are in doubt now.

        `passed_over` is given where not all is known: nothing that was due before it is sent. `delivered` are the keys that a transport
        remembers by itself.
        """
        with self._transaction("restore", now) as transaction:
            taken = self._take_newer(transaction) if has_newer else 0
            in_doubt = 0
            if passed_over is not None:
                in_doubt = self._doubt_what_was_due(list(delivered), passed_over)
                self._rows(
                    "INSERT INTO starts VALUES ($whole, $serial, $instant)", {"whole": WHOLE_PROJECT, "serial": transaction.serial, "instant": passed_over}
                )
            transaction.cover("restore", taken, in_doubt, passed_over)
        return taken, in_doubt

    def _take_newer(self, transaction: Transaction) -> int:
        serial = {"serial": transaction.serial}
        (most,) = self._row("SELECT greatest((SELECT next_number FROM ledger_meta), (SELECT coalesce(max(number), 0) FROM sends))")
        self._rows(statement("restore_taken"), {"number": most})
        (taken, added) = self._row("SELECT count(*), count(*) FILTER (is_new) FROM taken")
        self._next_number = most + added
        self._rows(
            f"""INSERT INTO enrollment_history
                SELECT h.* REPLACE ($serial AS serial) FROM newer.enrollment_history h
                WHERE NOT EXISTS (FROM enrollments e WHERE ({_of("e")}) = ({_of("h")}))""",
            serial,
        )
        for table in ("definitions_applied", "occurrences", "enrollments", "orders", "events", "inbox_events", "ticks"):
            self._rows(f"INSERT INTO {table} SELECT * FROM newer.{table} ON CONFLICT DO NOTHING")
        self._rows("INSERT INTO runs SELECT * REPLACE ($serial AS serial) FROM newer.runs ON CONFLICT DO NOTHING", serial)
        for table, keys in (("starts", "sequence"), ("step_starts", "sequence, step")):
            # A later row holds; under this transaction's serial no future start is older than one that was taken over.
            self._rows(
                f"""INSERT INTO {table} BY NAME
                    SELECT {keys}, $serial AS serial, arg_max(started, n.serial) AS started FROM newer.{table} n ANTI JOIN {table} USING ({keys}) GROUP BY {keys}""",
                serial,
            )
        # Who was a member is as the newer ledger saw it last, whatever it was then.
        self._rows(
            """INSERT INTO memberships SELECT * FROM newer.memberships
               ON CONFLICT DO UPDATE SET member = excluded.member, changed_at = excluded.changed_at"""
        )
        self._rows(
            """INSERT INTO rosters SELECT sequence, $serial, arg_max(digest, serial), max(kept_at) FROM newer.rosters GROUP BY sequence""",
            serial,
        )
        for table, keys, rest in (("names", "sequence, step", "name, since"), ("followed", "sequence", "said, since, day")):
            # What the ledger that is replaced saw later; they stand in the order of `since`.
            self._rows(
                f"""INSERT INTO {table} BY NAME
                    SELECT {keys}, $serial AS serial, {rest} FROM newer.{table} n ANTI JOIN {table} USING ({keys}, since)""",
                serial,
            )
        for table, columns in _IN_FORCE.items():
            same = " AND ".join(f"o.{column} IS NOT DISTINCT FROM n.{column}" for column in columns)
            self._rows(
                f"INSERT INTO {table} SELECT * FROM newer.{table} n WHERE lifted_at IS NULL AND NOT EXISTS (FROM {table} o WHERE o.lifted_at IS NULL AND {same})"
            )
        self._write_taken()
        self._rows("UPDATE ledger_meta SET last_now = greatest(last_now, (SELECT last_now FROM newer.ledger_meta))")
        transaction.cover(*(row for row in self._rows("SELECT send_key::VARCHAR, state, token FROM taken ORDER BY send_key")))
        return int(taken)

    def _write_taken(self) -> None:
        columns = [
            name
            for (name,) in self._rows(
                "SELECT column_name FROM duckdb_columns() WHERE table_name = 'sends' AND database_name = current_database() ORDER BY column_index"
            )
        ]
        # The key columns and what they name stay as they are: only what moves is moved.
        fixed = {"send_key", "number", "sequence", "step", "entity", "record", "occurrence", "contact"}
        moved = ", ".join(f'"{name}" = excluded."{name}"' for name in columns if name not in fixed)
        self._rows(f"INSERT INTO sends BY NAME SELECT * EXCLUDE (is_new) FROM taken ORDER BY number ON CONFLICT DO UPDATE SET {moved}")
        self._rows(
            """INSERT INTO address_slots
               SELECT sequence, step, entity, record, occurrence, address_key, send_key FROM taken
               WHERE address_key IS NOT NULL AND state NOT IN ('skipped', 'cancelled')
               ON CONFLICT DO UPDATE SET holder = excluded.holder"""
        )
        self._rows(f"INSERT INTO attempts {_BESIDE.format(table='attempts')} ON CONFLICT DO NOTHING")
        self._rows(
            f"INSERT INTO outcomes {_BESIDE.format(table='outcomes')} EXCEPT ALL SELECT o.* FROM outcomes o SEMI JOIN taken t ON t.send_key = o.send_key"
        )
        for table, columns_of in (("pii", ("address", "name", "variables")), ("payloads", ("sender", "recipient", "subject", "payload"))):
            sets = ", ".join(f"{column} = excluded.{column}" for column in columns_of)
            self._rows(
                f"""INSERT INTO {table} SELECT b.* REPLACE (t.number AS number) FROM newer.{table} b JOIN taken t ON t.send_key = b.send_key
                    ON CONFLICT DO UPDATE SET {sets}"""
            )
        # What was forgotten since the backup stays forgotten.
        gone = "send_key IN (SELECT n.send_key FROM newer.sends n ANTI JOIN newer.pii p ON p.send_key = n.send_key)"
        for table in ("pii", "payloads"):
            self._rows(f"DELETE FROM {table} WHERE {gone}")
        self._rows(f"UPDATE outcomes SET text = '' WHERE text <> '' AND {gone}")

    def _doubt_what_was_due(self, delivered: list[str], now: datetime) -> int:
        """Rows that the backup has as planned may have left since: a doubt, or sent where the transport remembers the key."""
        meant = "(state IN ('claimed', 'dispatching') OR (state = 'planned' AND due_at <= $now))"
        values = {"now": now, "delivered": delivered}
        self._rows(
            f"""CREATE OR REPLACE TEMP TABLE doubtful AS
                SELECT send_key, number, token, list_contains($delivered::VARCHAR[], send_key::VARCHAR) AS is_there FROM sends WHERE {meant}""",
            values,
        )
        self._rows(
            """UPDATE sends SET state = CASE WHEN d.is_there THEN 'sent' ELSE 'unknown' END, reason = CASE WHEN NOT d.is_there THEN $why END,
                                sent_at = CASE WHEN d.is_there THEN $now END, ambiguous = NOT d.is_there, token = sends.token + 1, owner = NULL,
                                lease_until = NULL, known_until = NULL, updated_at = $now
               FROM doubtful d WHERE sends.send_key = d.send_key""",
            {"now": now, "why": RESTORED},
        )
        self._rows(
            """INSERT INTO outcomes
               SELECT send_key, token, $now, CASE WHEN is_there THEN 'sent' ELSE 'unknown' END, CASE WHEN is_there THEN 'sent' ELSE 'unknown' END, $why, NULL, '', ''
               FROM doubtful""",
            {"now": now, "why": RESTORED},
        )
        return int(self._row("SELECT count(*) FILTER (NOT is_there) FROM doubtful")[0])


def _of(alias: str) -> str:
    return ", ".join(f"{alias}.{name}" for name in _ENROLLMENT.split(", "))
