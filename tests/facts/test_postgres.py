"""Facts from a real Postgres: one moment, only what is named, nothing written, types kept."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import suppress
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg
import pytest

from engine.definitions.project import PostgresFacts
from engine.errors import DefinitionsInError, FactsUnreadable
from engine.facts import postgres as postgres_source
from engine.facts.needs import everything
from engine.facts.reading import read_snapshot, snapshot_of_rows
from engine.facts.snapshot import Snapshot
from tests.facts.maps import CRM, NOW, definitions, one, rows
from tests.postgres_server import Postgres

TABLES = """
create type state as enum ('active', 'cancelled');
create domain money_amount as numeric(12, 2);
create table companies (id int primary key, name varchar(40), founded date);
create table contacts (id int, name char(8), email text, is_active boolean, unsubscribed boolean, zone text, company_id smallint);
create table contracts (id uuid, company_id numeric, end_date date, signed_at timestamptz, monthly_value money_amount, status state, secret bytea, tags text[]);
insert into companies values (1, 'Lotus', '1999-01-02'), (2, 'Banyan', 'infinity');
insert into contacts values (12, 'Ana', 'ana@example.com', true, false, null, 1), (13, 'อนันต์', null, null, null, null, null);
insert into contracts values
  ('6F1ED002-AB5F-4E25-9B2B-B2B1B2B3B4B5', 1.00, '2026-12-31', '2026-01-05 09:00+07', 4500.50, 'active', '\\x00', '{a,b}'),
  ('00000000-0000-0000-0000-000000000001', null, '-infinity', 'infinity', null, 'cancelled', null, null);
"""


@pytest.fixture
def url(postgres: Postgres) -> Iterator[str]:
    with postgres.database() as url:
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(TABLES)
        yield url


def run(url: str, *statements: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement)


def read(url: str, crm: str = CRM, *, schema: str | None = None, **options: Any) -> Snapshot:
    found = definitions(crm)
    return read_snapshot(found, PostgresFacts(postgres=url, schema=schema), now=NOW, root=Path("."), **{"needs": everything(found), **options})


def of_one(url: str, entity_yaml: str) -> Snapshot:
    return read_snapshot(one(entity_yaml), PostgresFacts(postgres=url), now=NOW, root=Path("."))


def test_types_of_postgres_become_canonical(url: str) -> None:
    """uuid, numeric, domains, enums, char(n), timestamptz and infinity arrive as the map says."""
    with read(url) as snapshot:
        assert rows(snapshot, "contract", "_key", "company_id", "end_date", "signed_at", "monthly_value", "status") == [
            ("00000000-0000-0000-0000-000000000001", None, date(1, 1, 1), datetime(9999, 12, 29), None, "cancelled"),
            ("6f1ed002-ab5f-4e25-9b2b-b2b1b2b3b4b5", 1, date(2026, 12, 31), datetime(2026, 1, 5, 2), Decimal("4500.5"), "active"),
        ]
        assert rows(snapshot, "contact", "_key", "name", "is_active", "company_id") == [("12", "Ana", True, 1), ("13", "อนันต์", None, None)]
        assert rows(snapshot, "company", "founded") == [(date(1999, 1, 2),), (date(9999, 12, 31),)]
        given = {"company": [{"id": 1, "name": "Lotus", "founded": "1999-01-02"}, {"id": 2, "name": "Banyan", "founded": "9999-12-31"}]}
        with snapshot_of_rows(definitions(), given, now=NOW) as same:
            query = "SELECT sum(hash(_key, name, founded)) FROM facts.company"
            assert snapshot.connection.execute(query).fetchall() == same.connection.execute(query).fetchall()


def test_only_named_columns_are_asked_for(url: str) -> None:
    """A role that may read only the named columns is enough."""
    run(
        url,
        "drop role if exists narrow",
        "create role narrow login password 'narrow'",
        "grant select (id, company_id, end_date, status) on contracts to narrow",
        "grant select (id) on companies to narrow",
        "grant select on contacts to narrow",
    )
    narrow = url.replace("tests:tests@", "narrow:narrow@")
    try:
        with read(narrow, needs=None) as snapshot:
            assert snapshot.counts == {"company": 2, "contact": 2, "contract": 2}
        with pytest.raises(FactsUnreadable) as caught:
            read(narrow)
        assert "permission denied for table companies" in caught.value.message
    finally:
        run(url, "drop owned by narrow", "drop role narrow")


def test_one_moment_for_all_tables(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is committed while we read is not seen: a contract never comes without its company."""
    stage = postgres_source.PostgresSource.stage

    def with_a_writer(self: Any, name: str, entity: Any, columns: Any) -> Any:
        if name == "contact":
            run(url, "insert into contacts (id, company_id) values (99, 9)", "insert into companies values (9, 'New', null)", "delete from contracts")
        return stage(self, name, entity, columns)

    monkeypatch.setattr(postgres_source.PostgresSource, "stage", with_a_writer)
    with read(url) as snapshot:
        assert snapshot.counts == {"company": 2, "contact": 2, "contract": 2}
    monkeypatch.undo()
    with read(url) as snapshot:
        assert snapshot.counts == {"company": 3, "contact": 3, "contract": 0}


