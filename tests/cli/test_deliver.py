"""`engine apply --plan-only`, `deliver`, and the ledger's care, with a ledger in a file and on a real Postgres."""

from __future__ import annotations

import builtins
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from engine.ledger.postgres.statements import SCHEMA_VERSION
from tests.cli.conftest import Project, Said
from tests.postgres_server import Postgres, postgres

__all__ = ["postgres"]
LATER = "2026-11-23T09:10:00+07:00"
IN_A_FILE = "ledger: {duckdb: state/ledger.duckdb}"
ON_POSTGRES = 'ledger: {postgres: "${LEDGER_URL}", schema: mail}'


@pytest.fixture(scope="module")
def server(request: pytest.FixtureRequest) -> Iterator[str]:
    there: Postgres = request.getfixturevalue("postgres")
    with there.database() as url:
        yield url


@pytest.fixture
def url(server: str) -> str:
    """A database with nothing in it."""
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute("DROP SCHEMA IF EXISTS mail CASCADE")
    return server


def moved(project: Project, old: str = IN_A_FILE, new: str = ON_POSTGRES) -> None:
    path = project.root / "engine.yaml"
    text = path.read_text(encoding="utf-8")
    assert text.count(old) == 1
    path.write_text(text.replace(old, new), encoding="utf-8")


def mails(project: Project) -> int:
    return len(list((project.root / "state" / "outbox").glob("*.eml")))


def test_only_what_sends_asks_for_the_variables_of_the_transport(project: Project) -> None:
    """A plan, and an apply that sends nothing, run without the password; an apply and a worker end before they write, and doctor says it."""
    moved(project, "    transport: outbox", "    transport: {smtp: {host: localhost, port: 1, tls: none, password: {env: MAIL_PASSWORD}}}\n    allow_recipients: ['*']")
    told = "to send, the environment `dev` needs `MAIL_PASSWORD`, which is not set"
    assert project.run("plan").code == 0
    refused = project.run("apply")
    assert (refused.code, refused.out) == (1, "") and told in " ".join(refused.err.split()) and "export MAIL_PASSWORD" in refused.err
    assert json.loads(project.run("status", "--format", "json").out)["runs"] == []
    assert told in " ".join(project.run("doctor", now=None).out.split())
    assert project.run("apply", "--plan-only").code == 0
    waiting = project.run("deliver")
    assert waiting.code == 1 and told in " ".join(waiting.err.split())


def test_8_nothing_is_half_erased_where_nobody_can_say_where_the_mails_lie(project: Project) -> None:
    """§8: the outbox's folder is a variable that is not set: forget ends before it erases anything, and does all of it once the variable is set."""
    moved(project, "    transport: outbox", "    transport: {outbox: {dir: '${MAILS}'}}")
    assert project.run("apply", MAILS="state/mails").code == 6
    assert list((project.root / "state" / "mails").glob("*.eml"))
    refused = project.run("forget", "1")
    assert (refused.code, refused.out) == (1, "") and "the outbox of the environment `dev` needs `MAILS`, which is not set" in " ".join(refused.err.split())
    sends = json.loads(project.run("sends", "--state", "sent", "--show-pii", "--format", "json", now=None).out)["sends"]
    assert len(sends) == 2 and all(row["address"] for row in sends)
    assert project.run("apply", "--plan-only").code == 0
    contact = sends[0]["contact"]
    assert project.run("forget", str(contact), MAILS="state/mails").code == 0
    assert len(list((project.root / "state" / "mails").glob("*.eml"))) == 1


def test_plan_only_says_what_sends_it(project: Project) -> None:
    """Nothing leaves; the word names the command that sends, and that one says what left and what did not, exit 6; then nothing is left."""
    planned = project.run("apply", "--plan-only")
    assert (planned.code, mails(project)) == (0, 0)
    assert "5 mails are planned, and none was sent: `engine deliver` sends them" in " ".join(planned.out.split())
    done = project.run("deliver")
    assert done.code == 6 and "2 mails sent." in done.out and "3 failed." in done.out and "What did not leave" in done.out
    assert "canary" not in (done.out + done.err).lower()
    again = json.loads(project.run("deliver", "--format", "json").out)
    assert {name: again[name] for name in ("kind", "exit_code", "sent", "failed", "left_planned", "ended")} == {
        "kind": "delivered", "exit_code": 0, "sent": 0, "failed": 0, "left_planned": 0, "ended": "done",
    }  # fmt: skip
    assert mails(project) == 2


