"""An import as it is planned and as it was made: what each column is, what is taken, what cannot be, and what the next apply does."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from engine.cutover.dictionary import COLUMNS, Columns
from engine.cutover.recognizing import Refused
from engine.cutover.taking_in import Import
from engine.ledger.past import TakenPast
from engine.views.escaping import one_line, to_json
from engine.views.ink import PLAIN, Ink
from engine.views.phrases import counted, joined, table, wrapped
from engine.views.plan_json import FORMAT_VERSION

# So many refused rows are named; the others are counted by their reason.
_NAMED = 20


def columns_lines(columns: Columns, width: int) -> Iterator[str]:
    """Which column is what, and which are not read."""
    rows = [
        (name, columns.found[name]) for name in (*COLUMNS[columns.kind], *sorted(columns.found.keys() - COLUMNS[columns.kind].keys())) if name in columns.found
    ]
    yield from wrapped("Columns: " + ", ".join(ours if ours == theirs else f"{ours} is `{one_line(theirs)}`" for ours, theirs in rows) + ".", width, first="  ")
    if columns.unread:
        yield from wrapped("Not read: " + ", ".join(f"`{one_line(name)}`" for name in columns.unread) + ".", width, first="  ")


def refused_rows(refused: Sequence[Refused]) -> list[dict[str, object]]:
    return [{"line": one.line, "reason": one.reason} for one in refused]


def refused_lines(refused: Sequence[Refused], counts: str, width: int) -> Iterator[str]:
    """The rows that cannot be taken, each with its line and its reason."""
    yield f"{counted(len(refused), 'row')} cannot be taken"
    for one in refused[:_NAMED]:
        yield from wrapped(one_line(one.reason), width, first=f"  {counts} {one.line}: ", rest="      ")
    more = refused[_NAMED:]
    if more:
        yield f"  and {len(more):,} more; `--format json` names all of them"


def as_json(planned: Import, taken: TakenPast | None, *, environment: str) -> str:
    gathered = planned.gathered
    value = {
        "format_version": FORMAT_VERSION,
        "kind": "import",
        "what": planned.kind,
        "env": environment,
        "applied": taken is not None,
        "file": {
            "name": planned.log.name, "rows": len(planned.log.rows), "digest": f"sha256:{planned.log.digest}",
            "columns": dict(planned.columns.found), "not_read": list(planned.columns.unread),
        },
        "summary": {
            "sends": len(gathered.sends), "enrollments": len(gathered.enrollments), "on_the_way": planned.on_the_way, "paused": len(gathered.pauses),
            "ended": dict(planned.ended), "known": planned.known, "repeats": gathered.repeats, "reckoned": gathered.reckoned,
            "not_ours": gathered.not_ours, "not_sent": gathered.not_sent, "answers": dict(gathered.answers),
            "refused": len(planned.refused),
        },
        "next_apply": {"sends": planned.foreseen.sends, "again": planned.foreseen.again, "waits": planned.foreseen.waits, "holds": planned.foreseen.holds},
        "written": None if taken is None else {"sends": taken.sends, "enrollments": taken.enrollments, "occurrences": taken.occurrences, "pauses": taken.pauses},
        "refused": refused_rows(planned.refused),
    }  # fmt: skip
    return to_json(value, indent=1) + "\n"


def as_text(planned: Import, taken: TakenPast | None, *, next_step: tuple[str, str], width: int = 80, ink: Ink = PLAIN) -> str:
    """`next_step` is a sentence, and the command that follows."""
    return "\n".join(_lines(planned, taken, next_step, width, ink)) + "\n"


def _lines(planned: Import, taken: TakenPast | None, next_step: tuple[str, str], width: int, ink: Ink) -> Iterator[str]:
    gathered = planned.gathered
    yield ink.strong(f"{one_line(planned.log.name)}: {counted(len(planned.log.rows), 'row')} of {planned.kind}")
    yield ""
    yield from columns_lines(planned.columns, width)
    yield ""
    rows = [
        (f"{len(gathered.sends):,}", "mails with their keys" if planned.kind == "sends" else "steps that are behind them"),
        (f"{len(gathered.enrollments):,}", f"people on paths, {planned.on_the_way:,} of them on the way"),
        *((f"{count:,}", f"paths that are over: {reason}") for reason, count in planned.ended.items()),
        *([(f"{len(gathered.pauses):,}", "paused there, and paused here")] if gathered.pauses else []),
        *([(f"{gathered.reckoned:,}", "mails of an occurrence reckoned back from the day they were sent")] if gathered.reckoned else []),
        *([(f"{gathered.repeats:,}", "rows that repeat another one")] if gathered.repeats else []),
        *([(f"{gathered.not_sent:,}", "rows of mails that never left")] if gathered.not_sent else []),
        *([(f"{gathered.not_ours:,}", "mails that the dictionary leaves out")] if gathered.not_ours else []),
        *([(f"{planned.known:,}", "rows that the ledger has already")] if planned.known else []),
    ]
    yield from table(("", ""), rows, width, right=(0,))
    if planned.refused:
        yield ""
        yield from refused_lines(planned.refused, planned.log.counts, width)
    yield ""
    if gathered.answers:
        told = joined([f"{count:,} {status}" for status, count in gathered.answers.items()])
        yield from wrapped(f"{told} in the other system. An import suppresses nobody: `engine suppress` does, or the CRM's own flag.", width, first="  ")
        yield ""
    yield from wrapped(_next_apply(planned), width, first="  ")
    yield ""
    if taken is not None:
        done = f"Imported: {counted(taken.sends, 'send')}, {counted(taken.enrollments, 'enrollment')}."
        yield ink.good("Nothing was new: the ledger had all of it." if not taken.total else done)
    yield from wrapped(next_step[0], width)
    # Never broken: it is there to be copied.
    yield f"  {next_step[1]}"


def _next_apply(planned: Import) -> str:
    seen = planned.foreseen
    if seen.again:
        return f"The next apply would send {counted(seen.sends, 'mail')}, and {seen.again:,} of them are in this file: look at these before you import."
    return f"The next apply would send {counted(seen.sends, 'mail')}, none of which is in this file; {counted(seen.waits, 'person waits', 'people wait')} for a step."
