"""A measure is a ratio of two timings of one run: the machine is shared and noisy, so absolute figures say little."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass(frozen=True)
class Measure:
    """One line of the report. `ratio` is None where only a rate was asked for; `passed` is None where nothing was asked for."""

    what: str
    ours: str
    bare: str
    ratio: float | None
    goal: str
    passed: bool | None
    note: str = ""


def timed(action: Callable[[], object]) -> float:
    """Seconds of one call, without the garbage collector's moments."""
    gc.collect()
    gc.disable()
    try:
        begun = time.perf_counter()
        action()
        return time.perf_counter() - begun
    finally:
        gc.enable()


def best(ours: Callable[[], object], bare: Callable[[], object], rounds: int) -> tuple[float, float]:
    """The best of `rounds` of each, taken in turns so that a busy moment of the machine meets both."""
    pairs = [(timed(ours), timed(bare)) for _ in range(rounds)]
    return min(pair[0] for pair in pairs), min(pair[1] for pair in pairs)


def seconds(value: float) -> str:
    return f"{value:.2f} s" if value >= 1 else f"{value * 1000:.1f} ms"


def rate(count: float, per: float) -> str:
    return f"{count / per:,.0f}/s"


@contextmanager
def told(what: str) -> Iterator[None]:
    """Say what is being measured, and how long that took in all."""
    begun = time.perf_counter()
    print(f"{what} …", end=" ", flush=True)
    yield
    print(f"{time.perf_counter() - begun:.1f} s", flush=True)
