"""The LEFT JOINs that a statement needs for its to-one hops, each once, under names that depend on the path alone."""

from __future__ import annotations

from sqlglot import exp

from engine.definitions.crm import Crm
from engine.definitions.paths import Hop

KEY = "_key"


def column(alias: str, name: str) -> exp.Column:
    """A quoted column of a quoted alias."""
    return exp.Column(this=exp.Identifier(this=name, quoted=True), table=exp.Identifier(this=alias, quoted=True))


def key(alias: str) -> exp.Column:
    """The key of the record that stands under the alias."""
    return column(alias, KEY)


def facts(entity: str, alias: str) -> exp.Table:
    """The entity's table in the snapshot, under the alias."""
    return exp.Table(
        this=exp.Identifier(this=entity, quoted=True),
        db=exp.Identifier(this="facts", quoted=True),
        alias=exp.TableAlias(this=exp.Identifier(this=alias, quoted=True)),
    )


def chosen(*columns: exp.Expression) -> exp.Select:
    """A SELECT of these. Builders of sqlglot copy what they are given, and all that stood before; here each part is made for one place."""
    return exp.Select().select(*columns, copy=False)


def called(value: exp.Expression, name: str) -> exp.Alias:
    """The value under a quoted name."""
    return exp.Alias(this=value, alias=exp.Identifier(this=name, quoted=True))


def cast(value: exp.Expression, to: exp.DType) -> exp.Cast:
    """The value as this type."""
    return exp.Cast(this=value, to=exp.DataType(this=to))


def text_of(value: exp.Expression, type_: str) -> exp.Expression:
    """A field's value as text; decimals without trailing zeros, so that a foreign key 12.0 finds the record 12."""
    if type_ == "text":
        return value
    text = cast(value, exp.DataType.Type.VARCHAR)
    if type_ == "decimal":
        return _call("RTRIM", _call("RTRIM", text, exp.Literal.string("0")), exp.Literal.string("."))
    return text


def _call(name: str, *arguments: exp.Expression) -> exp.Expression:
    return exp.Anonymous(this=name, expressions=list(arguments))


def foreign_key(crm: Crm, entity: str, field: str, alias: str) -> exp.Expression:
    """The field that points to another record, as the text that is compared with that record's key."""
    declared = crm.entities[entity].fields.get(field)
    return text_of(column(alias, field), declared.type if declared is not None else "text")


def link(crm: Crm, hop: Hop, here: str, there: str) -> exp.Expression:
    """The condition under which the record `there` is one that the hop leads to from the record `here`."""
    via = hop.relation.via.rpartition(".")[2]
    if hop.many:
        return exp.EQ(this=foreign_key(crm, hop.relation.entity, via, there), expression=key(here))
    return exp.EQ(this=foreign_key(crm, hop.entity, via, here), expression=key(there))


class Joins:
    """Collects LEFT JOINs while expressions are built, then adds them to a SELECT.

    A to-one hop stands under `<alias>.<relation>`; a grouped subquery under `<alias>#<number>`. Both hold at most one
    row for each row at hand, so no join here ever doubles a row.
    """

    def __init__(self, crm: Crm) -> None:
        self.crm = crm
        self._joins: dict[str, tuple[exp.Expression, exp.Expression]] = {}

    def hop(self, alias: str, hop: Hop) -> str:
        """The alias of the record that the to-one hop leads to; where there is none all its columns are NULL."""
        there = f"{alias}.{hop.name}"
        if there not in self._joins:
            self._joins[there] = (facts(hop.relation.entity, there), link(self.crm, hop, alias, there))
        return there

    def derived(self, alias: str, grouped: exp.Select, name: str) -> str:
        """The alias of a subquery with at most one row a key, joined where its column `name` is the key of `alias`."""
        number = 1 + sum(1 for known in self._joins if known.startswith(f"{alias}#"))
        there = f"{alias}#{number}"
        self._joins[there] = (grouped.subquery(exp.to_identifier(there, quoted=True)), exp.EQ(this=column(there, name), expression=key(alias)))
        return there

    def local(self, offsets: exp.Select, value: exp.Expression) -> str:
        """The alias of the offset of a time zone that holds at the instant `value` (columns utc_from, shift)."""
        there = f"zone@{1 + sum(1 for known in self._joins if '@' in known)}"
        self._joins[there] = (
            offsets.subquery(exp.to_identifier(there, quoted=True)),
            exp.GTE(this=value, expression=column(there, "utc_from")),
        )
        return there

    def attach(self, select: exp.Select) -> exp.Select:
        """The SELECT with the joins collected so far, in the order in which they were asked for."""
        for there, (table, on) in self._joins.items():
            kind = {"method": "ASOF"} if "@" in there else {}
            select = select.join(exp.Join(this=table.copy(), on=on.copy(), side="LEFT", **kind), copy=False)
        return select
