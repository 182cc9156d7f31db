"""`engine import django`: a Postgres database of the Django CRM becomes definitions that validate, and history that can be imported."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psycopg
import pytest
import yaml

import engine.library
from engine.cutover.django import carry
from engine.cutover.django_tables import read_tables
from engine.ledger.pseudonyms import make_pseudonym_key
from tests.cutover.world import Shop, rows
from tests.postgres_server import Postgres, postgres
from tests.runs.ground import Ground

__all__ = ["postgres"]

LIBRARY = Path(engine.library.__file__).parent
TABLES = """
CREATE TABLE crm_app_emailtemplate (id uuid PRIMARY KEY, name text, template_type text, language text, subject text, body_html text, body_text text, is_active boolean);
CREATE TABLE crm_app_emailsequence (id uuid PRIMARY KEY, name text, description text, sequence_type text, trigger_event text, is_active boolean);
CREATE TABLE crm_app_emailsequencestep (id uuid PRIMARY KEY, sequence_id uuid, step_order integer, template_id uuid, delay_days integer, send_time time,
  is_active boolean, condition_field text, condition_operator text, condition_value text);
CREATE TABLE crm_app_sequenceenrollment (id uuid PRIMARY KEY, sequence_id uuid, contact_id integer, company_id integer, status text, current_step integer,
  next_send_date timestamptz, enrolled_at timestamptz, completed_at timestamptz, enrolled_by_id integer, notes text);
CREATE TABLE crm_app_sequenceemail (id uuid PRIMARY KEY, enrollment_id uuid, step_id uuid, status text, sent_at timestamptz, opened_at timestamptz, error_message text);
CREATE TABLE crm_app_customersegment (id uuid PRIMARY KEY, name text, description text, segment_type text, status text, filter_criteria jsonb, tags text);
CREATE TABLE crm_app_customersegment_static_contacts (id serial PRIMARY KEY, customersegment_id uuid, contact_id integer);
CREATE TABLE crm_app_emaillog (id uuid PRIMARY KEY, contact_id integer, contract_id integer, invoice_id integer, template_used_id uuid, to_email text, subject text,
  status text, sent_at timestamptz, message_id text);
