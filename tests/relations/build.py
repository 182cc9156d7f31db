"""A small CRM for the tests of relations: definitions from Python values, and the snapshot's tables made by hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import duckdb
from sqlglot import exp

from engine.definitions.crm import Crm
from engine.definitions.definitions import Definitions
from engine.definitions.project import Project
from engine.definitions.segments import Segment
from engine.definitions.sequences import Sequence as MailSequence
from engine.definitions.types import TemplateType
from engine.relations.binding import Binder, sql

CRM: dict[str, Any] = {
    "entities": {
        "company": {
            "table": "companies",
            "key": "id",
            "fields": {"name": "text", "industry": "text", "city": "text", "founded": "date", "is_active": "boolean", "staff": "integer"},
            "relations": {
                "contacts": {"many": "contact", "via": "contact.company_id"},
                "contracts": {"many": "contract", "via": "contract.company_id"},
                "invoices": {"many": "invoice", "via": "invoice.company_id"},
            },
        },
        "contact": {
            "table": "contacts",
            "key": "id",
            "fields": {
                "name": "text",
                "email": "text",
                "contact_type": "text",
                "is_active": "boolean",
                "score": "decimal",
                "visits": "integer",
                "born": "date",
                "last_seen": "timestamp",
                "company_id": "integer",
            },
            "relations": {"company": {"one": "company", "via": "company_id"}},
        },
        "contract": {
            "table": "contracts",
            "key": "id",
            "fields": {
                "contract_number": "text",
                "company_id": "integer",
                "owner_id": "text",
                "end_date": "date",
                "signed_at": "timestamp",
                "monthly_value": "decimal",
                "currency": "text",
                "status": "text",
            },
            "relations": {
                "company": {"one": "company", "via": "company_id"},
                "owner": {"one": "contact", "via": "owner_id"},
                "invoices": {"many": "invoice", "via": "invoice.contract_id"},
            },
        },
        "invoice": {
            "table": "invoices",
            "key": "id",
            "fields": {
                "invoice_number": "text",
                "company_id": "integer",
                "contract_id": "decimal",
                "due_date": "date",
                "amount": "decimal",
                "copies": "integer",
                "status": "text",
            },
            "relations": {"company": {"one": "company", "via": "company_id"}, "contract": {"one": "contract", "via": "contract_id"}},
        },
    },
    "contact": {"entity": "contact", "address": "email", "name": "name", "active": "is_active"},
}

SQL_TYPES = {
    "text": "VARCHAR",
    "integer": "BIGINT",
    "decimal": "DECIMAL(38,10)",
    "boolean": "BOOLEAN",
    "date": "DATE",
    "timestamp": "TIMESTAMP",
}

Rows = Mapping[str, Sequence[Mapping[str, Any]]]


def define(
    *,
    timezone: str = "Asia/Bangkok",
    crm: Mapping[str, Any] = CRM,
    segments: Sequence[Mapping[str, Any]] = (),
    sequences: Sequence[Mapping[str, Any]] = (),
    types: Sequence[Mapping[str, Any]] = (),
) -> Definitions:
    """Definitions of a project with this map, and nothing that mails."""
    project = {
        "format": 1,
        "name": "test",
        "timezone": timezone,
        "locales": ["en"],
        "sender": {"name": "Test", "address": "hello@example.com"},
        "environments": {"dev": {"facts": {"duckdb": "crm.duckdb"}, "ledger": {"duckdb": "ledger.duckdb"}}},
    }
    parsed = [Segment.model_validate(segment) for segment in segments]
    return Definitions(
        project=Project.model_validate(project),
        crm=Crm.model_validate(crm),
        types={item.id: item for item in map(TemplateType.model_validate, types)},
        templates={},
        layouts={},
        segments={segment.id: segment for segment in parsed},
        sequences={item.id: item for item in map(MailSequence.model_validate, sequences)},
        enrollments={},
        bodies={},
        members={segment.id: tuple(map(str, segment.members)) for segment in parsed if isinstance(segment.members, tuple)},
        places={},
        digest="test",
    )


def snapshot(definitions: Definitions, rows: Rows) -> duckdb.DuckDBPyConnection:
    """The tables of schema facts; each row has `_key`, and NULL in every field that it does not name."""
    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'")
    connection.execute("CREATE SCHEMA facts")
    for name, entity in definitions.crm.entities.items():
        columns = ['"_key" VARCHAR', *(f'"{field}" {SQL_TYPES[declared.type]}' for field, declared in entity.fields.items())]
        connection.execute(f'CREATE TABLE facts."{name}" ({", ".join(columns)})')
        given = rows.get(name, ())
        if given:
            names = ["_key", *entity.fields]
            marks = ", ".join("(" + ", ".join("?" for _ in names) + ")" for _ in given)
            connection.execute(f'INSERT INTO facts."{name}" VALUES {marks}', [row.get(column) for row in given for column in names])
    return connection


def ask(connection: duckdb.DuckDBPyConnection, select: exp.Expression, binder: Binder) -> list[tuple[Any, ...]]:
    """The rows of a statement that was built."""
    return connection.execute(sql(select), binder.of(select)).fetchall()
