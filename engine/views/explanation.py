"""Why somebody gets a mail or does not, gate by gate; and what a code means."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from itertools import groupby
from typing import TYPE_CHECKING, Any

from engine.ledger.history import SendRow
from engine.plan.gates import GATES
from engine.views.escaping import one_line, to_json
from engine.views.held import NOTHING_HELD, Held, held_json, held_words
from engine.views.history import send_row
from engine.views.ink import PLAIN, Ink
from engine.views.naming import Naming
from engine.views.phrases import iso, moment, occurrence, stamp, table, window_in_words, wrapped
from engine.views.plan_json import FORMAT_VERSION
from engine.views.reasons import Words, held_for, passed_over, short

if TYPE_CHECKING:
    from engine.runs.explaining import Explanation, GateShown, Note, Sheet
    from engine.runs.foreseeing import Upcoming

# Notes of an explanation that are no reasons of a plan: why a person is not among those who get it.
_NOTES = {
    "not_reachable_for_category": "may get no mail of this sequence (unsubscribed, no consent)",
    "lower_group": "a group before theirs has somebody",
    "no_date": "the trigger's date has no value",
    "date_out_of_range": "the trigger's date lies before 1970-01-02 or after 2100",
    "where_fails": "the trigger's `where` does not hold",
    "no_event": "the event that starts it has not happened",
    "event_ahead": "the event that starts it is ahead",
    "not_a_member": "not a member of the segment that it takes its records from",
    "member_already": "was a member before; only who becomes one enters",
    "segment_paused": "its segment is paused, and nobody enters",
    "next_tick": "a member of its segment; the next time is ahead",
    "tick_passed": "a member of its segment, and its time has passed",
}


def note_words(note: Note, zone: str) -> str:
    """Why somebody is not on a sequence, in words."""
    if note.reason == "upcoming":
        return "it has not begun" + (f": its first step is due on {moment(note.at, zone)}" if note.at else "")
    return _NOTES.get(note.reason) or short(note.reason)


# Of what comes later, so many are shown as text.
_AHEAD = 10
_DECIDED = {
    "send": "a mail goes now",
    "wait": "waits",
    "hold": "is held",
    "skip": "is passed over",
    "exit": "the way ends",
    "complete": "done",
    "unreached": "reaches nobody",
}


# So many of the sends before are shown.
_BEFORE = 10


@dataclass(frozen=True)
class ExplanationPage:
    """`sends` are the ledger's, the latest first. `looking` is `back` or `ahead` where the now is not the present."""

    found: Explanation
    sends: Sequence[SendRow]
    now: datetime
    zone: str
    naming: Naming
    held: Held = NOTHING_HELD
    looking: str = ""

    @property
    def before(self) -> Sequence[SendRow]:
        """The latest that were decided before; looking back, the others are what came later."""
        return [row for row in self.sends if self.looking != "back" or row.decided_at < self.now][:_BEFORE]

    @cached_property
    def _later(self) -> Mapping[tuple[str | None, ...], SendRow]:
        return {} if self.looking != "back" else {_key(row): row for row in self.sends if row.decided_at >= self.now and row.state != "cancelled"}

    def became(self, sheet: Sheet) -> SendRow | None:
        """Looking back: what the ledger has decided for the step since."""
        return self._later.get(_key(sheet))


def _key(one: SendRow | Sheet) -> tuple[str | None, ...]:
    return one.sequence, one.step, one.entity, one.record, one.occurrence, one.contact


def code_text(code: str, words: Words, gate: str, *, width: int = 80) -> str:
    """A reason code at length."""
    lines = [f"{code}: {words.short} ({gate})", "", *wrapped(words.long, width)]
    if words.mend:
        lines += ["", *wrapped(f"To mend: {words.mend}.", width)]
    return "\n".join(lines) + "\n"


def as_json(page: ExplanationPage) -> str:
    naming, (entity, key) = page.naming, page.found.subject
    value: dict[str, Any] = {
        "format_version": FORMAT_VERSION,
        "kind": "explanation",
        "now": iso(page.now, page.zone),
        "ledger_as_of": iso(page.now, page.zone) if page.looking == "back" else None,
        "about": {"entity": entity, "key": naming.record(entity, key)},
        "in_crm": page.found.exists,
        "sends": [send_row(row, naming, page.zone) for row in page.before],
        "steps": [_sheet(sheet, naming, page.zone, page.held) | _became(page, sheet) for sheet in page.found.sheets],
        "upcoming": [_ahead(one, naming, page.zone) for one in page.found.upcoming],
        "notes": [
            {"sequence": note.sequence, "record": naming.record(_entity(page, note), note.record), "contact": naming.contact(note.contact), "reason": note.reason,
             "at": iso(note.at, page.zone)}
            for note in page.found.notes
        ],
    }  # fmt: skip
    return to_json(value, indent=1) + "\n"


