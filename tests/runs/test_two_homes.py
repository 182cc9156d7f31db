"""A run is the same wherever its ledger is: in a file, or in a schema of Postgres."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import duckdb
import psycopg
import pytest

from engine.errors import LedgerRefused, WrongUsage
from engine.ledger.care import Rekeyed
from engine.ledger.orders import Order
from engine.runs.applying import apply
from engine.runs.delivering import work
from engine.runs.homes import roles_sql
from engine.runs.locking import obey
from engine.runs.moving import move
from engine.runs.planning import plan_now
from engine.runs.rekeying import rekey
from tests.ledger.stories import dispatch, said
from tests.plan.base import Row, contact, contract
from tests.plan.samples import ONE_NOTICE, TRIAL
from tests.postgres_server import Postgres

from .ground import Ground
from .shared import behind, on_postgres, schema_of, to_postgres

AT = "2026-03-02T09:00:00+07:00"
LATER = "2026-03-02T10:00:00+07:00"
Make = Callable[..., Ground]


@pytest.fixture(params=["file", "postgres"])
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Make:
    """A project with its ledger in one of the homes."""
    if request.param == "file":
        return lambda *said: Ground.make(tmp_path / "project", *said)
    url = request.getfixturevalue("database")
    return lambda *said: on_postgres(tmp_path / "project", url, *said)


def people(count: int) -> list[Row]:
    return [contact(i, trial_end="2026-03-02") for i in range(1, count + 1)]


def deliver(ground: Ground, at: str, **said: bool) -> int:
    done = work(ground.site(at), environ=ground.environ, live=False, **said)
    assert done.exit_code == 0, done
    return done.delivered.sent


def test_9_1_plan_only_then_deliver(make: Make) -> None:
    """9.1: what was planned and not sent is sent by a worker, once; a second worker and a second apply find nothing."""
    ground = make(TRIAL, *people(30))
    applied = _apply(ground, AT, plan_only=True)
    assert (applied, len(ground.mails())) == (0, 0)
    with ground.site(AT).read_ledger() as ledger:
        status = ledger.status()
        assert (status.states, status.runs[0].outcome, ledger.holder()) == ({"planned": 30}, "planned", None)
    assert [deliver(ground, AT), deliver(ground, AT)] == [30, 0]
    assert ground.apply(LATER).plan.summary["send"] == 0
    assert len({str(mail["To"]) for mail in ground.mails()}) == len(ground.mails()) == 30


def test_9_6_what_was_judged_too_long_ago_waits_for_a_plan(make: Make) -> None:
    """9.6: an hour after its plan a worker sends nothing; the next apply judges again, and then it goes."""
    ground = make(TRIAL, *people(3))
    _apply(ground, AT, plan_only=True)
    assert deliver(ground, LATER) == 0
    assert ground.apply(LATER).exit_code == 0
    assert len(ground.mails()) == 3


def test_9_8_stop_reaches_a_worker_within_a_group(make: Make) -> None:
    """9.8: of sixty planned, a stop while the first group of twenty leaves lets none of the next ones go; the rest goes after `start`."""
    ground = make(TRIAL, *people(60))
    _apply(ground, AT, plan_only=True)
    site, given = ground.site(AT), list[str]()

    def stop_once(stage: str, done: int, total: int) -> None:
        if not given:
            given.append("stop")
            obey(site, Order("stop", site.now, "test"), "stop")

    work(site, environ=ground.environ, live=False, progress=stop_once)
    assert len(ground.mails()) == 20
    obey(site, Order("start", site.now, "test"), "start")
    assert deliver(ground, AT) == 40


def test_9_5_a_doubt_is_asked_about_and_settled(make: Make) -> None:
    """9.5: a transactional doubt stays unknown until a person says; said to be resent, it goes once more with the next apply."""
    ground = make(TRIAL, *people(2))
    _apply(ground, AT, plan_only=True)
    site = ground.site(AT)
    with site.open_ledger("test") as ledger:
        rows = ledger.claim("w", 2, site.now)
        ledger.begin_dispatch([dispatch(row) for row in rows], site.now)
        ledger.settle([said(row, "unknown") for row in rows], site.now)
    with ground.site(LATER).open_ledger("resolve") as ledger:
        assert ledger.status().states == {"unknown": 2}
        ledger.resolve(rows[0].send_key, "resend", by="mia", note="not in the mailbox", now=site.now)
        ledger.resolve(rows[1].send_key, "sent", by="mia", note="it is there", now=site.now)
    again = ground.apply("2026-03-02T11:00:00+07:00")
    assert again.exit_code == 0 and len(ground.mails()) == 1
    with site.read_ledger() as ledger:
        assert ledger.status().states == {"sent": 2}


def test_9_5_on_unknown_resend_goes_again_by_itself(make: Make) -> None:
    """9.5: a sequence that says `on_unknown: resend` needs nobody; the one that says `assume_sent` neither, and sends nothing."""
    ground = make(
        TRIAL.rstrip() + "\n    on_unknown: resend\n",
        TRIAL.replace("id: trial", "id: other").rstrip() + "\n    on_unknown: assume_sent\n",
        *people(1),
    )
    _apply(ground, AT, plan_only=True)
    site = ground.site(AT)
    with site.open_ledger("test") as ledger:
        rows = ledger.claim("w", 2, site.now)
        assert len(rows) == 2
        ledger.begin_dispatch([dispatch(row) for row in rows], site.now)
        ledger.settle([said(row, "unknown") for row in rows], site.now)
    ground.apply(LATER)
    with site.read_ledger() as ledger:
        assert ledger.status().states == {"sent": 2}
    assert len(ground.mails()) == 1


def test_the_same_keys_whatever_the_source_and_the_ledger(tmp_path: Path, database: str) -> None:
    """1.1: the same records from a DuckDB file, from CSV and from Postgres, on either ledger, give the identical set of send keys."""
    rows = [contract(i, end_date="2026-04-01", number=f"ก-{i}") for i in (7, 8)]
    made = Ground.make(tmp_path / "project", ONE_NOTICE, TRIAL, *rows, *people(3))
    ground = replace(made, environ={**made.environ, "LEDGER_URL": database})
    tables = _in_csv_and_on_postgres(ground, database)
    found = dict[tuple[str, str], list[str]]()
    facts = {
        "duckdb": "facts: {duckdb: state/crm.duckdb}",
        "csv": f"facts: {{files: {json.dumps(tables)}}}",
        "postgres": 'facts: {postgres: "${LEDGER_URL}", schema: crm}',
    }
    for home in ("file", "postgres"):
        for source, told in facts.items():
            ground.change("engine.yaml", facts["duckdb"], told)
            plan = plan_now(ground.site(AT)).plan
            sends = plan.changes["sends"]
            assert sends.num_rows == 9
            found[home, source] = sorted(map(str, sends["send_key"].to_pylist()))
            ground.change("engine.yaml", told, facts["duckdb"])
        if home == "file":
            ground = to_postgres(ground, database)
    assert len({tuple(keys) for keys in found.values()}) == 1, found


def test_3_9_an_apply_whose_role_may_write_the_crm(tmp_path: Path, postgres: Postgres, database: str) -> None:
    """A ledger on the CRM's own database, kept by a role that owns the CRM: apply and deliver refuse (exit 7), a stop goes; on another database both work."""
    made = Ground.make(tmp_path / "project", TRIAL, *people(2))
    _in_csv_and_on_postgres(made, database)
    made.change("engine.yaml", "facts: {duckdb: state/crm.duckdb}", f'facts: {{postgres: "{database}", schema: crm}}')
    ground = to_postgres(made, database)
    for begin in (lambda: ground.apply(AT), lambda: work(ground.site(AT), environ=ground.environ, live=False)):
        with pytest.raises(LedgerRefused, match=r"owns the CRM.s table crm\.") as refused:
            begin()
        assert refused.value.exit_code == 7
    obey(ground.site(AT), Order("stop", ground.site(AT).now, "mia"), "stop")
    with postgres.database() as other:
        elsewhere = replace(ground, environ={**ground.environ, "LEDGER_URL": other})
        # Another ledger in this place: what was seen of the one before is of no use.
        (made.root / "state" / "postgres-dev.witness").unlink()
        elsewhere.site(AT).home.create(elsewhere.site(AT).now)
        assert elsewhere.apply(AT).delivered is not None


