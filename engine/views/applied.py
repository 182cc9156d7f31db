"""What an apply did: what was sent, failed or is unknown, where the mails are, and what to do next."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from engine import __version__
from engine.ledger.records import Committed
from engine.plan.plan import COUNTERS
from engine.views.escaping import one_line, to_json
from engine.views.guards_text import guard_lines
from engine.views.ink import PLAIN, Ink
from engine.views.naming import Naming
from engine.views.phrases import counted, iso, moment, padded, width_of, wrapped
from engine.views.plan_json import FORMAT_VERSION, guard_row

if TYPE_CHECKING:
    from engine.delivery.delivered import Delivered
    from engine.runs.applying import Applied

_SHOWN = 12


def as_json(applied: Applied, naming: Naming) -> str:
    """One value; send keys tell the mails apart, and nobody is named."""
    plan, delivered = applied.plan, applied.delivered
    zone = plan.definitions.project.timezone
    value: dict[str, Any] = {
        "format_version": FORMAT_VERSION,
        "kind": "applied",
        "engine_version": __version__,
        "project": plan.definitions.project.name,
        "env": plan.environment,
        "now": iso(plan.now, zone),
        "run_id": applied.run_id,
        "committed": applied.committed is not None,
        "exit_code": applied.exit_code,
        "summary": {name: plan.summary[name] for name in COUNTERS},
        "delivery": None,
        "mails": str(applied.mails) if applied.mails else None,
        "guards": [guard_row(guard) for guard in plan.guards],
        "notes": list(applied.notes),
    }
    if delivered is not None:
        value["delivery"] = {
            **{name: getattr(delivered, name) for name in ("sent", "failed", "unknown", "put_off", "held", "withdrawn")},
            "ended": delivered.ended,
            "code": delivered.code or None,
            "message": delivered.word or None,
            "help": delivered.help or None,
            "fates": [{"send_key": fate.send_key, "state": fate.state, "phase": fate.phase, "message": fate.text} for fate in delivered.fates],
        }
    return to_json(value, indent=1) + "\n"


def as_text(
    applied: Applied,
    naming: Naming,
    *,
    width: int = 80,
    ink: Ink = PLAIN,
    command: Callable[[str], str] = lambda words: f"engine {words}",
    again: str = "apply",
) -> str:
    return "\n".join(_lines(applied, naming, width, ink, command, again)) + "\n"


def _lines(applied: Applied, naming: Naming, width: int, ink: Ink, command: Callable[[str], str], again: str) -> Iterator[str]:
    plan, delivered = applied.plan, applied.delivered
    zone = plan.definitions.project.timezone
    yield ink.strong(f"Applied {one_line(plan.definitions.project.name)} ({plan.environment}), {moment(plan.now, zone)} {zone}")
    yield ""
    if applied.committed is None or delivered is None:
        yield "  " + ink.bad("Nothing was sent and nothing was written: a guard blocks the run.")
    else:
        yield from _delivered(delivered, width, ink)
        yield from _recorded(applied.committed, plan.summary, width)
        yield from _by_step(applied, ink)
        yield from _fates(delivered, width, ink, command)
    yield from guard_lines(plan.guards, width=width, ink=ink, apply=command(again))
    if applied.notes:
        yield ""
        for note in applied.notes:
            yield from wrapped(one_line(note), width, first="note: ")
    if delivered is not None:
        yield ""
        yield from _next(applied, delivered, width, command)


def _delivered(delivered: Delivered, width: int, ink: Ink) -> Iterator[str]:
    """The sentence about what left."""
    yield "  " + (ink.good(f"{counted(delivered.sent, 'mail')} sent.") if delivered.sent else "No mail was sent.")
    told = [
        (delivered.failed, f"{delivered.failed:,} failed"),
        (delivered.unknown, f"{delivered.unknown:,} unknown: nobody can tell whether {'it was' if delivered.unknown == 1 else 'they were'} accepted"),
        (delivered.put_off, f"{delivered.put_off:,} put off by the server; a later apply tries again"),
        (delivered.held, f"{delivered.held:,} held: this environment may not write to {'the address' if delivered.held == 1 else 'the addresses'} (E605)"),
        (delivered.withdrawn, f"{delivered.withdrawn:,} withdrawn: stopped, suppressed or expired meanwhile"),
    ]
    for count, text in told:
        if count:
            lines = wrapped(text + ".", width, first="  ")
            yield from (ink.bad(line) for line in lines) if text.startswith((f"{count:,} failed", f"{count:,} unknown")) else lines
    if delivered.ended != "done":
        why = {
            "stopped": "The run was stopped",
            "interrupted": "The run was interrupted",
            "server": "The server did not take mails any more",
            "settings": "The set-up is wrong",
        }
        code = f" ({delivered.code})" if delivered.code else ""
        yield from (
            ink.warn(line) for line in wrapped(f"{why[delivered.ended]}{code}: {one_line(delivered.word)}. What was not sent stays planned.", width, first="  ")
        )
        if delivered.help:
            yield from wrapped(one_line(delivered.help), width, first="  = help: ")


def _recorded(committed: Committed, summary: dict[str, int], width: int) -> Iterator[str]:
    told = [
        (summary["enroll"], f"{summary['enroll']:,} enrolled"),
        (committed.skipped, f"{counted(committed.skipped, 'step')} passed over"),
        (summary["exit"], f"{summary['exit']:,} left"),
        (summary["complete"], f"{summary['complete']:,} done"),
        (committed.cancelled, f"{counted(committed.cancelled, 'planned mail')} cancelled"),
        (committed.refused, f"{counted(committed.refused, 'mail')} left out: the address has it already"),
    ]
    said = [text for count, text in told if count]
    if said:
        yield from wrapped("Recorded: " + ", ".join(said) + ".", width, first="  ")


def _by_step(applied: Applied, ink: Ink) -> Iterator[str]:
    """The mails of this plan by sequence and step."""
    table = applied.plan.decisions
    sends = table.filter(pc.equal(table.column("decision"), pa.scalar("send"))).group_by(["sequence", "step"]).aggregate([([], "count_all")]).to_pylist()
    if not sends:
        return
    sequences = applied.plan.definitions.sequences
    order = {(id, step.id): place for id, sequence in sequences.items() for place, step in enumerate(sequence.steps)}
    sends.sort(key=lambda row: (row["sequence"], order.get((row["sequence"], row["step"]), 0)))
    room = max(width_of(row["sequence"]) for row in sends)
    yield ""
    yield ink.strong("What was due")
    for row in sends:
        yield f"  {row['count_all']:>6,}  {padded(row['sequence'], room)}  {row['step']}"


def _fates(delivered: Delivered, width: int, ink: Ink, command: Callable[[str], str]) -> Iterator[str]:
    """Those that did not simply leave, each with the command that shows or settles it."""
    if not delivered.fates:
        return
    yield ""
    yield ink.strong("What did not leave")
    for fate in delivered.fates[:_SHOWN]:
        phase = f" ({fate.phase})" if fate.phase else ""
        yield from wrapped(one_line(f"{fate.send_key[:8]}  {fate.state}{phase}: {fate.text}"), width, first="  ", rest=" " * 12)
        if fate.state == "unknown":
            yield f"            {command(f'resolve {fate.send_key[:8]} --as sent')}   (or failed, or resend)"
    if len(delivered.fates) > _SHOWN or delivered.failed + delivered.unknown + delivered.held + delivered.put_off > len(delivered.fates):
        yield f"  … {command('sends --state failed')} lists all of a state"


def _next(applied: Applied, delivered: Delivered, width: int, command: Callable[[str], str]) -> Iterator[str]:
    if applied.mails and delivered.sent:
        yield f"The mails: {one_line(str(applied.mails / 'index.html'))}"
    if delivered.unknown:
        yield f"To settle:  {command('sends --state unknown')}, then {command('resolve SEND --as sent|failed|resend')}"
    yield f"Run {applied.run_id[:8]} is in the ledger; `engine sends` lists what went to whom."
