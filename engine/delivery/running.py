"""What a door hands to `deliver`: a clock that starts at the run's now, and signals that end a run cleanly."""

from __future__ import annotations

import signal
import time
from datetime import datetime, timedelta
from types import FrameType, TracebackType
from typing import Self


def _elapsed() -> float:
    """Seconds that nobody can set. Linux's monotonic clock stands still while the machine sleeps, and a mail that expired meanwhile would leave."""
    return time.clock_gettime(time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic()


class RunningClock:
    """Naive UTC that was `now` when this was made, and has moved on with real time since: also when `--now` is another day."""

    def __init__(self, now: datetime) -> None:
        self._now, self._since = now, _elapsed()

    def now(self) -> datetime:
        return self._now + timedelta(seconds=_elapsed() - self._since)

    def wait(self, seconds: float) -> None:
        time.sleep(seconds)


class EndOnSignal:
    """While it is entered, the first SIGTERM or SIGINT asks for a clean end; the second has its usual effect at once."""

    def __init__(self) -> None:
        self.came: int = 0
        self._before: dict[int, object] = {}

    def __enter__(self) -> Self:
        for number in (signal.SIGTERM, signal.SIGINT):
            self._before[number] = signal.signal(number, self._asked)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._usual()

    def ending(self) -> bool:
        return self.came != 0

    @property
    def exit_code(self) -> int:
        """130 after SIGINT (interface.md §3); 0 after SIGTERM, which asks for a clean end, and when nothing came."""
        return 130 if self.came == signal.SIGINT else 0

    def _asked(self, number: int, frame: FrameType | None) -> None:
        self.came = number
        self._usual()

    def _usual(self) -> None:
        for number, before in self._before.items():
            if callable(before) or isinstance(before, int):
                signal.signal(number, before)
        self._before.clear()
