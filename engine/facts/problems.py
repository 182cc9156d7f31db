"""What of the map does not fit the CRM, as Problems with the place in `definitions/crm.yaml`. Counts, never a person's data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from engine.definitions.crm import Entity
from engine.definitions.definitions import Definitions
from engine.facts.names import suggestion
from engine.facts.sandbox import first_line
from engine.facts.staging import field_column, key_column
from engine.facts.survey import Shape, Survey
from engine.problems import Origin, Problem

DOUBLE_KEYS, NO_TABLE, NO_COLUMN, WRONG_TYPE, DANGLING, NO_KEY, SQL_FAILS, UNKNOWN_ZONE, NO_FLAG, FAR_DATES = (
    "E401", "E402", "E403", "E404", "E405", "E406", "E407", "E408", "E409", "E410",
)  # fmt: skip

_MENDING = {
    DOUBLE_KEYS: "Find the records with `SELECT {key}, count(*) FROM … GROUP BY 1 HAVING count(*) > 1`, and merge them, or make the map's SQL pick one of each.",
    NO_TABLE: "Correct `table:` in definitions/crm.yaml, or let the CRM's role read the table.",
    NO_COLUMN: "Correct the name, or write `column:` where the CRM names it otherwise.",
    WRONG_TYPE: "Declare the type that the column has, or convert the values in the map's `sql:`.",
    DANGLING: "Correct `via:`, or leave it: such a relation has no value.",
    NO_KEY: "Give the records a key, or leave them: they are in no plan.",
    SQL_FAILS: "Run the SELECT in the CRM's own console; it must be one SELECT, and may read nothing but tables.",
    UNKNOWN_ZONE: "Write IANA names such as Asia/Bangkok in the CRM, or leave them: the project's timezone is used.",
    NO_FLAG: "Fill the flag in the CRM, or decide in the map's `sql:` with coalesce().",
    FAR_DATES: "Clear dates such as 9999-12-31 in the CRM, or leave them: they start nothing.",
}


def mend(problem: Problem) -> str:
    """How to mend a problem of the facts, for `doctor`; empty for problems of another kind."""
    return _MENDING.get(problem.code, "").replace("{key}", "the key")


def counted(number: int, noun: str) -> str:
    """
    >>> counted(1, "record"), counted(1200, "record")
    ('1 record', '1,200 records')
    """
    return f"{number:,} {noun}" + ("" if number == 1 else "s")


def place(definitions: Definitions, entity: str, *loc: str) -> Origin:
    """Where the map says it."""
    return definitions.where("crm", "crm").key("entities", entity, *loc)


def field_place(definitions: Definitions, entity: str, field: str | None) -> Origin:
    """Where the map says a field, its column where that is said, or (None) the key."""
    if field is None:
        return definitions.where("crm", "crm").value("entities", entity, "key")
    if definitions.crm.entities[entity].fields[field].column is not None:
        return definitions.where("crm", "crm").value("entities", entity, "fields", field, "column")
    return place(definitions, entity, "fields", field)


def no_table(definitions: Definitions, entity: str, table: str, hint: str) -> Problem:
    origin = definitions.where("crm", "crm").value("entities", entity, "table")
    return Problem(NO_TABLE, f"the CRM has no table `{table}`, which `{entity}` is read from", origin, hint)


def no_column(definitions: Definitions, entity: str, field: str | None, column: str, known: Sequence[str]) -> Problem:
    what = f"the field `{entity}.{field}`" if field is not None else f"the key of `{entity}`"
    return Problem(NO_COLUMN, f"the CRM has no column `{column}`, which is {what}", field_place(definitions, entity, field), suggestion(column, known))


def sql_refused(definitions: Definitions, entity: str, error: BaseException) -> Problem:
    declared = definitions.crm.entities[entity]
    said = "sql" if declared.sql is not None else "table"
    what = f"the SQL of `{entity}`" if declared.sql is not None else f"the table of `{entity}`"
    return Problem(
        SQL_FAILS, f"{what} cannot be read: {first_line(error)}", place(definitions, entity, said), "one SELECT in the CRM's own dialect, over its tables only"
    )


def of_records(definitions: Definitions, name: str, found: Shape, counts: Survey) -> list[Problem]:
    """Problems of the records themselves: double and missing keys, values that are not of their type."""
    entity = definitions.crm.entities[name]
    key_place = field_place(definitions, name, None)
    problems = []
    if counts.double_keys:
        keys = counted(counts.double_keys, "key")
        problems.append(
            Problem(
                DOUBLE_KEYS,
                f"{keys} of `{name}` {'occurs' if counts.double_keys == 1 else 'occur'} more than once ({counted(counts.double_records, 'record')})",
                key_place,
                f"`key: {entity.key}` must tell every record from the others",
            )
        )
    if counts.key_misfits:
        problems.append(_misfit(entity, name, None, found, counts.key_misfits, counts.records, key_place))
    if counts.without_key:
        message = f"{counted(counts.without_key, 'record')} of `{name}` {'has' if counts.without_key == 1 else 'have'} no key, and are left out"
        problems.append(Problem(NO_KEY, message.replace("has no key, and are", "has no key, and is"), key_place, "", severity="warning"))
    for field_name, number in counts.misfits.items():
        if number:
            problems.append(_misfit(entity, name, field_name, found, number, counts.records, field_place(definitions, name, field_name)))
    return problems


def _misfit(entity: Entity, name: str, field: str | None, found: Shape, number: int, records: int, origin: Origin) -> Problem:
    columns = tuple(found.raw.types)
    if field is None:
        column, declared, what = key_column(entity, columns)[1], "a key", f"the key of `{name}`"
    else:
        column, declared, what = field_column(field, entity.fields[field], columns)[1], f"`{entity.fields[field].type}`", f"`{name}.{field}`"
    source_type = found.raw.shown.get(column or "") or found.raw.types[column or ""].lower()
    return Problem(
        WRONG_TYPE,
        f"{counted(number, 'value')} of {what} ({number} of {counted(records, 'record')}) {'does' if number == 1 else 'do'} not fit {declared}; the column is {source_type}",
        origin,
        _how_written(entity.fields[field].type if field else "text"),
    )


def _how_written(type_name: str) -> str:
    return {
        "date": "dates are written 2026-12-31; declare `timestamp` where a time belongs to it",
        "timestamp": "timestamps are written 2026-12-31T09:00:00, with an offset or without",
        "boolean": "booleans are true, false, yes, no, 1, 0",
        "integer": "integers have no fraction and no separators",
        "decimal": "decimals are written 1234.50, without separators",
    }.get(type_name, "convert it in the map's `sql:`")


def unknown_rows(definitions: Definitions, rows: Mapping[str, Sequence[Mapping[str, Any]]]) -> list[Problem]:
    """Entities and fields of records written by hand that the map does not have; each name once."""
    problems = []
    for name, records in rows.items():
        entity = definitions.crm.entities.get(name)
        if entity is None:
            problems.append(Problem(NO_TABLE, f"`{name}` is not an entity of the map", None, suggestion(name, definitions.crm.entities)))
            continue
        columns = {field.column for field in entity.fields.values() if field.column is not None}
        known = {entity.key, *entity.fields, *columns}
        for field in sorted({str(field) for record in records for field in record} - known):
            problems.append(Problem(NO_COLUMN, f"`{name}` has no field `{field}`", None, suggestion(field, (entity.key, *entity.fields))))
    return problems
