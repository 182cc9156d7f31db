"""Enrollments by hand and their life: by file, paused until a day, resumed and cancelled in bulk (features B4, B5; semantics 3.5, 9.8)."""

from __future__ import annotations

import json
from pathlib import Path
from textwrap import dedent

import pytest

from tests.cli.conftest import Project

LATER = "2026-11-23T10:00:00+07:00"


def test_b5_a_file_is_enrolled_as_its_dry_run_said(project: Project, tmp_path: Path) -> None:
    """B5: a file with a key twice and unknown keys: counted by reason, the unknown by their lines and not their keys; a dry run writes
    nothing and says the same; nobody enters twice at a time."""
    file = tmp_path / "guests.csv"
    file.write_text("name,key\nAnn,1\nEve,5\nAnn again,1\nnobody,canary-77\nDan,4\nempty,\n", encoding="utf-8")
    words = ("enroll", "news", "--from", str(file), "--note", "the fair", "--format", "json")
    (project.root / "definitions" / "enrollments" / "november.yaml").unlink()
    dry, done = (json.loads(project.run(*words, *more).out) for more in (("--dry-run",), ()))
    assert dry.pop("dry_run") and not done.pop("dry_run") and dry == done
    assert (done["enrolled"], done["not_in_crm"], done["places_not_in_crm"], done["named_twice"]) == (3, 1, ["line 5"], 1)
    assert done["held"] == {"contact_inactive": 1, "no_address": 1}
    assert json.loads(project.run(*words).out)["skipped"] == {"already_enrolled": 3}
    project.run("apply")
    again = project.run(*words[:-2], now=LATER).out
    assert again.startswith("0 contacts enrolled") and "not in the CRM (line 5)" in again and "1 key named more than once" in again


@pytest.mark.parametrize(
    ("text", "says"), [(None, "cannot be read"), ("", "names nobody"), ("a,b\n1,2\n", "no column `key`"), ("\n \n", "names nobody"), ("key\n", "names nobody")]
)
def test_b5_a_file_that_names_nobody_is_told_calmly(fresh: Project, tmp_path: Path, text: str | None, says: str) -> None:
    """B5: a file that is not there, is empty, or has no keys is an error with a way out, and nothing is enrolled."""
    file = tmp_path / ("guests.csv" if text and "," in text else "guests.csv" if text == "key\n" else "guests.txt")
    if text is not None:
        file.write_text(text, encoding="utf-8")
    said = fresh.run("enroll", "news", "--from", str(file))
    assert said.code in (1, 64) and says in said.err and "Traceback" not in said.err


def test_b4_many_are_paused_resumed_and_cancelled(project: Project, tmp_path: Path) -> None:
    """B4, 9.8: several, a file and a segment; until a date of the project's own time; who is on no way is named by the line; a dry run changes nothing;
    while a run holds the ledger the one order waits in the inbox, whole."""
    from datetime import datetime

    from engine.ledger.duckdb import DuckdbLedger

    project.run("apply")
    file = tmp_path / "rest.txt"
    file.write_text("3\n5\n3\n88\n", encoding="utf-8")
    words = ("pause", "news", "--from", str(file), "--until", "2026-12-24", "--note", "the holidays")
    assert "2 ways would be held" in (dry := project.run(*words, "--dry-run", now=LATER).out) and "1 of them is on no way (line 4)" in dry
    assert "paused" not in project.run("status", now=LATER).out.split("Stops and pauses")[-1].split("Ledger")[0]
    with DuckdbLedger.open(project.root / "state" / "ledger.duckdb", "acme", "dev", command="apply", now=datetime(2026, 11, 23, 3)):
        assert "A run holds the ledger" in project.run(*words, now=LATER).out
        assert len(list((project.root / "state" / "inbox").iterdir())) == 1
    project.run("apply", now=LATER)
    paused = json.loads(project.run("enrollments", "--sequence", "news", "--format", "json", now=LATER).out)["enrollments"]
    assert sorted(row["paused"]["note"] for row in paused if row["status"] == "paused") == ["the holidays", "the holidays"]
    assert {row["paused"]["until"] for row in paused if row["paused"]} == {"2026-12-24T00:00:00+07:00"}
    table = project.run("enrollments", "--sequence", "news", now=LATER).out
    assert "2 paused until Thu 24 Dec 2026, 00:00, by" in " ".join(table.split()), table
    assert "the holidays" in " ".join(project.run("explain", "3", "--sequence", "news", now=LATER).out.split())
    told = project.run("resume", "news", "--contact", "3", "--contact", "5", now=LATER).out
    assert told.startswith("Resumed: `news`, contact 3, contact 5.") and "Ways: 2." in told
    assert "Paused: 4 contacts. " in project.run("pause", "--segment", "readers", now=LATER).out
    told = project.run("cancel", "news", "--from", str(file), "--note", "left", now=LATER).out
    assert told.startswith("Cancelled: `news`, 3 contacts; 2 on the way.") and "1 of them is on no way (line 4)" in told


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("pause", "--from", "{none}"), "cannot be read"),
        (("pause", "--segment", "reader"), "did you mean `readers`"),
        (("pause", "--contact", "1", "--contact", "2", "--record", "contract:11"), "one order for each kind"),
        (("pause", "--contact", "1", "--until", "tomorrow"), "is not a moment"),
        (("pause", "--contact", "1", "--until", "2026-11-23"), "in the past"),
        (("cancel", "news", "--keys-of", "company", "--contact", "1"), "--from"),
    ],
)
def test_b4_an_order_that_is_not_clear_changes_nothing(fresh: Project, tmp_path: Path, words: tuple[str, ...], says: str) -> None:
    """9.8: an order for whom nobody can find, or for two kinds at once, is refused with a way out."""
    said = fresh.run(*(word.replace("{none}", str(tmp_path / "none.csv")) for word in words))
    assert said.code in (1, 64) and says in said.err + said.out and "Traceback" not in said.err, said


