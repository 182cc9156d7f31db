"""Facts from a DuckDB file: read where they lie, with keys as text and canonical types."""

from __future__ import annotations

import subprocess
import sys
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest

from engine.definitions.project import DuckdbFacts
from engine.errors import DefinitionsInError, FactsUnreadable
from engine.facts.needs import everything
from engine.facts.reading import read_snapshot, snapshot_of_rows
from engine.facts.snapshot import Snapshot
from tests.facts.maps import CRM, NOW, definitions, one, rows

TABLES = """
create table companies (id integer, name varchar, founded date);
create table contacts (id integer, name varchar, email varchar, is_active boolean, unsubscribed boolean, zone varchar, company_id integer);
create table contracts (id bigint, company_id integer, end_date date, signed_at timestamptz, monthly_value decimal(12,2), status varchar, secret varchar);
insert into companies values (1, 'Lotus Hotel', '1999-01-02'), (2, 'Banyan', null);
insert into contacts values (12, 'Ana', 'ana@example.com', true, false, 'Asia/Bangkok', 1), (13, 'Bo', 'bo@example.com', null, null, null, 9);
insert into contracts values (7, 1, '2026-12-31', '2026-01-05 09:00:00+07', 4500.50, 'active', 'x');
"""


def crm_file(tmp_path: Path, *statements: str) -> Path:
    path = tmp_path / "crm.duckdb"
    with duckdb.connect(str(path)) as connection:
        for statement in statements:
            connection.execute(statement)
    return path


def read(tmp_path: Path, crm: str = CRM, **options: Any) -> Snapshot:
    """Every field; with `needs=None` those that the definitions name."""
    found = definitions(crm)
    return read_snapshot(found, DuckdbFacts(duckdb="crm.duckdb"), now=NOW, root=tmp_path, **{"needs": everything(found), **options})


def of_one(tmp_path: Path, entity_yaml: str, *statements: str) -> Snapshot:
    crm_file(tmp_path, *statements)
    found = one(entity_yaml)
    return read_snapshot(found, DuckdbFacts(duckdb="crm.duckdb"), now=NOW, root=tmp_path, needs=everything(found))


def test_every_field_has_its_canonical_type(tmp_path: Path) -> None:
    """Keys are text, instants naive UTC, decimals exact; no value stays no value."""
    crm_file(tmp_path, TABLES)
    with read(tmp_path) as snapshot:
        assert rows(snapshot, "contract", "_key", "company_id", "end_date", "signed_at", "monthly_value") == [
            ("7", 1, date(2026, 12, 31), datetime(2026, 1, 5, 2, 0), Decimal("4500.5000000000"))
        ]
        assert rows(snapshot, "contact", "_key", "name", "is_active") == [("12", "Ana", True), ("13", "Bo", None)]
        types = snapshot.connection.execute("SELECT column_name, column_type FROM (DESCRIBE facts.contract) ORDER BY 1").fetchall()
        assert dict(types) == {
            "_key": "VARCHAR", "company_id": "BIGINT", "end_date": "DATE", "signed_at": "TIMESTAMP", "monthly_value": "DECIMAL(38,10)", "status": "VARCHAR",
        }  # fmt: skip
        assert (snapshot.counts, snapshot.left_out) == ({"company": 2, "contact": 2, "contract": 1}, {"company": 0, "contact": 0, "contract": 0})
        assert snapshot.taken_at == NOW


def test_a_table_that_fits_is_not_copied(tmp_path: Path) -> None:
    """The entity is a view over the file's table."""
    crm_file(tmp_path, TABLES)
    with read(tmp_path) as snapshot:
        assert snapshot.connection.execute("SELECT count(*) FROM duckdb_tables() WHERE database_name = 'memory'  AND schema_name = 'facts'").fetchall() == [
            (0,)
        ]
        assert snapshot.connection.execute("SELECT count(*) FROM duckdb_views() WHERE database_name = 'memory' AND schema_name = 'facts'").fetchall() == [(3,)]


