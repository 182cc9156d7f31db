"""The same definitions, facts and dates give the same send keys, wherever the facts come from and wherever the ledger is."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import duckdb
import psycopg
import pytest

from engine.ledger.keys import send_key
from tests.plan.base import COLUMNS, TABLES, contact, contract
from tests.plan.samples import RENEWAL, TRIAL
from tests.postgres_server import Postgres

from .ground import Ground
from .shared import on_postgres

DAYS = ("2026-03-02T09:00:00+07:00", "2026-03-18T09:00:00+07:00")
RECORDS = (
    contract(7, end_date="2026-04-01"), contract(8, end_date="2026-04-01", status="draft"), contract(12, end_date="2026-04-15"),
    contact(1, trial_end="2026-03-02", language="th"), contact(2, name="สมชาย"), contact(3, email=None), contact(4, is_active=False),
    contact(5, email=" Person2@Example.COM "),
)  # fmt: skip
IN_DUCKDB = "facts: {duckdb: state/crm.duckdb}"


def keys() -> set[tuple[str, str]]:
    """Contract 7 is told 30 and 14 days ahead and 12 thirty, each to contacts 1 and 2; 5 has the mailbox of 2, 3 has none, 4 is not active."""
    told = [("7", "2026-04-01", "notice-30"), ("7", "2026-04-01", "notice-14"), ("12", "2026-04-15", "notice-30")]
    found = {(str(send_key("renewal", step, "contract", record, day, who)), "sent") for record, day, step in told for who in ("1", "2")}
    found |= {(str(send_key("renewal", step, "contract", record, day, "5")), "skipped") for record, day, step in told}
    return found | {(str(send_key("trial", "ends", "contact", "1", "2026-03-02", "1")), "sent")}


def from_files(ground: Ground, kind: str) -> None:
    """The tables of the CRM's file, written out; the file is gone then."""
    (ground.root / "data").mkdir()
    with duckdb.connect(str(ground.root / "state" / "crm.duckdb")) as crm:
        for table in TABLES.values():
            crm.execute(f"COPY {table} TO '{ground.root / 'data' / table}.{kind}'" + (" (HEADER)" if kind == "csv" else ""))
    (ground.root / "state" / "crm.duckdb").unlink()
    named = ", ".join(f"{table}: data/{table}.{kind}" for table in TABLES.values())
    ground.change("engine.yaml", IN_DUCKDB, f"facts: {{files: {{{named}}}}}")


def from_postgres(ground: Ground, url: str) -> Ground:
    """The same tables on a server."""
    with duckdb.connect(str(ground.root / "state" / "crm.duckdb")) as crm, psycopg.connect(url, autocommit=True) as server:
        for entity, columns in COLUMNS.items():
            server.execute(f"CREATE TABLE {TABLES[entity]} ({', '.join(f'{name} {kind}' for name, kind in columns.items())})".encode())
            for row in crm.execute(f"FROM {TABLES[entity]}").fetchall():
                server.execute(f"INSERT INTO {TABLES[entity]} VALUES ({', '.join(['%s'] * len(row))})".encode(), row)
    (ground.root / "state" / "crm.duckdb").unlink()
    ground.change("engine.yaml", IN_DUCKDB, 'facts: {postgres: "${CRM_URL}"}')
    return replace(ground, environ={**ground.environ, "CRM_URL": url})


@pytest.mark.parametrize("home", ["file", "postgres"])
@pytest.mark.parametrize("source", ["duckdb", "csv", "parquet", "json", "postgres"])
def test_1_1_the_same_keys_from_every_source_in_every_home(source: str, home: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    """1.1: two applies, sixteen days apart; every key that is taken, and how it ended, is the same."""
    said = (RENEWAL, TRIAL, *RECORDS)
    ground = Ground.make(tmp_path / "shop", *said) if home == "file" else on_postgres(tmp_path / "shop", request.getfixturevalue("database"), *said)
    if source == "postgres":
        server: Postgres = request.getfixturevalue("postgres")
        with server.database() as url:
            assert taken(from_postgres(ground, url)) == keys()
        return
    if source != "duckdb":
        from_files(ground, source)
    assert taken(ground) == keys()


def taken(ground: Ground) -> set[tuple[str, str]]:
    for day in DAYS:
        assert ground.apply(day).exit_code == 0
    with ground.site(DAYS[-1]).read_ledger() as ledger:
        return {(row.send_key, row.state) for row in ledger.sends(limit=1000).rows}
