"""Erasing what is personal: addresses, names, variables, mails, texts of servers. Send keys, keyed hashes and suppressions stay."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from pathlib import Path

import duckdb

from engine.ledger.care import FORGOTTEN, Forgotten
from engine.ledger.duckdb.files import LedgerFiles
from engine.ledger.duckdb.home import Home
from engine.ledger.duckdb.rebuilding import put_in_place, workshop, write_without
from engine.ledger.orders import NotAnOrder, Order

_THESE = "send_key IN (SELECT unnest($keys::UUID[]))"
SCRUB = (
    f"DELETE FROM pii WHERE {_THESE}",
    f"DELETE FROM payloads WHERE {_THESE}",
    f"UPDATE outcomes SET text = '' WHERE text <> '' AND {_THESE}",
    f"UPDATE sends SET detail = NULL WHERE detail IS NOT NULL AND {_THESE}",
)


class Forgetting(Home):
    """The part of a ledger that erases."""

    def forget(
        self, *, contact: str | None = None, address_key: str | None = None, before: datetime | None = None, now: datetime
    ) -> tuple[Forgotten, tuple[str, ...]]:
        """Erase what is personal of a contact's sends, of an address' sends, or of the sends that were over before an instant.

        The send keys that are meant come with it. A planned send without an address is cancelled; a doubt stays one.
        """
        if before is not None:
            found = self._rows(
                "SELECT send_key::VARCHAR FROM sends WHERE state IN ('sent', 'failed', 'skipped', 'cancelled') AND coalesce(sent_at, updated_at) < $before ORDER BY 1",
                {"before": before},
            )
        else:
            found = self._rows(
                "SELECT send_key::VARCHAR FROM sends WHERE contact = $contact OR address_key = $address_key ORDER BY 1",
                {"contact": contact, "address_key": address_key},
            )
        keys = tuple(key for (key,) in found)
        these: dict[str, object] = {"keys": list(keys)}
        with self._transaction("forget", now) as transaction:
            rows = self._count(f"SELECT count(*) FROM pii WHERE {_THESE}", these)
            payloads = self._count(f"SELECT count(*) FROM payloads WHERE {_THESE}", these)
            texts = self._count(f"SELECT count(*) FROM outcomes WHERE text <> '' AND {_THESE}", these)
            cancelled = self._cancel_planned(keys, now)
            notes = self.erase(keys, contact, address_key)
            if not (rows or payloads or texts or cancelled or notes):
                transaction.abandon()
            transaction.cover("forget", *keys)
        return Forgotten(rows, payloads, texts, cancelled), keys

    def _cancel_planned(self, keys: tuple[str, ...], now: datetime) -> int:
        values = {"keys": list(keys), "now": now, "reason": FORGOTTEN}
        planned = self._count(f"SELECT count(*) FROM sends WHERE state = 'planned' AND {_THESE}", {"keys": list(keys)})
        # Whatever is made of these rows later, it is made anew: the frozen bytes are gone.
        self._rows(
            f"""UPDATE sends
                SET state = CASE WHEN state <> 'planned' THEN state WHEN ambiguous THEN 'unknown' ELSE 'cancelled' END,
                    reason = CASE WHEN state = 'planned' THEN $reason ELSE reason END,
                    payload_hash = NULL, message_id = NULL, known_until = NULL, updated_at = $now
                WHERE state IN ('planned', 'unknown', 'cancelled') AND {_THESE}""",
            values,
        )
        return planned

    def erase(self, keys: tuple[str, ...], contact: str | None, address_key: str | None) -> int:
        """Take out what is personal of these sends, and what people noted about the contact: how many notes."""
        for sql in SCRUB:
            self._rows(sql, {"keys": list(keys)})
        return self._drop_notes(contact, keys, address_key) if contact is not None else 0

    def _drop_notes(self, contact: str | None, keys: tuple[str, ...], address_key: str | None) -> int:
        """What people wrote about the contact: notes of pauses, cancellations, enrollments by hand and suppressions."""
        addresses = [a for (a,) in self._rows(f"SELECT DISTINCT address_key FROM sends WHERE address_key IS NOT NULL AND {_THESE}", {"keys": list(keys)})]
        addresses += [address_key] if address_key else []
        values = {"contact": contact, "addresses": addresses}
        about = {
            "controls": "contact = $contact",
            "suppressions": "address_key IN (SELECT unnest($addresses::VARCHAR[]))",
        }
        dropped = 0
        for table, where in about.items():
            bound = {name: value for name, value in values.items() if f"${name}" in where}
            for (order_id,) in self._rows(f"SELECT DISTINCT order_id FROM {table} WHERE note <> '' AND {where}", bound):
                dropped += 1
                self._rows(f"UPDATE {table} SET note = '' WHERE order_id = $id AND {where}", {**bound, "id": order_id})
                self._drop_note_of_order(order_id)
        occurrences = """note <> '' AND EXISTS (FROM enrollments e WHERE e.contact = $contact AND e.sequence = occurrences.sequence AND e.entity = occurrences.entity
                         AND e.record = occurrences.record AND e.occurrence = occurrences.occurrence)"""
        dropped += self._count(f"SELECT count(*) FROM occurrences WHERE {occurrences}", {"contact": contact})
        self._rows(f"UPDATE occurrences SET note = '' WHERE {occurrences}", {"contact": contact})
        return dropped

    def _drop_note_of_order(self, order_id: str) -> None:
        for (written,) in self._rows("SELECT written FROM orders WHERE order_id = $id", {"id": order_id}):
            try:
                kept = replace(Order.from_json(written), note="").to_json()
            except NotAnOrder:
                kept = ""
            self._rows("UPDATE orders SET written = $kept WHERE order_id = $id", {"id": order_id, "kept": kept})

    def _count(self, sql: str, values: dict[str, object]) -> int:
        return int(self._row(sql, values)[0])


def forget_in_file(path: Path, keys: tuple[str, ...], contact: str | None = None, address_key: str | None = None) -> bool:
    """Erase the same from another file, a backup or a ledger that was replaced. False when it cannot be read as a ledger."""

    def erase(connection: duckdb.DuckDBPyConnection) -> None:
        Forgetting(connection, LedgerFiles(path)).erase(keys, contact, address_key)

    with workshop(path) as folder:
        made = folder / "ledger.duckdb"
        try:
            write_without(path, made, erase)
        except duckdb.Error:
            return False
        put_in_place(made, path)
    path.with_name(path.name + ".wal").unlink(missing_ok=True)
    return True
