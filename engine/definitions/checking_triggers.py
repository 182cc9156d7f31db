"""Triggers against the map: the date, the event or the segment that starts a sequence is one of what it is about (semantics §3)."""

from __future__ import annotations

from collections.abc import Iterator

from engine.clock import Duration
from engine.definitions import references
from engine.definitions.checking_rules import Context, check_rule
from engine.definitions.crm import FieldType
from engine.definitions.definitions import Places
from engine.definitions.draft import Draft
from engine.definitions.paths import Scope
from engine.definitions.sequences import Sequence
from engine.definitions.translating import did_you_mean
from engine.definitions.triggers import DateTrigger, EntersTrigger, EventTrigger, OfSegment, OnceTrigger, ScheduleTrigger
from engine.problems import Problem

_MOMENTS: tuple[FieldType, ...] = ("date", "timestamp")
# How many days units have.
_AT_LEAST = {"d": 1.0, "w": 7.0, "mo": 28.0, "y": 365.0}
_AT_MOST = {"min": 1 / 1440, "h": 1 / 24, "d": 1.0, "bd": 4.0, "w": 7.0, "mo": 31.0, "y": 366.0}


def triggers(draft: Draft) -> Iterator[Problem]:
    """What each kind of trigger names is there, and fits what the sequence is about."""
    for id, sequence in draft.sequences.items():
        if draft.crm is None or sequence.about not in draft.crm.entities:
            continue
        match sequence.trigger:
            case DateTrigger():
                yield from _date(draft, sequence, sequence.trigger)
            case EventTrigger():
                yield from _event(draft, sequence, sequence.trigger)
            case EntersTrigger() | ScheduleTrigger() | OnceTrigger():
                yield from _segment(draft, sequence, sequence.trigger)
                continue
            case _:
                continue
        yield from check_rule(sequence.trigger.where, Context(draft, draft.where("sequence", id), ("trigger", "where"), Scope(sequence.about), sequence.owner))


def _date(draft: Draft, sequence: Sequence, trigger: DateTrigger) -> Iterator[Problem]:
    """The date of a trigger is a date or timestamp of the entity that the sequence is about (3.1)."""
    assert draft.crm is not None  # its caller looked
    places = draft.where("sequence", sequence.id)
    text = trigger.date
    place = places.value("trigger", "date")
    path = references.field_path(draft, Scope(sequence.about), text, place, "the date of a trigger")
    if isinstance(path, Problem):
        yield path
    elif path is not None and (path.hops or path.field is None):
        yield Problem(
            "E310", f"`{text}` is a field of `{path.end}`, and the sequence is about `{sequence.about}`", place, f"write `about: {path.end}`, or name a date of `{sequence.about}`",
            ((places.value("about"), "what the sequence is about"),),
        )  # fmt: skip
    elif path is not None and path.field is not None and path.field.type not in _MOMENTS:
        dates = [f"{path.end}.{name}" for name, field in draft.crm.entities[path.end].fields.items() if field.type in _MOMENTS]
        declared = draft.where("crm", "crm").key("entities", path.end, "fields", str(path.field_name))
        yield Problem(
            "E310", f"`{text}` is {path.field.type}, and a trigger needs a date or a timestamp", place, f"name one of {', '.join(dates)}" if dates else f"`{path.end}` has no date",
            ((declared, "declared here"),),
        )  # fmt: skip
    elif path is not None and path.field is not None and trigger.every is not None:
        yield from _every(draft, places, trigger, path.end, str(path.field_name), path.field.type)
        yield from _round_within_the_gap(places, sequence, trigger.every)


def _every(draft: Draft, places: Places, trigger: DateTrigger, entity: str, field: str, type_: FieldType) -> Iterator[Problem]:
    """`every` counts whole days, weeks, months or years from a date (3.1)."""
    if type_ != "date":
        yield Problem(
            "E330", f"`every` needs a date, and `{trigger.date}` is a timestamp", places.key("trigger", "every"), "name a date, or take `every` out",
            ((draft.where("crm", "crm").key("entities", entity, "fields", field), "declared here"),),
        )  # fmt: skip
    elif trigger.every is not None and (trigger.every.count == 0 or trigger.every.unit not in ("d", "w", "mo", "y")):
        yield Problem(
            "E330", f"`every: {trigger.every}` is no time between two dates", places.value("trigger", "every"),
            "count in days, weeks, months or years, such as `every: 3mo`",
        )  # fmt: skip


def _round_within_the_gap(places: Places, sequence: Sequence, every: Duration) -> Iterator[Problem]:
    """A mail is too soon within `min_gap` of the same step's last one for the record (3.8): a week after a run at 09:10 there is none at 09:00."""
    gap = sequence.gap
    if gap is not None and every.count and every.unit in _AT_LEAST and every.count * _AT_LEAST[every.unit] <= gap.count * _AT_MOST[gap.unit]:
        yield Problem(
            "E330", f"`every: {every}` comes round within the {gap} that must lie between two mails of a step, and a mail that is too soon does not go at all",
            places.value("trigger", "every"), "say a `min_gap` that is shorter, such as `min_gap: 1d`", severity="warning",
        )  # fmt: skip


