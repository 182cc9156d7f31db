"""`simulate`, and the law of `diff`: applying what was foretold sends exactly that."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from icalendar import Calendar

from engine.clock import Duration, naive_utc, shift, to_local
from engine.ledger.orders import Order
from engine.rehearsal.agenda import narrow
from engine.rehearsal.foretelling import Ground as Foretold
from engine.rehearsal.foretelling import foretold
from engine.rehearsal.simulating import simulation
from engine.runs.locking import obey
from engine.views import simulated
from tests.plan.base import company, contact, contract
from tests.plan.samples import DRIP, RENEWAL
from tests.runs.ground import Ground

AT = "2026-03-02T09:00:00+07:00"
WINDOW = """
    id: open-hours
    about: contract
    status: active
    active_from: 2026-01-01
    trigger: {date: contract.end_date, where: {contract.status: active}}
    send_window: {days: [mon-fri], from: "10:00", to: "11:00"}
    steps:
      - {id: notice, before: 20d, template: notice, expires: 5d}
      - {id: again, before: 3d, template: reminder, if: {contract.status: active}}
"""
CAPS = "caps: [{max: 1, per: 2d, of: all, category: transactional}]\n"


SEGMENTS = {
    "guests": "{id: guests, name: Guests, entity: contact, rules: {contact.kind: guest}}",
    "ending": "{id: ending, name: Ending, entity: contact, rules: {contact.trial_end: {within_next: 7d}}}",
    "greeted": "{id: greeted, name: Greeted, entity: contact, rules: {received: {sequence: ending, within: 10d}}}",
}
TICKS = """
    {id: letter, about: contact, status: active, active_from: 2026-01-01, trigger: {once: "2026-03-06T10:30", for: guests},
     steps: [{id: hello, wait: 0d, template: hello}]}
""", """
    {id: weekly, about: contact, status: active, active_from: 2026-01-01, trigger: {schedule: "0 9 * * mon", for: guests},
     steps: [{id: hello, wait: 0d, template: hello}, {id: tips, wait: 2d, template: tips}]}
""", """
    {id: ending, about: contact, status: active, active_from: 2026-01-01, trigger: {enters: ending},
     steps: [{id: hello, wait: 0d, template: hello}]}
""", """
    {id: greeted, about: contact, status: active, active_from: 2026-01-01, trigger: {enters: greeted},
     steps: [{id: tips, wait: 1d, template: tips}]}
