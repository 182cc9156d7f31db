"""A difference in sentences: what the text, the comment and the report say alike."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from engine.clock import to_local
from engine.plan.change import Change
from engine.plan.gates import Reason
from engine.problems import Problem
from engine.rehearsal.course import Blocked
from engine.rehearsal.difference import Difference, Flight, StepChange
from engine.views.guards_text import shown
from engine.views.phrases import counted, day, joined, moment, number
from engine.views.reasons import REASONS

# Why a mail that the base sends is not sent by the head, where no gate says it.
_BESIDE = {
    "not_enrolled": "it is not for that person any more",
    "step_removed": "the step is gone",
    "sequence_removed": "the sequence is gone",
    "guard": "held by a guard",
    "in_another_mail": "another mail tells of it",
}


# What is not foreseen, here and in a simulation.
FROZEN = (
    "The CRM is the one of now for all these days: nothing is paid, signed or renewed in them. "
    "Every mail is taken as accepted, and nobody answers, opens or unsubscribes."
)
# So many of somebody's sequences are named.
_FEW = 4


def headline(found: Difference) -> str:
    """The first sentence."""
    if found.same_definitions:
        return "The definitions mean the same; nothing changes for anybody."
    if not found.changes_mail:
        return f"Nobody gets another mail, at another time or with another text: {counted(found.was.mails, 'mail')} before and after."
    if not found.steps:
        return f"The mails of these days stay as they are ({counted(found.was.mails, 'mail')}); only where people stand changes."
    if not found.will.mails:
        return f"No mail goes; without the change {_volume(found.was.mails, found.was.people)}."
    goes = f"{counted(found.will.mails, 'mail goes', 'mails go')} to {counted(found.will.people, 'person', 'people')}"
    return f"{goes}; without the change {_volume(found.was.mails, found.was.people)}."


def still_fits(moved: tuple[str, ...]) -> str:
    """What to ask of a mail that these steps send at another time."""
    return f"It goes at another time ({joined(moved)}): do its words still fit?"


def _volume(mails: int, people: int) -> str:
    return f"{counted(mails, 'mail')} to {counted(people, 'person', 'people')}" if mails else "no mail"


def pressure(found: Difference) -> str | None:
    """The most that one contact gets, where the change raises or lowers it, and of which sequences."""
    will = found.will
    if found.was.most == will.most:
        return None
    who = "One contact" if will.crowd <= 1 else f"{will.crowd:,} people"
    told = f"{who} would get {counted(will.most, 'mail')}{'' if will.crowd <= 1 else ' each'}"
    listed = [f"{sequence} {count:,}" for sequence, count in will.burden[:_FEW]] + (["others"] if len(will.burden) > _FEW else [])
    of = "" if len(will.burden) < 2 else f" ({'' if will.crowd <= 1 else 'one of them '}{', '.join(listed)})"
    return f"{told}{of}; without the change the most is {number(found.was.most)}."


def touch(found: Difference) -> str:
    """How the mails change, in numbers."""
    parts = [
        (found.total("gain"), "added", "gain"), (found.total("loss"), "dropped", "loss"), (found.total("sooner"), f"that would have come after {last(found)}", ""),
        (found.total("later"), f"only after {last(found)}", ""), (found.total("move"), "at another time", ""), (sum(step.changed for step in found.steps), "with another text", ""),
    ]  # fmt: skip
    told = [(f"{count:,} {words}", found.people.get(kind, 0)) for count, words, kind in parts if count]
    if not told:
        return ""
    several = len(told) > 1
    said = [f"{words} for {counted(people, 'person', 'people')}" if several and people else words for words, people in told]
    first = f", the first mail on {day(found.first)}" if found.first else ""
    return f"{'; '.join(said)}{'; in all ' if several else ': '}{counted(found.touched, 'person', 'people')}{first}."


def untouched(found: Difference) -> str | None:
    """The mails that stand in no row."""
    rest = found.will.mails - sum(step.mails[1] for step in found.steps)
    return f"{counted(rest, 'mail')} of other steps {'stays as it is' if rest == 1 else 'stay as they are'}." if found.steps and rest else None


def anyway(found: Difference) -> Iterator[str]:
    """The guards that hold a run back whether or not the change is made."""
    for one in found.blocked_anyway:
        yield f"not because of this change: {blocked(one, found.timezone)} until somebody allows it{_whose(found, one)}; it is counted here"


def raised(found: Difference) -> tuple[Change, ...]:
    """What the change does to guards: it is read first, since the merge is the approval (10.4)."""
    return tuple(one for one in found.edits if one.what == "guards")


def other_edits(found: Difference) -> tuple[Change, ...]:
    """The edits without those of guards, which stand at the head."""
    return tuple(one for one in found.edits if one.what != "guards")


def refusal(one: Problem) -> str:
    """Why no apply follows the change, and the way out, in a line."""
    place = f" ({one.origin})" if one.origin else ""
    return f"{one.code}: {one.message}{place}; {one.help}" if one.help else f"{one.code}: {one.message}{place}"


def unjudged(found: Difference) -> Iterator[str]:
    """The sequences whose mails are told on neither side, whatever the change does to them."""
    for one in found.unjudged:
        yield f"{one.code}: {one.message}; what its mails do is told on neither side"


def edit(one: Change) -> str:
    """One edit with the rule that it falls under."""
    where = f"{one.sequence}: " if one.sequence else ""
    return f"{where}{one.words}. Rule {one.rule}: {one.effect}."


def span(found: Difference) -> str:
    return f"{moment(found.now, found.timezone)} to {moment(found.until, found.timezone)} {found.timezone}"


def _whose(found: Difference, one: Blocked) -> str:
    """Which sequences a run that a guard of the whole project holds back is mostly about."""
    going = found.after.going(one.at) if one.guard.sequence is None else {}
    listed = [f"{sequence} {mails:,}" for sequence, mails in going.items()]
    return f" ({', '.join(listed[:2])}{', …' if len(listed) > 2 else ''})" if listed else ""


def last(found: Difference) -> str:
    """The day on which what was looked at ends."""
    return day(to_local(found.until, found.timezone).date())


def sides(found: Difference) -> str:
    """What was compared, for whoever wants to look it up."""
    return f"Before: {found.base}; after: {'the files as they are' if found.head == 'work tree' else found.head}"


def blocked(one: Blocked, zone: str) -> str:
    """A guard that would hold a run back."""
    guard = one.guard
    about = f" of {guard.sequence}" if guard.sequence else f" of {guard.detail}" if guard.id in ("min_facts", "max_shrink") else ""
    within = f" {guard.detail}" if guard.detail.startswith("within ") else ""
    limit = f"{'at least' if guard.id == 'min_facts' else 'at most'} {shown(guard, guard.limit)}{within}"
    effect = "that sequence would be held" if guard.sequence else "nothing would be sent"
    return f"guard {guard.id}{about} would block on {moment(one.at, zone)}: {shown(guard, one.most)}, {limit}; {effect}"


def far(shift: timedelta) -> str:
    """How far a mail moves.

    >>> far(timedelta(days=-2)), far(timedelta(hours=1, minutes=30))
    ('2 days earlier', '1 h 30 min later')
    """
    way = "earlier" if shift < timedelta() else "later"
    shift = abs(shift)
    if shift % timedelta(days=1) == timedelta():
        return f"{counted(shift.days, 'day')} {way}"
    minutes = round(shift.total_seconds() / 60)
    parts = [(minutes // 1440, "d"), (minutes // 60 % 24, "h"), (minutes % 60, "min")]
    return f"{' '.join(f'{count} {unit}' for count, unit in parts if count) or 'less than a minute'} {way}"


def reason(code: str) -> str:
    if code in _BESIDE:
        return _BESIDE[code]
    return REASONS[Reason(code)].short if code in set(Reason) else code


def notes(change: StepChange) -> Iterator[str]:
    """What stands below a step's numbers."""
    before, after = change.mails
    if before and not after:
        yield f"nobody gets it in these days any more ({counted(before, 'mail')} before)"
    if change.shifts:
        keep = change.counts.get("same", 0)
        kept = f"; {keep:,} {'goes' if keep == 1 else 'go'} when {'it' if keep == 1 else 'they'} would have" if keep else ""
        yield "moves: " + joined([f"{far(by)} ({count:,})" for by, count in change.shifts]) + kept
    if change.items:
        (was, will), (before, after) = change.mails, change.items
        yield f"records: {before:,} in {counted(was, 'mail')} before, {after:,} in {counted(will, 'mail')} after"
    if change.records:
        others, fewer = change.records - change.fewer, change.fewer
        told = [f"{counted(count, 'record')} for {whom} than before" for count, whom in ((others, "other people"), (fewer, "fewer people")) if count]
        yield f"audience: {joined(told)}"
    if change.reasons:
        yield "dropped because " + joined([f"{reason(code)} ({count:,})" for code, count in change.reasons])


