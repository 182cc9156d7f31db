"""Contacts as receivers of mail (semantics 4.2, 4.7, 6.10, 6.11): address, flags, and what their address said yes or no to."""

from __future__ import annotations

from sqlglot import exp

from engine.definitions.crm import Crm
from engine.relations.binding import Binder
from engine.relations.joins import column, facts, key

# What Python's str.strip() takes away, so that an address is trimmed the same on every source and in Python.
WHITE_SPACE = "".join(chr(code) for code in range(0x110000) if chr(code).isspace())


def normal_address(value: exp.Expression, binder: Binder) -> exp.Expression:
    """The address trimmed and in lower case; NULL where nothing is left."""
    trimmed = exp.Anonymous(this="TRIM", expressions=[value, binder.bind(WHITE_SPACE)])
    return exp.Nullif(this=exp.Lower(this=trimmed), expression=exp.Literal.string(""))


def receivers(crm: Crm, binder: Binder, wanted: str) -> exp.Select:
    """SELECT contact, address, active, language, name for the contacts of the table `wanted(contact)`. No value in the flag counts as active."""
    said = crm.contact

    def field(name: str | None, otherwise: exp.Expression) -> exp.Expression:
        return column("person", name) if name is not None else otherwise

    select = exp.select(
        exp.alias_(key("person"), "contact"),
        exp.alias_(normal_address(column("person", said.address), binder), "address"),
        exp.alias_(exp.func("COALESCE", field(said.active, exp.true()), exp.true()), "active"),
        exp.alias_(exp.cast(field(said.language, exp.Null()), exp.DataType.Type.VARCHAR), "language"),
        exp.alias_(exp.cast(field(said.name, exp.Null()), exp.DataType.Type.VARCHAR), "name"),
    )
    select = select.from_(facts(said.entity, "person"))
    return select.join(exp.to_table(wanted), on=exp.EQ(this=exp.column("contact", table=wanted), expression=key("person")), join_type="semi")


def flagged(crm: Crm, field: str, value: bool, binder: Binder) -> exp.Select:
    """SELECT DISTINCT address of the contacts whose boolean field says so."""
    flag = column("person", field)
    condition = flag if value else exp.Not(this=flag)
    address = exp.alias_(normal_address(column("person", crm.contact.address), binder), "address")
    return exp.select(address).distinct().from_(facts(crm.contact.entity, "person")).where(condition)
