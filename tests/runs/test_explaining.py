"""`explain`: every gate, in the order of the page, and why somebody has no enrollment."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import pytest

from engine.clock import naive_utc
from engine.errors import WrongUsage
from engine.ledger.orders import Order
from engine.plan.gates import GATES
from engine.runs.explaining import Sheet, explain
from engine.runs.locking import obey
from tests.plan.base import company, contact, contract
from tests.plan.samples import RENEWAL, TRIAL

from .ground import Ground
from .shared import on_postgres

Make = Callable[..., Ground]
AT = "2026-03-02T09:00:00+07:00"


@pytest.fixture(params=["file", "postgres"])
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Make:
    """A project with its ledger in one of the homes."""
    if request.param == "file":
        return lambda *said: Ground.make(tmp_path / "project", *said)
    url = request.getfixturevalue("database")
    return lambda *said: on_postgres(tmp_path / "project", url, *said)


def first_not_passed(sheet: Sheet) -> str | None:
    return next((gate.number for gate in sheet.gates if gate.passed is False), None)


def test_6_gates_are_shown_in_their_order_and_the_first_not_passed_decides(tmp_path: Path) -> None:
    """6.1 to 6.16: for a send, a wait, a hold, a skip, an exit and a complete alike, the first gate not passed is the decision's."""
    rows = [
        contact(1, trial_end="2026-03-02"),  # sends
        contact(2, trial_end="2026-03-02", email=None),  # 6.10
        contact(3, trial_end="2026-02-24", unsubscribed=True),  # 6.11, and complete
        contact(4, trial_end="2026-03-02", kind="staff"),  # 6.2
        contact(5, trial_end="2026-03-02", kind="guest"),  # 6.9
    ]
    text = TRIAL.replace("template: hello", "template: news, if: {not: {contact.kind: guest}}") + "    exit_when: {contact.kind: staff}\n"
    ground = Ground.make(tmp_path, text, *rows)
    expected = {"1": [("send", None)], "2": [("hold", "6.10")], "3": [("skip", "6.11"), ("complete", "6.5")], "4": [("exit", "6.2")], "5": [("skip", "6.9"), ("complete", "6.5")]}
    owner = {reason: gate.number for gate in GATES for reason in gate.reasons}
    for key, decided in expected.items():
        sheets = explain(ground.site(AT), contact=key).sheets
        assert [(sheet.decision, first_not_passed(sheet)) for sheet in sheets] == decided, key
        for sheet in sheets:
            assert [gate.number for gate in sheet.gates] == [gate.number for gate in GATES]
            assert first_not_passed(sheet) in (None, owner[sheet.reason])


def test_4_2_explain_names_people_who_are_not_in_the_audience(tmp_path: Path) -> None:
    """4.2, 4.4: of a contract's people, the one without an address and the one over `max` are listed with the reason."""
    text = RENEWAL + "    audience: {max: 1}\n"
    ground = Ground.make(tmp_path, text, contract(7, end_date="2026-04-01"), contact(1), contact(2, email=None), contact(3))
    found = explain(ground.site(AT), record=("contract", "7"))
    assert [(sheet.contact, sheet.decision) for sheet in found.sheets] == [("1", "send")]
    assert sorted((note.contact, note.reason) for note in found.notes) == [("2", "no_address"), ("3", "over_max")]


