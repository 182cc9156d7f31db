"""Section 3: which occurrences there are now, when a sequence and its steps start, the life of an occurrence."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

from .cron import comes_at
from .facts import Record, Scope, World, key_order
from .followed import restarted
from .ledger import Decided, OccurrenceKey, OracleLedger, Roster, Taken, Tick
from .model import Sequence, Step, project_zone
from .moments import (
    Base,
    Duration,
    base_instant,
    due_after,
    due_from_base,
    instant_of,
    local,
    moved,
    moved_day,
    start_of_day,
    start_of_local_day,
)
from .rules import holds, members

TRIGGERS = ("enters", "schedule", "once")
FIRST_DAY = date(1970, 1, 2)
LAST_DAY = date(2100, 12, 31)
ZONES = available_timezones()
LONG_AGO = datetime(1, 1, 3, tzinfo=UTC)


@dataclass(frozen=True)
class Occurrence:
    """2 One reason for one record to be in a sequence, with a key and a base."""

    key: OccurrenceKey
    base: Base
    record: Record


# 3.1, 3.5 What there is now.


def occurrences(
    world: World, ledger: OracleLedger, sequence: Sequence
) -> dict[OccurrenceKey, Occurrence]:
    """The occurrences that stand now: the trigger has a value, `where` holds, the record is there."""
    if sequence.trigger == "date" and sequence.every is not None:
        found = _recurring_occurrences(world, sequence)
    elif sequence.trigger == "date":
        found = _date_occurrences(world, sequence)
    elif sequence.trigger == "event":
        found = _events(world, ledger, sequence)
    else:
        found = _taken_occurrences(world, ledger, sequence)
    found.sort(key=lambda o: (key_order(o.key.record), o.key.occurrence))
    return {occurrence.key: occurrence for occurrence in found}


def date_value(world: World, sequence: Sequence, record: Record) -> Base | None:
    """3.1 The value of the trigger; naive timestamps are UTC. None where there is no value at all."""
    value = Scope(world, record).value(str(sequence.date_path))
    if isinstance(value, datetime):
        return value if value.tzinfo else value.replace(tzinfo=UTC)
    return value if isinstance(value, date) else None


def in_range(value: Base) -> bool:
    """3.1 Before 1970-01-02 or after 2100: no occurrence. Of a timestamp, its day in UTC."""
    day = value.date() if isinstance(value, datetime) else value
    return FIRST_DAY <= day <= LAST_DAY


def date_key(value: Base) -> str:
    """3.1 The value: a date as 2026-12-31, a timestamp as 2026-12-31T02:00:00Z."""
    if isinstance(value, datetime):
        return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return value.isoformat()


def _date_occurrences(world: World, sequence: Sequence) -> list[Occurrence]:
    found = []
    for record in world.facts.all(sequence.about):
        value = date_value(world, sequence, record)
        if value is None or not in_range(value):
            continue
        if not holds(sequence.where, record_scope(world, record)):
            continue
        key = OccurrenceKey(sequence.id, sequence.about, record.key, date_key(value))
        found.append(Occurrence(key, value, record))
    return found


def _recurring_occurrences(world: World, sequence: Sequence) -> list[Occurrence]:
    """3.1 With `every: P` value + 1P, 2P, …, each with its own date as key. (Worlds last some weeks: of what is far ahead the first is counted.)"""
    every = sequence.every
    assert every is not None
    found = []
    for occurrence in _date_occurrences(world, sequence):
        value = occurrence.base
        number = 0
        while True:
            number += 1
            day = moved_day(value, Duration(every.count * number, every.unit), 1)
            if not in_range(day):
                break
            if day < world.now.date() - timedelta(days=100):
                continue
            key = OccurrenceKey(
                sequence.id, sequence.about, occurrence.record.key, date_key(day)
            )
            found.append(Occurrence(key, day, occurrence.record))
            if day > world.now.date() + timedelta(days=500):
                break
    return found


def _events(
    world: World, ledger: OracleLedger, sequence: Sequence
) -> list[Occurrence]:
    """3.2 Rows of the inbox, the key the event's id; or of a table, the key the record's."""
    event = world.project["crm"]["events"][str(sequence.event)]
    found = []
    if "at" in event:
        for record in world.facts.all(sequence.about):
            moment = _moment(world, record, event["at"])
            if moment is not None:
                key = OccurrenceKey(
                    sequence.id, sequence.about, record.key, record.key
                )
                found.append(Occurrence(key, moment, record))
    else:
        for (name, id), told in ledger.events.items():
            record = world.facts.get(sequence.about, told.record)
            if name == sequence.event and record is not None:
                key = OccurrenceKey(sequence.id, sequence.about, record.key, id)
                found.append(Occurrence(key, told.at, record))
    return [
        one
        for one in found
        if holds(sequence.where, record_scope(world, one.record))
    ]


def _moment(world: World, record: Record, field: str) -> datetime | None:
    """3.2 The instant; a date is the start of that day in the project's timezone."""
    value = Scope(world, record).value(f"{record.entity}.{field}")
    if not isinstance(value, date) or not in_range(value):
        return None
    if isinstance(value, datetime):
        return value if value.tzinfo else value.replace(tzinfo=UTC)
    return start_of_day(value, project_zone(world.project))