@pytest.mark.parametrize("value", ["box@example.org\n", "nobody"])
def test_a_box_that_is_no_address_is_told_before_anything_is_written(project: Project, value: str) -> None:
    """With `redirect_to` every mail would have failed for good."""
    moved(project, "    transport: outbox", '    transport: outbox\n    redirect_to: "${BOX}"')
    said = project.run("apply", BOX=value)
    assert (said.code, said.out) == (1, "") and "`redirect_to` is not one address" in said.err
    assert json.loads(project.run("status", "--format", "json", BOX=value).out)["runs"] == []


def test_a_worker_that_stays_needs_postgres(project: Project) -> None:
    """A calm word, with what would let it."""
    said = project.run("deliver", "--stay")
    assert said.code == 1 and "keep every apply out" in said.err and "Postgres" in said.err


def test_the_kill_switch_stops_a_worker(project: Project) -> None:
    """Nothing leaves, and the worker says why."""
    project.run("apply", "--plan-only")
    (project.root / "state" / "STOP").touch()
    said = project.run("deliver")
    assert (said.code, mails(project)) == (0, 0) and "kill switch" in said.out and "5 stay planned" in said.out
    (project.root / "state" / "STOP").unlink()
    project.run("stop")
    said = project.run("deliver")
    assert (said.code, mails(project)) == (0, 0) and "the project is stopped or paused" in " ".join(said.out.split())


def test_a_ledger_on_postgres_from_the_first_command_to_the_last(project: Project, url: str) -> None:
    """Created, planned, sent, looked at, checked; the doors say where it is, and never with its password."""
    moved(project)

    def run(*words: str, **given: Any) -> Said:
        said = project.run(*words, LEDGER_URL=url, **given)
        assert "tests:tests" not in said.out + said.err
        return said

    missing = run("status")
    assert missing.code == 7 and "engine state create" in missing.err
    assert "schema `mail`" in run("state", "create").out
    twice = run("state", "create")
    assert twice.code == 7 and "something already" in twice.err
    assert run("state", "migrate").out.strip() == f"The ledger has schema {SCHEMA_VERSION} already; nothing was changed."
    assert run("apply", "--plan-only").code == 0
    assert run("deliver").code == 6 and mails(project) == 2
    assert run("apply", now=LATER).code == 0 and mails(project) == 2
    status = json.loads(run("status", "--format", "json").out)
    assert status["sends"]["sent"] == 2 and status["ledger"]["copied_at"] is None and status["held_by"] is None
    assert "ok    ledger" in run("doctor").out
    verified = run("state", "verify")
    assert verified.code == 0 and "The ledger is whole" in verified.out
    key = json.loads(run("sends", "--state", "sent", "--format", "json").out)["sends"][0]["send_key"]
    assert run("show", key[:8]).code == 0
    assert "Everything is stopped" in run("stop").out and "may send again" in run("start").out
    assert not list((project.root / "state" / "inbox").glob("*.json"))
    erased = run("forget", "1", now=LATER)
    assert erased.code == 0, erased.err
    assert run("sends", "--contact", "1").code == 0


def test_9_8_stop_reaches_a_shared_ledger_though_the_definitions_are_in_error(project: Project, url: str) -> None:
    """9.8: stopping never waits for a YAML file: on Postgres the order is in the ledger, where the workers of other hosts see it."""
    moved(project)
    project.run("state", "create", LEDGER_URL=url)
    broken = project.root / "definitions" / "sequences" / "news.yaml"
    text = broken.read_text(encoding="utf-8")
    broken.write_text(text + "nonsense: 1\n", encoding="utf-8")
    said = project.run("stop", LEDGER_URL=url)
    assert said.code == 0 and "every worker obeys it" in said.out, said.out + said.err
    broken.write_text(text, encoding="utf-8")
    project.run("apply", LEDGER_URL=url)
    assert mails(project) == 0 and not list((project.root / "state" / "inbox").glob("*.json"))


