"""8.10: the records of an entity get other keys, and nothing that was sent is sent again."""

from __future__ import annotations

import csv
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from uuid import uuid4

import duckdb
import pytest

from engine.clock import naive_utc
from engine.errors import DefinitionsInError, EngineError, LedgerRefused, LockHeld
from engine.ledger.care import Rekeyed
from engine.ledger.history import SendFilter
from engine.ledger.ledger import LedgerBroken
from engine.ledger.orders import Order
from engine.runs.backing_up import verify
from engine.runs.locking import obey
from engine.runs.planning import plan_now
from engine.runs.rekeying import rekey
from tests.plan.base import Row, contact, contract
from tests.plan.samples import RENEWAL, TRIAL

from .ground import Ground
from .shared import behind, to_postgres

AtHome = Callable[[Ground], Ground]
AT, NEXT, LATER = "2026-03-02T09:00:00+07:00", "2026-03-02T10:00:00+07:00", "2026-03-18T09:00:00+07:00"
SIGNED = "{id: signed, about: contract, status: active, active_from: 2026-01-01, trigger: {event: signed}, reenter: every_occurrence, steps: [{id: a, wait: 0d, template: notice}, {id: b, wait: 12d, template: reminder}]}"
ENTERS = "{id: joined, about: contact, status: active, active_from: 2026-01-01, trigger: {enters: guests}, steps: [{id: hello, wait: 0d, template: hello}]}"


def world(by: int = 0) -> list[Row]:
    """Three contracts and four contacts, with keys that are higher by so much."""
    contracts = [contract(i + by, end_date="2026-04-01", signed_at="2026-03-01T03:00:00", number=f"C-{i}") for i in (1, 2, 3)]
    return [*contracts, *(contact(i + by, email=f"person{i}@example.com", trial_end="2026-03-02", kind="guest" if i == 1 else None) for i in (1, 2, 3, 4))]


def crm(ground: Ground, rows: list[Row]) -> None:
    from tests.plan.base import company
    from tests.plan.story import entity_of

    found: dict[str, list[Row]] = {"company": [company(1)]}
    for row in rows:
        found.setdefault(entity_of(row), []).append(row)
    ground.facts(found)


@pytest.fixture(params=["file", "postgres"])
def at_home(request: pytest.FixtureRequest) -> AtHome:
    """The project as it is, or with an empty ledger on a server."""
    if request.param == "file":
        return lambda ground: ground
    url = request.getfixturevalue("database")
    return lambda ground: to_postgres(ground, url)


def make(tmp_path: Path, at_home: AtHome = lambda ground: ground) -> Ground:
    (tmp_path / "definitions" / "segments").mkdir(parents=True)
    (tmp_path / "definitions" / "segments" / "guests.yaml").write_text("{id: guests, name: Guests, entity: contact, rules: {contact.kind: guest}}")
    return at_home(Ground.make(tmp_path, RENEWAL, TRIAL, SIGNED, ENTERS, *world()))


def named(ground: Ground, entity: str) -> set[str]:
    """The records of an entity that sends are about."""
    with ground.site(NEXT).read_ledger() as ledger:
        return {row.record for row in ledger.sends(SendFilter(), limit=500).rows if row.entity == entity}


def keys(*old: int, by: int = 100) -> dict[str, str]:
    return {str(key): str(key + by) for key in old}


def nothing_new(ground: Ground, at: str) -> bool:
    plan = plan_now(ground.site(at)).plan
    return not any(plan.summary[name] for name in ("send", "enroll", "exit", "skipped_steps"))


