"""The ledger takes another system's past in: in one transaction, once, the same in both homes."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from engine.ledger.duckdb import DuckdbLedger
from engine.ledger.duckdb.verifying import verify
from engine.ledger.keys import send_key
from engine.ledger.ledger import Ledger
from engine.ledger.past import PAST, Past
from engine.ledger.postgres import PostgresLedger
from engine.ledger.records import SENDS, Candidates, Changes, Run
from tests.postgres_server import Postgres, postgres

__all__ = ["postgres"]

NOW, THEN = datetime(2026, 3, 5, 2), datetime(2026, 3, 2, 2)
PATH = {"sequence": "renewal", "entity": "contract", "record": "7", "occurrence": "2026-04-01"}


def sent(contact: str = "1", step: str = "notice", address: str = "k1", **said: Any) -> dict[str, Any]:
    key = send_key("renewal", step, "contract", "7", "2026-04-01", contact)
    return {
        **PATH, "contact": contact, "send_key": key, "step": step, "state": "sent", "decided_at": THEN, "due_at": THEN, "sent_at": THEN, "template": "notice",
        "category": "transactional", "address_key": address, "address": f"{address}@example.com", **said,
    }  # fmt: skip


def past(name: str = "import sends 1", **tables: list[dict[str, Any]]) -> Past:
    return Past(name, "ana", {table: pa.Table.from_pylist(rows, PAST[table]) for table, rows in tables.items()})


@pytest.fixture(params=["duckdb", "postgres"])
def ledger(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Ledger]:
    """An empty ledger of each home."""
    if request.param == "duckdb":
        path = tmp_path / "ledger.duckdb"
        DuckdbLedger.create(path, "acme", "dev", now=THEN)
        with DuckdbLedger.open(path, "acme", "dev", command="test", now=THEN) as embedded:
            yield embedded
        assert [finding for finding in verify(path, None).findings if finding.fault] == []
        return
    server: Postgres = request.getfixturevalue("postgres")
    with server.database() as url:
        PostgresLedger.create(url, "acme", "dev")
        with PostgresLedger.open(url, "acme", "dev", command="test") as shared:
            yield shared


def states(ledger: Ledger) -> dict[tuple[str, str], str]:
    return {(row.step, row.contact): row.state for row in ledger.sends(limit=100).rows}


def test_a_past_is_taken_once(ledger: Ledger) -> None:
    """Sends, paths, occurrences and pauses are there after it; the same past again adds nothing, and no transaction."""
    whole = past(
        sends=[sent()],
        enrollments=[{**PATH, "contact": "1", "began": THEN}, {**PATH, "contact": "2", "began": THEN, "exit_at": THEN, "exit_reason": "complete", "exit_final": True}],
        occurrences=[{**PATH, "base_at": THEN}],
        pauses=[{**PATH, "contact": "1", "ordered_at": THEN}],
    )  # fmt: skip
    taken = ledger.take_past(whole, NOW)
    assert (taken.sends, taken.enrollments, taken.occurrences, taken.pauses, taken.doubled) == (1, 2, 1, 1, 0)
    serial = ledger.head().serial
    assert ledger.take_past(whole, NOW).total == 0 and ledger.head().serial == serial
    (row,) = ledger.sends().rows
    assert (row.state, row.sent_at, row.decided_at, row.address) == ("sent", THEN, THEN, "k1@example.com")
    view = ledger.view(Candidates(pa.table({name: [value] for name, value in PATH.items()}), (), datetime(2026, 1, 1)))
    assert view.tables["recent_sends"]["decided_at"].to_pylist() == [THEN]
    assert view.tables["occurrences"]["source"].to_pylist() == ["import"] and view.tables["controls"]["action"].to_pylist() == ["paused"]
    assert view.last_now is None, "an import is no apply: the first apply may still be at any time"


def test_9_1_an_imported_key_is_never_planned_again(ledger: Ledger) -> None:
    """A plan that had not seen the import finds the key taken."""
    ledger.take_past(past(sends=[sent()]), NOW)
    row = {**{name: sent().get(name) for name in SENDS.names}, "expires_at": None, "position": 1}
    done = ledger.commit(Run("r", NOW, "0", "d", None, "{}", "f", "p", "h", 1), Changes({"sends": pa.Table.from_pylist([row], SENDS)}))
    assert (done.planned, done.taken) == (0, 1)


def test_a_planned_mail_that_the_other_system_sent_is_sent(ledger: Ledger) -> None:
    """It had not left here, and left there (T4): no worker gets it."""
    row = {**{name: sent().get(name) for name in SENDS.names}, "expires_at": None, "position": 1}
    ledger.commit(Run("r", THEN, "0", "d", None, "{}", "f", "p", "h", 1), Changes({"sends": pa.Table.from_pylist([row], SENDS)}))
    assert ledger.take_past(past(sends=[sent()]), NOW).sends == 1
    assert states(ledger) == {("notice", "1"): "sent"} and ledger.claim("w", 10, NOW) == []


def test_4_6_one_address_holds_one_mail(ledger: Ledger) -> None:
    """Another contact's row with an address that is taken takes its key, and holds no address."""
    ledger.take_past(past(sends=[sent("1")]), NOW)
    taken = ledger.take_past(past("import sends 2", sends=[sent("2")]), NOW)
    assert (taken.sends, taken.doubled) == (1, 1)
    assert states(ledger) == {("notice", "1"): "sent", ("notice", "2"): "skipped"}


def test_an_import_of_people_corrects_an_import_of_mails(ledger: Ledger) -> None:
    """Mails alone take a path by hand for done; who is on the way says so later, and what the engine ended stays ended."""
    done = {**PATH, "contact": "1", "began": THEN, "exit_at": THEN, "exit_reason": "complete", "exit_final": True}
    ledger.take_past(past("import sends 1", enrollments=[done]), NOW)
    alive = past("import enrollments 1", enrollments=[{**PATH, "contact": "1", "began": THEN}])
    assert ledger.take_past(alive, NOW).enrollments == 1
    assert [row.exit_reason for row in ledger.enrollments().rows] == [None]
    assert ledger.take_past(past("import sends 1", enrollments=[done]), NOW).total == 0


def test_nothing_is_half_imported(ledger: Ledger) -> None:
    """A row that the ledger's own rules refuse takes all others with it."""
    wrong = sent("2", address="k2", template=None)
    with pytest.raises(Exception, match=r"could not be written|CHECK|check"):
        ledger.take_past(past(sends=[sent("1"), wrong], enrollments=[{**PATH, "contact": "1", "began": THEN}]), NOW)
    assert ledger.sends().rows == () and ledger.enrollments().rows == ()
