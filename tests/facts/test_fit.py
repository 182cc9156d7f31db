"""`validate --facts`: what of the map does not fit the CRM, with counts and places, and never a person's data."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

from engine.definitions.project import DuckdbFacts
from engine.errors import FactsUnreadable
from engine.facts.fit import check_facts, mend
from engine.problems import Problem
from tests.facts.maps import CRM, NOW, PROJECT, definitions
from tests.facts.test_duckdb_file import TABLES, crm_file

GOOD = TABLES.replace("'bo@example.com', null, null, null, 9", "'bo@example.com', true, false, null, 2").replace(
    "(2, 'Banyan', null)", "(2, 'Banyan', '2001-02-03')"
)


def check(tmp_path: Path, *statements: str, crm: str = CRM, project: str = PROJECT) -> list[Problem]:
    crm_file(tmp_path, GOOD, *statements)
    return check_facts(definitions(crm, project=project), DuckdbFacts(duckdb="crm.duckdb"), tmp_path, NOW)


def told(problems: list[Problem]) -> list[tuple[str, str, str, str]]:
    return [(problem.code, problem.severity, str(problem.origin), problem.message) for problem in problems]


def test_a_map_that_fits_has_no_problems(tmp_path: Path) -> None:
    """Nothing to tell."""
    assert check(tmp_path) == []


def test_everything_at_once_sorted_by_place(tmp_path: Path) -> None:
    """Errors and warnings together, in the order of the file."""
    problems = check(
        tmp_path,
        "insert into companies values (null, 'No key', null), (2, 'Twice', null)",
        "insert into contacts values (14, 'x', 'x', null, null, 'Bangkok', null), (15, 'x', 'x', true, null, ' ', 77), (16, 'x', 'x', true, false, 'UTC', 78)",
        "alter table contracts alter column status set data type integer[] using [1]",
        "insert into contracts (id, end_date) values (8, null), (9, '2222-02-02'), (10, '1970-01-01')",
    )
    assert told(problems) == [
        ("E401", "error", "definitions/crm.yaml:4:10", "1 key of `company` occurs more than once (2 records)"),
        ("E406", "warning", "definitions/crm.yaml:4:10", "1 record of `company` has no key, and is left out"),
        ("E404", "error", "definitions/crm.yaml:30:7", "1 value of `contract.status` (1 of 4 records) does not fit `text`; the column is integer[]"),
        ("E409", "warning", "definitions/crm.yaml:33:64", "`contact.is_active` of 1 record has no value, which counts as active"),
        ("E409", "warning", "definitions/crm.yaml:33:89", "`contact.unsubscribed` of 2 records has no value, which counts as not unsubscribed"),
        (
            "E408",
            "warning",
            "definitions/crm.yaml:33:113",
            "`contact.zone` of 1 record is no IANA time zone; the project's is used for them",
        ),
    ]


def test_7_5_relations_that_point_nowhere(tmp_path: Path) -> None:
    """Each `via` is counted once, though two relations use it; no value points nowhere by intent and is not counted."""
    problems = check(
        tmp_path, "update contacts set company_id = 99 where id = 13", "insert into contacts (id, is_active, unsubscribed) values (20, true, false)"
    )
    assert told(problems) == [
        (
            "E405",
            "warning",
            "definitions/crm.yaml:9:7",
            "`contact.company_id` of 1 record (of 2 that have a value) is the key of no `company`",
        )
    ]


def test_3_1_values_of_date_triggers_that_start_nothing(tmp_path: Path) -> None:
    """No value, before 1970-01-02, after 2100."""
    values = ", ".join(f"({key}, {day})" for key, day in [(8, "null"), (9, "'2101-01-01'"), (10, "'1970-01-01'"), (11, "'1970-01-02'"), (12, "'2100-12-31'")])
    problems = check(tmp_path, f"insert into contracts (id, end_date) values {values}")
    assert told(problems) == [
        (
            "E410",
            "warning",
            "definitions/crm.yaml:27:7",
            "`contract.end_date`: 1 record without a value, 1 record before 1970-01-02, 1 record after 2100; they start no sequence",
        )
    ]


def test_4_7_flags_of_consent(tmp_path: Path) -> None:
    """No value for a topic that people opt in to counts as no consent; for one that they opt out of, as consent."""
    crm = CRM.replace("zone: text", "zone: text\n      news: boolean\n      offers: boolean").replace(
        "timezone: zone}", "consent: {news: news, offers: offers}}"
    )
    project = PROJECT + "topics: {news: {consent: opt_in}, offers: {consent: opt_out}}\n"
    problems = check(tmp_path, "alter table contacts add column news boolean", "alter table contacts add column offers boolean", crm=crm, project=project)
    assert [problem.message for problem in problems] == [
        "`contact.news` of 2 records has no value, which counts as no consent",
        "`contact.offers` of 2 records has no value, which counts as consent",
    ]


def test_unknown_zones_do_not_show_the_values(tmp_path: Path) -> None:
    """Counts only: a field that is mapped wrongly may hold anything."""
    problems = check(tmp_path, "update contacts set zone = 'ana@example.com'")
    assert [problem.code for problem in problems] == ["E408"]
    assert "example.com" not in problems[0].message + problems[0].help


def test_views_that_fail_are_problems_not_crashes(tmp_path: Path) -> None:
    """A view of the CRM that reads a file, or casts what does not convert, is told at its table."""
    (tmp_path / "x.csv").write_text("id\n1\n")
    problems = check(
        tmp_path,
        "drop table companies",
        f"create view companies as select id, 'x' as name, null::date as founded from read_csv('{tmp_path / 'x.csv'}')",
        "alter table contacts rename to c",
        "create view contacts as select *, email::int as n from c",
        "drop table contracts",
        "create view contracts as select id, 1 as company_id, name::date as end_date, null::timestamp as signed_at, 1 as monthly_value, '' as status from c",
    )
    assert [(p.code, str(p.origin)) for p in problems if p.severity == "error"] == [("E407", "definitions/crm.yaml:3:5"), ("E407", "definitions/crm.yaml:23:5")]
    assert all("Ana" not in problem.message for problem in problems)


def test_a_source_that_is_not_there(tmp_path: Path) -> None:
    """That is no problem of the map: FactsUnreadable, for the command to say."""
    with pytest.raises(FactsUnreadable):
        check_facts(definitions(), DuckdbFacts(duckdb="crm.duckdb"), tmp_path, NOW)


def test_every_code_can_be_mended() -> None:
    """`doctor` has a sentence for each code of the facts, and none for others."""
    for number in range(401, 411):
        assert mend(Problem(f"E{number}", "")).endswith(".")
    assert mend(Problem("E101", "")) == ""


def test_the_file_is_given_back(tmp_path: Path) -> None:
    """After the check another program may write."""
    check(tmp_path)
    with duckdb.connect(str(tmp_path / "crm.duckdb")) as connection:
        connection.execute("delete from contacts")