def test_only_the_columns_that_are_named_are_read(tmp_path: Path) -> None:
    """A column that nobody names may even be missing."""
    crm_file(tmp_path, TABLES, "alter table contracts drop column monthly_value", "alter table companies drop column founded")
    with read(tmp_path, needs=None) as snapshot:
        assert snapshot.fields["contract"] == ("company_id", "end_date", "status")
        assert snapshot.fields["company"] == ()
        assert snapshot.counts["company"] == 2


def test_1_1_equal_records_have_one_digest_whatever_the_source(tmp_path: Path) -> None:
    """A snapshot of rows and one of a file agree; another value, another digest; the order of rows is nothing."""
    crm_file(tmp_path, TABLES)
    given: dict[str, list[dict[str, Any]]] = {
        "company": [{"id": 2, "name": "Banyan"}, {"id": "1", "name": "Lotus Hotel", "founded": date(1999, 1, 2)}],
        "contact": [
            {"id": 13, "name": "Bo", "email": "bo@example.com", "company_id": 9},
            {
                "id": 12, "name": "Ana", "email": "ana@example.com", "is_active": True, "unsubscribed": False,
                "zone": "Asia/Bangkok", "company_id": 1.0,
            },
        ],
        "contract": [
            {
                "id": 7, "company_id": 1, "end_date": "2026-12-31", "signed_at": "2026-01-05T09:00:00+07:00", "monthly_value": Decimal("4500.5"),
                "status": "active",
            }
        ],
    }  # fmt: skip
    with read(tmp_path) as of_file, snapshot_of_rows(definitions(), given, now=NOW) as of_rows:
        assert of_file.digest == of_rows.digest
    given["contract"][0]["status"] = "cancelled"
    with snapshot_of_rows(definitions(), given, now=NOW) as other:
        assert other.digest != of_file.digest


@pytest.mark.parametrize(
    ("column_type", "values", "keys"),
    [
        ("decimal(9,2)", "(12.00), (12.50), (-3)", ["-3", "12", "12.5"]),
        ("double", "(12.0), (1.5), ('nan')", ["1.5", "12"]),
        ("uuid", "('6F1ED002-AB5F-4E25-9B2B-B2B1B2B3B4B5')", ["6f1ed002-ab5f-4e25-9b2b-b2b1b2b3b4b5"]),
        ("varchar", "(' 12 '), ('012'), ('ÄB'), (''), ('  '), (null), (chr(9)), (' ' || chr(160))", [" 12 ", "012", "ÄB"]),
        ("hugeint", "(170141183460469231731687303715884105727)", ["170141183460469231731687303715884105727"]),
    ],
)
def test_keys_are_text(tmp_path: Path, column_type: str, values: str, keys: list[str]) -> None:
    """Whole numbers are plain, uuids lower case, text never trimmed; blank keys are left out and counted (7.5)."""
    yaml = "    {table: c, key: id, fields: {email: text}}"
    with of_one(tmp_path, yaml, f"create table c (id {column_type}, email varchar)", f"insert into c (id) values {values}") as snapshot:
        assert [key for (key,) in rows(snapshot, "contact", "_key")] == keys
        (total,) = snapshot.connection.execute("SELECT count(*) FROM source.c").fetchone() or (0,)
        assert snapshot.left_out == {"contact": total - len(keys)}


def test_7_5_a_key_that_occurs_twice_stops_the_plan(tmp_path: Path) -> None:
    """E401 with counts, without anybody's data, at the key in the map. 12 and 12.0 are one key."""
    with pytest.raises(DefinitionsInError) as caught:
        of_one(
            tmp_path,
            "    {table: c, key: ref, fields: {email: text}}",
            "create table c (ref varchar, email varchar)",
            "insert into c values ('a', 'ana@example.com'), ('a', 'bo@example.com'), ('b', 'x'), ('b', 'y'), ('b', 'z'), ('c', null)",
        )
    (problem,) = caught.value.problems
    assert (problem.code, problem.message) == ("E401", "2 keys of `contact` occur more than once (5 records)")
    assert "example.com" not in problem.message + problem.help
    assert str(problem.origin) == "definitions/crm.yaml:3:21"


