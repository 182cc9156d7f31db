"""A send on its way: claimed, dispatched, settled (T2 to T12). Each method is one committed transaction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Literal

import pyarrow as pa

from engine.errors import WrongUsage
from engine.ledger.chain import known_for
from engine.ledger.duckdb.home import Home
from engine.ledger.duckdb.statements import statement
from engine.ledger.ledger import OnUnknown
from engine.ledger.records import (
    INSTANT,
    JUDGED_FOR,
    LEASE,
    LONGEST_SEND,
    MAX_ATTEMPTS,
    Claimed,
    Dispatch,
    Recovered,
    Settled,
    Settlement,
)

_NUMBERED = "* REPLACE (send_key::UUID AS send_key)"
_KEYS = pa.schema([("place", pa.int64()), ("send_key", pa.string()), ("number", pa.int64()), ("token", pa.int64())])
_SAID = pa.schema([
    *_KEYS, ("state", pa.string()), ("phase", pa.string()), ("code", pa.int32()), ("enhanced_code", pa.string()),
    ("text", pa.string()), ("provider_message_id", pa.string()), ("retry_at", INSTANT),
])  # fmt: skip
_LEAVING = pa.schema([
    *_KEYS, ("payload_hash", pa.string()), ("message_id", pa.string()), ("transport", pa.string()), ("known_until", INSTANT),
])  # fmt: skip
_PAYLOADS = pa.schema([
    ("send_key", pa.string()), ("number", pa.int64()), ("sender", pa.string()), ("recipient", pa.string()), ("subject", pa.string()),
    ("payload", pa.binary()),
])  # fmt: skip


class Sending(Home):
    """The part of a ledger that workers use."""

    def claim(self, worker: str, limit: int, now: datetime, *, lease: timedelta = LEASE) -> list[Claimed]:
        with self._transaction("claim", now, inside="FP4", after="FP5") as transaction:
            rows = self._rows(self._with_controls("claim"), {"now": now, "judged_after": now - JUDGED_FOR, "limit": limit})
            if not rows:
                transaction.abandon()
                return []
            self._numbers.update((str(key), number) for key, number in rows)
            self._stage_keys([(str(key), 0) for key, _ in rows])
            self._rows(
                """UPDATE sends SET state = 'claimed', token = sends.token + 1, owner = $worker, lease_until = $lease, updated_at = $now
                   FROM staged g WHERE sends.send_key = g.send_key AND sends.number = g.number AND sends.state = 'planned'""",
                {"worker": worker, "lease": now + lease, "now": now},
            )
            claimed = [Claimed.of_row(row) for row in self._rows(statement("claimed"))]
            transaction.cover(*((c.send_key, c.token) for c in claimed))
        return self.names().claimed(claimed)

    def begin_dispatch(self, group: Sequence[Dispatch], now: datetime) -> set[str]:
        if not group:
            return set()
        by_key = {dispatch.send_key: dispatch for dispatch in group}
        if len(by_key) != len(group):
            raise ValueError("a group names a send twice")
        with self._transaction("dispatch", now, inside="FP6", after="FP7") as transaction:
            values = {"now": now, "judged_after": now - JUDGED_FOR, "longest_send": LONGEST_SEND}
            self._arriving(self._leaving(list(by_key.values()), now), self._with_controls("dispatch_guards"), values)
            verdicts: dict[str, str] = dict(self._rows("SELECT send_key::VARCHAR, verdict FROM moved"))
            if others := sorted(key for key, verdict in verdicts.items() if verdict == "other_bytes"):
                raise ValueError(f"other bytes for {others[0]}, which was frozen before: send the frozen ones")
            moving = {key: verdict for key, verdict in verdicts.items() if verdict != "lost"}
            if not moving:
                transaction.abandon()
                return set()
            self._rows(statement("dispatch"), {"now": now})
            self._rows("INSERT INTO attempts SELECT send_key, token, $now, transport FROM moved WHERE verdict = 'go'", {"now": now})
            self._freeze([by_key[key] for key, verdict in moving.items() if verdict == "go"])
            transaction.cover(*((key, verdict, by_key[key].frozen.payload_hash) for key, verdict in sorted(moving.items())))
        return {key for key, verdict in moving.items() if verdict == "go"}

    def settle(self, settlements: Sequence[Settlement], now: datetime, *, max_attempts: int = MAX_ATTEMPTS) -> Settled:
        if not settlements:
            return Settled()
        if len({said.send_key for said in settlements}) != len(settlements):
            raise ValueError("a settlement names a send twice")
        with self._transaction("settle", now, inside="FP11", after="FP12") as transaction:
            became = self._settle(settlements, now, max_attempts)
            transaction.cover(*sorted(became.items()))
        return Settled.of(became)

    def acknowledge(self, send_keys: Sequence[str], source: str, now: datetime) -> Settled:
        return self.settle([Settlement(key, -1, "sent", phase=source) for key in dict.fromkeys(send_keys)], now)

    def fail(self, send_key: str, token: int, reason: str, text: str, now: datetime) -> bool:
        with self._transaction("fail", now) as transaction:
            self._stage_keys([(send_key, token)])
            moved = self._rows(
                """UPDATE sends SET state = CASE WHEN ambiguous THEN 'unknown' ELSE 'failed' END, reason = $reason, owner = NULL, lease_until = NULL,
                                    updated_at = $now
                   FROM staged g
                   WHERE sends.send_key = g.send_key AND sends.number = g.number AND sends.state = 'claimed' AND sends.token = g.token
                   RETURNING sends.state""",
                {"reason": reason, "now": now},
            )
            if not moved:
                transaction.abandon()
                return False
            self._rows(
                "INSERT INTO outcomes SELECT send_key, token, $now, 'failed', $state, 'rendering', NULL, '', $text FROM staged",
                {"now": now, "state": moved[0][0], "text": text},
            )
            transaction.cover(send_key, token, reason)
        return True

    def release(self, holds: Sequence[tuple[str, int]], now: datetime) -> int:
        if not holds:
            return 0
        with self._transaction("release", now) as transaction:
            self._stage_keys(list(holds))
            ((released,),) = self._rows(
                """UPDATE sends SET state = 'planned', token = sends.token + 1, owner = NULL, lease_until = NULL, updated_at = $now
                   FROM staged g
                   WHERE sends.send_key = g.send_key AND sends.number = g.number AND sends.state = 'claimed' AND sends.token = g.token""",
                {"now": now},
            )
            if not released:
                transaction.abandon()
            transaction.cover(*holds)
        return int(released)

    def recover(self, now: datetime) -> Recovered:
        with self._transaction("recover", now, inside="FP13") as transaction:
            before = dict(self._rows("SELECT state, count(*) FROM sends WHERE state IN ('claimed', 'dispatching') GROUP BY state"))
            if not before:
                transaction.abandon()
                return Recovered()
            self._rows(
                """INSERT INTO outcomes
                   SELECT send_key, token, $now, 'unknown', CASE WHEN attempts < $most AND known_until > $now THEN 'planned' ELSE 'unknown' END,
                          'process_died', NULL, '', '' FROM sends WHERE state = 'dispatching'""",
                {"now": now, "most": MAX_ATTEMPTS},
            )
            (again,) = self._row(
                "SELECT count(*) FROM sends WHERE state = 'dispatching' AND attempts < $most AND known_until > $now", {"now": now, "most": MAX_ATTEMPTS}
            )
            self._rows(statement("recover"), {"now": now, "max_attempts": MAX_ATTEMPTS})
            transaction.cover(sorted(before.items()), again)
        return Recovered(released=before.get("claimed", 0), unknown=before.get("dispatching", 0) - again, again=again)

    def settle_unknown(self, choices: Mapping[str, OnUnknown], now: datetime) -> Settled:
        with self._transaction("settle_unknown", now) as transaction:
            became: dict[str, str] = {}
            choices = self.names().choices(choices)
            for key, number, sequence, category in self._rows("SELECT send_key::VARCHAR, number, sequence, category FROM sends WHERE state = 'unknown'"):
                choice = choices.get(sequence) or ("assume_sent" if category == "marketing" else "ask")
                if choice != "ask":
                    became[key] = "sent" if choice == "assume_sent" else "planned"
                    self._numbers[key] = number
            if not became:
                transaction.abandon()
                return Settled()
            for state in ("sent", "planned"):
                self._resolve([key for key, to in became.items() if to == state], state, f"on_unknown_{state}", now)
            transaction.cover(*sorted(became.items()))
        return Settled.of(became)

    def resolve(self, send_key: str, as_: Literal["sent", "failed", "resend"], *, by: str, note: str, now: datetime) -> None:
        with self._transaction("resolve", now) as transaction:
            rows = self._rows("SELECT state FROM sends WHERE send_key = TRY_CAST($key AS UUID)", {"key": send_key})
            if not rows:
                raise WrongUsage(f"there is no send {send_key}", help="`engine sends` lists them")
            if rows[0][0] != "unknown":
                raise WrongUsage(f"the send {send_key} is {rows[0][0]}, and only one that is unknown can be resolved")
            self._resolve([send_key], "planned" if as_ == "resend" else as_, f"resolved_{as_}", now, by=by, note=note)
            transaction.cover(send_key, as_, by, note)

    def _resolve(self, keys: Sequence[str], state: str, reason: str, now: datetime, *, by: str = "on_unknown", note: str = "") -> None:
        if not keys:
            return
        self._stage_keys([(key, 0) for key in keys])
        # Sent again by choice: what may be accepted twice is no doubt any more. A resend waits for the next plan to judge it (9.6).
        self._rows(
            """UPDATE sends
               SET state = $state, reason = CASE WHEN $state = 'planned' THEN NULL ELSE $reason END, ambiguous = ($state = 'sent'), token = sends.token + 1,
                   attempts = CASE WHEN $state = 'planned' THEN 0 ELSE sends.attempts END, not_before = NULL,
                   sent_at = CASE WHEN $state = 'sent' THEN sends.first_dispatch_at END, updated_at = $now
               FROM staged g WHERE sends.send_key = g.send_key AND sends.number = g.number AND sends.state = 'unknown'""",
            {"state": state, "reason": reason, "now": now},
        )
        self._rows(
            "INSERT INTO outcomes SELECT send_key, 0, $now, $reason, $state, $by, NULL, '', $note FROM staged",
            {"now": now, "reason": reason, "state": state, "by": by, "note": note},
        )

    # --- staging --------------------------------------------------------------------------------------------

    def _settle(self, settlements: Sequence[Settlement], now: datetime, max_attempts: int) -> dict[str, str]:
        numbers = self._find_numbers([said.send_key for said in settlements])
        rows = [
            (place, s.send_key, numbers.get(s.send_key), s.token, s.state, s.phase, s.code, s.enhanced_code, s.text, s.provider_message_id, s.retry_at)
            for place, s in enumerate(settlements)
        ]
        self._arriving(_table(rows, _SAID), statement("settle"), {"max_attempts": max_attempts, "now": now})
        self._rows(
            "INSERT INTO outcomes SELECT send_key, token, $now, said, becomes, phase, code, enhanced_code, text FROM moved WHERE number IS NOT NULL",
            {"now": now},
        )
        self._rows(statement("settled"), {"now": now})
        verdicts = self._rows("SELECT send_key::VARCHAR, becomes FROM moved ORDER BY place")
        return {key: "sent" if becomes == "already" else becomes for key, becomes in verdicts}

    def _with_controls(self, name: str) -> str:
        sql = statement(name)
        if self._rows("SELECT 1 FROM controls WHERE lifted_at IS NULL LIMIT 1"):
            controlled = statement("controlled")
            return sql.replace("/* controlled */ TRUE", f"NOT {controlled}").replace("/* controlled */ FALSE", controlled)
        return sql

    def _find_numbers(self, keys: Sequence[str]) -> dict[str, int]:
        missing = [key for key in keys if key not in self._numbers]
        if missing:
            found = self._rows(
                "SELECT send_key::VARCHAR, number FROM sends WHERE send_key IN (SELECT TRY_CAST(unnest($keys::VARCHAR[]) AS UUID))", {"keys": missing}
            )
            self._numbers.update(found)
        return {key: self._numbers[key] for key in keys if key in self._numbers}

    def _stage_keys(self, holds: Sequence[tuple[str, int]]) -> None:
        numbers = self._find_numbers([key for key, _ in holds])
        rows = [(place, key, numbers.get(key), token) for place, (key, token) in enumerate(holds)]
        self._stage("staged", _table(rows, _KEYS), _NUMBERED)

    def _leaving(self, group: Sequence[Dispatch], now: datetime) -> pa.Table:
        numbers = self._find_numbers([dispatch.send_key for dispatch in group])
        rows = [
            (
                place,
                d.send_key,
                numbers.get(d.send_key),
                d.token,
                d.frozen.payload_hash,
                d.frozen.message_id,
                d.transport,
                _until(now, known_for(d.key_ttl_seconds)),
            )
            for place, d in enumerate(group)
        ]
        return _table(rows, _LEAVING)

    def _freeze(self, leaving: Sequence[Dispatch]) -> None:
        numbers = self._numbers
        rows = sorted((numbers[d.send_key], d.send_key, d.frozen.sender, d.frozen.recipient, d.frozen.subject, d.frozen.payload) for d in leaving)
        if rows:
            table = _table([(key, number, *rest) for number, key, *rest in rows], _PAYLOADS)
            # Straight from Arrow: a message is the widest thing that the ledger holds, and is copied once.
            self._arriving(table, f"INSERT INTO payloads SELECT {_NUMBERED} FROM arriving ON CONFLICT DO NOTHING")


def _until(now: datetime, span: timedelta | None) -> datetime | None:
    return None if span is None else now + span


def _table(rows: Sequence[tuple[Any, ...]], schema: pa.Schema) -> pa.Table:
    return pa.Table.from_arrays([pa.array(column, field.type) for column, field in zip(zip(*rows, strict=True), schema, strict=True)], schema=schema)
