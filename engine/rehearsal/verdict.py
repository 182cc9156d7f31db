"""What a case expected beside what happened: only the rows that differ, each with the engine's reason."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from engine.clock import aware, to_local
from engine.definitions.cases import KINDS, Case, Expected, is_day
from engine.definitions.reading_cases import utc_of
from engine.rehearsal.proving import Happened, Ran, each_kind

_IDENTITY = ("sequence", "step", "contact", "record")


@dataclass(frozen=True)
class Instead:
    """What the engine said of a row that was expected: its decision, reason, detail and due moment (naive UTC)."""

    moment: datetime
    decision: str
    reason: str
    step: str | None
    detail: str | None
    due: datetime | None


@dataclass(frozen=True)
class Unlike:
    """One field: what was expected and what came."""

    field: str
    expected: str
    found: str


@dataclass(frozen=True)
class Differs:
    """One row that is not as expected. `expected` None: it happened and nobody expected it. `happened` None: it did not happen.

    `index` is the row's place among those of its kind in the case, `entity` what its sequence is about.
    """

    kind: str
    index: int | None
    expected: Expected | None
    happened: Happened | None
    entity: str = ""
    unlike: tuple[Unlike, ...] = ()
    instead: tuple[Instead, ...] = ()


def compared(case: Case, ran: Ran, zone: str) -> tuple[Differs, ...]:
    """The rows that differ, in the order of the case and then of time; empty when the case holds."""
    found: list[Differs] = []
    for kind, rows in each_kind(ran.rows):
        wanted = getattr(case.expect, kind)
        if wanted is None:
            wanted = () if case.expect.nothing and kind != "unreached" else None
        if wanted is not None:
            found += _of_kind(kind, wanted, rows, ran, zone)
    order = {kind: place for place, kind in enumerate(KINDS)}
    return tuple(sorted(found, key=lambda one: (order[one.kind], one.index is None, one.index or 0)))


def _of_kind(kind: str, wanted: Sequence[Expected], rows: Sequence[Happened], ran: Ran, zone: str) -> list[Differs]:
    pairs = _paired([[not unlike(row, one, zone) for one in rows] for row in wanted])
    left = [place for place in range(len(rows)) if place not in pairs.values()]
    found: list[Differs] = []
    for index, row in enumerate(wanted):
        if index in pairs:
            continue
        # The same mail with another subject, day or template is one difference, and not two.
        near = next((place for place in left if _same(row, rows[place])), None)
        if near is not None:
            left.remove(near)
            found.append(Differs(kind, index, row, rows[near], unlike=unlike(row, rows[near], zone)))
        else:
            found.append(Differs(kind, index, row, None, instead=_instead(row, ran)))
    return [*found, *(Differs(kind, None, None, rows[place]) for place in left)]


def _paired(fits: Sequence[Sequence[bool]]) -> dict[int, int]:
    """As many expected rows as possible, each with a row of its own: one that says little takes none from one that says more."""
    owner: dict[int, int] = {}

    def place(row: int, seen: set[int]) -> bool:
        for column, fit in enumerate(fits[row]):
            if fit and column not in seen:
                seen.add(column)
                if column not in owner or place(owner[column], seen):
                    owner[column] = row
                    return True
        return False

    for row in range(len(fits)):
        place(row, set())
    return {row: column for column, row in owner.items()}


def unlike(row: Expected, happened: Happened, zone: str) -> tuple[Unlike, ...]:
    """The fields in which a row is not as expected, typed: keys as keys, days as local days, moments as moments."""
    found = []
    for field in type(row).model_fields:
        wanted = getattr(row, field)
        if wanted is None:
            continue
        differs = _unlike(field, wanted, happened, zone)
        if differs is not None:
            found.append(differs)
    return tuple(found)


def _unlike(field: str, wanted: Any, happened: Happened, zone: str) -> Unlike | None:
    if field == "on":
        return (
            None if any(_is_at(wanted, moment, zone) for moment in happened.moments) else Unlike(field, said(wanted), _day(happened.moments[0], wanted, zone))
        )
    if field == "due":
        fits = happened.due is not None and _is_at(wanted, happened.due, zone)
        return None if fits else Unlike(field, said(wanted), "none" if happened.due is None else _day(happened.due, wanted, zone))
    if field in ("subject_contains", "body_contains"):
        whole = (happened.subject if field == "subject_contains" else happened.body) or ""
        missing = [text for text in ((wanted,) if isinstance(wanted, str) else wanted) if text not in whole]
        shown = happened.broken or (whole if field == "subject_contains" else "the body does not have it")
        return Unlike(field, ", ".join(missing), shown) if missing else None
    is_there = getattr(happened, field)
    if field == "address":
        fits = (is_there or "").strip().lower() == wanted.strip().lower()
    else:
        fits = is_there is not None and str(is_there) == str(wanted)
    return None if fits else Unlike(field, said(wanted), happened.broken or ("none" if is_there is None else str(is_there)))


def said(value: Any) -> str:
    """A value as the case's author wrote it."""
    if isinstance(value, datetime):
        return _written(value)
    return value.isoformat() if isinstance(value, date) else str(value)


def _is_at(wanted: date | datetime, moment: datetime, zone: str) -> bool:
    return to_local(moment, zone).date() == wanted if is_day(wanted) else utc_of(wanted, zone) == moment


def _day(moment: datetime, wanted: date | datetime, zone: str) -> str:
    """The moment as the case says its own: a day, or to the second where it has seconds, with an offset where that is said or the clock shows the time twice."""
    local = to_local(moment, zone)
    if is_day(wanted):
        return local.date().isoformat()
    offset = wanted.tzinfo if isinstance(wanted, datetime) else None
    if offset is not None:
        return _written(aware(moment).astimezone(offset))
    return _written(local if utc_of(local, zone) == moment else aware(moment, zone))


def _written(moment: datetime) -> str:
    return moment.isoformat(timespec="auto" if moment.second or moment.microsecond else "minutes")


def _same(row: Expected, happened: Happened) -> bool:
    return all(getattr(row, name) is None or str(getattr(row, name)) == str(getattr(happened, name)) for name in _IDENTITY)


def _instead(row: Expected, ran: Ran) -> tuple[Instead, ...]:
    """What the plans said of the same people and step; else of the same people, wherever they stood. Each once, at its first day."""
    for fields in (_IDENTITY, ("sequence", "contact", "record")):
        asked = {name: str(getattr(row, name)) for name in fields if getattr(row, name) is not None}
        people = {(one["record"], one["contact"]) for one in ran.decisions if one["sequence"] == row.sequence}
        if len(asked) == 1 and len(people) != 1:
            # Of a row that names nobody only what is said of the only one there is can be meant.
            continue
        seen: dict[tuple[Any, ...], Instead] = {}
        for one in ran.decisions:
            if all(str(one[name]) == value for name, value in asked.items()):
                key = (one["decision"], one["reason"], one["step"])
                seen.setdefault(key, Instead(one["moment"], one["decision"], one["reason"], one["step"], one["detail"], one["due"]))
        if seen:
            return tuple(seen.values())[:3]
    return ()
