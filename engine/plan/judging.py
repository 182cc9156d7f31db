"""Rules asked of pairs of a record and a contact: goals, exits, conditions, choices of template, and missing variables."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

import duckdb
from sqlglot import exp

from engine.definitions.definitions import Definitions
from engine.definitions.paths import Scope, resolve
from engine.definitions.rules import Rule
from engine.definitions.sequences import Sequence, Step
from engine.definitions.variables import variables_of
from engine.messages.usage import used_variables
from engine.relations.binding import Binder, sql
from engine.relations.joins import Joins, called, chosen, column, facts, key
from engine.relations.rules import predicate
from engine.relations.variables import missing, text_parts
from engine.tables import execute


def holds_for(cursor: duckdb.DuckDBPyConnection, definitions: Definitions, sequence: Sequence, rule: Rule, name: str, pairs: str, now: datetime) -> None:
    """Add to `holds` the pairs of the table `pairs(record, contact)` for which the rule is true. A contact of '' sees no values (4.3)."""
    binder, joins = Binder(), Joins(definitions.crm)
    condition = _ask(definitions, sequence, rule, now, binder, joins)
    select = joins.attach(_pairs(definitions, sequence, pairs)).where(condition, copy=False)
    execute(cursor, f"INSERT INTO holds SELECT DISTINCT '{sequence.id}', '{name}', record, contact FROM ({sql(select)})", binder.values)


def choose(cursor: duckdb.DuckDBPyConnection, definitions: Definitions, sequence: Sequence, step: Step, pairs: str, now: datetime) -> None:
    """Add to `chosen` the template of each pair at a step with several: the first whose `if` holds."""
    binder, joins = Binder(), Joins(definitions.crm)
    case = exp.Case(ifs=[])
    for choice in step.choices:
        condition = exp.true() if choice.if_ is None else _ask(definitions, sequence, choice.if_, now, binder, joins)
        case.append("ifs", exp.If(this=condition, true=exp.Literal.string(choice.use)))
    select = joins.attach(_pairs(definitions, sequence, pairs)).select(called(case, "template"), copy=False)
    execute(cursor, f"INSERT INTO chosen SELECT DISTINCT '{sequence.id}', '{step.id}', record, contact, template FROM ({sql(select)})", binder.values)


def find_missing(
    cursor: duckdb.DuckDBPyConnection,
    definitions: Definitions,
    sequence: Sequence,
    step: str,
    template: str,
    locale: str,
    pairs: str,
    now: datetime,
    *,
    of_record: bool = False,
) -> None:
    """Add to `missing` the pairs for which a variable that the template uses in this locale has no value and no default (6.13).

    `of_record` asks only for the record's own variables: where nobody can be told, no contact lacks anything (4.3).
    """
    names = used_variables(definitions, template, locale)
    if of_record:
        names = frozenset(name for name in names if not _of_contact(definitions, sequence, template, name))
    if not names:
        return
    binder = Binder()
    select = missing(definitions, definitions.templates[template].type, sorted(names), pairs, sequence.about, now, binder)
    execute(
        cursor, f"INSERT INTO missing SELECT '{sequence.id}', '{step}', record, contact, missing FROM ({sql(select)}) WHERE missing IS NOT NULL", binder.values
    )


def _of_contact(definitions: Definitions, sequence: Sequence, template: str, name: str) -> bool:
    """Whether the variable's value begins at the contact."""
    variable = variables_of(definitions, definitions.templates[template].type)[name]
    paths = [part for part, is_path in text_parts(variable.path) if is_path] if variable.function == "text" else [variable.path]
    scope = Scope(sequence.about, contact=True)
    return any(resolve(definitions.crm, scope, tuple(path.split("."))).start == "contact" for path in paths)


def rules_of(sequence: Sequence) -> Mapping[str, Rule]:
    """The rules of gate 6.2 by their names in `holds`."""
    return {name: rule for name, rule in (("goal", sequence.goal), ("exit_when", sequence.exit_when)) if rule is not None}


def _ask(definitions: Definitions, sequence: Sequence, rule: Rule, now: datetime, binder: Binder, joins: Joins) -> exp.Expression:
    contact = "record" if sequence.about == definitions.crm.contact.entity else "contact"
    scope = Scope(sequence.about, contact=True)
    return predicate(definitions, rule, scope, record="record", contact=contact, now=now, binder=binder, joins=joins)


def _pairs(definitions: Definitions, sequence: Sequence, pairs: str) -> exp.Select:
    select = chosen(called(column("pair", "record"), "record"), called(column("pair", "contact"), "contact"))
    select = select.from_(exp.alias_(exp.to_table(pairs), "pair", table=True, quoted=True, copy=False), copy=False)
    select = select.join(facts(sequence.about, "record"), on=exp.EQ(this=key("record"), expression=column("pair", "record")), copy=False)
    if sequence.about == definitions.crm.contact.entity:
        return select
    on = exp.EQ(this=key("contact"), expression=column("pair", "contact"))
    return select.join(facts(definitions.crm.contact.entity, "contact"), on=on, join_type="left", copy=False)
