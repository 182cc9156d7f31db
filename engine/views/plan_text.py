"""A plan for people: a calm funnel per sequence. Who gets what and why, who does not and why not, what comes next."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from engine.definitions.triggers import OnceTrigger, ScheduleTrigger
from engine.plan.gates import Decided, Reason
from engine.plan.plan import SequenceSummary
from engine.plan.triggers.ticks import next_tick
from engine.views.changed import changed_lines
from engine.views.escaping import one_line
from engine.views.guards_text import guard_lines
from engine.views.ink import PLAIN, Ink
from engine.views.phrases import counted, moment, occurrence, opening, padded, table, width_of, wrapped
from engine.views.plan_json import PlanPage
from engine.views.reasons import mend, passed_over, short

SAMPLE = 3
# What holds everything is said once, above the sequences.
_HALTED = (Reason.STOPPED, Reason.PAUSED_PROJECT)
_WORDS = {Decided.SEND: ("gets a mail now", "get a mail now"), Decided.WAIT: ("waits", "wait"), Decided.HOLD: ("is held", "are held"), Decided.EXIT: ("leaves", "leave"),
          Decided.COMPLETE: ("is done", "are done")}  # fmt: skip


@dataclass(frozen=True)
class Line:
    """Some decisions that are one line of a funnel."""

    sequence: str
    decision: str
    reason: str
    step: str | None
    template: str | None
    detail: str | None
    count: int
    first: datetime | None


def lines_of(page: PlanPage) -> dict[str, list[Line]]:
    """The decisions grouped, by sequence."""
    keys = ["sequence", "decision", "reason", "step", "template", "detail"]
    grouped = page.plan.decisions.group_by(keys).aggregate([([], "count_all"), ("due", "min")])
    found: dict[str, list[Line]] = defaultdict(list)
    for row in grouped.to_pylist():
        found[row["sequence"]].append(Line(*[row[key] for key in (*keys, "count_all", "due_min")]))
    return found


def as_text(page: PlanPage, *, width: int = 80, ink: Ink = PLAIN, apply: str = "engine apply") -> str:
    """The whole page; `apply` is the command as this reader would write it."""
    grouped = lines_of(page)
    busy = [sequence for sequence in page.plan.sequences if _is_busy(sequence)]
    quiet = [sequence for sequence in page.plan.sequences if not _is_busy(sequence)]
    lines = [*_head(page, width, ink), *_refused(page, width, ink), *changed_lines(page.changed, width, ink)]
    for sequence in busy:
        lines += ["", *_sequence(page, sequence, grouped[sequence.id], width, ink)]
    lines += _quiet(page, quiet, grouped, width, ink)
    lines += guard_lines(page.plan.guards, width=width, ink=ink, apply=apply)
    lines += _notes(page, width, ink)
    lines += ["", *_next(page, width, ink, apply)]
    return "\n".join(lines) + "\n"


def narrowed_to(page: PlanPage) -> str:
    """What was selected, in a sentence."""
    what = f"the job {one_line(page.job)}" if page.job else f"`{one_line(page.select or '')}`"
    here, all_ = len(page.plan.sequences), len(page.plan.definitions.sequences)
    return f"Only {what}: {here} of {counted(all_, 'sequence')}. Caps and priorities are judged with all of them."


def _is_busy(sequence: SequenceSummary) -> bool:
    return any(sequence.counts.get(name) for name in ("send", "hold", "exit", "complete", "skipped_steps", "enroll", "unreached"))


def _head(page: PlanPage, width: int, ink: Ink) -> Iterator[str]:
    plan, total = page.plan, page.plan.summary
    project = one_line(plan.definitions.project.name)
    yield ink.strong(f"Plan for {project} ({plan.environment}), {moment(plan.now, page.zone)} {page.zone}")
    if page.narrowed:
        yield from wrapped(narrowed_to(page), width)
    yield ""
    if total["send"]:
        contacts = len(pc.unique(plan.decisions.filter(pc.equal(plan.decisions.column("decision"), pa.scalar("send"))).column("contact")))
        yield "  " + ink.strong(f"{mails_about(page)} would go now, to {counted(contacts, 'contact')}.")
    else:
        yield "  " + ink.strong("No mail would go now.")
    others = [
        (total["wait"], f"{total['wait']:,} {'waits' if total['wait'] == 1 else 'wait'}"),
        (total["hold"], f"{total['hold']:,} {'is' if total['hold'] == 1 else 'are'} held"),
        (total["exit"], f"{total['exit']:,} {'leaves' if total['exit'] == 1 else 'leave'}"),
        (total["complete"], f"{total['complete']:,} {'is' if total['complete'] == 1 else 'are'} done"),
        (total["skipped_steps"], f"{counted(total['skipped_steps'], 'step')} passed over"),
        (total["unreached"], f"{counted(total['unreached'], 'record')} {'reaches' if total['unreached'] == 1 else 'reach'} nobody"),
        (total["upcoming"], f"{total['upcoming']:,} upcoming"),
    ]
    told = [text for count, text in others if count]
    halted = {Reason(reason) for sequence in plan.sequences for reason in sequence.reasons if reason in _HALTED}
    for reason in sorted(halted):
        yield from (ink.bad(line) for line in wrapped(f"{short(reason).capitalize()}: {mend(reason)}".rstrip(".") + ".", width, first="  "))
    if told:
        yield from wrapped(f"Of {total['considered']:,} considered: " + ", ".join(told) + ".", width, first="  ")


def _sequence(page: PlanPage, sequence: SequenceSummary, lines: list[Line], width: int, ink: Ink) -> Iterator[str]:
    yield _title(page, sequence.id, width, ink)
    counts = sequence.counts
    new = f", {'all' if counts['enroll'] == counts['considered'] else format(counts['enroll'], ',')} new" if counts.get("enroll") else ""
    yield f"  {counted(counts.get('considered', 0), 'enrollment')} considered{new}"
    for decision, (one, many) in _WORDS.items():
        count = counts.get(decision, 0)
        if count:
            word = one if count == 1 else many
            mails = page.plan.mails(sequence.id) if decision is Decided.SEND else count
            # 4.8: enrollments are counted, and several of one contact are one mail.
            word += f": {counted(count, 'record')} in {counted(mails, 'mail')}" if mails != count else ""
            yield f"    {count:>6,}  " + (ink.good(word) if decision is Decided.SEND else ink.warn(word) if decision is Decided.HOLD else word)
            yield from _reasons(page, sequence.id, decision, [line for line in lines if line.decision == decision], width, ink)
    yield from _passed_over(page, sequence, [line for line in lines if line.decision == Decided.SKIP], width, ink)
    yield from _unreached(page, sequence, [line for line in lines if line.decision == Decided.UNREACHED], width, ink)
    yield from _comes_next(page, [line for line in lines if line.decision == Decided.WAIT], width)
    yield from _beside(sequence, width, ink)
    yield from _first_run(sequence, width, ink)
    yield from _sample(page, sequence, width, ink)


def _title(page: PlanPage, id: str, width: int, ink: Ink) -> str:
    definition = page.plan.definitions.sequences.get(id)
    name = one_line(definition.name) if definition and definition.name else "" if definition else "not in the definitions any more"
    room = width - width_of(id) - 3
    return ink.strong(id) + (ink.faint(f"  {name}") if name and width_of(name) <= room else "")


def _reasons(page: PlanPage, sequence: str, decision: Decided, lines: list[Line], width: int, ink: Ink) -> Iterator[str]:
    """Below a decision: its steps (sends) or its reasons, each with a count, the largest first."""
    if decision is Decided.SEND:
        for line in _in_steps(page, sequence, lines):
            yield f"          {line.count:>6,}  {line.step}" + ink.faint(f"  template {line.template}")
        return
    if decision in (Decided.WAIT, Decided.COMPLETE) and {line.reason for line in lines} <= {Reason.NOT_DUE, Reason.COMPLETE}:
        return
    for reason, several in _by_reason(lines):
        count = sum(line.count for line in several)
        details = _details(several) if reason != Reason.SEND_WINDOW else _openings(several, page.zone)
        yield from wrapped(f"{short(reason)}{details}", width, first=f"          {count:>6,}  ")
        way = mend(reason)
        if way and decision is Decided.HOLD and reason not in _HALTED:
            yield from (ink.faint(text) for text in wrapped(f"to mend: {way}", width, first=" " * 18))


def _by_reason(lines: Iterable[Line]) -> list[tuple[str, list[Line]]]:
    found: dict[str, list[Line]] = defaultdict(list)
    for line in lines:
        found[line.reason].append(line)
    return sorted(found.items(), key=lambda item: (-sum(line.count for line in item[1]), item[0]))


def _openings(lines: list[Line], zone: str) -> str:
    """When the window opens for the first of them."""
    found = sorted({opens for line in lines if (opens := opening(line.detail)) is not None})
    return f"; it opens {'on' if len(found) == 1 else 'for the first on'} {moment(found[0], zone)}" if found else ""


def _details(lines: list[Line]) -> str:
    counts: dict[str, int] = defaultdict(int)
    for line in lines:
        if line.detail:
            counts[line.detail] += line.count
    told = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return f" ({', '.join(f'`{one_line(name)}` {count:,}' for name, count in told[:4])}{', …' if len(told) > 4 else ''})" if told else ""


def _passed_over(page: PlanPage, sequence: SequenceSummary, lines: list[Line], width: int, ink: Ink) -> Iterator[str]:
    if not lines:
        return
    yield f"  {counted(sequence.counts.get('skipped_steps', 0), 'step')} passed over, for good"
    rows = sorted(_in_steps(page, sequence.id, lines), key=lambda line: (_position(page, sequence.id, line.step), -line.count, line.reason))
    merged: dict[tuple[str | None, str], int] = {}
    for line in rows:
        why = passed_over(line.reason, line.detail)
        merged[line.step, why] = merged.get((line.step, why), 0) + line.count
    room = max(width_of(step or "") for step, _ in merged)
    for (step, why), count in merged.items():
        yield from wrapped(why, width, first=f"    {count:>6,}  {padded(step or '', room)}  ")


def _unreached(page: PlanPage, sequence: SequenceSummary, lines: list[Line], width: int, ink: Ink) -> Iterator[str]:
    if not lines:
        return
    count = sequence.counts.get("unreached", 0)
    yield "  " + ink.warn(f"{counted(count, 'record')} would get a mail and {'reaches' if count == 1 else 'reach'} nobody")
    for line in _in_steps(page, sequence.id, lines):
        rows = _rows(page, sequence.id, Decided.UNREACHED, line.step, 4)
        names = ", ".join(one_line(f"{row['entity']} {page.naming.record(row['entity'], row['record'])}") for row in rows)
        yield from wrapped(f"{line.step}: {names}{', …' if line.count > len(rows) else ''}", width, first=f"    {line.count:>6,}  ")
    yield from (ink.faint(text) for text in wrapped(f"to mend: {mend(Reason.NO_RECIPIENT)}", width, first=" " * 12))


def _comes_next(page: PlanPage, lines: list[Line], width: int) -> Iterator[str]:
    waiting: dict[str, tuple[datetime, int]] = {}
    for line in lines:
        if line.first is None or line.step is None:
            continue
        due = opening(line.detail) or line.first
        first, count = waiting.get(line.step, (due, 0))
        waiting[line.step] = (min(first, due), count + line.count)
    if not waiting:
        return
    yield "  comes next"
    room = max(width_of(step) for step in waiting)
    for step, (first, count) in sorted(waiting.items(), key=lambda item: (item[1][0], item[0])):
        yield f"    {count:>6,}  {padded(step, room)}  {'on' if count == 1 else 'from'} {moment(first, page.zone)}"


def _beside(sequence: SequenceSummary, width: int, ink: Ink) -> Iterator[str]:
    told = [f"{sequence.counts['upcoming']:,} upcoming"] if sequence.counts.get("upcoming") else []
    told += [f"{sequence.counts['before_introduction']:,} began before the sequence started"] if sequence.counts.get("before_introduction") else []
    told += [f"{count:,}: {short(reason)}" for reason, count in sorted(sequence.named.items(), key=lambda item: (-item[1], item[0]))]
    if told:
        yield from (ink.faint(text) for text in wrapped("beside these: " + "; ".join(told), width, first="  ", rest="    "))


def _first_run(sequence: SequenceSummary, width: int, ink: Ink) -> Iterator[str]:
    """Semantics 3.7: what switching on leaves out, and what would bring it."""
    hint = sequence.backfill_hint
    if not hint.get("earlier"):
        return
    text = f"first run: {counted(hint['earlier'], 'earlier one')} {'is' if hint['earlier'] == 1 else 'are'} not sent"
    if hint.get("would_send"):
        text += f"; `backfill: {hint['days']}d` would send {hint['would_send']:,}. Decide before you apply: what is passed over then is never sent"
    yield from wrapped(text, width, first="  ")


def _sample(page: PlanPage, sequence: SequenceSummary, width: int, ink: Ink) -> Iterator[str]:
    rows = _rows(page, sequence.id, Decided.SEND, None, SAMPLE)
    if not rows:
        return
    total = sequence.counts.get("send", 0)
    yield f"  for instance{f' ({len(rows)} of {total:,})' if total > len(rows) else ''}"
    yield from (ink.faint(line) for line in table((), (_instance(page, row) for row in rows), width, indent=" " * 6))


def _instance(page: PlanPage, row: dict[str, Any]) -> tuple[str, ...]:
    naming = page.naming
    record, contact = naming.record(row["entity"], row["record"]), naming.contact(row["contact"])
    about = "" if row["entity"] == page.plan.definitions.crm.contact.entity else f"{row['entity']} {record}"
    when = occurrence(naming.occurrence(row["sequence"], row["entity"], row["record"], row["occurrence"]), page.zone)
    who = f"{contact} <{row['address']}>" if naming.show_pii else str(contact)
    return tuple(one_line(cell) for cell in (who, row["step"], about, when, row["locale"]))


def _rows(page: PlanPage, sequence: str, decision: Decided, step: str | None, limit: int) -> list[dict[str, Any]]:
    decisions = page.plan.decisions
    wanted = pc.and_(pc.equal(decisions.column("sequence"), pa.scalar(sequence)), pc.equal(decisions.column("decision"), pa.scalar(str(decision))))
    if step is not None:
        wanted = pc.and_(wanted, pc.equal(decisions.column("step"), pa.scalar(step)))
    rows: list[dict[str, Any]] = decisions.filter(wanted).slice(0, limit).to_pylist()
    return rows


def _position(page: PlanPage, sequence: str, step: str | None) -> int:
    definition = page.plan.definitions.sequences.get(sequence)
    steps = [known.id for known in definition.steps] if definition else []
    return steps.index(step) if step in steps else len(steps)


def _in_steps(page: PlanPage, sequence: str, lines: list[Line]) -> list[Line]:
    return sorted(lines, key=lambda line: (_position(page, sequence, line.step), line.step or "", line.template or ""))


def _quiet(page: PlanPage, sequences: list[SequenceSummary], grouped: dict[str, list[Line]], width: int, ink: Ink) -> Iterator[str]:
    """Sequences that do nothing now, a line each."""
    if not sequences:
        return
    yield ""
    yield ink.strong("Nothing to do now")
    room = max(width_of(sequence.id) for sequence in sequences)
    for sequence in sequences:
        waiting = sequence.counts.get("wait", 0)
        told = [f"{waiting:,} {'waits' if waiting == 1 else 'wait'}"] if waiting else []
        firsts = [line.first for line in grouped[sequence.id] if line.decision == Decided.WAIT and line.first]
        told += [f"next {moment(min(firsts), page.zone)}"] if firsts else []
        told += [f"{sequence.counts['upcoming']:,} upcoming"] if sequence.counts.get("upcoming") else []
        told += _next_time(page, sequence.id)
        told += [f"{count:,}: {short(reason)}" for reason, count in sorted(sequence.named.items(), key=lambda item: (-item[1], item[0]))]
        definition = page.plan.definitions.sequences.get(sequence.id)
        if definition is not None and definition.status == "draft":
            told = [text for text in told if not text.endswith(short("draft"))] + ["a draft, nobody enters: `status: active` in its file starts it"]
        elif not told and definition is not None and definition.status != "active":
            told = [definition.status]
        yield from wrapped(", ".join(told) or "nobody on it", width, first=f"  {padded(sequence.id, room)}  ")


def _next_time(page: PlanPage, id: str) -> list[str]:
    """Of a schedule or a single time that is ahead: nobody is on it yet, and many may be then."""
    definition = page.plan.definitions.sequences.get(id)
    if definition is None or definition.status != "active" or not isinstance(definition.trigger, ScheduleTrigger | OnceTrigger):
        return []
    tick = next_tick(definition.trigger, page.plan.now, page.plan.definitions.project.timezone)
    return [f"next time {moment(tick.at, page.zone)}, for {definition.trigger.segment}"] if tick is not None else []


def _refused(page: PlanPage, width: int, ink: Ink) -> Iterator[str]:
    """What an apply would not follow."""
    if page.refused:
        yield ""
        yield ink.bad("An apply refuses this")
        for problem in page.refused:
            place = f" ({problem.origin})" if problem.origin else ""
            yield from wrapped(one_line(f"{problem.code}: {problem.message}{place}"), width, first="  ", rest="    ")
            yield from wrapped(one_line(problem.help), width, first="    ")


def notes_of(page: PlanPage) -> list[str]:
    """What the planner noted, and the first warnings, each in a line."""
    told = [one_line(text) for text in page.plan.diagnostics] + [one_line(f"{problem.code}: {problem.message}") for problem in page.warnings[:5]]
    return [*told, f"… and {len(page.warnings) - 5} more warnings; `engine validate` shows them"] if len(page.warnings) > 5 else told


def mails_about(page: PlanPage) -> str:
    """`1 mail about 3 records`; the records only where one mail tells of several (4.8)."""
    sends, mails = page.plan.summary["send"], page.plan.mails()
    return counted(mails, "mail") + (f" about {counted(sends, 'record')}" if mails != sends else "")


def _notes(page: PlanPage, width: int, ink: Ink) -> Iterator[str]:
    told = notes_of(page)
    if told:
        yield ""
        yield ink.strong("Notes")
        for text in told:
            yield from wrapped(text, width, first="  - ")


def _next(page: PlanPage, width: int, ink: Ink, apply: str) -> Iterator[str]:
    plan = page.plan
    if page.refused:
        yield from wrapped("Nothing was written. An apply refuses the definitions as they are, and would send nothing: the way out stands above.", width)
        return
    if not plan.applyable:
        yield from wrapped("A guard about the project blocks everything: an apply would write nothing and send nothing.", width)
        return
    if not plan.has_changes:
        yield "Nothing is due, and nothing was written."
        return
    yield "Nothing was written. This sends what is due:" if plan.summary["send"] else "Nothing was written. This records what changed, and sends nothing:"
    yield f"  {apply}"
