"""The calendar of the coming days as text, JSON, HTML and as a calendar file. Mails are counted; people are named nowhere."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from datetime import UTC, timedelta

from icalendar import Calendar, Event

from engine import __version__
from engine.clock import aware
from engine.rehearsal.simulating import Simulation
from engine.views.difference_words import FROZEN, blocked
from engine.views.escaping import one_line, to_json
from engine.views.ink import PLAIN, Ink
from engine.views.phrases import counted, day, iso, moment, table, wrapped
from engine.views.plan_json import FORMAT_VERSION, guard_row, plain
from engine.views.report_page import page

_WIDEST_BAR = 30


def headline(found: Simulation) -> str:
    if not found.mails:
        return "No mail would go."
    return f"{counted(found.mails, 'mail')} would go to {counted(found.people, 'person', 'people')}; the most that one contact gets is {found.most:,}."


def assumptions(found: Simulation) -> Iterator[str]:
    yield FROZEN
    yield "An apply comes when something falls due" + (", at the next start of its job." if found.course.definitions.project.jobs else ".")
    if found.course.blocked:
        yield "Where a guard would block, the numbers are what would go if somebody allowed it."
    if found.course.cut:
        yield f"It was followed only until {moment(found.course.reached, found.timezone)}: more moments than {len(found.course.instants):,} have something due."


def _span(found: Simulation) -> str:
    return f"{moment(found.now, found.timezone)} to {moment(found.course.until, found.timezone)} {found.timezone}"


def as_text(found: Simulation, *, width: int = 80, ink: Ink = PLAIN) -> str:
    return "\n".join(_lines(found, width, ink)) + "\n"


def _lines(found: Simulation, width: int, ink: Ink) -> Iterator[str]:
    yield ink.strong(_span(found))
    yield ""
    yield from wrapped(headline(found), width, first="  ")
    for one in found.course.blocked:
        yield from (ink.bad(line) for line in wrapped(one_line(blocked(one, found.timezone)), width, first="  ", rest="    "))
    if found.mails:
        yield ""
        rows = [(sequence, step, f"{count:,}", day(first), day(last)) for (sequence, step), (count, first, last) in found.steps.items()]
        lines = table(("sequence", "step", "mails", "first", "last"), rows, width, right=(2,), give=(0, 1))
        yield ink.faint(lines[0])
        yield from lines[1:]
        yield ""
        yield ink.strong("  Mails a day")
        top = max(found.days.values())
        yield from table(
            (),
            [(day(date), f"{count:,}", "█" * max(1, round(count / top * _WIDEST_BAR))) for date, count in found.days.items()],
            width,
            right=(1,),
            indent="    ",
        )
        yield ""
        yield ink.strong("  How many one contact gets")
        yield from table(
            (), [(counted(number, "mail"), counted(people, "person", "people")) for number, people in found.pressure.items()], width, indent="    "
        )
    yield ""
    for text in assumptions(found):
        yield from (ink.faint(line) for line in wrapped(text, width, first="  "))


def as_json(found: Simulation) -> str:
    zone = found.timezone
    value = {
        "format_version": FORMAT_VERSION,
        "kind": "simulation",
        "engine_version": __version__,
        "now": iso(found.now, zone),
        "until": iso(found.course.until, zone),
        "followed_until": iso(found.course.reached, zone),
        "timezone": zone,
        "definitions": {"digest": found.course.definitions.digest, "commit": found.course.definitions.commit},
        "mails": found.mails,
        "people": found.people,
        "most_to_one_contact": found.most,
        "days": {date.isoformat(): count for date, count in found.days.items()},
        "pressure": {str(number): people for number, people in found.pressure.items()},
        "slots": [{"at": iso(slot.moment, zone), "sequence": slot.sequence, "step": slot.step, "mails": slot.mails} for slot in found.slots],
        "guards": [{**guard_row(one.guard), "observed": plain(one.most), "at": iso(one.at, zone)} for one in found.course.blocked],
        "assumptions": list(assumptions(found)),
    }
    return to_json(value, indent=1) + "\n"


def as_html(found: Simulation) -> str:
    return page("simulation.html").render(
        found=found,
        span=_span(found),
        headline=headline(found),
        alarms=[blocked(one, found.timezone) for one in found.course.blocked],
        steps=[(sequence, step, count, day(first), day(last)) for (sequence, step), (count, first, last) in found.steps.items()],
        days=[(day(date), count) for date, count in found.days.items()],
        top=max(found.days.values(), default=1),
        assumptions=list(assumptions(found)),
    )


def as_ics(found: Simulation) -> str:
    """One event for each step and instant; the same simulation gives the same file."""
    calendar = Calendar()
    calendar.add("prodid", "-//campaigns as code//simulate//EN")
    calendar.add("version", "2.0")
    calendar.add("x-wr-calname", f"Mails of {found.course.definitions.project.name}")
    for slot in found.slots:
        event = Event()
        name = f"{slot.moment.isoformat()} {slot.sequence} {slot.step}"
        event.add("uid", f"{hashlib.sha256(name.encode()).hexdigest()[:32]}@simulate.example")
        event.add("dtstamp", found.now.replace(tzinfo=UTC))
        event.add("dtstart", aware(slot.moment).astimezone(UTC))
        event.add("duration", timedelta(minutes=15))
        event.add("summary", f"{slot.sequence}/{slot.step}: {counted(slot.mails, 'mail')}")
        event.add("transp", "TRANSPARENT")
        calendar.add_component(event)
    return str(calendar.to_ical().decode())