def _in_csv_and_on_postgres(ground: Ground, url: str) -> dict[str, str]:
    tables = dict[str, str]()
    with duckdb.connect(str(ground.root / "state" / "crm.duckdb"), read_only=True) as crm, psycopg.connect(url) as server:
        server.execute("DROP SCHEMA IF EXISTS crm CASCADE; CREATE SCHEMA crm; SET search_path = crm")
        for (name,) in crm.execute("SELECT table_name FROM duckdb_tables()").fetchall():
            tables[name] = f"{name}.csv"
            crm.execute(f"COPY {name} TO '{ground.root / tables[name]}' (HEADER)")
            columns = crm.execute("SELECT column_name, data_type FROM duckdb_columns() WHERE table_name = $1 ORDER BY column_index", [name]).fetchall()
            server.execute(f"CREATE TABLE {name} ({', '.join(f'{column} {kind}' for column, kind in columns)})".encode())
            copied = crm.execute(f"SELECT * FROM {name}").fetchall()
            with server.cursor().copy(f"COPY {name} FROM STDIN".encode()) as copy:
                for row in copied:
                    copy.write_row(row)
    return tables


def test_state_move_sends_nothing_again(tmp_path: Path, database: str) -> None:
    """A ledger in a file becomes the one on Postgres: what was sent is not sent again, what was planned goes, orders and doubts are there."""
    ground = Ground.make(tmp_path, TRIAL, ONE_NOTICE, *people(4), contract(7, end_date="2026-04-01"))
    ground.apply(AT)
    assert len(ground.mails()) == 8
    site = ground.site(AT)
    obey(site, Order("pause", site.now, "mia", sequence="trial", note="o'\\N\0"), "pause")
    with site.read_ledger() as ledger:
        before, head = ledger.status(), ledger.head()
    there = to_postgres(ground, database, create=False)
    there.site(AT).home.create(there.site(AT).now)
    moved = move(there.site(AT), tmp_path / "state" / "ledger.duckdb")
    assert moved.rows and not (tmp_path / "state" / "ledger.duckdb").exists() and moved.aside.exists()
    with there.site(AT).read_ledger() as ledger:
        after = ledger.status()
    assert (after.states, after.controls, after.runs, after.enrollments_live) == (before.states, before.controls, before.runs, before.enrollments_live)
    assert (after.head.lineage, after.head.serial) == (head.lineage, head.serial + 1)
    assert there.apply(LATER).plan.summary["send"] == 0
    assert len(ground.mails()) == 8
    there.change("engine.yaml", _ledger_line(there), "ledger: {duckdb: state/ledger.duckdb}")
    with pytest.raises(LedgerRefused, match="was moved to Postgres"):
        ground.apply(LATER)


