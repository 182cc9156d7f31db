"""`engine attention`: what needs a person, since when, what happens otherwise, and what mends it."""

from __future__ import annotations

import json
import os
import subprocess
from datetime import UTC, datetime, timedelta
from email import policy
from email.parser import BytesParser
from pathlib import Path

import pytest

from engine.clock import naive_utc
from engine.runs.opening import open_site
from tests.cli.conftest import KEY, NOW, Project
from tests.ledger.stories import dispatch, said

MORE = """\
owners: {accounts: accounts@example.com, marketing: marketing@example.com}
"""
LATER = "2026-11-23T10:00:00+07:00"
DRAFT = "id: idea\nstatus: draft\nowner: marketing\nabout: contact\ntrigger: manual\nsteps:\n  - {id: letter, wait: 0d, template: news}\n"


def commit(root: Path, when: str) -> None:
    environ = {**os.environ, "GIT_COMMITTER_DATE": when, "GIT_AUTHOR_DATE": when}
    for words in (["init", "-q"], ["add", "definitions"], ["-c", "user.name=a", "-c", "user.email=a@example.com", "commit", "-qm", "begin"]):
        subprocess.run(["git", "-C", str(root), *words], check=True, env=environ)


@pytest.fixture
def troubled(project: Project) -> Project:
    """A project with one of each trouble: nobody to tell, no address, no value, a doubt, a late job, an old draft, a list with somebody gone."""
    settings = project.root / "engine.yaml"
    text = settings.read_text().replace("guards: {max_sends: {per_run: 20}", "guards: {max_sends: {per_run: 2}")
    settings.write_text(
        text.replace("topics:\n", MORE + "topics:\n").replace(
            "  broken:\n",
            "  mail:\n    facts: {files: {companies: data/companies.csv, contacts: data/contacts.csv, contracts: data/contracts.csv}}\n"
            "    ledger: {duckdb: state/mail.duckdb}\n    transport: {smtp: {host: localhost, port: 1, tls: none}}\n  broken:\n",
        )
    )
    definitions = project.root / "definitions"
    renewal = definitions / "sequences/renewal.yaml"
    renewal.write_text(renewal.read_text().replace("status: active\n", "status: active\nowner: accounts\n", 1))
    (definitions / "sequences/idea.yaml").write_text(DRAFT)
    (definitions / "segments/vip.yaml").write_text("id: vip\nentity: contact\nowner: marketing\nmembers: [1, 77, 78]\n")
    commit(project.root, "2026-10-01T09:00:00+07:00")
    return project


def doubt(project: Project, at: str) -> str:
    """One planned mail whose outcome nobody knows; its send key."""
    now = naive_utc(datetime.fromisoformat(at))
    site = open_site(project.root, None, {"ENGINE_PSEUDONYM_KEY": KEY}, now)
    with site.open_ledger("test") as ledger:
        (row,) = ledger.claim("w", 1, now)
        ledger.begin_dispatch([dispatch(row)], now)
        ledger.settle([said(row, "unknown", phase="dot")], now)
        return row.send_key


def test_attention_tells_each_trouble_once(troubled: Project) -> None:
    """Item 12: what, since when, what happens otherwise and on which date, what mends it; by owner; nobody's name or address."""
    assert troubled.run("apply", "--plan-only", "--job", "renewals", "--allow", "max_sends.per_run=20", "--reason", "a test", now="2026-11-22T09:00:00+07:00").code == 0
    key = doubt(troubled, "2026-11-22T09:01:00+07:00")
    told = json.loads(troubled.run("attention", "--format", "json", now=LATER).out)["findings"]
    found = {(one["kind"], one["about"], one["reason"]): one for one in told}
    assert len(found) == len(told)
    nobody = found["unreached", "renewal", "no_contact"]
    assert nobody["what"] == "1 contract reaches its end date within 25 days and nobody can be told: Nobody has no contact"
    assert (nobody["owner"], nobody["since"][:10], nobody["until"][:10]) == ("accounts", "2026-11-18", "2026-11-25")
    assert "passed over, from Wed 25 Nov 2026" in nobody["otherwise"] and "`contact.email`" in nobody["mend"]
    value = found["missing_variable", "renewal", "missing_variable"]
    assert "`number` has no value" in value["what"] and value["mend"].startswith("in the CRM: `contract.number`")
    assert {one["reason"] for one in told if one["kind"] == "hold" and one["about"] == "news"} == {"no_address", "contact_inactive"}
    (unknown,) = [one for one in told if one["kind"] == "unknown"]
    assert f"resolve {key[:8]} --as sent|failed" in unknown["mend"] and unknown["since"]
    assert found["job", "renewals", None]["mend"].endswith(f"apply --job renewals --now {LATER}")
    draft = found["draft", "idea", None]
    assert (draft["owner"], draft["since"][:10]) == ("marketing", "2026-10-01") and "definitions/sequences/idea.yaml" in draft["mend"]
    gone = found["gone_members", "vip", None]
    assert (gone["count"], gone["owner"]) == (2, "marketing") and "segment remove vip --gone" in gone["mend"]
    assert all(len(row["key"]) == 16 for one in told for row in one["records"])
    text = troubled.run("attention", "--owner", "accounts", now=LATER).out
    assert "marketing" not in text and "Without an owner" not in text and "since      Wed 18 Nov 2026" in text
    everything = troubled.run("attention", now=LATER).out
    assert "anary" not in everything + json.dumps(told) and all(len(line) <= 80 for line in everything.splitlines() if " -C " not in line)
    assert troubled.run("attention", "--owner", "acounts").code == 64
    # What mends it, mends it.
    assert "2 removed, 1 member now" in troubled.run("segment", "remove", "vip", "--gone").out
    assert not [one for one in json.loads(troubled.run("attention", "--format", "json", now=LATER).out)["findings"] if one["kind"] == "gone_members"]


