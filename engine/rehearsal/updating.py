"""What happened, written into the file of a campaign test: the rows that differ, and no other byte of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from engine.clock import to_local
from engine.definitions.cases import Case, key_at
from engine.definitions.definitions import Definitions
from engine.definitions.editing import rewritten
from engine.definitions.reading_cases import moments_of
from engine.rehearsal.proof import Proved
from engine.rehearsal.proving import Happened
from engine.rehearsal.verdict import Differs


def updated(definitions: Definitions, text: str, changed: Sequence[Proved]) -> str:
    """The text of one file with the expectations of these cases as they came out. Comments, order and everything else stay.

    Rows are amended at their places, then the new ones written, then those taken out that did not happen: in one go a comment could come to stand beside another row.
    """
    file = changed[0].file
    data = [dict(case) for case in file.data]
    for step in (_with_amended, _with_new, _without_gone):
        for proved in changed:
            index = file.cases.index(proved.case)
            settled = [one for one in proved.differs if not is_unmade(one)]
            if settled:
                data[index]["expect"] = step(definitions, proved.case, settled, data[index].get("expect") or {})
        text = rewritten(text, data, file=file.path)
    return text


def is_unmade(one: Differs) -> bool:
    """Whether the mail could not be made: what it says is an error, and nothing to expect."""
    return one.happened is not None and bool(one.happened.broken)


def _with_amended(definitions: Definitions, case: Case, differs: Sequence[Differs], before: Mapping[str, Any]) -> dict[str, Any]:
    """The mapping under `expect:` with the fields that came otherwise."""
    after = {name: value for name, value in before.items() if name != "nothing"}
    for one in differs:
        if one.index is not None and one.happened is not None:
            rows = list(after[one.kind])
            rows[one.index] = _amended(definitions, case, dict(rows[one.index]), one)
            after[one.kind] = rows
    return after


def _with_new(definitions: Definitions, case: Case, differs: Sequence[Differs], before: Mapping[str, Any]) -> dict[str, Any]:
    after = dict(before)
    for one in differs:
        if one.index is None and one.happened is not None:
            after[one.kind] = [*(after.get(one.kind) or ()), row_of(definitions, case, one.happened)]
    return after


def _without_gone(definitions: Definitions, case: Case, differs: Sequence[Differs], before: Mapping[str, Any]) -> dict[str, Any]:
    gone = {(one.kind, one.index) for one in differs if one.happened is None}
    kinds = {kind for kind, _ in gone}
    return {name: [row for place, row in enumerate(rows) if (name, place) not in gone] if name in kinds else rows for name, rows in before.items()}


def _amended(definitions: Definitions, case: Case, row: dict[str, Any], one: Differs) -> dict[str, Any]:
    """The row with the fields that came otherwise; a part of a text that is not there becomes the whole subject."""
    assert one.happened is not None and one.expected is not None
    amended = dict(row)
    for unlike in one.unlike:
        if unlike.field == "subject_contains":
            amended.pop("subject_contains")
            amended["subject"] = one.happened.subject or ""
        elif unlike.field == "body_contains":
            amended.pop("body_contains")
        elif unlike.field in ("record", "contact"):
            entity = one.happened.entity if unlike.field == "record" else definitions.crm.contact.entity
            amended[unlike.field] = as_given(definitions, case, entity, unlike.found)
        elif unlike.field == "due" and one.happened.due is None:
            amended.pop("due")
        else:
            amended[unlike.field] = unlike.found
    return amended


def row_of(definitions: Definitions, case: Case, happened: Happened) -> dict[str, Any]:
    """A row as one would write it: who, what, and on a timeline the day."""
    zone = definitions.project.timezone
    row: dict[str, Any] = {"sequence": happened.sequence}
    if happened.step is not None:
        row["step"] = happened.step
    if happened.entity != definitions.crm.contact.entity:
        row["record"] = as_given(definitions, case, happened.entity, happened.record)
    if happened.contact is not None:
        row["contact"] = as_given(definitions, case, definitions.crm.contact.entity, happened.contact)
    if len(moments_of(case, zone)) > 1:
        row["on"] = to_local(happened.moments[0], zone).date().isoformat()
    if happened.kind != "sends":
        row["reason"] = happened.reason
    return row


def as_given(definitions: Definitions, case: Case, entity: str, key: str) -> Any:
    """A record's key as the case writes it: a number stays one."""
    name = definitions.crm.entities[entity].key
    for rows in (case.given.records, *(change.records for change in case.then)):
        for place, row in enumerate(rows.get(entity, ()), 1):
            said = row.get(name, key_at(definitions.crm, entity, place))
            if str(said) == key:
                return said
    return key
