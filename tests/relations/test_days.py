"""Local days as instants: the same answer as converting each instant to its local date."""

from __future__ import annotations

from datetime import date, datetime, timedelta

import pytest

from engine.clock import to_local
from engine.relations.days import instants

DAYS = [
    ("Asia/Bangkok", date(2026, 1, 5), 1),
    ("America/New_York", date(2026, 3, 8), 1),
    ("America/Havana", date(2026, 11, 1), 1),
    ("America/St_Johns", date(2010, 11, 6), 2),
    ("America/St_Johns", date(2010, 11, 7), 2),
    ("Pacific/Apia", date(2011, 12, 30), 0),
    ("America/Sao_Paulo", date(2018, 11, 4), 1),
]


@pytest.mark.parametrize(("zone", "day", "number"), DAYS)
def test_7_2_a_day_is_the_instants_with_that_local_date(zone: str, day: date, number: int) -> None:
    """Also where clocks go back over midnight and a day is entered twice, and where a zone leaves a day out."""
    intervals = instants(zone, day, day)
    assert len(intervals) == number
    start = datetime(day.year, day.month, day.day) - timedelta(hours=40)
    for minutes in range(0, 80 * 60, 7):
        for moment in (start + timedelta(minutes=minutes), start + timedelta(minutes=minutes, microseconds=-1)):
            inside = any(low is not None and high is not None and low <= moment < high for low, high in intervals)
            assert inside == (to_local(moment, zone).date() == day), moment


def test_7_2_without_an_end_a_side_stays_open() -> None:
    """From a day on, or up to a day."""
    assert instants("Asia/Bangkok", date(2026, 1, 5), None) == ((datetime(2026, 1, 4, 17), None),)
    assert instants("Asia/Bangkok", None, date(2026, 1, 5)) == ((None, datetime(2026, 1, 5, 17)),)
    assert instants("Asia/Bangkok", None, date.max) == ((None, datetime.max),)
