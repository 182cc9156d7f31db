"""Which contacts of a record get the mail (semantics §4), before anybody asks whether they can be mailed."""

from __future__ import annotations

from datetime import datetime

from sqlglot import exp

from engine.definitions.crm import Crm
from engine.definitions.definitions import Definitions
from engine.definitions.paths import Hop, Scope, paths_to, resolve, resolve_in_audience
from engine.definitions.sequences import Audience, Sequence
from engine.relations.binding import Binder
from engine.relations.comparing import Now
from engine.relations.joins import Joins, called, cast, chosen, facts, key, link
from engine.relations.joins import column as named
from engine.relations.paths import column
from engine.relations.rules import At, holds, merges
from engine.relations.text import fold, has_no_value, key_order
from engine.relations.truth import negated


def audience(
    definitions: Definitions, sequence: Sequence, now: datetime, binder: Binder, candidates: str | exp.Table | exp.Select = "candidates"
) -> exp.Select:
    """SELECT record, contact, grp, pos for each record of `candidates(record VARCHAR)`: its contacts, each once.

    `grp` (INTEGER) is the lowest group of `first_of` that the contact belongs to, from 0; who is in none is left out.
    `pos` (BIGINT) counts from 1 within the record, by `order_by` (no value last), then by the contact's key. Where the
    sequence is about contacts each record is its own and only contact. `candidates` is a table's name, or a SELECT.
    """
    crm = definitions.crm
    records = chosen(called(named("given", "record"), "record")).from_(relation(candidates, "given"), copy=False).distinct(copy=False)
    if sequence.about == crm.contact.entity:
        alone: dict[str, exp.Expression] = {
            "record": key("record"),
            "contact": key("record"),
            "grp": cast(exp.Literal.number(0), exp.DataType.Type.INT),
            "pos": cast(exp.Literal.number(1), exp.DataType.Type.BIGINT),
        }
        select = chosen(*(called(value, name) for name, value in alone.items())).from_(records.subquery("chosen", copy=False), copy=False)
        return select.join(facts(sequence.about, "record"), on=exp.EQ(this=key("record"), expression=named("chosen", "record")), copy=False)
    reached = _reached(definitions, sequence, now, binder, records)
    ranked = exp.Window(
        this=exp.RowNumber(),
        partition_by=[named("reached", "record")],
        order=exp.Order(expressions=[named("reached", "last"), named("reached", "sorted"), *key_order(named("reached", "contact"))]),
    )
    select = chosen(*(named("reached", name) for name in ("record", "contact", "grp")), called(cast(ranked, exp.DataType.Type.BIGINT), "pos"))
    return select.from_(reached.subquery(exp.to_identifier("reached", quoted=True), copy=False), copy=False)


def relation(candidates: str | exp.Table | exp.Select, alias: str) -> exp.Expression:
    name = exp.to_identifier(alias, quoted=True)
    if isinstance(candidates, exp.Select):
        return candidates.subquery(name)
    table = exp.to_table(candidates, dialect="duckdb") if isinstance(candidates, str) else candidates.copy()
    table.set("alias", exp.TableAlias(this=name))
    return table


def _reached(definitions: Definitions, sequence: Sequence, now: datetime, binder: Binder, records: exp.Select) -> exp.Select:
    """SELECT record, contact, grp, last, sorted: each contact that passes `where` and belongs to a group."""
    crm = definitions.crm
    said = sequence.audience or Audience()
    hops = contact_hops(crm, sequence)
    joins = Joins(crm)
    select = chosen().from_(records.subquery("chosen", copy=False), copy=False)
    select = select.join(facts(sequence.about, "record"), on=exp.EQ(this=key("record"), expression=named("chosen", "record")), copy=False)
    here = "record"
    for number, hop in enumerate(hops, 1):
        there = "contact" if number == len(hops) else f"record/{number}"
        select = select.join(facts(hop.relation.entity, there), on=link(crm, hop, here, there), copy=False)
        here = there
    at = At(
        definitions,
        Scope(sequence.about, contact=True),
        "record",
        "contact",
        Now(now, definitions.project.timezone),
        binder,
        joins,
        resolve_in_audience,
    )
    group = _group(said, at)
    last, value = _order(said, at)
    columns = {"record": key("record"), "contact": key("contact"), "grp": group, "last": last, "sorted": value}
    select = select.select(*(called(shown, name) for name, shown in columns.items()), copy=False)
    conditions = [] if said.where is None else [holds(said.where, at)]
    if said.first_of is not None and "all" not in said.first_of:
        conditions.append(negated(exp.Is(this=group.copy(), expression=exp.Null())))
    # Only behind a to-one hop can two ways lead to one contact.
    if merges(hops):
        select = select.distinct(copy=False)
    return joins.attach(select).where(*conditions, copy=False)


def _group(said: Audience, at: At) -> exp.Expression:
    """The lowest group that holds for the contact, NULL for none; 0 for everybody where there are no groups."""
    ifs: list[exp.Expression] = []
    otherwise: exp.Expression | None = None
    for index, group in enumerate(said.first_of or ("all",)):
        number = cast(exp.Literal.number(index), exp.DataType.Type.INT)
        if isinstance(group, str):
            otherwise = number
            break
        ifs.append(exp.If(this=holds(group, at), true=number))
    if not ifs:
        return otherwise or exp.Null()
    return exp.Case(ifs=ifs, default=otherwise)


def _order(said: Audience, at: At) -> tuple[exp.Expression, exp.Expression]:
    """(no value, what to compare) by `order_by`: text as 7.2 compares it, all else by value."""
    if said.order_by is None:
        return exp.Boolean(this=False), exp.Literal.number(0)
    path = at.path(tuple(said.order_by.split(".")))
    if path.field is None:
        raise ValueError(f"`order_by: {said.order_by}` is a record, not a value")
    value = column(path, record=at.record, contact=at.contact, joins=at.joins)
    none = has_no_value(value, path.field.type)
    compared = fold(value.copy()) if path.field.type == "text" else value.copy()
    # Blank text has no value: all of it stands at one place, and the key decides.
    return none, exp.Case(ifs=[exp.If(this=none.copy(), true=exp.Null())], default=compared)


def contact_hops(crm: Crm, sequence: Sequence) -> tuple[Hop, ...]:
    """The relations that lead from the record to its contacts: `from`, or the one shortest path (4.1)."""
    said = sequence.audience.from_ if sequence.audience is not None else None
    if said is not None:
        path = resolve(crm, Scope(sequence.about), tuple(said.split(".")))
    else:
        found = paths_to(crm, sequence.about, crm.contact.entity)
        if len(found) != 1:
            raise ValueError(f"`{sequence.id}` needs `audience: {{from: …}}`: {len(found)} paths lead from {sequence.about} to contacts")
        path = resolve(crm, Scope(sequence.about, bare=True), found[0])
    if path.field is not None or path.end != crm.contact.entity or not path.hops:
        raise ValueError(f"`{said}` does not lead to contacts")
    return path.hops
