"""The clock of a run."""

from __future__ import annotations

import time
from datetime import datetime, timedelta

import pytest

from engine.delivery.running import RunningClock


@pytest.mark.skipif(not hasattr(time, "CLOCK_BOOTTIME"), reason="only Linux has the clock that counts sleep")
def test_5_6_what_the_machine_slept_has_passed(monkeypatch: pytest.MonkeyPatch) -> None:
    """5.6, 9.6: a laptop that slept for eight hours in a run sends nothing that expired meanwhile. The monotonic clock stands still then."""
    began, asleep = time.clock_gettime(time.CLOCK_BOOTTIME), 0.0
    monkeypatch.setattr(time, "clock_gettime", lambda clock: began + asleep if clock == time.CLOCK_BOOTTIME else began)
    now = datetime(2026, 3, 2, 2, 0)
    clock = RunningClock(now)
    assert clock.now() == now
    asleep = 8 * 3600.0
    assert clock.now() == now + timedelta(hours=8)
