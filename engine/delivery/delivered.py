"""What a delivery did, in numbers and in words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

FateState = Literal["failed", "unknown", "held", "put off"]
Ended = Literal["done", "stopped", "interrupted", "server", "settings"]


@dataclass(frozen=True, slots=True)
class Fate:
    """One send that did not simply leave. `text` holds no address and no secret."""

    send_key: str
    state: FateState
    phase: str
    text: str

    @property
    def code(self) -> str:
        """What `engine explain` tells at length."""
        if self.state == "failed":
            return "E606" if self.phase in ("render", "message") else "E603"
        return {"unknown": "E604", "held": "E605", "put off": "E602"}[self.state]


@dataclass(frozen=True, slots=True)
class Delivered:
    """Counts of one delivery: rows that are sent, failed, unknown; put off (planned again, to be tried later); held (this
    environment may not write to the address, E605); withdrawn (stopped, suppressed or expired after the claim).

    `ended` says why it ended: done, stopped (kill switch or `engine stop`), interrupted (a signal), server (the breaker,
    E602), settings (the set-up is wrong). What was not delivered then stays planned. `code`, `word` and `help` tell more.
    `fates` has the first `FATES_KEPT`.
    """

    sent: int = 0
    failed: int = 0
    unknown: int = 0
    put_off: int = 0
    held: int = 0
    withdrawn: int = 0
    ended: Ended = "done"
    code: str = ""
    word: str = ""
    help: str = ""
    fates: tuple[Fate, ...] = ()

    @property
    def exit_code(self) -> int:
        """As interface.md §3: 1 when the set-up is wrong; 6 when something failed, became unknown, was held, or the server
        is down; 0 else, also after a stop or a signal, which left nothing undone that was in flight."""
        if self.ended == "settings":
            return 1
        return 6 if self.failed or self.unknown or self.held or self.ended == "server" else 0


FATES_KEPT = 50
