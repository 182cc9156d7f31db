"""`engine state backup`, `verify`, `restore` and `engine forget` as a person meets them."""

from __future__ import annotations

import re
import shutil

from engine.ledger.duckdb.files import LedgerFiles
from tests.cli.conftest import Project


def mails(project: Project) -> set[str]:
    return {path.name for path in (project.root / "state" / "outbox").glob("*.eml")}


def test_a_backup_is_made_and_checked(project: Project) -> None:
    """One line each, exit 0; not written over without --force; damage is exit 7."""
    said = project.run("state", "backup")
    assert said.code == 0, said.err
    (made,) = (project.root / "state" / "backups").glob("*.duckdb")
    assert made.name in said.out and "whole" in said.out
    again = project.run("state", "backup", str(made))
    assert again.code == 1 and "--force" in again.err
    assert project.run("state", "backup", str(made), "--force").code == 0
    for words in (("state", "verify"), ("state", "verify", str(made))):
        checked = project.run(*words)
        assert checked.code == 0 and "The ledger is whole" in checked.out, checked.out + checked.err
    made.write_bytes(made.read_bytes()[:100])
    damaged = project.run("state", "verify", str(made))
    assert damaged.code == 7 and "FAULT" in damaged.out


def test_yesterdays_backup_sends_nothing_again(project: Project) -> None:
    """Put in place by hand it is refused; restored, the sends of the replaced ledger are taken over, and the next apply sends none."""
    backup = project.root / "yesterday.duckdb"
    assert project.run("state", "backup", str(backup)).code == 0
    applied = project.run("apply")
    sent = mails(project)
    assert sent, applied.out + applied.err
    ledger = LedgerFiles(project.root / "state" / "ledger.duckdb")
    today = ledger.ledger.read_bytes()
    ledger.copy.unlink()
    shutil.copyfile(backup, ledger.ledger)
    assert project.run("apply").code == 7
    ledger.ledger.write_bytes(today)
    refused = project.run("state", "restore", str(backup))
    assert refused.code == 7 and re.search(r"among them \d+ sends", refused.err), refused.err
    done = project.run("state", "restore", str(backup), "--accept-rollback")
    assert done.code == 0 and "sends since the backup were taken over" in done.out, done.out + done.err
    shutil.rmtree(project.root / "state" / "outbox")
    again = project.run("apply")
    assert again.code == 0 and not mails(project) and sent, again.out + again.err


def test_where_the_ledger_is_lost_nothing_that_was_due_is_sent(project: Project) -> None:
    """3.7: neither steps of dates nor files of enrollments; the plan says why, and what falls due later goes."""
    backup = project.root / "yesterday.duckdb"
    assert project.run("state", "backup", str(backup)).code == 0
    project.run("apply")
    sent = mails(project)
    assert sent
    ledger = LedgerFiles(project.root / "state" / "ledger.duckdb")
    ledger.copy.unlink()
    ledger.ledger.write_bytes(b"lost" * 1000)
    assert project.run("apply").code == 7
    shutil.rmtree(project.root / "state" / "outbox")
    assert "nobody can tell" in project.run("state", "restore", str(backup)).err
    done = project.run("state", "restore", str(backup), "--accept-rollback", now="2026-11-23T09:00:01+07:00")
    assert done.code == 0 and "is passed over (ledger_restored)" in done.out, done.out + done.err
    plan = project.run("plan", now="2026-11-23T09:00:01+07:00")
    assert "the ledger does not know that time" in plan.out, plan.out
    for now in ("2026-11-23T09:00:01+07:00", "2026-11-23T10:00:00+07:00"):
        assert project.run("apply", now=now).code == 0
        assert not mails(project)
    assert project.run("state", "verify").code == 0
    # Contract 11 ends on 20 December: its second letter is due on the 13th.
    later = project.run("apply", now="2026-12-13T12:00:00+07:00")
    assert mails(project), later.out + later.err


def test_forget_leaves_nothing_personal(project: Project) -> None:
    """Threat 27: the ledger, its log, the readers' copy, the outbox and the backups hold no canary of the contact any more."""
    project.run("apply")
    assert project.run("state", "backup").code == 0
    state = project.root / "state"
    canaries = (b"canary.ann@example.com", b"CANARY.ANN@example.com", b"Canary Ann")

    def found() -> set[str]:
        files = [path for path in state.rglob("*") if path.is_file()]
        return {path.name for path in files if any(canary in path.read_bytes() for canary in canaries)}

    assert {"ledger.duckdb", "ledger.copy.duckdb"} <= found()
    said = project.run("forget", "1")
    assert said.code == 0 and "Erased" in said.out, said.err
    assert "canary" not in (said.out + said.err).lower()
    assert project.run("forget", "canary.ann@example.com").code == 0
    assert found() == set()
    assert project.run("state", "verify").code == 0
    listed = project.run("sends")
    assert listed.code == 0 and "canary" not in listed.out.lower()


def test_forget_asks_for_one_thing(project: Project) -> None:
    """A contact or an age, and an age that can be counted."""
    for words in ((), ("1", "--older-than", "400d"), ("--older-than", "soon"), ("--older-than", "3h")):
        assert project.run("forget", *words).code == 64
    assert project.run("forget", "--older-than", "400d").code == 0


def test_8_10_state_rekey(project: Project) -> None:
    """A map that lacks keys is refused and lists pseudonyms; a dry run changes nothing; done, it names the backup, and the ledger is whole."""
    project.run("apply")
    keys = project.root / "keys.csv"
    keys.write_text("old,new\n1,1001\n2,1002\n")
    refused = project.run("state", "rekey", "contact", "--map", str(keys))
    assert refused.code == 1 and "Not in the map:" in refused.out and "--keep-missing" in refused.err and not re.search(r"^  \d+$", refused.out, re.MULTILINE)
    said = project.run("state", "rekey", "contact", "--map", str(keys), "--show-pii").out
    listed = re.findall(r"^  (\d+)$", said, re.MULTILINE)
    assert listed, said
    keys.write_text("old,new\n" + "".join(f"{key},10{key}\n" for key in ["1", "2", *listed]))
    dry = project.run("state", "rekey", "contact", "--map", str(keys), "--dry-run")
    assert dry.code == 0 and "Nothing was changed" in dry.out
    done = project.run("state", "rekey", "contact", "--map", str(keys))
    assert done.code == 0 and "before-rekey" in done.out and "sends have another key" in done.out, done.out + done.err
    assert "The ledger is whole" in project.run("state", "verify").out
    for text, word in (("old,new\n1,\n", "has no new key"), ("old,new\n1,2\n1,3\n", "again"), ("a,b\n", "no column `old`"), ("old,new\n", "no keys")):
        keys.write_text(text)
        said = project.run("state", "rekey", "contact", "--map", str(keys))
        assert said.code == 64 and word in said.err, said.err
    assert project.run("state", "rekey", "nobody", "--map", str(keys)).code == 64
