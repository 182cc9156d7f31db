"""§8: what a change does to people on both sides of it is counted and said in plain words; what would forget them is refused."""

from __future__ import annotations

import json

from engine.plan.labelling import labelled
from engine.plan.likeness import changed_identities, unsaid_renames
from engine.plan.planning import make_plan
from engine.plan.revisions import Revisions
from engine.plan.touching import Touched, touched
from engine.views.changed import changed_rows, sentence

from .base import company, contact, contract
from .samples import DRIP, RENEWAL
from .story import KEY, Story, Teller

ENDS = {1: "2026-03-24", 2: "2026-03-28", 3: "2026-04-12", 4: "2026-04-13", 5: "2026-04-20"}


def begun(tell: Teller) -> Story:
    """On 20 March: 1 and 2 have had the 14-day notice and 1 the 7-day one; 3 and 4 the 30-day one; 5 nothing yet. 1 to 3 are in the drip, 1 is done."""
    rows = [row for n, day in ENDS.items() for row in (company(n), contact(n, company_id=n), contract(n, company_id=n, end_date=day))]
    story = tell(RENEWAL, DRIP, *rows)
    story.enroll("drip", 1, "2026-03-12 10:00")
    story.apply("2026-03-12 10:00")
    story.apply("2026-03-15 10:00")
    story.enroll("drip", 2, "2026-03-16 10:00")
    story.apply("2026-03-16 10:00")
    story.enroll("drip", 3, "2026-03-19 12:00")
    story.apply("2026-03-19 12:00")
    return story


def told(story: Story, at: str, change: dict[str, str]) -> dict[str, str]:
    """The sentences of some edits made at once, by what was edited."""
    before = story.definitions
    for old, new in change.items():
        story.change(old, new)
    both = Revisions.of(json.loads(before.compiled), story.definitions, before)
    found: list[Touched] = []
    make_plan(
        story.definitions, story.records.snapshot(story.definitions, story.rows, story.utc(at)), story.ledger.view, story.utc(at),
        environment="dev", address_key=KEY.address_key, inspect=lambda cursor: found.extend(touched(cursor, labelled(before, story.definitions), both)),
    )  # fmt: skip
    assert [row["words"] for row in changed_rows(found)] == [one.change.words for one in found]
    return {f"{one.change.sequence} {one.change.what} {one.change.step or ''}".strip(): sentence(one) for one in found}


def test_8_2_8_5_8_6_what_a_change_does_to_whom(tell: Teller) -> None:
    """8.2, 8.3, 8.4, 8.5: inserted, appended and removed steps count who is ahead, behind, done, and at once overdue."""
    story = begun(tell)
    said = told(
        story,
        "2026-03-20 12:00",
        {
            "  - {id: notice-14, before: 14d, template: reminder}\n": "",
            "  - {id: notice-7, before: 7d, template: reminder}": "  - {id: notice-10, before: 10d, template: upsell}\n  - {id: notice-7, before: 7d, template: reminder}",
            "  - {id: tips, wait: 3d, template: tips}": "  - {id: tips, wait: 2d, template: tips}\n  - {id: more, wait: 9d, template: news}",
        },
    )
    assert said == {
        "renewal step_inserted notice-10": "renewal: step notice-10 was inserted before notice-7: 2 people ahead of it will get it, for 1 it was due before today, "
        "1 behind it never will (8.2, 8.3)",
        "renewal step_removed notice-14": "renewal: step notice-14 was removed: 2 people waited for it and go on to the next (8.5)",
        "drip step_appended more": "drip: step more was appended: 2 people on the way will get it, 1 who completed will not, unless `backfill` (8.4)",
        "drip time tips": "drip: step tips waits 2d, not 3d: counted anew for 1 person; 1 has passed it; nobody is late or left out because of it (8.6)",
    }