"""


def made(root: Path) -> Ground:
    rows = [company(n) for n in range(1, 5)]
    rows += [contract(n, company_id=n % 4 + 1, end_date=f"2026-0{3 + n % 3}-{1 + n * 3 % 28:02}") for n in range(1, 13)]
    rows += [contact(n, company_id=n % 4 + 1) for n in range(1, 7)]
    ground = Ground.make(root, RENEWAL, DRIP, WINDOW, *rows, more=CAPS)
    ground.write("definitions/enrollments/fair.yaml", "id: fair\nsequence: drip\ncontacts: [1, 2, 3]\n")
    return ground


def test_1_1_applying_over_the_days_sends_what_was_foretold(tmp_path: Path) -> None:
    """1.1: dates, waits, windows and a cap: real applies at the instants foretold send the same mails at the same instants."""
    ground = made(tmp_path)
    ground.apply("2026-03-01T09:00:00+07:00")
    site = ground.site(AT)
    with site.read_facts() as snapshot, site.read_ledger() as ledger:
        until = shift(site.now, Duration(30, "d"), "Asia/Bangkok")
        course = foretold(Foretold(snapshot, ledger.view, site.now, until, "dev", site.pseudonyms.address_key), site.definitions)
    told = {(row["moment"], row["sequence"], row["step"], row["record"], row["contact"]) for row in course.sends.to_pylist()}
    assert len(told) > 20 and {row[1] for row in told} == {"renewal", "open-hours", "drip"}
    sent = set()
    for moment in course.instants:
        ground.apply(moment.replace(tzinfo=UTC).isoformat())
    with ground.site("2026-06-01T00:00:00Z").read_ledger() as ledger:
        for row in ledger.sends(limit=10_000).rows:
            if row.decided_at >= site.now and row.state != "skipped":
                sent.add((row.decided_at, row.sequence, row.step, row.record, row.contact))
    assert sent == told


def ticking(root: Path, *texts: str, job: str = "") -> Ground:
    """Two guests, and two whose trial ends. One apply was made, on a Sunday: the tick of the Monday before was not too late."""
    people = [contact(1, kind="guest"), contact(2, kind="guest"), contact(3, trial_end="2026-03-20"), contact(4, trial_end="2026-03-12")]
    (root / "definitions" / "segments").mkdir(parents=True)
    for id, text in SEGMENTS.items():
        if any(f": {id}}}" in said for said in texts):
            (root / "definitions" / "segments" / f"{id}.yaml").write_text(text, encoding="utf-8")
    ground = Ground.make(root, *texts, *people, more=job)
    ground.apply("2026-03-01T09:00:00+07:00")
    return ground


def mails_of(ground: Ground, days: int) -> set[tuple[str, str, str, str]]:
    """As (sequence, step, contact, local day) of the days after AT."""
    site = ground.site(AT)
    found = simulation(site, shift(site.now, Duration(days, "d"), "Asia/Bangkok"))
    return {(row["sequence"], row["step"], row["contact"], _day(row["moment"])) for row in found.course.sends.to_pylist()}


def _day(moment: datetime) -> str:
    return f"{to_local(moment, 'Asia/Bangkok'):%m-%d}"


def test_3_4_ticks_to_come_are_foretold(tmp_path: Path) -> None:
    """3.4: every tick within the 30 days is taken once: a moment, and each week of a schedule with its second step."""
    told = mails_of(ticking(tmp_path, *TICKS[:2]), 30)
    mondays = ["03-02", "03-09", "03-16", "03-23", "03-30"]
    assert {row[1:] for row in told if row[0] == "letter"} == {("hello", who, "03-06") for who in "12"}
    assert {row[1:] for row in told if row[0] == "weekly"} == {("hello", who, day) for who in "12" for day in mondays} | {
        ("tips", who, day) for who in "12" for day in ("03-03", "03-04", "03-11", "03-18", "03-25", "04-01")
    }


VISITS = "{id: visits, about: contact, status: active, active_from: 2026-01-01, trigger: {event: visited}, reenter: never, steps: [{id: hello, wait: 2d, template: hello}]}"


def visit(ground: Ground) -> None:
    """Contact 1 has come by."""
    told = Order("event", naive_utc(datetime.fromisoformat(AT)), "test", event="visited", event_id="v", entity="contact", record="1", happened_at=datetime(2026, 3, 2))
    assert obey(ground.site(AT), told, "event").rows == 1


def test_3_2_an_event_is_followed_where_a_rule_looks_back(tmp_path: Path) -> None:
    """7.6, 3.2: a rule on history asks the ledger first; what is kept for the days to come knows the inbox's events all the same."""
    ground = ticking(tmp_path, VISITS, TICKS[2], TICKS[3])
    visit(ground)
    assert ("visits", "hello", "1", "03-04") in mails_of(ground, 7)


def test_3_9_a_second_time_after_the_end_of_the_first_is_foretold(tmp_path: Path) -> None:
    """3.9: the first path ends a plan after its only mail, not when the next event comes, and two days later the second may begin."""
    visits = """
        id: visits
        about: contact
        status: active
        active_from: 2026-01-01
        trigger: {event: visited}
        reenter: {after: 2d}
        steps: [{id: hello, wait: 0d, template: hello, expires: 1d}]
    """
    ground = Ground.make(tmp_path, visits, contact(1))
    site = ground.site("2026-03-02T00:30:00+07:00")
    for id, day in (("v1", 2), ("v2", 5)):
        happened = datetime(2026, 3, day, 2)
        obey(site, Order("event", site.now, "test", event="visited", event_id=id, entity="contact", record="1", happened_at=happened), "event")
    found = simulation(site, shift(site.now, Duration(9, "d"), "Asia/Bangkok"))
    assert [row["occurrence"] for row in found.course.sends.to_pylist()] == ["v1", "v2"]


