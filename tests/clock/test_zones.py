"""The pure functions of the clock, over every time zone there is (semantics 5.5)."""

from __future__ import annotations

import os
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from engine.clock import to_local, to_utc, zones

FIRST, LAST = date(2024, 1, 1), date(2030, 12, 31)
NINE = time(9)
DAY = timedelta(days=1)
# `make soak` asks every day of every zone; `make test` the days about each change of the clocks, in one of the zones that change alike.
WHOLE = int(os.environ.get("HYPOTHESIS_EXAMPLES", "50")) > 50


def _offset(info: ZoneInfo, moment: datetime) -> timedelta:
    return moment.replace(tzinfo=UTC).astimezone(info).utcoffset() or timedelta()


def _changes(info: ZoneInfo) -> tuple[tuple[date, timedelta], ...]:
    """The days on which the offset changes, with the new one; the first is what holds in the beginning."""
    moment = datetime.combine(FIRST, time())
    offset = _offset(info, moment)
    found = [(FIRST, offset)]
    # No offset of these years lasts less than the weeks of Ramadan.
    while moment.date() <= LAST:
        later = moment + 7 * DAY
        if _offset(info, later) != offset:
            while _offset(info, moment + DAY) == offset:
                moment += DAY
            offset = _offset(info, later)
            found.append((moment.date(), offset))
        moment = later
    return tuple(found)


def _nine_o_clocks(info: ZoneInfo, day: date) -> set[datetime]:
    """Every instant at which the wall clock of the zone shows 09:00 of this day: wherever it lies, one of the offsets about the day leads to it."""
    noon = datetime.combine(day, time(12))
    about = {_offset(info, noon + timedelta(hours=hours)) for hours in (-36, -18, 0, 18, 36)}
    nine = datetime.combine(day, NINE)
    return {nine - offset for offset in about if _offset(info, nine - offset) == offset}


def test_each_local_day_has_exactly_one_nine_o_clock() -> None:
    """5.5: in every IANA zone, on every day from 2024 to 2030, 09:00 comes once, and `to_utc` finds it and `to_local` the way back."""
    alike: dict[tuple[tuple[date, timedelta], ...], str] = {}
    asked = 0
    for zone in sorted(zones()):
        info = ZoneInfo(zone)
        changes = _changes(info)
        if alike.setdefault(changes, zone) != zone and not WHOLE:
            continue
        days = {FIRST + number * DAY for number in range((LAST - FIRST).days + 1)} if WHOLE else {day + near * DAY for day, _ in changes for near in range(-2, 3)}
        for day in days:
            nine = to_utc(datetime.combine(day, NINE), zone)
            assert _nine_o_clocks(info, day) == {nine}, (zone, day)
            assert to_local(nine, zone) == datetime.combine(day, NINE), (zone, day)
            asked += 1
    assert len(alike) > 50 and asked > 2000


def test_the_zones_are_those_of_the_data_base() -> None:
    """The zones come with `tzdata`, hundreds of them, also on a machine that has none of its own."""
    import tzdata

    listed = (Path(tzdata.__file__).parent / "zones").read_text(encoding="utf-8").split()
    assert len(listed) > 500
    assert set(listed) - zones() <= {"Factory", "localtime"}