def test_8_5_those_at_once_overdue_are_counted(tell: Teller) -> None:
    """8.5: of two who waited for a removed step the next one is due at once for one."""
    story = begun(tell)
    said = told(story, "2026-03-20 12:00", {"  - {id: notice-7, before: 7d, template: reminder}": "  - {id: notice-5, before: 5d, template: upsell}"})
    assert said["renewal step_removed notice-7"] == "renewal: step notice-7 was removed: 1 person waited for it and goes on to the next (8.5)"
    story = begun(tell)
    said = told(story, "2026-04-05 12:00", {"  - {id: notice-14, before: 14d, template: reminder}\n": ""})
    assert said["renewal step_removed notice-14"] == "renewal: step notice-14 was removed: 2 people waited for it and go on to the next, 1 of them overdue at once (8.5)"


def test_8_people_are_counted_once_and_leave_by_the_change(tell: Teller) -> None:
    """§8: one contact with three contracts is one person; who leaves because a contract is renewed does not leave because of an audience."""
    rows = [contract(n, end_date="2026-03-28", company_id=1) for n in (1, 2, 3)]
    story = tell(RENEWAL.replace("steps:", "goal: {contract.status: renewed}\n    steps:"), company(1), contact(1), *rows, company(2), contact(2, company_id=2), contract(4, end_date="2026-03-28", company_id=2))
    story.apply("2026-03-12 10:00")
    story.now_has(contract(4, end_date="2026-03-28", company_id=2, status="renewed"))
    said = told(story, "2026-03-15 10:00", {"goal:": "audience: {max: 9}\ngoal:"})
    assert ": of 2 people on the way 0 leave now, 0 are new; " in said["renewal audience"]


def test_8_7_8_10_what_would_forget_people_is_refused(tell: Teller) -> None:
    """8.7, 8.10: a sequence and a step that only look renamed, a changed `about`, and a changed key: an error each, with the ways out."""
    story = tell(RENEWAL, DRIP)
    before = story.definitions
    text = story.files.pop("definitions/sequences/drip.yaml")
    story.write(text.replace("id: drip", "id: letters"))
    story.change("{id: notice-30,", "{id: first,")
    refused = [*unsaid_renames(Revisions.of(json.loads(before.compiled), story.definitions, before))]
    assert [(problem.code, problem.message, problem.help) for problem in refused] == [
        (
            "E260", "the sequence `drip` is gone, and `letters` looks like it: who has had its mails would get them again",
            "if it is the same, write `renamed_from: drip`; if it is another, keep `drip` with `status: archived` for one apply",
        ),
        (
            "E260", "the step `notice-30` is gone, and `first` uses its template: who has had it would get it again",
            "if it is the same, write `renamed_from: notice-30` at the step; if it is another, keep `notice-30` with `active: false` for one apply",
        ),
    ]  # fmt: skip
    # The two ways out of each.
    story.change("id: letters", "id: letters\nrenamed_from: drip")
    story.change("{id: first,", "{id: first, renamed_from: notice-30,")
    assert [*unsaid_renames(Revisions.of(json.loads(before.compiled), story.definitions, before))] == []
    story.change("id: letters\nrenamed_from: drip", "id: letters")
    story.write(text.replace("status: active", "status: archived"))
    story.change("{id: first, renamed_from: notice-30,", "{id: notice-30, active: false, before: 31d, template: notice}\n  - {id: first,")
    assert [*unsaid_renames(Revisions.of(json.loads(before.compiled), story.definitions, before))] == []
    # 8.10
    other = tell(RENEWAL.replace("template: notice}", "template: hello}").replace("template: reminder}", "template: hello}").replace("date: contract.end_date, where: {contract.status: active}", "date: contact.trial_end").replace("about: contract", "about: contact"))  # fmt: skip
    other.files["definitions/crm.yaml"] = other.files["definitions/crm.yaml"].replace("table: contacts\n    key: id", "table: contacts\n    key: email")
    other.load()
    both = Revisions.of(json.loads(before.compiled), other.definitions, before)
    assert [(problem.code, problem.message) for problem in changed_identities(both)] == [
        ("E261", "`renewal` was about `contract`, and is about `contact` now"),
        ("E261", "the key of `contact` was `id`, and is `email` now: the ledger would know nobody again"),
    ]
