"""Northwind, planned: a schema that nobody here designed, in a real Postgres, against SQL written by hand."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import psycopg
import pytest

from engine.definitions.definitions import Definitions
from engine.definitions.loading import load
from engine.definitions.project import PostgresFacts
from engine.definitions.trees import MemoryTree
from engine.facts.fit import check_facts
from engine.facts.reading import read_snapshot
from engine.ledger.pseudonyms import Pseudonyms
from engine.ledger.records import LedgerView
from engine.plan.planning import make_plan
from tests.examples.northwind import PROJECT, SEQUENCE, needs_data, northwind
from tests.postgres_server import Postgres

MOMENT = datetime(1998, 5, 19, 9, 0)

# The rules of semantics 3.6, 3.7 and 5.6 for three letters, in Postgres' own words and none of the engine's.
BY_HAND = """
with letters(step, days, next_days) as (values ('in-14-days', 14, 7), ('in-7-days', 7, 1), ('tomorrow', 1, null)),
due as (
  select o.order_id, l.step,
         o.required_date + time '09:00' - make_interval(days => l.days) as due,
         o.required_date + time '09:00' - make_interval(days => l.next_days) as next_due
  from orders o cross join letters l
  where o.shipped_date is null and o.required_date is not null
)
select order_id::text, step from due
where due <= %(now)s and %(now)s < due + interval '7 days' and (next_due is null or %(now)s < next_due) and due >= %(start)s
order by 1
"""


@pytest.fixture(scope="module")
def url(postgres: Postgres) -> Iterator[str]:
    with northwind(postgres) as url:
        yield url


def definitions(start: str) -> Definitions:
    files = {str(path.relative_to(PROJECT)): path.read_bytes() for path in PROJECT.rglob("*") if path.is_file() and "state" not in path.parts}
    files[SEQUENCE] = files[SEQUENCE].replace(b"active_from: 1998-05-19", f"active_from: {start}".encode())
    loaded = load(MemoryTree(files))
    assert loaded.problems == ()
    assert loaded.definitions is not None
    return loaded.definitions


@needs_data
@pytest.mark.parametrize(("start", "letters"), [("1998-05-19", 6), ("1998-05-01", 13)])
def test_3_7_5_6_the_letters_that_are_due(url: str, start: str, letters: int) -> None:
    """The plan has exactly the letters that SQL written by hand finds; six from the day itself, thirteen from the first of May."""
    found = definitions(start)
    with read_snapshot(found, PostgresFacts(postgres=url), now=MOMENT, root=Path(".")) as snapshot:
        assert (snapshot.counts["order"], snapshot.counts["contact"]) == (830, 91)
        plan = make_plan(found, snapshot, lambda _: LedgerView.empty(), MOMENT, environment="dev", address_key=Pseudonyms(b"k" * 32).address_key)
        sends = plan.changes["sends"].to_pylist()
    with psycopg.connect(url) as connection:
        by_hand = connection.execute(BY_HAND, {"now": MOMENT, "start": datetime.fromisoformat(start)}).fetchall()
    assert sorted((send["record"], send["step"]) for send in sends) == by_hand
    assert len(sends) == letters
    assert {send["address"] for send in sends} >= {f"{who}@example.org" for who in ("cactu", "ernsh", "greal", "lehms", "lilas", "peric")}


@needs_data
def test_the_map_fits(url: str) -> None:
    """`validate --facts` has nothing to say about Northwind."""
    assert check_facts(definitions("1998-05-19"), PostgresFacts(postgres=url), Path("."), MOMENT) == []


def test_the_example_has_no_problems() -> None:
    """The files are good without a database and without secrets."""
    definitions("1998-05-19")
