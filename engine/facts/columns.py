"""How a column of a source becomes a typed field: the canonical types, what fits, and what does not."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from engine.definitions.crm import FieldType

Kind = Literal["text", "whole", "decimal", "float", "boolean", "date", "naive", "instant", "uuid", "other"]

DUCKDB_TYPES: dict[FieldType, str] = {
    "text": "VARCHAR",
    "integer": "BIGINT",
    "decimal": "DECIMAL(38,10)",
    "boolean": "BOOLEAN",
    "date": "DATE",
    "timestamp": "TIMESTAMP",
}
_WHOLE = {f"{sign}{size}" for sign in ("", "U") for size in ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT")}
_KINDS: dict[str, Kind] = {
    "VARCHAR": "text", "JSON": "text", "UUID": "uuid", "FLOAT": "float", "DOUBLE": "float", "BOOLEAN": "boolean", "DATE": "date",
    "TIMESTAMP": "naive", "TIMESTAMP_S": "naive", "TIMESTAMP_MS": "naive", "TIMESTAMP_NS": "naive", "TIMESTAMP WITH TIME ZONE": "instant",
}  # fmt: skip

# Python's dates end with the year 9999; a zone may move a wall time by a day and a half.
_FIRST_DATE, _LAST_DATE = "DATE '0001-01-01'", "DATE '9999-12-31'"
_FIRST_MOMENT, _LAST_MOMENT = "TIMESTAMP '0001-01-03 00:00:00'", "TIMESTAMP '9999-12-29 00:00:00'"

# What Python's str.isspace knows; the rule language has the same (7.3).
_WHITE_SPACE = "".join(character for character in map(chr, range(0x3001)) if character.isspace())

_WHOLE_TEXT = r"[+-]?\d+(\.0*)?"
_DECIMAL_TEXT = r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d{1,3})?"
_DATE_TEXT = r"\d{4}-\d{2}-\d{2}([T ]00:00(:00(\.0+)?)?)?"
_NAIVE_TEXT = r"\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}(:\d{2}(\.\d{1,9})?)?)?"
_OFFSET_TEXT = r"\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}(:\d{2}(\.\d{1,9})?)? ?([Zz]|[+-]\d{2}(:?\d{2})?)"


def kind_of(duckdb_type: str) -> Kind:
    """The family of a DuckDB type.

    >>> kind_of("DECIMAL(9,2)"), kind_of("ENUM('a', 'b')"), kind_of("INTEGER[]")
    ('decimal', 'text', 'other')
    """
    if duckdb_type.endswith("]"):
        return "other"
    if duckdb_type in _WHOLE:
        return "whole"
    if re.match(r"DECIMAL\(", duckdb_type):
        return "decimal"
    if duckdb_type.startswith("ENUM("):
        return "text"
    return _KINDS.get(duckdb_type, "other")


@dataclass(frozen=True, slots=True)
class Typed:
    """One field as SQL over the raw column.

    `value` is always right. `plain` is as good where `outside` holds for no row, and leaves the column as it is, so that a
    view over the source costs nothing. `misfit` holds for a value that is there and does not fit; None where none can.
    """

    value: str
    misfit: str | None = None
    plain: str | None = None
    outside: str | None = None


def typed(column: str, duckdb_type: str, field: FieldType, walls: str | None = None, project_zone: str = "UTC") -> Typed:
    """The field's value from a quoted column of this type. `walls` is the alias of the joined walls for timestamps of a zone."""
    kind = kind_of(duckdb_type)
    if duckdb_type == '"NULL"':
        return Typed(f"CAST(NULL AS {DUCKDB_TYPES[field]})")
    if field == "text":
        return as_text(column, duckdb_type)
    if field == "integer":
        return _integer(column, duckdb_type, kind)
    if field == "decimal":
        return _decimal(column, duckdb_type, kind)
    if field == "boolean":
        return _boolean(column, kind)
    if field == "date":
        return _date(column, kind, project_zone)
    return _timestamp(column, kind, walls)