def test_attention_names_a_guard_and_who_must_not_be_written_to(troubled: Project) -> None:
    """Item 12: a guard that blocks is told before the run; a record whose only contacts are suppressed is a trouble of its own."""
    contacts = troubled.root / "data/contacts.csv"
    contacts.write_text(contacts.read_text() + "9,Canary Gus,gus@example.com,en,true,false,,3\n")
    assert troubled.run("suppress", "gus@example.com", "--reason", "bounce").code == 0
    told = json.loads(troubled.run("attention", "--format", "json").out)["findings"]
    (guard,) = [one for one in told if one["kind"] == "guard"]
    assert guard["about"] == "max_sends.per_run" and guard["what"].startswith("the guard max_sends.per_run (E501) blocks everything: ")
    printed = next(line for line in troubled.run("apply").out.splitlines() if "--allow" in line)
    assert guard["mend"].endswith(printed.strip().removeprefix("if that is meant: ")), "item 12: the override that apply prints"
    assert guard["since"] and guard["until"] and "the first mail expires on" in guard["otherwise"] and told[0] == guard, "the gravest stands first"
    (only,) = [one for one in told if one["kind"] == "suppressed_only"]
    assert only["what"].endswith("and nobody may be told: Nobody has only contacts who must not be written to") and "unsuppress" in only["mend"]


def mails(project: Project) -> dict[str, str]:
    """The notices in the outbox, by address."""
    found = {}
    for path in sorted((project.root / "state/outbox").glob("*.eml")):
        mail = BytesParser(policy=policy.default).parsebytes(path.read_bytes())
        body = mail.get_body(("plain",))
        assert body is not None
        found[str(mail["To"])] = f"{mail['Subject']}\n{body.get_content()}"
    return found


def test_attention_is_mailed_once_a_day(troubled: Project) -> None:
    """Item 12: each owner gets what is theirs over the environment's transport, once a day; the ledger knows it and counts no send."""
    said_first = troubled.run("attention", "--send", "--show-pii")
    assert said_first.code == 0 and "accounts: told by mail" in said_first.err and "marketing: told by mail" in said_first.err
    assert "without an owner are told to all of them" in said_first.err
    found = mails(troubled)
    assert set(found) == {"accounts@example.com", "marketing@example.com"}
    assert found["accounts@example.com"].startswith("acme: ") and "Nobody has no contact" in found["accounts@example.com"]
    for text in found.values():
        assert "Without an owner" in text and "the guard max_sends.per_run (E501) blocks everything" in text and "--allow max_sends.per_run=" in text
    assert "anary" not in "".join(found.values()) and "vip" in found["marketing@example.com"] and "vip" not in found["accounts@example.com"]
    again = troubled.run("attention", "--send", now="2026-11-23T18:00:00+07:00")
    assert "accounts: was told today already" in again.err
    tomorrow = (datetime.fromisoformat(NOW) + timedelta(days=1)).astimezone(UTC).isoformat()
    assert "accounts: told by mail" in troubled.run("attention", "--send", "--owner", "accounts", now=tomorrow).err
    assert json.loads(troubled.run("sends", "--format", "json").out)["total"] == 0


def test_attention_of_one_owner_tells_what_is_nobody_s(troubled: Project) -> None:
    """Item 12: --owner leaves out other owners' mails, and nothing of the notice, which is the day's only one."""
    said = troubled.run("attention", "--send", "--owner", "accounts")
    assert "blocks everything" not in said.out and "without an owner" in said.err
    found = mails(troubled)
    assert set(found) == {"accounts@example.com"} and "the guard max_sends.per_run (E501) blocks everything" in found["accounts@example.com"]


