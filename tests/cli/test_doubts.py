"""A server that breaks off after the final dot: exit 6, and a person who settles each doubt by the command (semantics 9.5)."""

from __future__ import annotations

import json

from tests.cli.conftest import NOW, Project, Said
from tests.smtp_server import Act, ScriptedServer

MAILING = """
  mailing:
    facts: {files: {companies: data/companies.csv, contacts: data/contacts.csv, contracts: data/contracts.csv}}
    ledger: {duckdb: state/mailing.duckdb}
    transport: {smtp: {host: localhost, port: "${SMTP_PORT}", tls: none}}
    allow_recipients: ["*"]
topics:"""
LATER = "2026-11-23T10:00:00+07:00"


def mailing(project: Project, server: ScriptedServer, *words: str, now: str = NOW) -> tuple[int, str]:
    said = project.run("--env", "mailing", *words, now=now, SMTP_PORT=str(server.port))
    return said.code, said.out + said.err


def test_9_5_an_unknown_is_shown_and_settled_by_the_command(project: Project) -> None:
    """Exit 6 while nobody knows; sent and failed are final, a resend goes with the next apply, and no other mail leaves twice."""
    path = project.root / "engine.yaml"
    path.write_text(path.read_text(encoding="utf-8").replace("\ntopics:", MAILING), encoding="utf-8")
    with ScriptedServer(script={"DOT": Act(then="drop", accept=True)}) as server:
        assert mailing(project, server, "state", "create")[0] == 0
        code, text = mailing(project, server, "apply")
        assert code == 6 and "nobody can tell" in text, text
        taken = list(server.keys)
        rows = json.loads(mailing(project, server, "sends", "--state", "unknown", "--format", "json")[1])["sends"]
        assert sorted(row["send_key"] for row in rows) == sorted(taken) and len(rows) == 2
        assert "2 sends whose outcome nobody knows" in mailing(project, server, "status")[1]

        kept, again = (row["send_key"] for row in rows)
        assert "never sent again" in mailing(project, server, "resolve", kept[:8], "--as", "sent", "--note", "seen in the mailbox")[1]
        assert mailing(project, server, "resolve", kept, "--as", "failed")[0] == 64, "settled once"
        assert "next apply" in mailing(project, server, "resolve", again, "--as", "resend")[1]

        server.script = None
        code, text = mailing(project, server, "apply", now=LATER)
        assert code in (0, 6) and server.keys[2:] == [again], text
        assert "0 unknown" not in text and "whose outcome" not in mailing(project, server, "status", now=LATER)[1]
        assert "resolved_sent" in mailing(project, server, "sends", "--state", "sent", "--format", "json", now=LATER)[1]


def test_a_mail_that_fails_makes_the_run_exit_6(applied: tuple[Project, Said]) -> None:
    """interface.md §3: finished, and something failed; each failed row says why."""
    project, said = applied
    assert said.code == 6
    rows = json.loads(project.run("sends", "--state", "failed", "--format", "json").out)["sends"]
    assert rows and all(row["reason"] for row in rows)