def as_text(column: str, duckdb_type: str) -> Typed:
    """A value as text, for text fields and keys: whole decimals and floats as integers, uuids in lower case, text as it is."""
    kind = kind_of(duckdb_type)
    text = f"CAST({column} AS VARCHAR)"
    if kind == "other":
        return _never("VARCHAR", column)
    if duckdb_type == "VARCHAR":
        return Typed(column, plain=column)
    if kind == "decimal":
        text = f"CASE WHEN contains({text}, '.') THEN rtrim(rtrim({text}, '0'), '.') ELSE {text} END"
    if kind == "float":
        # Up to 2^53 every whole number has a double of its own; beyond it the digits would be invented.
        whole = f"{column} = trunc({column}) AND abs({column}) <= 9007199254740992"
        text = f"CASE WHEN isnan({column}) THEN NULL WHEN {whole} THEN CAST(CAST({column} AS BIGINT) AS VARCHAR) ELSE {text} END"
        return Typed(text)
    return Typed(text, plain=text)


def naive_wall(column: str, duckdb_type: str) -> str | None:
    """The wall time in a column without offsets, to be joined with its zone's walls; None where there is none."""
    kind = kind_of(duckdb_type)
    if kind in ("naive", "date"):
        return _clamped(f"CAST({column} AS TIMESTAMP)", _FIRST_MOMENT, _LAST_MOMENT)
    if kind == "text":
        return _clamped(_naive_from_text(column), _FIRST_MOMENT, _LAST_MOMENT)
    return None


def _never(target: str, column: str) -> Typed:
    return Typed(f"CAST(NULL AS {target})", misfit=f"{column} IS NOT NULL")


def _clamped(value: str, first: str, last: str) -> str:
    # Not least() and greatest(): they skip NULL, and no value would become a date.
    return f"CASE WHEN {value} < {first} THEN {first} WHEN {value} > {last} THEN {last} ELSE {value} END"


def has_text(text: str) -> str:
    """SQL: whether a text is more than white space. Its first character tells that of nearly all, twelve times as fast."""
    return f"(ascii({text}) BETWEEN 33 AND 126 OR trim({text}, '{_WHITE_SPACE}') <> '')"


def _trimmed(column: str) -> str:
    return f"trim(CAST({column} AS VARCHAR))"


def _from_text(column: str, pattern: str, value: str) -> Typed:
    """Blank text is no value; other text either has the form and converts, or is a misfit."""
    converted = f"CASE WHEN regexp_full_match({_trimmed(column)}, '{pattern}') THEN {value} END"
    return Typed(converted, misfit=f"({has_text(_trimmed(column))} AND ({converted}) IS NULL)")


def _checked(column: str, value: str, extra: str = "false") -> Typed:
    return Typed(value, misfit=f"({column} IS NOT NULL AND (({value}) IS NULL OR {extra}))")


def _integer(column: str, duckdb_type: str, kind: Kind) -> Typed:
    if duckdb_type == "BIGINT":
        return Typed(column, plain=column)
    if kind == "whole":
        if duckdb_type in ("HUGEINT", "UHUGEINT", "UBIGINT"):
            return _checked(column, f"TRY_CAST({column} AS BIGINT)")
        return Typed(f"CAST({column} AS BIGINT)", plain=f"CAST({column} AS BIGINT)")
    if kind in ("decimal", "float"):
        # A cast rounds; 12.5 is not a whole number. NaN is how data frames write no value.
        there = f"CASE WHEN isnan({column}) THEN NULL ELSE {column} END" if kind == "float" else column
        value = f"CASE WHEN {column} = trunc({column}) THEN TRY_CAST({there} AS BIGINT) END"
        return Typed(value, misfit=f"(({there}) IS NOT NULL AND ({value}) IS NULL)")
    if kind == "text":
        return _from_text(column, _WHOLE_TEXT, f"TRY_CAST(regexp_replace({_trimmed(column)}, '\\.0*$', '') AS BIGINT)")
    return _never("BIGINT", column)


def _decimal(column: str, duckdb_type: str, kind: Kind) -> Typed:
    target = DUCKDB_TYPES["decimal"]
    if duckdb_type == target:
        return Typed(column, plain=column)
    if kind == "decimal" and _holds(duckdb_type):
        return Typed(f"CAST({column} AS {target})", plain=f"CAST({column} AS {target})")
    if kind in ("whole", "decimal"):
        return _checked(column, f"TRY_CAST({column} AS {target})")
    if kind == "float":
        there = f"CASE WHEN isnan({column}) THEN NULL ELSE {column} END"
        return Typed(f"TRY_CAST({there} AS {target})", misfit=f"(({there}) IS NOT NULL AND TRY_CAST({there} AS {target}) IS NULL)")
    if kind == "text":
        return _from_text(column, _DECIMAL_TEXT, f"TRY_CAST({_trimmed(column)} AS {target})")
    return _never(target, column)


