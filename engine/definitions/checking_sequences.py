"""Sequences against the map: what they are about, what starts them, who gets the mail, when they end (semantics §3, §4)."""

from __future__ import annotations

from collections.abc import Iterator

from engine.definitions import references
from engine.definitions.checking_rules import Context, check_rule, several_keys
from engine.definitions.draft import Draft
from engine.definitions.paths import Path, PathError, Scope, paths_to, resolve_in_audience
from engine.definitions.sequences import Audience, Sequence
from engine.problems import Problem


def sequences(draft: Draft) -> Iterator[Problem]:
    for id, sequence in draft.sequences.items():
        places = draft.where("sequence", id)
        yield from references.entity(draft, sequence.about, places.value("about"))
        yield from references.owner(draft, sequence.owner, places.value("owner"))
        if sequence.renamed_from is not None and sequence.renamed_from in draft.sequences:
            same = sequence.renamed_from == id
            yield Problem(
                "E258", f"`renamed_from: {sequence.renamed_from}` names " + ("this sequence itself" if same else "a sequence that is still there"), places.value("renamed_from"),
                "it is the old id of this sequence, whose file is gone",
                () if same else ((draft.where("sequence", sequence.renamed_from).value("id"), "still there"),),
            )  # fmt: skip
        others = [
            other for other, said in draft.sequences.items() if other < id and said.renamed_from is not None and said.renamed_from == sequence.renamed_from
        ]
        if others:
            yield Problem(
                "E262", f"two sequences claim the history of `{sequence.renamed_from}`", places.value("renamed_from"), "only one can have it; take the line out of the other",
                ((draft.where("sequence", others[0]).value("renamed_from"), "the other one"),),
            )  # fmt: skip


def conditions(draft: Draft) -> Iterator[Problem]:
    """`goal`, `exit_when`, and the conditions of steps and of their choices."""
    for id, sequence in draft.sequences.items():
        places, scope = draft.where("sequence", id), Scope(sequence.about, contact=True)

        def at(*loc: str | int, places: object = places, scope: Scope = scope, owner: str | None = sequence.owner, id: str = id) -> Context:
            return Context(draft, draft.where("sequence", id), loc, scope, owner)

        for name, rule in (("goal", sequence.goal), ("exit_when", sequence.exit_when)):
            yield from several_keys(rule, name, at(name))
            yield from check_rule(rule, at(name))
        for index, step in enumerate(sequence.steps):
            yield from check_rule(step.if_, at("steps", index, "if"))
            if not isinstance(step.template, str):
                for position, choice in enumerate(step.template):
                    yield from check_rule(choice.if_, at("steps", index, "template", position, "if"))


def audiences(draft: Draft) -> Iterator[Problem]:
    """Where a sequence is about contacts there is no audience; elsewhere a path leads to them (4.1)."""
    crm = draft.crm
    for id, sequence in draft.sequences.items():
        if crm is None or sequence.about not in crm.entities or crm.contact.entity not in crm.entities:
            continue
        places = draft.where("sequence", id)
        if sequence.about == crm.contact.entity:
            if sequence.audience is not None:
                yield Problem(
                    "E316", f"a sequence about `{sequence.about}` has no audience: each gets its own mail", places.key("audience"), "take it out; what narrows it is the condition of a step, `if:`",
                    ((places.value("about"), "what the sequence is about"),),
                )  # fmt: skip
            if sequence.combine is not None:
                yield Problem(
                    "E321", f"a sequence about `{sequence.about}` has nothing to combine: each contact is one record", places.key("combine"), "take it out",
                    ((places.value("about"), "what the sequence is about"),),
                )  # fmt: skip
            continue
        yield from _from(draft, sequence)
        if sequence.audience is not None:
            yield from _groups(draft, sequence, sequence.audience)


def _from(draft: Draft, sequence: Sequence) -> Iterator[Problem]:
    places, crm = draft.where("sequence", sequence.id), draft.crm
    assert crm is not None  # its caller looked
    contact = crm.contact.entity
    if sequence.audience is None or sequence.audience.from_ is None:
        place = places.key("audience") if sequence.audience is not None else places.value("about")
        found = [".".join((sequence.about, *path)) for path in paths_to(crm, sequence.about, contact)]
        if not found:
            yield Problem(
                "E317", f"no relation leads from `{sequence.about}` to contacts", place, "add one to definitions/crm.yaml, or choose another `about`",
                ((draft.where("crm", "crm").key("entities", sequence.about), f"`{sequence.about}` is declared here"),),
            )  # fmt: skip
        elif len(found) > 1:
            yield Problem(
                "E318",
                f"several ways lead from `{sequence.about}` to contacts",
                place,
                "say which: " + " or ".join(f"`audience: {{from: {path}}}`" for path in found),
            )
        return
    place, text = places.value("audience", "from"), sequence.audience.from_
    parts = tuple(text.split("."))
    try:
        path = draft.follow(Scope(sequence.about), parts)
    except PathError as error:
        yield references.path_problem(draft, error, parts, place)
        return
    if path is not None and (path.field is not None or path.end != contact or not path.hops):
        ways = [".".join((sequence.about, *way)) for way in paths_to(crm, sequence.about, contact)]
        yield Problem("E317", f"`{text}` does not lead to contacts", place, f"write `from: {ways[0]}`" if ways else f"it must end at a relation to `{contact}`")


def _groups(draft: Draft, sequence: Sequence, audience: Audience) -> Iterator[Problem]:
    places, scope = draft.where("sequence", sequence.id), Scope(sequence.about, contact=True)
    yield from check_rule(audience.where, Context(draft, places, ("audience", "where"), scope, sequence.owner, resolve_in_audience))
    groups = audience.first_of
    if groups == ():
        yield Problem(
            "E320", "`first_of` is empty: nobody would get the mail", places.value("audience", "first_of"), "name at least one group, or the word `all`"
        )
    for index, group in enumerate(groups or ()):
        if group == "all" and groups is not None and index < len(groups) - 1:
            yield Problem("E320", "no group after `all` is ever asked", places.value("audience", "first_of", index + 1), "put `all` last")
        if not isinstance(group, str):
            yield from check_rule(group, Context(draft, places, ("audience", "first_of", index), scope, sequence.owner, resolve_in_audience))
    if audience.order_by is None:
        return
    place, parts = places.value("audience", "order_by"), tuple(audience.order_by.split("."))
    context = Context(draft, places, (), scope, None, resolve_in_audience)
    try:
        path: Path | None = context.follow(parts)
    except PathError as error:
        yield references.path_problem(draft, error, parts, place)
        return
    if path is not None and path.many:
        yield Problem("E306", f"`{audience.order_by}` leads to many records; contacts are ordered by one value", place, "name a field of the contact")
    elif path is not None and path.field is None:
        yield references.to_a_record(draft, audience.order_by, path, place)
