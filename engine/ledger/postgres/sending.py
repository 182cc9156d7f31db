"""A send on its way: claimed, dispatched, settled (T2 to T12). Each method is one committed transaction, and none is open while a
message is handed over."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Literal
from uuid import UUID

from engine.errors import WrongUsage
from engine.ledger.chain import Transaction, known_for
from engine.ledger.ledger import OnUnknown
from engine.ledger.messages import all_holds, dispatched_rows, holds_of, in_messages, of_messages, settled_rows
from engine.ledger.postgres.home import Home
from engine.ledger.postgres.statements import statement, with_controls
from engine.ledger.records import JUDGED_FOR, LEASE, MAX_ATTEMPTS, Claimed, Dispatch, Hold, Recovered, Settled, Settlement

# A claim is extended by the heartbeat of its holder, so that what a killed worker held is free again soon.
CLAIM_LEASE = timedelta(minutes=2)


class Sending(Home):
    """The part of a ledger that workers use: any number of them, on any number of hosts."""

    def claim(self, worker: str, limit: int, now: datetime, *, lease: timedelta = CLAIM_LEASE) -> list[Claimed]:
        values = {"now": now, "judged_after": now - JUDGED_FOR, "limit": limit, "owner": self._owner(worker), "lease": lease}

        def work(moving: Transaction) -> list[Claimed]:
            claimed = in_messages(self._rows(with_controls("claim"), values))
            if not claimed:
                moving.abandon()
            moving.cover(*all_holds(claimed))
            return claimed

        claimed = self._write("claim", now, work, inside="FP4", after="FP5")
        if claimed:
            self._hold_claims(worker, lease)
        return self.names().claimed(claimed)

    def _owner(self, worker: str) -> str:
        """The worker's name in the rows that it holds, which no other process has."""
        return worker

    def _hold_claims(self, worker: str, lease: timedelta) -> None:
        """Called after a claim; what extends its lease begins here."""

    def begin_dispatch(self, group: Sequence[Dispatch], now: datetime) -> set[str]:
        if not group:
            return set()
        by_key = dispatched_rows(group)
        return self._write("dispatch", now, lambda moving: self._dispatch(moving, by_key, now), inside="FP6", after="FP7")

    def _dispatch(self, moving: Transaction, by_key: Mapping[str, tuple[int, Dispatch]], now: datetime) -> set[str]:
        self._lock_sends(list(by_key))
        # From here to the commit no order is taken in: what the guards look at stays as it is.
        self._share_gate()
        verdicts: dict[str, str] = dict(self._rows(with_controls("dispatch_guards"), {**_columns(by_key), "now": now, "judged_after": now - JUDGED_FOR}))
        if others := sorted(key for key, verdict in verdicts.items() if verdict == "other_bytes"):
            raise ValueError(f"other bytes for {others[0]}, which was frozen before: send the frozen ones")
        leaving = {key: by_key[key] for key, verdict in verdicts.items() if verdict != "lost"}
        if not leaving:
            moving.abandon()
            return set()
        values = {**_columns(leaving), **_frozen_columns(leaving), "verdicts": [verdicts[key] for key in leaving], "now": now, "lease": LEASE}
        gone = {by_key[key][1].send_key for (key,) in self._rows(statement("dispatch"), values)}
        moving.cover(*((key, verdicts[key], dispatch.frozen.payload_hash) for key, (_, dispatch) in sorted(leaving.items())))
        return gone

    def settle(self, settlements: Sequence[Settlement], now: datetime, *, max_attempts: int = MAX_ATTEMPTS) -> Settled:
        if not settlements:
            return Settled()
        # Refused before anything is asked.
        settled_rows(settlements, {})

        def work(moving: Transaction) -> dict[str, str]:
            accepted = [key for said in settlements if said.state == "sent" for key in holds_of(said)[:1]]
            others = self._of_the_same_messages(accepted)
            rows_said = settled_rows(settlements, {said.send_key: others.get(holds_of(said)[0], []) for said in settlements})
            self._lock_sends([said.send_key for said in rows_said])
            rows = self._rows(statement("settle"), {**_said_columns(rows_said), "now": now, "max_attempts": max_attempts})
            became = of_messages(settlements, {key: "sent" if becomes == "already" else becomes for key, becomes in rows})
            moving.cover(*sorted(became.items()))
            return became

        return Settled.of(self._write("settle", now, work, inside="FP11", after="FP12"))

    def _of_the_same_messages(self, keys: Sequence[str]) -> dict[str, list[str]]:
        """By these keys: the other rows of the messages of several that they are part of (4.8), which may have been sent."""
        others: dict[str, list[str]] = {}
        for key, other in self._rows(statement("same_messages"), {"keys": [key for key in map(_uuid, keys) if key]}) if keys else ():
            others.setdefault(key, []).append(other)
        return others

    def acknowledge(self, send_keys: Sequence[str], source: str, now: datetime) -> Settled:
        return self.settle([Settlement(key, -1, "sent", phase=source) for key in dict.fromkeys(send_keys)], now)

    def fail(self, holds: Sequence[Hold], reason: str, text: str, now: datetime) -> bool:
        keys = [key for key, _ in holds]
        values = {"keys": keys, "tokens": [token for _, token in holds], "reason": reason, "text": text, "now": now}

        def work(moving: Transaction) -> bool:
            self._lock_sends(keys)
            if not self._rows(statement("fail"), values):
                moving.abandon()
                return False
            moving.cover(*holds, reason)
            return True

        return self._write("fail", now, work)

    def release(self, holds: Sequence[Hold], now: datetime) -> int:
        if not holds:
            return 0
        keys = [key for key, _ in holds]
        values = {"keys": keys, "tokens": [token for _, token in holds], "now": now}

        def work(moving: Transaction) -> int:
            self._lock_sends(keys)
            released = self._run(
                b"""UPDATE sends SET state = 'planned', token = sends.token + 1, owner = NULL, lease_until = NULL, updated_at = %(now)s
                    FROM unnest(%(keys)s::uuid[], %(tokens)s::bigint[]) AS g(send_key, token)
                    WHERE sends.send_key = g.send_key AND sends.state = 'claimed' AND sends.token = g.token""",
                values,
            )
            if not released:
                moving.abandon()
            moving.cover(*holds)
            return released

        return self._write("release", now, work)

    def recover(self, now: datetime) -> Recovered:
        """Only rows whose lease is over by the server's clock: any worker may call it, at any time."""

        def work(moving: Transaction) -> Recovered:
            rows = self._rows(statement("recover"), {"now": now, "max_attempts": MAX_ATTEMPTS})
            if not rows:
                moving.abandon()
            moving.cover(*rows)
            ends = [(was, state) for _, was, state in rows]
            return Recovered(
                released=sum(was == "claimed" for was, _ in ends),
                unknown=ends.count(("dispatching", "unknown")),
                again=ends.count(("dispatching", "planned")),
            )

        return self._write("recover", now, work, inside="FP13")

    def settle_unknown(self, choices: Mapping[str, OnUnknown], now: datetime) -> Settled:
        choices = self.names().choices(choices)

        def work(moving: Transaction) -> dict[str, str]:
            became: dict[str, str] = {}
            rows = self._rows(b"SELECT send_key::text, sequence, category FROM sends WHERE state = 'unknown' ORDER BY send_key FOR UPDATE SKIP LOCKED")
            for key, sequence, category in rows:
                choice = choices.get(sequence) or ("assume_sent" if category == "marketing" else "ask")
                if choice != "ask":
                    became[key] = "sent" if choice == "assume_sent" else "planned"
            if not became:
                moving.abandon()
            for state in ("sent", "planned"):
                self._resolve([key for key, to in became.items() if to == state], state, f"on_unknown_{state}", now, by="on_unknown", note="")
            moving.cover(*sorted(became.items()))
            return became

        return Settled.of(self._write("settle_unknown", now, work))

    def resolve(self, send_key: str, as_: Literal["sent", "failed", "resend"], *, by: str, note: str, now: datetime) -> None:
        def work(moving: Transaction) -> None:
            others = self._of_the_same_messages([send_key]).get(send_key, [])
            # In the order in which everybody takes rows.
            self._lock_sends([key for key in (_uuid(send_key), *others) if key])
            rows = self._rows(b"SELECT state FROM sends WHERE send_key = %(key)s::uuid", {"key": _uuid(send_key)})
            if not rows:
                raise WrongUsage(f"there is no send {send_key}", help="`engine sends` lists them")
            if rows[0][0] != "unknown":
                raise WrongUsage(f"the send {send_key} is {rows[0][0]}, and only one that is unknown can be resolved")
            self._resolve([send_key, *others], "planned" if as_ == "resend" else as_, f"resolved_{as_}", now, by=by, note=note)
            moving.cover(send_key, *others, as_, by, note)

        self._write("resolve", now, work)

    def _resolve(self, keys: Sequence[str], state: str, reason: str, now: datetime, *, by: str, note: str) -> None:
        if keys:
            self._rows(statement("resolve"), {"keys": list(keys), "state": state, "reason": reason, "now": now, "by": by, "note": note})


