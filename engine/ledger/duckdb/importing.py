"""What another system sent before, taken in by one transaction (a cut-over)."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any

from engine.ledger import past as rows
from engine.ledger.chain import digest_of
from engine.ledger.duckdb.home import Home
from engine.ledger.past import PAST, Past, TakenPast


class Importing(Home):
    """The part of a ledger that takes over another system's log and the people on its paths."""

    def take_past(self, past: Past, now: datetime) -> TakenPast:
        values = rows.values_of(past, now)
        with self._transaction(rows.IMPORTED, now) as transaction:
            transaction.cover(past.written)
            for name, schema in PAST.items():
                table = past.table(name)
                transaction.cover(name, table.num_rows, digest_of(table))
                self._stage(f"past_{name}", table, "* REPLACE (send_key::UUID AS send_key)" if "send_key" in schema.names else "*")
            self._rows("DROP TABLE IF EXISTS temp.past_judged")
            self._rows(rows.JUDGE)
            new, sends, doubled = self._row(rows.COUNT)
            if new:
                self._do(rows.insert_sends("$number + row_number() OVER (ORDER BY decided_at, send_key)"), {**values, "number": self._take_numbers(new)})
            if sends:
                for sql in rows.STATEMENTS:
                    self._do(sql, values)
                self._do(
                    "INSERT INTO pii (send_key, number, address, variables) SELECT n.send_key, s.number, n.address, '{}' FROM past_judged n "
                    "JOIN sends s ON s.send_key = n.send_key WHERE n.address IS NOT NULL AND NOT n.doubled ORDER BY s.number ON CONFLICT DO NOTHING",
                    {},
                )
            taken = TakenPast(
                sends=sends,
                enrollments=self._do(rows.ENROLLMENTS, values) + self._do(rows.CORRECT, values),
                occurrences=self._do(rows.OCCURRENCES, values),
                pauses=self._do(rows.PAUSES, values),
                doubled=doubled,
            )
            self._do(rows.HISTORY, {**values, "serial": transaction.serial})
            self._do("INSERT INTO orders VALUES ($run, $now, $written) ON CONFLICT DO NOTHING", {**values, "written": past.written})
            if not taken.total:
                transaction.abandon()
        return taken

    def _do(self, sql: str, values: dict[str, Any]) -> int:
        """The number of rows that it wrote."""
        named = set(re.findall(r"\$(\w+)", sql))
        return int(self._row(sql, {name: value for name, value in values.items() if name in named})[0])