def _event(draft: Draft, sequence: Sequence, trigger: EventTrigger) -> Iterator[Problem]:
    """The event is one of the map, is about the same entity, and the sequence says who may be in it again (3.2, 3.9)."""
    assert draft.crm is not None  # its caller looked
    places, crm = draft.where("sequence", sequence.id), draft.where("crm", "crm")
    place = places.value("trigger", "event")
    event = draft.crm.events.get(trigger.event)
    if event is None:
        example = f"`events: {{{trigger.event}: {{entity: {sequence.about}}}}}`"
        known = did_you_mean(trigger.event, draft.crm.events, "the events are") if draft.crm.events else ""
        yield Problem(
            "E331",
            f"there is no event `{trigger.event}`",
            place,
            f"{known}; or add {example} to definitions/crm.yaml" if known else f"add {example} to definitions/crm.yaml",
        )
    elif event.entity != sequence.about and event.entity in draft.crm.entities:
        yield Problem(
            "E332", f"the event `{trigger.event}` is about `{event.entity}`, and the sequence is about `{sequence.about}`", place, f"write `about: {event.entity}`, or name an event of `{sequence.about}`",
            ((crm.value("events", trigger.event, "entity"), "what the event is about"), (places.value("about"), "what the sequence is about")),
        )  # fmt: skip
    if sequence.reenter is None:
        yield Problem(
            "E333", "an event may come again, and the sequence does not say who may enter again", places.key("trigger", "event"),
            "add `reenter: every_occurrence` (each event), `reenter: never` (once for each contact), or `reenter: {after: 90d}`",
        )  # fmt: skip


def _segment(draft: Draft, sequence: Sequence, trigger: OfSegment) -> Iterator[Problem]:
    """The segment may be used here, and is of what the sequence is about; a schedule comes more than once (3.3, 3.4)."""
    places = draft.where("sequence", sequence.id)
    place = places.value("trigger", "enters" if isinstance(trigger, EntersTrigger) else "for")
    yield from references.use_segment(draft, trigger.segment, place, sequence.owner)
    segment = draft.segments.get(trigger.segment)
    if segment is not None and segment.entity != sequence.about:
        yield Problem(
            "E246", f"the segment `{trigger.segment}` is of `{segment.entity}`, and `{sequence.id}` is about `{sequence.about}`", place,
            f"write `about: {segment.entity}`, or name a segment of `{sequence.about}`",
            ((draft.where("segment", trigger.segment).value("entity"), "its entity"), (places.value("about"), "what the sequence is about")),
        )  # fmt: skip
    if isinstance(trigger, ScheduleTrigger) and not trigger.yearly and _comes_once_a_year(trigger):
        yield Problem(
            "E335", f"`{trigger.schedule}` comes once a year, on a fixed day and month", places.value("trigger", "schedule"),
            'for one time write `once: "YEAR-MONTH-DAYThh:mm"`; if it is meant for every year, add `yearly: true`',
        )  # fmt: skip


def _comes_once_a_year(trigger: ScheduleTrigger) -> bool:
    """Whether one day of one month is named, and no day of the week beside it (either would match)."""
    _, _, day, month, weekday = trigger.times.fields
    return day is not None and month is not None and len(day) == 1 and len(month) == 1 and weekday is None


def events(draft: Draft) -> Iterator[Problem]:
    """An event is about an entity; the moment of one that the CRM tells is a date or a timestamp of it."""
    if draft.crm is None:
        return
    places = draft.where("crm", "crm")
    for name, event in draft.crm.events.items():
        yield from references.entity(draft, event.entity, places.value("events", name, "entity"))
        if event.at is None or event.entity not in draft.crm.entities:
            continue
        place, fields = places.value("events", name, "at"), draft.crm.entities[event.entity].fields
        if event.at not in fields:
            declared = places.key("entities", event.entity, "fields")
            help = did_you_mean(event.at, fields, f"the fields of {event.entity} are")
            yield Problem("E238", f"`{event.entity}` has no field `{event.at}`", place, help, ((declared, f"the fields of `{event.entity}`"),))
        elif fields[event.at].type not in _MOMENTS:
            dates = [field_name for field_name, field in fields.items() if field.type in _MOMENTS]
            yield Problem(
                "E334", f"the moment of an event is a date or a timestamp, and `{event.at}` is {fields[event.at].type}", place,
                f"name one of {', '.join(dates)}" if dates else f"`{event.entity}` has no date; an event without `at` comes from `engine event`",
                ((places.key("entities", event.entity, "fields", event.at), "declared here"),),
            )  # fmt: skip
