"""Named places where a test may kill the process (reliability.md §5 A). Without ENGINE_FAILPOINT each is a no-op.

`ENGINE_FAILPOINT=FP3` kills at the first visit of FP3, `FP3:5` at the fifth. The kill is SIGKILL: nothing is cleaned up.
"""

from __future__ import annotations

import os
import signal

# Around the transitions T1 to T12, in the order in which one send meets them.
FAILPOINTS: dict[str, str] = {
    "FP1": "before T1: the plan is made, its transaction not begun",
    "FP2": "in T1: rows written, not committed",
    "FP3": "after T1: planned rows committed, the witness not yet written",
    "FP4": "in T2: rows claimed, not committed",
    "FP5": "after T2: claimed and committed, nothing rendered",
    "FP6": "in T3: payloads frozen, not committed",
    "FP7": "after T3: dispatching and committed, nothing handed over",
    "FP8": "at the hand-over: just before the step that cannot be taken back",
    "FP9": "at the hand-over: accepted, the answer not yet read",
    "FP10": "after the hand-over: the answer is read, nothing recorded",
    "FP11": "in T4 to T8: the outcome is written, not committed",
    "FP12": "after T4 to T8: the outcome is committed",
    "FP13": "in T9 and T10: rows of a dead process moved, not committed",
    "FP14": "at the end of a run: everything settled, the run's row not closed",
    "INBOX": "orders of the inbox are carried out and committed, their files still there",
}

_wanted, _, _count = os.environ.get("ENGINE_FAILPOINT", "").partition(":")
_left = int(_count) if _count.isdigit() else 1


def failpoint(name: str) -> None:
    """Die here, if the environment asked for it when the process began."""
    global _left
    if not _wanted or name != _wanted:
        return
    _left -= 1
    if _left <= 0:
        os.kill(os.getpid(), signal.SIGKILL)