def test_8_10_after_a_rekey_nothing_is_sent_again(tmp_path: Path, at_home: AtHome) -> None:
    """CRM and ledger under other keys: contracts and contacts are known again, also their events, memberships and pauses; the next step goes to each once."""
    ground = make(tmp_path, at_home)
    ground.apply(AT)
    sent = len(ground.mails())
    assert sent == 3 * 4 * 2 + 4
    obey(ground.site(AT), Order("pause", naive_utc(datetime.fromisoformat(AT)), "ann", contact="4", sequence="renewal"), "pause")
    crm(ground, world(by=100))
    assert not nothing_new(ground, NEXT)
    for entity, known in (("contract", (1, 2, 3)), ("contact", (1, 2, 3, 4))):
        done = rekey(ground.site(NEXT), entity, {**keys(*known), "99": "77"})
        assert done.known == len(known) and done.missing == () and done.sends and done.backup is not None and done.backup.exists()
        if done.backup.suffix == ".duckdb":
            assert verify(ground.site(NEXT), done.backup)[0].faults == ()
    assert verify(ground.site(NEXT), None)[0].faults == ()
    assert nothing_new(ground, NEXT)
    ground.apply(NEXT)
    assert len(ground.mails()) == sent
    with ground.site(NEXT).read_ledger() as ledger:
        assert {row.contact for row in ledger.held()} == {"104"} and len({row.record for row in ledger.held()}) == 3
    # The seconds of both sequences, but for the one who is paused in one of them.
    ground.apply(LATER)
    assert len(ground.mails()) == sent + 3 * 3 + 3 * 4
    assert verify(ground.site(LATER), None)[0].faults == ()


def test_8_10_another_key_in_the_map_is_followed_after_a_rekey(tmp_path: Path, at_home: AtHome) -> None:
    """`key: number` in place of `key: id` is refused (E261) until the ledger has the numbers; then an apply follows it and sends nothing."""
    ground = make(tmp_path, at_home)
    ground.apply(AT)
    sent = len(ground.mails())
    map = ground.root / "definitions" / "crm.yaml"
    map.write_text(map.read_text().replace("table: contracts\n    key: id\n", "table: contracts\n    key: number\n"))
    with pytest.raises(DefinitionsInError) as refused:
        ground.apply(NEXT)
    assert [problem.code for problem in refused.value.problems] == ["E261"] and "state rekey contract" in (refused.value.problems[0].help or "")
    rekey(ground.site(NEXT), "contract", {str(i): f"C-{i}" for i in (1, 2, 3)})
    ground.apply(NEXT)
    assert len(ground.mails()) == sent and nothing_new(ground, NEXT)


def test_8_10_keys_may_change_places(tmp_path: Path, at_home: AtHome) -> None:
    """1 becomes 2 and 2 becomes 1: no key column is updated in place, so that nobody stands in another's way."""
    ground = make(tmp_path, at_home)
    ground.apply(AT)
    rows = [{**row, "id": {1: 2, 2: 1}.get(row["id"], row["id"])} if "email" in row else row for row in world()]
    crm(ground, rows)
    rekey(ground.site(NEXT), "contact", {"1": "2", "2": "1", "3": "3", "4": "4"})
    assert nothing_new(ground, NEXT) and verify(ground.site(NEXT), None)[0].faults == ()


def test_8_10_what_the_map_lacks_is_named_and_nothing_is_done(tmp_path: Path, at_home: AtHome) -> None:
    """Keys that the ledger knows and the map does not; two records that would be one; a dry run. The ledger stays as it is."""
    ground = make(tmp_path, at_home)
    ground.apply(AT)
    before = verify(ground.site(NEXT), None)[0].head
    assert rekey(ground.site(NEXT), "contract", keys(1, 2, 3), dry_run=True) == Rekeyed(3, ())
    assert rekey(ground.site(NEXT), "contract", keys(1), dry_run=True) == Rekeyed(1, ("2", "3"))
    assert verify(ground.site(NEXT), None)[0].head == before
    assert rekey(ground.site(NEXT), "contract", keys(1)).backup is None and rekey(ground.site(NEXT), "contract", keys(1)).missing == ("2", "3")
    with pytest.raises(EngineError, match="two records"):
        rekey(ground.site(NEXT), "contract", {"1": "2"}, keep_missing=True)
    assert not list((ground.root / "state").glob("backups/*"))
    done = rekey(ground.site(NEXT), "contract", keys(1), keep_missing=True)
    assert (done.known, done.missing) == (1, ("2", "3")) and done.backup is not None
    assert named(ground, "contract") == {"101", "2", "3"}


