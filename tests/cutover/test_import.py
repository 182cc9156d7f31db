"""`engine import sends` and `enrollments`: after the cut-over nobody gets a mail again, and everybody goes on where they stood."""

from __future__ import annotations

from pathlib import Path

import duckdb
import psycopg
import pytest

from tests.cutover.world import RENEWAL, WELCOME, Shop, rows
from tests.plan.base import company, contact, contract
from tests.postgres_server import Postgres, postgres

__all__ = ["postgres"]

ENROLL = "id: fair\nsequence: welcome\ncontacts: [3]\n"


@pytest.fixture
def shop(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Shop:
    """A contract that ends in 27 days, with two people; and a third contact."""
    return Shop.make(
        tmp_path / "shop", capsys, RENEWAL, WELCOME, contract(7, end_date="2026-04-01"), contract(8, end_date="2026-04-02"), contact(1), contact(2),
        contact(3, company_id=9),
    )  # fmt: skip


def test_5_3_the_log_of_a_sequence_in_the_contacts_own_time_is_taken_over(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """5.3: `timezone: recipient` is no zone to reckon a day by; the project's is, and nobody gets the mail again."""
    own = [text.replace(f"about: {about}", f"about: {about}\ntimezone: recipient", 1) for text, about in ((RENEWAL, "contract"), (WELCOME, "contact"))]
    shop = Shop.make(tmp_path / "shop", capsys, *own, contract(7, end_date="2026-04-01"), contact(1, zone="Europe/Paris"), contact(3, company_id=9))
    log = shop.file("log.csv", "mail,contract_id,contact_id,sent_at", "notice,7,1,2026-03-02 09:00", "hello,,3,2026-03-02 09:00")
    seen = shop.run("import", "sends", log)
    assert seen.code == 0, seen.err
    assert shop.run("apply").code == 0 and shop.ground.mails() == []


@pytest.mark.parametrize("followed", [False, True])
def test_8_7_the_log_of_a_renamed_sequence_is_taken_over(tmp_path: Path, capsys: pytest.CaptureFixture[str], followed: bool) -> None:
    """8.7: what is imported lies under the ids that the ledger keeps, whether or not an apply has followed the renaming: nobody gets it again."""
    ending = RENEWAL.replace("id: renewal\n", "id: ending\nrenamed_from: renewal\n").replace("{id: notice-30,", "{id: letter, renamed_from: notice-30,")
    arrival = WELCOME.replace("id: welcome\n", "id: arrival\nrenamed_from: welcome\n")
    before, after, at = "2026-02-01T09:00:00+07:00", "2026-02-02T09:00:00+07:00", "2026-03-03T09:00:00+07:00"
    shop = Shop.make(
        tmp_path / "shop", capsys, *((RENEWAL, WELCOME) if followed else (ending, arrival)), contract(7, end_date="2026-04-01"), contact(1), contact(3, company_id=9),
    )  # fmt: skip
    if followed:
        assert shop.run("apply", at=before).code == 0
        for old, new, text in (("renewal", "ending", ending), ("welcome", "arrival", arrival)):
            (shop.ground.root / f"definitions/sequences/{old}.yaml").unlink()
            shop.ground.write(f"definitions/sequences/{new}.yaml", text)
        assert shop.run("apply", at=after).code == 0
    log = shop.file("log.csv", "mail,contract_id,contact_id,sent_at", "letter,7,1,2026-03-02 09:00", "hello,,3,2026-03-02 09:00")
    seen = shop.run("import", "sends", log, "--format", "json", at=at)
    assert seen.code == 0, seen.out + seen.err
    assert seen.value["next_apply"]["sends"] == 0
    people = shop.file("people.csv", "sequence,contact,enrolled_at,status,last_step,last_sent_at", "arrival,3,2026-03-02 09:00,active,hello,2026-03-02 09:00")
    assert shop.run("import", "enrollments", people, at=at).code == 0
    applied = shop.run("apply", at=at)
    assert applied.code == 0 and shop.ground.mails() == [], applied.out
    assert {row[:2] for row in shop.decided()} == {("ending", "letter"), ("arrival", "hello")}
    assert shop.exits() == {("ending", "1"): None, ("arrival", "3"): None}
    assert shop.run("import", "sends", log, "--format", "json", at=at).value["summary"]["known"] == 4


def test_the_first_apply_resends_nothing(shop: Shop) -> None:
    """What the other system sent is in the ledger with its keys; the apply after it sends the rest, and the dry run says so before."""
    log = shop.file("log.csv", "mail,contract_id,contact_id,sent_at", "notice,7,1,2026-03-02 09:00", "notice,7,2,2026-03-02 09:00", "notice,8,1,2026-03-03 09:00")
    seen = shop.run("import", "sends", log, "--dry-run", "--format", "json")
    assert (seen.code, seen.value["applied"], seen.value["summary"]["sends"]) == (0, False, 3)
    assert seen.value["next_apply"] == {"sends": 1, "again": 0, "waits": 3, "holds": 0}
    assert shop.decided() == set() and "3 people wait for a step." in " ".join(shop.run("import", "sends", log, "--dry-run").out.split())
    assert shop.run("import", "sends", log).code == 0
    assert shop.run("apply").code == 0
    assert {(row[2], row[3]) for row in shop.decided() if row[5] == "sent"} == {("7", "1"), ("7", "2"), ("8", "1"), ("8", "2")}
    assert [str(mail["To"]) for mail in shop.ground.mails()] == ["Person 2 <person2@example.com>"]


def test_the_same_file_twice_adds_nothing(shop: Shop) -> None:
    """Keys are the same, whatever the day of the import."""
    log = shop.file("log.csv", "mail,contract_id,contact_id,sent_at,status", "notice,7,1,2026-03-02T02:00:00Z,bounced")
    assert "1 person waits for a step." in " ".join(shop.run("import", "sends", log, "--dry-run").out.split())
    first = shop.run("import", "sends", log)
    assert first.code == 0 and "1 bounced in the other system" in first.out
    before = shop.decided()
    again = shop.run("import", "sends", log, at="2026-03-06T09:00:00+07:00")
    assert again.code == 0 and "Nothing was new" in again.out and shop.decided() == before


def test_rows_that_cannot_be_taken_stop_the_import(shop: Shop) -> None:
    """Each is named with its line and reason, also behind a field with line breaks; nothing is half-imported, unless they are left out."""
    log = shop.file(
        "log.csv", "mail,contract_id,contact_id,sent_at,status,note", 'notice,7,1,2026-03-02 09:00,sent,"two', 'lines"', "bogus,7,1,2026-03-02 09:00,sent,",
        "notice,7,1,yesterday,sent,", "notice,,1,2026-03-02 09:00,sent,", "notice,7,2,2027-01-01,sent,", "notice,7,2,2026-03-02,lost,", "notice,7,2,2026-03-02,pending,",
    )  # fmt: skip
    said = shop.run("import", "sends", log, "--format", "json")
    assert said.code == 1 and shop.decided() == set()
    assert rows(said.value["refused"], "line", "reason") == [
        (4, "no step of ours is the mail `bogus`"),
        (5, "when it was sent is not a moment such as 2026-01-05 09:00"),
        (6, "it names no contract, which the sequence `renewal` is about"),
        (7, "it was sent after now"),
        (8, "nobody knows the status `lost`; say it under `statuses:` in the dictionary"),
    ]
    assert said.value["summary"]["not_sent"] == 1
    text = shop.run("import", "sends", log)
    assert "line 4: no step of ours is the mail `bogus`" in text.out and f"import sends {log} --leave-out" in text.out
    assert shop.run("import", "sends", log, "--leave-out").code == 0
    assert shop.decided() == {("renewal", "notice-30", "7", "1", "2026-04-01", "sent")}


def test_the_dictionary_knows_their_words(shop: Shop) -> None:
    """Columns, mails, statuses and keys of the other system; a mail that is none of ours is passed over."""
    words = shop.file(
        "words.yaml", "columns: {mail: art, contract: vertrag, address: an, sent_at: wann, status: stand}", "mails: {frist: renewal/notice-30, gruss: null}",
        "statuses: {zugestellt: sent}", "keys: {contract: number}", "timezone: UTC",
    )  # fmt: skip
    log = shop.file("log.csv", "art;vertrag;an;wann;stand", "frist;C-7; PERSON1@example.com ;2026-03-02 09:00;zugestellt", "gruss;;x@example.com;2026-03-02;zugestellt")
    said = shop.run("import", "sends", log, "--dictionary", words, "--format", "json")
    assert said.code == 0 and said.value["summary"]["not_ours"] == 1
    assert said.value["file"]["columns"]["contract"] == "vertrag"
    with shop.ground.site("2026-03-05T09:00:00+07:00").read_ledger() as ledger:
        (row,) = ledger.sends().rows
    assert (row.record, row.contact, row.address, str(row.sent_at)) == ("7", "1", "person1@example.com", "2026-03-02 09:00:00")


def test_parquet_and_sql_are_read_as_csv_is(shop: Shop) -> None:
    """The same rows out of each kind of file give the same keys; a .sql file asks the CRM."""
    parquet = str(shop.ground.root.parent / "log.parquet")
    select = "SELECT 'notice' AS mail, 7 AS contract_id, 1 AS contact_id, TIMESTAMPTZ '2026-03-02 02:00:00+00' AS sent_at"
    with duckdb.connect() as made:
        made.execute(f"COPY ({select}) TO '{parquet}' (FORMAT parquet)")
    assert shop.run("import", "sends", parquet).code == 0
    before = shop.decided()
    assert len(before) == 1
    sql = shop.file("log.sql", "SELECT 'notice' AS mail, c.id AS contract_id, p.id AS contact_id, '2026-03-02 09:00' AS sent_at FROM contracts c, contacts p WHERE c.id = 7 AND p.id = 1")
    again = shop.run("import", "sends", sql)
    assert again.code == 0 and "Nothing was new" in again.out and shop.decided() == before
    assert shop.run("import", "sends", shop.file("two.sql", "SELECT 1 AS a; DROP TABLE contacts")).code == 1


def test_3_1_a_mail_of_an_earlier_value_takes_no_key_of_the_present_one(shop: Shop) -> None:
    """Last year's notice belongs to last year's end, reckoned from the day it was sent; this year's still goes."""
    log = shop.file("log.csv", "mail,contract_id,contact_id,sent_at", "notice,7,1,2025-03-02 09:00")
    said = shop.run("import", "sends", log, "--format", "json")
    assert said.value["summary"]["reckoned"] == 1 and said.value["summary"]["ended"] == {"date_moved": 1}
    assert shop.decided() == {("renewal", "notice-30", "7", "1", "2025-04-01", "sent")}
    assert shop.run("plan", "--format", "json").value["summary"]["send"] == 4


def test_4_6_a_box_that_got_it_twice_is_one_mail(shop: Shop) -> None:
    """Two contacts with one address: both keys are taken, and the address once."""
    log = shop.file("log.csv", "mail,contract_id,contact_id,to_email,sent_at", "notice,7,1,office@example.com,2026-03-02 09:00", "notice,7,2,Office@example.com,2026-03-02 09:01")
    assert shop.run("import", "sends", log).code == 0
    assert {(row[3], row[5]) for row in shop.decided()} == {("1", "sent"), ("2", "skipped")}


def test_people_in_flight_go_on_behind_their_last_step(shop: Shop) -> None:
    """5.1: the next wait counts from the moment of the last mail there; who was paused is paused, who was done is done."""
    people = shop.file(
        "people.csv", "sequence,contact,enrolled_at,status,last_step,last_sent_at", "welcome,1,2026-03-01 09:00,active,hello,2026-03-01 09:00",
        "welcome,2,2026-03-01 09:00,paused,hello,2026-03-01 09:00", "welcome,3,2026-02-01 09:00,completed,last,2026-02-11 09:00",
    )  # fmt: skip
    assert shop.run("import", "enrollments", people, "--dry-run").code == 0 and shop.exits() == {}
    assert shop.run("import", "enrollments", people).code == 0
    assert shop.exits() == {("welcome", "1"): None, ("welcome", "2"): None, ("welcome", "3"): "complete"}
    plan = shop.run("plan", "--format", "json", "--show-pii").value
    told = [row for row in plan["decisions"] if row["sequence"] == "welcome"]
    assert rows(told, "contact", "decision", "step", "reason") == [("1", "send", "tips", "due"), ("2", "hold", "tips", "paused_enrollment")]
    assert told[0]["due_at"] == "2026-03-04T09:00:00+07:00"
    again = shop.run("import", "enrollments", people)
    assert "Nothing was new" in again.out


def test_mails_first_then_people(shop: Shop) -> None:
    """The mails alone take a path by hand for done; the people's file says who is on it still."""
    log = shop.file("log.csv", "mail,contact_id,sent_at", "welcome/hello,1,2026-03-04 09:00", "welcome/hello,3,2026-03-04 09:00")
    assert shop.run("import", "sends", log).code == 0
    assert shop.exits() == {("welcome", "1"): "complete", ("welcome", "3"): "complete"}
    people = shop.file("people.csv", "sequence,contact,enrolled_at,status", "welcome,1,2026-03-04 08:00,active")
    assert shop.run("import", "enrollments", people).code == 0
    assert shop.exits() == {("welcome", "1"): None, ("welcome", "3"): "complete"}
    shop.run("apply", at="2026-03-07T09:00:00+07:00")
    assert {row[1:4:2] + row[5:] for row in shop.decided() if row[0] == "welcome"} == {("hello", "1", "sent"), ("hello", "3", "sent"), ("tips", "1", "sent")}


def test_3_9_who_had_it_there_is_not_welcomed_again(shop: Shop) -> None:
    """A reviewed enrollment of somebody who was on the path in the other system starts none."""
    shop.ground.write("definitions/enrollments/fair.yaml", ENROLL)
    log = shop.file("log.csv", "mail,contact_id,sent_at", "welcome/hello,3,2026-01-04 09:00")
    assert shop.run("import", "sends", log).code == 0
    plan = shop.run("plan", "--format", "json").value
    (welcome,) = [row for row in plan["sequences"] if row["id"] == "welcome"]
    assert welcome["send"] == 0


def test_3_8_imported_sends_count_for_gaps(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The end of the contract moves by three days: the notice of the other system was too lately for another."""
    shop = Shop.make(tmp_path / "shop", capsys, RENEWAL, contract(7, end_date="2026-04-04"), contact(1))
    log = shop.file("log.csv", "mail,contract_id,contact_id,sent_at,occurrence", "notice,7,1,2026-03-02 09:00,2026-04-01")
    assert shop.run("import", "sends", log).code == 0
    plan = shop.run("plan", "--format", "json").value
    assert rows(plan["decisions"], "step", "decision", "reason") == [("notice-30", "skip", "too_soon")]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("import", "sends", "nowhere.csv"), "there is no file"),
        (("import", "sends", "{empty}"), "is empty"),
        (("import", "sends", "{bare}"), "no column for `contact` or `address`"),
        (("import", "sends", "{bare}", "--column", "contact=nobody"), "no column `nobody`"),
        (("import", "sends", "{bare}", "--column", "kontact=mail"), "did you mean `contact`"),
        (("import", "sends", "{bare}", "--dictionary", "{wrong}"), "`columns`"),
        (("import", "sends", "{latin}"), "not UTF-8"),
        (("import", "sends", "log.xls"), "no kind that is known"),
        (("import", "enrollments", "{bare}"), "no column for `sequence`"),
    ],
)
def test_bad_files_are_told_calmly(shop: Shop, words: tuple[str, ...], told: str) -> None:
    """One sentence and the next step; no traceback, nothing written."""
    files = {"empty": shop.file("empty.csv").replace("\n", ""), "bare": shop.file("bare.csv", "mail,sent_at", "notice,2026-03-01"), "wrong": shop.file("wrong.yaml", "columns: 7")}
    Path(files["empty"]).write_bytes(b"")
    latin = shop.ground.root.parent / "latin.csv"
    latin.write_bytes("mail,contact,sent_at\nGrüße,1,2026-03-01\n".encode("latin-1"))
    said = shop.run(*(word.format(latin=latin, **files) for word in words))
    assert said.code in (1, 64) and told in said.err and "Traceback" not in said.err and "help:" in said.err
    assert shop.decided() == set()


def test_a_file_of_twenty_thousand_rows_is_read_in_seconds(shop: Shop) -> None:
    """Rows are looked up in sets, not one by one."""
    lines = [f"notice,7,{number},p{number}@example.com,2026-03-02 09:00" for number in range(20_000)]
    log = shop.file("log.csv", "mail,contract_id,contact_id,to_email,sent_at", *lines)
    said = shop.run("import", "sends", log, "--format", "json")
    assert said.code == 0 and said.value["written"]["sends"] == 20_000


def test_a_ledger_on_postgres_takes_the_same_rows(shop: Shop, postgres: Postgres) -> None:
    """The keys are those of a ledger in a file, and the apply after it resends nothing."""
    log = shop.file("log.csv", "mail,contract_id,contact_id,sent_at", "notice,7,1,2026-03-02 09:00", "notice,7,2,2026-03-02 09:00", "notice,8,1,2026-03-03 09:00")
    assert shop.run("import", "sends", log).code == 0
    embedded = shop.decided()
    with postgres.database() as url:
        shop.ground.change("engine.yaml", "ledger: {duckdb: state/ledger.duckdb}", f'ledger: {{postgres: "{url}"}}')
        assert shop.run("state", "create").code == 0
        assert shop.run("import", "sends", log).code == 0
        assert shop.decided() == embedded
        assert "Nothing was new" in shop.run("import", "sends", log).out
        assert shop.run("plan", "--format", "json").value["summary"]["send"] == 1
        with psycopg.connect(url) as made:
            made.execute(b"CREATE TABLE log AS SELECT 'notice' AS mail, 8 AS contract_id, 2 AS contact_id, timestamptz '2026-03-03 02:00Z' AS sent_at")
        assert shop.run("import", "sends", shop.file("log.sql", "SELECT * FROM log"), "--url", url).code == 0
        assert shop.run("plan", "--format", "json").value["summary"]["send"] == 0


def test_an_imported_past_is_moved_and_restored_with_the_rest(shop: Shop, postgres: Postgres) -> None:
    """Its rows have no run of ours: a backup, a restore of it, and the way to Postgres carry them all the same, and nothing is sent again."""
    log = shop.file("log.csv", "mail,contract_id,contact_id,sent_at", "notice,7,1,2026-03-02 09:00", "notice,7,2,2026-03-02 09:00", "notice,8,1,2026-03-03 09:00")
    assert shop.run("import", "sends", log).code == 0
    before = shop.decided()
    copy = str(shop.ground.root.parent / "copy.tar")
    said = shop.run("state", "backup", copy)
    assert said.code == 0, said.err
    said = shop.run("state", "restore", copy, "--accept-rollback")
    assert said.code == 0, said.err
    assert shop.decided() == before
    with postgres.database() as url:
        shop.ground.change("engine.yaml", "ledger: {duckdb: state/ledger.duckdb}", f'ledger: {{postgres: "{url}"}}')
        assert shop.run("state", "create").code == 0
        said = shop.run("state", "move", str(shop.ground.root / "state/ledger.duckdb"))
        assert said.code == 0, said.err
        assert shop.decided() == before
        assert "Nothing was new" in shop.run("import", "sends", log).out
        assert shop.run("state", "verify").code == 0


def test_3_8_a_mail_that_failed_there_keeps_the_gap_too(shop: Shop) -> None:
    """The date moved since: the dry run and the plan behind it agree that another notice within the week is too soon, also where the first was not delivered."""
    log = shop.file("log.csv", "mail,contract_id,contact_id,sent_at,status,occurrence", "notice,8,1,2026-03-03 09:00,failed,2026-04-02")
    shop.ground.facts({"company": [company(1)], "contact": [contact(1), contact(2)], "contract": [contract(8, end_date="2026-04-04")]})
    foreseen = shop.run("import", "sends", log, "--dry-run", "--format", "json")
    assert foreseen.code == 0, foreseen.err
    assert foreseen.value["next_apply"]["sends"] == 1
    assert shop.run("import", "sends", log).code == 0
    said = shop.run("plan", "--format", "json").value
    assert said["summary"]["send"] == 1 and said["sequences"][0]["reasons"]["too_soon"] == 1