def test_attention_names_the_environment_in_a_mail(troubled: Project) -> None:
    """Item 12: what a mail says to copy is for the environment that it is about, and holds neither a folder nor a moment."""
    settings = troubled.root / "engine.yaml"
    settings.write_text(settings.read_text().replace("transport: {smtp: {host: localhost, port: 1, tls: none}}", "transport: outbox"))
    assert troubled.run("--env", "mail", "state", "create").code == 0
    assert troubled.run("--env", "mail", "attention", "--send").code == 0
    for text in mails(troubled).values():
        commands = [line for line in text.splitlines() if "engine " in line]
        assert len(commands) > 1 and all("engine --env mail " in line and " -C " not in line and "--now" not in line for line in commands), commands
        assert "`engine --env mail attention" in commands[-1]


def test_9_8_while_the_kill_switch_is_on_no_notice_leaves(troubled: Project) -> None:
    """9.8: nothing leaves, a notice to an owner and a preview to a tester no more than a mail."""
    said = troubled.run("attention", "--send", ENGINE_STOP="1")
    assert (said.code, "kill switch" in said.err) == (1, True), said.out + said.err
    assert troubled.run("attention", ENGINE_STOP="1").code == 0


def test_attention_goes_only_where_the_environment_may_write(troubled: Project) -> None:
    """Item 12: `allow_recipients` holds for notices too; one that failed for certain may go again on the same day."""
    assert troubled.run("--env", "mail", "state", "create").code == 0
    refused = troubled.run("--env", "mail", "attention", "--send", "--owner", "accounts")
    assert refused.code == 0 and "may not write there" in refused.err
    settings = troubled.root / "engine.yaml"
    settings.write_text(settings.read_text().replace("port: 1, tls: none}}\n", 'port: 1, tls: none}}\n    allow_recipients: ["*@example.com"]\n'))
    for _ in range(2):
        failed = troubled.run("--env", "mail", "attention", "--send", "--owner", "accounts")
        assert failed.code != 0 and "already" not in failed.err


def test_attention_without_owners_tells_the_sender(troubled: Project) -> None:
    """Item 12: where engine.yaml names no owners, what blocks everything is told to whoever reads the answers to our mails."""
    for path in (troubled.root / "engine.yaml", *(troubled.root / "definitions").rglob("*.yaml")):
        lines = path.read_text().splitlines(keepends=True)
        path.write_text("".join(line for line in lines if not line.startswith(("owner:", "owners:"))))
    told = troubled.run("attention", "--send")
    assert told.code == 0 and "the sender: told by mail" in told.err and "go to the sender's `reply_to`" in told.err
    found = mails(troubled)
    assert set(found) == {"support@example.com"} and "blocks everything" in found["support@example.com"]


def test_a_job_that_never_ran_is_told(project: Project) -> None:
    """Item 10: its first time after the ledger's first apply is over, and nothing ran: late in status, doctor and attention, since that time, and first."""
    project.run("apply", now="2026-11-21T10:00:00+07:00")
    for now, late in (("2026-11-22T09:10:00+07:00", False), (NOW, True), (LATER, True)):
        (job,) = json.loads(project.run("status", "--format", "json", now=now).out)["jobs"]
        assert (job["late"], job["missed"]) == (late, "2026-11-22T09:00:00+07:00" if late else None), now
        assert (project.run("doctor", now=now).code == 1) is late
    assert "should have run on Sun 22 Nov 2026, 09:00 and never ran here" in " ".join(project.run("status").out.split())
    assert "renewals should have run on Sun 22 Nov 2026, 09:00, and never ran here" in " ".join(project.run("doctor").out.split())
    first = json.loads(project.run("attention", "--format", "json").out)["findings"][0]
    assert (first["kind"], first["reason"], first["since"]) == ("job", "never_ran", "2026-11-22T09:00:00+07:00")
    assert "has never run" in first["what"] and f"apply --job renewals --now {NOW}" in first["mend"]


def test_a_job_that_never_ran_is_told_however_often_others_ran(project: Project) -> None:
    """Item 10: status tells of ten runs; the ledger is older than they are, and the job stays late."""
    project.run("apply", now="2026-11-21T10:00:00+07:00")
    for minute in range(10, 21):
        project.run("apply", "--plan-only", now=f"2026-11-22T11:{minute}:00+07:00")
    (job,) = json.loads(project.run("status", "--format", "json", now="2026-11-22T12:00:00+07:00").out)["jobs"]
    assert (job["late"], job["missed"]) == (True, "2026-11-22T09:00:00+07:00")


def test_a_job_that_is_down_stays_late(project: Project) -> None:
    """Item 10: also in the quarter of an hour after each of its times."""
    project.run("apply", "--job", "renewals", now="2026-11-21T10:00:00+07:00")
    said = project.run("doctor", now="2026-11-24T09:05:00+07:00")
    assert said.code == 1 and "should have run on Sun 22 Nov 2026, 09:00" in " ".join(said.out.split())
