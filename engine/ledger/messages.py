"""Several sends that are one message (semantics 4.8), as both homes take them: rows to messages, and messages to rows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from engine.ledger.records import Claimed, Dispatch, Hold, Item, Settlement

_HASH, _MESSAGE, _ITEM = 19, 26, 27
# The rows `s` that are one message with a row `k`: frozen together, or on their way to be.
SAME_MESSAGE = (
    "JOIN sends k ON k.message = s.message AND k.send_key <> s.send_key "
    "AND (k.payload_hash = s.payload_hash OR k.payload_hash IS NULL AND s.payload_hash IS NULL AND k.state IN ('planned', 'claimed') AND s.state = k.state)"
)


def in_messages(rows: Iterable[Sequence[Any]]) -> list[Claimed]:
    """Claimed rows as messages, each where its first row stands. A row is what `Claimed.of_row` takes, its message and its place in it."""
    groups: dict[object, list[tuple[int, Claimed]]] = {}
    for row in rows:
        one = Claimed.of_row(row[:_MESSAGE])
        groups.setdefault((row[_MESSAGE], row[_HASH]) if row[_MESSAGE] else one.send_key, []).append((row[_ITEM] or 0, one))
    return [_message(key, [one for _, one in sorted(group, key=lambda placed: placed[0])]) for key, group in groups.items()]


def _message(key: object, rows: Sequence[Claimed]) -> Claimed:
    """One message. What is not frozen is led by the first row that is still there; what is frozen keeps its key, and so its Message-ID."""
    frozen = isinstance(key, tuple) and key[1] is not None
    if len(rows) == 1 and not frozen:
        return rows[0]
    expiries = [row.expires_at for row in rows if row.expires_at is not None]
    closing = [row.open_until for row in rows if row.open_until is not None]
    return replace(
        rows[0],
        send_key=str(key[0]) if isinstance(key, tuple) and frozen else rows[0].send_key,
        # The mail is no later than any of its records allows, and has had as many attempts as the most patient of them.
        expires_at=min(expiries, default=None),
        open_until=min(closing, default=None),
        attempts=max(row.attempts for row in rows),
        items=tuple(Item(row.send_key, row.token, row.record, row.occurrence, row.variables) for row in rows),
    )


def dispatched_rows(group: Iterable[Dispatch]) -> dict[str, tuple[int, Dispatch]]:
    """By the key of each row: its token, and the dispatch that it leaves with. ValueError when a row is named twice."""
    rows: dict[str, tuple[int, Dispatch]] = {}
    for dispatch in group:
        for key, token in dispatch.items or ((dispatch.send_key, dispatch.token),):
            if key in rows:
                raise ValueError("a group names a send twice")
            rows[key] = (token, dispatch)
    return rows


def settled_rows(settlements: Sequence[Settlement], others: Mapping[str, Sequence[str]]) -> list[Settlement]:
    """A settlement for each row. `others` are the rows of the same messages that nobody holds: an acknowledgement is theirs as well.

    ValueError when a send is named twice.
    """
    rows = [replace(said, send_key=key, token=token, items=()) for said in settlements for key, token in said.items or ((said.send_key, said.token),)]
    known = {row.send_key for row in rows}
    if len(known) != len(rows):
        raise ValueError("a settlement names a send twice")
    for said in settlements:
        for key in others.get(said.send_key, ()) if said.state == "sent" else ():
            if key not in known:
                known.add(key)
                rows.append(replace(said, send_key=key, token=-1, items=()))
    return rows


def of_messages(settlements: Sequence[Settlement], became: Mapping[str, str]) -> dict[str, str]:
    """What each message became, by its key: what its rows did. Rows that differ (one had its last attempt, one is tried again) are told by the liveliest."""
    order = ("sent", "planned", "unknown", "failed", "stale")
    return {said.send_key: min((became[key] for key in holds_of(said)), key=order.index) for said in settlements}


def holds_of(said: Settlement) -> tuple[str, ...]:
    return tuple(key for key, _ in said.items) or (said.send_key,)


def all_holds(claims: Iterable[Claimed]) -> list[Hold]:
    """The rows that these messages hold."""
    return [hold for claim in claims for hold in claim.holds]