def test_the_maps_sql_runs_in_the_source(tmp_path: Path) -> None:
    """A SELECT sees the file's tables by their bare names; it runs once, and its columns are typed like a table's."""
    yaml = """    key: id
    sql: |
      -- people who are still here; and a comment with a 'quote'
      with here as (select * from people where not gone) select id, lower(mail) as email from here;
    fields: {email: text}"""
    setup = ("create table people (id int, mail varchar, gone bool)", "insert into people values (1, 'ANA@EXAMPLE.COM', false), (2, 'x', true)")
    with of_one(tmp_path, yaml, *setup) as snapshot:
        assert rows(snapshot, "contact", "_key", "email") == [("1", "ana@example.com")]


def test_schemas_and_case_of_names(tmp_path: Path) -> None:
    """`table: sales.People` is a table of a schema; a column is found whatever its case."""
    with of_one(
        tmp_path,
        "    {table: sales.people, key: ID, fields: {email: {type: text, column: e-mail}}}",
        "create schema sales",
        'create table sales.People (Id int, "E-Mail" varchar)',
        "insert into sales.People values (1, 'ana@example.com')",
    ) as snapshot:
        assert rows(snapshot, "contact", "_key", "email") == [("1", "ana@example.com")]


def test_all_that_is_missing_is_told_at_once(tmp_path: Path) -> None:
    """A table and two columns: three problems with their places, and what was meant."""
    crm_file(tmp_path, TABLES, "alter table contacts rename to contact_list", "alter table contracts rename column end_date to enddate")
    with pytest.raises(DefinitionsInError) as caught:
        read(tmp_path)
    assert [(p.code, str(p.origin), p.message, p.help) for p in caught.value.problems] == [
        (
            "E402",
            "definitions/crm.yaml:11:12",
            "the CRM has no table `contacts`, which `contact` is read from",
            "did you mean `contracts`?",
        ),
        ("E403", "definitions/crm.yaml:27:7", "the CRM has no column `end_date`, which is the field `contract.end_date`", "did you mean `enddate`?"),
    ]


def test_dates_beyond_the_calendar_stay_dates(tmp_path: Path) -> None:
    """Infinity and years before 1 stand at the ends of what Python can hold; no value stays none."""
    yaml = "    {table: c, key: id, fields: {email: text, d: date, t: timestamp, z: timestamp}}"
    values = "(1, 'infinity', 'infinity', 'infinity'), (2, '-infinity', '0044-03-15 (BC) 12:00', null), (3, null, null, '2026-01-01 00:00:00+00')"
    with of_one(
        tmp_path, yaml, "create table c (id int, email text, d date, t timestamp, z timestamptz)", f"insert into c (id, d, t, z) values {values}"
    ) as snapshot:
        assert rows(snapshot, "contact", "d", "t", "z") == [
            (date(9999, 12, 31), datetime(9999, 12, 29), datetime(9999, 12, 29)),
            (date(1, 1, 1), datetime(1, 1, 3), None),
            (None, None, datetime(2026, 1, 1)),
        ]


def test_a_file_that_another_program_writes_is_named(tmp_path: Path) -> None:
    """DuckDB lets nobody read a file that another process has open for writing: the message says so."""
    path = crm_file(tmp_path, TABLES)
    code = f"import duckdb, sys; c = duckdb.connect({str(path)!r}); print('open', flush=True); sys.stdin.read()"
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "open\n"
        with pytest.raises(FactsUnreadable) as caught:
            read(tmp_path)
        assert "open for writing in another program" in caught.value.message
        assert str(holder.pid) in caught.value.message
        holder.communicate("")
    read(tmp_path).close()


@pytest.mark.parametrize("content", [None, b"", b"not a database at all, by any means" * 100])
def test_what_is_no_database_is_unreadable(tmp_path: Path, content: bytes | None) -> None:
    """No file, an empty one, or another kind of file: FactsUnreadable that names it."""
    if content is not None:
        (tmp_path / "crm.duckdb").write_bytes(content)
    with pytest.raises((FactsUnreadable, DefinitionsInError)) as caught:
        read(tmp_path)
    if isinstance(caught.value, FactsUnreadable):
        assert "crm.duckdb" in caught.value.message


def test_two_snapshots_of_one_file_at_once(tmp_path: Path) -> None:
    """`diff` reads two revisions over the same facts."""
    crm_file(tmp_path, TABLES)
    with read(tmp_path) as first, read(tmp_path) as second:
        assert first.digest == second.digest
