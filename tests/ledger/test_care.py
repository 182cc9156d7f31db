"""The care of the embedded ledger: backups, checks, restores and erasing (reliability.md §3.8, §4 2 and 27, §5 B)."""

from __future__ import annotations

import shutil
from datetime import datetime, timedelta
from pathlib import Path

import duckdb
import pytest

from engine.errors import EngineError, LedgerRefused
from engine.ledger.care import RESTORED, Restored
from engine.ledger.duckdb import DuckdbLedger, DuckdbReading, caring, restoring
from engine.ledger.duckdb.files import LedgerFiles
from engine.ledger.duckdb.forgetting import forget_in_file
from engine.ledger.duckdb.verifying import verify
from engine.ledger.history import SendFilter
from engine.ledger.identity import Identity
from engine.ledger.ledger import OnUnknown
from engine.ledger.orders import Order
from tests.ledger.stories import MONDAY, candidates, changes, dispatch, enrollment, key, run, said, send
from tests.ledger.test_files import another_process

IDENTITY = Identity("acme", "production")
LATER = MONDAY + timedelta(hours=1)


@pytest.fixture(scope="module")
def begun(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a ledger in which 1 was sent and 2 is planned."""
    path = tmp_path_factory.mktemp("state") / "ledger.duckdb"
    DuckdbLedger.create(path, "acme", "production", now=MONDAY)
    with open_it(path) as ledger:
        ledger.commit(run(), changes(enrollments=[enrollment("1"), enrollment("2")], sends=[send("1"), send("2")]))
        deliver(ledger, 1, MONDAY)
    return path.parent


@pytest.fixture
def path(begun: Path, tmp_path: Path) -> Path:
    shutil.copytree(begun, tmp_path / "state")
    return tmp_path / "state" / "ledger.duckdb"


@pytest.fixture
def backup(path: Path) -> Path:
    """Yesterday's backup. Since then 2 and 3 were sent, 4 is planned, an address unsubscribed, and all was stopped."""
    made = caring.back_up(LedgerFiles(path), path.parent / "yesterday.duckdb", IDENTITY, now=MONDAY)
    with open_it(path) as ledger:
        ledger.commit(run(LATER), changes(enrollments=[enrollment("3"), enrollment("4")], sends=[send("2"), send("3"), send("4", due_at=LATER + timedelta(days=1))]))
        deliver(ledger, 2)
        ledger.take_in({"o1": Order("suppress", LATER, "ann", address_key="k:ann-1@example.com", reason="unsubscribed"), "o2": Order("stop", LATER, "ann")}, LATER)
    return made.path


def open_it(path: Path) -> DuckdbLedger:
    return DuckdbLedger.open(path, "acme", "production", command="engine apply", now=MONDAY)


def deliver(ledger: DuckdbLedger, count: int, now: datetime = LATER) -> None:
    rows = ledger.claim("w1", count, now)
    assert len(rows) == count
    assert ledger.begin_dispatch([dispatch(row) for row in rows], now) == {row.send_key for row in rows}
    ledger.settle([said(row, "sent", text="250 ok") for row in rows], now)


def restore(path: Path, backup: Path, **given: object) -> Restored:
    values = {"accept_rollback": True, "now": LATER + timedelta(hours=1), **given}
    return restoring.restore(LedgerFiles(path), backup, IDENTITY, **values)  # type: ignore[arg-type]  # one story gives other values


def states(path: Path) -> dict[str, str]:
    with DuckdbReading.open(path, "acme", "production") as reading:
        return {row.record: row.state for row in reading.sends().rows}


def whole(path: Path) -> None:
    checked = verify(path, LedgerFiles(path).read_witness())
    assert not checked.faults, checked.faults


def plan_again(path: Path) -> set[str]:
    """What the same plan would make the ledger send once more: the records that a worker gets."""
    now = LATER + timedelta(hours=2)
    with open_it(path) as ledger:
        ledger.take_in({"go": Order("start", now, "ann")}, now)
        ledger.commit(run(now), changes(sends=[send(record, now=MONDAY) for record in "123"]))
        return {row.record for row in ledger.claim("w2", 100, now)}


# --- backups ---------------------------------------------------------------------------------------------------------


def test_a_backup_is_whole_private_and_says_what_it_is(path: Path) -> None:
    """Everything in one file, readable by its owner alone; lineage, serial and head hash beside it; not written over by accident."""
    target = path.parent / "b.duckdb"
    made = caring.back_up(LedgerFiles(path), target, IDENTITY, now=MONDAY)
    assert made.copied_at is None and made.sends == 2
    assert target.stat().st_mode & 0o777 == 0o600
    assert caring.verify_file(target).faults == ()
    with open_it(path) as ledger:
        head = ledger.head()
    assert (made.head.lineage, made.head.serial, made.head.head_hash) == (head.lineage, head.serial, head.head_hash)
    with pytest.raises(EngineError, match="not overwritten"):
        caring.back_up(LedgerFiles(path), target, IDENTITY, now=MONDAY)
    caring.back_up(LedgerFiles(path), target, IDENTITY, now=MONDAY, force=True)
    for own in (path, LedgerFiles(path).witness, LedgerFiles(path).copy):
        with pytest.raises(EngineError, match="own file"):
            caring.back_up(LedgerFiles(path), own, IDENTITY, now=MONDAY, force=True)
    assert not list(path.parent.glob(".*.tmp"))


def test_a_backup_while_a_run_holds_the_ledger(path: Path) -> None:
    """Then it is the copy that the last run left, whole, and its age is known; the run is not disturbed."""
    then = 'ledger.commit(run(), changes(sends=[send("3")])); print("committed", flush=True); time.sleep(60)'
    with another_process(path, then) as process:
        assert process.stdout is not None and process.stdout.readline() == "committed\n"
        made = caring.back_up(LedgerFiles(path), path.parent / "b.duckdb", IDENTITY, now=MONDAY)
        assert made.copied_at is not None and made.sends == 2
        checked, copied_at = caring.verify_ledger(LedgerFiles(path), now=MONDAY)
        assert copied_at is not None and not checked.faults
    with pytest.raises(LedgerRefused, match="would be forgotten"):
        restore(path, made.path, accept_rollback=False)


def test_what_a_killed_run_left_in_its_log_is_in_the_backup(path: Path) -> None:
    """The log is folded in before the file is copied."""
    with another_process(path, 'ledger.commit(run(), changes(sends=[send("3")])); print("committed", flush=True); time.sleep(60)') as process:
        assert process.stdout is not None and process.stdout.readline() == "committed\n"
    assert LedgerFiles(path).wal.exists()
    assert caring.back_up(LedgerFiles(path), path.parent / "b.duckdb", IDENTITY, now=MONDAY).sends == 3


# --- checks ----------------------------------------------------------------------------------------------------------

DAMAGE = {
    "UPDATE transactions SET done_at = done_at + INTERVAL 1 SECOND WHERE serial = 2": "the chain",
    "DELETE FROM transactions WHERE serial = 2": "the chain",
    "UPDATE ledger_meta SET serial = serial - 1": "the chain",
    "UPDATE sends SET contact = 'somebody' WHERE record = '1'": "send keys",
    "DELETE FROM sends WHERE record = '2'": "rows beside sends",
    "UPDATE address_slots SET holder = uuid()": "address slots",
    "UPDATE sends SET number = 1": "numbers",
}


@pytest.mark.parametrize(("sql", "named"), DAMAGE.items(), ids=[f"{name}-{place}" for place, name in enumerate(DAMAGE.values())])
def test_verify_names_what_does_not_agree(path: Path, sql: str, named: str) -> None:
    """A row that was changed behind the engine's back is found, whatever it was."""
    with duckdb.connect(str(path)) as connection:
        connection.execute(sql)
    assert named in {fault.asked for fault in verify(path, LedgerFiles(path).read_witness()).faults}


def test_verify_of_what_is_no_ledger(path: Path) -> None:
    """Garbage, nothing, and a file that was copied while it was open, without its log: named, never an exception."""
    hot = path.parent / "hot.duckdb"
    ledger = open_it(path)
    ledger.commit(run(), changes(sends=[send("3")]))
    shutil.copyfile(path, hot)
    ledger.close()
    assert not verify(path, LedgerFiles(path).read_witness()).faults
    assert {fault.asked for fault in verify(hot, LedgerFiles(path).read_witness()).faults} == {"the witness"}
    for content in (b"", b"x" * 9999):
        hot.write_bytes(content)
        assert verify(hot, None).faults
    hot.unlink()
    duckdb.connect(str(hot)).close()
    assert "without its log" in verify(hot, None).faults[0].fault


# --- restores --------------------------------------------------------------------------------------------------------


def test_a_backup_put_in_place_by_hand_is_refused(path: Path, backup: Path) -> None:
    """T-L2: `cp` of yesterday's backup sends nothing that was sent since, for the witness remembers."""
    shutil.copyfile(backup, path)
    for opened in (lambda: open_it(path), lambda: DuckdbReading.open(path, "acme", "production")):
        LedgerFiles(path).copy.unlink(missing_ok=True)
        with pytest.raises(LedgerRefused, match="rolled back"):
            opened()


def test_a_ledger_copied_without_its_log_is_refused(path: Path) -> None:
    """T-L5: the file of an open ledger alone lacks its end."""
    ledger = open_it(path)
    ledger.commit(run(), changes(sends=[send("3")]))
    hot = path.read_bytes()
    ledger.close()
    path.write_bytes(hot)
    with pytest.raises(LedgerRefused, match="lost its end"):
        open_it(path)


def test_an_older_backup_is_refused_and_says_what_it_would_forget(path: Path, backup: Path) -> None:
    """Exit 7, the number of transactions and of sends, and nothing is changed."""
    before = path.read_bytes()
    with pytest.raises(LedgerRefused, match=r"stands at 4, the ledger got to \d+: \d+ transactions since would be forgotten, among them 2 sends") as refused:
        restore(path, backup, accept_rollback=False)
    assert refused.value.exit_code == 7 and "--accept-rollback" in refused.value.help
    assert path.read_bytes() == before


def test_a_restore_sends_nothing_again(path: Path, backup: Path) -> None:
    """Where the replaced ledger can be read, its sends, unsubscriptions and stops are taken over; what was only planned is not."""
    done = restore(path, backup)
    assert done.passed_over is None and done.taken_over == 2 and done.in_doubt == 0
    assert done.replaced is not None and done.replaced.exists()
    whole(path)
    assert states(path) == {"1": "sent", "2": "sent", "3": "sent"}
    with DuckdbReading.open(path, "acme", "production") as reading:
        status = reading.status()
        assert status.suppressions == 1 and [control.action for control in status.controls] == ["stopped"]
        detail = reading.show(key("3"))
        assert detail is not None and detail.payload is not None and len(detail.attempts) == 1
        assert reading.enrollments().total == 4
    assert plan_again(path) == set()


def test_a_backup_that_is_as_new_as_the_ledger(path: Path) -> None:
    """A damaged ledger whose last state was backed up comes back without any loss, and without the flag."""
    made = caring.back_up(LedgerFiles(path), path.parent / "b.duckdb", IDENTITY, now=MONDAY)
    path.write_bytes(b"damaged" * 1000)
    done = restore(path, made.path, accept_rollback=False)
    assert done.passed_over is None and done.head == made.head
    whole(path)
    assert states(path) == {"1": "sent", "2": "planned"}


@pytest.mark.parametrize("lost", ["all", "ledger", "witness too"])
def test_where_the_newer_ledger_is_lost(path: Path, backup: Path, lost: str) -> None:
    """The readers' copy is as good; without it what was due is passed over, and what was planned is in doubt or, in the outbox, sent."""
    files = LedgerFiles(path)
    path.write_bytes(b"damaged" * 1000)
    if lost != "ledger":
        files.copy.unlink()
    if lost == "witness too":
        files.witness.unlink()
    with pytest.raises(LedgerRefused, match="sends|sent since"):
        restore(path, backup, accept_rollback=False)
    done = restore(path, backup)
    whole(path)
    if lost == "ledger":
        assert done.passed_over is None and done.known_from == files.copy
        assert plan_again(path) == set()
        return
    assert done.passed_over == LATER + timedelta(hours=1) and done.in_doubt == 1
    assert states(path) == {"1": "sent", "2": "unknown"}
    with DuckdbReading.open(path, "acme", "production") as reading:
        (doubt,) = reading.sends(SendFilter(state="unknown")).rows
        assert doubt.reason == RESTORED
        starts = reading.view(candidates()).tables["starts"].to_pylist()
    assert {"sequence": "", "started": done.passed_over} in starts


def test_what_the_outbox_holds_counts_as_sent(path: Path, backup: Path) -> None:
    """A transport that remembers its keys settles the doubt."""
    path.write_bytes(b"damaged" * 1000)
    LedgerFiles(path).copy.unlink()
    done = restore(path, backup, delivered=[key("2"), key("3")])
    assert done.in_doubt == 0
    assert states(path) == {"1": "sent", "2": "sent"}


@pytest.mark.parametrize("choice", ["assume_sent", "resend"])
def test_9_5_a_doubt_that_was_never_handed_over_ends_as_any_other(path: Path, backup: Path, choice: OnUnknown) -> None:
    """9.5: of what a restore doubts no hand-over is known; it is taken for sent when that is said, or waits for the next plan."""
    path.write_bytes(b"damaged" * 1000)
    LedgerFiles(path).copy.unlink()
    restore(path, backup)
    with open_it(path) as ledger:
        settled = ledger.settle_unknown({"renewal": choice}, LATER)
        assert len(settled.sent if choice == "assume_sent" else settled.planned) == 1
        assert ledger.claim("w", 9, LATER) == []


def test_a_torn_log_is_taken_over_and_the_rest_passed_over(path: Path, backup: Path) -> None:
    """A ledger that lost its end is still asked for what it has, but it does not count as all."""
    files = LedgerFiles(path)
    then = 'ledger.commit(run(), changes(sends=[send("5")])); ledger.claim("w", 1, MONDAY); print("done", flush=True); time.sleep(60)'
    with another_process(path, then) as process:
        assert process.stdout is not None and process.stdout.readline() in ("done\n", "")
    if files.wal.exists():
        files.wal.unlink()
    files.copy.unlink()
    done = restore(path, backup)
    assert done.taken_over == 2
    whole(path)


def test_a_restore_is_refused_for_a_stranger(path: Path, backup: Path, tmp_path: Path) -> None:
    """Another lineage, another project, a damaged backup: each by its name, flag or not."""
    other = tmp_path / "other" / "ledger.duckdb"
    DuckdbLedger.create(other, "acme", "production", now=MONDAY)
    with pytest.raises(LedgerRefused, match="another lineage"):
        restore(other, backup)
    with pytest.raises(LedgerRefused, match="belongs to project"):
        restoring.restore(LedgerFiles(path), backup, Identity("other", "production"), accept_rollback=True, now=LATER)
    content = bytearray(backup.read_bytes())
    for place in range(len(content) // 2, len(content), 4096):
        content[place] ^= 255
    backup.write_bytes(content)
    with pytest.raises(LedgerRefused, match="not whole"):
        restore(path, backup)


def test_3_3_3_4_a_restore_keeps_ticks_members_and_events(path: Path) -> None:
    """3.2 to 3.4: what the newer ledger took, recorded and was told holds in the backup's place, so nobody enters a second time."""
    before = {"ticks": [{"sequence": "monthly", "tick": "2026-01-01T09:00", "base_at": MONDAY - timedelta(days=4)}]}
    before["memberships"] = [{"sequence": "guests", "record": record, "member": True} for record in ("1", "2")]
    before["rosters"] = [{"sequence": "guests", "digest": "sha256:1"}]
    with open_it(path) as ledger:
        ledger.commit(run(), changes(**before))
    made = caring.back_up(LedgerFiles(path), path.parent / "earlier.duckdb", IDENTITY, now=MONDAY)
    told = Order("event", LATER, "ann", event="signed", event_id="e", entity="contract", record="7", happened_at=LATER)
    after = {"ticks": [{"sequence": "monthly", "tick": "2026-01-05T09:00", "base_at": MONDAY}], "rosters": [{"sequence": "guests", "digest": "sha256:2"}]}
    after["memberships"] = [{"sequence": "guests", "record": "1", "member": False}, {"sequence": "guests", "record": "3", "member": True}]
    with open_it(path) as ledger:
        ledger.commit(run(LATER), changes(**after))
        ledger.take_in({"o": told}, LATER)
    restore(path, made.path)
    whole(path)
    with open_it(path) as ledger:
        tables = ledger.view(candidates(events=("signed",))).tables
    assert tables["ticks"].to_pylist() == after["ticks"] and tables["rosters"].to_pylist() == after["rosters"]
    assert sorted(row["record"] for row in tables["memberships"].to_pylist()) == ["2", "3"]
    assert tables["events"]["id"].to_pylist() == ["e"]


def test_a_restored_ledger_can_be_restored_again(path: Path, backup: Path) -> None:
    """Its new history is known by the new witness; the backup is older once more, and what was put aside is asked too."""
    restore(path, backup)
    path.write_bytes(b"damaged" * 1000)
    LedgerFiles(path).copy.unlink()
    done = restore(path, backup)
    assert done.taken_over == 2 and done.known_from is not None and "replaced" in done.known_from.name
    assert done.passed_over is not None
    assert states(path) == {"1": "sent", "2": "sent", "3": "sent"}


# --- erasing ---------------------------------------------------------------------------------------------------------

CANARIES = ("canary.ann@example.com", "Canary Ann", "CANARY-VALUE", "canary body", "canary server text", "canary subject", "canary note")


def test_after_forget_no_file_holds_what_was_personal(path: Path) -> None:
    """Threat 27: grep of the file, its log, the readers' copy and a backup finds nothing; keys, hashes and suppressions stay."""
    files = LedgerFiles(path)
    with open_it(path) as ledger:
        mail = send("9", "c9", address="canary.ann@example.com", address_key="k:9", name="Canary Ann", variables='{"a":"CANARY-VALUE"}')
        ledger.commit(run(LATER), changes(enrollments=[enrollment("9", "c9")], sends=[mail, send("8", "c9", address="canary.ann@example.com", address_key="k:8", due_at=LATER + timedelta(days=1))]))
        (row,) = [row for row in ledger.claim("w1", 9, LATER) if row.record == "9"]
        going = dispatch(row, text="canary body")
        ledger.begin_dispatch([going], LATER)
        ledger.settle([said(row, "sent", text="canary server text")], LATER)
        note = "canary note"
        ledger.take_in({
            "o1": Order("suppress", LATER, "ann", address_key="k:9", reason="manual", note=note), "o2": Order("pause", LATER, "ann", contact="c9", note=note),
        }, LATER)  # fmt: skip
        others = ledger.sends(SendFilter(contact="ann-1")).rows[0].address
    made = caring.back_up(files, path.parent / "b.duckdb", IDENTITY, now=LATER)
    assert found(path.parent) >= {"canary.ann@example.com", "Canary Ann", "canary note"}
    ledger = open_it(path)
    forgotten, keys = ledger.forget(contact="c9", now=LATER)
    assert forgotten.sends == 2 and forgotten.payloads == 1 and forgotten.texts == 1 and forgotten.cancelled == 1
    ledger.close_anew()
    assert forget_in_file(made.path, keys, "c9")
    assert found(path.parent) == set()
    whole(path)
    with DuckdbReading.open(path, "acme", "production") as reading:
        rows = {row.record: row for row in reading.sends(SendFilter(contact="c9")).rows}
        assert (rows["9"].state, rows["9"].address) == ("sent", None)
        assert (rows["8"].state, rows["8"].reason) == ("cancelled", "forgotten")
        assert reading.status().suppressions == 1
        assert reading.sends(SendFilter(contact="ann-1")).rows[0].address == others


def found(folder: Path) -> set[str]:
    content = b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())
    return {canary for canary in CANARIES if canary.encode() in content}


def test_a_backup_is_cleaned_of_the_same_sends(path: Path) -> None:
    """And stays a backup: whole, of the same lineage and serial."""
    made = caring.back_up(LedgerFiles(path), path.parent / "b.duckdb", IDENTITY, now=MONDAY)
    assert b"ann-1@example.com" in made.path.read_bytes()
    assert forget_in_file(made.path, (key("1"),))
    assert b"ann-1@example.com" not in made.path.read_bytes().replace(b"k:ann-1@example.com", b"")
    checked = caring.verify_file(made.path)
    assert not checked.faults and checked.head == made.head


def test_what_is_old_is_forgotten_and_what_is_open_is_not(path: Path) -> None:
    """Retention takes sends that were over before an instant; planned ones keep their address."""
    with open_it(path) as ledger:
        forgotten, keys = ledger.forget(before=LATER + timedelta(days=400), now=LATER)
        assert keys == (key("1"),) and forgotten.sends == 1 and forgotten.cancelled == 0
        assert {row.record: row.address for row in ledger.sends().rows} == {"1": None, "2": "ann-2@example.com"}


def test_what_was_forgotten_since_a_backup_stays_forgotten(path: Path, backup: Path) -> None:
    """A restore does not bring it back."""
    ledger = open_it(path)
    ledger.forget(contact="ann-1", now=LATER)
    ledger.close_anew()
    restore(path, backup)
    with DuckdbReading.open(path, "acme", "production") as reading:
        detail = reading.show(key("1"))
        assert detail is not None and detail.row.address is None and detail.payload is None


def test_a_forgotten_contact_who_is_planned_again(path: Path) -> None:
    """The CRM still has them: the cancelled send is planned anew, with a new address and new bytes."""
    ledger = open_it(path)
    ledger.forget(contact="ann-2", now=LATER)
    ledger.close_anew()
    with open_it(path) as ledger:
        committed = ledger.commit(run(LATER), changes(sends=[send("2")]))
        assert committed.revived == 1
        deliver(ledger, 1)
    assert states(path)["2"] == "sent"


