"""`engine snapshot --anonymise`: CI plans on it as on the CRM itself, and no person is in it."""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path
from typing import Any

import duckdb
import pyarrow.parquet as pq
import pytest

from tests.cli.conftest import Project, Said
from tests.rehearsal.test_differing import commit

LATER = "2026-12-13T10:00:00+07:00"
CI = """\
  ci:
    facts: {snapshot: snap}
    ledger: {duckdb: snap/ledger.duckdb}
    transport: outbox
  broken:
"""


@pytest.fixture
def snapped(project: Project) -> tuple[Project, Said]:
    """The project after an apply, a bounce and a pause, with a static segment and a personal one, and its snapshot."""
    (project.root / "definitions/segments/vip.yaml").write_text("id: vip\nentity: contact\nmembers: [1, 2, 6, 77]\n")
    (project.root / "definitions/segments/born.yaml").write_text("id: born\nentity: contact\nrules: {contact.born: {is_not_empty: true}}\n")
    sequences = project.root / "definitions/sequences"
    news = (sequences / "news.yaml").read_text()
    (sequences / "news-vip.yaml").write_text(news.replace("id: news", "id: news-vip").replace("trigger: manual\n", "trigger: manual\nexit_when: {not: {segment: vip}}\n"))
    (sequences / "news-born.yaml").write_text(news.replace("id: news", "id: news-born").replace("trigger: manual\n", "trigger: manual\nexit_when: {not: {segment: born}}\n"))
    (project.root / "definitions/segments/thai.yaml").write_text("id: thai\nentity: contact\nrules: {contact.language: th}\n")
    for id, trigger in (("hello", "{enters: thai}"), ("weekly", '{schedule: "0 9 * * 1", for: vip}')):
        (sequences / f"{id}.yaml").write_text(news.replace("id: news", f"id: {id}").replace("trigger: manual", f"trigger: {trigger}"))
    (sequences / "again.yaml").write_text(news.replace("id: news", "id: again").replace("trigger: manual\n", "trigger: manual\nexit_when: {received: {sequence: news}}\n"))
    (project.root / "definitions/enrollments/vips.yaml").write_text("id: vips\nsequence: news-vip\ncontacts: [1, 2, 3, 4]\n")
    assert project.run("apply").code in (0, 6)
    contacts = project.root / "data/contacts.csv"
    contacts.write_text(contacts.read_text().replace("CANARY.ANN@example.com,en", "CANARY.ANN@example.com,th"))
    assert project.run("suppress", "canary.fay@example.com", "--reason", "bounce").code == 0
    assert project.run("pause", "renewal", "--record", "contract:12").code == 0
    settings = project.root / "engine.yaml"
    settings.write_text(settings.read_text().replace("  broken:\n", CI))
    said = project.run("snapshot", "--anonymise", "--out", str(project.root / "snap"), now="2026-11-24T09:00:00+07:00")
    assert said.code == 0, said.err
    return project, said


def plan(project: Project, *words: str) -> dict[str, Any]:
    said = project.run(*words, "plan", "--all", "--format", "json", now=LATER)
    assert said.code == 0, said.err
    made: dict[str, Any] = json.loads(said.out)
    return made


def shape(made: dict[str, Any], only: set[str]) -> tuple[list[Any], list[Any]]:
    """A plan without its names: every decision, and for each contact and each record all that is decided about them together."""
    rows, people = [], defaultdict(list)
    for row in made["decisions"]:
        if row["sequence"] in only:
            said = (row["sequence"], row["step"] or "", row["decision"], row["reason"], row["due_at"] or "", row["template"] or "", row["locale"] or "", row["occurrence"])
            rows.append(said)
            for who in (("contact", row["contact"]), (row["about"]["entity"], row["about"]["key"])):
                people[who].append(said)
    return sorted(rows), sorted(sorted(several) for several in people.values())


def test_7_the_plan_on_a_snapshot_is_the_plan_on_the_crm(snapped: tuple[Project, Said]) -> None:
    """5.7: the same decisions for the same people under other names, sorted by these; what asks for a personal field is named and not judged."""
    project, said = snapped
    assert "not judged there: birthday, it asks for `contact.born`" in said.out and "news-born, it asks for `contact.born`" in said.out
    assert "again, it asks for `received`" in said.out
    judged = {"renewal", "news", "news-vip", "hello", "weekly"}
    here, there = plan(project), plan(project, "--env", "ci")
    assert {one["id"] for one in there["sequences"]} == judged
    assert {one["decision"] for one in here["decisions"] if one["sequence"] in judged} >= {"hold", "skip", "send"}
    assert shape(here, judged) == shape(there, judged)
    assert {"hello", "weekly"} <= {row["sequence"] for row in here["decisions"]}
    counts = {one["id"]: one for one in here["sequences"]}
    assert [counts[one["id"]] for one in there["sequences"]] == there["sequences"]
    assert any("E411" in json.dumps(one) for one in there["diagnostics"])
    # Another key each time: two snapshots cannot be joined.
    assert project.run("snapshot", "--anonymise", "--out", str(project.root / "again"), now="2026-11-24T09:00:00+07:00").code == 0
    assert (project.root / "again/pseudonym.key").read_text() != (project.root / "snap/pseudonym.key").read_text()


