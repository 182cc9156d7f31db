"""`apply`, `status` and the ledger's commands, on the small project."""

from __future__ import annotations

import json
import re
from collections.abc import Callable

from tests.cli.conftest import NOW, Project, Said

Golden = Callable[[str, str], None]
Applied = tuple[Project, Said]


def test_apply_says_what_left_and_what_did_not(applied: Applied, golden: Golden) -> None:
    """One contact's name cannot stand in a header: its mails fail, the others go, exit 6."""
    project, said = applied
    assert said.code == 6
    golden("apply.txt", project.calm(said.out))
    assert len(list((project.root / "state" / "outbox").glob("*.eml"))) == 2


def test_1_2_a_second_apply_sends_nothing(applied: Applied, project: Project) -> None:
    """Run it as often as you like."""
    project.run("apply")
    again = project.run("apply", "--format", "json")
    assert again.code == 0 and json.loads(again.out)["delivery"]["sent"] == 0


def test_status(applied: Applied, golden: Golden) -> None:
    """At a glance."""
    project, _ = applied
    status = project.run("status").out
    golden("status.txt", re.sub(r"^  [0-9a-f]{8}  ", "  ········  ", status, flags=re.MULTILINE))


def test_no_person_in_any_output(applied: Applied, fresh: Project) -> None:
    """Canaries: no name and no address in what nobody asked to see."""
    project, said = applied
    assert not re.search("canary", said.out + said.err, re.IGNORECASE)
    commands = [
        ("plan",), ("plan", "--all", "--format", "json"), ("plan", "--format", "markdown"), ("plan", "--format", "jsonl"), ("status",), ("status", "--format", "json"), ("sends",),
        ("sends", "--format", "json"), ("enrollments",), ("enrollments", "--format", "json"), ("explain", "1"), ("explain", "1", "--format", "json"), ("explain", "contract:12"),
        ("doctor",), ("validate", "--facts"), ("segment", "members", "readers"), ("segment", "list", "--counts"),
    ]  # fmt: skip
    # Before the first apply the plan has more to say, all else has less.
    for where, words in [*((project, words) for words in commands), *((fresh, words) for words in commands[:2])]:
        told = where.run(*words)
        assert not re.search("canary", told.out + told.err, re.IGNORECASE), words
        assert told.code == 0, (words, told.err)


def test_show_leads_to_the_run(applied: Applied) -> None:
    """A prefix is enough; the mail itself needs --show-pii."""
    project, _ = applied
    rows = json.loads(project.run("sends", "--state", "sent", "--format", "json").out)["sends"]
    key = rows[0]["send_key"]
    said = project.run("show", key[:8])
    assert said.code == 0 and key in said.out and "sha256:" in said.out
    assert project.run("show", key, "--raw").code == 64
    raw = project.run("show", key, "--raw", "--show-pii")
    assert raw.out.startswith("From: ") and "Message-ID" in raw.out
    assert project.run("show", "zz").code == 64


def test_explain_shows_every_gate(applied: Applied, golden: Golden) -> None:
    """Gate by gate, and what was sent before."""
    project, _ = applied
    golden("explain.txt", project.calm(project.run("explain", "3", now="2026-11-24T09:00:00+07:00").out))


def test_explain_looks_back(applied: Applied) -> None:
    """A day later `--at` the apply's own moment shows what it decided, says what is of then and what of today, and leads to the mail."""
    project, _ = applied
    later = "2026-11-24T09:00:00+07:00"
    said = " ".join(project.run("explain", "3", "--at", NOW, now=later).out.split())
    assert "The CRM as it is now; the ledger as it was at Mon 23 Nov 2026, 09:00; the definitions are today's." in said
    assert "a mail goes now the ledger has it since: sent, Mon 23 Nov 2026" in said and "Before" not in said
    told = json.loads(project.run("explain", "3", "--at", NOW, "--format", "json", now=later).out)
    assert told["now"] == told["ledger_as_of"] == NOW and told["sends"] == []
    (went,) = [step["became"] for step in told["steps"] if step["decision"] == "send"]
    assert went["state"] == "sent" and f"`engine show {went['send_key'][:8]}`" in said
    assert project.run("show", went["send_key"][:8]).code == 0
    # At a moment ahead it is that moment's plan on today's ledger.
    ahead = project.run("explain", "3", "--at", "2026-11-28T09:00:00+07:00").out
    assert "The plan of that moment" in ahead and "engine simulate --until" in ahead
    assert json.loads(project.run("explain", "3", "--at", NOW, "--format", "json").out)["ledger_as_of"] is None


