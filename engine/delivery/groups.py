"""One group of messages on its way: dispatched in one commit, handed over one by one, settled in one commit."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from hashlib import sha256

from engine.delivery.backoff import backoff
from engine.delivery.transport import Outcome, Transport
from engine.ledger.ledger import Ledger
from engine.ledger.records import Claimed, Dispatch, Frozen, Hold, Settlement
from engine.messages.message import Message

# The phase of a row that was dispatched with its group and then not handed over: nothing of it left, and it is no attempt.
NOT_TRIED = "not_tried"
Letter = tuple[Claimed, Message]


class Withdrawn(Exception):
    """This row may not leave: the ledger did not let it go (T3), as it was stopped, suppressed, expired or taken over meanwhile;
    or it expired since, or its send window closed."""


@dataclass
class Group:
    """`asked` are the keys for which the ledger was asked whether they may leave, `dispatched` those that may, `too_late` those of
    them that expired, or whose send window closed, while others of the group were handed over. `in_hand` are with the transport, and `past_commit` were allowed
    the step that cannot be taken back: what is both, and has no outcome, is in doubt.

    Several threads may be at their commit points; the ledger is asked by `dispatch` alone, in the thread that opened it.
    """

    ledger: Ledger
    transport: Transport
    now: Callable[[], datetime]
    letters: Sequence[Letter]
    asked: set[str] = field(default_factory=set)
    dispatched: set[str] = field(default_factory=set)
    dispatched_at: datetime | None = None
    outcomes: dict[str, Outcome] = field(default_factory=dict)
    in_hand: set[str] = field(default_factory=set)
    past_commit: set[str] = field(default_factory=set)
    too_late: set[str] = field(default_factory=set)
    broken_off: bool = False

    def dispatch(self, send_key: str) -> None:
        """The last commit before the first message's irrevocable step is the group's (T3)."""
        if send_key not in self.asked:
            self._dispatch(self.letters)

    def let_go(self, send_key: str) -> None:
        """Just before the step that cannot be taken back: Withdrawn for a message that may not take it."""
        if send_key not in self.dispatched:
            raise Withdrawn
        if self.is_too_late(send_key):
            self.too_late.add(send_key)
            raise Withdrawn
        self.past_commit.add(send_key)

    def is_too_late(self, send_key: str) -> bool:
        """Whether the message has expired by now, or its send window has closed; the ledger looks only once, when the group is dispatched."""
        moment = self._last_moments.get(send_key)
        return moment is not None and self.now() >= moment

    @cached_property
    def _last_moments(self) -> dict[str, datetime]:
        return {row.send_key: row.leaves_before for row, _ in self.letters if row.leaves_before is not None}

    @property
    def withdrawn(self) -> set[str]:
        return (self.asked - self.dispatched) | self.too_late

    def settlements(self) -> tuple[list[Settlement], list[Claimed]]:
        """What to record of the rows that were dispatched, and the claimed rows that go back unsent.

        A message that was refused before any commit point is dispatched here: the table moves it on from there only.
        """
        self._dispatch([letter for letter in self.letters if letter[0].send_key in self.outcomes])
        settled, unsent = [], []
        for row, _ in self.letters:
            if row.send_key in self.dispatched:
                settled.append(self._settlement(row))
            elif row.send_key not in self.asked:
                unsent.append(row)
        return settled, unsent

    def _settlement(self, row: Claimed) -> Settlement:
        outcome = self.outcomes.get(row.send_key)
        if outcome is None and row.send_key in self.in_hand & self.past_commit:
            return Settlement(row.send_key, row.token, "unknown", "interrupted", retry_at=self.now(), items=_items(row))
        if outcome is None:
            return Settlement(row.send_key, row.token, "retry", NOT_TRIED, items=_items(row))
        later = self.now() + backoff(row.send_key, row.attempts + 1) if outcome.state in ("retry", "unknown") else None
        return Settlement(
            row.send_key,
            row.token,
            outcome.state,
            outcome.phase,
            outcome.code,
            outcome.enhanced_code,
            outcome.text,
            outcome.provider_message_id,
            later,
            _items(row),
        )

    def _dispatch(self, letters: Sequence[Letter]) -> None:
        wanted = [letter for letter in letters if letter[0].send_key not in self.asked]
        if not wanted:
            return
        ttl = self.transport.key_ttl_seconds if self.transport.idempotent else 0
        group = [Dispatch(row.send_key, row.token, _frozen(row, message), self.transport.name, ttl, _items(row)) for row, message in wanted]
        self.dispatched |= self.ledger.begin_dispatch(group, self.now())
        self.asked |= {row.send_key for row, _ in wanted}
        self.dispatched_at = self.dispatched_at or self.now()


def _items(row: Claimed) -> tuple[Hold, ...]:
    """The rows of a message of several (4.8): they leave together, and one answer is for all."""
    return row.holds if row.items else ()


def _frozen(row: Claimed, message: Message) -> Frozen:
    if row.frozen is not None:
        return row.frozen
    return Frozen(message.payload, sha256(message.payload).hexdigest(), message.sender, message.recipient, message.message_id, message.subject)
