"""Feedback beside the sends (semantics 9.7), in the embedded ledger."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import pyarrow as pa

from engine.ledger.duckdb.home import Home
from engine.ledger.feedback import About, EventRow
from engine.ledger.feedback import Listening as Listens
from engine.ledger.records import INSTANT

_EVENTS = pa.schema([("id", pa.string()), ("send_key", pa.string()), ("kind", pa.string()), ("happened_at", INSTANT)])


class Listening(Home, Listens):
    """The part of a ledger that feedback comes to."""

    def _abouts(self, send_keys: Sequence[str], message_ids: Sequence[str]) -> list[About]:
        rows = self._rows(
            "SELECT send_key::VARCHAR, state, address_key, message_id FROM sends WHERE send_key IN (SELECT TRY_CAST(unnest($keys::VARCHAR[]) AS UUID)) "
            "OR message_id IN (SELECT unnest($messages::VARCHAR[])) AND (message IS NULL OR message = send_key)",
            {"keys": list(send_keys), "messages": list(message_ids)},
        )
        return [About(*row) for row in rows]

    def _append_events(self, source: str, rows: Sequence[EventRow], now: datetime) -> int:
        told = [{"id": row.id, "send_key": row.about.send_key, "kind": row.said.kind, "happened_at": row.said.at} for row in rows]
        with self._transaction("feedback", now) as transaction:
            self._stage("told", pa.Table.from_pylist(told, _EVENTS), "* REPLACE (send_key::UUID AS send_key)")
            new = self._rows(
                "INSERT INTO events SELECT $source, id, send_key, kind, happened_at, $now, id FROM told ON CONFLICT DO NOTHING RETURNING provider_event_id",
                {"source": source, "now": now},
            )
            if not new:
                transaction.abandon()
            transaction.cover(source, *sorted(id for (id,) in new))
        return len(new)
