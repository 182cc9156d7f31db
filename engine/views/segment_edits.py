"""What an edit of a static segment did."""

from __future__ import annotations

from dataclasses import dataclass
from difflib import unified_diff

from engine.runs.listing import Edited
from engine.views.escaping import for_terminal, to_json
from engine.views.phrases import counted, joined, wrapped
from engine.views.plan_json import FORMAT_VERSION

_PLACES = 10


@dataclass(frozen=True)
class EditPage:
    """`act` is added or removed; `missing` are the places of keys that the CRM (or the segment) has not."""

    edited: Edited
    act: str
    already: int
    missing: tuple[str, ...]
    dry_run: bool
    show_pii: bool


def as_json(page: EditPage) -> str:
    value = {
        "format_version": FORMAT_VERSION,
        "kind": "segment_edited",
        "segment": page.edited.segment,
        "file": page.edited.file,
        page.act: len(page.edited.keys),
        "already": page.already,
        "missing": len(page.missing),
        "members": page.edited.members,
        "written": not page.dry_run and page.edited.before != page.edited.after,
    }
    return to_json(value, indent=1) + "\n"


def as_text(page: EditPage, *, width: int = 80) -> str:
    edited = page.edited
    will = "would be " if page.dry_run else ""
    lines = wrapped(f"{edited.segment}: {len(edited.keys):,} {will}{page.act}, {counted(edited.members, 'member')}{' then' if page.dry_run else ' now'}", width)
    if page.already:
        lines += wrapped(f"{page.already:,} {'is a member' if page.already == 1 else 'are members'} already", width, first="  ")
    if page.missing:
        not_member = "is no member" if len(page.missing) == 1 else "are no members"
        what = "not in the CRM, and left out" if page.act == "added" else not_member
        said = [place for place in page.missing if place]
        places = f": {joined(said[:_PLACES])}{' and more' if len(said) > _PLACES else ''}" if said else ""
        lines += wrapped(f"{len(page.missing):,} {what}{places}", width, first="  ")
    if page.show_pii:
        changes = unified_diff(edited.before.splitlines(), edited.after.splitlines(), edited.file, edited.file, n=0, lineterm="")
        lines += ["", *(for_terminal(line) for line in changes)]
    elif edited.before != edited.after:
        lines += wrapped(f"{edited.file}: {'nothing is written yet' if page.dry_run else 'look at it with `git diff`, and commit it'}", width, first="  ")
    return "\n".join(lines) + "\n"
