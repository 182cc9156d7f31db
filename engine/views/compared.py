"""A comparison with another system's log: what both would send, what only one of them, and why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import date

from engine.cutover import shadowing, verdicts
from engine.cutover.shadowing import Compared, Only
from engine.plan.gates import Reason
from engine.views.escaping import one_line, to_json
from engine.views.imported import columns_lines, refused_lines, refused_rows
from engine.views.ink import PLAIN, Ink
from engine.views.naming import Naming
from engine.views.phrases import counted, day, joined, table, wrapped
from engine.views.plan_json import FORMAT_VERSION
from engine.views.reasons import REASONS

# Reasons that a plan does not have.
WORDS = {
    shadowing.DUE: "due by our plan",
    shadowing.MISSED_DAY: "due by our plan; their log has nothing on this day",
    verdicts.SENT_BEFORE: "sent before",
    verdicts.UNKNOWN_CONTACT: "the contact is not in the CRM",
    verdicts.UNKNOWN_RECORD: "the record is not in the CRM",
    verdicts.BEFORE_FIRST_DAY: "due before the first day that is compared",
    "not_in_sequence": "our sequence does not have this record or contact",
}
_SAMPLE = 5


def words(only: Only) -> str:
    """The reason as a person reads it."""
    verdict = only.verdict
    if verdict.reason == verdicts.SENT_BEFORE and verdict.at is not None:
        return f"a repeat: it was sent on {day(verdict.at)}" if verdict.decision == "none" else f"our plan had it on {day(verdict.at)}"
    text = WORDS.get(verdict.reason) or REASONS[Reason(verdict.reason)].short
    return text if verdict.step is None or verdict.step == only.step else f"{text} (at {verdict.step})"


def as_json(found: Compared, naming: Naming, *, environment: str, zone: str) -> str:
    value = {
        "format_version": FORMAT_VERSION,
        "kind": "compare",
        "env": environment,
        "timezone": zone,
        "from": found.first.isoformat(),
        "to": found.last.isoformat(),
        "log": {"name": found.log.name, "rows": len(found.log.rows), "digest": f"sha256:{found.log.digest}", "columns": dict(found.columns.found)},
        "sequences": list(found.sequences),
        "not_compared": list(found.left_out),
        "agree": found.agree,
        "summary": {
            "same": found.same, "only_ours": len(found.ours), "only_theirs": len(found.theirs),
            "known_before": found.known_before, "not_ours": found.not_ours, "not_sent": found.not_sent, "refused": len(found.refused),
        },
        "days": [
            {"day": one.day.isoformat(), "same": one.same, "other_day": one.other_day, "only_ours": one.only_ours, "only_theirs": one.only_theirs,
             "missed": one.silent and one.only_ours > 0}
            for one in found.days
        ],
        "only_ours": [_row(only, naming) for only in _sorted(found.ours)],
        "only_theirs": [_row(only, naming) for only in _sorted(found.theirs)],
        "refused": refused_rows(found.refused),
    }  # fmt: skip
    return to_json(value, indent=1) + "\n"


def _sorted(several: Sequence[Only]) -> list[Only]:
    return sorted(several, key=lambda only: (only.day, only.sequence, only.step, only.record, only.contact, only.line or 0))


def _row(only: Only, naming: Naming) -> dict[str, object]:
    return {
        "day": only.day.isoformat(),
        "sequence": only.sequence,
        "step": only.step,
        "about": {"entity": only.entity, "key": naming.record(only.entity, only.record or None)},
        "contact": naming.contact(only.contact or None),
        "line": only.line,
        "decision": only.verdict.decision,
        "reason": only.verdict.reason,
        "detail": only.verdict.detail or None,
        "since": only.verdict.at.isoformat() if only.verdict.at else None,
        "words": words(only),
    }


def as_text(found: Compared, naming: Naming, *, zone: str, width: int = 80, ink: Ink = PLAIN) -> str:
    return "\n".join(_lines(found, naming, zone, width, ink)) + "\n"


def _lines(found: Compared, naming: Naming, zone: str, width: int, ink: Ink) -> Iterator[str]:
    yield ink.strong(f"Our plans and {one_line(found.log.name)}") + f", {day(found.first)} to {day(found.last)}, {zone}"
    yield ""
    yield from columns_lines(found.columns, width)
    compared = joined(found.sequences) if found.sequences else "none"
    yield from wrapped(f"Compared: {compared}. Not in the log, so not compared: {joined(found.left_out) or 'none'}.", width, first="  ")
    if found.known_before:
        yield from wrapped(f"{counted(found.known_before, 'mail')} of earlier days count as sent.", width, first="  ")
    if found.without_ledger:
        yield from wrapped("There is no ledger yet: nothing but the log is known of earlier mails, pauses and suppressions.", width, first="  ")
    yield ""
    rows = [
        (day(one.day), f"{one.same:,}", f"{one.only_ours:,}", f"{one.only_theirs:,}", _remark(one.silent and one.only_ours > 0, one.other_day))
        for one in found.days
    ]
    lines = table(("day", "same", "only ours", "only theirs", ""), rows, width, right=(1, 2, 3))
    yield ink.faint(lines[0])
    yield from lines[1:]
    for title, several in (("Only theirs", found.theirs), ("Only ours", found.ours)):
        if several:
            yield ""
            yield ink.strong(title)
            yield from _differences(_sorted(several), naming, width, ink)
    if found.refused:
        yield ""
        yield from refused_lines(found.refused, found.log.counts, width)
    yield ""
    yield from _last(found, width, ink)


def _remark(missed: bool, other_day: int) -> str:
    said = ["no mail of theirs"] if missed else []
    return "; ".join([*said, *([f"{other_day:,} on a day beside it"] if other_day else [])])


def _differences(several: Sequence[Only], naming: Naming, width: int, ink: Ink) -> Iterator[str]:
    """By day, step and reason, and a few of each are named; a day on which nothing was sent is told once."""
    missed: dict[date, Counter[str]] = {}
    groups: dict[tuple[date, str, str, str], list[Only]] = {}
    for only in several:
        if only.verdict.reason == shadowing.MISSED_DAY:
            missed.setdefault(only.day, Counter())[f"{only.sequence}/{only.step}"] += 1
        else:
            groups.setdefault((only.day, only.sequence, only.step, words(only)), []).append(only)
    for on, steps in missed.items():
        yield from wrapped(
            f"{day(on)}  a missed day: their log has no mail on it, and these were due", width, first=f"  {steps.total():>4,}  ", rest="          "
        )
        told = ", ".join(f"{step} {count:,}" for step, count in sorted(steps.items()))
        yield from (ink.faint(line) for line in wrapped(told, width, first="        "))
    for (on, sequence, step, reason), those in groups.items():
        yield from wrapped(f"{day(on)}  {sequence}/{step}: {reason}", width, first=f"  {len(those):>4,}  ", rest="          ")
        named = [_named(only, naming) for only in those[:_SAMPLE]]
        rest = f", and {len(those) - _SAMPLE:,} more" if len(those) > _SAMPLE else ""
        yield from (ink.faint(line) for line in wrapped(one_line("; ".join(named) + rest), width, first="        "))


def _named(only: Only, naming: Naming) -> str:
    line = f"line {only.line}: " if only.line is not None else ""
    whom = naming.contact(only.contact or None) or "nobody"
    about = "" if only.record == only.contact else f"{only.entity} {naming.record(only.entity, only.record)}, "
    return f"{line}{about}contact {whom}"


def _last(found: Compared, width: int, ink: Ink) -> Iterator[str]:
    """The whole in one line."""
    days = counted(len(found.days), "day")
    if found.agree:
        yield ink.good(f"{days}: {found.same:,} same, and no difference.")
        return
    why = Counter(only.verdict.reason for only in (*found.theirs, *found.ours))
    told = ", ".join(f"{reason} {count:,}" for reason, count in sorted(why.items()))
    yield ink.bad(f"{days}: {found.same:,} same, {len(found.ours):,} only ours, {len(found.theirs):,} only theirs ({told}).")