"""


def uuid(number: int) -> str:
    return f"00000000-0000-0000-0000-{number:012d}"


TEMPLATES = [
    (1, "Welcome", "welcome", "en", 'Welcome to us: "{{ contact_name|default:"you" }}"', "<p>Hello {{ contact_name }} of {{ company_name }}</p>", "Hello {{ contact_name }}", True),
    (2, "Welcome TH", "welcome", "th", "ยินดีต้อนรับ {{ contact_name }}", "<p>สวัสดี {{ contact_name }}</p>", "สวัสดี", True),
    (3, "Renewal", "renewal_30_days", "en", "Ends: {{ end_date }}", "<p>{{ contract_number }} ends in {{ days_until_expiry }} days</p>", None, True),
    # What a form lets people write: YAML that is none, a path, Jinja that reaches out, a line break in a subject.
    (4, "../../evil: [x, &a *a]\n- !!python/object", "custom", "en", "a: b\r\nBcc: x@example.com", "<p>{{ ''.__class__.__mro__ }}</p>", None, True),
    (5, "Typo", "payment_overdue", "en", "Pay", "<p>{{ invoice_numbr }}</p>", None, True),
    (6, "Tags", "zone_offline_48h", "en", "Zone", "{% load i18n %}<p>{% trans 'x' %}</p>", None, True),
]  # fmt: skip
SEQUENCES = [(11, "New customer: onboarding", "First letters\n# no comment", "manual", "manual", True), (12, "Renewal reminders", "", "triggered", "renewal_30_days", True),
             (13, "Broken", "", "triggered", "payment_overdue", True), (14, "Empty", "", "manual", "manual", True)]  # fmt: skip
STEPS = [
    (21, 11, 1, 1, 0, "09:00", True, None, None, None), (22, 11, 2, 1, 3, "10:30", True, "industry", "equals", "hotel"),
    (23, 11, 3, 1, 7, None, True, "shoe_size", "greater_than", "40"), (24, 12, 1, 3, 0, "09:00", True, None, None, None), (25, 13, 1, 5, 0, None, True, None, None, None),
]  # fmt: skip
ENROLLMENTS = [
    (31, 11, 1, None, "active", 2, "2026-03-01T02:00:00Z", None, "met at the fair, \"twice\""), (32, 11, 2, None, "paused", 2, "2026-03-01T02:00:00Z", None, ""),
    (33, 11, 3, None, "completed", 4, "2026-01-01T02:00:00Z", "2026-01-12T02:00:00Z", ""), (34, 11, None, 1, "active", 1, "2026-03-01T02:00:00Z", None, ""),
]  # fmt: skip
SEGMENTS = [
    (51, "Hotels in Thailand", "dynamic", "active", {"entity": "company", "match_type": "all", "rules": [
        {"field": "industry", "operator": "equals", "value": "hotel"}, {"field": "country", "operator": "in_list", "value": ["Thailand", "NO"]},
        {"field": "is_active", "operator": "equals", "value": "true"}]}),
    (52, "VIP", "static", "paused", {}),
    (53, "Odd", "dynamic", "active", {"entity": "company", "rules": [{"field": "name", "operator": "sounds_like", "value": "x"}]}),
]  # fmt: skip


@pytest.fixture(scope="module")
def reference(postgres: Postgres) -> Iterator[str]:
    """A database of the Django CRM with a little of everything, and its contacts, companies and contracts."""
    with postgres.database() as url:
        with psycopg.connect(url) as made:
            made.execute(TABLES.encode())
            for table, values in (
                ("emailtemplate", [(uuid(row[0]), *row[1:]) for row in TEMPLATES]),
                ("emailsequence", [(uuid(row[0]), *row[1:]) for row in SEQUENCES]),
                ("emailsequencestep", [(uuid(row[0]), uuid(row[1]), row[2], uuid(row[3]), *row[4:]) for row in STEPS]),
                ("sequenceenrollment", [(uuid(row[0]), uuid(row[1]), *row[2:6], None, row[6], row[7], None, row[8]) for row in ENROLLMENTS]),
                ("sequenceemail", [(uuid(40 + n), uuid(31 + n), uuid(21), "sent", f"2026-03-0{n + 1}T02:00:00Z", None, "") for n in range(2)]),
                ("customersegment", [(uuid(row[0]), row[1], "", row[2], row[3], json.dumps(row[4]), "a b, c") for row in SEGMENTS]),
                ("emaillog", [(uuid(61), 1, 7, None, uuid(3), "p1@example.com", "x", "opened", "2026-03-02T02:00:00Z", "<m@example.com>"),
                              (uuid(62), 1, None, None, None, "p1@example.com", "x", "sent", "2026-03-02T02:00:00Z", "")]),
            ):
                holes = ", ".join(["%s"] * len(values[0]))
                made.cursor().executemany(f"INSERT INTO crm_app_{table} VALUES ({holes})".encode(), values)
            made.execute(f"INSERT INTO crm_app_customersegment_static_contacts (customersegment_id, contact_id) VALUES ('{uuid(52)}', 3), ('{uuid(52)}', 1)".encode())
            made.execute(
                b"""CREATE TABLE companies (id int, name text, industry text, country text, is_active boolean);
                CREATE TABLE contacts (id int, name text, email text, contact_type text, language text, is_active boolean, unsubscribed boolean, company_id int);
                CREATE TABLE contracts (id int, contract_number text, company_id int, start_date date, end_date date, signed_date date, monthly_value numeric,
                                        currency text, status text, deleted boolean);
                CREATE TABLE invoices (id int, invoice_number text, company_id int, contract_id int, issue_date date, due_date date, paid_date date, amount numeric,
                                       currency text, status text);
                CREATE TABLE zones (id int, name text, company_id int, platform text, status text, offline_since timestamp, last_seen timestamp);
                INSERT INTO companies VALUES (1, 'Lotus', 'hotel', 'Thailand', true);
                INSERT INTO contacts SELECT n, 'P' || n, 'p' || n || '@example.com', 'billing', 'en', true, false, 1 FROM generate_series(1, 3) n;
                INSERT INTO contracts VALUES (7, 'C-7', 1, '2025-04-01', '2026-04-01', '2025-03-01', 4500, 'THB', 'active', false)"""
            )  # fmt: skip
        yield url


@pytest.fixture
def shop(tmp_path: Path, capsys: pytest.CaptureFixture[str], reference: str) -> Shop:
    """A project with nothing but the map of the CRM."""
    root = tmp_path / "shop"
    (root / "definitions").mkdir(parents=True)
    shutil.copy(LIBRARY / "definitions/crm.yaml", root / "definitions")
    shutil.copytree(LIBRARY / "definitions/layouts", root / "definitions/layouts")
    (root / "definitions/types").mkdir()
    shutil.copy(LIBRARY / "definitions/types/common.yaml", root / "definitions/types")
    project = yaml.safe_load((LIBRARY / "engine.yaml").read_text(encoding="utf-8"))
    project["environments"] = {"dev": {"facts": {"postgres": reference}, "ledger": {"duckdb": "state/ledger.duckdb"}, "transport": "outbox"}}
    (root / "engine.yaml").write_text(yaml.safe_dump(project, allow_unicode=True), encoding="utf-8")
    make_pseudonym_key(root / "state")
    return Shop(Ground(root, dict(os.environ)), capsys)


def read(shop: Shop, path: str) -> dict[str, object]:
    found: dict[str, object] = yaml.safe_load((shop.ground.root / "definitions" / path).read_text(encoding="utf-8"))
    return found


def test_what_is_written_validates_and_says_what_the_rows_said(shop: Shop, reference: str) -> None:
    """Templates in two languages, a manual and a dated sequence with times and a condition, segments with typed rules."""
    said = shop.run("import", "django", "--url", reference, "--format", "json")
    assert said.code == 0, said.err
    assert not [path for path in said.value["files"] if "types/" in path and "payment" in path], "no template has it"
    checked = shop.run("validate")
    assert checked.code == 0, checked.out
    welcome = read(shop, "templates/welcome.yaml")
    assert (welcome["type"], set(welcome["subject"]), welcome["body"]) == (  # type: ignore[call-overload]  # YAML is untyped
        "welcome", {"en", "th"}, {"en": {"file": "welcome.en.html"}, "th": {"file": "welcome.th.html"}},
    )  # fmt: skip
    onboarding = read(shop, "sequences/new-customer-onboarding.yaml")
    assert (onboarding["status"], onboarding["about"], onboarding["trigger"], onboarding["description"]) == ("draft", "contact", "manual", "First letters\n# no comment")
    assert onboarding["steps"] == [
        {"id": "welcome", "wait": "0d", "at": "09:00", "template": "welcome"},
        {"id": "welcome-2", "wait": "3d", "at": "10:30", "template": "welcome", "if": {"company.industry": "hotel"}},
        {"id": "welcome-3", "wait": "7d", "template": "welcome", "active": False},
    ]
    renewal = read(shop, "sequences/renewal-reminders.yaml")
    assert (renewal["trigger"], renewal["steps"]) == (
        {"date": "contract.end_date", "where": {"contract.status": "active"}}, [{"id": "renewal-30-days", "before": "30d", "at": "09:00", "template": "renewal-30-days"}],
    )  # fmt: skip
    assert read(shop, "segments/hotels-in-thailand.yaml")["rules"] == {
        "all": [{"company.industry": "hotel"}, {"company.country": ["Thailand", "NO"]}, {"company.is_active": True}]
    }
    assert read(shop, "segments/vip.yaml") | {"name": ""} == {"id": "vip", "name": "", "entity": "contact", "status": "paused", "tags": ["a-b", "c"], "members": ["3", "1"]}


def test_what_has_no_place_is_listed(shop: Shop, reference: str) -> None:
    """Unknown variables and tags, a code that reaches out, a condition on nothing, an unknown operator, companies, mails of no step."""
    said = shop.run("import", "django", "--url", reference, "--dry-run", "--format", "json")
    left = "\n".join(f"{row['what']}: {row['why']}" for row in said.value["left_out"])
    for told in (
        "template `payment-overdue`: E2", "invoice_numbr", "template `zone-offline-48h`", "template `custom`", "sequence `broken`", "sequence `empty`: it has no steps",
        "condition of step `welcome-3`", "segment `odd`: nobody knows the operator `sounds_like`", "of a company, or whose record is not kept",
        "logged mails without a template (1)",
    ):  # fmt: skip
        assert told in left, left
    assert not (shop.ground.root / "import").exists() and not (shop.ground.root / "definitions/templates").exists(), "--dry-run writes nothing"
    assert reference not in said.out


def test_nothing_leaves_the_folder_and_nothing_is_overwritten(shop: Shop, reference: str) -> None:
    """Names become ids; a file that is there stays, and is said."""
    shop.ground.write("definitions/segments/vip.yaml", "id: vip\nentity: contact\nmembers: [1]\n")
    assert shop.run("import", "django", "--url", reference).code == 0
    outside = [path for path in shop.ground.root.parent.rglob("*") if not path.is_relative_to(shop.ground.root)]
    assert outside == []
    assert "members: [1]" in (shop.ground.root / "definitions/segments/vip.yaml").read_text(encoding="utf-8")
    before = {path: path.read_bytes() for path in shop.ground.root.rglob("*") if path.is_file()}
    again = shop.run("import", "django", "--url", reference)
    assert again.code == 1 and "there already, and nothing was written" in again.err
    assert {path: path.read_bytes() for path in shop.ground.root.rglob("*") if path.is_file()} == before


def test_its_history_is_imported_and_nothing_is_sent_again(shop: Shop, reference: str) -> None:
    """From their tables to our plan: who was on step two waits for it, who was paused is paused, the renewal notice is not sent again."""
    assert shop.run("import", "django", "--url", reference).code == 0
    for path in (shop.ground.root / "definitions/sequences").glob("*.yaml"):
        path.write_text(path.read_text(encoding="utf-8").replace("status: draft", "status: active"), encoding="utf-8")
    assert shop.run("state", "create").code == 0
    for kind in ("sends", "enrollments"):
        said = shop.run("import", kind, str(shop.ground.root / f"import/django-{kind}.csv"))
        assert said.code == 0, said.out + said.err
    assert {(row[0], row[1], row[3]) for row in shop.decided() if row[5] == "sent"} == {
        ("new-customer-onboarding", "welcome", "1"), ("new-customer-onboarding", "welcome", "2"), ("renewal-reminders", "renewal-30-days", "1"),
    }  # fmt: skip
    assert shop.exits() == {
        ("new-customer-onboarding", "1"): None, ("new-customer-onboarding", "2"): None, ("new-customer-onboarding", "3"): "complete", ("renewal-reminders", "1"): "complete",
    }  # fmt: skip
    plan = shop.run("plan", "--format", "json", "--show-pii", "--all").value
    told = rows([row for row in plan["decisions"] if row["contact"] in ("1", "2")], "sequence", "contact", "decision", "step")
    assert ("new-customer-onboarding", "1", "send", "welcome-2") in told and ("new-customer-onboarding", "2", "hold", "welcome-2") in told
    assert not [row for row in told if row[2] == "send" and row[3] in ("welcome", "renewal-30-days") and row[1] == "1"]


def test_a_database_that_is_none_is_told_calmly(shop: Shop, postgres: Postgres) -> None:
    """Another database, no database, no Postgres: one sentence, no traceback, and no password."""
    with postgres.database() as url:
        said = shop.run("import", "django", "--url", url)
        assert said.code == 1 and "has no `crm_app_emailtemplate`" in said.err
    said = shop.run("import", "django", "--url", "postgresql://u:geheim@127.0.0.1:1/x")
    assert said.code == 1 and "geheim" not in said.err and "Traceback" not in said.err
    assert "only a Postgres database or an SQLite file" in shop.run("import", "django", "--url", "mysql://x").err
    for url, word in (("sqlite:///x.db", "there is no file x.db"), (f"sqlite:///{shop.ground.root}/engine.yaml", "cannot be read as an SQLite database")):
        said = shop.run("import", "django", "--url", url)
        assert said.code == 1 and word in said.err and "Traceback" not in said.err, said.err


# What Django declares where a column is in SQLite, and how it writes the values.
_IN_SQLITE = {"uuid": "char(32)", "boolean": "bool", "timestamptz": "datetime", "jsonb": "text", "serial": "integer", "time": "time"}


def _into_sqlite(reference: str, path: Path) -> None:
    with psycopg.connect(reference) as there, closing(sqlite3.connect(path, isolation_level=None)) as here:
        tables = there.execute("SELECT table_name FROM information_schema.tables WHERE table_name LIKE 'crm_app%'").fetchall()
        for (table,) in tables:
            rows = there.execute(
                "SELECT column_name, udt_name FROM information_schema.columns WHERE table_name = %s ORDER BY ordinal_position", [table]
            ).fetchall()
            columns = [(name, {"bool": "boolean"}.get(kind, kind)) for name, kind in rows]
            here.execute(f"CREATE TABLE {table} ({', '.join(f'{name} {_IN_SQLITE.get(kind, kind)}' for name, kind in columns)})")
            shown = {"uuid": "replace({}::text, '-', '')", "timestamptz": "({} AT TIME ZONE 'UTC')::text", "boolean": "{}::int"}
            picked = ", ".join(shown.get(kind, "{}::text").format(name) for name, kind in columns)
            values = there.execute(f"SELECT {picked} FROM {table}".encode()).fetchall()
            here.executemany(f"INSERT INTO {table} VALUES ({', '.join('?' * len(columns))})", values)


def test_an_sqlite_file_carries_what_a_postgres_does(reference: str, shop: Shop, tmp_path: Path) -> None:
    """The same rows as Django keeps them in SQLite (UUIDs without hyphens, moments without a zone, 0 and 1) become the same files, and the file is left as it was."""
    path = tmp_path / "a folder" / "db #1.sqlite3"
    path.parent.mkdir()
    _into_sqlite(reference, path)
    before = path.read_bytes()
    root = shop.ground.root
    assert carry(root, read_tables(f"sqlite:///{path}")).files == carry(root, read_tables(reference)).files
    assert shop.run("import", "django", "--url", f"sqlite:///{path}", "--dry-run").code == 0
    assert path.read_bytes() == before
    assert [one.name for one in path.parent.iterdir()] == [path.name]