def _uuid(text: str) -> str | None:
    """A send key as Postgres takes it; None, which finds nothing, for a text that is none."""
    try:
        return str(UUID(text))
    except ValueError:
        return None


def _columns(rows: Mapping[str, tuple[int, Dispatch]]) -> dict[str, list[Any]]:
    group = [dispatch for _, dispatch in rows.values()]
    return {
        "keys": list(rows),
        "tokens": [token for token, _ in rows.values()],
        "payload_hashes": [d.frozen.payload_hash for d in group],
        "transports": [d.transport for d in group],
        "messages": [d.send_key if d.items else None for d in group],
    }


def _frozen_columns(rows: Mapping[str, tuple[int, Dispatch]]) -> dict[str, list[Any]]:
    group = [dispatch for _, dispatch in rows.values()]
    frozen = [dispatch.frozen for dispatch in group]
    # The bytes of a message of several go once, with its first row: where that does not leave, they were kept before.
    first = [not d.items or key == d.items[0][0] for key, (_, d) in rows.items()]
    return {
        "known_for": [known_for(d.key_ttl_seconds) for d in group],
        "message_ids": [f.message_id for f in frozen],
        "senders": [f.sender for f in frozen],
        "recipients": [f.recipient for f in frozen],
        "subjects": [f.subject for f in frozen],
        "payloads": [f.payload if goes else None for f, goes in zip(frozen, first, strict=True)],
    }


def _said_columns(said: Sequence[Settlement]) -> dict[str, list[Any]]:
    return {
        "keys": [s.send_key for s in said],
        "tokens": [s.token for s in said],
        "states": [s.state for s in said],
        "phases": [s.phase for s in said],
        "codes": [s.code for s in said],
        "enhanced_codes": [s.enhanced_code for s in said],
        "texts": [s.text for s in said],
        "provider_ids": [s.provider_message_id for s in said],
        "retries": [s.retry_at for s in said],
    }
