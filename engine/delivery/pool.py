"""A few connections to one mail server, opened when they are needed and kept; and the breaker that tells when it is dead.

One thread has a conversation at a time: it takes one, and gives it back, drops it (the server broke off) or discards it
(we did). Failures in a row are counted over all connections. What broke on several of them at once is one failure.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from threading import Condition, Lock

from engine.delivery.conversation import Conversation, Trouble
from engine.delivery.failures import ServerDown

# How long a server may take to say goodbye.
GOODBYE_SECONDS = 5.0


class Pool:
    """At most `size` conversations, made by `connect`. `pauses` lie between failures in a row; one failure more than there are
    pauses opens the breaker for `rest_seconds`, and after these every further failure opens it again."""

    def __init__(
        self, connect: Callable[[], Conversation], size: int, *, pauses: tuple[float, ...], rest_seconds: float, pause: Callable[[float], None]
    ) -> None:
        self._connect, self._size = connect, max(1, size)
        self._pauses, self._rest_seconds, self._pause = pauses, rest_seconds, pause
        self._changed = Condition(Lock())
        # Connections are opened one after the other: a dead server is asked once at a time, however many wait for it.
        self._door = Lock()
        self._idle: list[Conversation] = []
        # When each was last known to be good, told in failures counted by then: a failure counts when none was since.
        self._busy: dict[Conversation, int] = {}
        self._opening = 0
        self._failures_in_a_row = self._failures = 0
        self._rests_until = 0.0
        self._last_failure = ""
        self._over = False

    def take(self) -> Conversation:
        """A conversation with no transaction open: one at hand that still answers, else a new one, else whichever is free first.

        Trouble when none can be opened; ServerDown when the breaker is open.
        """
        while True:
            conversation = self._next()
            if conversation is None:
                opened = self._open()
                if opened is not None:
                    return opened
                continue
            try:
                if conversation.ask("RSET")[0] == 250:
                    return conversation
            except Trouble:
                # Servers close idle connections as they like; that is no failure of anything.
                pass
            except BaseException:
                self.discard(conversation)
                raise
            self.discard(conversation)

    def give_back(self, conversation: Conversation) -> None:
        """The server answered: it lives, and the conversation may go on."""
        with self._changed:
            self._failures_in_a_row = 0
            if self._busy.pop(conversation, None) is not None and not self._over:
                self._idle.append(conversation)
            else:
                conversation.close()
            self._changed.notify_all()

    def drop(self, conversation: Conversation, why: str) -> None:
        """The server broke off, or is about to; `why` holds no address and no secret."""
        with self._changed:
            if self._busy.get(conversation) == self._failures and not self._over:
                self._failed(why)
        self.discard(conversation)

    def discard(self, conversation: Conversation) -> None:
        """Hang up; nothing is said of the server."""
        with self._changed:
            self._busy.pop(conversation, None)
            conversation.close()
            self._changed.notify_all()

    def break_off(self) -> None:
        """Hang up on everything, from whatever thread; nothing is opened any more."""
        with self._changed:
            self._over = True
            for conversation in self._busy:
                conversation.cut()
            for conversation in self._idle:
                conversation.close()
            self._idle.clear()
            self._changed.notify_all()

    def close(self) -> None:
        """Say QUIT to those that are idle, and hang up; whatever the server makes of it, nothing is in doubt any more."""
        with self._changed:
            idle, self._idle = self._idle, []
        for conversation in idle:
            conversation.reply_seconds = min(GOODBYE_SECONDS, conversation.reply_seconds)
            try:
                with suppress(Trouble):
                    conversation.ask("QUIT")
            finally:
                conversation.close()

    # --- one more ------------------------------------------------------------------------------------------------

    def _next(self) -> Conversation | None:
        """An idle one, or None when the caller is to open one; waits while all are busy."""
        with self._changed:
            while True:
                if self._over:
                    raise Trouble("lost", "the delivery was broken off")
                if self._idle:
                    conversation = self._idle.pop()
                    self._busy[conversation] = self._failures
                    return conversation
                if len(self._busy) + self._opening < self._size:
                    self._opening += 1
                    return None
                self._changed.wait()

    def _open(self) -> Conversation | None:
        """A new conversation. None when the server gives no more than those that are open: then these have to do."""
        with self._door:
            conversation = None
            try:
                self._wait_for_the_server()
                conversation = self._connect()
            except Trouble as trouble:
                with self._changed:
                    others = len(self._busy) + len(self._idle)
                    if not others or self._over:
                        self._failed(trouble.text)
                        raise
                    self._size = others
            finally:
                with self._changed:
                    self._opening -= 1
                    if conversation is not None:
                        self._busy[conversation] = self._failures
                        if self._over:
                            conversation.cut()
                    self._changed.notify_all()
        return conversation

    def _wait_for_the_server(self) -> None:
        with self._changed:
            failed = self._failures_in_a_row
            rests = failed > len(self._pauses) and time.monotonic() < self._rests_until
        if rests:
            raise ServerDown(f"the mail server failed {failed} times in a row, at last: {self._last_failure}")
        if 0 < failed <= len(self._pauses):
            self._pause(self._pauses[failed - 1])

    def _failed(self, why: str) -> None:
        self._last_failure = why
        self._failures += 1
        self._failures_in_a_row += 1
        self._rests_until = time.monotonic() + self._rest_seconds
