"""A CRM in Postgres: one repeatable-read, read-only transaction, only the columns named, Arrow into DuckDB.

psycopg looks around in the transaction; ADBC carries the rows, in the same snapshot of the same moment. (ADBC alone cannot
go on after a statement that failed, and every problem is to be told at once.)
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from typing import Any
from urllib.parse import unquote, urlsplit

import duckdb

from engine.definitions.crm import Entity
from engine.errors import FactsUnreadable
from engine.facts.names import find, literal, quoted
from engine.facts.sandbox import NotOneSelect, first_line, one_select
from engine.facts.staging import NoTable, Raw, SqlRefused

_SETTINGS = (
    "SET LOCAL statement_timeout = '10min'",
    "SET LOCAL lock_timeout = '10s'",
    "SET LOCAL TimeZone = 'UTC'",
)
_TABLES = """
select n.nspname, c.relname, pg_catalog.pg_table_is_visible(c.oid)
from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
where c.relkind in ('r', 'v', 'm', 'f', 'p') and n.nspname !~ '^pg_' and n.nspname <> 'information_schema'
order by 1, 2
"""
# A domain is its base type. Of a table only the catalog is asked: a role may be allowed to read some columns and not all.
_COLUMNS = """
select a.attname, coalesce(base.typname, t.typname), coalesce(base.typcategory, t.typcategory) = 'A'
from pg_catalog.pg_attribute a join pg_catalog.pg_type t on t.oid = a.atttypid
left join pg_catalog.pg_type base on t.typtype = 'd' and base.oid = t.typbasetype
where a.attrelid = $1::regclass and a.attnum > 0 and not a.attisdropped
order by a.attnum
"""
# These arrive as they are. Of all other types the text is asked for, which every type of Postgres has.
_AS_THEY_ARE = {"bool", "int2", "int4", "int8", "float4", "float8", "text", "varchar"}
# Infinity has no place in Arrow; it stays what it means, a day beyond every calendar.
_ENDS = {
    "date": ("0001-01-01", "9999-12-31"),
    "timestamp": ("0001-01-03 00:00:00", "9999-12-29 00:00:00"),
    "timestamptz": ("0001-01-03 00:00:00+00", "9999-12-29 00:00:00+00"),
}


class PostgresSource:
    """`columns` and `stage` of a Postgres database, inside the transaction that `opened_postgres` began."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, looking: Any, carrying: Any) -> None:
        self._connection, self._looking, self._carrying = connection, looking, carrying
        self._types: dict[str, dict[str, str]] = {}
        self._tables: dict[str, str] = {}
        for schema, table, visible in looking.execute(_TABLES).fetchall():
            relation = f"{quoted(schema)}.{quoted(table)}"
            self._tables[f"{schema}.{table}"] = relation
            if visible:
                self._tables[table] = relation

    def columns(self, name: str, entity: Entity) -> Sequence[str]:
        relation = self._relation(entity)
        if entity.sql is None:
            rows = _raw(self._looking).execute(_COLUMNS, [relation]).fetchall()
            types = {str(column): "other" if is_array else str(type_name) for column, type_name, is_array in rows}
        else:
            types = self._of_result(relation)
        self._types[name] = types
        return tuple(types)

    def _of_result(self, relation: str) -> dict[str, str]:
        import psycopg

        try:
            with self._looking.transaction():
                # binary: the extended protocol, which takes one statement and no second.
                described = _raw(self._looking).execute(f"SELECT * FROM {relation} AS q LIMIT 0", binary=True).description or ()
        except psycopg.Error as error:
            raise SqlRefused(first_line(error)) from None
        types = {}
        for column in described:
            info = self._looking.adapters.types.get(column.type_code)
            is_array = info is not None and column.type_code == info.array_oid
            types[str(column.name)] = "other" if info is None or is_array else str(info.name)
        return types

    def stage(self, name: str, entity: Entity, columns: Sequence[str]) -> Raw:
        import adbc_driver_manager

        staged = f"memory.staging.{quoted(name)}"
        types = self._types[name]
        wanted = ", ".join(f"{_value(column, types[column])} AS {quoted(column)}" for column in columns)
        try:
            with closing(self._carrying.cursor()) as cursor:
                cursor.execute(f"SELECT {wanted} FROM {self._relation(entity)} AS q")
                self._connection.register("arriving", cursor.fetch_record_batch())
                self._connection.execute(f"CREATE TABLE {staged} AS SELECT * FROM arriving")
                self._connection.unregister("arriving")
        except (adbc_driver_manager.Error, duckdb.Error) as error:
            raise FactsUnreadable(f"`{name}` cannot be read from Postgres: {_without_status(error)}") from None
        described = self._connection.execute(f"DESCRIBE {staged}").fetchall()
        return Raw(staged, {str(row[0]): str(row[1]) for row in described}, copied=True, shown=types)

    def _relation(self, entity: Entity) -> str:
        if entity.sql is not None:
            try:
                return f"(\n{one_select(entity.sql, 'postgres')}\n)"
            except NotOneSelect as refused:
                raise SqlRefused(str(refused)) from None
        table = entity.table or ""
        found = find(table, self._tables)
        if found is None:
            raise NoTable(table, tuple(self._tables))
        return self._tables[found]