def _ledger_line(ground: Ground) -> str:
    text = (ground.root / "engine.yaml").read_text()
    return text[text.index("ledger: {postgres") : text.index("}", text.index("schema")) + 1]


def test_state_move_into_a_ledger_with_rows_is_refused(tmp_path: Path, database: str) -> None:
    """Two ledgers never become one; nothing is changed in either. A move that was killed before the file was put aside is only finished."""
    ground = Ground.make(tmp_path, TRIAL, *people(1))
    ground.apply(AT)
    kept = (tmp_path / "state" / "ledger.duckdb").read_bytes()
    witness = (tmp_path / "state" / "ledger.witness").read_bytes()
    there = to_postgres(ground, database)
    obey(there.site(AT), Order("stop", there.site(AT).now, "mia"), "stop")
    with pytest.raises(LedgerRefused, match="rows of its own"):
        move(there.site(AT), tmp_path / "state" / "ledger.duckdb")
    assert (tmp_path / "state" / "ledger.duckdb").exists()
    text = _ledger_line(there)
    there.change("engine.yaml", text, "ledger: {duckdb: state/ledger.duckdb}")
    (tmp_path / "state" / "postgres-dev.witness").unlink()
    empty = to_postgres(there, database)
    first = move(empty.site(AT), tmp_path / "state" / "ledger.duckdb")
    first.aside.unlink()
    (tmp_path / "state" / "ledger.duckdb").write_bytes(kept)
    (tmp_path / "state" / "ledger.witness").write_bytes(witness)
    assert move(empty.site(LATER), tmp_path / "state" / "ledger.duckdb").rows is None
    with pytest.raises(WrongUsage, match="says that the ledger"):
        empty.change("engine.yaml", _ledger_line(empty), "ledger: {duckdb: state/other.duckdb}")
        move(empty.site(AT), tmp_path / "state" / "ledger.duckdb")


