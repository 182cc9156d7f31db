"""A simulation of a large CRM asks a part of its records: the course is the one that all of them give."""

from __future__ import annotations

from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pytest

from engine.clock import naive_utc
from engine.facts.snapshot import Snapshot
from engine.rehearsal import near_facts
from engine.rehearsal.agenda import DUE
from engine.rehearsal.course import Course
from engine.rehearsal.near_facts import NearFacts
from engine.rehearsal.simulating import simulation
from tests.plan.base import Row, company, contact, contract, invoice
from tests.runs.ground import Ground

AT = "2026-03-05T09:00:00+07:00"
UNTIL = naive_utc(datetime.fromisoformat("2026-04-15T09:00:00+07:00"))
RENEWAL = """
    id: renewal
    about: contract
    status: active
    active_from: 2026-01-01
    trigger: {date: contract.end_date, where: {contract.status: active}}
    exit_when: {exists: {company.invoices: {status: overdue}}}
    steps:
      - {id: notice, before: 30d, template: notice}
      - {id: offer, before: 14d, template: upsell, if: {contact.company.industry: hotel}}
      - {id: last, before: 7d, template: reminder}
"""


def world() -> list[Row]:
    """Contracts of five companies. What decides about each lies a few relations away, or at somebody who has the same address."""
    return [
        *(company(i, industry="farm" if i == 4 else "hotel") for i in range(1, 9)),
        *(contract(i, company_id=i, end_date=f"2026-04-{i:02}") for i in range(1, 6)),
        # Whoever is asked about none of the days to come.
        *(contract(i, company_id=i, end_date="2029-01-01") for i in range(6, 9)),
        *(contact(i, company_id=i, wants_offers=True) for i in range(1, 9)),
        # Says no for the address of contact 2, written in another way.
        contact(20, company_id=8, email=" PERSON2@example.com\t", unsubscribed=True),
        *(invoice(i, company_id=of, due_date="2026-02-01", status=status) for i, of, status in ((1, 1, "overdue"), (2, 6, "overdue"), (3, 2, "open"))),
    ]  # fmt: skip


def followed(ground: Ground, monkeypatch: pytest.MonkeyPatch, large: int) -> tuple[Course, list[int]]:
    """The course, and how many contacts each part had that was asked."""
    sizes: list[int] = []
    of = NearFacts.of

    def seen(near: NearFacts, due: pa.Table, coming: object) -> Snapshot:
        found = of(near, due, coming)  # type: ignore[arg-type]  # handed on as it is
        if found is not near.snapshot:
            sizes.append(found.connection.execute("SELECT count(*) FROM facts.contact").fetchall()[0][0])
        return found

    with monkeypatch.context() as patched:
        patched.setattr(near_facts, "LARGE", large)
        patched.setattr(near_facts, "AHEAD", timedelta(days=40))
        patched.setattr(NearFacts, "of", seen)
        return simulation(ground.site(AT), UNTIL).course, sizes


def test_8_the_part_of_the_days_to_come_gives_the_course_of_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """§8: conditions over relations, and somebody with the same address."""
    ground = Ground.make(tmp_path, RENEWAL, *world())
    ground.apply("2026-03-04T12:00:00+07:00")
    whole, none = followed(ground, monkeypatch, 1_000_000)
    near, sizes = followed(ground, monkeypatch, 0)
    assert not none and sizes and max(sizes) < 9
    assert near.instants == whole.instants and near.sends == whole.sends and near.fates == whole.fates
    told = {(row["record"], row["step"], row["contact"]) for row in whole.sends.to_pylist()}
    assert {contact for _, step, contact in told if step == "offer"} == {"3", "5"}, told


def test_8_a_part_has_whoever_is_on_the_way_and_all_that_they_lead_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """§8: nothing leads from contract 5 to contact 7, who was enrolled for it once. A whole sequence, and one that is gone, are asked of all records."""
    monkeypatch.setattr(near_facts, "LARGE", 0)
    site = Ground.make(tmp_path, RENEWAL, *world()).site(AT)

    def pairs(*named: tuple[str, str | None]) -> pa.Table:
        return pa.table([pa.array(part, pa.string()) for part in zip(*named, strict=True)], DUE)

    def keys(of: Snapshot, entity: str) -> set[str]:
        return {key for (key,) in of.connection.execute(f"SELECT _key FROM facts.{entity}").fetchall()}

    with site.read_facts() as all_of_them, closing(NearFacts(all_of_them, site.definitions, lambda wanted: ["7"])) as near:
        coming = pairs(("renewal", "2"), ("gone", "3"))
        part = near.of(pairs(("renewal", "5")), lambda ahead: coming)
        assert (keys(part, "contract"), keys(part, "company"), keys(part, "contact")) == ({"2", "5"}, {"2", "5", "7"}, {"2", "5", "7", "20"})
        assert (keys(part, "invoice"), part.counts, part.digest) == ({"3"}, all_of_them.counts, all_of_them.digest)
        assert near.of(pairs(("renewal", "2")), lambda ahead: coming) is part
        assert near.of(pairs(("renewal", None)), lambda ahead: coming) is near.of(pairs(("gone", "3")), lambda ahead: coming) is all_of_them
        # What serves too few plans is not taken out again.
        assert near.of(pairs(("renewal", "1")), lambda ahead: coming) is all_of_them