def _holds(duckdb_type: str) -> bool:
    """Whether every value of a DECIMAL(p,s) fits DECIMAL(38,10) exactly.

    >>> _holds("DECIMAL(12,2)"), _holds("DECIMAL(38,2)"), _holds("DECIMAL(18,12)")
    (True, False, False)
    """
    digits = re.fullmatch(r"DECIMAL\((\d+),(\d+)\)", duckdb_type)
    return digits is not None and int(digits[2]) <= 10 and int(digits[1]) - int(digits[2]) <= 28


def _boolean(column: str, kind: Kind) -> Typed:
    if kind == "boolean":
        return Typed(column, plain=column)
    if kind in ("whole", "decimal", "float"):
        return _checked(column, f"CASE WHEN {column} = 1 THEN true WHEN {column} = 0 THEN false END")
    if kind == "text":
        text = f"lower({_trimmed(column)})"
        value = f"CASE WHEN {text} IN ('true', 'yes', '1') THEN true WHEN {text} IN ('false', 'no', '0') THEN false END"
        return Typed(value, misfit=f"({has_text(text)} AND ({value}) IS NULL)")
    return _never("BOOLEAN", column)


def _date(column: str, kind: Kind, project_zone: str) -> Typed:
    if kind == "date":
        return Typed(_clamped(column, _FIRST_DATE, _LAST_DATE), plain=column, outside=f"{column} NOT BETWEEN {_FIRST_DATE} AND {_LAST_DATE}")
    if kind in ("naive", "instant"):
        # A moment within a day is a timestamp; taking it for a date would hide which day it is.
        wall = f"CAST({column} AS TIMESTAMP)" if kind == "naive" else f"timezone('{project_zone}', {column})"
        value = _clamped(f"CAST({wall} AS DATE)", _FIRST_DATE, _LAST_DATE)
        return _checked(column, value, f"(isfinite({wall}) AND {wall} <> date_trunc('day', {wall}))")
    if kind == "text":
        return _from_text(column, _DATE_TEXT, _clamped(f"TRY_CAST(left({_trimmed(column)}, 10) AS DATE)", _FIRST_DATE, _LAST_DATE))
    return _never("DATE", column)


def _timestamp(column: str, kind: Kind, walls: str | None) -> Typed:
    if kind == "instant":
        moment = f"timezone('UTC', {column})"
        return Typed(_clamped(moment, _FIRST_MOMENT, _LAST_MOMENT), plain=moment, outside=f"{moment} NOT BETWEEN {_FIRST_MOMENT} AND {_LAST_MOMENT}")
    if kind in ("naive", "date"):
        wall = f"CAST({column} AS TIMESTAMP)"
        if walls is not None:
            return Typed(_moved(walls, _clamped(wall, _FIRST_MOMENT, _LAST_MOMENT)))
        return Typed(_clamped(wall, _FIRST_MOMENT, _LAST_MOMENT), plain=wall, outside=f"{wall} NOT BETWEEN {_FIRST_MOMENT} AND {_LAST_MOMENT}")
    if kind == "text":
        text = _trimmed(column)
        # DuckDB reads an offset without a space before it, and Z in upper case only.
        written = rf"regexp_replace(upper({text}), ' (Z|[+-]\d\d:?(\d\d)?)$', '\1')"
        instant = f"timezone('UTC', TRY_CAST({written} AS TIMESTAMPTZ))"
        plain = _moved(walls, _clamped(_naive_from_text(column), _FIRST_MOMENT, _LAST_MOMENT)) if walls is not None else _naive_from_text(column)
        clamped = _clamped(f"CASE WHEN regexp_full_match({text}, '{_OFFSET_TEXT}') THEN {instant} ELSE {plain} END", _FIRST_MOMENT, _LAST_MOMENT)
        return Typed(clamped, misfit=f"({has_text(text)} AND ({clamped}) IS NULL)")
    return _never("TIMESTAMP", column)


def _naive_from_text(column: str) -> str:
    text = _trimmed(column)
    return f"CASE WHEN regexp_full_match({text}, '{_NAIVE_TEXT}') THEN TRY_CAST({text} AS TIMESTAMP) END"


def _moved(walls: str, wall: str) -> str:
    return f"CASE WHEN {walls}.fixed IS NOT NULL THEN {walls}.fixed ELSE {wall} - to_seconds({walls}.offset_s) END"