def has_begun(world: World, occurrence: Occurrence) -> bool:
    """3.2 An event ahead of now has not begun."""
    base = occurrence.base
    return not isinstance(base, datetime) or base <= world.now


def record_scope(world: World, record: Record) -> Scope:
    """A trigger knows the record only; where the record is a contact it is the contact too."""
    return Scope(
        world, record, record if record.entity == world.facts.contact_entity else None
    )


def _taken_occurrences(
    world: World, ledger: OracleLedger, sequence: Sequence
) -> list[Occurrence]:
    """3.5 Those that were taken, and those that this plan takes; a file must still name the record."""
    known = {**ledger.taken, **newly_taken(world, ledger, sequence)[0]}
    found = []
    for key, taken in known.items():
        record = world.facts.get(key.entity, key.record)
        if key.sequence != sequence.id or record is None:
            continue
        # A tick's and an entry's occurrence stands while the trigger is of its kind: leaving the segment ends nothing.
        if taken.by in TRIGGERS and taken.by != sequence.trigger:
            continue
        if taken.by not in TRIGGERS and sequence.trigger != "manual":
            continue
        if taken.by == "file" and not _still_in_file(world, sequence, key):
            continue
        found.append(Occurrence(key, taken.base, record))
    return found


def _files(world: World, sequence: Sequence) -> list[Mapping[str, Any]]:
    files = world.project.get("enrollments") or {}
    return [
        files[name] for name in sorted(files) if files[name]["sequence"] == sequence.id
    ]


def _still_in_file(world: World, sequence: Sequence, key: OccurrenceKey) -> bool:
    """3.5 Who is taken out of the file exits; a `segment` meant its members at the first apply only."""
    for file in _files(world, sequence):
        if file["id"] == key.occurrence:
            return "segment" in file or key.record in {str(k) for k in file["contacts"]}
    return False


def newly_taken(
    world: World, ledger: OracleLedger, sequence: Sequence
) -> tuple[dict[OccurrenceKey, Taken], set[str]]:
    """3.5 Base: the first apply that sees it. Key: the file's id."""
    taken: dict[OccurrenceKey, Taken] = {}
    files: set[str] = set()
    if sequence.trigger in ("schedule", "once"):
        tick = tick_to_take(world, ledger, sequence)
        if tick is not None and not _paused(world, sequence):
            for record in members(world, str(sequence.segment)):
                key = OccurrenceKey(
                    sequence.id, sequence.about, record.key, tick.key
                )
                if key not in ledger.taken:
                    taken[key] = Taken(tick.at, sequence.trigger)
        return taken, files
    if sequence.trigger == "enters":
        for record in entering(world, ledger, sequence):
            # 3.3 The count of entries, from 1.
            number = 1 + sum(
                known[:3] == (sequence.id, sequence.about, record)
                and row.by == "enters"
                for known, row in ledger.taken.items()
            )
            key = OccurrenceKey(sequence.id, sequence.about, record, str(number))
            taken[key] = Taken(world.now, "enters")
        return taken, files
    if sequence.trigger != "manual":
        return taken, files
    for file in _files(world, sequence):
        if "segment" in file:
            if file["id"] in ledger.files_taken:
                continue
            keys = [record.key for record in members(world, file["segment"])]
        else:
            keys = [str(key) for key in file["contacts"]]
        files.add(file["id"])
        for record in keys:
            key = OccurrenceKey(sequence.id, sequence.about, record, file["id"])
            if (
                key not in ledger.taken
                and world.facts.get(sequence.about, record) is not None
            ):
                taken[key] = Taken(world.now, "file")
    return taken, files


