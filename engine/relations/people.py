"""Contacts as receivers of mail (semantics 4.2, 4.7, 6.10, 6.11): address, flags, and what their address said yes or no to."""

from __future__ import annotations

from sqlglot import exp

from engine.definitions.crm import Crm
from engine.relations.binding import Binder
from engine.relations.joins import called, cast, chosen, column, facts, key
from engine.relations.text import call

# What Python's str.strip() takes away, so that an address is trimmed the same on every source and in Python.
WHITE_SPACE = "\t\n\x0b\x0c\r\x1c\x1d\x1e\x1f \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000"


def normal_address(value: exp.Expression, binder: Binder) -> exp.Expression:
    """The address trimmed and in lower case; NULL where nothing is left."""
    trimmed = exp.Anonymous(this="TRIM", expressions=[value, binder.bind(WHITE_SPACE)])
    # To trim costs several times what it costs to see that nothing is there to trim.
    ascii_only = exp.EQ(this=call("STRLEN", value.copy()), expression=call("LENGTH", value.copy()))
    bare = [exp.GT(this=call(side, value.copy(), exp.Literal.number(1)), expression=exp.Literal.string(" ")) for side in ("LEFT", "RIGHT")]
    text = exp.Case(ifs=[exp.If(this=exp.and_(ascii_only, *bare), true=value.copy())], default=trimmed)
    return exp.Nullif(this=exp.Lower(this=text), expression=exp.Literal.string(""))


def receivers(crm: Crm, binder: Binder, wanted: str) -> exp.Select:
    """SELECT contact, address, active, language, name, zone for the contacts of the table `wanted(contact)`. No value in the flag counts as active."""
    said = crm.contact

    def field(name: str | None, otherwise: exp.Expression) -> exp.Expression:
        return column("person", name) if name is not None else otherwise

    select = chosen(
        called(key("person"), "contact"),
        called(normal_address(column("person", said.address), binder), "address"),
        called(exp.Coalesce(this=field(said.active, exp.true()), expressions=[exp.true()]), "active"),
        called(cast(field(said.language, exp.Null()), exp.DataType.Type.VARCHAR), "language"),
        called(cast(field(said.name, exp.Null()), exp.DataType.Type.VARCHAR), "name"),
        called(cast(field(said.timezone, exp.Null()), exp.DataType.Type.VARCHAR), "zone"),
    ).from_(facts(said.entity, "person"), copy=False)
    on = exp.EQ(this=exp.column("contact", table=wanted), expression=key("person"))
    return select.join(exp.to_table(wanted), on=on, join_type="semi", copy=False)


def answers(crm: Crm, binder: Binder) -> exp.Select | None:
    """SELECT address and the boolean fields in which contacts say yes or no to mail, for those that say anything; None where the map has no such field."""
    fields = sorted({*crm.contact.consent.values(), *([crm.contact.unsubscribed] if crm.contact.unsubscribed is not None else [])})
    if not fields:
        return None
    address = called(normal_address(column("person", crm.contact.address), binder), "address")
    said = exp.or_(*(exp.Not(this=exp.Is(this=column("person", name), expression=exp.null())) for name in fields))
    select = chosen(address, *(column("person", name) for name in fields))
    return select.from_(facts(crm.contact.entity, "person"), copy=False).where(said, copy=False)
