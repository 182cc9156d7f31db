"""Steps: told apart by id, in time order, with a time that fits the trigger and templates that fit the record (semantics §5)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from itertools import pairwise

from engine.calendars import Holidays, business_day
from engine.clock import Duration, shift_wall
from engine.definitions import references
from engine.definitions.business_days import calendar_of
from engine.definitions.checking_types import about
from engine.definitions.draft import Draft
from engine.definitions.paths import Scope
from engine.definitions.sequences import Sequence, Step
from engine.definitions.triggers import DateTrigger
from engine.problems import Problem

# Short months, a leap year and the turn of a year: an order that holds from all of them holds.
_DAYS = (date(2026, 3, 1), date(2026, 3, 31), date(2026, 7, 15), date(2026, 12, 31), date(2027, 1, 31), date(2028, 2, 29))
# With business days each day of the week counts, and each row of holidays.
_EVERY_DAY = tuple(date(2026, 1, 1) + timedelta(days=number) for number in range(3 * 366))
_TIMES = (time(0, 0), time(12, 0), time(23, 59))
_DAY_START = time(9, 0)


def steps(draft: Draft) -> Iterator[Problem]:
    """Ids are different; an old id is not one that is still there."""
    for id, sequence in draft.sequences.items():
        places = draft.where("sequence", id)
        first: dict[str, int] = {}
        for index, step in enumerate(sequence.steps):
            if step.id in first:
                place = places.value("steps", index, "id")
                yield Problem(
                    "E315",
                    f"two steps have the id `{step.id}`",
                    place,
                    "rename one; what was sent is remembered by this id",
                    ((places.value("steps", first[step.id], "id"), "the first"),),
                )
            first.setdefault(step.id, index)
        for index, step in enumerate(sequence.steps):
            earlier = [other for other in range(index) if step.renamed_from is not None and sequence.steps[other].renamed_from == step.renamed_from]
            if earlier:
                yield Problem(
                    "E262", f"two steps claim the history of `{step.renamed_from}`", places.value("steps", index, "renamed_from"), "only one can have it; take it out of the other",
                    ((places.value("steps", earlier[0], "renamed_from"), "the other one"),),
                )  # fmt: skip
            if step.renamed_from in first:
                place = places.value("steps", index, "renamed_from")
                yield Problem(
                    "E258", f"`renamed_from: {step.renamed_from}` names a step that is still there", place, "it is the old id of this step",
                    ((places.value("steps", first[str(step.renamed_from)], "id"), "still there"),),
                )  # fmt: skip


def step_times(draft: Draft) -> Iterator[Problem]:
    """`before` and `after` belong to date triggers, `wait` to all others (3.5); `wait` of zero is first (5.1); `at` moves days, not hours (5.2)."""
    for id, sequence in draft.sequences.items():
        places = draft.where("sequence", id)
        dated = isinstance(sequence.trigger, DateTrigger)
        for index, step in enumerate(sequence.steps):
            loc = ("steps", index, step.kind)
            if dated and step.kind == "wait":
                yield Problem(
                    "E311", "`wait` does not belong to a date trigger", places.key(*loc), f"write `after: {step.wait}` or `before: {step.wait}`, counted from the date",
                    ((places.key("trigger"), "the trigger"),),
                )  # fmt: skip
            elif not dated and step.kind != "wait":
                yield Problem(
                    "E311", f"`{step.kind}` counts from a date, and this trigger has none", places.key(*loc), f"write `wait: {step.duration}`, counted from " + ("the start" if index == 0 else "the step before"),
                    ((places.value("trigger"), "the trigger"),),
                )  # fmt: skip
            elif step.kind == "wait" and step.duration.count == 0 and index > 0:
                yield Problem("E313", "only the first step may wait for no time", places.value(*loc), "two mails at once are one mail; wait at least `1d`")
            if step.at is not None and step.duration.exact:
                at = places.key("steps", index, "at")
                days = f"{step.duration.count // 24}d" if step.duration.unit == "h" and step.duration.count % 24 == 0 and step.duration.count else "2d"
                yield Problem(
                    "E314",
                    f"`at` beside `{step.kind}: {step.duration}`: hours and minutes are exact",
                    at,
                    f"take `at` out, or count in days, such as `{step.kind}: {days}`",
                )


def order_of_steps(draft: Draft) -> Iterator[Problem]:
    """`before`/`after` steps stand strictly in time order, whatever the date is (5.1)."""
    for id, sequence in draft.sequences.items():
        if not isinstance(sequence.trigger, DateTrigger) or any(step.kind == "wait" for step in sequence.steps):
            continue
        places = draft.where("sequence", id)
        if _in_plain_order(sequence):
            continue
        moments = _moments(draft, sequence)
        for index in range(1, len(sequence.steps)):
            step, previous = sequence.steps[index], sequence.steps[index - 1]
            if all(these[index - 1] < these[index] for these in moments):
                continue
            if all(these[index - 1] == these[index] for these in moments):
                when = "is due at the same time as"
            elif all(these[index - 1] > these[index] for these in moments):
                when = "is due earlier than"
            else:
                when = "is, for some dates, not due later than"
            yield Problem(
                "E312", f"`{step.id}` ({step.kind} {step.duration}) {when} `{previous.id}` ({previous.kind} {previous.duration})", places.value("steps", index, step.kind),
                "put the steps in the order of time" + ("" if step.duration.unit == previous.duration.unit else ", or count in one unit"), ((places.value("steps", index - 1, previous.kind), "the step before it"),),
            )  # fmt: skip


def _in_plain_order(sequence: Sequence) -> bool:
    """Days and weeks with one time of day are in order when their numbers are: what most sequences are. So are business days by themselves."""
    units = {step.duration.unit for step in sequence.steps}
    if not (units <= {"d", "w"} or units == {"bd"}) or any(step.at is not None for step in sequence.steps):
        return False
    days = [(-1 if step.kind == "before" else 1) * step.duration.count * (7 if step.duration.unit == "w" else 1) for step in sequence.steps]
    return all(first < second for first, second in pairwise(days))


def _moments(draft: Draft, sequence: Sequence) -> list[list[datetime]]:
    """For some dates, when each step would be due (in wall time; the clock changes of a zone are left out)."""
    assert isinstance(sequence.trigger, DateTrigger)  # its caller looked
    path = references.field_path(draft, Scope(sequence.about), sequence.trigger.date, draft.where("sequence", sequence.id).value(), "")
    stamped = not isinstance(path, Problem) and path is not None and path.field is not None and path.field.type == "timestamp"
    mixed = any(step.duration.unit == "bd" for step in sequence.steps)
    bases = [datetime.combine(day, moment) for day in (_EVERY_DAY if mixed else _DAYS) for moment in (_TIMES if stamped else (sequence.at or _DAY_START,))]
    holidays = calendar_of(draft.project, sequence) if mixed and draft.project is not None else None
    return [[_due(base, step, sequence, holidays) for step in sequence.steps] for base in bases]


def _due(base: datetime, step: Step, sequence: Sequence, holidays: Holidays | None) -> datetime:
    sign = -1 if step.kind == "before" else 1
    duration: Duration = step.duration
    try:
        if duration.exact:
            return base + sign * timedelta(minutes=duration.count * (60 if duration.unit == "h" else 1))
        moved = _business_days(base, duration.count, sign, holidays) if duration.unit == "bd" else shift_wall(base, duration, sign)
    except OverflowError:
        return datetime.min if sign < 0 else datetime.max
    at = step.at or sequence.at
    return datetime.combine(moved.date(), at) if at is not None else moved


def _business_days(base: datetime, count: int, sign: int, holidays: Holidays | None) -> datetime:
    day = business_day(base.date(), count, sign, holidays)
    if day is None:
        raise OverflowError("beyond the years whose holidays are known")
    return datetime.combine(day, base.time())


def templates_of_steps(draft: Draft) -> Iterator[Problem]:
    """Templates are there and fit what the sequence is about; of a list of choices the last has no `if`, all others have one."""
    for id, sequence in draft.sequences.items():
        places = draft.where("sequence", id)
        for index, step in enumerate(sequence.steps):
            loc = ("steps", index, "template")
            if isinstance(step.template, str):
                yield from _template(draft, sequence, step.template, (*loc,))
                continue
            if not step.template:
                yield Problem("E320", "the list of templates is empty", places.value(*loc), "name at least one: `template: [{use: tips}]`")
            for position, choice in enumerate(step.template):
                last = position == len(step.template) - 1
                if last and choice.if_ is not None:
                    yield Problem(
                        "E320",
                        "the last choice has an `if`: for whom it fails there would be no mail",
                        places.key(*loc, position, "if"),
                        "end the list with `{use: TEMPLATE}`",
                    )
                elif not last and choice.if_ is None:
                    yield Problem("E320", "no choice after one without an `if` is ever used", places.key(*loc, position + 1), "put it last, or give it an `if`")
                yield from _template(draft, sequence, choice.use, (*loc, position, "use"))


def _template(draft: Draft, sequence: Sequence, template_id: str, loc: tuple[str | int, ...]) -> Iterator[Problem]:
    places = draft.where("sequence", sequence.id)
    place = places.value(*loc)
    yield from references.refer(draft, "template", template_id, place)
    template = draft.templates.get(template_id)
    said = about(draft, template.type) if template is not None else None
    known = draft.crm is None or sequence.about in draft.crm.entities
    if template is not None and said is not None and known and said[0] != sequence.about:
        yield Problem(
            "E245", f"the template `{template_id}` is about `{said[0]}`, and the sequence is about `{sequence.about}`", place, f"choose a template whose type has `about: {sequence.about}`",
            ((draft.where("type", said[1]).value("about"), f"the type `{said[1]}`"), (places.value("about"), "what the sequence is about")),
        )  # fmt: skip
