"""The planner's DuckDB: nothing is downloaded, and once it is sealed no statement reaches a file or the network."""

from __future__ import annotations

import re
import secrets
import tempfile
from pathlib import Path
from typing import Literal

import duckdb

from engine.facts.names import literal
from engine.tables import WORKERS


class NotOneSelect(Exception):
    """The map's SQL is not one SELECT; the text says what it is."""


def open_sandbox() -> duckdb.DuckDBPyConnection:
    """An empty DuckDB in memory with the schemas `facts` and `staging`; files can be read until it is sealed."""
    connection = duckdb.connect(
        ":memory:",
        config={
            "autoinstall_known_extensions": "false",
            "autoload_known_extensions": "false",
            # A SELECT of the map must not find the variables of this program by their names.
            "python_enable_replacements": "false",
            "threads": str(WORKERS),
        },
    )
    connection.execute("SET TimeZone = 'UTC'")
    # What does not fit into memory goes to a place of its own, and not into the project; DuckDB makes and removes it.
    spill = Path(tempfile.gettempdir()) / f"engine-{secrets.token_hex(8)}.tmp"
    connection.execute(f"SET temp_directory = {literal(str(spill))}")
    connection.execute("CREATE SCHEMA facts")
    connection.execute("CREATE SCHEMA staging")
    return connection


def seal(connection: duckdb.DuckDBPyConnection) -> None:
    """No files, no network, no extension, no setting, from here on; what is attached stays readable."""
    connection.execute("SET enable_external_access = false")
    connection.execute("SET lock_configuration = true")


def one_select(sql: str, dialect: Literal["duckdb", "postgres"]) -> str:
    """The map's SQL without a closing semicolon. Raises NotOneSelect for anything but one SELECT.

    >>> one_select("select 1;", "duckdb")
    'select 1'
    """
    return _for_duckdb(sql) if dialect == "duckdb" else _for_postgres(sql)


def _for_duckdb(sql: str) -> str:
    try:
        statements = duckdb.extract_statements(sql)
    except duckdb.Error as error:
        raise NotOneSelect(f"it cannot be parsed: {first_line(error)}") from None
    if len(statements) != 1:
        raise NotOneSelect(f"it has {len(statements)} statements")
    if statements[0].type != duckdb.StatementType.SELECT:
        raise NotOneSelect(f"it is a statement of the kind {statements[0].type.name}")
    return statements[0].query.strip().rstrip(";").rstrip()


def _for_postgres(sql: str) -> str:
    import sqlglot
    from sqlglot import exp

    try:
        statements = [statement for statement in sqlglot.parse(sql, dialect="postgres") if statement is not None]
    except sqlglot.errors.SqlglotError as error:
        raise NotOneSelect(f"it cannot be parsed: {first_line(error)}") from None
    if len(statements) != 1:
        raise NotOneSelect(f"it has {len(statements)} statements")
    if not isinstance(statements[0], exp.Query) or statements[0].find(exp.Insert, exp.Update, exp.Delete, exp.Merge, exp.Into):
        raise NotOneSelect("it does more than read")
    return sql.strip().rstrip(";").rstrip()


# What a database names in double quotes after these words is a thing of the schema; all else in quotes is a value.
_NAMED = re.compile(r"(?:relation|column|columns|table|view|schema|catalog|database|type|role|user|server at|name|named|function|extension) $")
_IN_QUOTES = re.compile(r"""'[^']*'|"[^"]*\"""")


def first_line(error: BaseException) -> str:
    """The first line of a database's message: without the name of its class, and without the values that it quotes, which may be people.

    >>> first_line(ValueError("Conversion Error: Could not convert string 'ana@example.com' to INT32"))
    "Could not convert string '…' to INT32"
    >>> first_line(ValueError('relation "orders" does not exist'))
    'relation "orders" does not exist'
    """
    lines = str(error).strip().splitlines() or [type(error).__name__]
    text = lines[0].partition(" Error: ")[2] or lines[0]

    def shown(quote: re.Match[str]) -> str:
        keep = quote[0].startswith('"') and _NAMED.search(text[: quote.start()])
        return quote[0] if keep else f"{quote[0][0]}…{quote[0][0]}"

    return _IN_QUOTES.sub(shown, text)
