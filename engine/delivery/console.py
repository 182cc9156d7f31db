"""The console: each mail as headers and text, calmly, for a look at what would leave."""

from __future__ import annotations

from collections.abc import Callable
from typing import TextIO

from engine.delivery.letters import calm, read_letter
from engine.delivery.transport import Outcome
from engine.failpoints import failpoint
from engine.messages.message import Message


class ConsoleTransport:
    """Prints and keeps nothing; what a mail holds cannot move the cursor."""

    name = "console"
    idempotent = False
    key_ttl_seconds = 0
    leaves_the_house = False

    def __init__(self, out: TextIO) -> None:
        self._out = out

    def may_write_to(self, recipient: str) -> bool:
        return True

    def deliver(self, message: Message, commit_point: Callable[[str], None]) -> Outcome:
        letter = read_letter(message.payload)
        lines = [f"From:    {letter.sender}", f"To:      {letter.to}", f"Subject: {letter.subject}", f"Date:    {letter.date}"]
        if letter.step:
            lines.append(f"Step:    {letter.step}")
        text = calm(letter.text).strip() or "(no text part)"
        commit_point(message.send_key)
        failpoint("FP8")
        self._out.write("\n".join([*lines, "", *(f"    {line}".rstrip() for line in text.splitlines()), "", ""]))
        failpoint("FP9")
        self._out.flush()
        failpoint("FP10")
        return Outcome(message.send_key, "sent", "printed")

    def close(self) -> None:
        self._out.flush()
