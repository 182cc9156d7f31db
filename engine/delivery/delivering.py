"""Claim, render, dispatch, hand over, settle: the one loop that sends (semantics 9.2 to 9.4).

A group of claimed rows is rendered, then handed over. All that SMTP can take back comes first: the ledger's
last commit (T3, for the whole group) happens at the first message's commit point, just before its final dot. A crash then
leaves at most the group in doubt. Any write that the ledger refuses ends the loop with its exception: what cannot be
recorded is not sent.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import groupby
from typing import Protocol

from engine.delivery.delivered import FATES_KEPT, Delivered, Ended, Fate, FateState
from engine.delivery.groups import NOT_TRIED, Group
from engine.delivery.handing_over import hand_over
from engine.delivery.redacting import redacted
from engine.delivery.transport import Transport
from engine.errors import DeliveryFailure, PermanentFailure, TemporaryFailure
from engine.ledger.ledger import Ledger, LedgerBroken
from engine.ledger.records import LEASE, LONGEST_SEND, Claimed, Settled
from engine.messages.message import Message

# A dispatched row keeps the lease of its claim; the group ends while one more message still fits into it.
GROUP_FOR = LEASE - LONGEST_SEND - timedelta(minutes=5)
# After a signal the group in flight goes on for so long; what is left of it then goes back unsent.
ENDING_FOR = timedelta(seconds=20)
# By then all is over: a server that still thinks about a dot is not waited for, and its message is in doubt.
OVERDUE_AFTER = timedelta(seconds=30)
# How long a run waits for messages that a server put off, counted from its beginning.
RETRY_FOR = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class InFlight:
    """How many messages one crash may leave in doubt."""

    transactional: int = 20
    marketing: int = 100


@dataclass(frozen=True, slots=True)
class Unrendered:
    """A message that cannot be made of this contact's values; `text` says why."""

    text: str


class Clock(Protocol):
    """The run's time: naive UTC, moving on with real time from the run's now."""

    def now(self) -> datetime: ...

    def wait(self, seconds: float) -> None: ...


class Stops(Protocol):
    """What can end a delivery from outside."""

    def before_group(self) -> str:
        """Take in the inbox and look for the kill switch: why everything stops now, or an empty text."""

    def ending(self) -> bool:
        """True once SIGTERM or SIGINT has come."""


def deliver(
    ledger: Ledger,
    transport: Transport,
    render: Callable[[Claimed], Message | Unrendered],
    *,
    worker: str,
    clock: Clock,
    stops: Stops,
    in_flight: InFlight | None = None,
    retry_for: timedelta = RETRY_FOR,
    progress: Callable[[Delivered], None] | None = None,
) -> Delivered:
    """Send what is planned and due; the result says what became of it. LedgerBroken ends it at once.

    A message that `render` cannot make fails alone (render_error) and the others go on; an exception out of it ends the
    delivery, and what was claimed goes back.
    Rows of a dead process are not taken in here: call `ledger.recover` before. The transport stays open for the caller to close.
    """
    return _Delivery(ledger, transport, render, worker, clock, stops, in_flight or InFlight(), retry_for, progress).run()


