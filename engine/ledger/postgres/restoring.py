"""A ledger whose server was put back to an earlier moment: taken as it is, and made safe to send from (reliability.md §3.8 6)."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from pathlib import Path

from engine.errors import LedgerRefused
from engine.ledger.care import RESTORED, WHOLE_PROJECT, Restored
from engine.ledger.chain import Transaction
from engine.ledger.postgres.home import Home
from engine.ledger.postgres.opening import hash_at
from engine.ledger.witness import Witness, read_witness

_CONSENT = "--accept-rollback takes it as it is: nothing that was due before now is sent, and what may have left is in doubt"


class Restoring(Home):
    """The part of a ledger that begins again from an earlier moment."""

    def accept_rollback(self, *, delivered: Collection[str], now: datetime) -> Restored:
        """Nothing of what was done since can be known: rows that may have left are in doubt, or sent where `delivered` (what a transport
        remembers by itself) has their key, and nothing that was due before now is sent."""
        before = self.as_witness()

        def work(moving: Transaction) -> int:
            in_doubt = self._doubt_what_was_due(list(delivered), now)
            serial = self._take_head(moving)
            self._run(
                b"INSERT INTO starts (sequence, serial, started) VALUES (%(whole)s, %(serial)s, %(now)s)",
                {"whole": WHOLE_PROJECT, "serial": serial, "now": now},
            )
            moving.cover("restore", 0, in_doubt, now)
            return in_doubt

        in_doubt = self._write("restore", now, work, by_index=False)
        return Restored(self.as_witness(), before, None, None, 0, in_doubt, now)

    def compare(self, witness: Path) -> LedgerRefused | None:
        """What speaks against sending from the ledger as it is; None when it has all that this host saw. LedgerRefused for one of
        another lineage, which no consent makes right."""
        seen, head = read_witness(witness), self.as_witness()
        if seen is None:
            return LedgerRefused(f"there is no witness {witness} here: nobody can tell what {self.place} has forgotten", help=_CONSENT)
        if seen.lineage != head.lineage:
            raise LedgerRefused(
                f"{self.place} is of another lineage than this host's witness: it belongs to another history",
                help=f"restore a backup of the ledger that was here; if this one is meant, move {witness} away",
            )
        if head.serial < seen.serial:
            said = f"{self.place} stands at {head.serial}, this host's witness saw {seen.serial}: {seen.serial - head.serial} transactions would be forgotten"
            return LedgerRefused(f"{said}; how many sends, nobody can tell", help=_CONSENT)
        with self._reading():
            same = seen.serial == 0 or hash_at(self.connection, seen.serial) == seen.head_hash
        if same:
            return None
        return LedgerRefused(f"{self.place} tells another history than this host's witness saw", help=_CONSENT)

    def as_witness(self) -> Witness:
        """Where the ledger stands now."""
        head = self.head()
        return Witness(head.lineage, head.serial, head.head_hash)

    def _doubt_what_was_due(self, delivered: list[str], now: datetime) -> int:
        rows = self._rows(
            b"""WITH meant AS MATERIALIZED (
                  SELECT send_key, token, send_key::text = ANY(%(delivered)s::text[]) AS is_there FROM sends
                  WHERE state IN ('claimed', 'dispatching') OR (state = 'planned' AND due_at <= %(now)s)
                  ORDER BY send_key FOR UPDATE
                ), moved AS (
                  UPDATE sends
                  SET state = CASE WHEN m.is_there THEN 'sent' ELSE 'unknown' END, reason = CASE WHEN NOT m.is_there THEN %(why)s END,
                      sent_at = CASE WHEN m.is_there THEN %(now)s::timestamptz END, ambiguous = NOT m.is_there, token = sends.token + 1, owner = NULL,
                      lease_until = NULL, known_until = NULL, known_by_clock = NULL, updated_at = %(now)s
                  FROM meant m WHERE sends.send_key = m.send_key
                ), told AS (
                  INSERT INTO outcomes (send_key, token, said_at, outcome, became, phase, code, enhanced_code, text)
                  SELECT send_key, token, %(now)s, s.word, s.word, %(why)s, NULL, '', ''
                  FROM meant, LATERAL (SELECT CASE WHEN is_there THEN 'sent' ELSE 'unknown' END AS word) s
                )
                SELECT is_there FROM meant""",
            {"delivered": delivered, "now": now, "why": RESTORED},
        )
        return sum(not is_there for (is_there,) in rows)