def test_b4_a_record_with_nobody_to_tell_is_noted_and_said_to_be(project: Project) -> None:
    """B4, 4.3: contract 13's company has no contact: it is noted, also a second time, and not called on the way; who joins while it is open gets the mail."""
    _review(project)
    first = project.run("enroll", "review", "--record", "13", "--record", "11")
    assert first.out.startswith("1 contract enrolled in review.\n") and "1 noted, with nobody to write to" in first.out and "not enrolled" not in first.out
    project.run("apply")
    second = json.loads(project.run("enroll", "review", "--record", "13", "--format", "json", now=LATER).out)
    assert (second["enrolled"], second["noted"], second["skipped"]) == (0, {"no_recipient_yet": 1}, {"no_recipient_yet": 1})
    contacts = project.root / "data" / "contacts.csv"
    contacts.write_text(contacts.read_text(encoding="utf-8") + "7,Canary Gil,canary.gil@example.com,en,true,false,,3\n", encoding="utf-8")
    plan = json.loads(project.run("plan", "--all", "--select", "sequence:review", "--format", "json", now="2026-11-24T12:00:00+07:00").out)
    joined = [(row["occurrence"], row["decision"]) for row in plan["decisions"] if row["about"]["entity"] == "contract" and row["occurrence"] in ("1", "2")]
    assert ("2", "send") in joined


def test_3_7_before_the_sequence_starts_nobody_is_enrolled_by_hand(project: Project) -> None:
    """3.7, A7: it would begin before the start and enroll nobody, so it is refused with the reason, and nothing is recorded."""
    _review(project, active_from="2027-01-01")
    said = project.run("enroll", "review", "--record", "11", "--dry-run").out
    assert "1 not to be enrolled:\n       1  the sequence has not started" in said
    assert "1 not enrolled:\n       1  the sequence has not started" in project.run("enroll", "review", "--record", "11").out
    _review(project)
    project.run("apply")
    assert json.loads(project.run("enrollments", "--sequence", "review", "--format", "json").out)["total"] == 0


def test_8_7_orders_and_questions_by_a_new_name_that_no_apply_has_followed(project: Project) -> None:
    """8.7, 9.8: between the merge of a renaming and the next apply people are found, paused and resumed by the name that the file has."""
    project.run("apply")
    old = project.root / "definitions" / "sequences" / "renewal.yaml"
    text = old.read_text(encoding="utf-8").replace("id: renewal\n", "id: endings\nrenamed_from: renewal\n", 1)
    old.unlink()
    settings = project.root / "engine.yaml"
    settings.write_text(settings.read_text(encoding="utf-8").replace("sequence:renewal", "sequence:endings"), encoding="utf-8")
    (project.root / "definitions" / "sequences" / "endings.yaml").write_text(text, encoding="utf-8")
    found = json.loads(project.run("enrollments", "--sequence", "endings", "--format", "json", "--show-pii", now=LATER).out)
    assert found["total"] > 0 and {row["sequence"] for row in found["enrollments"]} == {"endings"}
    contact = found["enrollments"][0]["contact"]
    assert "would be held" in project.run("pause", "endings", "--contact", contact, "--contact", "99", "--dry-run", now=LATER).out
    assert project.run("pause", "endings", "--contact", contact, now=LATER).out.startswith("Paused")
    assert "endings" in project.run("sends", "--sequence", "endings", now=LATER).out
    assert project.run("resume", "endings", "--contact", contact, now=LATER).out.startswith("Resumed")


