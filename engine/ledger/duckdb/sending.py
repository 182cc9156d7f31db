"""A send on its way: claimed, dispatched, settled (T2 to T12). Each method is one committed transaction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Literal

import pyarrow as pa

from engine.errors import WrongUsage
from engine.ledger.chain import known_for
from engine.ledger.duckdb.home import Home
from engine.ledger.duckdb.statements import statement
from engine.ledger.ledger import OnUnknown
from engine.ledger.messages import all_holds, dispatched_rows, holds_of, in_messages, of_messages, settled_rows
from engine.ledger.records import (
    INSTANT,
    JUDGED_FOR,
    LEASE,
    LONGEST_SEND,
    MAX_ATTEMPTS,
    Claimed,
    Dispatch,
    Frozen,
    Hold,
    Recovered,
    Settled,
    Settlement,
)

# More than a ledger has.
_ALL = 1 << 62
_NUMBERED = "* REPLACE (send_key::UUID AS send_key)"
_KEYS = pa.schema([("place", pa.int64()), ("send_key", pa.string()), ("number", pa.int64()), ("token", pa.int64())])
_SAID = pa.schema([
    *_KEYS, ("state", pa.string()), ("phase", pa.string()), ("code", pa.int32()), ("enhanced_code", pa.string()),
    ("text", pa.string()), ("provider_message_id", pa.string()), ("retry_at", INSTANT),
])  # fmt: skip
_LEAVING = pa.schema([
    *_KEYS, ("message", pa.string()), ("payload_hash", pa.string()), ("message_id", pa.string()), ("transport", pa.string()), ("known_until", INSTANT),
])  # fmt: skip
_PAYLOADS = pa.schema([
    ("send_key", pa.string()), ("number", pa.int64()), ("sender", pa.string()), ("recipient", pa.string()), ("subject", pa.string()),
    ("payload", pa.binary()),
])  # fmt: skip


class Sending(Home):
    """The part of a ledger that workers use."""

    def claim(self, worker: str, limit: int, now: datetime, *, lease: timedelta = LEASE) -> list[Claimed]:
        with self._transaction("claim", now, inside="FP4", after="FP5") as transaction:
            keys = self._claimable(limit, now)
            if not keys:
                transaction.abandon()
                return []
            self._stage_keys([(key, 0) for key in keys])
            self._rows(
                """UPDATE sends SET state = 'claimed', token = sends.token + 1, owner = $worker, lease_until = $lease, updated_at = $now
                   FROM staged g WHERE sends.send_key = g.send_key AND sends.number = g.number AND sends.state = 'planned'""",
                {"worker": worker, "lease": now + lease, "now": now},
            )
            claimed = [self._with_its_bytes(one) for one in in_messages(self._rows(statement("claimed")))]
            transaction.cover(*all_holds(claimed))
        return self.names().claimed(claimed)

    def _claimable(self, limit: int, now: datetime) -> list[str]:
        """The keys of rows that may go now, in the plan's order; behind them all others of their messages (4.8)."""
        asked, values = self._with_controls("claim"), {"now": now, "judged_after": now - JUDGED_FOR}
        rows = self._rows(asked, {**values, "limit": limit, "messages": None})
        messages = sorted({message for _, _, message in rows if message is not None})
        if messages:
            rows += self._rows(asked, {**values, "limit": _ALL, "messages": messages})
        self._numbers.update((key, number) for key, number, _ in rows)
        return list(dict.fromkeys(key for key, _, _ in rows))

    def _with_its_bytes(self, one: Claimed) -> Claimed:
        """A message of several keeps its bytes under its own key, which may be none of the rows that are held."""
        if not one.items or one.frozen is not None:
            return one
        rows = self._rows(
            """SELECT f.payload, s.payload_hash, f.sender, f.recipient, s.message_id, f.subject FROM payloads f, sends s
               WHERE f.send_key = $message::UUID AND s.send_key = $row::UUID AND s.message = f.send_key AND s.payload_hash IS NOT NULL""",
            {"message": one.send_key, "row": one.items[0].send_key},
        )
        return replace(one, frozen=Frozen(bytes(rows[0][0]), *rows[0][1:])) if rows else one

    def begin_dispatch(self, group: Sequence[Dispatch], now: datetime) -> set[str]:
        if not group:
            return set()
        by_key = dispatched_rows(group)
        with self._transaction("dispatch", now, inside="FP6", after="FP7") as transaction:
            values = {"now": now, "judged_after": now - JUDGED_FOR, "longest_send": LONGEST_SEND}
            self._arriving(self._leaving(by_key, now), self._with_controls("dispatch_guards"), values)
            verdicts: dict[str, str] = dict(self._rows("SELECT send_key::VARCHAR, verdict FROM moved"))
            if others := sorted(key for key, verdict in verdicts.items() if verdict == "other_bytes"):
                raise ValueError(f"other bytes for {others[0]}, which was frozen before: send the frozen ones")
            moving = {key: verdict for key, verdict in verdicts.items() if verdict != "lost"}
            if not moving:
                transaction.abandon()
                return set()
            self._rows(statement("dispatch"), {"now": now})
            self._rows("INSERT INTO attempts SELECT send_key, token, $now, transport FROM moved WHERE verdict = 'go'", {"now": now})
            leaving = {dispatch.send_key: dispatch for key, (_, dispatch) in by_key.items() if verdicts[key] == "go"}
            self._freeze(list(leaving.values()))
            transaction.cover(*((key, verdict, by_key[key][1].frozen.payload_hash) for key, verdict in sorted(moving.items())))
        return set(leaving)

    def settle(self, settlements: Sequence[Settlement], now: datetime, *, max_attempts: int = MAX_ATTEMPTS) -> Settled:
        if not settlements:
            return Settled()
        with self._transaction("settle", now, inside="FP11", after="FP12") as transaction:
            became = self._settle(settlements, now, max_attempts)
            transaction.cover(*sorted(became.items()))
        return Settled.of(became)

    def acknowledge(self, send_keys: Sequence[str], source: str, now: datetime) -> Settled:
        return self.settle([Settlement(key, -1, "sent", phase=source) for key in dict.fromkeys(send_keys)], now)

    def fail(self, holds: Sequence[Hold], reason: str, text: str, now: datetime) -> bool:
        with self._transaction("fail", now) as transaction:
            self._stage_keys(list(holds))
            moved = self._rows(
                """UPDATE sends SET state = CASE WHEN ambiguous THEN 'unknown' ELSE 'failed' END, reason = $reason, owner = NULL, lease_until = NULL,
                                    updated_at = $now
                   FROM staged g
                   WHERE sends.send_key = g.send_key AND sends.number = g.number AND sends.state = 'claimed' AND sends.token = g.token
                   RETURNING sends.send_key, sends.token, sends.state""",
                {"reason": reason, "now": now},
            )
            if not moved:
                transaction.abandon()
                return False
            for send_key, token, state in moved:
                self._rows(
                    "INSERT INTO outcomes VALUES ($key, $token, $now, 'failed', $state, 'rendering', NULL, '', $text)",
                    {"key": send_key, "token": token, "now": now, "state": state, "text": text},
                )
            transaction.cover(*holds, reason)
        return True

    def release(self, holds: Sequence[Hold], now: datetime) -> int:
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
            others = [key for keys in self._of_the_same_messages([send_key], "state = 'unknown'").values() for key in keys]
            self._resolve([send_key, *others], "planned" if as_ == "resend" else as_, f"resolved_{as_}", now, by=by, note=note)
            transaction.cover(send_key, *others, as_, by, note)

    def _resolve(self, keys: Sequence[str], state: str, reason: str, now: datetime, *, by: str = "on_unknown", note: str = "") -> None:
        if not keys:
            return
        self._stage_keys([(key, 0) for key in keys])
        # Sent again by choice: what may be accepted twice is no doubt any more. A resend waits for the next plan to judge it (9.6).
        self._rows(
            """UPDATE sends
               SET state = $state, reason = CASE WHEN $state = 'planned' THEN NULL ELSE $reason END, ambiguous = ($state = 'sent'), token = sends.token + 1,
                   attempts = CASE WHEN $state = 'planned' THEN 0 ELSE sends.attempts END, not_before = NULL,
                   -- What a restore doubts was perhaps never handed over here: that it is taken for sent now is all that is known.
                   sent_at = CASE WHEN $state = 'sent' THEN coalesce(sends.first_dispatch_at, $now) END, updated_at = $now,
                   judged_at = CASE WHEN $state = 'planned' THEN TIMESTAMP '1970-01-01' ELSE sends.judged_at END,
                   -- A message of several is made anew of what may go then (4.8), unless the provider knows its bytes.
                   payload_hash = CASE WHEN $state = 'planned' AND sends.message IS NOT NULL AND sends.known_until IS NULL THEN NULL ELSE sends.payload_hash END
               FROM staged g WHERE sends.send_key = g.send_key AND sends.number = g.number AND sends.state = 'unknown'""",
            {"state": state, "reason": reason, "now": now},
        )
        if state == "planned":
            self._rows(
                "DELETE FROM payloads WHERE send_key IN (SELECT s.message FROM staged g JOIN sends s ON s.send_key = g.send_key AND s.number = g.number "
                "WHERE s.message IS NOT NULL AND s.payload_hash IS NULL)"
            )
        self._rows(
            "INSERT INTO outcomes SELECT send_key, 0, $now, $reason, $state, $by, NULL, '', $note FROM staged",
            {"now": now, "reason": reason, "state": state, "by": by, "note": note},
        )

    def _of_the_same_messages(self, keys: Sequence[str], which: str) -> dict[str, list[str]]:
        """By these keys: the other rows of the messages of several that they are part of (4.8)."""
        numbers = self._find_numbers(keys)
        messages = self._rows(
            """SELECT k.send_key::VARCHAR, s.message::VARCHAR, s.payload_hash FROM (SELECT unnest($keys::UUID[]) AS send_key, unnest($numbers::BIGINT[]) AS number) k
               JOIN sends s ON s.send_key = k.send_key AND s.number = k.number WHERE s.message IS NOT NULL""",
            {"keys": list(numbers), "numbers": list(numbers.values())},
        )
        if not messages:
            return {}
        # By no index: the column is read. Only what combines pays for it.
        rows = self._rows(
            f"SELECT send_key::VARCHAR, number, message::VARCHAR, payload_hash FROM sends WHERE list_contains($messages::UUID[], message) AND {which} ORDER BY item",
            {"messages": sorted({message for _, message, _ in messages})},
        )
        self._numbers.update((key, number) for key, number, _, _ in rows)
        return {key: [other for other, _, *its in rows if its == [message, frozen] and other != key] for key, message, frozen in messages}

    # --- staging --------------------------------------------------------------------------------------------

    def _settle(self, said: Sequence[Settlement], now: datetime, max_attempts: int) -> dict[str, str]:
        accepted = [key for one in said if one.state == "sent" for key in holds_of(one)[:1]]
        others = self._of_the_same_messages(accepted, "state IN ('claimed', 'dispatching', 'unknown', 'planned', 'failed')") if accepted else {}
        by_message = {one.send_key: others.get(holds_of(one)[0], []) for one in said}
        settlements = settled_rows(said, by_message)
        numbers = self._find_numbers([row.send_key for row in settlements])
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
        if any(one.items for one in said):
            self._rows("DELETE FROM payloads WHERE send_key IN (SELECT message FROM moved WHERE thaws)")
        verdicts = self._rows("SELECT send_key::VARCHAR, becomes FROM moved ORDER BY place")
        return of_messages(said, {key: "sent" if becomes == "already" else becomes for key, becomes in verdicts})

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

    def _leaving(self, rows_by_key: Mapping[str, tuple[int, Dispatch]], now: datetime) -> pa.Table:
        numbers = self._find_numbers(list(rows_by_key))
        rows = [
            (
                place,
                key,
                numbers.get(key),
                token,
                d.send_key if d.items else None,
                d.frozen.payload_hash,
                d.frozen.message_id,
                d.transport,
                _until(now, known_for(d.key_ttl_seconds)),
            )
            for place, (key, (token, d)) in enumerate(rows_by_key.items())
        ]
        return _table(rows, _LEAVING)

    def _freeze(self, leaving: Sequence[Dispatch]) -> None:
        numbers = self._find_numbers([dispatch.send_key for dispatch in leaving])
        rows = sorted((numbers[d.send_key], d.send_key, d.frozen.sender, d.frozen.recipient, d.frozen.subject, d.frozen.payload) for d in leaving)
        if rows:
            table = _table([(key, number, *rest) for number, key, *rest in rows], _PAYLOADS)
            # Straight from Arrow: a message is the widest thing that the ledger holds, and is copied once.
            self._arriving(table, f"INSERT INTO payloads SELECT {_NUMBERED} FROM arriving ON CONFLICT DO NOTHING")


def _until(now: datetime, span: timedelta | None) -> datetime | None:
    return None if span is None else now + span


def _table(rows: Sequence[tuple[Any, ...]], schema: pa.Schema) -> pa.Table:
    return pa.Table.from_arrays([pa.array(column, field.type) for column, field in zip(zip(*rows, strict=True), schema, strict=True)], schema=schema)