# 3.4 Ticks.


def latest_tick(world: World, sequence: Sequence) -> Tick | None:
    """3.4 Of several missed ticks only the latest. The key is the local wall time of the project."""
    zone = project_zone(world.project)
    if sequence.once is not None:
        at = instant_of(sequence.once, zone)
        return _tick(sequence.once, at) if at <= world.now else None
    wall = local(world.now, zone).replace(second=0, microsecond=0) + timedelta(hours=2)
    for _ in range(60 * 24 * 60):
        if comes_at(str(sequence.schedule), wall):
            at = instant_of(wall, zone)
            if at <= world.now:
                return _tick(wall, at)
        wall -= timedelta(minutes=1)
    return None


def _tick(wall: datetime, at: datetime) -> Tick:
    return Tick(wall.strftime("%Y-%m-%dT%H:%M"), at)


def tick_to_take(
    world: World, ledger: OracleLedger, sequence: Sequence
) -> Tick | None:
    """3.4 Taken by the first apply at or after it; none before the sequence's start, none whose first step has expired."""
    if sequence.trigger not in ("schedule", "once"):
        return None
    if not has_started(world, ledger, sequence):
        return None
    tick = latest_tick(world, sequence)
    start = sequence_start(world, ledger, sequence)
    if tick is None or start is None or tick.at < start:
        return None
    last = ledger.ticks.get(sequence.id)
    # 8.12 In another timezone the wall time comes again, and has been taken.
    if last is not None and (tick.at <= last.at or tick.key <= last.key):
        return None
    open_still = any(
        world.now < _first_expiry(timed, tick.at)
        for timed in in_every_zone(world, sequence)
    )
    return tick if open_still else None


def _first_expiry(sequence: Sequence, base: datetime) -> datetime:
    """5.6 Of a first step that waits from this base: from its moment after windows and holidays."""
    first = sequence.steps[0]
    due = due_after(base, first.offset, first.at, sequence.zone, sequence.free)
    return expiry(sequence, first, in_window(sequence, due))


def _paused(world: World, sequence: Sequence) -> bool:
    """A paused segment: nobody enters, schedules skip it."""
    segment = world.project["segments"][str(sequence.segment)]
    return bool(segment.get("status") == "paused")


# 3.3 Entries.


def roster(world: World, sequence: Sequence) -> Roster:
    """3.3 The members now, and the rules (with those of segments that are named) and the map by which they are."""
    name = str(sequence.segment)
    keys = frozenset(record.key for record in members(world, name))
    return Roster(repr((name, _said(world, name), world.project["crm"])), keys)


def _said(world: World, name: str) -> Any:
    """A change of a static segment's `members` is no change of rules."""
    rules = world.project["segments"][name].get("rules")
    return "members" if rules is None else (rules, [_said(world, other) for other in _named(rules)])


def _named(rules: Any) -> list[str]:
    if isinstance(rules, dict):
        own = [rules["segment"]] if "segment" in rules else []
        return own + [name for part in rules.values() for name in _named(part)]
    if isinstance(rules, list):
        return [name for part in rules for name in _named(part)]
    return []


def entering(
    world: World, ledger: OracleLedger, sequence: Sequence
) -> list[str]:
    """3.3 A member now, not a member at the previous apply; nobody at the first one, or after the rules or the map changed."""
    if not has_started(world, ledger, sequence) or _paused(world, sequence):
        return []
    now, before = roster(world, sequence), ledger.rosters.get(sequence.id)
    if before is None or before.rules != now.rules:
        return []
    return sorted(now.members - before.members, key=key_order)


