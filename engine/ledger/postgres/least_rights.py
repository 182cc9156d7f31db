"""The role that writes a ledger may not write the CRM (reliability.md §3.9): a mistake of ours then changes no customer."""

from __future__ import annotations

from collections.abc import Sequence

import psycopg

from engine.errors import LedgerRefused
from engine.ledger.ledger import LedgerBroken
from engine.ledger.postgres.connecting import Connection, Place, transaction

# The catalog is asked, for a role that may do nothing in the CRM's schema may not look its tables up by name either.
_WRITABLE = """
SELECT s.nspname || '.' || r.relname, pg_has_role(r.relowner, 'USAGE'), current_user
FROM unnest(%(schemas)s::text[], %(tables)s::text[]) AS n(schema, name)
JOIN pg_catalog.pg_namespace s ON lower(s.nspname) = lower(n.schema)
JOIN pg_catalog.pg_class r ON r.relnamespace = s.oid AND lower(r.relname) = lower(n.name) AND r.relkind IN ('r', 'v', 'm', 'f', 'p')
WHERE pg_has_role(r.relowner, 'USAGE')
   OR (has_schema_privilege(s.oid, 'USAGE')
       AND (has_table_privilege(r.oid, 'INSERT, UPDATE, DELETE, TRUNCATE') OR has_any_column_privilege(r.oid, 'INSERT, UPDATE')))
ORDER BY 1 LIMIT 1
"""
_OWN_ROLE = "give the ledger a role of its own: `engine state roles` prints the SQL, and engine_apply is the one for `ledger:` in engine.yaml"


def refuse_who_may_write(connection: Connection, place: Place, schema: str | None, tables: Sequence[str]) -> None:
    """LedgerRefused when this role owns one of the CRM's tables, or may change it. `schema` is where names without one are found."""
    named = [(table.rpartition(".")[0] or schema or "public", table.rpartition(".")[2]) for table in tables]
    values = {"schemas": [schema for schema, _ in named], "tables": [table for _, table in named]}
    try:
        with transaction(connection, place, "READ ONLY"):
            found = connection.execute(_WRITABLE, values).fetchone()
    except psycopg.Error as error:
        raise LedgerBroken(f"{place} cannot be read", help="look at the server, and at the rights of this role") from error
    if found:
        table, is_owner, role = found
        raise LedgerRefused(f"{place} is written by the role `{role}`, which {'owns' if is_owner else 'may change'} the CRM's table {table}", help=_OWN_ROLE)
