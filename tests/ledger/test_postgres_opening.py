"""Which ledgers and servers are refused, who may do what, and what is remembered of them (semantics 1.3, reliability.md §3.9)."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest

from engine.errors import LedgerRefused
from engine.ledger.identity import Identity
from engine.ledger.ledger import LedgerBroken
from engine.ledger.orders import Order
from engine.ledger.postgres import PostgresLedger, PostgresReading, opening, roles_sql
from engine.ledger.postgres.connecting import Place
from engine.ledger.postgres.statements import migrations
from engine.ledger.pseudonyms import Pseudonyms
from engine.ledger.witness import read_witness
from tests.ledger.postgres_homes import PostgresHome
from tests.ledger.stories import MONDAY, candidates, changes, dispatch, run, said, send
from tests.postgres_server import Postgres

KEY = Pseudonyms(b"k" * 32)


@pytest.fixture
def home(home_on_postgres: PostgresHome) -> PostgresHome:
    return home_on_postgres


@pytest.fixture
def own(postgres: Postgres) -> Iterator[str]:
    """The URL of a database of this test alone."""
    with postgres.database() as url:
        yield url


def open_it(home: PostgresHome, project: str = "acme", environment: str = "production", **given: Any) -> PostgresLedger:
    return PostgresLedger.open(home.url, project, environment, schema=home.schema, command="engine apply", **given)


def test_1_3_a_missing_ledger_names_the_command(database: str) -> None:
    """Neither `apply` nor a reader makes one by itself."""
    for opened in (
        lambda: PostgresLedger.open(database, "acme", "production", schema="nobody", command="engine apply"),
        lambda: PostgresReading.open(database, "acme", "production", schema="nobody"),
    ):
        with pytest.raises(LedgerRefused, match="schema `nobody`") as refused:
            opened()
        assert (refused.value.exit_code, "engine state create" in refused.value.help) == (7, True)


def test_1_3_a_foreign_ledger_is_refused(own: str) -> None:
    """Of another project, another environment, or with addresses hashed by another key; and it is not made twice."""
    PostgresLedger.create(own, "acme", "production", pseudonyms=KEY)
    for project, environment in (("other", "production"), ("acme", "staging")):
        with pytest.raises(LedgerRefused, match="belongs to project `acme`, environment `production`"):
            PostgresLedger.open(own, project, environment, command="engine apply")
    with pytest.raises(LedgerRefused, match="pseudonym key"):
        PostgresReading.open(own, "acme", "production", pseudonyms=Pseudonyms(b"x" * 32))
    with pytest.raises(LedgerRefused, match="already"):
        PostgresLedger.create(own, "acme", "production")
    PostgresLedger.open(own, "acme", "production", command="engine apply", pseudonyms=KEY).close()


@pytest.mark.parametrize(("version", "words"), [(0, "engine state migrate"), (99, "or later")])
def test_an_older_and_a_newer_ledger(home: PostgresHome, version: int, words: str) -> None:
    """`apply` never migrates: it says what to run."""
    home.execute(f"UPDATE ledger_meta SET schema_version = {version}")
    try:
        with pytest.raises(LedgerRefused) as refused:
            open_it(home)
        assert words in refused.value.help
    finally:
        home.execute(f"UPDATE ledger_meta SET schema_version = {len(migrations())}")


def test_state_migrate(own: str) -> None:
    """All steps that are missing, or none of them when one fails; a second time there is nothing to do."""
    PostgresLedger.create(own, "acme", "production")
    place, identity = Place(own, "engine"), Identity("acme", "production")
    assert PostgresLedger.migrate(own, "acme", "production") == (len(migrations()),) * 2
    step = b"ALTER TABLE runs ADD COLUMN remark text"
    with pytest.raises(LedgerBroken, match="it is as it was"):
        opening.migrate(place, identity, (*migrations(), step, b"ALTER TABLE nowhere ADD COLUMN remark text"))
    assert opening.migrate(place, identity, (*migrations(), step)) == (len(migrations()), len(migrations()) + 1)
    with pytest.raises(LedgerRefused, match=f"schema {len(migrations()) + 1}"):
        PostgresLedger.open(own, "acme", "production", command="engine apply")
    with pytest.raises(LedgerRefused, match=f"schema {len(migrations()) + 1}"):
        PostgresLedger.migrate(own, "acme", "production")


@pytest.mark.parametrize("setting", ["synchronous_commit", "fsync"])
def test_a_server_that_may_forget_is_refused(own: str, setting: str) -> None:
    """What it acknowledged has to be there after a crash; otherwise it would be sent again."""
    PostgresLedger.create(own, "acme", "production")
    name = urlsplit(own).path.lstrip("/")
    with psycopg.connect(own, autocommit=True) as connection:
        if setting == "fsync":
            connection.execute("ALTER SYSTEM SET fsync = off")
            connection.execute("SELECT pg_reload_conf()")
        else:
            connection.execute(f'ALTER DATABASE "{name}" SET synchronous_commit = off'.encode())
    try:
        with pytest.raises(LedgerRefused, match=f"{setting} = off"):
            for _ in range(100):
                PostgresLedger.open(own, "acme", "production", command="engine apply", lock=False).close()
                time.sleep(0.05)
    finally:
        with psycopg.connect(own, autocommit=True) as connection:
            connection.execute("ALTER SYSTEM RESET fsync")
            connection.execute("SELECT pg_reload_conf()")


def test_a_server_that_is_not_there(database: str) -> None:
    """The words name the place and no secret."""
    url = urlunsplit(urlsplit(database)._replace(netloc="tests:s3cr3t%2F@127.0.0.1:1"))
    with pytest.raises(LedgerBroken) as broken:
        PostgresReading.open(url, "acme", "production")
    assert "127.0.0.1" in broken.value.message
    assert "s3cr3t" not in broken.value.message + repr(Place(url, "engine"))


@pytest.mark.parametrize("url", ["host=127.0.0.1 port=1 user=u password=s3cret dbname=crm", "postgresql://u:s3cret@127.0.0.1:1/crm?password=s3cret"])
def test_the_place_of_a_ledger_names_no_secret(url: str) -> None:
    """However the connection is written."""
    assert str(Place(url, "engine")) == "the ledger in schema `engine` of 127.0.0.1/crm"
    with pytest.raises(LedgerBroken) as broken:
        PostgresReading.open(url, "acme", "production")
    assert "s3cret" not in broken.value.message


def test_a_role_that_may_only_read_is_refused_with_what_to_do(own: str) -> None:
    """Not as a failure of the engine: it lacks the right to take the lock."""
    PostgresLedger.create(own, "acme", "production")
    role = f"reader_{os.getpid()}"
    with psycopg.connect(own, autocommit=True) as connection:
        connection.execute(f"CREATE ROLE {role} LOGIN PASSWORD 'x'; GRANT USAGE ON SCHEMA engine TO {role}; GRANT SELECT ON ALL TABLES IN SCHEMA engine TO {role}".encode())
    parts = urlsplit(own)
    url = urlunsplit(parts._replace(netloc=f"{role}:x@{parts.netloc.rpartition('@')[2]}"))
    try:
        with pytest.raises(LedgerRefused) as refused:
            PostgresLedger.open(url, "acme", "production", command="engine apply")
        assert "roles.sql" in refused.value.help
    finally:
        with psycopg.connect(own, autocommit=True) as connection:
            connection.execute(f"DROP OWNED BY {role}; DROP ROLE {role}".encode())


def test_a_ledger_that_was_put_back(own: str, tmp_path: Path) -> None:
    """Yesterday's backup, or a standby that was behind, lacks what this host saw: it is refused. Another host's additions are not."""
    seen = tmp_path / "ledger.witness"
    PostgresLedger.create(own, "acme", "production", witness=seen)
    with PostgresLedger.open(own, "acme", "production", command="engine apply", witness=seen) as ledger:
        ledger.commit(run(), changes(sends=[send("1"), send("2")]))
        (row,) = ledger.claim("w1", 1, MONDAY)
        noted = read_witness(seen)
        assert noted is not None and (noted.serial, noted.head_hash) == (2, ledger.head().head_hash)
    with PostgresLedger.open(own, "acme", "production", command="engine deliver", lock=False) as elsewhere:
        elsewhere.begin_dispatch([dispatch(row)], MONDAY)
        elsewhere.settle([said(row, "sent")], MONDAY)
    PostgresLedger.open(own, "acme", "production", command="engine apply", witness=seen).close()
    with psycopg.connect(own) as connection:
        connection.execute("DELETE FROM engine.transactions WHERE serial > 1")
        connection.execute("UPDATE engine.ledger_meta SET serial = 1, head_hash = (SELECT head_hash FROM engine.transactions)")
    with pytest.raises(LedgerRefused, match="rolled back"):
        PostgresLedger.open(own, "acme", "production", command="engine apply", witness=seen)
    with pytest.raises(LedgerRefused, match="says that there was a ledger"):
        PostgresLedger.create(own, "acme", "production", schema="another", witness=seen)


def test_the_head_is_chained(home: PostgresHome) -> None:
    """A last transaction that is gone, or is another one, is found at the door."""
    with home.open() as ledger:
        ledger.commit(run(), changes(sends=[send("1")]))
    home.execute("UPDATE transactions SET head_hash = repeat('a', 64)")
    with pytest.raises(LedgerRefused, match="does not hold the transaction"):
        home.open()


def test_3_9_roles_with_least_rights(postgres: Postgres, own: str) -> None:
    """Each role does its part and nothing of the others'; an administrator makes them, once or twice."""

    def as_role(role: str) -> str:
        return urlunsplit(urlsplit(own)._replace(netloc=f"{role}:secret@{urlsplit(own).netloc.rpartition('@')[2]}"))

    with psycopg.connect(own, autocommit=True) as connection:
        for _ in range(2):
            connection.execute(roles_sql().encode())
        for role in ("engine_migrate", "engine_apply", "engine_plan", "engine_ingest"):
            connection.execute(f"ALTER ROLE {role} PASSWORD 'secret'".encode())
    PostgresLedger.create(as_role("engine_migrate"), "acme", "production")
    with PostgresLedger.open(as_role("engine_apply"), "acme", "production", command="engine apply") as ledger:
        ledger.commit(run(), changes(sends=[send("1"), send("2")]))
        rows = ledger.claim("w1", 2, MONDAY)
        ledger.begin_dispatch([dispatch(row) for row in rows], MONDAY)
        ledger.settle([said(row, "unknown") for row in rows], MONDAY)
        ledger.resolve(rows[0].send_key, "resend", by="mia", note="", now=MONDAY)
        ledger.commit(run(), changes(sends=[send("1")]))
        ledger.take_in({"1": Order("stop", MONDAY, "mia"), "2": Order("start", MONDAY, "mia")}, MONDAY)
        ledger.settle_unknown({"renewal": "assume_sent"}, MONDAY)
    with PostgresReading.open(as_role("engine_plan"), "acme", "production") as reading:
        assert reading.view(candidates()).tables["recent_sends"].num_rows == 2
        assert [row.address for row in reading.sends().rows] == [None, None]
        shown = reading.show(rows[0].send_key)
        assert shown is not None and (shown.payload, shown.variables) == (None, None)
    refused = {
        "engine_apply": ("DROP TABLE engine.sends", "CREATE TABLE engine.more (x int)", "DELETE FROM engine.sends", "UPDATE engine.transactions SET kind = ''"),
        "engine_plan": ("SELECT address FROM engine.pii", "SELECT payload FROM engine.payloads", "BEGIN READ WRITE; UPDATE engine.sends SET state = 'sent'"),
        "engine_ingest": ("SELECT contact FROM engine.sends", "UPDATE engine.suppressions SET lifted_at = now()", "INSERT INTO engine.controls SELECT FROM engine.controls"),
    }
    for role, statements in refused.items():
        for statement in statements:
            with psycopg.connect(as_role(role)) as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(statement.encode())
    with psycopg.connect(as_role("engine_ingest")) as connection:
        connection.execute(
            "INSERT INTO engine.suppressions (order_id, address_key, reason, since, ordered_by, note) VALUES ('w-1', 'k', 'bounce', now(), 'webhook', '')"
        )
        connection.execute("INSERT INTO engine.events VALUES ('p', '1', %s, 'bounced', now(), now(), 'h') ON CONFLICT DO NOTHING", [rows[0].send_key])