def has_started(world: World, ledger: OracleLedger, sequence: Sequence) -> bool:
    """3.7 Before it starts nobody enters."""
    start = sequence_start(world, ledger, sequence)
    return start is not None and start <= world.now


# 3.7 When a sequence and its steps start.


def recorded_start(
    world: World,
    ledger: OracleLedger,
    sequence: Sequence,
    began: datetime | None = None,
) -> datetime | None:
    """8.8 The day on which the trigger was changed, of who began from then on; a start that is still ahead stays."""
    start = _first_start(world, ledger, sequence)
    again = restarted(world, ledger, sequence.id, began)
    return start if start is None or again is None or start > world.now else again


def _first_start(
    world: World, ledger: OracleLedger, sequence: Sequence
) -> datetime | None:
    """3.7 `active_from`, else the start of the local day of the first apply that has it as active."""
    if sequence.status == "draft":
        return None  # 8.15 it has not started
    if sequence.active_from is not None:
        return sequence.active_from
    if sequence.id in ledger.starts:
        return ledger.starts[sequence.id]
    return (
        start_of_local_day(world.now, sequence.zone)
        if sequence.status == "active"
        else None
    )


def less_backfill(sequence: Sequence, start: datetime) -> datetime:
    """3.7 `backfill: 30d` (or `all`) moves the start back."""
    if sequence.backfill is None:
        return start
    if isinstance(sequence.backfill, str):
        return LONG_AGO
    return moved(start, sequence.backfill, sequence.zone, -1)


def sequence_start(
    world: World, ledger: OracleLedger, sequence: Sequence
) -> datetime | None:
    start = recorded_start(world, ledger, sequence)
    return None if start is None else less_backfill(sequence, start)


def brought_at(
    world: World, ledger: OracleLedger, sequence: Sequence, step: Step
) -> datetime | None:
    """3.7 The start of the local day of the apply that brought the step later; None: it came with the sequence."""
    known = ledger.known_steps.get(sequence.id)
    if known is None:
        return None
    if step.id in known:
        return ledger.step_starts[(sequence.id, step.id)]
    return start_of_local_day(world.now, sequence.zone)


def step_start(
    world: World,
    ledger: OracleLedger,
    sequence: Sequence,
    step: Step,
    began: datetime | None = None,
) -> datetime | None:
    """3.7 The sequence's start, or that of the later apply that brought the step (less `backfill`)."""
    start = recorded_start(world, ledger, sequence, began)
    later = brought_at(world, ledger, sequence, step)
    if start is None:
        # 8.15 and a sequence that was never active: nobody enters; whoever is on the way is held before this is asked.
        return None if later is None else less_backfill(sequence, later)
    return less_backfill(sequence, start if later is None else max(start, later))


# 5 When a step is due, and until when.


def in_zone_of(world: World, sequence: Sequence, contact: Record | None) -> Sequence:
    """5.3 `timezone: recipient` uses the contact's, and the project's where it is missing or unknown."""
    zone = zone_of(world, contact) if sequence.by_recipient and contact else None
    return sequence if zone is None else replace(sequence, zone=zone)


def zone_of(world: World, contact: Record) -> ZoneInfo | None:
    field = world.project["crm"]["contact"].get("timezone")
    value = None if field is None else contact.row.get(field)
    return ZoneInfo(value) if value in ZONES else None


def in_every_zone(world: World, sequence: Sequence) -> list[Sequence]:
    """3.6 An occurrence is the record's: it is open as long as it is for any contact that the CRM knows (A90)."""
    if not sequence.by_recipient:
        return [sequence]
    contacts = world.facts.all(world.facts.contact_entity)
    zones = {zone_of(world, contact) for contact in contacts} - {None}
    return [sequence, *(replace(sequence, zone=zone) for zone in zones if zone)]


def in_window(sequence: Sequence, moment: datetime) -> datetime:
    """5.4 To the next moment inside."""
    window = sequence.window
    return moment if window is None else window.next(moment, sequence.zone)


