"""The rule language as SQL (semantics §7): every rule becomes one boolean that is never NULL."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime

from sqlglot import exp

from engine.clock import reach_back
from engine.definitions.crm import Crm
from engine.definitions.definitions import Definitions
from engine.definitions.paths import Hop, Path, Scope, resolve
from engine.definitions.rules import All, AnyOf, Compare, History, InSegment, Not, Related, Rule
from engine.relations.binding import Binder
from engine.relations.comparing import Now, comparison
from engine.relations.joins import Joins, called, cast, chosen, facts, foreign_key, key, link
from engine.relations.joins import column as named
from engine.relations.paths import arrive, column, split, start
from engine.relations.truth import all_of, any_of, certain, negated

Resolve = Callable[[Crm, Scope, tuple[str, ...]], Path]


@dataclass(frozen=True, slots=True)
class At:
    """Where a rule is asked: what is at hand, under which aliases, at which moment."""

    definitions: Definitions
    scope: Scope
    record: str | None
    contact: str | None
    now: Now
    binder: Binder
    joins: Joins
    resolve: Resolve = resolve
    # The segments that are being unfolded, so that a cycle ends with a sentence and not with the stack.
    inside: tuple[str, ...] = ()

    def path(self, parts: tuple[str, ...]) -> Path:
        return self.resolve(self.definitions.crm, self.scope, parts)

    def alias(self, path: Path) -> str:
        return start(path, record=self.record, contact=self.contact)


def predicate(
    definitions: Definitions,
    rule: Rule,
    scope: Scope,
    *,
    record: str | None,
    contact: str | None,
    now: datetime,
    binder: Binder,
    joins: Joins,
    resolve: Resolve = resolve,
) -> exp.Expression:
    """Whether the rule holds for the record and the contact under these aliases; true or false, never NULL (7.3).

    `joins` takes up what the rule needs beside them; its joins belong to the same SELECT (`joins.attach`).
    `{company.industry: hotel}` is `COALESCE(LOWER(NFC_NORMALIZE("record.company"."industry")) = LOWER(NFC_NORMALIZE($p1)), FALSE)`.
    """
    return holds(rule, At(definitions, scope, record, contact, Now(now, definitions.project.timezone), binder, joins, resolve))


def holds(rule: Rule, at: At) -> exp.Expression:
    """The rule as a boolean, at a place."""
    if isinstance(rule, Compare):
        return _compare(rule, at)
    if isinstance(rule, All):
        return all_of(*(holds(child, at) for child in rule.rules))
    if isinstance(rule, AnyOf):
        return any_of(*(holds(child, at) for child in rule.rules))
    if isinstance(rule, Not):
        return negated(holds(rule.rule, at))
    if isinstance(rule, InSegment):
        return _in_segment(rule, at)
    if isinstance(rule, History):
        return _history(rule, at)
    return _related(rule, at)


def _compare(rule: Compare, at: At) -> exp.Expression:
    path = at.path(rule.path)
    if path.field is None:
        raise ValueError(f"`{rule.dotted}` is a record, not a value")
    value = column(path, record=at.record, contact=at.contact, joins=at.joins)
    return comparison(value, path.field.type, rule.operator, rule.operand, at.now, at.binder)


def _in_segment(rule: InSegment, at: At) -> exp.Expression:
    """Membership of the record, or of the contact where the segment is one of contacts."""
    segment = at.definitions.segments[rule.segment]
    if rule.segment in at.inside:
        raise ValueError(f"the segment `{rule.segment}` is a member of itself, by way of {', '.join(at.inside)}")
    alias = at.record if segment.entity == at.scope.record else at.contact if _is_contact(segment.entity, at) else None
    if alias is None:
        raise ValueError(f"the segment `{rule.segment}` is of `{segment.entity}`, and none is at hand")
    inside = member(rule.segment, replace(at, scope=Scope(segment.entity), record=alias, contact=None, resolve=resolve))
    if alias != at.contact:
        return inside
    # In the walk of a record that nobody can be told about (4.3) there is no contact: nobody is a member, also of `not: …`.
    return all_of(exp.Not(this=exp.Is(this=key(alias), expression=exp.Null())), inside)


def _history(rule: History, at: At) -> exp.Expression:
    """Whether the contact is in the planner's table `history` under this sequence, step and template, late enough (7.6)."""
    alias = at.contact if at.contact is not None else at.record if at.scope.record == at.definitions.crm.contact.entity else None
    if alias is None:
        raise ValueError(f"`{rule.kind}` is asked of a contact, and none is at hand")
    past = exp.to_identifier("past", quoted=True)
    wanted = {"kind": rule.kind, "sequence": rule.sequence, "step": rule.step, "template": rule.template}
    select = exp.select(named("past", "contact")).from_(exp.alias_(exp.to_table("history"), past, table=True))
    for name, value in wanted.items():
        if value is not None:
            select = select.where(exp.EQ(this=named("past", name), expression=at.binder.bind(value)))
    if rule.within is not None:
        select = select.where(exp.GT(this=named("past", "at"), expression=at.binder.bind(reach_back(at.now.moment, rule.within, at.now.zone))))
    return certain(exp.In(this=key(alias), query=select.subquery()))