def test_8_7_what_is_over_under_a_former_name_is_not_begun_again(tmp_path: Path) -> None:
    """8.7: a sequence of events was renamed, and its way of one mail is over within these days: the mail is foretold once, however many plans come after it."""
    ground = ticking(tmp_path, VISITS.replace("never", "every_occurrence"), RENEWAL)
    visit(ground)
    ground.apply(AT)
    ground.change("definitions/sequences/visits.yaml", "id: visits,", "id: calls, renamed_from: visits,")
    (ground.root / "definitions" / "sequences" / "visits.yaml").rename(ground.root / "definitions" / "sequences" / "calls.yaml")
    later = "2026-03-02T10:00:00+07:00"
    ground.apply(later)
    ground.facts({"company": [company(1)], "contact": [contact(1)], "contract": [contract(n, end_date=f"2026-04-{n:02}") for n in range(4, 9)]})
    site = ground.site(later)
    found = simulation(site, shift(site.now, Duration(7, "d"), "Asia/Bangkok"))
    sent = [(row["sequence"], row["contact"]) for row in found.course.sends.to_pylist()]
    assert sent.count(("calls", "1")) == 1 and len(sent) > 3


def test_1_1_applies_day_by_day_send_what_simulate_says(tmp_path: Path) -> None:
    """1.1, 3.3, 3.4: with a job a day, real applies at its time send the same: ticks, who enters by the passing of days, and who enters by a mail had."""
    ground = ticking(tmp_path, *TICKS, job="jobs: {daily: {cron: '0 12 * * *'}}\n")
    told = mails_of(ground, 6)
    before = ground.site(AT).now
    for day in range(2, 8):
        ground.apply(f"2026-03-{day:02}T12:00:00+07:00")
    with ground.site("2026-06-01T00:00:00Z").read_ledger() as ledger:
        sent = {(row.sequence, row.step, row.contact, _day(row.decided_at)) for row in ledger.sends(limit=1_000).rows if row.decided_at > before}
    assert sent == told
    assert {("letter", "hello", "1", "03-06"), ("ending", "hello", "4", "03-05"), ("greeted", "tips", "4", "03-07")} <= told


WAITS = """
    id: waits
    about: contact
    status: active
    active_from: 2026-01-01
    trigger: manual
    steps:
      - {id: now, wait: 0d, template: hello}
      - {id: soon, wait: 10min, template: tips}
      - {id: days, wait: 3d, at: "08:00", template: hello}
      - {id: weekdays, wait: 2bd, template: tips}
      - {id: off, wait: 1d, template: hello, active: false}
      - {id: last, wait: 90min, template: tips, if: {contact.kind: guest}}
"""


def test_5_2_each_wait_is_looked_at_when_it_is_due(tmp_path: Path) -> None:
    """5.2: days at a time of day, business days, minutes, and what stands behind a step that is off: each goes at its moment, and
    nothing is planned at another."""
    ground = Ground.make(tmp_path, WAITS, contact(1, kind="guest"))
    ground.write("definitions/enrollments/one.yaml", "id: one\nsequence: waits\ncontacts: [1]\n")
    site = ground.site(AT)
    watched: list[tuple[int, int]] = []
    found = simulation(site, shift(site.now, Duration(30, "d"), "Asia/Bangkok"), progress=lambda done, total: watched.append((done, total)))
    moments = [(row["step"], f"{to_local(row['moment'], 'Asia/Bangkok'):%a %d %H:%M}") for row in found.course.sends.to_pylist()]
    assert moments == [
        ("now", "Mon 02 09:00"), ("soon", "Mon 02 09:10"), ("days", "Thu 05 08:00"), ("weekdays", "Mon 09 08:00"),
        # The step that is off is passed over a minute later, and the last one counts from there.
        ("last", "Mon 09 09:31"),
    ]  # fmt: skip
    assert len(found.course.instants) == len(moments) + 1
    # Who watches is told of each moment how many of the days are done.
    assert watched == [(0, 30), (2, 30), (6, 30), (6, 30), (7, 30)]