def _sheet(sheet: Sheet, naming: Naming, zone: str, held: Held) -> dict[str, Any]:
    return {
        "sequence": sheet.sequence,
        "about": {"entity": sheet.entity, "key": naming.record(sheet.entity, sheet.record)},
        "occurrence": naming.occurrence(sheet.sequence, sheet.entity, sheet.record, sheet.occurrence),
        "contact": naming.contact(sheet.contact or None),
        "step": sheet.step,
        "due_at": iso(sheet.due, zone),
        "decision": sheet.decision,
        "reason": sheet.reason,
        "window_opens_at": iso(sheet.opens, zone),
        "held_for": held_for(sheet.detail),
        "held": held_json(held.over(sheet.sequence, sheet.entity, sheet.record, sheet.occurrence, sheet.contact), zone),
        "gates": [
            {"gate": gate.number, "asks": gate.asks, "passed": gate.passed, "reason": gate.reason or None, "detail": gate.detail or None}
            for gate in sheet.gates
        ],
    }


def _became(page: ExplanationPage, sheet: Sheet) -> dict[str, Any]:
    """Only looking back: the send or skip that the ledger has for the step since, or nothing."""
    if page.looking != "back":
        return {}
    row = page.became(sheet)
    return {"became": None if row is None else send_row(row, page.naming, page.zone)}


def _ahead(one: Upcoming, naming: Naming, zone: str) -> dict[str, Any]:
    return {
        "sequence": one.sequence,
        "about": {"entity": one.entity, "key": naming.record(one.entity, one.record)},
        "occurrence": naming.occurrence(one.sequence, one.entity, one.record, one.occurrence),
        "contact": naming.contact(one.contact or None),
        "step": one.step,
        "due_at": iso(one.due, zone),
        "behind_another_group": one.behind,
    }


def _entity(page: ExplanationPage, note: Note) -> str:
    sequence = page.naming.definitions.sequences.get(note.sequence)
    return sequence.about if sequence else ""


def as_text(page: ExplanationPage, *, width: int = 80, ink: Ink = PLAIN) -> str:
    return "\n".join(_lines(page, width, ink)) + "\n"


def _lines(page: ExplanationPage, width: int, ink: Ink) -> Iterator[str]:
    entity, key = page.found.subject
    yield ink.strong(f"{entity} {page.naming.record(entity, key)}") + f", at {moment(page.now, page.zone)} {page.zone}"
    yield from _from_where(page, width, ink)
    if not page.found.exists:
        yield "  " + ink.warn("not in the CRM any more")
    if not page.found.sheets and not page.found.notes:
        yield ""
        why = "nothing about it has begun" if page.found.upcoming else "nothing about it has begun, or all of it is over"
        yield f"  On no sequence at this moment: {why}."
    for _, several in groupby(page.found.sheets, key=lambda sheet: (sheet.sequence, sheet.record, sheet.occurrence, sheet.contact)):
        yield ""
        yield from _way(page, list(several), width, ink)
    yield from _comes_later(page, width, ink)
    if page.before:
        yield ""
        yield ink.strong("Before")
        rows = [
            (
                row.send_key[:8],
                row.state,
                stamp(row.sent_at or row.decided_at, page.zone),
                f"{row.sequence}/{row.step}",
                short(row.reason) if row.reason else "",
            )
            for row in page.before
        ]
        yield from table((), rows, width, give=(4,))
    if page.found.notes:
        yield ""
        yield ink.strong("Not on it")
        for note in page.found.notes:
            yield from wrapped(one_line(_noted(page, note)), width, first="  ", rest="    ")


def _from_where(page: ExplanationPage, width: int, ink: Ink) -> Iterator[str]:
    """What of all this is of the moment, and what is of today."""
    said = {
        "back": f"The CRM as it is now; the ledger as it was at {moment(page.now, page.zone)}; the definitions are today's.",
        "ahead": "The plan of that moment on the CRM and the ledger of now. What the runs until then will do is not in it: `engine simulate --until` follows them.",
    }
    if page.looking:
        yield from (ink.faint(line) for line in wrapped(said[page.looking], width, first="  "))


