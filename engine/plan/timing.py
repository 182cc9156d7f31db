"""When steps are due: business days, zones of contacts and send windows around the fixed SQL of `timing.sql` (semantics §5).

What no sequence uses costs no statement: the tables of calendars are made only where something counts by them.
"""

from __future__ import annotations

import hashlib
from bisect import bisect_right
from collections.abc import Collection, Iterable
from datetime import date, datetime, time
from functools import lru_cache

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from engine.calendars import WORKDAYS, Holidays, Window, closing, known_years, open_days, open_ordinals, swallowed
from engine.clock import is_zone
from engine.definitions.base import RECIPIENT
from engine.definitions.business_days import calendar_of, counts_business_days, window_of
from engine.definitions.definitions import Definitions
from engine.definitions.sequences import Sequence
from engine.facts.names import quoted
from engine.ledger.records import INSTANT, JUDGED_FOR
from engine.plan.statements import run
from engine.tables import append, execute, put

_DAYS = pa.schema([("cal", pa.string()), ("n", pa.int64()), ("day", pa.date32())])
_WINDOWS = pa.schema([("win", pa.string()), ("zone", pa.string()), ("cal", pa.string()), ("from_us", pa.int64()), ("to_us", pa.int64())])
_CLOSING = pa.schema([("sequence", pa.string()), ("zone", pa.string()), ("open_until", INSTANT)])
_END_OF_DAY = 86_400_000_000
# 5.3, of a sequence `s` and a person `p`: whether the person's own zone counts.
_BY_OWN_ZONE = "s.by_recipient AND p.zone IN (SELECT zone FROM recipient_zones)"


def microseconds(at: time | None) -> int | None:
    """A time of day as SQL counts it."""
    return None if at is None else (at.hour * 60 + at.minute) * 60_000_000


def _there(definitions: Definitions) -> list[Sequence]:
    """The sequences that are not archived, in the order of their ids."""
    return sorted((s for s in definitions.sequences.values() if s.status != "archived"), key=lambda s: s.id)


def by_recipient(definitions: Definitions) -> bool:
    return any(sequence.timezone == RECIPIENT for sequence in _there(definitions))


def by_business_days(definitions: Definitions) -> bool:
    return any(counts_business_days(sequence) for sequence in _there(definitions))


def by_windows(definitions: Definitions) -> bool:
    return any(sequence.send_window is not None for sequence in _there(definitions))


def calendar_name(days: frozenset[int], holidays: Holidays | None) -> str:
    """The calendar of these days as the planner's tables call it."""
    return _short((sorted(days), holidays))


def window_name(window: Window) -> str:
    """The window as the planner's tables call it."""
    return _short(window)


def _short(value: object) -> str:
    # Twelve characters are compared at once by the database.
    return hashlib.sha256(repr(value).encode()).hexdigest()[:12]


def business_calendar(definitions: Definitions, sequence: Sequence) -> str | None:
    """The calendar that the sequence's business days go by; None where it counts none."""
    return calendar_name(WORKDAYS, calendar_of(definitions.project, sequence)) if counts_business_days(sequence) else None


def window_of_sequence(definitions: Definitions, sequence: Sequence) -> str | None:
    """The window of its mails; None where they may always leave."""
    window = window_of(definitions.project, sequence)
    return None if window is None else window_name(window)


def recipient_zones(cursor: duckdb.DuckDBPyConnection, definitions: Definitions) -> frozenset[str]:
    """The time zones that the contacts of the CRM have; what is no zone is not among them. Empty where no sequence asks."""
    contact = definitions.crm.contact
    if contact.timezone is None or not by_recipient(definitions):
        return frozenset()
    column = quoted(contact.timezone)
    rows = execute(cursor, f"SELECT DISTINCT {column} FROM facts.{quoted(contact.entity)} WHERE {column} IS NOT NULL").fetchall()
    return frozenset(row[0] for row in rows if is_zone(row[0]))


def prepare_calendars(cursor: duckdb.DuckDBPyConnection, definitions: Definitions, zones: frozenset[str], of_contacts: frozenset[str]) -> None:
    """Make the tables of calendars, of windows and of the zones of contacts, where a sequence uses one of them."""
    if not (by_business_days(definitions) or by_windows(definitions) or by_recipient(definitions)):
        return
    run(cursor, "calendars")
    working = {calendar_of(definitions.project, s) for s in _there(definitions) if counts_business_days(s)}
    opened = {window for s in _there(definitions) if (window := window_of(definitions.project, s)) is not None}
    fill_calendars(cursor, working, opened, zones)
    if of_contacts:
        named = [{"sequence": s.id, "zone": zone} for s in _there(definitions) if s.timezone == RECIPIENT for zone in sorted(of_contacts)]
        append(cursor, "recipient_zones", pa.Table.from_pylist(named))


