"""`engine compare`: our plan of each day beside another system's log, and nothing written."""

from __future__ import annotations

from collections import Counter
from datetime import date
from pathlib import Path

import duckdb
import pytest

from engine.library.demo_crm import make_demo_crm
from engine.library.demo_log import make_demo_log
from tests.cutover.world import RENEWAL, WELCOME, Said, Shop, rows
from tests.plan.base import contact, contract
from tests.runs.ground import Ground

AT = "2026-03-06T09:00:00+07:00"
HEAD = "mail,contract_id,contact_id,sent_at"


@pytest.fixture
def shop(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Shop:
    """Contracts of which the notices are due on 2, 3 and 4 March; one is renewed already; contact 2 has left."""
    return Shop.make(
        tmp_path / "shop", capsys, RENEWAL, WELCOME, contract(7, end_date="2026-04-01"), contract(8, end_date="2026-04-02"), contract(9, end_date="2026-04-03"),
        contract(10, end_date="2026-04-02", status="renewed"), contact(1), contact(2, is_active=False),
    )  # fmt: skip


def theirs(said: Said) -> list[tuple[object, ...]]:
    return rows(said.value["only_theirs"], "line", "day", "reason")


def test_what_agrees_is_the_same(shop: Shop) -> None:
    """Every mail on its day: no difference, exit 0, one line at the end; and the ledger is as it was."""
    log = shop.file("log.csv", HEAD, "notice,7,1,2026-03-02 09:00", "notice,8,1,2026-03-03 09:05", "notice,9,1,2026-03-04 08:59")
    before = (shop.ground.root / "state" / "ledger.duckdb").read_bytes()
    said = shop.run("compare", "--log", log, "--detailed-exitcode", at=AT)
    assert said.code == 0, said.err
    assert said.out.splitlines()[-1] == "3 days: 3 same, and no difference."
    assert (shop.ground.root / "state" / "ledger.duckdb").read_bytes() == before


def test_8_7_a_sequence_under_a_new_name_is_compared_as_any(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """8.7: the ledger keeps it under its first id, and what it would send is the log's all the same."""
    renamed = RENEWAL.replace("id: renewal\n", "id: ending\nrenamed_from: renewal\n", 1)
    shop = Shop.make(tmp_path / "shop", capsys, renamed, WELCOME, contract(7, end_date="2026-04-01"), contact(1))
    log = shop.file("log.csv", HEAD, "notice,7,1,2026-03-02 09:00")
    said = shop.run("compare", "--log", log, "--detailed-exitcode", at=AT)
    assert said.code == 0, said.out
    assert said.out.splitlines()[-1] == "1 day: 1 same, and no difference."
    # What the log has of earlier days is known under that id too.
    after = shop.run("compare", "--log", log, "--from", "2026-03-03", "--to", "2026-03-04", "--sequence", "ending", "--detailed-exitcode", at=AT)
    assert (after.code, after.err) == (0, ""), after.out + after.err


def test_each_difference_has_our_reason(shop: Shop) -> None:
    """A repeat, somebody who has left, a goal that is met, a contract that nobody has, and a step whose day is not yet."""
    log = shop.file(
        "log.csv", HEAD, "notice,7,1,2026-03-02 09:00", "notice,7,1,2026-03-03 09:00", "notice,8,1,2026-03-03 09:00", "notice,8,2,2026-03-03 09:00",
        "notice,10,1,2026-03-03 09:00", "notice,99,1,2026-03-04 09:00", "reminder,8,1,2026-03-04 09:00", "notice,9,1,2026-03-04 09:00",
        "notice,9,77,2026-03-04 09:00",
    )  # fmt: skip
    said = shop.run("compare", "--log", log, "--format", "json", "--detailed-exitcode", at=AT)
    assert said.code == 2
    assert sorted(theirs(said)) == [
        (3, "2026-03-03", "sent_before"), (5, "2026-03-03", "contact_inactive"), (6, "2026-03-03", "goal_met"), (7, "2026-03-04", "trigger_gone"),
        (8, "2026-03-04", "not_due"), (10, "2026-03-04", "unknown_contact"),
    ]  # fmt: skip
    assert said.value["only_ours"] == [] and said.value["summary"]["same"] == 3
    assert next(row for row in said.value["only_theirs"] if row["reason"] == "sent_before")["since"] == "2026-03-02"


def test_who_is_no_contact_is_named_as_that(shop: Shop) -> None:
    """A letter of a sequence about contacts to an address that nobody has."""
    log = shop.file("log.csv", "mail,to_email,sent_at", "welcome/hello,nobody@example.com,2026-03-03 09:00")
    said = shop.run("compare", "--log", log, "--format", "json", at=AT).value
    assert rows(said["only_theirs"], "reason", "contact") == [("unknown_contact", None)] and said["refused"] == []


def test_a_day_on_which_they_sent_nothing_is_named(shop: Shop) -> None:
    """Our mails of that day are only ours, and the day is said to be missed."""
    log = shop.file("log.csv", HEAD, "notice,7,1,2026-03-02 09:00", "notice,9,1,2026-03-04 09:00")
    said = shop.run("compare", "--log", log, "--format", "json", at=AT)
    assert (said.code, rows(said.value["only_ours"], "day", "reason")) == (0, [("2026-03-03", "missed_day")])
    assert rows(said.value["days"], "day", "missed") == [("2026-03-02", False), ("2026-03-03", True), ("2026-03-04", False)]
    text = shop.run("compare", "--log", log, at=AT).out
    assert "a missed day" in text and text.splitlines()[-1] == "3 days: 2 same, 1 only ours, 0 only theirs (missed_day 1)."


def test_a_mail_of_the_next_day_is_the_same_within_the_tolerance(shop: Shop) -> None:
    """Their job runs after midnight; with --within 0 the two are two."""
    log = shop.file("log.csv", HEAD, "notice,7,1,2026-03-03 00:10", "notice,8,1,2026-03-03 09:00")
    near = shop.run("compare", "--log", log, "--from", "2026-03-02", "--format", "json", at=AT).value
    assert (near["summary"]["same"], near["days"][0]["other_day"], near["agree"]) == (2, 1, True)
    exact = shop.run("compare", "--log", log, "--from", "2026-03-02", "--within", "0", "--format", "json", at=AT).value
    assert (rows(exact["only_ours"], "day", "reason"), rows(exact["only_theirs"], "reason", "since")) == ([("2026-03-02", "due")], [("sent_before", "2026-03-02")])


def test_what_the_log_has_of_earlier_days_counts_as_sent(shop: Shop) -> None:
    """The comparison begins on 3 March: the notice of the day before is known, and what was due before is nobody's."""
    log = shop.file("log.csv", HEAD, "notice,7,1,2026-03-02 09:00", "notice,8,1,2026-03-03 09:00")
    said = shop.run("compare", "--log", log, "--from", "2026-03-03", "--format", "json", at=AT).value
    assert said["summary"] | {"refused": 0} == {"same": 1, "only_ours": 0, "only_theirs": 0, "known_before": 1, "not_ours": 0, "not_sent": 0, "refused": 0}
    alone = shop.run("compare", "--log", shop.file("log.csv", HEAD, "notice,8,1,2026-03-03 09:00"), "--format", "json", at=AT).value
    assert alone["agree"]


def test_it_needs_no_ledger_and_respects_no_kill_switch(shop: Shop) -> None:
    """Shadow mode comes before everything else; a stop that keeps our own mail back hides no difference."""
    for path in (shop.ground.root / "state").glob("ledger*"):
        path.unlink()
    shop.ground.write("state/STOP", "")
    log = shop.file("log.csv", HEAD, "notice,7,1,2026-03-02 09:00")
    said = shop.run("compare", "--log", log, at=AT)
    assert said.code == 0 and "no ledger yet" in said.out and said.out.splitlines()[-1] == "1 day: 1 same, and no difference."
    assert not list((shop.ground.root / "state").glob("ledger*"))


def test_keys_are_pseudonyms_and_no_address_is_shown(shop: Shop) -> None:
    """As in a plan; --show-pii is for whoever asks."""
    log = shop.file("log.csv", f"{HEAD},to_email", "notice,8,2,2026-03-03 09:00,person2@example.com")
    said = shop.run("compare", "--log", log, "--format", "json", at=AT)
    assert "person2" not in said.out + said.err and '"contact": "2"' not in said.out
    shown = shop.run("compare", "--log", log, "--format", "json", "--show-pii", at=AT).value
    assert shown["only_theirs"][0]["contact"] == "2"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--from", "2026-03-09"), "lies after --to"),
        (("--to", "2026-03-09"), "is not over yet"),
        (("--from", "soon"), "is not a day"),
        (("--sequence", "nothing"), "there is no sequence `nothing`"),
    ],
)
def test_days_that_cannot_be_compared_are_told(shop: Shop, words: tuple[str, ...], told: str) -> None:
    """Wrong usage, exit 64."""
    said = shop.run("compare", "--log", shop.file("log.csv", HEAD, "notice,7,1,2026-03-02 09:00"), *words, at=AT)
    assert said.code == 64 and told in said.err