def _is_contact(entity: str, at: At) -> bool:
    return at.scope.contact and entity == at.definitions.crm.contact.entity


def member(segment_id: str, at: At) -> exp.Expression:
    """Whether the record under `at.record` is a member of the segment, which is one of its entity."""
    segment = at.definitions.segments[segment_id]
    if segment.rules is not None:
        return holds(segment.rules, replace(at, inside=(*at.inside, segment_id)))
    if at.record is None:
        raise ValueError(f"no record is at hand for the segment `{segment_id}`")
    keys = sorted(set(static_members(at.definitions, segment_id)))
    unnested = exp.Anonymous(this="UNNEST", expressions=[exp.cast(at.binder.bind(keys), exp.DataType.build("VARCHAR[]", dialect="duckdb"))])
    return certain(exp.In(this=key(at.record), query=exp.select(unnested).subquery()))


def static_members(definitions: Definitions, segment_id: str) -> tuple[str, ...]:
    """The keys that a static segment lists, as text; empty for one with rules."""
    listed = definitions.members.get(segment_id)
    if listed is not None:
        return listed
    members = definitions.segments[segment_id].members
    return tuple(map(str, members)) if isinstance(members, tuple) else ()


def _related(rule: Related, at: At) -> exp.Expression:
    """exists, none and count: the number of related records, grouped once for all records at hand and joined."""
    path = at.path(rule.path)
    if path.field is not None:
        raise ValueError(f"`{'.'.join(rule.path)}` is a field; it does not lead to many records")
    alias, after = owners(path, at)
    select, end, owner = related(after, rule.where, at)
    counted: exp.Expression = exp.Count(this=exp.Distinct(expressions=[key(end)])) if merges(after) else exp.Count(this=exp.Star())
    select = select.select(called(owner, "owner"), called(counted, "found"), copy=False).group_by(owner.copy(), copy=False)
    there = at.joins.derived(alias, select, "owner")
    if rule.kind != "count":
        missing = exp.Is(this=named(there, "found"), expression=exp.Null())
        return missing if rule.kind == "none" else negated(missing)
    found = exp.Coalesce(this=named(there, "found"), expressions=[exp.Literal.number(0)])
    bounds: list[exp.Expression] = []
    if rule.at_least is not None:
        bounds.append(exp.GTE(this=found.copy(), expression=_whole(rule.at_least, at.binder)))
    if rule.at_most is not None:
        bounds.append(exp.LTE(this=found.copy(), expression=_whole(rule.at_most, at.binder)))
    return all_of(*bounds)


def _whole(number: int, binder: Binder) -> exp.Expression:
    return cast(binder.bind(min(number, 2**63 - 1)), exp.DataType.Type.BIGINT)


def owners(path: Path, at: At) -> tuple[str, tuple[Hop, ...]]:
    """The alias of the record that owns the many records of the path, and the hops from there; the first is to-many."""
    before, after = split(path.hops)
    if not after:
        raise ValueError(f"the path to {path.end} does not lead to many records")
    return arrive(at.alias(path), before, at.joins), after


def related(hops: tuple[Hop, ...], where: Rule | None, at: At) -> tuple[exp.Select, str, exp.Expression]:
    """A SELECT without columns over the records that the hops lead to and for which `where` holds, for all owners at once.

    Also the alias of the record at the end, and the key of the owner that it belongs to. Inside `where` bare names are
    the related record's (nothing of the place outside is at hand), so the SELECT stands alone and is joined by the key.
    """
    crm = at.definitions.crm
    first = hops[0]
    end = first.name
    owner = foreign_key(crm, first.relation.entity, first.relation.via.rpartition(".")[2], end)
    select = chosen().from_(facts(first.relation.entity, end), copy=False)
    for hop in hops[1:]:
        there = f"{end}/{hop.name}"
        select = select.join(facts(hop.relation.entity, there), on=link(crm, hop, end, there), copy=False)
        end = there
    if where is not None:
        joins = Joins(crm)
        scope = Scope(hops[-1].relation.entity, bare=True)
        condition = holds(where, replace(at, scope=scope, record=end, contact=None, joins=joins, resolve=resolve))
        select = joins.attach(select).where(condition, copy=False)
    return select, end, owner


def merges(hops: tuple[Hop, ...]) -> bool:
    """Whether one record can be reached by two ways: a to-one hop after a to-many one."""
    many = False
    for hop in hops:
        if hop.many:
            many = True
        elif many:
            return True
    return False