def due_moment(
    sequence: Sequence, step: Step, base: Base, history: list[Decided]
) -> datetime:
    """5.8 The moment after windows."""
    then = _time_that_holds(sequence, step, base, history)
    return in_window(sequence, _step_moment(sequence, then, base, history))


def _time_that_holds(
    sequence: Sequence, step: Step, base: Base, history: list[Decided]
) -> Step:
    """8.6 Where the new time lies before the change was first applied, the old time holds."""
    if step.earlier is None or step.since is None:
        return step
    due = in_window(sequence, _step_moment(sequence, step, base, history))
    if due >= step.since:
        return step
    return _time_that_holds(sequence, step.earlier, base, history)


def raw_moment(
    sequence: Sequence, step: Step, base: Base, history: list[Decided]
) -> datetime:
    """5.4 The moment before the window moved it."""
    then = _time_that_holds(sequence, step, base, history)
    return _step_moment(sequence, then, base, history)


def _step_moment(
    sequence: Sequence, step: Step, base: Base, history: list[Decided]
) -> datetime:
    """5.1 before/after: from the base. wait: from the base, else from the step decided last."""
    zone, free = sequence.zone, sequence.free
    if step.kind != "wait":
        sign = -1 if step.kind == "before" else 1
        return due_from_base(base, step.offset, sign, step.at, zone, free)
    reference = wait_reference(sequence, base, history)
    return due_after(reference, step.offset, step.at, zone, free)


def wait_reference(sequence: Sequence, base: Base, history: list[Decided]) -> datetime:
    """5.1 The now of the run that decided the previous one; after `expired`, that step's due moment."""
    if not history:
        return base_instant(base, sequence.zone)
    last = history[-1]
    if last.reason == "expired" and last.due_at is not None:
        return last.due_at
    return last.at


def expiry(sequence: Sequence, step: Step, due: datetime) -> datetime:
    """5.6 Counts from the due moment."""
    return moved(due, step.expires, sequence.zone, 1, sequence.free)


# 3.6 A life.


def opens(sequence: Sequence, occurrence: Occurrence) -> datetime:
    """3.6 When its first step is due; an occurrence of a wait sequence is open from its base."""
    if sequence.waits:
        return base_instant(occurrence.base, sequence.zone)
    return due_moment(sequence, sequence.steps[0], occurrence.base, [])


def closes(
    sequence: Sequence, occurrence: Occurrence, enrolled_somebody: bool
) -> datetime:
    """3.6 When its last step has expired; a wait sequence that never enrolled: when its first has."""
    if not sequence.waits:
        last = sequence.steps[-1]
        return expiry(sequence, last, due_moment(sequence, last, occurrence.base, []))
    reference = base_instant(occurrence.base, sequence.zone)
    steps = sequence.steps if enrolled_somebody else sequence.steps[:1]
    for step in steps:
        reference = in_window(
            sequence,
            due_after(reference, step.offset, step.at, sequence.zone, sequence.free),
        )
    return expiry(sequence, steps[-1], reference)


def has_opened(world: World, sequence: Sequence, occurrence: Occurrence) -> bool:
    return any(
        world.now >= opens(timed, occurrence)
        for timed in in_every_zone(world, sequence)
    )


def has_closed(
    world: World, ledger: OracleLedger, sequence: Sequence, occurrence: Occurrence
) -> bool:
    somebody = bool(ledger.of_occurrence(occurrence.key))
    return all(
        world.now >= closes(timed, occurrence, somebody)
        for timed in in_every_zone(world, sequence)
    )


def is_open(
    world: World, ledger: OracleLedger, sequence: Sequence, occurrence: Occurrence
) -> bool:
    return has_opened(world, sequence, occurrence) and not has_closed(
        world, ledger, sequence, occurrence
    )


def base_order(occurrence: Occurrence, sequence: Sequence) -> tuple[Any, ...]:
    """3.9 The earlier base; of equal ones the record's key, then the occurrence's."""
    return (
        base_instant(occurrence.base, sequence.zone),
        key_order(occurrence.key.record),
        occurrence.key.occurrence,
    )
