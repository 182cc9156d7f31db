"""Feedback beside the sends (semantics 9.7), in Postgres."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from engine.ledger.chain import Transaction
from engine.ledger.feedback import About, EventRow
from engine.ledger.feedback import Listening as Listens
from engine.ledger.postgres.home import Home


class Listening(Home, Listens):
    """The part of a ledger that feedback comes to; it needs no lock of the plan."""

    def _abouts(self, send_keys: Sequence[str], message_ids: Sequence[str]) -> list[About]:
        with self._reading():
            rows = self._rows(
                b"SELECT send_key::text, state, address_key, message_id FROM sends WHERE send_key::text = ANY(%(keys)s::text[]) "
                b"OR message_id = ANY(%(messages)s::text[]) AND (message IS NULL OR message = send_key)",
                {"keys": [key.strip().lower() for key in send_keys], "messages": list(message_ids)},
            )
        return [About(*row) for row in rows]

    def _append_events(self, source: str, rows: Sequence[EventRow], now: datetime) -> int:
        def work(moving: Transaction) -> int:
            new = self._rows(
                b"""INSERT INTO events (provider, provider_event_id, send_key, kind, occurred_at, received_at, raw_hash)
                    SELECT %(source)s, t.id, t.send_key::uuid, t.kind, t.at, %(now)s, t.id
                    FROM unnest(%(ids)s::text[], %(keys)s::text[], %(kinds)s::text[], %(ats)s::timestamptz[]) AS t (id, send_key, kind, at)
                    ON CONFLICT DO NOTHING RETURNING provider_event_id""",
                {
                    "source": source, "now": now, "ids": [row.id for row in rows], "keys": [row.about.send_key for row in rows],
                    "kinds": [row.said.kind for row in rows], "ats": [row.said.at for row in rows],
                },
            )  # fmt: skip
            if not new:
                moving.abandon()
            moving.cover(source, *sorted(id for (id,) in new))
            return len(new)

        return self._write("feedback", now, work)
