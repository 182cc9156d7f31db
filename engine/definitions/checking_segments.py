"""Segments and enrollments by hand: their entity, their rules, who may use them, no cycles."""

from __future__ import annotations

from collections.abc import Iterator

from engine.definitions import references
from engine.definitions.checking_rules import Context, check_rule
from engine.definitions.draft import Draft
from engine.definitions.paths import Scope
from engine.definitions.rules import InSegment, walk
from engine.problems import Problem


def segments(draft: Draft) -> Iterator[Problem]:
    for id, segment in draft.segments.items():
        places = draft.where("segment", id)
        yield from references.entity(draft, segment.entity, places.value("entity"))
        yield from references.owner(draft, segment.owner, places.value("owner"))
        yield from check_rule(segment.rules, Context(draft, places, ("rules",), Scope(segment.entity), segment.owner))


def cycles(draft: Draft) -> Iterator[Problem]:
    """No segment is a member of itself by way of others; each cycle is told once, at its first segment."""
    named = {
        id: [(rule.segment, rule.at) for rule in walk(segment.rules) if isinstance(rule, InSegment)] if segment.rules is not None else []
        for id, segment in draft.segments.items()
    }
    done: set[str] = set()
    for start in sorted(named):
        trail: list[tuple[str, int]] = [(start, 0)]
        while trail:
            here, position = trail[-1]
            if here in done or position >= len(named.get(here, ())):
                done.add(here)
                trail.pop()
                continue
            trail[-1] = (here, position + 1)
            there, at = named[here][position]
            on_the_way = [id for id, _ in trail]
            if there in on_the_way:
                round_ = [*on_the_way[on_the_way.index(there) :], there]
                others = [(id, *named[id][position - 1]) for id, position in trail[on_the_way.index(there) : -1]]
                yield Problem(
                    "E241",
                    f"the segment `{there}` needs itself: {' → '.join(round_)}",
                    draft.where("segment", here).value("rules", *at),
                    "take out the `segment:` that closes the circle",
                    tuple((draft.where("segment", id).value("rules", *where), f"`{id}` needs `{needed}`") for id, needed, where in others),
                )
            elif there not in done:
                trail.append((there, 0))


def enrollments(draft: Draft) -> Iterator[Problem]:
    """They enroll in a sequence with `trigger: manual`, records of what it is about."""
    for id, enrollment in draft.enrollments.items():
        places = draft.where("enrollment", id)
        place = places.value("sequence")
        yield from references.refer(draft, "sequence", enrollment.sequence, place)
        sequence = draft.sequences.get(enrollment.sequence)
        if sequence is not None and sequence.trigger.kind != "manual":
            yield Problem(
                "E247", f"`{enrollment.sequence}` enrolls by its trigger, not by hand", place, "only a sequence with `trigger: manual` is enrolled in by a file",
                ((draft.where("sequence", enrollment.sequence).value("trigger"), "its trigger"),),
            )  # fmt: skip
        if enrollment.contacts == ():
            yield Problem("E105", "`contacts` is empty", places.value("contacts"), "name at least one key, or delete the file")
        if enrollment.segment is None:
            continue
        if sequence is None or sequence.trigger.kind != "manual":
            # Whose it is and what it is about is the sequence's: the mistake is told there.
            yield from references.refer(draft, "segment", enrollment.segment, places.value("segment"))
            continue
        yield from references.use_segment(draft, enrollment.segment, places.value("segment"), sequence.owner)
        segment = draft.segments.get(enrollment.segment)
        known = draft.crm is None or sequence.about in draft.crm.entities
        if segment is not None and known and segment.entity != sequence.about:
            yield Problem(
                "E246", f"the segment `{enrollment.segment}` is of `{segment.entity}`, and `{sequence.id}` is about `{sequence.about}`", places.value("segment"),
                "name a segment of the same entity",
                ((draft.where("segment", enrollment.segment).value("entity"), "its entity"), (draft.where("sequence", sequence.id).value("about"), "what the sequence is about")),
            )  # fmt: skip
