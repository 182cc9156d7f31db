"""How segments grew and what used them, and which notices went to whom: beside the sends, never part of a plan's view."""

from __future__ import annotations

from datetime import date, datetime

from engine.ledger.duckdb.home import Home
from engine.ledger.history import SegmentCount, SegmentHistory, SegmentUse


class SegmentReading(Home):
    """What is asked about segments."""

    def segment_history(self, segment: str) -> SegmentHistory:
        named, names = {"segment": segment}, self.names()
        counts = self._rows("SELECT counted_at, members FROM segment_counts WHERE segment = $segment ORDER BY serial", named)
        uses = self._rows("SELECT used_at, sequence, enrolled FROM segment_uses WHERE segment = $segment ORDER BY used_at, sequence", named)
        return SegmentHistory(
            tuple(SegmentCount(*row) for row in counts), tuple(SegmentUse(at, names.name(names.kept(sequence)), enrolled) for at, sequence, enrolled in uses)
        )


class Noticing(Home):
    """Notices to owners: one a day, whoever sends it."""

    def begin_notice(self, owner: str, day: date, findings: int, now: datetime) -> bool:
        with self._transaction("notice", now) as transaction:
            taken = self._rows(
                """INSERT INTO notices VALUES ($owner, $day, 'sending', $findings, $now)
                   ON CONFLICT (owner, day) DO UPDATE SET state = 'sending', findings = excluded.findings, told_at = excluded.told_at WHERE notices.state = 'failed'
                   RETURNING owner""",
                {"owner": owner, "day": day, "findings": findings, "now": now},
            )
            if not taken:
                transaction.abandon()
            transaction.cover(owner, day.isoformat(), findings)
        return bool(taken)

    def end_notice(self, owner: str, day: date, state: str, now: datetime) -> None:
        with self._transaction("notice", now) as transaction:
            transaction.cover(owner, day.isoformat(), state)
            values = {"owner": owner, "day": day, "state": state, "now": now}
            self._rows("UPDATE notices SET state = $state, told_at = $now WHERE owner = $owner AND day = $day", values)