@dataclass
class _Delivery:
    ledger: Ledger
    transport: Transport
    render: Callable[[Claimed], Message | Unrendered]
    worker: str
    clock: Clock
    stops: Stops
    in_flight: InFlight
    retry_for: timedelta
    progress: Callable[[Delivered], None] | None
    done: Delivered = field(default_factory=Delivered)
    # Rows that go back at the end and not before: given back now they would be claimed again at once.
    held: list[Claimed] = field(default_factory=list)
    put_off: dict[str, datetime] = field(default_factory=dict)
    awaited: set[str] = field(default_factory=set)
    ending_since: datetime | None = None

    def run(self) -> Delivered:
        until = self.clock.now() + self.retry_for
        waiting: list[Claimed] = []
        try:
            while self._may_go_on():
                now = self.clock.now()
                # One that is due and is not claimed now was judged too long ago: the next plan's matter.
                self.awaited = {key for key in self.awaited if self.put_off[key] > now}
                waiting = self.ledger.claim(self.worker, max(self.in_flight.transactional, self.in_flight.marketing), now)
                if not waiting and not self._wait_for_one(until):
                    break
                for group in self._groups(waiting):
                    # Asked again before each group: a stop reaches a running delivery within one.
                    if not self._may_go_on():
                        break
                    waiting = waiting[len(group) :]
                    self._group(group)
                self._give_back(waiting)
                waiting = []
        except LedgerBroken:
            raise
        except BaseException:
            self._give_back([*waiting, *self.held])
            raise
        self._give_back(self.held)
        return self.done

    def _may_go_on(self) -> bool:
        if self.done.ended != "done":
            return False
        if self.is_ending():
            self.done = replace(self.done, ended="interrupted", word="interrupted; what was in flight is finished, the rest stays planned")
            return False
        why = self.stops.before_group()
        if why:
            self.done = replace(self.done, ended="stopped", word=why)
            return False
        return True

    def is_ending(self) -> bool:
        if self.ending_since is None and self.stops.ending():
            self.ending_since = self.clock.now()
        return self.ending_since is not None

    def _groups(self, rows: Sequence[Claimed]) -> Iterator[list[Claimed]]:
        """The rows in their order, cut so that no group is larger than what may be in doubt."""
        for marketing, same in groupby(rows, key=lambda row: row.category == "marketing"):
            several, size = list(same), self.in_flight.marketing if marketing else self.in_flight.transactional
            yield from (several[start : start + size] for start in range(0, len(several), size))

    def _give_back(self, rows: Sequence[Claimed]) -> None:
        if rows:
            self.ledger.release([hold for row in rows for hold in row.holds], self.clock.now())

    def _wait_for_one(self, until: datetime) -> bool:
        """Wait for the next message that was put off; False when there is none that this run waits for."""
        soon = [self.put_off[key] for key in self.awaited if self.put_off[key] <= until]
        if not soon:
            return False
        while (left := (min(soon) - self.clock.now()).total_seconds()) > 0 and not self.is_ending():
            self.clock.wait(min(left, 1.0))
        return True

    # --- one group -----------------------------------------------------------------------------------------------

    def _group(self, rows: Sequence[Claimed]) -> None:
        try:
            letters = [(row, message) for row in rows if (message := self._letter(row)) is not None]
        except LedgerBroken:
            raise
        except BaseException:
            self._give_back(rows)
            raise
        group = Group(self.ledger, self.transport, self.clock.now, letters)
        try:
            hand_over(group, self.transport, self)
        except (PermanentFailure, TemporaryFailure) as failure:
            self._end_with(failure)
        except LedgerBroken:
            raise
        except BaseException:
            # Whatever broke here, what servers have answered is recorded, and what they had not answered yet is in doubt.
            self._settle(group)
            raise
        self._settle(group)
        if self.progress:
            self.progress(self.done)

    def _letter(self, row: Claimed) -> Message | None:
        """The row's message: as it was frozen, or rendered now. None when it is held or cannot be made."""
        if not self.transport.may_write_to(row.address):
            self.held.append(row)
            self.done = replace(self.done, held=self.done.held + 1)
            self._tell(Fate(row.send_key, "held", "recipient", "E605: this environment may not write to the address"))
            return None
        if row.frozen is not None:
            frozen = row.frozen
            return Message(row.send_key, frozen.sender, frozen.recipient, frozen.message_id, frozen.subject, frozen.payload)
        made = self.render(row)
        if isinstance(made, Message):
            return made
        text = redacted(made.text, addresses=(row.address,))
        if self.ledger.fail(row.holds, "render_error", text, self.clock.now()):
            self.done = replace(self.done, failed=self.done.failed + 1)
            self._tell(Fate(row.send_key, "failed", "render", f"E606: {text}"))
        return None

    def is_over(self, group: Group) -> bool:
        now = self.clock.now()
        if self.is_ending() and (group.dispatched_at is None or now >= (self.ending_since or now) + ENDING_FOR):
            return True
        return group.dispatched_at is not None and now >= group.dispatched_at + GROUP_FOR

    def is_overdue(self) -> bool:
        return self.is_ending() and self.clock.now() >= (self.ending_since or self.clock.now()) + OVERDUE_AFTER

    def _end_with(self, failure: DeliveryFailure) -> None:
        ended: Ended = "settings" if isinstance(failure, PermanentFailure) else "server"
        code = getattr(failure, "code", "")
        self.done = replace(self.done, ended=ended, code=code, word=failure.message.removeprefix(f"{code}: "), help=failure.help)

    def _settle(self, group: Group) -> None:
        """Record the group's outcomes in one transaction; what was not handed over goes back."""
        settlements, unsent = group.settlements()
        self._give_back(unsent)
        settled = Settled()
        if settlements:
            settled = self.ledger.settle(settlements, self.clock.now())
        said = {one.send_key: one for one in settlements}
        expiries = {row.send_key: row.expires_at for row, _ in group.letters}
        fates: tuple[tuple[FateState, tuple[str, ...]], ...] = (("failed", settled.failed), ("unknown", settled.unknown), ("put off", settled.planned))
        for state, keys in fates:
            for key in keys:
                if said[key].phase != NOT_TRIED:
                    self._tell(Fate(key, state, said[key].phase, said[key].text))
        for key in settled.planned:
            retry_at = said[key].retry_at
            if retry_at is None:
                continue
            self.put_off[key] = retry_at
            expires_at = expiries[key]
            if expires_at is None or retry_at < expires_at:
                self.awaited.add(key)
        for key in (*settled.sent, *settled.failed, *settled.unknown):
            self.put_off.pop(key, None)
            self.awaited.discard(key)
        self.done = replace(
            self.done,
            sent=self.done.sent + len(settled.sent),
            failed=self.done.failed + len(settled.failed),
            unknown=self.done.unknown + len(settled.unknown),
            put_off=len(self.put_off),
            withdrawn=self.done.withdrawn + len(group.withdrawn),
        )

    def _tell(self, fate: Fate) -> None:
        if len(self.done.fates) < FATES_KEPT:
            self.done = replace(self.done, fates=(*self.done.fates, fate))