def test_7_diff_on_a_snapshot_says_what_it_does_not_judge(snapped: tuple[Project, Said]) -> None:
    """5.7: what one side cannot be judged by is on neither: a change that makes a sequence ask for a birthday drops no mails. Every format says so, and the plan for a comment too."""
    project, _ = snapped
    (project.root / ".gitignore").write_text("state/\nsnap/\n")
    commit(project.root)
    weekly = project.root / "definitions/sequences/weekly.yaml"
    weekly.write_text(weekly.read_text().replace("about: contact\n", "about: contact\nexit_when: {contact.born: {is_not_empty: true}}\n"))
    birthday = project.root / "definitions/sequences/birthday.yaml"
    birthday.write_text(birthday.read_text().replace("before: 0d", "before: 1d"))
    told = project.run("--env", "ci", "diff", "--base", "HEAD", "--format", "json", now=LATER)
    assert told.code == 0, told.err
    value = json.loads(told.out)
    assert value["losses"] == 0 and value["changes"] == [] and {one["sequence"] for one in value["edits"]} == {"weekly", "birthday"}
    messages = [one["message"] for one in value["diagnostics"] if one["code"] == "E411"]
    assert any("`weekly`" in text for text in messages) and any("`birthday`" in text for text in messages) and len(messages) == len(set(messages))
    for form in ("text", "markdown", "html"):
        said = project.run("--env", "ci", "diff", "--base", "HEAD", "--format", form, now=LATER).out
        plain = " ".join(said.replace("\\", "").split())
        assert "E411" in plain and "what its mails do is told on neither side" in plain, form
    assert "E411" in project.run("--env", "ci", "plan", "--format", "markdown", now=LATER).out


def texts(folder: Path) -> dict[str, str]:
    """All that the files of a snapshot say, also inside Parquet and DuckDB."""
    found = {path.name: path.read_bytes().decode("latin-1") for path in sorted(folder.rglob("*")) if path.is_file()}
    for path in folder.rglob("*.parquet"):
        found[path.name] += json.dumps(pq.read_table(path).to_pylist(), default=str, ensure_ascii=False)
    with duckdb.connect(str(folder / "ledger.duckdb"), read_only=True) as ledger:
        for (table,) in ledger.execute("SELECT table_name FROM duckdb_tables()").fetchall():
            found[table] = json.dumps(ledger.execute(f"SELECT * FROM {table}").fetchall(), default=str, ensure_ascii=False)
    return found


def test_7_nobody_is_in_a_snapshot(snapped: tuple[Project, Said]) -> None:
    """5.7: no file of it has a name, an address, a day of birth, a key of the CRM, or the key of the ledger; NULLs and what is not personal stay."""
    project, said = snapped
    folder = project.root / "snap"
    contacts = pq.read_table(folder / "facts/contact.parquet").to_pylist()
    assert len(contacts) == 6
    with duckdb.connect(str(project.root / "state/ledger.duckdb"), read_only=True) as ledger:
        hashes = [key for (key,) in ledger.execute("SELECT DISTINCT address_key FROM sends WHERE address_key IS NOT NULL UNION SELECT address_key FROM suppressions").fetchall()]
        sends = [str(key) for (key,) in ledger.execute("SELECT send_key FROM sends").fetchall()]
    assert hashes and sends
    for name, text in texts(folder).items():
        for secret in ("anary", "ANARY", *hashes, *sends, "0123456789abcdef0123456789abcdef"):
            assert secret not in text, (name, secret)
    assert "2026-11-23" not in {str(row["born"]) for row in contacts}
    keys = {row["id"] for row in contacts}
    assert all(len(key) > 9 for key in keys) and len(keys) == 6
    assert sum(row["email"] is None or row["email"] == "" for row in contacts) == 1 and sum(row["born"] is None for row in contacts) == 5
    assert [row["language"] for row in contacts] == ["en", "th", "th", "en", "en", "th"]
    # Upper and lower case were one address, and are one token.
    assert len({row["email"] for row in contacts if row["email"]}) == 4
    contracts = pq.read_table(folder / "facts/contract.parquet").to_pylist()
    companies = [str(row["id"]) for row in pq.read_table(folder / "facts/company.parquet").to_pylist()]
    assert [row["number"] for row in contracts][:3] == ["C-11", "C-12", "C-13"] and str(contracts[0]["end_date"]) == "2026-12-20"
    assert [companies.index(str(row["company_id"])) for row in contracts] == [0, 1, 2, 0, 0, 1]
    assert project.run("snapshot", "--out", str(project.root / "people")).code == 64
    assert project.run("snapshot", "--anonymise", "--out", str(folder)).code == 64


def test_7_a_key_that_is_an_address_is_one_afterwards(project: Project) -> None:
    """5.7: where the CRM's key of a contact is its address, its token is an address, and the plan stays the same."""
    crm = project.root / "definitions/crm.yaml"
    head, contact = crm.read_text().split("    table: contacts\n    key: id\n")
    crm.write_text(f"{head}    table: contacts\n    key: email\n{contact}")
    assert project.run("apply").code in (0, 6)
    settings = project.root / "engine.yaml"
    settings.write_text(settings.read_text().replace("  broken:\n", CI))
    said = project.run("snapshot", "--anonymise", "--out", str(project.root / "snap"), now="2026-11-24T09:00:00+07:00")
    assert said.code == 0 and "anary" not in said.out + said.err + "".join(texts(project.root / "snap").values())
    here, there = plan(project), plan(project, "--env", "ci")
    judged = {one["id"] for one in there["sequences"]}
    assert "renewal" in judged and shape(here, judged) == shape(there, judged)