def keep_calendars(cursor: duckdb.DuckDBPyConnection, definitions: Definitions, ids: Collection[str]) -> None:
    """Make the calendars of sequences that count no business days any more, for those on their way who keep a time that did (8.6).

    It goes by the holidays that the sequence would have today.
    """
    kept = [s for s in _there(definitions) if s.id in ids and not counts_business_days(s)]
    if not kept:
        return
    if not (by_business_days(definitions) or by_windows(definitions) or by_recipient(definitions)):
        run(cursor, "calendars")
    there = {row[0] for row in execute(cursor, "SELECT DISTINCT cal FROM open_days").fetchall()}
    named = {sequence.id: calendar_name(WORKDAYS, calendar_of(definitions.project, sequence)) for sequence in kept}
    fill_calendars(cursor, {calendar_of(definitions.project, sequence) for sequence in kept if named[sequence.id] not in there}, (), ())
    cursor.executemany("UPDATE seqs SET cal = $2 WHERE sequence = $1", [[id, name] for id, name in named.items()])


def ends_of_knowledge(definitions: Definitions, now: datetime) -> tuple[str, ...]:
    """A word for each country in use whose holidays are known for no year after this one: what needs a later year is not sent."""
    used = {calendar_of(definitions.project, s) for s in _there(definitions) if counts_business_days(s)}
    used |= {window.holidays for s in _there(definitions) if (window := window_of(definitions.project, s)) is not None}
    countries = {(holidays.country, known_years(holidays)[1]) for holidays in used if holidays is not None and holidays.country is not None}
    return tuple(
        f"the holidays of {country} are known until {last}: a step that needs a later year has no due moment"
        for country, last in sorted(countries)
        if last <= now.year
    )


def fill_calendars(cursor: duckdb.DuckDBPyConnection, working: Iterable[Holidays | None], opened: Iterable[Window], zones: Iterable[str]) -> None:
    """Fill open_days for business days without these holidays, and windows with the days of each in each zone."""
    windows = sorted(opened, key=repr)
    calendars = {(WORKDAYS, holidays) for holidays in working} | {(window.weekdays, window.holidays) for window in windows}
    for days, holidays in sorted(calendars, key=repr):
        append(cursor, "open_days", _days_table(days, holidays))
    if windows:
        places = [(window, zone) for window in windows for zone in sorted(zones)]
        append(cursor, "windows", pa.Table.from_pylist([_window_row(window, zone) for window, zone in places], _WINDOWS))
        lost = [row for window, zone in places for row in _lost_days(window, zone)]
        if lost:
            append(cursor, "lost_days", pa.Table.from_pylist(lost))


def _window_row(window: Window, zone: str) -> dict[str, object]:
    closes = microseconds(window.closes) or _END_OF_DAY
    cal = calendar_name(window.weekdays, window.holidays)
    return {"win": window_name(window), "zone": zone, "cal": cal, "from_us": microseconds(window.opens), "to_us": closes}


def _lost_days(window: Window, zone: str) -> list[dict[str, object]]:
    """5.5: the days that a change of the clocks takes from the window, each with the open day that comes next."""
    gone = swallowed(window, zone)
    days = open_days(window.weekdays, window.holidays) if gone else ()
    found: list[dict[str, object]] = []
    for day in sorted(gone.intersection(days)):
        instead = next((later for later in days[bisect_right(days, day) :] if later not in gone), None)
        found.append({"win": window_name(window), "zone": zone, "day": day, "instead": instead or day})
    return found


@lru_cache(maxsize=32)
def _days_table(weekdays: frozenset[int], holidays: Holidays | None) -> pa.Table:
    """The calendar's days with their numbers, and what lies on both sides of the years that are known."""
    first, last = known_years(holidays)
    days = open_ordinals(weekdays, holidays)
    listed = [date(first, 1, 1).toordinal() - 1, *days, date(last + 1, 1, 1).toordinal()]
    since_1970 = pc.subtract(pa.array(listed, pa.int32()), date(1970, 1, 1).toordinal())
    name = pa.repeat(calendar_name(weekdays, holidays), len(listed))
    return pa.table([name, pa.array([*range(len(days) + 1), None], pa.int64()), since_1970.cast(pa.int32()).cast(pa.date32())], schema=_DAYS)


def there_is(cursor: duckdb.DuckDBPyConnection, table: str, what: str = "true") -> bool:
    return execute(cursor, f"SELECT 1 FROM {table} WHERE {what} LIMIT 1").fetchone() is not None


def _in_days(cursor: duckdb.DuckDBPyConnection, definitions: Definitions, source: str, held: bool = False) -> None:
    if (held or by_business_days(definitions)) and there_is(cursor, source, "unit = 'bd'"):
        execute(cursor, f"CREATE OR REPLACE TEMP TABLE {source} AS FROM in_days('{source}')")


def _in_window(cursor: duckdb.DuckDBPyConnection, definitions: Definitions, source: str) -> None:
    if by_windows(definitions) and there_is(cursor, source, "win IS NOT NULL"):
        execute(cursor, f"CREATE OR REPLACE TEMP TABLE {source} AS FROM windowed('{source}')")


