"""Rule 4.8 from the definitions to the outbox: several records of one contact that are due for one step in one run become one mail."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from engine.ledger.orders import Order
from engine.rehearsal.simulating import simulation
from engine.runs.applying import apply
from engine.runs.delivering import work
from engine.runs.inbox import leave_order
from engine.runs.planning import plan_on
from engine.views.naming import Naming
from engine.views.plan_json import PlanPage, as_json
from tests.crash.lives import KILLED, Life, engine_command
from tests.plan.base import contact, contract

from .ground import Ground

# Twenty contracts of one customer have run out; `notice` is transactional, `upsell` marketing.
ENDED = """
    id: ended
    about: contract
    status: active
    active_from: 2026-01-01
    trigger: {date: contract.end_date, where: {contract.status: active}}
    combine: contact
    at: "09:00"
    steps:
      - {id: notice, after: 1d, template: notice}
"""
TEMPLATE = """\
id: notice
type: notice
subject: {en: "{{ number }}{% if items | length > 1 %} and {{ items | length - 1 }} more{% endif %}"}
body: {en: "{% for one in items %}{{ loop.index }}: {{ one.number }}. {% endfor %}"}
"""
AT, LATER = "2026-03-03T09:00:00+07:00", "2026-03-03T09:10:00+07:00"
TWENTY = range(1, 21)


def twenty(root: Path, *more: object, sequence: str = ENDED, settings: str = "") -> Ground:
    ground = Ground.make(root, sequence, *(contract(id, end_date="2026-03-02") for id in TWENTY), *more, more=settings)  # type: ignore[arg-type]  # records, as in the stories
    ground.write("definitions/templates/notice.yaml", TEMPLATE)
    return ground


def rows(ground: Ground, at: str = LATER) -> Counter[str]:
    with ground.site(at).read_ledger() as ledger:
        return Counter(row.state for row in ledger.sends(limit=100).rows)


def text_of(ground: Ground) -> str:
    (mail,) = ground.mails()
    body = mail.get_body(("plain",))
    assert body is not None
    return " ".join(body.get_content().split())


def test_4_8_twenty_records_are_one_mail_and_twenty_rows(tmp_path: Path) -> None:
    """4.8: one mail with twenty items in their order; a second apply sends nothing; one row leads to the others."""
    ground = twenty(tmp_path)
    applied = ground.apply(AT)
    assert (applied.exit_code, applied.delivered and applied.delivered.sent, applied.plan.summary["send"]) == (0, 1, 20)
    (mail,) = ground.mails()
    assert mail["Subject"] == "C-1 and 19 more"
    assert text_of(ground) == " ".join(f"{id}: C-{id}." for id in TWENTY)
    assert rows(ground) == {"sent": 20}
    again = ground.apply(LATER)
    assert (again.exit_code, again.plan.summary["send"], len(ground.mails())) == (0, 0, 1)
    with ground.site(LATER).read_ledger() as ledger:
        last = next(row for row in ledger.sends(limit=100).rows if row.record == "20")
        shown = ledger.show(last.send_key)
        assert shown is not None and [other.record for other in shown.others] == [str(id) for id in TWENTY][:-1]
        assert shown.message_id == mail["Message-ID"] and shown.payload is not None


def test_4_8_a_cap_of_one_lets_a_mail_of_twenty_through(tmp_path: Path) -> None:
    """6.21: twenty items are one marketing mail; the next one to the address waits."""
    ground = twenty(tmp_path, sequence=ENDED.replace("template: notice", "template: upsell"), settings="caps: [{max: 1, per: 7d, of: all}]")
    assert ground.apply(AT).exit_code == 0
    assert (len(ground.mails()), rows(ground)) == (1, {"sent": 20})


def test_4_8_two_contacts_get_one_mail_each(tmp_path: Path) -> None:
    """4.8: `combine` is by contact."""
    ground = twenty(tmp_path, contact(1), contact(2))
    ground.apply(AT)
    assert [str(mail["To"]) for mail in ground.mails()] == ["Person 1 <person1@example.com>", "Person 2 <person2@example.com>"]
    assert rows(ground) == {"sent": 40}


def test_4_8_a_simulation_counts_what_arrives(tmp_path: Path) -> None:
    """4.8: of twenty records the contact gets one mail; the plan's text says so too."""
    ground = twenty(tmp_path)
    found = simulation(ground.site(AT), ground.site("2026-03-05T09:00:00+07:00").now)
    assert (found.mails, found.most, dict(found.pressure)) == (1, 1, {1: 1})
    with ground.site(AT).read_ledger() as ledger, ground.site(AT).read_facts() as snapshot:
        plan = plan_on(ground.site(AT), snapshot, ledger)
    assert (plan.mails(), plan.mails("ended"), plan.summary["send"]) == (1, 1, 20)


def test_4_8_the_plan_s_json_says_which_rows_are_one_mail(tmp_path: Path) -> None:
    """4.8, interface.md §4: `message` is the send key of the first by base; a mail of one record says nothing."""
    ground = twenty(tmp_path)
    site = ground.site(AT)
    with site.read_ledger() as ledger, site.read_facts() as snapshot:
        plan = plan_on(site, snapshot, ledger)
    said = json.loads(as_json(PlanPage(plan, Naming(site.definitions, site.pseudonyms))))["decisions"]
    assert len(said) == 20 and {row["message"] for row in said} == {str(plan.decisions["send_key"][0].as_py())}
    ground.write("definitions/sequences/ended.yaml", ENDED.replace("    combine: contact\n", ""))
    site = ground.site(AT)
    with site.read_ledger() as ledger, site.read_facts() as snapshot:
        plan = plan_on(site, snapshot, ledger)
    said = json.loads(as_json(PlanPage(plan, Naming(site.definitions, site.pseudonyms))))["decisions"]
    assert len(said) == 20 and not [row for row in said if "message" in row]


def test_9_2_one_that_is_paused_before_its_mail_leaves_is_left_out(tmp_path: Path) -> None:
    """9.2, 9.8: the order is taken in between plan and hand-over; nineteen go, and the one is held."""
    ground = twenty(tmp_path)
    site = ground.site(AT)
    assert apply(site, environ=ground.environ, plan_only=True).plan.summary["send"] == 20
    leave_order(site.state, Order("pause", site.now, "test", entity="contract", records=("1",)))
    work(site, environ=ground.environ, live=False)
    assert text_of(ground).endswith("19: C-20.") and "C-1." not in text_of(ground)
    assert rows(ground) == {"sent": 19, "planned": 1}


@pytest.mark.parametrize("failpoint", ["FP3", "FP5", "FP6", "FP7", "FP9", "FP10", "FP11", "FP12"])
def test_9_4_a_kill_leaves_one_mail_whole(failpoint: str, tmp_path: Path) -> None:
    """9.4: killed anywhere, the next apply leaves one mail with twenty items, and twenty rows that say so."""
    ground = twenty(tmp_path)
    life = Life(tmp_path / "lives", 1, engine_command, ["-C", str(tmp_path), "apply", "--now", AT], failpoint=failpoint)
    assert life.end() == KILLED
    ground.apply(LATER)
    assert text_of(ground) == " ".join(f"{id}: C-{id}." for id in TWENTY)
    assert rows(ground) == {"sent": 20}
