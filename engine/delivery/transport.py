"""The Protocol of a transport: hand one frozen message over, and say what is known of its fate."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

from engine.messages.message import Message

State = Literal["sent", "failed", "retry", "unknown"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one message (reliability.md §3.4): sent (T4), retry = definitely not accepted (T5), failed = never
    will be (T6), unknown = nobody can tell (T7). `text` holds no address and no secret."""

    send_key: str
    state: State
    phase: str = ""
    code: int | None = None
    enhanced_code: str = ""
    text: str = ""
    provider_message_id: str = ""


class Transport(Protocol):
    """`commit_point` is called once for each message, after all that can be taken back and before the step that cannot;
    when it raises, that step is not taken, and neither when `deliver` raises PermanentFailure (the set-up is wrong) or
    TemporaryFailure (the server is down). `idempotent` transports repeat a key safely for `key_ttl_seconds`."""

    name: str
    idempotent: bool
    key_ttl_seconds: int
    leaves_the_house: bool

    def may_write_to(self, recipient: str) -> bool:
        """Whether this environment writes to the address. What it may not write to is held, and `deliver` refuses it (E605)."""

    def deliver(self, message: Message, commit_point: Callable[[str], None]) -> Outcome: ...

    def close(self) -> None: ...


@runtime_checkable
class SeveralAtOnce(Transport, Protocol):
    """A transport of which up to `at_once` threads may call `deliver` at the same time."""

    at_once: int

    def break_off(self) -> None:
        """Hang up on all that is under way, at once and for good: each `deliver` then returns with what is known of its message."""