def lives(cursor: duckdb.DuckDBPyConnection, definitions: Definitions, *, held_in_days: bool = False) -> None:
    """Fill dues and life from bases: each step of each distinct value, in each zone that counts. `held_in_days`: a step may go by an earlier time
    that counts business days, also where no sequence says them any more (8.6)."""
    run(cursor, "life_dues")
    if by_recipient(definitions):
        execute(
            cursor,
            "INSERT INTO due_source SELECT d.* REPLACE (z.zone AS zone) FROM due_source d JOIN recipient_zones z USING (sequence) WHERE z.zone <> d.zone",
        )
    _in_days(cursor, definitions, "due_source", held_in_days)
    run(cursor, "life_expiries")
    _in_window(cursor, definitions, "expiry_source")
    _in_days(cursor, definitions, "expiry_source")
    run(cursor, "life")


def chain_of_waits(cursor: duckdb.DuckDBPyConnection, definitions: Definitions) -> None:
    """Fill wait_closes from chain: when the first and the last step of each occurrence of a `wait` sequence have expired (3.6)."""
    waiting = [definitions.sequences[id] for (id,) in execute(cursor, "SELECT DISTINCT sequence FROM chain").fetchall()]
    if by_recipient(definitions):
        execute(cursor, "INSERT INTO chain SELECT c.* REPLACE (z.zone AS zone) FROM chain c JOIN recipient_zones z USING (sequence) WHERE z.zone <> c.zone")
    for position in range(max((len(sequence.steps) for sequence in waiting), default=0)):
        execute(cursor, "UPDATE clock SET pass = $1", [position])
        run(cursor, "wait_life")
        _in_days(cursor, definitions, "link_source")
        run(cursor, "wait_link_in_window" if by_windows(definitions) else "wait_link")
    run(cursor, "wait_close_source")
    _in_days(cursor, definitions, "close_source")
    run(cursor, "wait_closes")


def waits(cursor: duckdb.DuckDBPyConnection, definitions: Definitions, *, held_in_days: bool = False) -> None:
    """Fill waits: when the `wait` steps of this pass are due, and until when they may go. `held_in_days` is as for lives."""
    run(cursor, "pass_waits")
    _in_days(cursor, definitions, "wait_source", held_in_days)
    run(cursor, "pass_wait_expiries")
    _in_window(cursor, definitions, "wait_expiry_source")
    _in_days(cursor, definitions, "wait_expiry_source")
    run(cursor, "pass_wait_dues")


def zones_of_contacts(cursor: duckdb.DuckDBPyConnection, definitions: Definitions) -> None:
    """Whoever stands at this position goes by the zone of their own, where their sequence asks for it (5.3)."""
    if by_recipient(definitions):
        execute(cursor, f"UPDATE here SET zone = p.zone FROM people p, seqs s WHERE s.sequence = here.sequence AND p.contact = here.contact AND {_BY_OWN_ZONE}")


def windows_now(cursor: duckdb.DuckDBPyConnection, definitions: Definitions) -> None:
    if by_windows(definitions):
        run(cursor, "windows_now")


def keep_to_windows(cursor: duckdb.DuckDBPyConnection, definitions: Definitions) -> None:
    """Gate 6.7: what is due waits while its window is closed."""
    if by_windows(definitions):
        run(cursor, "pass_window")


# Who is sent something by a sequence that has a window, and whose zone counts there (5.3).
_SENT_IN_WINDOWS = f"""
SELECT DISTINCT d.sequence, d.contact, CASE WHEN {_BY_OWN_ZONE} THEN p.zone ELSE s.zone END AS zone
FROM decisions d JOIN seqs s USING (sequence) LEFT JOIN people p USING (contact)
WHERE d.decision = 'send' AND s.win IS NOT NULL
"""


def closings(cursor: duckdb.DuckDBPyConnection, definitions: Definitions, now: datetime) -> bool:
    """Fill closing with who is sent something in a window that closes before this plan's judgement is too old (9.6), and when; False for nobody."""
    if not by_windows(definitions):
        return False
    found = []
    for sequence, zone in execute(cursor, f"SELECT DISTINCT sequence, zone FROM ({_SENT_IN_WINDOWS}) ORDER BY ALL").fetchall():
        window = window_of(definitions.project, definitions.sequences[sequence])
        until = closing(now, window, zone, JUDGED_FOR) if window is not None else None
        if until is not None:
            found.append({"sequence": sequence, "zone": zone, "open_until": until})
    if found:
        put(cursor, "closing_windows", pa.Table.from_pylist(found, _CLOSING))
        execute(
            cursor,
            f"CREATE OR REPLACE TEMP TABLE closing AS SELECT sequence, contact, open_until FROM ({_SENT_IN_WINDOWS}) JOIN closing_windows USING (sequence, zone)",
        )
    return bool(found)
