"""How segments grew and what used them, and which notices went to whom: beside the sends, never part of a plan's view."""

from __future__ import annotations

from datetime import date, datetime

from engine.ledger.chain import Transaction
from engine.ledger.history import SegmentCount, SegmentHistory, SegmentUse
from engine.ledger.postgres.home import Home


class SegmentReading(Home):
    """What is asked about segments."""

    def segment_history(self, segment: str) -> SegmentHistory:
        named, names = {"segment": segment}, self.names()
        with self._reading():
            counts = self._rows(b"SELECT counted_at, members FROM segment_counts WHERE segment = %(segment)s ORDER BY serial", named)
            uses = self._rows(b'SELECT used_at, sequence, enrolled FROM segment_uses WHERE segment = %(segment)s ORDER BY used_at, sequence COLLATE "C"', named)
        return SegmentHistory(
            tuple(SegmentCount(*row) for row in counts), tuple(SegmentUse(at, names.name(names.kept(sequence)), enrolled) for at, sequence, enrolled in uses)
        )


class Noticing(Home):
    """Notices to owners: one a day, whoever sends it."""

    def begin_notice(self, owner: str, day: date, findings: int, now: datetime) -> bool:
        def work(moving: Transaction) -> bool:
            taken = self._run(
                b"""INSERT INTO notices (owner, day, state, findings, told_at) VALUES (%(owner)s, %(day)s, 'sending', %(findings)s, %(now)s)
                    ON CONFLICT (owner, day) DO UPDATE SET state = 'sending', findings = excluded.findings, told_at = excluded.told_at
                    WHERE notices.state = 'failed'""",
                {"owner": owner, "day": day, "findings": findings, "now": now},
            )
            if not taken:
                moving.abandon()
            moving.cover(owner, day.isoformat(), findings)
            return bool(taken)

        return self._write("notice", now, work)

    def end_notice(self, owner: str, day: date, state: str, now: datetime) -> None:
        def work(moving: Transaction) -> None:
            moving.cover(owner, day.isoformat(), state)
            values = {"owner": owner, "day": day, "state": state, "now": now}
            self._run(b"UPDATE notices SET state = %(state)s, told_at = %(now)s WHERE owner = %(owner)s AND day = %(day)s", values)

        self._write("notice", now, work)
