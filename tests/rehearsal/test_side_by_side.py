"""Two courses at the same time: they come out as one after the other, and what stops one stops both."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import current_thread

import pytest

from engine.clock import Duration, shift
from engine.definitions.definitions import Definitions
from engine.ledger.records import Candidates, LedgerView
from engine.rehearsal.course import Course
from engine.rehearsal.foretelling import Ground as Foretold
from engine.rehearsal.foretelling import foretold
from engine.rehearsal.side_by_side import followed_together
from tests.rehearsal.test_foretelling import AT, TICKS, made, ticking
from tests.runs.ground import Ground


@contextmanager
def sides(ground: Ground, days: int, change: tuple[str, str, str]) -> Iterator[tuple[Foretold, Definitions, Definitions]]:
    """The ground of both, the definitions as they are, and those with a change of one file."""
    site = ground.site(AT)
    ground.change(*change)
    head = ground.site(AT).definitions
    with site.read_facts() as snapshot, site.read_ledger() as ledger:
        until = shift(site.now, Duration(days, "d"), "Asia/Bangkok")
        yield Foretold(snapshot, ledger.view, site.now, until, "dev", site.pseudonyms.address_key), site.definitions, head


def said(course: Course) -> tuple[object, ...]:
    return course.instants, course.sends.to_pylist(), course.fates.to_pylist(), course.ahead.to_pylist(), course.blocked, course.enrolled, course.first.decisions.to_pylist()


EARLIER = ("definitions/sequences/renewal.yaml", "before: 14d", "before: 16d")


def test_1_1_two_courses_together_are_as_one_after_the_other(tmp_path: Path) -> None:
    """1.1: on one snapshot and one ledger; the days of both are counted together."""
    with sides(made(tmp_path), 3, EARLIER) as (ground, base, head):
        alone = [said(foretold(ground, one)) for one in (base, head)]
        assert alone[0] != alone[1]
        watched: list[tuple[int, int]] = []
        together = followed_together([(ground, base), (ground, head)], progress=lambda done, total: watched.append((done, total)))
        assert [said(one) for one in together] == alone
        assert {total for _, total in watched} == {6} and max(done for done, _ in watched) > 2 and watched == sorted(watched)


def test_7_6_with_a_rule_on_history_one_goes_after_the_other(tmp_path: Path) -> None:
    """7.6: what such a rule asks lies in the snapshot, which both have: no thread is started."""
    threads = set()
    with sides(ticking(tmp_path, *TICKS), 3, ("definitions/sequences/greeted.yaml", "wait: 1d", "wait: 2d")) as (ground, base, head):
        alone = [said(foretold(ground, one)) for one in (base, head)]
        together = followed_together([(ground, base), (ground, head)], progress=lambda done, total: threads.add(current_thread().name))
        assert [said(one) for one in together] == alone
    assert threads == {current_thread().name}


@pytest.mark.parametrize("failing", [0, 1])
def test_what_stops_one_course_stops_the_other(tmp_path: Path, failing: int) -> None:
    """A fault of either is what is raised, and the other looks at no further instant; an interruption is one too."""

    class Gone(Exception):
        pass

    def gone(asked: Candidates) -> LedgerView:
        raise Gone

    with sides(made(tmp_path), 3, EARLIER) as (ground, base, head):
        broken = Foretold(ground.snapshot, gone, ground.now, ground.until, ground.environment, ground.address_key)
        watched: list[int] = []
        both = [(ground, base), (ground, head)]
        both[failing] = (broken, both[failing][1])
        with pytest.raises(Gone):
            followed_together(both, progress=lambda done, total: watched.append(done))
        assert len(watched) <= 2

        def interrupted(done: int, total: int) -> None:
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            followed_together([(ground, base), (ground, head)], progress=interrupted)