def test_9_8_a_shorter_pause_beside_a_longer_one_is_told(project: Project) -> None:
    """9.8: of two pauses the longer counts, and whoever orders a shorter one hears of it; also of a sequence, and never of one that has ended."""
    project.run("apply")
    for whom in (("news", "--contact", "1"), ("news",), ("--all",)):
        assert "in force already" not in project.run("pause", *whom, "--until", "2026-12-24").out
        assert "A pause until Thu 24 Dec 2026, 00:00 is in force already" in project.run("pause", *whom, "--until", "2026-12-01").out
        project.run("pause", *whom)
        assert "A pause with no end is in force already" in project.run("pause", *whom, "--until", "2026-12-20").out
        assert project.run("resume", *whom, now=LATER).out.startswith("Resumed")
        assert "in force already" not in project.run("pause", *whom, "--until", "2026-11-30", now=LATER).out
        assert "Nothing was paused" in project.run("resume", *whom, now="2026-12-05T09:00:00+07:00").out


def test_3_5_a_company_is_its_contacts_where_the_sequence_is_about_contacts(project: Project, tmp_path: Path) -> None:
    """3.5, 9.8: whoever was enrolled by company is paused, resumed and cancelled by it: by --company, --record, a segment and a file of companies."""
    (project.root / "definitions" / "enrollments" / "november.yaml").unlink()
    (project.root / "definitions" / "segments" / "customers.yaml").write_text(
        "id: customers\nname: Customers\nentity: company\nrules: {company.name: [Orchid, Nobody]}\n", encoding="utf-8"
    )
    assert json.loads(project.run("enroll", "news", "--company", "1", "--company", "2", "--format", "json").out)["enrolled"] == 6
    project.run("apply")
    file = tmp_path / "companies.csv"
    file.write_text("key\n2\n3\n77\n", encoding="utf-8")
    whom = (("--company", "2"), ("--record", "company:2"), ("--segment", "customers"), ("--from", str(file), "--keys-of", "company"))
    for words in whom:
        open_ = json.loads(project.run("cancel", "news", *words, "--dry-run", "--format", "json", now=LATER).out)["rows"]
        assert open_ > 0
        for verb in ("pause", "resume"):
            told = json.loads(project.run(verb, "news", *words, "--format", "json", now=LATER).out)
            assert told["rows"] == open_ and "contacts of" in told["message"], (verb, words, told)
    assert project.run("pause", "news", "--company", "2", "--dry-run", now=LATER).out.startswith(f"{open_} way{'s' * (open_ > 1)} would be held: `news`, 3 contacts of company 2.")
    told = project.run("cancel", "news", "--from", str(file), "--keys-of", "company", now=LATER).out
    assert "3 contacts of 3 companies; " in told and "2 companies have no contact in the CRM (line 3, line 4): nothing changes there." in told
    assert project.run("cancel", "news", "--company", "2", "--contact", "1", "--dry-run", now=LATER).code == 0
    (tmp_path / "companies.txt").write_text("4\n2\n", encoding="utf-8")
    mixed = project.run("pause", "news", "--from", str(tmp_path / "companies.txt"), "--company", "2", "--company", "3", "--dry-run", now=LATER).out
    assert "1 company has no contact in the CRM: nothing changes there." in mixed, "the keys of the file are those of contacts"
    rest = project.run("cancel", "news", "--company", "77", now=LATER)
    assert rest.code == 64 and "no contact of the CRM belongs to that company" in rest.err


def test_3_5_a_company_needs_a_sequence_that_says_what_it_means(project: Project) -> None:
    """9.8: without a sequence, or with one about something else, a company could mean either, so it is refused or said, never quietly nobody."""
    for words, says in ((("pause", "--company", "1"), "needs a SEQUENCE"), (("cancel", "renewal", "--company", "1"), "is about a contract, not about a company")):
        said = project.run(*words)
        assert said.code == 64 and says in said.err, said
    assert "to mean its contacts too, name the SEQUENCE" in project.run("pause", "--record", "company:1").out
    (project.root / "definitions" / "sequences" / "renewal.yaml").write_text("id: [\n", encoding="utf-8")
    assert "a record is meant itself, and not the contacts" in project.run("pause", "news", "--record", "company:1").out
    assert project.run("pause", "news", "--company", "1").code == 1