def test_3_explain_says_why_no_event_segment_or_schedule_begins(tmp_path: Path) -> None:
    """3.2 to 3.4: an event that has not happened, a segment of which somebody is no member or was one before, and when the next time comes."""
    head = "about: contact, status: active, steps: [{id: hello, wait: 0d, template: hello}]"
    (tmp_path / "definitions" / "segments").mkdir(parents=True)
    (tmp_path / "definitions" / "segments" / "guests.yaml").write_text("{id: guests, name: Guests, entity: contact, rules: {contact.kind: guest}}")
    ground = Ground.make(
        tmp_path,
        f"{{id: visits, trigger: {{event: visited, where: {{contact.kind: guest}}}}, reenter: never, {head}}}",
        f"{{id: monthly, trigger: {{schedule: '0 9 1 * *', for: guests}}, {head}}}",
        f"{{id: letter, trigger: {{once: '2026-01-05T09:00', for: guests}}, {head}}}",
        f"{{id: joined, trigger: {{enters: guests}}, {head}}}",
        contact(1, kind="guest"),
        contact(2),
    )  # fmt: skip
    said = {key: {note.sequence: (note.reason, note.at) for note in explain(ground.site(AT), contact=key).notes} for key in ("1", "2")}
    assert said["1"] == {
        "visits": ("no_event", None), "monthly": ("next_tick", datetime(2026, 4, 1, 2, 0)), "letter": ("tick_passed", None), "joined": ("member_already", None),
    }  # fmt: skip
    assert {reason for reason, _ in said["2"].values()} == {"where_fails", "not_a_member"}
    order = Order("event", naive_utc(datetime.fromisoformat(AT)), "test", event="visited", event_id="v", entity="contact", record="1", happened_at=datetime(2026, 3, 9))
    assert obey(ground.site(AT), order, "event").rows == 1
    assert [(note.reason, note.at) for note in explain(ground.site(AT), contact="1", sequence="visits").notes] == [("event_ahead", datetime(2026, 3, 9))]


def test_explain_of_nobody_says_that_nobody_is_there(tmp_path: Path) -> None:
    """interface.md §2: a contact that the CRM does not have; an unknown sequence is wrong usage, exit 64."""
    ground = Ground.make(tmp_path, TRIAL, contact(1))
    assert not explain(ground.site(AT), contact="99").exists
    with pytest.raises(WrongUsage) as wrong:
        explain(ground.site(AT), contact="1", sequence="none")
    assert wrong.value.exit_code == 64


def test_1_1_looking_back_shows_what_was_to_be_seen_then(make: Make) -> None:
    """`--at` a past moment: sends, exits, pauses and suppressions that came later are left out, in either home; an apply's own moment shows what it saw."""
    text = TRIAL + "    exit_when: {contact.kind: staff}\n"
    rows = [contact(1, trial_end="2026-03-02"), contact(2, trial_end="2026-03-02"), contact(3, trial_end="2026-03-09")]
    ground = make(text, *rows)
    days = ["2026-03-01T09:00:00+07:00", AT, "2026-03-03T09:00:00+07:00", "2026-03-09T09:00:00+07:00"]

    def seen(at: str, *, looking_back: bool = False) -> list[tuple[Sheet, ...]]:
        return [explain(ground.site(at), contact=key, looking_back=looking_back).sheets for key in "123"]

    then = []
    for day in days:
        then.append(seen(day))
        ground.apply(day)
    obey(ground.site(days[3]), Order("pause", naive_utc(datetime.fromisoformat(days[3])), "ann", contact="3", sequence="trial"), "pause")
    assert [[sheet.decision for sheet in sheets] for sheets in then[1]] == [["send"], ["send"], []]
    assert [seen(day, looking_back=True) for day in days[:3]] == then[:3]
    assert seen(days[1]) != then[1]
    # The pause is of the last moment, and what people order counts at once.
    assert [sheet.reason for sheet in seen(days[3], looking_back=True)[2]] == ["paused_enrollment"]


def test_6_what_takes_hold_when_a_pause_ends_is_told_while_it_lasts(tmp_path: Path) -> None:
    """6.2, 6.3: paused, and meanwhile renewed, which ends the trigger's `where` too: the gates behind the pause say so, though the pause decides."""
    ground = Ground.make(tmp_path, RENEWAL + "    goal: {contract.status: renewed}\n", contract(7, end_date="2026-04-01"))
    ground.apply(AT)
    site = ground.site(AT)
    obey(site, Order("pause", site.now, "test", contact="1", sequence="renewal"), "pause")
    ground.facts({"contact": [contact(1)], "company": [company(1)], "contract": [contract(7, end_date="2027-04-01", status="renewed")]})
    (sheet,) = explain(ground.site("2026-03-03T09:00:00+07:00"), contact="1").sheets
    assert (sheet.decision, sheet.reason) == ("hold", "paused_enrollment")
    assert {gate.number: gate.detail for gate in sheet.gates if gate.passed is False and gate.number in ("6.2", "6.3")} == {"6.2": "goal_met", "6.3": "trigger_gone"}