def _comes_later(page: ExplanationPage, width: int, ink: Ink) -> Iterator[str]:
    """What has not begun: the first step of each occurrence ahead, and when it is due."""
    ahead = page.found.upcoming
    if not ahead:
        return
    yield ""
    yield ink.strong("Comes later")
    contact = page.naming.definitions.crm.contact.entity
    for one in ahead[:_AHEAD]:
        about = (
            f", about {one.entity} {page.naming.record(one.entity, one.record)}"
            if (one.entity, one.record) != page.found.subject and one.entity != contact
            else ""
        )
        when = occurrence(page.naming.occurrence(one.sequence, one.entity, one.record, one.occurrence), page.zone)
        due = f"on {moment(one.due, page.zone)}" if one.due else "at no moment that can be written"
        behind = "; another group of the audience comes first" if one.behind else ""
        yield from wrapped(one_line(f"{one.sequence}/{one.step} {due}{about} ({when}){behind}"), width, first="  ", rest="    ")
    if len(ahead) > _AHEAD:
        yield f"  … and {len(ahead) - _AHEAD:,} more; --format json shows them"


def _noted(page: ExplanationPage, note: Note) -> str:
    who = f" contact {page.naming.contact(note.contact)}" if note.contact else ""
    entity = _entity(page, note)
    itself = (entity, note.record) == page.found.subject
    about = (
        f" about {entity} {page.naming.record(entity, note.record)}" if entity and not itself and entity != page.naming.definitions.crm.contact.entity else ""
    )
    when = f", {moment(note.at, page.zone)}" if note.at else ""
    return f"{note.sequence}{':' if who or about else ''}{who}{about}: {_NOTES.get(note.reason) or short(note.reason)}{when}"


def _way(page: ExplanationPage, sheets: list[Sheet], width: int, ink: Ink) -> Iterator[str]:
    """One enrollment: each step that was looked at in this plan, the last one with all its gates."""
    first = sheets[0]
    naming = page.naming
    who = f"contact {naming.contact(first.contact)}" if first.contact else "nobody who can be mailed"
    about = "" if first.entity == naming.definitions.crm.contact.entity else f"{first.entity} {naming.record(first.entity, first.record)}, "
    when = occurrence(naming.occurrence(first.sequence, first.entity, first.record, first.occurrence), page.zone)
    yield ink.strong(first.sequence) + one_line(f"  {about}{when}, {who}")
    for sheet in sheets:
        due = f", due {moment(sheet.due, page.zone)}" if sheet.due else ""
        why = passed_over(sheet.reason, sheet.detail)
        word = f"{_DECIDED.get(sheet.decision, sheet.decision)}: {why}" if sheet.decision != "send" else _DECIDED["send"]
        yield from wrapped(one_line(f"{sheet.step or 'no step'}{due}: {word}"), width, first="  ", rest="    ")
        row = page.became(sheet)
        if row is not None:
            what = "passed over" if row.state == "skipped" else row.state
            yield from wrapped(
                one_line(f"the ledger has it since: {what}, {moment(row.sent_at or row.decided_at, page.zone)}; `engine show {row.send_key[:8]}`"),
                width,
                first="    ",
                rest="    ",
            )
        window = naming.definitions.sequences[sheet.sequence].send_window if sheet.opens is not None else None
        if window is not None and sheet.opens is not None:
            yield from wrapped(
                one_line(f"it opens on {moment(sheet.opens, page.zone)}; the window is {window_in_words(window)}"), width, first="    ", rest="    "
            )
    order = page.held.over(first.sequence, first.entity, first.record, first.occurrence, first.contact)
    if order is not None:
        yield from wrapped(one_line(held_words(order, page.zone)), width, first="  ", rest="    ")
    for gate in sheets[-1].gates:
        # The last one only sums the others up: where one of them decided it says nothing more.
        if gate.number == GATES[-1].number and not gate.passed:
            continue
        yield from _gate(gate, width, ink)


def _gate(gate: GateShown, width: int, ink: Ink) -> Iterator[str]:
    mark = {True: ink.good("yes"), False: ink.bad("NO "), None: ink.faint("-  ")}[gate.passed]
    why = [short(gate.reason)] if gate.reason and gate.passed is False else []
    why += [short(gate.detail) if gate.detail != gate.reason else ""] if gate.detail and gate.passed is False else []
    text = one_line(gate.asks + (f": {', '.join(filter(None, why))}" if any(why) else ""))
    lines = wrapped(text, width - 16)
    yield f"    {mark}  {gate.number:<5} {lines[0]}"
    yield from (" " * 15 + line for line in lines[1:])