@contextmanager
def opened_postgres(connection: duckdb.DuckDBPyConnection, url: str, schema: str | None) -> Iterator[PostgresSource]:
    """The database for the time of the block, in one transaction that can write nothing. Raises FactsUnreadable."""
    try:
        import adbc_driver_manager
        import adbc_driver_postgresql.dbapi as adbc
        import psycopg
    except ImportError:
        raise FactsUnreadable("a CRM in Postgres needs the extra `postgres`", help="pip install 'campaigns-as-code[postgres]'") from None
    settings = [*_SETTINGS, *([f"SET LOCAL search_path = {quoted(schema)}"] if schema else [])]
    with ExitStack() as stack:
        try:
            looking = stack.enter_context(psycopg.connect(url, connect_timeout=10, autocommit=True))
            looking.read_only, looking.isolation_level = True, psycopg.IsolationLevel.REPEATABLE_READ
            stack.enter_context(looking.transaction(force_rollback=True))
            for setting in settings:
                looking.execute(setting)
            moment = looking.execute("SELECT pg_export_snapshot()").fetchone()
            carrying = stack.enter_context(closing(adbc.connect(url)))
            with closing(carrying.cursor()) as cursor:
                cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
                cursor.execute(f"SET TRANSACTION SNAPSHOT {literal(moment[0] if moment else '')}")
                for setting in settings:
                    cursor.execute(setting)
            source = PostgresSource(connection, looking, carrying)
        except (psycopg.Error, adbc_driver_manager.Error) as error:
            raise FactsUnreadable(
                f"the CRM in Postgres cannot be read: {_masked(_without_status(error), url)}",
                help="check the URL (`facts:` of the environment, or --url) and the role's rights",
            ) from None
        yield source


def _raw(connection: Any) -> Any:
    """A cursor with $1 for parameters: a percent sign in the map's SQL is a percent sign."""
    import psycopg

    return psycopg.RawCursor(connection)


def _value(column: str, type_name: str) -> str:
    at = f"q.{quoted(column)}"
    if type_name in _AS_THEY_ARE:
        return at
    if type_name in _ENDS:
        first, last = (f"{type_name} {literal(end)}" for end in _ENDS[type_name])
        return f"CASE WHEN {at} < {first} THEN {first} WHEN {at} > {last} THEN {last} ELSE {at} END"
    if type_name == "numeric":
        # As text it is exact, and without trailing zeros 12.00 and 12 are one key.
        return f"trim_scale({at})::text"
    return f"{at}::text"


def _without_status(error: BaseException) -> str:
    return first_line(error).split("ERROR:")[-1].strip()


def _masked(text: str, url: str) -> str:
    """The text without the URL, the user and the password, however they are written."""
    try:
        parts = urlsplit(url)
        given = [url, parts.password, parts.username]
    except ValueError:
        given = [url]
    for secret in [form for value in given if value for form in (value, unquote(value))]:
        text = text.replace(secret, "***")
    return text
