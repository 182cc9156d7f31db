"""Threat 17 of reliability.md: SQL of the map reads the CRM's tables, and nothing else."""

from __future__ import annotations

import os
from pathlib import Path

import duckdb
import pytest

from engine.definitions.project import DuckdbFacts, FilesFacts
from engine.errors import DefinitionsInError
from engine.facts.reading import read_snapshot
from engine.facts.sandbox import NotOneSelect, one_select
from tests.facts.maps import NOW, one

SECRET = "canary-7f3a"

REACHING_OUT = [
    "select * from read_csv('{secret}')",
    "select * from read_text('{secret}')",
    "select * from read_blob('{secret}')",
    "select * from read_json('{secret}')",
    "select * from read_parquet('{secret}')",
    "select * from parquet_metadata('{secret}')",
    "select 1 as id, delimiter as email from sniff_csv('{secret}')",
    "select * from glob('{folder}/*')",
    "select * from '{secret}'",
    "select 1 as id, getenv('ENGINE_CANARY') as email",
    "select 1 as id, name as email from duckdb_secrets()",
    "select * from query('select * from read_text(''{secret}'')')",
    "select * from query_table('{secret}')",
    "select * from secret_frame",
    "with x as (select * from read_text('{secret}')) select 1 as id, (select content from x) as email",
]
NO_SELECT = [
    "copy (select 1) to '{folder}/out.csv'",
    "copy people to '{folder}/out.csv'",
    "export database '{folder}/out'",
    "attach '{folder}/other.duckdb'",
    "install httpfs",
    "load httpfs",
    "set enable_external_access = true",
    "reset lock_configuration",
    "pragma enable_profiling",
    "call enable_logging()",
    "create table x as select 1 as id",
    "insert into people values (2, 'x')",
    "update people set email = 'x'",
    "delete from people",
    "drop table people",
    "detach source",
    "use memory",
    "begin",
    "prepare q as select 1",
    "select 1 as id, 'x' as email; select 2",
    "select 1 as id, 'x' as email; copy (select 1) to '{folder}/out.csv'",
    "select 1 as id) as q; copy (select 1) to '{folder}/out.csv'; select * from (select 1",
    "",
    "not even sql",
]


@pytest.fixture
def crm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "secret.txt").write_text(f"a\n{SECRET}\n")
    monkeypatch.setenv("ENGINE_CANARY", SECRET)
    with duckdb.connect(str(tmp_path / "crm.duckdb")) as connection:
        connection.execute("create table people (id int, email varchar)")
        connection.execute("insert into people values (1, 'ana@example.com')")
    (tmp_path / "people.csv").write_text("id,email\n1,ana@example.com\n")
    return tmp_path


def entity(sql: str, folder: Path) -> str:
    written = sql.replace("{secret}", str(folder / "secret.txt")).replace("{folder}", str(folder))
    return f"    key: id\n    sql: |\n      {written}\n    fields: {{email: text}}"


@pytest.mark.parametrize("sql", REACHING_OUT + [statement for statement in NO_SELECT if statement])
@pytest.mark.parametrize("source", [DuckdbFacts(duckdb="crm.duckdb"), FilesFacts(files={"people": "people.csv"})], ids=["duckdb", "files"])
def test_threat_17_sql_of_the_map_reaches_no_file(crm: Path, sql: str, source: DuckdbFacts | FilesFacts) -> None:
    """Each try ends in a problem that names the entity, writes no file, and shows nothing of what it reached for."""
    before = sorted(os.listdir(crm))
    with pytest.raises(DefinitionsInError) as caught:
        read_snapshot(one(entity(sql, crm)), source, now=NOW, root=crm)
    assert {problem.code for problem in caught.value.problems} == {"E407"}
    assert SECRET not in "".join(problem.message + problem.help for problem in caught.value.problems)
    assert sorted(os.listdir(crm)) == before


@pytest.mark.parametrize("source", [DuckdbFacts(duckdb="crm.duckdb"), FilesFacts(files={"people": "people.csv"})], ids=["duckdb", "files"])
def test_sql_of_the_map_that_would_never_end_ends(crm: Path, source: DuckdbFacts | FilesFacts, monkeypatch: pytest.MonkeyPatch) -> None:
    """A pull request cannot hold a plan for ever: the SELECT is interrupted when its time is over, and told at its place."""
    monkeypatch.setattr("engine.facts.map_sql.LONGEST_SECONDS", 0.2)
    endless = "select 1 as id, count(*)::varchar as email from range(1000000000) a, range(1000000000) b where a.range + b.range = 7"
    with pytest.raises(DefinitionsInError) as caught:
        read_snapshot(one(entity(endless, crm)), source, now=NOW, root=crm)
    (problem,) = caught.value.problems
    assert (problem.code, problem.message) == ("E407", "the SQL of `contact` cannot be read: it takes longer than 0.2 seconds")
    assert problem.origin.line > 1


@pytest.mark.parametrize("source", [DuckdbFacts(duckdb="crm.duckdb"), FilesFacts(files={"people": "people.csv"})], ids=["duckdb", "files"])
def test_the_planners_connection_stays_sealed(crm: Path, source: DuckdbFacts | FilesFacts) -> None:
    """Whoever holds a snapshot can make tables in it, and reach nothing else."""
    with read_snapshot(one("    {table: people, key: id, fields: {email: text}}"), source, now=NOW, root=crm) as snapshot:
        snapshot.connection.execute("create temp table mine as select * from facts.contact")
        tries = [sql for sql in REACHING_OUT if "secret_frame" not in sql]
        tries += [sql for sql in NO_SELECT if sql.startswith(("copy", "export", "attach", "install", "load", "set", "reset")) and "people" not in sql]
        for sql in tries:
            with pytest.raises(duckdb.Error):
                snapshot.connection.execute(sql.replace("{secret}", str(crm / "secret.txt")).replace("{folder}", str(crm))).fetchall()


@pytest.mark.parametrize(
    "sql",
    [
        "insert into people values (1)",
        "with gone as (delete from people returning *) select * from gone",
        "select 1; select 2",
        "select * into copied from people",
        "copy people to program 'cat'",
        "set role admin",
        "do $$ begin end $$",
        "drop table people",
        "",
    ],
)
def test_postgres_takes_one_select_too(sql: str) -> None:
    """What writes is refused before it reaches the server (where the transaction is read-only as well)."""
    with pytest.raises(NotOneSelect):
        one_select(sql, "postgres")


@pytest.mark.parametrize("sql", ["select 1", "with a as (select 1) select * from a;", "select 1 union all select 2", "(select 1)"])
def test_what_reads_is_taken(sql: str) -> None:
    """WITH, UNION, parentheses and a closing semicolon are fine."""
    assert one_select(sql, "postgres") == sql.rstrip(";")
    assert one_select(sql, "duckdb") == sql.rstrip(";")