def test_backup_and_restore_are_the_servers(project: Project, url: str) -> None:
    """`backup` says what to use; a ledger that lacks what this host saw is refused, and taken with --accept-rollback."""
    moved(project)
    project.run("state", "create", LEDGER_URL=url)
    said = project.run("state", "backup", LEDGER_URL=url)
    assert said.code == 64 and "pg_dump" in said.err and "tests:tests" not in said.err
    assert "all that this host saw" in project.run("state", "restore", LEDGER_URL=url).out
    assert project.run("apply", LEDGER_URL=url).code == 6
    with psycopg.connect(url) as connection:
        connection.execute("SET search_path = mail")
        connection.execute("DELETE FROM transactions; DELETE FROM runs; DELETE FROM sends; DELETE FROM enrollments; DELETE FROM address_slots")
        connection.execute(f"UPDATE ledger_meta SET serial = 0, head_hash = '{'0' * 64}', last_now = NULL")
    for words in (("apply",), ("plan",), ("status",), ("state", "restore")):
        refused = project.run(*words, LEDGER_URL=url)
        assert refused.code == 7 and "witness saw" in refused.err, (words, refused.err)
    done = project.run("state", "restore", "--accept-rollback", LEDGER_URL=url, now=LATER)
    assert done.code == 0 and "passed over (ledger_restored)" in " ".join(done.out.split())
    before = mails(project)
    assert project.run("apply", LEDGER_URL=url, now=LATER).code == 0 and mails(project) == before


def test_state_move_from_the_file_to_postgres(project: Project, url: str) -> None:
    """After it nothing is due again, the file is put aside, and what still names the file is told where the ledger went."""
    project.run("apply")
    assert mails(project) == 2
    early = project.run("state", "move", "state/ledger.duckdb")
    assert early.code == 64 and "ledger: {postgres" in early.err
    moved(project)
    project.run("state", "create", LEDGER_URL=url)
    done = project.run("state", "move", str(project.root / "state" / "ledger.duckdb"), LEDGER_URL=url)
    assert done.code == 0 and "rows were carried over" in done.out and "ledger.moved-" in done.out, done.err
    again = project.run("apply", now=LATER, LEDGER_URL=url)
    assert again.code == 0 and mails(project) == 2, again.out
    assert project.run("state", "verify", LEDGER_URL=url).code == 0
    moved(project, ON_POSTGRES, IN_A_FILE)
    back = project.run("apply", now=LATER)
    assert back.code == 7 and "moved to Postgres" in back.err


def test_roles_are_printed_for_an_administrator(project: Project, server: str) -> None:
    """The SQL runs as it is, names the schema of the environment, and makes no password."""
    moved(project)
    said = project.run("state", "roles", LEDGER_URL=server, now=None)
    assert said.code == 0 and 'CREATE SCHEMA IF NOT EXISTS "mail"' in said.out and "PASSWORD" not in said.out
    assert '"other"' in project.run("state", "roles", "--schema", "other", LEDGER_URL=server).out
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(said.out.encode())
        assert connection.execute("SELECT count(*) FROM pg_roles WHERE rolname LIKE 'engine%'").fetchone() == (4,)


def test_without_the_driver_a_calm_word(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """The extra `postgres` is not installed: one sentence, and what to install."""
    moved(project)
    given = builtins.__import__

    def without(name: str, *rest: Any, **more: Any) -> Any:
        if name == "psycopg":
            raise ImportError(name)
        return given(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", without)
    said = project.run("status", LEDGER_URL="postgresql://127.0.0.1:1/x")
    assert said.code == 1 and "the driver for it is not installed" in said.err and "extra `postgres`" in said.err


def test_a_server_that_does_not_answer(project: Project) -> None:
    """No traceback and no password; `stop` says that it could not be recorded."""
    moved(project)
    for words in (("status",), ("apply",), ("stop",), ("deliver",)):
        said = project.run(*words, LEDGER_URL="postgresql://someone:canary-9a1@127.0.0.1:1/x")
        assert said.code == 1 and "cannot be reached" in said.err and "canary" not in said.err, said.err


def test_a_damaged_ledger_is_told_though_its_copy_is_whole(project: Project, tmp_path: Path) -> None:
    """`plan` and `status` read the copy for readers; when the ledger itself is damaged they say so, and that the copy brings it back."""
    project.run("apply")
    ledger = project.root / "state" / "ledger.duckdb"
    content = bytearray(ledger.read_bytes())
    content[20_000:] = b"\xa5" * len(content[20_000:])
    ledger.write_bytes(content)
    for words in (("status",), ("plan",)):
        said = project.run(*words)
        assert said.code == 7 and "is damaged" in said.err and "ledger.copy.duckdb, is whole" in said.err, said.err
    kept = tmp_path / "kept.duckdb"
    kept.write_bytes((project.root / "state" / "ledger.copy.duckdb").read_bytes())
    assert project.run("state", "restore", str(kept)).code == 0
    assert project.run("status").code == 0 and project.run("apply", now=LATER).code == 0 and mails(project) == 2


