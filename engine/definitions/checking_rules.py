"""Rules against the map: paths lead somewhere, operators fit types, operands fit, segments may be used (semantics §7)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from engine.definitions.base import Loc
from engine.definitions.crm import Crm
from engine.definitions.definitions import Places
from engine.definitions.draft import Draft
from engine.definitions.operands import Compared, misfit
from engine.definitions.paths import Path, PathError, Scope, resolve
from engine.definitions.references import path_problem, refer, to_a_record, use_segment
from engine.definitions.rules import GROUPS, All, AnyOf, Compare, History, InSegment, Not, Related, Rule
from engine.definitions.translating import did_you_mean
from engine.problems import Origin, Problem

Resolve = Callable[[Crm, Scope, tuple[str, ...]], Path]
_WORDS = GROUPS


@dataclass(frozen=True)
class Context:
    """Where a rule stands: its file and place there, what is at hand, and whose it is."""

    draft: Draft
    places: Places
    base: Loc
    scope: Scope
    owner: str | None = None
    resolve: Resolve = resolve

    def key(self, *loc: str | int) -> Origin:
        return self.places.key(*self.base, *loc)

    def value(self, *loc: str | int) -> Origin:
        return self.places.value(*self.base, *loc)

    def more(self, parts: tuple[str, ...], error: PathError) -> tuple[str, ...]:
        """What else could stand where a path begins: a group's word, and in an audience the contact's own names."""
        if error.position > 0 or self.draft.crm is None:
            return ()
        contact = self.draft.crm.entities[self.draft.crm.contact.entity]
        bare = () if self.resolve is resolve else (*contact.fields, *contact.relations)
        return (*bare, *(_WORDS if len(parts) == 1 else ()))

    def follow(self, parts: tuple[str, ...]) -> Path | None:
        crm = self.draft.crm
        if crm is None or crm.contact.entity not in crm.entities or (self.scope.record is not None and self.scope.record not in crm.entities):
            return None
        try:
            return self.resolve(crm, self.scope, parts)
        except PathError as error:
            if error.broken_map:
                return None
            raise


def check_rule(rule: Rule | None, context: Context) -> Iterator[Problem]:
    """Everything that is wrong with a rule and the rules below it."""
    if isinstance(rule, All | AnyOf):
        for child in rule.rules:
            yield from check_rule(child, context)
    elif isinstance(rule, Not):
        yield from check_rule(rule.rule, context)
    elif isinstance(rule, Compare):
        yield from _compare(rule, context)
    elif isinstance(rule, InSegment):
        yield from _segment(rule, context)
    elif isinstance(rule, Related):
        yield from _related(rule, context)
    elif isinstance(rule, History):
        yield from _history(rule, context)


def several_keys(rule: Rule | None, name: str, context: Context) -> Iterator[Problem]:
    """In `exit_when` and `goal` more than one key says `all:` or `any:` (7.4): people mean both."""
    if isinstance(rule, All) and rule.at == () and len(rule.rules) > 1:
        keys = [str(child.at[0]) for child in rule.rules]
        listed = ", ".join(f"{{{key}: …}}" for key in keys)
        yield Problem(
            "E307",
            f"`{name}` has {len(keys)} keys: must all of them hold, or one?",
            context.key(*rule.rules[1].at[:1]),
            f"write `{name}: {{all: [{listed}]}}` or `{{any: […]}}`",
        )


def _path_loc(rule: Compare) -> Loc:
    """The loc of the path's key; the operator's own key is the last part where one is written."""
    return rule.at if rule.at[-1] == rule.dotted else rule.at[:-1]


def _compare(rule: Compare, context: Context) -> Iterator[Problem]:
    loc = _path_loc(rule)
    try:
        path = context.follow(rule.path)
    except PathError as error:
        yield path_problem(context.draft, error, rule.path, context.key(*loc), context.more(rule.path, error), context.scope)
        return
    if path is None:
        return
    if path.many:
        yield _bare_many(rule, path, context.key(*loc))
    elif path.field is None:
        yield to_a_record(context.draft, rule.dotted, path, context.key(*loc))
    else:
        declared = ("entities", path.end, "fields", str(path.field_name))
        wrong = misfit(
            rule, path.field, rule.dotted, lambda: Compared(context.key(*rule.at), context.value(*rule.at), context.draft.where("crm", "crm").key(*declared))
        )
        if wrong is not None:
            yield wrong


def _bare_many(rule: Compare, path: Path, place: Origin) -> Problem:
    """A condition over many records does not say which of them (7.4)."""
    last = max(index for index, hop in enumerate(path.hops) if hop.many)
    cut = len(rule.path) - len(path.hops) - (1 if path.field_name else 0) + last + 1
    many, rest = ".".join(rule.path[:cut]), ".".join(rule.path[cut:])
    condition = f"{{{rest}: …}}" if rest else "{…}"
    return Problem(
        "E306",
        f"`{many}` leads to many records: which of them?",
        place,
        f"write `exists: {{{many}: {condition}}}`, `none: {{{many}: {condition}}}` or `count:`",
    )


def _segment(rule: InSegment, context: Context) -> Iterator[Problem]:
    place = context.value(*rule.at)
    yield from use_segment(context.draft, rule.segment, place, context.owner)
    segment, crm = context.draft.segments.get(rule.segment), context.draft.crm
    if segment is None or crm is None or segment.entity not in crm.entities:
        return
    if segment.entity == context.scope.record or (context.scope.contact and segment.entity == crm.contact.entity):
        return
    here = [entity for entity in (context.scope.record, crm.contact.entity if context.scope.contact else None) if entity]
    yield Problem(
        "E246", f"the segment `{rule.segment}` is of `{segment.entity}`, and this rule is about `{'` or `'.join(dict.fromkeys(here))}`", place,
        "name a segment of the same entity", ((context.draft.where("segment", rule.segment).value("entity"), "its entity"),),
    )  # fmt: skip


def _related(rule: Related, context: Context) -> Iterator[Problem]:
    place = context.key(*rule.at)
    try:
        path = context.follow(rule.path)
    except PathError as error:
        yield path_problem(context.draft, error, rule.path, place, context.more(rule.path, error), context.scope)
        return
    if path is None:
        return
    dotted = ".".join(rule.path)
    if path.field is not None or not path.many:
        what = "is a field" if path.field is not None else "leads to one record"
        yield Problem("E308", f"`{rule.kind}:` asks about many records, and `{dotted}` {what}", place, "write the condition itself, without it")
        return
    if rule.at_least is not None and rule.at_most is not None and rule.at_least > rule.at_most:
        yield Problem("E305", f"`at_least: {rule.at_least}` is more than `at_most: {rule.at_most}`", context.value(*rule.at, "at_least"), "exchange the two")
    # Inside, bare names are the related record's, and nothing of the place outside is at hand.
    yield from check_rule(rule.where, replace(context, scope=Scope(path.end, bare=True), resolve=resolve))


def _history(rule: History, context: Context) -> Iterator[Problem]:
    """A rule on history is about a contact, and names what is there."""
    crm = context.draft.crm
    if crm is not None and not context.scope.contact and context.scope.record not in (None, crm.contact.entity):
        yield Problem(
            "E340", f"`{rule.kind}:` asks what a contact got or did, and this rule is about `{context.scope.record}`", context.key(*rule.at),
            "ask it where a contact is at hand: in an audience, in `if:`, `goal:` or `exit_when:`, or in a segment of contacts",
        )  # fmt: skip
        return
    if rule.template is not None:
        yield from refer(context.draft, "template", rule.template, context.value(*rule.at, "template"))
    if rule.sequence is None:
        return
    yield from refer(context.draft, "sequence", rule.sequence, context.value(*rule.at, "sequence"))
    sequence = context.draft.sequences.get(rule.sequence)
    if sequence is not None and rule.step is not None:
        steps = [step.id for step in sequence.steps]
        if rule.step not in steps:
            yield Problem(
                "E341", f"`{rule.sequence}` has no step `{rule.step}`", context.value(*rule.at, "step"), did_you_mean(rule.step, steps, "its steps are"),
                ((context.draft.where("sequence", rule.sequence).key("steps"), "its steps are declared here"),),
            )  # fmt: skip