def test_3_7_a_wait_that_came_later_has_no_start_of_its_own(tmp_path: Path) -> None:
    """3.7, 8.4: a step of three days' waiting is put in on the fifth day, goes, and no gate says that it lies before its start."""
    visits = """
        id: drip
        about: contact
        status: active
        active_from: 2026-01-01
        trigger: {event: visited}
        reenter: never
        steps:
          - {id: welcome, wait: 0d, template: hello}
          - {id: last, wait: 30d, template: tips}
    """
    ground = Ground.make(tmp_path, visits, contact(1))
    site = ground.site("2026-03-01T09:00:00+07:00")
    obey(site, Order("event", site.now, "test", event="visited", event_id="v", entity="contact", record="1", happened_at=site.now), "event")
    ground.apply("2026-03-01T09:00:00+07:00")
    ground.change("definitions/sequences/drip.yaml", "  - {id: last", "  - {id: mid, wait: 3d, template: tips}\n  - {id: last")
    (sheet,) = explain(ground.site("2026-03-06T09:00:00+07:00"), contact="1").sheets
    assert (sheet.step, sheet.decision, first_not_passed(sheet)) == ("mid", "send", None)


def test_6_18_nobody_enters_a_draft_or_before_the_start_and_that_is_the_reason(tmp_path: Path) -> None:
    """6.18, 3.7: of an event, a schedule and a segment alike: that it is a draft, or has not started, is said before anything about the contact."""
    segment = tmp_path / "definitions" / "segments" / "guests.yaml"
    segment.parent.mkdir(parents=True)
    segment.write_text("{id: guests, name: Guests, entity: contact, rules: {contact.kind: guest}}", encoding="utf-8")
    head = "about: contact, status: draft, steps: [{id: hello, wait: 0d, template: hello}]"
    triggers = {"visits": "{event: visited}, reenter: never", "monthly": "{schedule: '0 9 1 * *', for: guests}", "joined": "{enters: guests}"}
    ground = Ground.make(tmp_path, *(f"{{id: {id}, trigger: {trigger}, {head}}}" for id, trigger in triggers.items()), contact(1, kind="guest"))
    said = [(note.sequence, note.reason) for note in explain(ground.site(AT), contact="1").notes]
    assert said == [("joined", "draft"), ("monthly", "draft"), ("visits", "draft")]
    for id in triggers:
        ground.change(f"definitions/sequences/{id}.yaml", "status: draft", "status: active, active_from: 2026-05-01")
    assert {note.reason for note in explain(ground.site(AT), contact="1").notes} == {"not_started"}


def test_4_2_the_group_that_cannot_be_written_to_is_not_the_first(tmp_path: Path) -> None:
    """4.2: the billing contact has no address: what is ahead goes to the other one, and is told as theirs; with an address it is the billing contact's."""
    text = RENEWAL + "    audience: {first_of: [{contact.kind: billing}, all]}\n"
    ground = Ground.make(tmp_path, text, contract(7, end_date="2026-04-01"), contact(1, kind="billing", email=None), contact(2))
    early = "2026-02-20T09:00:00+07:00"
    assert [(one.step, one.behind) for one in explain(ground.site(early), contact="2").upcoming] == [("notice-30", False)]
    ground.facts({"company": [company(1)], "contract": [contract(7, end_date="2026-04-01")], "contact": [contact(1, kind="billing"), contact(2)]})
    assert [(one.step, one.behind) for one in explain(ground.site(early), contact="2").upcoming] == [("notice-30", True)]