def test_explain_codes() -> None:
    """Reasons and errors have long texts, without a project."""
    from tests.cli.conftest import engine

    assert "gate 6.11" in engine("explain", "unsubscribed").out
    assert engine("explain", "E201").out.startswith("E201: ")
    assert engine("explain", "E999").code == 64


def test_stop_and_start(project: Project) -> None:
    """Stopped means that nothing leaves; started, that it goes."""
    assert "Everything is stopped" in project.run("stop", "--note", "look first").out
    assert "look first" in project.run("status").out
    assert json.loads(project.run("apply", "--format", "json").out)["delivery"]["sent"] == 0
    assert "may send again" in project.run("start").out
    assert json.loads(project.run("apply", "--format", "json").out)["delivery"]["sent"] == 2


def test_9_8_stopping_does_not_wait_for_a_yaml_file(project: Project) -> None:
    """With broken definitions the order still gets through."""
    good = (project.root / "definitions" / "crm.yaml").read_text()
    (project.root / "definitions" / "crm.yaml").write_text("entities: [")
    said = project.run("stop")
    assert said.code == 0 and "in error" in said.out
    (project.root / "definitions" / "crm.yaml").write_text(good)
    assert json.loads(project.run("apply", "--format", "json").out)["delivery"]["sent"] == 0
    assert "stopped the project" in project.run("status").out


def test_9_8_an_order_reaches_a_run_that_holds_the_ledger(project: Project) -> None:
    """It waits in the inbox, reading commands read the copy and say so, and who wants to write is told who has it."""
    from datetime import datetime

    from engine.ledger.duckdb import DuckdbLedger

    with DuckdbLedger.open(project.root / "state" / "ledger.duckdb", "acme", "dev", command="apply", now=datetime(2026, 11, 23, 2)):
        said = project.run("pause", "news")
        assert said.code == 0 and "A run holds the ledger (`apply`" in said.out
        assert len(list((project.root / "state" / "inbox").iterdir())) == 1
        status = project.run("status")
        assert status.code == 0 and "1 order in the inbox" in status.out
        blocked = project.run("apply")
        assert blocked.code == 5 and "`apply`, process" in blocked.err
    project.run("apply")
    assert "paused news" in project.run("status").out


def test_pause_needs_to_be_told_what(project: Project) -> None:
    """Nothing is paused by accident."""
    assert project.run("pause").code == 64
    assert project.run("pause", "nwes").code == 64
    assert project.run("pause", "--all").code == 0
    assert "The project is paused" in project.run("plan").out
    assert project.run("resume", "--all").code == 0


def test_suppress_keeps_only_a_hash(project: Project) -> None:
    """The address is in no file of the state folder, and gets nothing."""
    assert project.run("suppress", "canary.fay@example.com", "--reason", "manual").code == 0
    for path in (project.root / "state").rglob("*"):
        assert not path.is_file() or b"canary.fay" not in path.read_bytes()
    plan = json.loads(project.run("plan", "--format", "json", "--show-pii").out)
    assert all(row["address"] != "canary.fay@example.com" for row in plan["decisions"] if row["decision"] == "send")
    assert project.run("unsuppress", "canary.fay@example.com").out.startswith("The address may be written to again")


def test_enroll_counts_who_is_in_and_who_is_not(project: Project) -> None:
    """Enrolled, already in, and not in the CRM."""
    project.run("apply")
    said = project.run("enroll", "news", "--contact", "2", "--contact", "3", "--contact", "77", "--format", "json", now="2026-11-23T10:00:00+07:00")
    told = json.loads(said.out)
    assert (told["enrolled"], told["skipped"], told["not_in_crm"]) == (1, {"already_enrolled": 1}, 1)
    assert project.run("enroll", "renewal", "--contact", "2").code == 64


def test_resolve_only_what_is_unknown(applied: Applied) -> None:
    """A send that was sent needs no settling."""
    project, _ = applied
    key = json.loads(project.run("sends", "--state", "sent", "--format", "json").out)["sends"][0]["send_key"]
    assert project.run("resolve", key, "--as", "sent").code == 64


def test_1_3_without_a_ledger_apply_refuses(project: Project) -> None:
    """A ledger that is not there is made only by init or state create."""
    for path in (project.root / "state").glob("ledger*"):
        path.unlink()
    said = project.run("apply")
    assert said.code == 7 and "engine state create" in said.err
