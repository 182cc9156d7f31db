"""Handing the messages of one group over: one after the other, or several at once over a transport's connections.

The ledger belongs to one thread. A lane that reaches the group's commit point asks that thread and waits for its answer.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from queue import Empty, SimpleQueue
from threading import Lock, Thread
from typing import Protocol

from engine.delivery.groups import Group, Letter, Withdrawn
from engine.delivery.transport import SeveralAtOnce, Transport
from engine.errors import DeliveryFailure, PermanentFailure

# The transport's breaker ends this earlier; a transport without one is not asked for ever.
_CONNECTS = 20
# How often the thread with the ledger looks whether the end has come, and how long lanes that were broken off have.
_LOOK_SECONDS, _GRACE_SECONDS = 0.5, 5.0


class Ending(Protocol):
    """What a delivery knows of its end."""

    def is_ending(self) -> bool:
        """True once a signal has come."""

    def is_over(self, group: Group) -> bool:
        """True when no further message of the group is to be begun."""

    def is_overdue(self) -> bool:
        """True when what is in flight has had its time after a signal."""


def hand_over(group: Group, transport: Transport, ending: Ending) -> None:
    """Give the group's messages to the transport; what became of them is in `group.outcomes`. DeliveryFailure when the set-up is
    wrong or the server dead: the messages that were not handed over have no outcome then."""
    if isinstance(transport, SeveralAtOnce):
        _Lanes(group, transport, ending).run()
        return
    for letter in group.letters:
        if ending.is_over(group):
            return
        _deliver(group, transport, ending, letter, group.dispatch)


def _deliver(group: Group, transport: Transport, ending: Ending, letter: Letter, dispatch: Callable[[str], None]) -> None:
    row, message = letter
    key = row.send_key

    def commit_point(send_key: str) -> None:
        dispatch(send_key)
        group.let_go(send_key)

    if key in group.withdrawn:
        return
    if key in group.dispatched and group.is_too_late(key):
        group.too_late.add(key)
        return
    group.in_hand.add(key)
    for attempt in range(_CONNECTS):
        try:
            outcome = transport.deliver(message, commit_point)
        except (Withdrawn, DeliveryFailure) as reason:
            group.in_hand.discard(key)
            if isinstance(reason, Withdrawn):
                return
            raise
        # Without a connection nothing was said of this message: it is tried again, and the transport's breaker ends that.
        if outcome.state == "retry" and (group.broken_off or (outcome.phase == "connect" and ending.is_ending())):
            # We did not wait for it: that is no attempt.
            break
        if outcome.state != "retry" or outcome.phase != "connect" or attempt == _CONNECTS - 1:
            group.outcomes[key] = outcome
            break
    group.in_hand.discard(key)


class _Lanes:
    """Threads that each hand over one message at a time, while the thread that began them answers their commit points."""

    def __init__(self, group: Group, transport: SeveralAtOnce, ending: Ending) -> None:
        self._group, self._transport, self._ending = group, transport, ending
        self._letters = deque(group.letters)
        self._next = Lock()
        # A lane's question (which key is at its commit point), or None when a lane has ended.
        self._said: SimpleQueue[tuple[str, Future[None]] | None] = SimpleQueue()
        self._failures: list[BaseException] = []
        self._lanes = 0

    def run(self) -> None:
        for number in range(min(self._transport.at_once, len(self._letters))):
            Thread(target=self._lane, name=f"lane-{number + 1}", daemon=True).start()
            self._lanes += 1
        try:
            while self._lanes:
                self._answer(self._group.dispatch)
                if self._ending.is_overdue():
                    self._break_off()
                    break
        except BaseException:
            self._break_off()
            raise
        if self._failures:
            raise min(self._failures, key=_weight)

    def _answer(self, dispatch: Callable[[str], None]) -> None:
        try:
            said = self._said.get(timeout=_LOOK_SECONDS)
        except Empty:
            return
        if said is None:
            self._lanes -= 1
            return
        key, answer = said
        try:
            dispatch(key)
        except Withdrawn as no:
            answer.set_exception(no)
        except BaseException as error:
            answer.set_exception(error)
            raise
        else:
            answer.set_result(None)

    def _break_off(self) -> None:
        """Hang up, and wait for the lanes; one that hangs elsewhere is left behind, and no longer gets past its commit point."""
        self._group.broken_off = True
        self._transport.break_off()
        until = time.monotonic() + _GRACE_SECONDS
        while self._lanes and time.monotonic() < until:
            self._answer(_refuse)

    # --- in a lane -----------------------------------------------------------------------------------------------

    def _lane(self) -> None:
        try:
            while (letter := self._letter()) is not None:
                _deliver(self._group, self._transport, self._ending, letter, self._ask)
        except BaseException as error:
            self._failures.append(error)
        finally:
            self._said.put(None)

    def _letter(self) -> Letter | None:
        with self._next:
            if self._failures or self._group.broken_off or not self._letters or self._ending.is_over(self._group):
                return None
            return self._letters.popleft()

    def _ask(self, send_key: str) -> None:
        if self._group.broken_off:
            raise Withdrawn
        if send_key in self._group.asked:
            return
        answer: Future[None] = Future()
        self._said.put((send_key, answer))
        answer.result()


def _refuse(send_key: str) -> None:
    raise Withdrawn


def _weight(failure: BaseException) -> int:
    """What nobody expected is told before what is wrong with the set-up, and that before a server that is down."""
    if not isinstance(failure, DeliveryFailure):
        return 0
    return 1 if isinstance(failure, PermanentFailure) else 2