def test_a_reader_is_not_in_the_way(home: PostgresHome) -> None:
    """A page that is open keeps no apply out, and sees each commit."""
    with home.reading() as reading, home.open() as ledger:
        assert reading.copied_at is None
        ledger.commit(run(), changes(sends=[send("1")]))
        assert reading.sends().total == 1
        assert abs((reading.clock() - ledger.clock()).total_seconds()) < 60
        assert reading.warnings() == ()


def test_3_9_a_role_that_may_write_the_crm_is_refused(own: str) -> None:
    """Its owner, one who may change a row or a column of it, and a superuser; not one who may only read it, or may not even see its schema."""
    with psycopg.connect(own, autocommit=True) as connection:
        connection.execute(roles_sql().encode())
        connection.execute(
            b"""CREATE SCHEMA crm; CREATE TABLE crm."Contacts" (id int, email text); CREATE TABLE contacts (id int);
                ALTER ROLE engine_apply PASSWORD 'secret'; GRANT ALL ON contacts TO engine_apply"""
        )

        def refused(url: str, *tables: str, schema: str | None = "crm") -> str:
            try:
                PostgresLedger.refuse_writer(url, "engine", schema, tables)
            except LedgerRefused as no:
                assert (no.exit_code, "engine state roles" in no.help) == (7, True)
                return no.message.partition(", which ")[2]
            return ""

        mine = urlunsplit(urlsplit(own)._replace(netloc=f"engine_apply:secret@{urlsplit(own).netloc.rpartition('@')[2]}"))
        assert refused(own, "contacts") == "owns the CRM's table crm.Contacts"
        assert refused(mine, "contacts", "not_there") == ""
        connection.execute(b'GRANT USAGE ON SCHEMA crm TO engine_apply; GRANT SELECT ON crm."Contacts" TO engine_apply')
        assert refused(mine, "contacts") == ""
        assert refused(mine, "public.contacts") == refused(mine, "contacts", schema=None) == "may change the CRM's table public.contacts"
        connection.execute(b'GRANT UPDATE (email) ON crm."Contacts" TO engine_apply')
        assert refused(mine, "contacts") == "may change the CRM's table crm.Contacts"
        connection.execute(b'ALTER TABLE crm."Contacts" OWNER TO engine_apply')
        assert refused(mine, "contacts") == "owns the CRM's table crm.Contacts"
