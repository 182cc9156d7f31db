"""Erasing what is personal: addresses, names, variables, mails, texts of servers. Send keys, keyed hashes and suppressions stay."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

import psycopg

from engine.errors import EngineError, LedgerRefused
from engine.ledger.care import FORGOTTEN, Forgotten
from engine.ledger.chain import Transaction
from engine.ledger.orders import NotAnOrder, Order
from engine.ledger.postgres.home import Home
from engine.ledger.postgres.statements import quoted

_THESE = b"send_key = ANY(%(keys)s::uuid[])"
# What a worker's role must not do is asked before anything is done. Deleting needs the first, the rest is an owner's.
_NEEDED = {"pii": "DELETE", "payloads": "DELETE", "sends": "UPDATE", "outcomes": "UPDATE", "controls": "UPDATE", "occurrences": "UPDATE", "orders": "UPDATE"}
# The tables that held the bytes of people; they are written anew, for a row that is deleted lies in its page until then.
_REWRITTEN = ("pii", "payloads", "outcomes", "controls", "occurrences", "orders", "suppressions")


class Forgetting(Home):
    """The part of a ledger that erases."""

    def forget(
        self, *, contact: str | None = None, address_key: str | None = None, before: datetime | None = None, now: datetime
    ) -> tuple[Forgotten, tuple[str, ...]]:
        """LedgerRefused for a role that may not: what is append-only for a worker is changed here."""
        self._refuse_role()
        meant = {"contact": contact, "address_key": address_key, "before": before}

        def work(moving: Transaction) -> tuple[Forgotten, tuple[str, ...]]:
            keys = self._meant(meant)
            self._lock_sends(list(keys))
            these = {"keys": list(keys)}
            addresses = self._addresses(these, address_key)
            cancelled = self._cancel_planned(these, now)
            rows = self._run(b"DELETE FROM pii WHERE " + _THESE, these)
            payloads = self._run(b"DELETE FROM payloads WHERE " + _THESE, these)
            texts = self._run(b"UPDATE outcomes SET text = '' WHERE text <> '' AND " + _THESE, these)
            self._run(b"UPDATE sends SET detail = NULL WHERE detail IS NOT NULL AND " + _THESE, these)
            notes = self._drop_notes(contact, addresses) if contact is not None else 0
            if not (rows or payloads or texts or cancelled or notes):
                moving.abandon()
            moving.cover("forget", *keys)
            return Forgotten(rows, payloads, texts, cancelled), keys

        return self._write("forget", now, work, by_index=False)

    def rewrite_tables(self) -> None:
        """Write the tables anew that held what was erased. The server's own log and backups still have it for their time."""
        try:
            for name in _REWRITTEN:
                self.connection.execute(f"VACUUM (FULL, ANALYZE) {quoted(self.place.schema)}.{name}".encode())
        except psycopg.Error as error:
            raise EngineError(
                f"the tables of {self.place} could not be written anew: what was erased may still be in their unused space",
                help="run the same command again when no run is on",
            ) from error

    def _refuse_role(self) -> None:
        with self._reading():
            for table, right in _NEEDED.items():
                (may,) = self._row(b"SELECT has_table_privilege(%(table)s, %(right)s)", {"table": table, "right": right})
                if not may:
                    raise LedgerRefused(
                        f"this role may not erase from {self.place}: to a worker `{table}` is append-only",
                        help="run it with the role that owns the schema (engine_migrate)",
                    )

    def _meant(self, meant: Mapping[str, object]) -> tuple[str, ...]:
        if meant["before"] is not None:
            rows = self._rows(
                b"""SELECT send_key::text FROM sends
                    WHERE state IN ('sent', 'failed', 'skipped', 'cancelled') AND coalesce(sent_at, updated_at) < %(before)s ORDER BY send_key""",
                meant,
            )
        else:
            rows = self._rows(
                b"SELECT send_key::text FROM sends WHERE contact = %(contact)s::text OR address_key = %(address_key)s::text ORDER BY send_key", meant
            )
        return tuple(key for (key,) in rows)

    def _addresses(self, these: Mapping[str, object], address_key: str | None) -> list[str]:
        found = self._rows(b"SELECT DISTINCT address_key FROM sends WHERE address_key IS NOT NULL AND " + _THESE, these)
        return [key for (key,) in found] + ([address_key] if address_key else [])

    def _cancel_planned(self, these: Mapping[str, object], now: datetime) -> int:
        (planned,) = self._row(b"SELECT count(*) FROM sends WHERE state IN ('planned', 'claimed') AND " + _THESE, these)
        # Whatever is made of these rows later, it is made anew: the frozen bytes are gone. A worker that has one finds its token passed on.
        self._run(
            b"""UPDATE sends
                SET state = CASE WHEN state NOT IN ('planned', 'claimed') THEN state WHEN ambiguous THEN 'unknown' ELSE 'cancelled' END,
                    reason = CASE WHEN state IN ('planned', 'claimed') THEN %(reason)s ELSE reason END,
                    token = token + CASE WHEN state = 'claimed' THEN 1 ELSE 0 END, owner = NULL, lease_until = NULL,
                    payload_hash = NULL, message_id = NULL, known_until = NULL, known_by_clock = NULL, updated_at = %(now)s
                WHERE state IN ('planned', 'claimed', 'unknown', 'cancelled') AND """
            + _THESE,
            {**these, "reason": FORGOTTEN, "now": now},
        )
        return int(planned)

    def _drop_notes(self, contact: str, addresses: list[str]) -> int:
        """What people wrote about the contact: notes of pauses, cancellations, enrollments by hand and suppressions."""
        values = {"contact": contact, "addresses": addresses}
        dropped = 0
        for table, where in ((b"controls", b"contact = %(contact)s"), (b"suppressions", b"address_key = ANY(%(addresses)s::text[])")):
            for (order_id,) in self._rows(b"SELECT DISTINCT order_id FROM " + table + b" WHERE note <> '' AND " + where, values):
                dropped += 1
                self._run(b"UPDATE " + table + b" SET note = '' WHERE order_id = %(id)s AND " + where, {**values, "id": order_id})
                self._drop_note_of_order(order_id)
        return dropped + self._run(
            b"""UPDATE occurrences SET note = ''
                WHERE note <> '' AND EXISTS (SELECT 1 FROM enrollments e WHERE e.contact = %(contact)s AND e.sequence = occurrences.sequence
                  AND e.entity = occurrences.entity AND e.record = occurrences.record AND e.occurrence = occurrences.occurrence)""",
            values,
        )

    def _drop_note_of_order(self, order_id: str) -> None:
        for (written,) in self._rows(b"SELECT written FROM orders WHERE order_id = %(id)s", {"id": order_id}):
            try:
                kept = replace(Order.from_json(written), note="").to_json()
            except NotAnOrder:
                kept = ""
            self._run(b"UPDATE orders SET written = %(kept)s WHERE order_id = %(id)s", {"id": order_id, "kept": kept})