_ONE_OF_EIGHT = """
import os, sys, time
from pathlib import Path
from engine.errors import LockHeld
from engine.runs.applying import apply
from tests.runs.ground import Ground

number, folder, roots = int(sys.argv[1]), Path(sys.argv[2]), sys.argv[3:]

def others(stage, done, total):
    # The one that works is on its way until all others have been told.
    until = time.monotonic() + 20
    while stage == "reading" and time.monotonic() < until and len(list(folder.glob(f"{home}-held-*"))) < 7:
        time.sleep(0.01)

for home, root in enumerate(roots):
    ground = Ground(Path(root), os.environ)
    site = ground.site("AT")
    site.read_ledger().close()
    (folder / f"{home}-ready-{number}").touch()
    while len(list(folder.glob(f"{home}-ready-*"))) < 8:
        time.sleep(0.01)
    began = time.monotonic()
    try:
        apply(site, environ=os.environ, progress=others)
    except LockHeld as held:
        assert held.exit_code == 5
        (folder / f"{home}-held-{number}").write_text(f"{time.monotonic() - began} {held.message}")
    else:
        (folder / f"{home}-worked-{number}").touch()
"""


def test_of_eight_applies_at_once_one_works(tmp_path: Path, database: str) -> None:
    """1.3: on either home one apply works and seven end with exit 5 within a second, naming the process that works; each mail leaves once."""
    homes = [Ground.make(tmp_path / "file", TRIAL, *people(5)), on_postgres(tmp_path / "server", database, TRIAL, *people(5))]
    told = tmp_path / "told"
    told.mkdir()
    code = _ONE_OF_EIGHT.replace("AT", AT)
    words = [str(told), *(str(ground.root) for ground in homes)]
    environ = {**homes[1].environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    started = [subprocess.Popen([sys.executable, "-c", code, str(number), *words], env=environ) for number in range(8)]
    by_pid = {process.pid: number for number, process in enumerate(started)}
    assert [process.wait(120) for process in started] == [0] * 8
    for home, ground in enumerate(homes):
        (worked,) = told.glob(f"{home}-worked-*")
        held = [path.read_text() for path in told.glob(f"{home}-held-*")]
        assert len(held) == 7
        pid = next(pid for pid, number in by_pid.items() if worked.name.endswith(f"-{number}"))
        assert all(f"process {pid} on" in text for text in held), held
        # The machine may be busy: the median is what the lock takes.
        assert sorted(float(text.split()[0]) for text in held)[3] < 1.0, held
        assert len(ground.mails()) == 5


def _apply(ground: Ground, at: str, *, plan_only: bool = False) -> int:
    return apply(ground.site(at), environ=ground.environ, plan_only=plan_only).exit_code


def test_a_role_sees_only_what_it_may(tmp_path: Path, database: str) -> None:
    """interface.md: the roles of `state roles` suffice: migrate makes the ledger, apply plans and sends, plan reads, and none does more."""
    ground = on_postgres(tmp_path, database, TRIAL, *people(2), create=False)
    with psycopg.connect(database, autocommit=True) as admin:
        admin.execute(roles_sql(schema_of(ground)).encode())
        for role in ("engine_migrate", "engine_apply", "engine_plan"):
            admin.execute(f"ALTER ROLE {role} PASSWORD 'p'".encode())
    urls = {role: database.replace("tests:tests@", f"engine_{role}:p@") for role in ("migrate", "apply", "plan")}
    for role, does in (("migrate", "create"), ("apply", "apply"), ("plan", "plan")):
        as_role = Ground(ground.root, {**ground.environ, "LEDGER_URL": urls[role]})
        site = as_role.site(AT)
        if does == "create":
            site.home.create(site.now)
        elif does == "apply":
            assert as_role.apply(AT).exit_code == 0
            with pytest.raises(LedgerRefused, match="may not erase"), site.open_ledger("forget") as ledger:
                ledger.forget(contact="1", now=site.now)
            with pytest.raises(LedgerRefused, match="other keys"):
                rekey(site, "contact", {"1": "3", "2": "4"})
            # Only asked, it may be told.
            assert rekey(site, "contact", {"1": "3"}, dry_run=True) == Rekeyed(1, ("2",))
        else:
            assert plan_now(site).plan.summary["send"] == 0
            with site.read_ledger() as reading:
                assert reading.sends().rows[0].address is None
    owner = Ground(ground.root, {**ground.environ, "LEDGER_URL": urls["migrate"]}).site(AT)
    assert rekey(owner, "contact", {"1": "3", "2": "4"}).sends == 2
    assert behind(ground, "SELECT count(*) FROM pii") == [(2,)]