@pytest.mark.parametrize(
    "sql",
    [
        "select 1 as id, 'x' as email; delete from companies",
        "with gone as (delete from companies returning id) select id, 'x' as email from gone",
        "select 1 as id, nextval('counter')::text as email",
        "select 1 as id, set_config('transaction_read_only', 'off', false) as email",
        "select 1 as id, 'x' as email) as q; delete from companies; select * from (select 1 as id, 'x' as email",
    ],
)
def test_sql_of_the_map_writes_nothing(url: str, sql: str) -> None:
    """Not by a second statement, not inside a SELECT, not by leaving the read-only transaction."""
    run(url, "create sequence counter")
    with pytest.raises((DefinitionsInError, FactsUnreadable)):
        of_one(url, f"    key: id\n    sql: |\n      {sql}\n    fields: {{email: text}}")
    with psycopg.connect(url) as connection:
        assert connection.execute("select count(*), (select is_called from counter) from companies").fetchall() == [(2, False)]


def test_the_transaction_is_rolled_back(url: str) -> None:
    """What a read-only transaction lets through (large objects, before Postgres 16) does not stay either."""
    # Newer servers refuse it.
    with suppress(FactsUnreadable, DefinitionsInError):
        of_one(url, "    key: id\n    sql: select lo_from_bytea(0, 'x')::int as id, 'x' as email\n    fields: {email: text}").close()
    with psycopg.connect(url) as connection:
        assert connection.execute("select count(*) from pg_largeobject_metadata").fetchall() == [(0,)]


def test_sql_in_the_dialect_of_postgres(url: str) -> None:
    """`::`, `||`, `lower`, `distinct on`, array functions and a trailing comment are the source's own."""
    sql = "select distinct on (id) id, lower(trim(name)) || '@example.org' as email from contacts where name ~ '^[A-Z]' and id = any(array[12, 13]) -- those"
    with of_one(url, f"    key: id\n    sql: |\n      {sql}\n    fields: {{email: text}}") as snapshot:
        assert rows(snapshot, "contact", "_key", "email") == [("12", "ana@example.org")]


def test_all_problems_at_once(url: str) -> None:
    """A missing table, a missing column, a wrong type and SQL that fails: the transaction goes on after each."""
    run(url, "drop table companies", "alter table contacts drop column email", "alter table contracts alter column end_date type text using 'soon'")
    crm = CRM.replace(
        "  company:\n    table: companies", "  team:\n    {sql: select * from teams, key: id, fields: {name: text}}\n  company:\n    table: companies"
    )
    with pytest.raises(DefinitionsInError) as caught:
        read(url, crm)
    assert [(p.code, p.message) for p in caught.value.problems] == [
        ("E407", 'the SQL of `team` cannot be read: relation "teams" does not exist'),
        ("E402", "the CRM has no table `companies`, which `company` is read from"),
        ("E403", "the CRM has no column `email`, which is the field `contact.email`"),
        ("E404", "2 values of `contract.end_date` (2 of 2 records) do not fit `date`; the column is text"),
    ]


def test_a_schema_of_ones_own(url: str) -> None:
    """`schema:` in engine.yaml stands for public; `table: crm.companies` names one directly; capitals are found."""
    run(url, 'create schema "Crm"', 'create table "Crm"."Contacts" ("Id" int, email text)', 'insert into "Crm"."Contacts" values (5, \'x\')')
    entity = "    {table: contacts, key: id, fields: {email: text}}"
    with read_snapshot(one(entity), PostgresFacts(postgres=url, schema="Crm"), now=NOW, root=Path(".")) as snapshot:
        assert snapshot.counts == {"contact": 1}
    for table in ("Contacts", "crm.contacts", "Crm.Contacts"):
        found = one(entity.replace("contacts", table))
        with read_snapshot(found, PostgresFacts(postgres=url, schema="Crm"), now=NOW, root=Path(".")) as snapshot:
            assert rows(snapshot, "contact", "_key", "email") == [("5", "x")]


@pytest.mark.parametrize(
    ("before", "after"),
    [("tests:tests@", "tests:canary-9a1@"), ("127.0.0.1:", "127.0.0.1:1"), ("postgresql://", "postgresql://canary-9a1:canary-9a1:"), ("/t_", "/canary_")],
)
def test_a_url_that_leads_nowhere_shows_no_secret(url: str, before: str, after: str) -> None:
    """FactsUnreadable says why, without the URL and the password."""
    with pytest.raises(FactsUnreadable) as caught:
        read(url.replace(before, after))
    assert "canary-9a1" not in caught.value.message + caught.value.help
    assert "the CRM in Postgres cannot be read" in caught.value.message


def test_nothing_stays_open(url: str) -> None:
    """The snapshot holds no connection to the CRM: the source is given back before the plan begins."""
    with read(url), psycopg.connect(url) as connection:
        others = connection.execute("select count(*) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()")
        assert others.fetchall() == [(0,)]


def test_many_rows(url: str) -> None:
    """A hundred thousand rows arrive, each once, while another thread works."""
    run(url, "insert into contacts select n, 'x', n || '@example.com', true, false, null, 1 from generate_series(100, 100099) as n")
    working = threading.Thread(target=lambda: sum(range(2_000_000)))
    working.start()
    with read(url) as snapshot:
        assert snapshot.counts["contact"] == 100_002
    working.join()