def test_8_10_a_mail_that_a_provider_may_know_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A row that is frozen for another attempt keeps its key; a disk that is full leaves the ledger as it was."""
    ground = make(tmp_path)
    ground.apply(AT)
    ledger = ground.site(AT).ledger_path
    site = ground.site(NEXT)
    with site.open_ledger("test") as opened:
        opened.connection.execute("UPDATE sends SET state = 'planned', ambiguous = TRUE WHERE number = 1")  # type: ignore[attr-defined]  # behind the ledger's back
    with pytest.raises(EngineError, match="on their way"):
        rekey(site, "contract", keys(1, 2, 3))
    with site.open_ledger("test") as opened:
        opened.connection.execute("UPDATE sends SET state = 'sent', ambiguous = FALSE WHERE number = 1")  # type: ignore[attr-defined]  # and back
    before = verify(site, None)[0].head

    def fail(*_: object) -> None:
        raise duckdb.IOException("no space left")

    monkeypatch.setattr("engine.ledger.duckdb.rekeying._copied", fail)
    with pytest.raises(LedgerBroken, match="as it was"):
        rekey(site, "contract", keys(1, 2, 3))
    assert verify(site, None)[0].head == before and not (ledger.parent / "ledger.making.d").exists()


def test_8_10_on_postgres_the_map_that_leads_back_is_kept(tmp_path: Path, database: str) -> None:
    """One transaction, and the file of the other way round undoes it: the CRM's old keys are known again. Nobody else may read it."""
    ground = make(tmp_path, lambda ground: to_postgres(ground, database))
    ground.apply(AT)
    sent = len(ground.mails())
    done = rekey(ground.site(NEXT), "contact", {**keys(1, 2, 3), "4": 'with "quotes", and a comma'})
    assert done.backup is not None and done.backup.stat().st_mode & 0o077 == 0
    assert not nothing_new(ground, NEXT)
    with done.backup.open(encoding="utf-8", newline="") as file:
        back = {row["old"]: row["new"] for row in csv.DictReader(file)}
    assert back['with "quotes", and a comma'] == "4"
    rekey(ground.site(NEXT), "contact", back)
    ground.apply(NEXT)
    assert len(ground.mails()) == sent and verify(ground.site(NEXT), None)[0].faults == ()


def test_8_10_on_postgres_what_fails_leaves_the_ledger_as_it_was(tmp_path: Path, database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A mail that a provider may know; rows that would not fit each other; another who plans. No key is another one, and no way back lies about."""
    ground = make(tmp_path, lambda ground: to_postgres(ground, database))
    ground.apply(AT)
    site = ground.site(NEXT)
    before = verify(site, None)[0].head
    behind(ground, "UPDATE sends SET state = 'planned', ambiguous = TRUE WHERE number = 1")
    with pytest.raises(EngineError, match="on their way"):
        rekey(site, "contract", keys(1, 2, 3))
    behind(ground, "UPDATE sends SET state = 'sent', ambiguous = FALSE WHERE number = 1")
    monkeypatch.setattr("engine.ledger.postgres.rekeying.send_key", lambda *_: str(uuid4()))
    with pytest.raises(LedgerRefused, match="would not be whole"):
        rekey(site, "contract", keys(1, 2, 3))
    monkeypatch.undo()
    with site.open_ledger("test"), pytest.raises(LockHeld):
        rekey(site, "contract", keys(1, 2, 3))
    assert verify(site, None)[0].head == before and named(ground, "contract") == {"1", "2", "3"}
    assert not list((ground.root / "state").glob("backups/*"))


def test_8_10_the_rows_of_one_mail_stay_one_mail(tmp_path: Path, at_home: AtHome) -> None:
    """4.8: what names the leading send of a mail of several follows its new key."""
    combined = RENEWAL.replace("    about: contract\n", "    about: contract\n    combine: contact\n")
    ground = at_home(Ground.make(tmp_path, combined, *world()))
    ground.apply(AT)
    assert len(ground.mails()) == 4
    crm(ground, world(by=100))
    rekey(ground.site(NEXT), "contract", keys(1, 2, 3))
    with ground.site(NEXT).read_ledger() as ledger:
        rows = ledger.sends(SendFilter(), limit=50).rows
        details = [ledger.show(row.send_key) for row in rows]
    assert len(rows) == 12 and all(detail is not None and detail.payload is not None for detail in details)
