"""How text compares (semantics 7.2 and 7.3): one folding and one meaning of blank, whatever the source."""

from __future__ import annotations

import unicodedata

from sqlglot import exp

from engine.relations.truth import certain, negated

# Every character that Python's str.isspace knows, as RE2 writes it; a text without any other character is no value.
NOT_WHITE_SPACE = r"[^\s\x0b\x1c-\x1f\x{85}\p{Z}]"
_WHOLE_NUMBER = "-?[0-9]{1,38}"


def call(name: str, *arguments: exp.Expression) -> exp.Anonymous:
    """A function of DuckDB by its own name."""
    return exp.Anonymous(this=name, expressions=list(arguments))


def fold(value: exp.Expression) -> exp.Expression:
    """NFC, then the simple lower case of each character: `İ` is `i`, `ẞ` is `ß`, every sigma but the final one is `σ`."""
    return exp.Lower(this=call("NFC_NORMALIZE", value))


def simple_lower(character: str) -> str:
    """What `fold` makes of one character.

    >>> simple_lower("İ"), simple_lower("ẞ"), simple_lower("ı")
    ('i', 'ß', 'ı')
    """
    return character.lower()[0]


def folded(text: str) -> str:
    """What `fold` makes of a text, in Python."""
    return "".join(simple_lower(character) for character in unicodedata.normalize("NFC", text))


def has_value(value: exp.Expression, type_: str) -> exp.Expression:
    """Whether there is a value: not NULL, and for text not blank. Never NULL itself."""
    if type_ == "text":
        return certain(call("REGEXP_MATCHES", value, exp.Literal.string(NOT_WHITE_SPACE)))
    return exp.Not(this=exp.Is(this=value, expression=exp.Null()))


def has_no_value(value: exp.Expression, type_: str) -> exp.Expression:
    """The other way round (7.3)."""
    if type_ == "text":
        return negated(has_value(value, type_))
    return exp.Is(this=value, expression=exp.Null())


def key_order(column: exp.Expression) -> tuple[exp.Expression, exp.Expression, exp.Expression]:
    """Three expressions to order keys by, each ascending: whole numbers by value first, all others by code point.

    (not a whole number, its value as HUGEINT or NULL, the text): '9', '10', '010' after '10', then 'a'.
    """
    whole = call("REGEXP_FULL_MATCH", column, exp.Literal.string(_WHOLE_NUMBER))
    number = exp.TryCast(this=exp.Case(ifs=[exp.If(this=whole, true=column.copy())]), to=exp.DataType.build("HUGEINT", dialect="duckdb"))
    return exp.Is(this=number, expression=exp.Null()), number.copy(), column.copy()
