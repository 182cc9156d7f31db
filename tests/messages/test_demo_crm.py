"""The made-up CRM: always the same, of the promised size, with the flaws that a plan must tell about, and nobody real in it."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import duckdb
import pytest

from engine.definitions.trees import WorkTree
from engine.library.demo_crm import VIP, WELCOMED, DemoCrm, make_demo_crm
from engine.messages.addresses import is_address_sql, trimmed_sql
from engine.runs.opening import sound_definitions

TODAY = date(2026, 11, 22)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, DemoCrm]:
    path = tmp_path_factory.mktemp("demo") / "crm.duckdb"
    return path, make_demo_crm(path, TODAY)


def test_the_same_day_and_seed_make_the_same_records(made: tuple[Path, DemoCrm], tmp_path: Path) -> None:
    """Table by table; and nothing but the one file is written."""
    again = tmp_path / "crm.duckdb"
    assert make_demo_crm(again, TODAY) == made[1]
    assert [path.name for path in tmp_path.iterdir()] == ["crm.duckdb"]
    for table in made[1].counts:
        rows = []
        for path in (made[0], again):
            with duckdb.connect(str(path), read_only=True) as connection:
                rows.append(connection.execute(f"SELECT * FROM {table} ORDER BY id").fetchall())
        assert rows[0] == rows[1]


def test_it_has_what_the_issue_promises(made: tuple[Path, DemoCrm]) -> None:
    """500 companies, about 1,500 contacts in two languages; without billing contacts, without addresses, unsubscribed, bounced."""
    path, demo = made
    assert demo.counts["companies"] == 500 and 1400 <= demo.counts["contacts"] <= 1600 and len(demo.bounced) >= 4
    address = is_address_sql(trimmed_sql("email"))
    with duckdb.connect(str(path), read_only=True) as connection:

        def count(question: str) -> int:
            row = connection.execute(question).fetchone()
            assert row is not None
            return int(row[0])

        assert count("SELECT count(*) FROM contacts WHERE language = 'th'") > 500 and count("SELECT count(*) FROM contacts WHERE language = 'en'") > 400
        assert count("SELECT count(*) FROM contacts WHERE regexp_matches(name, '[ก-๙]')") > 300
        assert count("SELECT count(*) FROM companies c WHERE NOT exists(FROM contacts k WHERE k.company_id = c.id AND k.contact_type = 'billing')") > 50
        assert count("SELECT count(*) FROM contacts WHERE coalesce(trim(email), '') = ''") > 20
        assert count(f"SELECT count(*) FROM contacts WHERE trim(email) <> '' AND NOT {address}") > 10
        assert count("SELECT count(*) FROM contacts WHERE unsubscribed") > 80 and count("SELECT count(*) FROM contacts WHERE NOT is_active") > 40
        assert count("SELECT count(*) FROM (SELECT lower(trim(email)) e FROM contacts WHERE trim(email) <> '' GROUP BY e HAVING count(*) > 1)") > 5
        assert count("SELECT max(length(name)) FROM contacts") >= 60
        for table in demo.counts:
            assert count(f"SELECT count(*) - count(DISTINCT id) FROM {table}") == 0


def test_nobody_real_is_in_it(made: tuple[Path, DemoCrm]) -> None:
    """Every address lies under example.com, example.org or .example."""
    with duckdb.connect(str(made[0]), read_only=True) as connection:
        found = connection.execute(
            f"SELECT email FROM contacts WHERE {is_address_sql(trimmed_sql('email'))} AND NOT regexp_matches(lower(trim(email)), '(@example[.]com|@example[.]org|[.]example)$')"
        ).fetchall()
    assert found == []


def test_the_people_whom_the_definitions_name_are_there(made: tuple[Path, DemoCrm]) -> None:
    """Enrollment files and the static segment name keys; each is a contact with an address, and nobody is an oldest customer and welcomed as a new one."""
    with duckdb.connect(str(made[0]), read_only=True) as connection:
        keys = [row[0] for row in connection.execute(f"SELECT id FROM contacts WHERE is_active AND {is_address_sql(trimmed_sql('email'))}").fetchall()]
    assert {*WELCOMED, *VIP} <= set(keys)
    definitions = sound_definitions(WorkTree(Path(__file__).parents[2]))[0]
    assert [int(key) for key in definitions.members["vip"]] == list(VIP)
    assert [int(key) for key in definitions.enrollments["2026-11-trade-fair"].contacts] == list(WELCOMED)
    assert not {*WELCOMED} & {*VIP}
