"""What `attention` tells of records and holds: each record once, by the project's own days, and only what would be lost if nobody acted (features B, 4.3)."""

from __future__ import annotations

import shutil
from datetime import datetime
from pathlib import Path

import duckdb
import pytest

from engine.ledger.duckdb.files import LedgerFiles
from engine.ledger.orders import Order
from engine.runs.attending import Finding, attention
from engine.runs.locking import obey
from tests.plan.base import company, contact, contract
from tests.plan.samples import DRIP, ONE_NOTICE, PROJECT_LETTERS
from tests.runs.ground import Ground
from tests.runs.test_combining import ENDED, TEMPLATE


def told(ground: Ground, at: str, kind: str) -> list[Finding]:
    return [one for one in attention(ground.site(at)).findings if one.kind == kind]


def by_hand(ground: Ground, at: str, sequence: str, entity: str, record: str) -> None:
    site = ground.site(at)
    with site.open_ledger("enroll") as ledger:
        ledger.enroll_by_hand(sequence, entity, [record], by="test", note="", now=site.now)


def test_4_3_a_record_that_is_there_twice_is_told_once(tmp_path: Path) -> None:
    """4.3: contract 7 was enrolled twice and has nobody: one record, by one key."""
    ground = Ground.make(tmp_path, PROJECT_LETTERS + "    reenter: every_occurrence\n", contract(7), contact(1, is_active=False))
    by_hand(ground, "2026-03-01T09:00:00+07:00", "letters", "contract", "7")
    by_hand(ground, "2026-03-01T10:00:00+07:00", "letters", "contract", "7")
    (one,) = told(ground, "2026-03-01T11:00:00+07:00", "unreached")
    assert (one.count, one.records) == (1, ("7",))


@pytest.mark.parametrize("moment", ["01:00", "09:00"])
def test_5_8_days_are_those_of_the_project(tmp_path: Path, moment: str) -> None:
    """5.8: on 2 March the contract ends in 30 days, also at one in the morning, when it is 1 March in UTC."""
    ground = Ground.make(tmp_path, ONE_NOTICE + "    at: '00:30'\n", contract(7, end_date="2026-04-01"), contact(1, is_active=False))
    assert [one.within for one in told(ground, f"2026-03-02T{moment}:00+07:00", "unreached")] == [30]


def test_3_1_the_field_of_a_date_that_comes_round_is_not_its_next_day(tmp_path: Path) -> None:
    """3.1: the end date is of 2020; that it is reached within thirty days would not be true."""
    yearly = ONE_NOTICE.replace("{date: contract.end_date}", "{date: contract.end_date, every: 1y}")
    ground = Ground.make(tmp_path, yearly, contract(7, end_date="2020-04-01"), contact(1, is_active=False))
    assert [(one.detail, one.within) for one in told(ground, "2026-03-02T09:00:00+07:00", "unreached")] == [("", None)]


@pytest.mark.parametrize(("until", "lost"), [(None, 1), ("2026-03-11T03:00:00", 0), ("2026-03-13T03:00:00", 1)])
def test_9_8_a_pause_that_ends_in_time_needs_nobody(tmp_path: Path, until: str | None, lost: int) -> None:
    """9.8, 5.6: tips are due on 5 March and expire on the 12th: told a day before, where the pause lasts beyond that, and never before they are due."""

    ground = Ground.make(tmp_path, DRIP, contact(1))
    by_hand(ground, "2026-03-02T10:00:00+07:00", "drip", "contact", "1")
    ground.apply("2026-03-02T10:00:00+07:00")
    site = ground.site("2026-03-02T11:00:00+07:00")
    end = datetime.fromisoformat(until) if until else None
    obey(site, Order("pause", site.now, "test", sequence="drip", contact="1", until=end), "pause")
    assert told(ground, "2026-03-04T10:00:00+07:00", "hold") == []
    assert len(told(ground, "2026-03-10T12:00:00+07:00", "hold")) == lost


def test_9_5_every_doubt_is_told_and_a_mail_of_twenty_is_one(tmp_path: Path) -> None:
    """9.5, 4.8: of two sequences, the older with more doubts than a page has; those of twenty records in one mail are one doubt."""
    again = ONE_NOTICE + "    on_unknown: ask\n"
    ground = Ground.make(tmp_path, ENDED + "    on_unknown: ask\n", again, *(contract(id, end_date="2026-04-01") for id in range(21, 141)))
    ground.apply("2026-03-02T09:00:00+07:00", max_sends__per_run=1000, first_run_max=1000)
    ground.facts({"contact": [contact(1)], "company": [company(1)], "contract": [contract(id, end_date="2026-03-02") for id in range(1, 21)]})
    ground.write("definitions/templates/notice.yaml", TEMPLATE)
    ground.apply("2026-03-03T09:00:00+07:00", max_sends__per_run=1000, first_run_max=1000)
    path = ground.site("2026-03-03T09:00:00+07:00").ledger_path
    with duckdb.connect(str(path)) as ledger:
        ledger.execute("UPDATE sends SET state = 'unknown', reason = 'process_died' WHERE state = 'sent'")
    shutil.copyfile(path, LedgerFiles(path).copy)
    found = {one.about: one for one in told(ground, "2026-03-03T10:00:00+07:00", "unknown")}
    assert {about: one.count for about, one in found.items()} == {"ended": 1, "renewal": 120}
    assert found["renewal"].since == datetime(2026, 3, 2, 2)


def test_6_2_who_would_leave_once_resumed_loses_no_mail(tmp_path: Path) -> None:
    """6.2: paused, and the goal is met meanwhile: no mail waits."""
    ground = Ground.make(tmp_path, DRIP + "    goal: {contact.kind: guest}\n", contact(1))
    by_hand(ground, "2026-03-02T10:00:00+07:00", "drip", "contact", "1")
    ground.apply("2026-03-02T10:00:00+07:00")
    site = ground.site("2026-03-02T11:00:00+07:00")
    obey(site, Order("pause", site.now, "test", sequence="drip", contact="1"), "pause")
    assert len(told(ground, "2026-03-10T12:00:00+07:00", "hold")) == 1
    ground.facts({"contact": [contact(1, kind="guest")]})
    assert told(ground, "2026-03-10T12:00:00+07:00", "hold") == []


@pytest.mark.parametrize("pause", ["enrollment", "sequence", "status"])
def test_6_9_a_paused_mail_whose_condition_is_false_is_not_waited_for(tmp_path: Path, pause: str) -> None:
    """6.9: what would be passed over once resumed loses nothing by the pause, whoever paused it."""
    drip = DRIP.replace("template: tips}", "template: tips, if: {contact.kind: guest}}")
    ground = Ground.make(tmp_path, drip, contact(1, kind="guest"))
    by_hand(ground, "2026-03-02T10:00:00+07:00", "drip", "contact", "1")
    ground.apply("2026-03-02T10:00:00+07:00")
    if pause == "status":
        ground.change("definitions/sequences/drip.yaml", "status: active", "status: paused")
    else:
        site = ground.site("2026-03-02T11:00:00+07:00")
        obey(site, Order("pause", site.now, "test", sequence="drip", contact="1" if pause == "enrollment" else None), "pause")
    assert len(told(ground, "2026-03-10T12:00:00+07:00", "hold")) == 1
    ground.facts({"contact": [contact(1, kind="member")]})
    assert told(ground, "2026-03-10T12:00:00+07:00", "hold") == []