_STANDS = {"wait": "wait for {}", "send": "get {} now", "hold": "are held at {}", "exit": "leave: {}", "complete": "are done", "none": "are not on the way"}


def stands(place: tuple[str, str]) -> str:
    decision, where = place
    return _STANDS.get(decision, decision + " {}").format(reason(where) if decision == "exit" else where)


def flight(one: Flight) -> str:
    return f"{counted(one.people, 'person', 'people')} of {one.sequence}: {stands(one.was)} → {stands(one.now)}"


def assumptions(found: Difference) -> Iterator[str]:
    """What the answer takes for granted."""
    yield "It begins with the first apply after the merge."
    yield FROZEN
    if any(one.blocked for one in (found.before, found.after)):
        yield "Where a guard would block, the numbers are what would go if somebody allowed it."
    for name, course in (("base", found.before), ("head", found.after)):
        if course.cut:
            yield f"The {name} was followed only until {moment(course.reached, found.timezone)}: more moments than {len(course.instants):,} have something due."


def days(found: Difference) -> Iterator[tuple[str, int, int]]:
    """Each local day on which the volumes differ: the day, before, after."""
    for date in sorted({*found.was.days, *found.will.days}):
        before, after = found.was.days.get(date, 0), found.will.days.get(date, 0)
        if before != after:
            yield day(date), before, after


def today(found: Difference) -> str:
    return day(to_local(found.now, found.timezone).date())
