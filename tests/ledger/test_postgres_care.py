"""The care of a ledger on Postgres: erased, checked, put back to an earlier moment, migrated from an older one."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from engine.errors import LedgerRefused
from engine.ledger.duckdb import DuckdbLedger
from engine.ledger.duckdb.files import LedgerFiles
from engine.ledger.duckdb.migrating import migrate
from engine.ledger.duckdb.statements import migrations
from engine.ledger.identity import Identity
from engine.ledger.orders import Order
from engine.ledger.postgres import PostgresLedger, PostgresReading
from engine.ledger.witness import read_witness
from tests.ledger.postgres_homes import PostgresHome
from tests.ledger.stories import MONDAY, candidates, changes, dispatch, enrollment, key, run, said, send

TUESDAY = MONDAY + timedelta(days=1)


def filled(ledger: PostgresLedger, *records: str) -> None:
    """A send for each, all planned."""
    ledger.commit(run(), changes(enrollments=[enrollment(r) for r in records], sends=[send(r) for r in records]))


def sent(ledger: PostgresLedger, count: int) -> None:
    rows = ledger.claim("w", count, MONDAY)
    ledger.begin_dispatch([dispatch(row) for row in rows], MONDAY)
    ledger.settle([said(row, "sent", text="accepted for ann") for row in rows], MONDAY)


def test_27_forget_leaves_keys_and_suppressions(home_on_postgres: PostgresHome) -> None:
    """27: of a contact nothing personal stays in any table; that a mail was sent, and that an address is suppressed, does. Another's stays."""
    home = home_on_postgres
    with home.open() as ledger:
        filled(ledger, "1", "2", "3")
        sent(ledger, 1)
        ledger.take_in({"a": Order("suppress", MONDAY, "mia", note="ann asked", address_key="k:ann-1@example.com", reason="manual")}, MONDAY)
        ledger.take_in({"b": Order("pause", MONDAY, "mia", note="ann is away", sequence="renewal", contact="ann-1")}, MONDAY)
        forgotten, keys = ledger.forget(contact="ann-1", now=TUESDAY)
        assert (forgotten.sends, forgotten.payloads, forgotten.texts, forgotten.cancelled, keys) == (1, 1, 1, 0, (key("1"),))
        ledger.close_anew()
    tables = [name for (name,) in home.execute("SELECT table_name FROM information_schema.tables WHERE table_schema = current_schema()")]
    for name in tables:
        for (row,) in home.execute(f"SELECT t::text FROM {name} t"):
            assert "ann-1@example.com" not in str(row).replace("k:ann-1@example.com", "") and "ann asked" not in str(row) and "is away" not in str(row)
    with home.reading() as reading:
        assert reading.status().states == {"planned": 2, "sent": 1}
        assert reading.status().suppressions == 1
        assert home.execute("SELECT count(*) FROM pii") == [(2,)]


def test_27_forgetting_takes_a_claimed_row_from_its_worker(home_on_postgres: PostgresHome) -> None:
    """A row that a worker has claimed is cancelled, and its worker may not dispatch it any more; a row that is over long ago loses its address."""
    home = home_on_postgres
    with home.open() as ledger:
        filled(ledger, "1", "2")
        rows = ledger.claim("w", 1, MONDAY)
        assert ledger.forget(address_key="k:ann-1@example.com", now=TUESDAY)[0].cancelled == 1
        assert ledger.begin_dispatch([dispatch(row) for row in rows], MONDAY) == set()
        sent(ledger, 1)
        assert ledger.forget(before=TUESDAY, now=TUESDAY)[0].sends == 1
        assert ledger.status().states == {"cancelled": 1, "sent": 1}


def test_verify_reads_all_of_it(home_on_postgres: PostgresHome) -> None:
    """A whole ledger has no fault; a link of the chain, a key, a slot or a row that is changed behind its back is named."""
    home = home_on_postgres

    def faults() -> list[str]:
        return [finding.asked for finding in PostgresReading.verify(home.url, "acme", "production", schema=home.schema).faults]

    with home.open() as ledger:
        filled(ledger, "1", "2", "3")
        sent(ledger, 2)
    assert faults() == []
    home.execute("UPDATE transactions SET covers = 'x' WHERE serial = 2")
    assert faults() == ["the chain"]
    home.execute("UPDATE sends SET record = 'other' WHERE record = '3'")
    home.execute("DELETE FROM attempts; INSERT INTO attempts VALUES (gen_random_uuid(), 1, now(), 'smtp')")
    assert faults() == ["the chain", "send keys", "rows beside sends"]