def test_3_5_where_the_sequence_is_about_companies_they_stay_records(project: Project) -> None:
    """9.8: what is about a company is paused by the company, with whoever gets its mails."""
    (project.root / "definitions" / "types" / "visit.yaml").write_text("id: visit\nabout: company\ncategory: transactional\n", encoding="utf-8")
    (project.root / "definitions" / "templates" / "visit.yaml").write_text("id: visit\ntype: visit\nsubject: {en: A, th: A}\nbody: {en: B, th: B}\n", encoding="utf-8")
    (project.root / "definitions" / "sequences" / "visit.yaml").write_text(
        "id: visit\nstatus: active\nabout: company\ntrigger: manual\naudience: {from: company.contacts}\nsteps:\n  - {id: first, wait: 1d, template: visit}\n",
        encoding="utf-8",
    )
    assert project.run("enroll", "visit", "--company", "1").code == 0
    project.run("apply")
    for words in (("--company", "1"), ("--record", "company:1")):
        told = project.run("pause", "visit", *words, now=LATER).out
        assert told.startswith("Paused: `visit`, company 1."), told
        assert project.run("resume", "visit", *words, now=LATER).out.startswith("Resumed")


@pytest.mark.parametrize("wait", ["0d", "1d"])
def test_d7_who_gets_nothing_as_things_are_is_counted_first(project: Project, wait: str) -> None:
    """D7, 6.2, 6.10, 6.11: of those enrolled the first line says how many get nothing and why: unsubscribed, inactive, no address, or out at once by
    `exit_when`; also where the first step comes later, and each is told of once."""
    (project.root / "definitions" / "enrollments" / "november.yaml").unlink()
    news = project.root / "definitions" / "sequences" / "news.yaml"
    news.write_text(news.read_text(encoding="utf-8").replace("wait: 0d", f"wait: {wait}") + "exit_when: {contact.language: th}\n", encoding="utf-8")
    words = ("enroll", "news", *(word for key in "123456" for word in ("--contact", key)))
    dry = project.run(*words, "--dry-run").out
    assert dry.startswith("6 contacts would be enrolled in news; 4 of them would get nothing as things are:\n"), dry
    assert "inactive" not in dry.split("inactive", 1)[1] and "The others" not in dry
    value = json.loads(project.run(*words, "--dry-run", "--format", "json").out)
    assert value["get_nothing"] == {"contact_inactive": 1, "exit_condition": 2, "no_address": 1} and value["enrolled"] == 6
    done = project.run(*words).out
    assert done.startswith("6 contacts enrolled in news; 4 of them get nothing as things are:\n") and "\nThe others get what is due with the next apply" in done
    project.run("apply")
    alone = project.run("enroll", "news", "--contact", "2", now=LATER).out
    assert "already" in alone or "before" in alone


def test_d7_marketing_counts_who_unsubscribed(project: Project) -> None:
    """D7, 4.7: an unsubscription is a reason where all mails of the sequence are marketing of that topic; somebody alone who gets nothing has no next mail to wait for."""
    (project.root / "definitions" / "enrollments" / "november.yaml").unlink()
    said = project.run("enroll", "news", "--contact", "2").out
    assert said == "1 contact enrolled in news; 1 of them gets nothing as things are:\n       1  unsubscribed\n"


def test_3_5_a_segment_that_does_not_fit_is_told_what_fits(project: Project) -> None:
    """D7, 3.5: a segment of another entity is refused with the segments that fit, and not with the way to name one record."""
    (project.root / "definitions" / "segments" / "large.yaml").write_text("id: large\nentity: contract\nrules: {contract.status: active}\n", encoding="utf-8")
    said = project.run("enroll", "news", "--segment", "large")
    assert said.code == 64 and "the segment `large` is of contracts, and `news` is about contacts" in said.err, said
    assert "a segment of contacts or companies fits: `readers`" in said.err and "--record" not in said.err
    said = project.run("enroll", "news", "--record", "contract:11")
    assert said.code == 64 and "--record contact:KEY or --record company:KEY" in said.err


def _review(project: Project, active_from: str = "2026-11-01") -> None:
    text = f"""
        id: review
        name: Review
        status: active
        about: contract
        active_from: {active_from}
        trigger: manual
        reenter: every_occurrence
        audience: {{from: contract.company.contacts}}
        steps:
          - {{id: first, wait: 1d, template: renewal-7}}
    """
    (project.root / "definitions" / "sequences" / "review.yaml").write_text(dedent(text), encoding="utf-8")