DRIPS = (
    """
    id: drip
    about: contact
    status: active
    active_from: 2026-01-01
    trigger: manual
    reenter: {after: 3d}
    exit_when: {contact.is_active: false}
    steps:
      - {id: welcome, wait: 0d, template: hello}
      - {id: tips, wait: 3d, template: tips}
      - {id: guests, wait: 1d, at: "09:00", template: hello, if: {contact.kind: guest}}
""",
    """
    id: letters
    about: contract
    status: active
    active_from: 2026-01-01
    trigger: manual
    reenter: every_occurrence
    steps:
      - {id: first, wait: 0d, template: notice}
      - {id: second, wait: 2d, template: reminder}
""",
)


def test_1_1_who_was_enrolled_by_hand_is_looked_at_alone(tmp_path: Path) -> None:
    """1.1, 3.5, 3.9: real applies send what was foretold of people enrolled on different days and twice."""
    rows = [company(1), *(contact(n, kind="guest" if n % 2 else "other", company_id=1) for n in range(1, 8)), *(contract(n, company_id=1) for n in range(1, 4))]
    ground = Ground.make(tmp_path, *DRIPS, *rows, more="guards: {max_per_contact: {max: 50, per: 1d}}\n")
    for day, sequence, entity, keys in (
        (23, "drip", "contact", "12"), (24, "drip", "contact", "3"), (26, "letters", "contract", "1"), (27, "drip", "contact", "45"), (27, "letters", "contract", "23"), (28, "drip", "contact", "1")
    ):  # fmt: skip
        at = f"2026-02-{day}T09:00:00+07:00"
        with ground.site(at).open_ledger("enroll") as ledger:
            ledger.enroll_by_hand(sequence, entity, list(keys), by="test", note="", now=ground.site(at).now)
        if day < 28:
            ground.apply(at)
    site = ground.site(AT)
    with site.read_facts() as snapshot, site.read_ledger() as ledger:
        until = shift(site.now, Duration(15, "d"), "Asia/Bangkok")
        course = foretold(Foretold(snapshot, ledger.view, site.now, until, "dev", site.pseudonyms.address_key), site.definitions)
    told = {(row["moment"], row["sequence"], row["step"], row["record"], row["contact"]) for row in course.sends.to_pylist()}
    for moment in course.instants:
        ground.apply(moment.replace(tzinfo=UTC).isoformat())
    with ground.site("2026-06-01T00:00:00Z").read_ledger() as ledger:
        rows_sent = ledger.sends(limit=10_000).rows
    sent = {(row.decided_at, row.sequence, row.step, row.record, row.contact) for row in rows_sent if row.decided_at >= site.now and row.state != "skipped"}
    assert sent == told and {row[1] for row in told} == {"drip", "letters"}
    # Contact 1 comes a second time, three days after its first way has ended.
    assert [row[2] for row in sorted(told) if row[4] == "1" and row[1] == "drip"].count("welcome") == 1


def test_only_where_nobody_else_decides_is_a_record_looked_at_alone(tmp_path: Path) -> None:
    """3.5, 3.9, 10.1: a file enrolls whoever it lists, `never` looks at other records of the contact, and a share is one of all."""

    def alone(*texts: str, more: str = "", file: bool = False) -> list[bool]:
        folder = tmp_path / str(len(list(tmp_path.iterdir())))
        folder.mkdir()
        ground = Ground.make(folder, *texts, more=more)
        if file:
            ground.write("definitions/enrollments/fair.yaml", "id: fair\nsequence: drip\ncontacts: [1]\n")
        definitions = ground.site(AT).definitions
        return [narrow(definitions, sequence) for _, sequence in sorted(definitions.sequences.items())]

    once = RENEWAL.replace("steps:", "reenter: never\n    steps:")
    assert alone(RENEWAL, *DRIPS) == [True, True, True]
    assert alone(once, *DRIPS, file=True) == [False, True, False]
    assert alone(DRIPS[1].replace("every_occurrence", "never")) == [False]
    assert alone(RENEWAL, DRIPS[0], more="guards: {max_share_of_audience: 20%}\n") == [False, False]
    assert alone(RENEWAL.replace("steps:", "guards: {max_share_of_audience: 20%}\n    steps:"), DRIPS[0]) == [True, False]


