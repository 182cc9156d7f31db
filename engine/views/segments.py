"""Segments for people and machines."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from engine.definitions.definitions import Definitions
from engine.definitions.rules import InSegment, Rule, walk
from engine.definitions.sequences import Sequence
from engine.definitions.triggers import DateTrigger, EventTrigger
from engine.views.escaping import for_terminal, one_line, to_json
from engine.views.ink import PLAIN, Ink
from engine.views.naming import Naming
from engine.views.phrases import iso, table, wrapped
from engine.views.plan_json import FORMAT_VERSION


def _row(definitions: Definitions, id: str) -> dict[str, Any]:
    segment = definitions.segments[id]
    return {
        "id": id,
        "name": segment.name,
        "entity": segment.entity,
        "rules_or_members": "members" if segment.rules is None else "rules",
        "status": segment.status,
        "visibility": segment.visibility,
        "owner": segment.owner,
        "tags": list(segment.tags),
        "used_by": used_by(definitions, id),
    }


def used_by(definitions: Definitions, id: str) -> list[str]:
    """The segments, sequences and enrollment files whose words name the segment."""
    found = [f"enrollment {file.id}" for file in definitions.enrollments.values() if file.segment == id]
    found += [f"segment {other.id}" for other in definitions.segments.values() if _names([other.rules], id)]
    found += [f"sequence {sequence.id}" for sequence in definitions.sequences.values() if _names(_rules(sequence), id)]
    return sorted(found)


def _rules(sequence: Sequence) -> Iterator[Rule | None]:
    yield from (sequence.goal, sequence.exit_when)
    if isinstance(sequence.trigger, DateTrigger | EventTrigger):
        yield sequence.trigger.where
    if sequence.audience is not None:
        yield sequence.audience.where
        yield from (group for group in sequence.audience.first_of or () if not isinstance(group, str))
    for step in sequence.steps:
        yield step.if_
        yield from (choice.if_ for choice in step.choices)


def _names(rules: Iterable[Rule | None], id: str) -> bool:
    return any(isinstance(part, InSegment) and part.segment == id for rule in rules if rule is not None for part in walk(rule))


def list_json(definitions: Definitions, counts: Mapping[str, int]) -> str:
    rows = [{**_row(definitions, id), **({"members": counts[id]} if id in counts else {})} for id in sorted(definitions.segments)]
    return to_json({"format_version": FORMAT_VERSION, "kind": "segments", "segments": rows}, indent=1) + "\n"


def list_text(definitions: Definitions, counts: Mapping[str, int], *, width: int = 80, ink: Ink = PLAIN) -> str:
    if not definitions.segments:
        return "No segments.\n"
    rows = [
        (id, row["entity"], row["rules_or_members"], row["status"], f"{counts[id]:,}" if id in counts else "", one_line(row["name"]))
        for id, row in ((id, _row(definitions, id)) for id in sorted(definitions.segments))
    ]
    lines = table(("segment", "of", "by", "status", "members" if counts else "", "name"), rows, width, right=(4,), indent="", give=(5,))
    return "\n".join([ink.faint(lines[0]), *lines[1:]]) + "\n"


def show_json(definitions: Definitions, id: str, count: int) -> str:
    value = {"format_version": FORMAT_VERSION, "kind": "segment", **_row(definitions, id), "members": count, "file": definitions.where("segment", id).file}
    return to_json(value, indent=1) + "\n"


def show_text(definitions: Definitions, id: str, count: int, source: str, *, width: int = 80, ink: Ink = PLAIN) -> str:
    row = _row(definitions, id)
    lines = [ink.strong(id) + ink.faint(f"  {one_line(row['name'])}"), ""]
    lines += [f"  {count:,} members now, of {row['entity']}, by {row['rules_or_members']}; {row['status']}"]
    if row["used_by"]:
        lines += wrapped("used by " + ", ".join(row["used_by"]), width, first="  ")
    lines += ["", ink.faint(f"  {definitions.where('segment', id).file}"), *(f"    {line}" for line in for_terminal(source).rstrip().splitlines())]
    return "\n".join(lines) + "\n"


def count_json(definitions: Definitions, id: str, count: int, now: datetime) -> str:
    return (
        to_json({"format_version": FORMAT_VERSION, "kind": "count", "segment": id, "now": iso(now, definitions.project.timezone), "members": count}, indent=1)
        + "\n"
    )


@dataclass(frozen=True)
class MembersPage:
    """Some members: each row is the key, then the fields."""

    segment: str
    entity: str
    fields: tuple[str, ...]
    rows: list[tuple[Any, ...]]
    total: int
    offset: int


def members_json(page: MembersPage, naming: Naming) -> str:
    rows = [{"key": naming.record(page.entity, row[0]), **{name: _plain(value) for name, value in zip(page.fields, row[1:], strict=True)}} for row in page.rows]
    value = {
        "format_version": FORMAT_VERSION,
        "kind": "members",
        "segment": page.segment,
        "entity": page.entity,
        "total": page.total,
        "offset": page.offset,
        "members": rows,
    }
    return to_json(value, indent=1) + "\n"


def members_text(page: MembersPage, naming: Naming, *, width: int = 80, ink: Ink = PLAIN) -> str:
    if not page.rows:
        return "No members.\n"
    rows = [(str(naming.record(page.entity, row[0])), *(one_line(_shown(value)) for value in row[1:])) for row in page.rows]
    lines = table((page.entity, *page.fields), rows, width, indent="")
    shown = f"{page.offset + 1:,} to {page.offset + len(rows):,} of {page.total:,}"
    rest = f"; --offset {page.offset + len(rows)} shows more" if page.offset + len(rows) < page.total else ""
    return "\n".join([ink.faint(lines[0]), *lines[1:], f"{shown}{rest}"]) + "\n"


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat() + "Z"
    return value.isoformat() if isinstance(value, date) else _shown(value) if isinstance(value, Decimal) else value


def _shown(value: Any) -> str:
    if value is None:
        return ""
    return format(value.normalize(), "f") if isinstance(value, Decimal) else str(value)
