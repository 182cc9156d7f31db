"""Segments for people and machines."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from engine.definitions.definitions import Definitions
from engine.definitions.segments import MembersFile
from engine.definitions.using import users_of
from engine.ledger.history import SegmentHistory
from engine.views.escaping import for_terminal, one_line, to_json
from engine.views.ink import PLAIN, Ink
from engine.views.naming import Naming
from engine.views.phrases import counted, iso, moment, table, wrapped
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
        "used_by": users_of(definitions, id),
    }


def list_json(definitions: Definitions, ids: Sequence[str], counts: Mapping[str, int]) -> str:
    rows = [{**_row(definitions, id), **({"members": counts[id]} if id in counts else {})} for id in ids]
    return to_json({"format_version": FORMAT_VERSION, "kind": "segments", "segments": rows}, indent=1) + "\n"


def list_text(definitions: Definitions, ids: Sequence[str], counts: Mapping[str, int], *, width: int = 80, ink: Ink = PLAIN) -> str:
    if not ids:
        return "No segments.\n"
    rows = [
        (id, row["entity"], row["rules_or_members"], row["status"], f"{counts[id]:,}" if id in counts else "", one_line(row["name"]))
        for id, row in ((id, _row(definitions, id)) for id in ids)
    ]
    lines = table(("segment", "of", "by", "status", "members" if counts else "", "name"), rows, width, right=(4,), indent="", give=(5,))
    return "\n".join([ink.faint(lines[0]), *lines[1:]]) + "\n"


# How long ago growth is told for, and in which words.
_AGO = ((7, "a week ago"), (30, "30 days ago"), (365, "a year ago"))
_KEPT = 100
_LISTED = 10


@dataclass(frozen=True)
class SegmentPage:
    """One segment for people: `history` is None where there is no ledger yet."""

    definitions: Definitions
    id: str
    members: int
    history: SegmentHistory | None
    now: datetime
    source: str
    naming: Naming

    @property
    def growth(self) -> list[tuple[str, datetime, int]]:
        """How many members there were: when in words, the moment, the number."""
        if self.history is None:
            return []
        then = [(words, self.now - timedelta(days=days)) for days, words in _AGO]
        return [(words, at, members) for words, at in then if (members := self.history.members_at(at)) is not None]


def show_json(page: SegmentPage) -> str:
    zone = page.definitions.project.timezone
    history = page.history or SegmentHistory()
    value = {
        "format_version": FORMAT_VERSION,
        "kind": "segment",
        **_row(page.definitions, page.id),
        "members": page.members,
        "times_used": len(history.uses),
        "last_used": iso(history.uses[-1].used_at, zone) if history.uses else None,
        "uses": [{"at": iso(use.used_at, zone), "sequence": use.sequence, "enrolled": use.enrolled} for use in history.uses[-_KEPT:]],
        "counts": [{"at": iso(count.counted_at, zone), "members": count.members} for count in history.counts[-_KEPT:]],
        "file": page.definitions.where("segment", page.id).file,
    }
    return to_json(value, indent=1) + "\n"


def show_text(page: SegmentPage, *, width: int = 80, ink: Ink = PLAIN) -> str:
    row = _row(page.definitions, page.id)
    segment = page.definitions.segments[page.id]
    lines = [ink.strong(page.id) + ink.faint(f"  {one_line(row['name'])}"), ""]
    lines += wrapped(f"{counted(page.members, 'member')} now, of {row['entity']}, by {row['rules_or_members']}", width, first="  ")
    about = [segment.status, segment.visibility, f"owned by {segment.owner}" if segment.owner else "without an owner"]
    about += [f"tagged {', '.join(segment.tags)}"] if segment.tags else []
    lines += wrapped("; ".join(about), width, first="  ")
    lines += wrapped("named by " + ", ".join(row["used_by"]) if row["used_by"] else "nothing names it", width, first="  ")
    lines += _told(page, width)
    lines += [
        "",
        ink.faint(f"  {page.definitions.where('segment', page.id).file}"),
        *(f"    {line}" for line in for_terminal(_without_keys(page)).rstrip().splitlines()),
    ]
    return "\n".join(lines) + "\n"


# The list of members in a segment's file, with the comments in it, up to the next key of the file.
_MEMBERS = re.compile(r"^members:.*\n?(?:^(?![A-Za-z_\"']).*\n?)*", re.MULTILINE)


def _without_keys(page: SegmentPage) -> str:
    """The file as it is, but for the listed members: those are the CRM's own keys, and comments beside them may be names."""
    segment = page.definitions.segments[page.id]
    if page.naming.show_pii or segment.members is None or isinstance(segment.members, MembersFile):
        return page.source
    keys = page.definitions.members.get(page.id, ())
    told = [f"  - {page.naming.record(segment.entity, key)}" for key in keys[:_LISTED]]
    told += [f"  # … and {len(keys) - _LISTED:,} more"] if len(keys) > _LISTED else []
    listed = "\n".join(["members:   # pseudonyms; --show-pii shows the file as it is", *told, ""])
    # A file that is written in another way shows no list at all.
    shown, found = _MEMBERS.subn(lambda _: listed, page.source)
    return shown if found == 1 else listed


def _told(page: SegmentPage, width: int) -> list[str]:
    """What the ledger knows of it."""
    if page.history is None:
        return []
    zone, uses, first = page.definitions.project.timezone, page.history.uses, page.history.counts[:1]
    last = uses[-1] if uses else None
    said = (
        f"used {counted(len(uses), 'time')}, last by {last.sequence} on {moment(last.used_at, zone)}: {last.enrolled:,} enrolled"
        if last
        else "never used so far"
    )
    lines = wrapped(said, width, first="  ")
    grown = [f"{members:,} {words}" for words, _, members in page.growth]
    if grown:
        lines += wrapped("members: " + ", ".join(grown), width, first="  ")
    elif first:
        lines += wrapped(f"members: {first[0].members:,} when first counted, on {moment(first[0].counted_at, zone)}", width, first="  ")
    return lines


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
    # Where the next page begins, as `--cursor` takes it; None on the last one.
    next: str | None = None


def members_json(page: MembersPage, naming: Naming) -> str:
    rows = [{"key": naming.record(page.entity, row[0]), **{name: _plain(value) for name, value in zip(page.fields, row[1:], strict=True)}} for row in page.rows]
    value = {
        "format_version": FORMAT_VERSION,
        "kind": "members",
        "segment": page.segment,
        "entity": page.entity,
        "total": page.total,
        "offset": page.offset,
        "next": page.next,
        "members": rows,
    }
    return to_json(value, indent=1) + "\n"


def members_text(page: MembersPage, naming: Naming, *, width: int = 80, ink: Ink = PLAIN) -> str:
    if not page.rows:
        return "No members.\n"
    rows = [(str(naming.record(page.entity, row[0])), *(one_line(_shown(value)) for value in row[1:])) for row in page.rows]
    lines = table((page.entity, *page.fields), rows, width, indent="")
    shown = f"{len(page.rows):,} of {page.total:,}"
    rest = f"; --cursor {page.next} shows more" if page.next else ""
    return "\n".join([ink.faint(lines[0]), *lines[1:], f"{shown}{rest}"]) + "\n"


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat() + "Z"
    return value.isoformat() if isinstance(value, date) else _shown(value) if isinstance(value, Decimal) else value


def _shown(value: Any) -> str:
    if value is None:
        return ""
    return format(value.normalize(), "f") if isinstance(value, Decimal) else str(value)
