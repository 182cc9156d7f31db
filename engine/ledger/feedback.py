"""What comes back of a mail (semantics 9.7): rows beside the sends, never their state. It may come twice and in any order."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Literal, get_args

from engine.ledger.keys import canonical
from engine.ledger.orders import Order
from engine.ledger.records import Settled

FeedbackKind = Literal["delivered", "bounced", "complained", "opened", "clicked"]
FEEDBACK_KINDS: tuple[str, ...] = get_args(FeedbackKind)
# What takes an address out of all mail (6.11).
_SUPPRESSES: Mapping[str, Literal["bounce", "complaint"]] = {"bounced": "bounce", "complained": "complaint"}


@dataclass(frozen=True, slots=True)
class Feedback:
    """One thing that was told of a mail, which is named by its send key or its Message-ID. `at` is naive UTC, `id` the teller's own."""

    send_key: str | None
    kind: FeedbackKind
    at: datetime
    message_id: str | None = None
    id: str = ""


@dataclass(frozen=True, slots=True)
class TakenFeedback:
    """What became of feedback: new rows, rows that were there, and those about no send of this ledger. `settled` sends are in doubt
    no more; `suppressed` addresses get nothing from now on."""

    new: int = 0
    known: int = 0
    unmatched: int = 0
    settled: int = 0
    suppressed: int = 0


@dataclass(frozen=True, slots=True)
class About:
    """The send that feedback is about."""

    send_key: str
    state: str
    address_key: str | None
    message_id: str | None


@dataclass(frozen=True, slots=True)
class EventRow:
    """A row of `events`: its id is the teller's, or made of what was told, so that the same is told once."""

    id: str
    about: About
    said: Feedback


class Listening:
    """What both homes do with feedback. Each step can be done again: a crash between two of them loses nothing when it is told again."""

    @abstractmethod
    def acknowledge(self, send_keys: Sequence[str], source: str, now: datetime) -> Settled: ...

    @abstractmethod
    def take_in(self, orders: Mapping[str, Order], now: datetime) -> Mapping[str, int]: ...

    @abstractmethod
    def _abouts(self, send_keys: Sequence[str], message_ids: Sequence[str]) -> list[About]: ...

    @abstractmethod
    def _append_events(self, source: str, rows: Sequence[EventRow], now: datetime) -> int: ...

    def take_feedback(self, source: str, feedback: Sequence[Feedback], now: datetime) -> TakenFeedback:
        """Append what is new; settle what was in doubt (T12), and suppress the addresses of bounces and complaints (6.11)."""
        keys = list(dict.fromkeys(said.send_key for said in feedback if said.send_key))
        found = self._abouts(keys, list(dict.fromkeys(said.message_id for said in feedback if said.message_id and not said.send_key)))
        by_key = {about.send_key: about for about in found}
        by_message = {about.message_id: about for about in found if about.message_id}
        rows: dict[str, EventRow] = {}
        unmatched = 0
        for said in feedback:
            about = by_key.get(said.send_key) if said.send_key else by_message.get(said.message_id or "")
            if about is None:
                unmatched += 1
            else:
                row = EventRow(said.id or event_id(about.send_key, said), about, said)
                rows.setdefault(row.id, row)
        new = self._append_events(source, list(rows.values()), now) if rows else 0
        doubted = sorted({row.about.send_key for row in rows.values() if row.about.state not in ("sent", "skipped", "cancelled")})
        settled = len(self.acknowledge(doubted, source, now).sent) if doubted else 0
        suppressed = sum(self.take_in(_orders(source, list(rows.values())), now).values())
        return TakenFeedback(new, len(feedback) - unmatched - new, unmatched, settled, suppressed)


def event_id(send_key: str, said: Feedback) -> str:
    return sha256(canonical(send_key, said.kind, said.at.isoformat())).hexdigest()[:32]


def _orders(source: str, rows: Sequence[EventRow]) -> dict[str, Order]:
    """One order an address and reason, by an id that is obeyed once: what a person lifts later stays lifted."""
    return {
        f"feedback:{source}:{row.id}": Order(
            "suppress", row.said.at, source, address_key=row.about.address_key, reason=_SUPPRESSES[row.said.kind], note=f"feedback: {row.said.kind}"
        )
        for row in rows
        if row.said.kind in _SUPPRESSES and row.about.address_key is not None
    }
