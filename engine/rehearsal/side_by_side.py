"""Two courses on one snapshot at the same time: a thread each, since nearly all of the work is DuckDB's, and of a few records that uses one core."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from dataclasses import replace
from threading import Event, Lock

from engine.definitions.definitions import Definitions
from engine.definitions.histories import histories
from engine.ledger.records import Candidates, LedgerView
from engine.plan.planning import ViewOf
from engine.rehearsal.course import Course
from engine.rehearsal.foretelling import MOST_INSTANTS, Ground, Progress, foretold, silent


class GivenUp(Exception):
    """The other course has failed, or somebody has interrupted."""


def followed_together(sides: Sequence[tuple[Ground, Definitions]], *, most: int = MOST_INSTANTS, progress: Progress = silent) -> list[Course]:
    """The course of each, in their order; the days of all are counted together. What one raises ends the others, and is raised."""
    steps = _Steps(len(sides), progress)
    if not _may_go_together(sides):
        return [foretold(ground, definitions, most=most, progress=steps.of(place)) for place, (ground, definitions) in enumerate(sides)]
    alone = Lock()
    with ThreadPoolExecutor(len(sides)) as pool:
        running = []
        for place, (ground, definitions) in enumerate(sides):
            # One ledger answers both, and its connection is one.
            own = replace(ground, view_of=_one_at_a_time(ground.view_of, alone))
            # Each plan names it, and it is kept: counted here, both do not count it at once.
            _ = own.snapshot.digest
            running.append(pool.submit(foretold, own, definitions, most=most, progress=steps.of(place)))
        try:
            wait(running, return_when=FIRST_EXCEPTION)
        finally:
            # A thread cannot be stopped from outside: it looks at each of its instants whether it is still wanted.
            steps.given_up.set()
    faults = [fault for one in running if (fault := one.exception()) is not None]
    for fault in faults:
        if not isinstance(fault, GivenUp):
            raise fault
    return [one.result() for one in running]


def _may_go_together(sides: Sequence[tuple[Ground, Definitions]]) -> bool:
    """What rules on history ask is laid into the snapshot, where each course has its own."""
    return len({id(ground.snapshot) for ground, _ in sides}) == len(sides) or not any(histories(definitions) for _, definitions in sides)


def _one_at_a_time(view_of: ViewOf, alone: Lock) -> ViewOf:
    def view(asked: Candidates) -> LedgerView:
        with alone:
            return view_of(asked)

    return view


class _Steps:
    """How many days of all courses are done."""

    def __init__(self, courses: int, progress: Progress) -> None:
        self._done = [0] * courses
        self._progress = progress
        self._lock = Lock()
        self.given_up = Event()

    def of(self, place: int) -> Callable[[int, int], None]:
        def told(done: int, total: int) -> None:
            if self.given_up.is_set():
                raise GivenUp
            with self._lock:
                self._done[place] = done
                self._progress(sum(self._done), total * len(self._done))

        return told
