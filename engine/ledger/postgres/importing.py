"""What another system sent before, taken in by one transaction (a cut-over)."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any

from engine.errors import WrongUsage
from engine.ledger import past as rows
from engine.ledger.chain import Transaction, digest_of
from engine.ledger.identity import held_by
from engine.ledger.past import PAST, Past, TakenPast
from engine.ledger.postgres.home import Home
from engine.ledger.postgres.locking import has_lock, read_holder
from engine.ledger.postgres.tables import stage


class Importing(Home):
    """The part of a ledger that takes over another system's log. Only the holder of the plan's lock does."""

    lock_token: int | None = None

    def take_past(self, past: Past, now: datetime) -> TakenPast:
        if self.lock_token is None:
            raise WrongUsage("this ledger was opened without the plan's lock, and takes no import in")
        return self._write(rows.IMPORTED, now, lambda moving: self._take_past(moving, past, now), by_index=False)

    def _take_past(self, moving: Transaction, past: Past, now: datetime) -> TakenPast:
        if not has_lock(self.connection, self.lock_token or 0):
            raise held_by(str(self.place), read_holder(self.connection))
        values = rows.values_of(past, now)
        moving.cover(past.written)
        for name in PAST:
            table = past.table(name)
            moving.cover(name, table.num_rows, digest_of(table))
            stage(self.connection, f"past_{name}", table)
        self._do("SELECT 1 FROM sends s JOIN past_sends n ON n.send_key = s.send_key ORDER BY s.send_key FOR UPDATE OF s", {})
        self._do(rows.JUDGE.replace("past_judged AS", "past_judged ON COMMIT DROP AS"), {})
        new, sends, doubled = self._row(rows.COUNT.encode())
        if new:
            self._do(rows.insert_sends(), values)
        if sends:
            for sql in rows.STATEMENTS:
                self._do(sql, values)
            self._do(
                "INSERT INTO pii (send_key, address, variables) SELECT send_key, address, '{}' FROM past_judged WHERE address IS NOT NULL AND NOT doubled ON CONFLICT DO NOTHING",
                {},
            )
        enrollments = self._do(rows.ENROLLMENTS, values) + self._do(rows.CORRECT, values)
        occurrences = self._do(rows.OCCURRENCES, values)
        taken = TakenPast(sends, enrollments, occurrences, self._do(rows.PAUSES, values), doubled)
        if not taken.total:
            moving.abandon()
            return taken
        self._do("INSERT INTO orders (order_id, taken_at, written) VALUES ($run, $now, $written) ON CONFLICT DO NOTHING", {**values, "written": past.written})
        self._do(rows.HISTORY, {**values, "serial": self._take_head(moving)})
        return taken

    def _do(self, sql: str, values: dict[str, Any]) -> int:
        """The number of rows that it wrote."""
        if not values:
            return self._run(sql.encode())
        return self._run(re.sub(r"\$(\w+)", r"%(\1)s", sql.replace("%", "%%")).encode(), values)
