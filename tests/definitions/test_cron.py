"""Crons: five plain fields, and the local minutes that they mean."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.definitions.cron import Cron
from engine.definitions.cron_utc import in_utc
from tests.laws import cases


@pytest.mark.parametrize(
    ("text", "after", "next"),
    [
        ("0 9 * * *", "2026-11-23 09:00", "2026-11-24 09:00"),
        ("*/20 * * * *", "2026-11-23 09:05", "2026-11-23 09:20"),
        ("0 9 * * mon-fri", "2026-11-27 10:00", "2026-11-30 09:00"),
        ("30 8 1 */3 *", "2026-11-23 09:00", "2027-01-01 08:30"),
        ("0 9 13 * 5", "2026-11-09 00:00", "2026-11-13 09:00"),
        ("0 9 15 * 5", "2026-11-14 00:00", "2026-11-15 09:00"),
        ("0 9 29 2 *", "2026-11-23 09:00", "2028-02-29 09:00"),
        ("0 0 * * 7", "2026-11-23 00:00", "2026-11-29 00:00"),
    ],
)
def test_the_next_time(text: str, after: str, next: str) -> None:
    """3.4: five fields; day of month and day of week both given: either matches."""
    assert Cron.parse(text).after(datetime.fromisoformat(after)) == datetime.fromisoformat(next)


@pytest.mark.parametrize("text", ["0 0 9 * * *", "@daily", "0 9 * *", "60 * * * *", "0 24 * * *", "0 9 0 * *", "0 9 L * *", "0 9 * * 5#2", "0 9 31 2 *", "0 9 * * 5-1", "*/0 * * * *", "", "a b c d e"])  # fmt: skip
def test_what_is_no_cron_is_refused(text: str) -> None:
    """Six fields, nicknames, signs that other schedulers do not know, and times that never come."""
    with pytest.raises(ValueError, match="`"):
        Cron.parse(text)


def _field(low: int, high: int) -> st.SearchStrategy[str]:
    number = st.integers(low, high)
    return st.one_of(
        st.just("*"), number.map(str), st.lists(number, min_size=1, max_size=3).map(lambda found: ",".join(map(str, found))),
        st.tuples(number, number).map(lambda pair: f"{min(pair)}-{max(pair)}"), st.integers(1, 30).map(lambda step: f"*/{step}"),
    )  # fmt: skip


@cases(50)
@given(
    st.tuples(_field(0, 59), _field(0, 23), _field(1, 28), _field(1, 12), _field(0, 7)).map(" ".join),
    st.datetimes(datetime(2024, 1, 1), datetime(2030, 1, 1)).map(lambda moment: moment.replace(second=0, microsecond=0)),
)
def test_law_before_and_after_enclose_a_moment(text: str, moment: datetime) -> None:
    """No time of the cron lies between the one at or before a moment and the one after it, and each is one by its own fields."""
    cron = Cron.parse(text)
    before, after = cron.at_or_before(moment), cron.after(moment)
    assert before is not None and before <= moment < after and cron.after(before) == after
    assert cron.at_or_before(after) == after and cron.at_or_before(after - timedelta(minutes=1)) == before
    minute, hour, day, month, weekday = cron.fields
    for time in (before, after):
        by_day = day is None or time.day in day
        by_weekday = weekday is None or time.isoweekday() % 7 in weekday
        said = text.split()
        either = by_day or by_weekday if not said[2].startswith("*") and not said[4].startswith("*") else by_day and by_weekday if said[2] == "*" or said[4] == "*" else None
        assert (minute is None or time.minute in minute) and (hour is None or time.hour in hour) and (month is None or time.month in month)
        assert either is None or either


@cases(50)
@given(
    st.tuples(_field(0, 59), _field(0, 23), _field(1, 28), _field(1, 12), _field(0, 7)).map(" ".join),
    st.sampled_from([-10 * 60, -3 * 60 - 30, 0, 60, 5 * 60 + 45, 7 * 60, 14 * 60]),
    st.datetimes(datetime(2024, 1, 1), datetime(2027, 1, 1)),
)
def test_law_utc_has_every_time_and_no_other(text: str, minutes: int, moment: datetime) -> None:
    """Of a zone that is this far from UTC: the next times of a cron are times of one of the UTC crons; and where no days are added, the other way round."""
    cron, offset = Cron.parse(text), timedelta(minutes=minutes)
    utc = in_utc(cron, offset)
    crons = [Cron.parse(one.text) for one in utc]
    wall = moment
    for _ in range(5):
        wall = cron.after(wall)
        assert any(one.at_or_before(wall - offset) == wall - offset for one in crons), (wall, utc)
    for one, made in zip(crons, utc):
        local = one.after(moment) + offset
        assert made.more_days or cron.at_or_before(local) == local, (local, utc)


@pytest.mark.parametrize(
    ("text", "hours", "utc"),
    [
        ("0 9 * * *", 7, ["0 2 * * *"]),
        ("*/20 * * * *", 7, ["*/20 * * * *"]),
        ("30 8 * * 1-5", 7, ["30 1 * * 1-5"]),
        ("0 5,9 * * 1", 7, ["0 22 * * 0", "0 2 * * 1"]),
        ("0 9 * * 1", -10, ["0 19 * * 1"]),
        ("0 20 * * 6,7", -10, ["0 6 * * 0,1"]),
        ("0 3 1 */3 *", 7, ["0 20 28-31 1,3,4,6,7,9,10,12 *"]),
        ("0 3 1-28 * 0", 7, ["0 20 * * *"]),
        ("0 20 1-30 * 0", -10, ["0 6 * * *"]),
        ("0 3 1-27 * 0", 7, ["0 20 1-26,28-31 * 6"]),
    ],
)
def test_local_times_in_utc(text: str, hours: int, utc: list[str]) -> None:
    """09:00 in Bangkok is 02:00 UTC; early on Monday is late on Sunday."""
    assert [one.text for one in in_utc(Cron.parse(text), timedelta(hours=hours))] == utc


def test_a_day_of_the_month_on_another_day_in_utc_says_so() -> None:
    """What UTC cannot say exactly is marked: the first of a month is the last of another."""
    assert [one.more_days for one in in_utc(Cron.parse("0 3 1 * *"), timedelta(hours=7))] == [True]
    assert [one.more_days for one in in_utc(Cron.parse("0 9 1 * *"), timedelta(hours=7))] == [False]
