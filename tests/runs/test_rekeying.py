"""8.10: the records of an entity get other keys, and nothing that was sent is sent again."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import duckdb
import pytest

from engine.clock import naive_utc
from engine.errors import DefinitionsInError, EngineError, WrongUsage
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
from .shared import on_postgres

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


def make(tmp_path: Path) -> Ground:
    (tmp_path / "definitions" / "segments").mkdir(parents=True)
    (tmp_path / "definitions" / "segments" / "guests.yaml").write_text("{id: guests, name: Guests, entity: contact, rules: {contact.kind: guest}}")
    return Ground.make(tmp_path, RENEWAL, TRIAL, SIGNED, ENTERS, *world())


def keys(*old: int, by: int = 100) -> dict[str, str]:
    return {str(key): str(key + by) for key in old}


def nothing_new(ground: Ground, at: str) -> bool:
    plan = plan_now(ground.site(at)).plan
    return not any(plan.summary[name] for name in ("send", "enroll", "exit", "skipped_steps"))


def test_8_10_after_a_rekey_nothing_is_sent_again(tmp_path: Path) -> None:
    """CRM and ledger under other keys: contracts and contacts are known again, also their events, memberships and pauses; the next step goes to each once."""
    ground = make(tmp_path)
    ground.apply(AT)
    sent = len(ground.mails())
    assert sent == 3 * 4 * 2 + 4
    obey(ground.site(AT), Order("pause", naive_utc(datetime.fromisoformat(AT)), "ann", contact="4", sequence="renewal"), "pause")
    crm(ground, world(by=100))
    assert not nothing_new(ground, NEXT)
    for entity, known in (("contract", (1, 2, 3)), ("contact", (1, 2, 3, 4))):
        done = rekey(ground.site(NEXT), entity, {**keys(*known), "99": "77"})
        assert done.known == len(known) and done.missing == () and done.sends and done.backup is not None and done.backup.exists()
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


def test_8_10_another_key_in_the_map_is_followed_after_a_rekey(tmp_path: Path) -> None:
    """`key: number` in place of `key: id` is refused (E261) until the ledger has the numbers; then an apply follows it and sends nothing."""
    ground = make(tmp_path)
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


def test_8_10_keys_may_change_places(tmp_path: Path) -> None:
    """1 becomes 2 and 2 becomes 1: no key column is updated in place, so that nobody stands in another's way."""
    ground = make(tmp_path)
    ground.apply(AT)
    rows = [{**row, "id": {1: 2, 2: 1}.get(row["id"], row["id"])} if "email" in row else row for row in world()]
    crm(ground, rows)
    rekey(ground.site(NEXT), "contact", {"1": "2", "2": "1", "3": "3", "4": "4"})
    assert nothing_new(ground, NEXT) and verify(ground.site(NEXT), None)[0].faults == ()


def test_8_10_what_the_map_lacks_is_named_and_nothing_is_done(tmp_path: Path) -> None:
    """Keys that the ledger knows and the map does not; two records that would be one; a dry run. The file stays as it is, to the byte."""
    ground = make(tmp_path)
    ground.apply(AT)
    ledger = ground.site(AT).ledger_path
    before = ledger.read_bytes()
    assert rekey(ground.site(NEXT), "contract", keys(1, 2, 3), dry_run=True) == Rekeyed(3, ())
    assert rekey(ground.site(NEXT), "contract", keys(1), dry_run=True) == Rekeyed(1, ("2", "3"))
    assert ledger.read_bytes() == before
    assert rekey(ground.site(NEXT), "contract", keys(1)).backup is None and rekey(ground.site(NEXT), "contract", keys(1)).missing == ("2", "3")
    with pytest.raises(EngineError, match="two records"):
        rekey(ground.site(NEXT), "contract", {"1": "2"}, keep_missing=True)
    assert not list((ground.root / "state").glob("backups/*"))
    done = rekey(ground.site(NEXT), "contract", keys(1), keep_missing=True)
    assert (done.known, done.missing) == (1, ("2", "3")) and done.backup is not None
    with duckdb.connect(str(ledger), read_only=True) as connection:
        assert {key for (key,) in connection.execute("SELECT DISTINCT record FROM sends WHERE entity = 'contract'").fetchall()} == {"101", "2", "3"}


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


def test_8_10_a_ledger_on_postgres_is_refused(tmp_path: Path, database: str) -> None:
    """Its keys are not carried over, and the refusal says what to do."""
    ground = on_postgres(tmp_path, database, TRIAL, *world())
    with pytest.raises(WrongUsage, match="in a file only"):
        rekey(ground.site(AT), "contract", keys(1, 2, 3))


def test_8_10_the_rows_of_one_mail_stay_one_mail(tmp_path: Path) -> None:
    """4.8: what names the leading send of a mail of several follows its new key."""
    combined = RENEWAL.replace("    about: contract\n", "    about: contract\n    combine: contact\n")
    ground = Ground.make(tmp_path, combined, *world())
    ground.apply(AT)
    assert len(ground.mails()) == 4
    crm(ground, world(by=100))
    rekey(ground.site(NEXT), "contract", keys(1, 2, 3))
    with ground.site(NEXT).read_ledger() as ledger:
        rows = ledger.sends(SendFilter(), limit=50).rows
        details = [ledger.show(row.send_key) for row in rows]
    assert len(rows) == 12 and all(detail is not None and detail.payload is not None for detail in details)
