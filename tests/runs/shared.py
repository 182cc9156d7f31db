"""A project whose ledger is on a real Postgres, in a schema of its own."""

from __future__ import annotations

from dataclasses import replace
from itertools import count
from pathlib import Path

import psycopg

from tests.plan.base import Row

from .ground import BEGAN, Ground

_numbers = count(1)
IN_A_FILE = "ledger: {duckdb: state/ledger.duckdb}"


def on_postgres(root: Path, url: str, *said: str | Row, create: bool = True) -> Ground:
    """The project of the texts and mappings, with an empty ledger on the server. The one in a file is left where it is."""
    ground = Ground.make(root, *said)
    return to_postgres(ground, url, create=create)


def to_postgres(ground: Ground, url: str, *, create: bool = True) -> Ground:
    ground.change("engine.yaml", IN_A_FILE, f'ledger: {{postgres: "${{LEDGER_URL}}", schema: "runs {next(_numbers)}"}}')
    there = replace(ground, environ={**ground.environ, "LEDGER_URL": url})
    if create:
        site = there.site(f"{BEGAN.isoformat()}+00:00")
        site.home.create(site.now)
    return there


def schema_of(ground: Ground) -> str:
    """The schema's name."""
    setting = ground.site("2026-01-01T00:00:00+00:00").environment.ledger
    return str(getattr(setting, "schema_", ""))


def behind(ground: Ground, query: str) -> list[tuple[object, ...]]:
    """Something done, or asked, behind the ledger's back."""
    with psycopg.connect(ground.environ["LEDGER_URL"]) as connection:
        connection.execute(f'SET search_path = "{schema_of(ground)}"'.encode())
        cursor = connection.execute(query.encode())
        return cursor.fetchall() if cursor.description else []


def lapse(ground: Ground) -> None:
    """An hour passes for the leases of rows and of the lock."""
    behind(ground, "UPDATE sends SET lease_until = lease_until - interval '1 hour' WHERE lease_until IS NOT NULL")
    behind(ground, "UPDATE plan_lock SET lease_until = lease_until - interval '1 hour' WHERE lease_until IS NOT NULL")