def test_the_demo_has_four_mistakes_and_all_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A repeat on the second day, a paid invoice dunned, somebody who has left, a missed day; and nothing else differs."""
    shop = Shop(Ground(tmp_path / "demo", {}), capsys)
    assert shop_init(shop).code == 0
    log, crm = tmp_path / "demo/state/other-system.csv", tmp_path / "demo/state/crm.duckdb"
    today = date(2026, 11, 23)
    mistakes = make_demo_log(crm, tmp_path / "again.csv", today, make_demo_crm(tmp_path / "crm.duckdb", today).bounced)
    assert (tmp_path / "again.csv").read_bytes() == log.read_bytes()
    said = shop.run("compare", "--log", str(log), "--format", "json", "--show-pii", at="2026-11-23T09:00:00+07:00").value
    named = {(row["reason"], row["day"], row["about"]["key"], row["contact"]) for row in said["only_theirs"]}
    assert named == {
        (reason, mail.day.isoformat(), str(mail.record), str(mail.contact))
        for reason, mail in (("sent_before", mistakes.repeated), ("goal_met", mistakes.paid), ("contact_inactive", mistakes.inactive))
    }
    assert mistakes.repeated.day == date(2026, 11, 18), "the second day"
    with duckdb.connect(str(crm), read_only=True) as records:
        assert records.execute("SELECT status FROM invoices WHERE id = $1", [mistakes.paid.record]).fetchall() == [("paid",)]
    assert Counter((row["reason"], row["day"]) for row in said["only_ours"]) == {("missed_day", mistakes.missed.isoformat()): mistakes.missed_mails}
    assert said["summary"]["same"] > 40


def shop_init(shop: Shop) -> Said:
    """A new demo project where the shop is."""
    from engine.cli import cli
    from engine.cli.ending import ended_calmly

    shop.capsys.readouterr()
    code = ended_calmly(cli, ["init", str(shop.ground.root), "--now", "2026-11-23T09:00:00+07:00"])
    said = shop.capsys.readouterr()
    return Said(code, said.out, said.err)