def test_t_l_a_server_put_back_is_refused_until_it_is_accepted(home_on_postgres: PostgresHome, tmp_path: Path) -> None:
    """T-L: what a pg_restore of yesterday has forgotten is refused by this host's witness; accepted, nothing that was due is sent again."""
    home, witness = home_on_postgres, tmp_path / "postgres-production.witness"

    def opened(**given: bool) -> PostgresLedger:
        return PostgresLedger.open(home.url, "acme", "production", schema=home.schema, command="apply", witness=witness, **given)

    def restored(**given: bool) -> object:
        return PostgresLedger.restored(home.url, "acme", "production", schema=home.schema, witness=witness, now=TUESDAY, delivered=(key("2"),), **given)

    with opened() as ledger:
        filled(ledger, "1", "2", "3")
        yesterday = {name: home.execute(f"SELECT * FROM {name}") for name in ("ledger_meta",)}
        sent(ledger, 3)
    assert restored() is None, "nothing was forgotten"
    # As the server's restore would leave it: the rows of yesterday, the chain cut there.
    (serial, head_hash) = yesterday["ledger_meta"][0][4:6]
    home.execute(f"UPDATE ledger_meta SET serial = {serial}, head_hash = '{head_hash}'; DELETE FROM transactions WHERE serial > {serial}")
    home.execute("UPDATE sends SET state = 'planned', sent_at = NULL, owner = NULL, lease_until = NULL; DELETE FROM outcomes; DELETE FROM attempts; DELETE FROM payloads")
    for refused in (opened, restored):
        with pytest.raises(LedgerRefused, match="would"):
            refused()
    done = PostgresLedger.restored(home.url, "acme", "production", schema=home.schema, witness=witness, now=TUESDAY, delivered=(key("2"),), accept_rollback=True)
    assert done is not None and (done.in_doubt, done.passed_over) == (2, TUESDAY)
    with opened() as ledger:
        assert ledger.status().states == {"sent": 1, "unknown": 2}
        assert ledger.claim("w", 10, TUESDAY) == []
        seen = read_witness(witness)
        assert seen is not None and seen.serial == ledger.head().serial
        assert ("", TUESDAY) in [(row["sequence"], row["started"]) for row in _starts(ledger)]
        # No hand-over of it is known, and a doubt of it ends as any other does.
        assert len(ledger.settle_unknown({"renewal": "assume_sent"}, TUESDAY).sent) == 2


def _starts(ledger: PostgresLedger) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = ledger.view(candidates()).tables["starts"].to_pylist()
    return rows


def test_t_l_another_lineage_is_never_accepted(home_on_postgres: PostgresHome, tmp_path: Path) -> None:
    """A ledger that was made anew has another history; no flag makes it this host's."""
    witness = tmp_path / "postgres-production.witness"
    with PostgresLedger.open(home_on_postgres.url, "acme", "production", schema=home_on_postgres.schema, command="apply", witness=witness) as ledger:
        filled(ledger, "1")
    home_on_postgres.wipe()
    with pytest.raises(LedgerRefused, match="another lineage"):
        PostgresLedger.restored(
            home_on_postgres.url, "acme", "production", schema=home_on_postgres.schema, witness=witness, now=TUESDAY, accept_rollback=True
        )


def test_1_3_a_file_of_an_older_engine_is_migrated_whole_or_not(tmp_path: Path) -> None:
    """1.3: `state migrate` takes the steps that are missing; one that fails leaves the file as it was; a newer ledger is refused."""
    files, identity = LedgerFiles(tmp_path / "ledger.duckdb"), Identity("acme", "production")
    DuckdbLedger.create(files.ledger, "acme", "production", now=MONDAY)
    before = files.ledger.read_bytes()
    assert migrate(files, identity, MONDAY) == (len(migrations()),) * 2
    bad, good = (*migrations(), "CREATE TABLE more (x INTEGER); SELECT nothing"), (*migrations(), "CREATE TABLE more (x INTEGER)")
    with pytest.raises(Exception, match="could not be migrated"):
        migrate(files, identity, MONDAY, bad)
    assert files.ledger.read_bytes() == before
    assert migrate(files, identity, MONDAY, good) == (len(migrations()), len(migrations()) + 1)
    with pytest.raises(LedgerRefused, match="this engine"):
        DuckdbLedger.open(files.ledger, "acme", "production", command="apply", now=MONDAY)
    with pytest.raises(LedgerRefused, match="this engine"):
        migrate(files, identity, MONDAY)
    with pytest.raises(LedgerRefused, match="belongs to project"):
        migrate(files, Identity("acme", "staging"), MONDAY)