TRIALS = """
    id: trial
    about: contact
    status: active
    active_from: 2026-01-01
    trigger: {date: contact.trial_end}
    EXIT
    steps:
      - {id: hello, before: 40d, template: hello, expires: 2d, if: {contact.kind: guest}}
      - {id: tips, before: 1d, template: tips, expires: 1d}
"""


def test_10_1_a_share_is_one_of_all_and_not_of_those_who_are_looked_at(tmp_path: Path) -> None:
    """10.1: of a hundred people a quarter gets a mail each day, or a fifth leaves, because of the mail it has had: at a half no guard blocks, below it one does."""
    each_day = [contact(n, kind="guest", trial_end=f"2026-04-{12 + n % 4:02}") for n in range(1, 101)]
    a_fifth = [contact(n, kind="other" if n % 5 else "guest", trial_end="2026-04-13" if n % 5 else "2026-04-12") for n in range(1, 101)]
    leaving = TRIALS.replace("EXIT", "exit_when: {received: {sequence: trial}}")
    for people, text, guard, share in ((each_day, TRIALS.replace("EXIT", ""), "max_share_of_audience", 0.25), (a_fifth, leaving, "max_exits", 0.2)):
        for limit, ids in (("50%", []), ("15%", [guard])):
            folder = tmp_path / f"{guard}-{limit}"
            folder.mkdir()
            ground = Ground.make(folder, text, *people, more=f"guards: {{{guard}: {limit}}}\n")
            found = simulation(ground.site(AT), shift(ground.site(AT).now, Duration(45, "d"), "Asia/Bangkok"))
            assert [(one.guard.id, one.most) for one in found.course.blocked] == [(id, share) for id in ids], (guard, limit)


def test_simulate_counts_by_day_and_contact_and_writes_a_calendar(tmp_path: Path) -> None:
    """Totals agree in every format; the calendar has one event for each step and instant, and nobody's address."""
    ground = made(tmp_path)
    found = simulation(ground.site(AT), datetime(2026, 3, 20))
    said = json.loads(simulated.as_json(found))
    assert said["mails"] == sum(said["days"].values()) == sum(slot["mails"] for slot in said["slots"]) == found.mails > 0
    assert sum(int(number) * people for number, people in said["pressure"].items()) == found.mails
    assert f"{found.mails} mails would go" in simulated.as_text(found)
    calendar = Calendar.from_ical(simulated.as_ics(found))
    assert len(list(calendar.walk("VEVENT"))) == len(found.slots)
    page = simulated.as_html(found)
    assert "default-src 'none'" in page and "example.com" not in page + simulated.as_ics(found) + simulated.as_json(found)


def test_a_course_that_is_cut_says_so(tmp_path: Path) -> None:
    """A bounded number of instants: what was not looked at is named, never left out in silence."""
    found = simulation(made(tmp_path).site(AT), datetime(2026, 3, 31), most=2)
    assert found.course.cut and len(found.course.instants) == 2
    assert any("followed only until" in text for text in simulated.assumptions(found))


@pytest.mark.parametrize("job", ["jobs: {daily: {cron: '0 9 * * *'}}\n"])
def test_with_jobs_an_apply_comes_at_the_next_start(tmp_path: Path, job: str) -> None:
    """What falls due at 10:00 goes with the job of the next morning."""
    ground = Ground.make(tmp_path, RENEWAL, contract(1, end_date="2026-04-02"), more=job)
    found = simulation(ground.site("2026-03-02T12:00:00+07:00"), datetime(2026, 3, 20))
    assert {slot.moment.hour for slot in found.slots} == {2}
