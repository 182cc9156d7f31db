"""What was carried over from the Django CRM, and what could not be."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from shlex import quote

from engine.cutover.django import ENROLLMENTS, SENDS, Carried
from engine.views.escaping import one_line, to_json
from engine.views.ink import PLAIN, Ink
from engine.views.phrases import counted, joined, table, wrapped
from engine.views.plan_json import FORMAT_VERSION

_ROWS = {
    "template": "template", "sequence": "sequence", "step": "step", "enrollment": "enrollment", "email": "sequence mail", "segment": "segment", "log": "logged mail",
}  # fmt: skip
_KINDS = {"templates": "template", "types": "type", "segments": "segment", "sequences": "sequence"}


def as_json(carried: Carried, *, written: bool) -> str:
    value = {
        "format_version": FORMAT_VERSION,
        "kind": "import",
        "what": "django",
        "applied": written,
        "read": dict(carried.counts),
        "missing": list(carried.missing),
        "files": sorted(carried.files),
        "sends": carried.sends,
        "enrollments": carried.enrollments,
        "left_out": [{"what": one.what, "why": one.why} for one in carried.left_out],
    }
    return to_json(value, indent=1) + "\n"


def as_text(carried: Carried, *, written: bool, root: Path, command: Callable[[str], str], width: int = 80, ink: Ink = PLAIN) -> str:
    """`root` is the project's folder as the reader would write it."""
    return "\n".join(_lines(carried, written, root, width, ink, command)) + "\n"


def _lines(carried: Carried, written: bool, root: Path, width: int, ink: Ink, command: Callable[[str], str]) -> Iterator[str]:
    read = joined([counted(count, _ROWS[kind]) for kind, count in carried.counts.items()])
    yield from wrapped(f"Read: {read}.", width)
    if carried.missing:
        yield from wrapped(f"Not in this database: {joined(carried.missing)}.", width)
    yield ""
    yield ink.strong("Written" if written else "Would be written")
    rows = []
    for folder, one in _KINDS.items():
        count = sum(path.startswith(f"definitions/{folder}/") and path.endswith(".yaml") for path in carried.files)
        if count:
            rows.append((counted(count, one), f"definitions/{folder}/"))
    rows += [(counted(carried.sends, "mail"), SENDS)] if carried.sends else []
    rows += [(counted(carried.enrollments, "enrollment"), ENROLLMENTS)] if carried.enrollments else []
    yield from table(("", ""), rows, width) if rows else ["  nothing"]
    if carried.left_out:
        yield ""
        yield ink.strong(f"Not carried over: {len(carried.left_out):,}")
        for left in carried.left_out:
            yield from wrapped(one_line(f"{left.what}: {left.why}"), width, first="  ", rest="    ")
    yield ""
    if not written:
        yield "Nothing was written: leave out --dry-run to write it."
        return
    yield "Next"
    yield f"  {command('validate')}"
    if carried.sends:
        yield f"  {command(f'import sends {quote(str(root / SENDS))} --dry-run')}"
    if carried.enrollments:
        yield f"  {command(f'import enrollments {quote(str(root / ENROLLMENTS))} --dry-run')}"
    yield from wrapped("Look at the sequences, then write `status: active` in the files of those that are to go.", width)
