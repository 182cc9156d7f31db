"""People on the other system's paths, in our words: where each stands, and how it ended for those for whom it has."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Literal

from engine.cutover.dictionary import Columns, Dictionary, status_of
from engine.cutover.finding import Crm, Value, is_dated
from engine.cutover.logs import LogRow
from engine.cutover.reckoning import Occasion
from engine.cutover.recognizing import Recognizer, Refused, moment_of
from engine.definitions.definitions import Definitions

Status = Literal["active", "paused", "completed", "cancelled"]


@dataclass(frozen=True, slots=True)
class Enrolled:
    """One person on one path. `passed` are the steps that were behind them there; `passed_at` when the last of these was."""

    line: int
    sequence: str
    entity: str
    record: str
    contact: str
    began: datetime
    status: Status
    passed: tuple[str, ...] = ()
    passed_at: datetime | None = None
    ended_at: datetime | None = None
    note: str = ""
    said_occurrence: str | None = None
    occasion: Occasion | None = None


@dataclass
class Joined:
    """The enrollments of a file, and the rows that cannot be taken."""

    enrolled: list[Enrolled] = field(default_factory=list)
    refused: list[Refused] = field(default_factory=list)


class Joiner:
    """Reads rows of enrollments against the definitions and the CRM at one now."""

    def __init__(self, definitions: Definitions, crm: Crm, dictionary: Dictionary, now: datetime) -> None:
        self._recognizer = Recognizer(definitions, crm, dictionary, now)
        self._definitions, self._crm, self._dictionary, self._now = definitions, crm, dictionary, now

    def enrollments(self, rows: Iterable[LogRow], columns: Columns) -> Joined:
        """Every row, taken or refused."""
        found = Joined()
        drafts: list[tuple[Enrolled, str | None]] = []
        for row in rows:
            said = self._draft(row, columns)
            if isinstance(said, str):
                found.refused.append(Refused(row.line, said))
            else:
                drafts.append((said, columns.get(row.values, "address")))
        self._recognizer.find_people(((one.contact, address, one.record, one.entity) for one, address in drafts))
        whole: list[Enrolled] = []
        for one, address in drafts:
            try:
                whole.append(self._whole(one, address))
            except LookupError as error:
                found.refused.append(Refused(one.line, str(error.args[0])))
        found.enrolled = self._with_occasions(whole, found)
        found.refused.sort(key=lambda refused: refused.line)
        return found

    def _draft(self, row: LogRow, columns: Columns) -> Enrolled | str:
        def get(name: str) -> str | None:
            return columns.get(row.values, name)

        found = self._definitions.sequences.get(get("sequence") or "")
        if found is None:
            return f"there is no sequence `{(get('sequence') or '')[:60]}`"
        status = status_of("enrollments", get("status"), self._dictionary)
        if status is None:
            return f"nobody knows the status `{(get('status') or '')[:40]}`; say it under `statuses:` in the dictionary"
        moments: dict[str, datetime | None] = {}
        for name in ("enrolled_at", "last_sent_at", "ended_at"):
            text = get(name)
            moments[name] = moment_of(text, self._recognizer.zone) if text else None
            if text and moments[name] is None:
                return f"`{name}` is not a moment such as 2026-01-05 09:00"
        began = moments["enrolled_at"]
        if began is None or began > self._now:
            return "it has no moment when it began" if began is None else "it began after now"
        passed = _passed([step.id for step in found.steps], get("next_step"), get("last_step"))
        if isinstance(passed, str):
            return f"the sequence `{found.id}` has no step `{passed[:60]}`"
        return Enrolled(
            row.line, found.id, found.about, self._recognizer.record_said(row.values, columns, found.about) or "", get("contact") or "", began,
            "paused" if status == "paused" else "completed" if status == "completed" else "cancelled" if status == "cancelled" else "active",
            passed, moments["last_sent_at"], moments["ended_at"], (get("note") or "")[:1000], get("occurrence"),
        )  # fmt: skip

    def _whole(self, one: Enrolled, address: str | None) -> Enrolled:
        contact = self._recognizer.contact(one.contact, address, one.record, one.entity)
        record = contact if one.entity == self._definitions.crm.contact.entity else one.record
        if not record:
            raise LookupError(f"it names no {one.entity}, which the sequence `{one.sequence}` is about")
        return replace(one, contact=contact, record=record)

    def _with_occasions(self, several: Sequence[Enrolled], found: Joined) -> list[Enrolled]:
        records: dict[str, set[str]] = {}
        for one in several:
            records.setdefault(one.sequence, set()).add(one.record)
        values: dict[str, dict[str, Value]] = {
            sequence: dict(self._crm.values(sequence, keys)) for sequence, keys in records.items() if is_dated(self._definitions, sequence)
        }
        done = []
        for one in several:
            value = values.get(one.sequence, {}).get(one.record)
            if is_dated(self._definitions, one.sequence) and one.said_occurrence is None and (value is None or value.at is None):
                found.refused.append(
                    Refused(one.line, f"the {one.entity} has no date that `{one.sequence}` begins by; a column `occurrence` says which it was")
                )
                continue
            try:
                occasion = self._recognizer.occasion(one.sequence, None, one.record, one.said_occurrence, one.began, values, {})
            except ValueError:
                found.refused.append(Refused(one.line, f"its occurrence is none of `{one.sequence}`; one is a date such as 2026-12-31"))
                continue
            done.append(replace(one, occasion=occasion))
        return done


def _passed(steps: list[str], next_step: str | None, last_step: str | None) -> tuple[str, ...] | str:
    """The steps behind somebody; a step that is not there is said back. Steps may be named by their number, from 1."""
    for said, more in ((last_step, 1), (next_step, 0)):
        if said is None or said == "0":
            continue
        if said in steps:
            return tuple(steps[: steps.index(said) + more])
        if said.isdecimal() and 1 <= int(said) <= len(steps) + 1:
            return tuple(steps[: int(said) - 1 + more])
        return said
    return ()
