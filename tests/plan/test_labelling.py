"""§8: every change of the definitions has its kind and its rule, and what is no change has none."""

from __future__ import annotations

import re
from textwrap import dedent

import pytest

from engine.definitions.definitions import Definitions
from engine.definitions.loading import load
from engine.definitions.trees import MemoryTree
from engine.plan.in_words import audience_words, rule_words, trigger_words
from engine.plan.labelling import labelled, labelled_since

from .base import CRM, base_files, template
from .samples import DRIP, RENEWAL
from .story import sequences

SEGMENTS = {
    "definitions/segments/hotels.yaml": "id: hotels\nname: Hotels\nentity: contact\ndescription: Hotels\nrules: {contact.kind: hotel}\n",
    "definitions/segments/friends.yaml": "id: friends\nname: Friends\nentity: contact\ndescription: Friends\nmembers: [1, 2]\n",
    "definitions/segments/both.yaml": "id: both\nname: Both\nentity: contact\ndescription: Both\nrules: {any: [{segment: hotels}, {segment: friends}]}\n",
}
GOOD = base_files() | SEGMENTS | sequences(RENEWAL.replace("template: reminder}", "template: reminder, if: {segment: both}}", 1), DRIP)
NOTICE_14 = "  - {id: notice-14, before: 14d, template: reminder, if: {segment: both}}"


def read(files: dict[str, str]) -> Definitions:
    loaded = load(MemoryTree({path: text.encode() for path, text in files.items()}))
    assert loaded.definitions is not None, loaded.problems
    return loaded.definitions


def changed(path: str, old: str, new: str) -> list[str]:
    """The labels of one text replaced in one file: `kind rule sequence step: words`."""
    path = f"definitions/{path}.yaml" if "/" in path else f"{path}.yaml"
    assert GOOD[path].count(old) == 1, f"{old!r} in {GOOD[path]}"
    return lines(GOOD | {path: GOOD[path].replace(old, new)})


def lines(files: dict[str, str]) -> list[str]:
    before, after = read(GOOD), read(files)
    found = labelled(before, after)
    # The definitions as a ledger keeps them say the same; only where the old ones stood is not known.
    assert [(c.what, c.words, c.place) for c in labelled_since(before.compiled, after)] == [(c.what, c.words, c.place) for c in found]
    return [" ".join(filter(None, [c.kind, c.rule, c.sequence, f"{c.step}:" if c.step else ":", c.words])) for c in found]


@pytest.mark.parametrize(
    ("path", "old", "new", "expected"),
    [
        ("sequences/renewal", "{id: notice-30, ", "{id: notice-40, before: 40d, template: late-notice}\n  - {id: notice-30, ", "structure 8.2, 8.3 renewal notice-40: step notice-40 was inserted before notice-30"),
        ("sequences/renewal", "before: 30d", "before: 28d", "timing 8.6 renewal notice-30: step notice-30 goes 28d before, not 30d before"),
        ("sequences/renewal", NOTICE_14 + "\n", "", "structure 8.5 renewal notice-14: step notice-14 was removed"),
        ("sequences/renewal", "before: 30d, template: notice", "before: 30d, template: reminder", "copy 8.1 renewal notice-30: step notice-30 uses reminder, not notice"),
        ("sequences/renewal", "{id: notice-30,", "{id: first, renamed_from: notice-30,", "identity 8.7 renewal first: step first was called notice-30"),
        ("sequences/renewal", "{id: notice-30,", "{id: first,", "identity 8.7 renewal first: step first looks like notice-30, which is gone|structure 8.5 renewal notice-30: step notice-30 was removed"),
        ("sequences/renewal", ", if: {segment: both}", "", "audience 6.9 renewal notice-14: step notice-14 goes in any case, no longer only if in segment both"),
        ("sequences/renewal", "if: {segment: both}", "if: {contract.monthly_value: {less_than: 900}}", "audience 6.9 renewal notice-14: step notice-14 goes only if contract.monthly_value is less than 900, no longer only if in segment both"),
        ("sequences/drip", "steps:", "goal: {contact.email: {ends_with: '@example.org'}}\nsteps:", "audience 6.2 drip : its goal is contact.email ends with …, before it had none"),
        ("sequences/drip", "steps:", "exit_when: {received: {sequence: renewal, within: 9d}}\nsteps:", "audience 6.2 drip : people leave when has received sequence renewal within the last 9d, before there was no `exit_when`"),
        ("sequences/renewal", ", where: {contract.status: active}", "", "audience 8.8 renewal : its trigger takes all, no longer only those whose contract.status is active"),
        ("sequences/renewal", "steps:", "audience: {first_of: [{kind: billing}, all], max: 1}\nsteps:", "audience 8.9 renewal : it goes to at most 1 contact: the first that there are of (1) kind is billing (2) all; before to every contact of the record"),
        ("sequences/drip", "trigger: manual", "trigger: {enters: friends}", "structure 8.8 drip : it begins when somebody enters segment friends, no longer by hand"),
        ("sequences/renewal", "steps:", "send_window: {days: [mon-fri], from: '09:00'}\nsteps:", "timing 5.4 renewal : the send window is days mon-fri, from 09:00; before not said"),
        ("sequences/renewal", "template: reminder, if", "active: false, template: reminder, if", "structure 5.7 renewal notice-14: step notice-14 was switched off"),
        ("sequences/renewal", "status: active\n", "status: archived\n", "structure 8.13 renewal : it is archived, and was active"),
        ("sequences/renewal", "status: active\n", "status: paused\n", "structure 8.14 renewal : it is paused, and was active"),
        ("sequences/renewal", "status: active\n", "status: draft\n", "structure 8.15 renewal : it is draft, and was active"),
        ("sequences/renewal", "date: contract.end_date", "date: contract.signed_at", "structure 8.8 renewal : the trigger was changed: date is contract.signed_at, not contract.end_date"),
        ("sequences/drip", "wait: 3d", "wait: 4d", "timing 8.6 drip tips: step tips waits 4d, not 3d"),
        ("templates/hello", "This is hello", "Hello", "copy 8.1 drip welcome: the body of template hello (en) was changed"),
        ("segments/hotels", "kind: hotel", "kind: spa", "audience 8.11 renewal : segment hotels holds whoever is so: contact.kind is spa; before: contact.kind is hotel"),
        ("segments/friends", "[1, 2]", "[1, 2, 3]", "audience 3.3 renewal : the members of segment friends were changed (2 before, 3 now)"),
        ("segments/friends", "description: Friends", "description: Good friends", ""),
        ("crm", "table: invoices\n    key: id", "table: invoices\n    key: company_id", "identity 8.10 : the key of invoice is company_id, not id"),
        ("crm", "due_date: date", "due_date: timestamp", "audience 8.11 : the map of invoice was changed"),
        ("engine", "timezone: Asia/Bangkok", "timezone: Asia/Tokyo", "timing 8.12 drip : the project's timezone is Asia/Tokyo, not Asia/Bangkok|timing 8.12 renewal : the project's timezone is Asia/Tokyo, not Asia/Bangkok"),
        ("engine", "name: Harmony Music", "name: Harmony", "copy 8.1 : the sender was changed"),
    ],
)  # fmt: skip
def test_8_each_change_has_its_kind_and_its_rule(path: str, old: str, new: str, expected: str) -> None:
    """8.1 to 8.15: one text replaced, and the labels of it."""
    new = new.replace("late-notice", "upsell")
    if path in ("crm", "engine"):
        key = "engine.yaml" if path == "engine" else "definitions/crm.yaml"
        assert GOOD[key].count(old) == 1
        found = lines(GOOD | {key: GOOD[key].replace(old, new)})
    else:
        found = changed(path, old, new)
    assert "|".join(found) == expected


def test_8_2_8_4_inserted_appended_and_moved_are_told_apart() -> None:
    """8.2, 8.3, 8.4: of three steps the middle one is new, the first was last, and one is appended."""
    text = dedent(DRIP)
    three = text + "  - {id: more, wait: 1d, template: news}\n"
    assert [line.split(": ")[1] for line in lines(GOOD | sequences(three))] == ["step more was appended"]
    between = text.replace("  - {id: tips", "  - {id: more, wait: 1d, template: news}\n  - {id: tips")
    assert [line.split(": ")[1] for line in lines(GOOD | sequences(between))] == ["step more was inserted before tips"]
    welcome = "  - {id: welcome, wait: 0d, template: hello}\n"
    assert lines(GOOD | sequences(text.replace(welcome, "") + welcome.replace("0d", "1h"))) == [
        "structure 8.3 drip tips: step tips was moved",
        "timing 8.6 drip welcome: step welcome waits 1h, not 0d",
    ]


def test_8_7_a_sequence_that_looks_like_one_that_is_gone() -> None:
    """8.7: without `renamed_from` the new one looks like the old one, which is gone; one with other steps and templates is another."""
    files = {path: text for path, text in GOOD.items() if path != "definitions/sequences/drip.yaml"}
    assert lines(files | sequences(DRIP.replace("id: drip", "id: letters\n    renamed_from: drip"))) == ["identity 8.7 letters : it was called drip"]
    assert lines(files | sequences(DRIP.replace("id: drip", "id: letters"))) == [
        "structure 8.13 drip : it was removed",
        "identity 8.7 letters : it looks like drip, which is gone",
    ]
    other = "id: other\ndescription: x\nname: x\nstatus: active\nabout: contact\ntrigger: manual\nsteps:\n  - {id: one, wait: 0d, template: news}\n"
    assert lines(files | sequences(other)) == ["structure 8.13 drip : it was removed", "structure 3.7 other : it is new, and active"]


def test_8_what_is_no_change_has_no_label() -> None:
    """§8: comments, the order of keys and of files, and a map written in another order are nothing."""
    shuffled = dict(reversed(GOOD.items()))
    shuffled["definitions/templates/hello.yaml"] = "# a comment\n" + "".join(reversed(template("hello").splitlines(keepends=True)))
    shuffled["definitions/crm.yaml"] = CRM + "# the end\n"
    assert lines(shuffled) == []
    assert labelled_since('{"format":1,"sequences":{}}', read(GOOD)) == ()


def test_8_each_part_of_an_edit_is_told() -> None:
    """§8: a date and a rule of one trigger, the rules and the status of one segment, are two changes each."""
    renewal = "definitions/sequences/renewal.yaml"
    assert lines(GOOD | {renewal: GOOD[renewal].replace("date: contract.end_date, where: {contract.status: active}", "date: contract.signed_at")}) == [
        "structure 8.8 renewal : the trigger was changed: date is contract.signed_at, not contract.end_date",
        "audience 8.8 renewal : its trigger takes all, no longer only those whose contract.status is active",
    ]
    hotels = "definitions/segments/hotels.yaml"
    assert lines(GOOD | {hotels: GOOD[hotels].replace("kind: hotel", "kind: spa") + "status: paused\n"}) == [
        "audience 8.11 renewal : segment hotels holds whoever is so: contact.kind is spa; before: contact.kind is hotel",
        "audience 8.11 renewal : segment hotels is paused, and was active",
    ]


def test_8_a_default_layout_that_comes_or_goes_is_told_and_descriptions_are_not() -> None:
    """8.1: a file for the default layout changes every mail. What describes a variable or a field of the map, and a sample, changes none."""
    path, page = "definitions/layouts/default.html", "<html><body>{{ body }}</body></html>"
    without = {name: text for name, text in GOOD.items() if name != path}
    before, after = read(without), read(without | {path: page})
    assert {(one.sequence, one.what, one.words) for one in labelled(before, after)} == {
        (sequence, "text", "the layout default was added, in place of the engine's own page") for sequence in ("drip", "renewal")
    }
    assert {one.what for one in labelled(after, before)} == {"text"}
    types = next(text for name, text in GOOD.items() if name.startswith("definitions/types/") and "sample:" in text)
    type_path = next(name for name, text in GOOD.items() if text is types)
    described = re.sub(r"description: [^,}\n]+, sample: [^,}\n]+", "description: Something else, sample: Another", types, count=1)
    crm = CRM.replace("monthly_value: decimal", "monthly_value: {type: decimal, description: What it costs}")
    assert described != types and crm != CRM
    assert lines(GOOD | {type_path: described, "definitions/crm.yaml": crm}) == []


def test_8_places_are_those_of_the_very_word() -> None:
    """§8: a change points at the line that made it, and what is gone at where it stood."""
    path = "definitions/sequences/renewal.yaml"
    before = read(GOOD)
    (moved,) = labelled(before, read(GOOD | {path: GOOD[path].replace("before: 30d", "before: 28d")}))
    line = next(number for number, text in enumerate(GOOD[path].splitlines(), 1) if "notice-30" in text)
    assert moved.place is not None and (moved.place.file, moved.place.line, moved.place.length) == (path, line, 3)
    (gone,) = labelled(before, read(GOOD | {path: GOOD[path].replace(NOTICE_14 + "\n", "")}))
    assert gone.place is None and gone.before is not None and gone.before.line == line + 1


def test_8_9_only_the_number_of_contacts_is_said_where_only_it_is_another() -> None:
    """8.9: an audience of fewer contacts, and one of all again."""
    files = [GOOD | {"definitions/sequences/renewal.yaml": GOOD["definitions/sequences/renewal.yaml"].replace("steps:", f"audience: {{first_of: [{{kind: billing}}, all]{most}}}\nsteps:")} for most in (", max: 2", ", max: 1", "")]
    two, one, all_of_them = (read(each) for each in files)
    assert [c.words for c in labelled(two, one)] == ["it goes to at most 1 contact: the first that there are of (1) kind is billing (2) all; no longer to at most 2 contacts"]
    assert [c.words for c in labelled(one, all_of_them)] == ["it goes to all contacts: the first that there are of (1) kind is billing (2) all; no longer to at most 1 contact"]


def test_what_a_personal_field_is_compared_with_is_not_said() -> None:
    """A rule in a pull request may name a person: the label says that the value is another one, and neither of them."""
    one, other = ("{contact.email: ana@example.com}", "{contact.email: [bob@example.com, eve@example.com]}")
    with_goal = GOOD["definitions/sequences/drip.yaml"].replace("steps:", f"goal: {one}\nsteps:")
    before = read(GOOD | {"definitions/sequences/drip.yaml": with_goal})
    after = read(GOOD | {"definitions/sequences/drip.yaml": with_goal.replace(one, other)})
    assert [(c.what, c.words) for c in labelled(before, after)] == [("ends", "its goal is another value")]


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        ({"contract.status": None}, "contract.status is empty"),
        ({"contract.status": {"is_empty": False}}, "contract.status is not empty"),
        ({"contract.value": {"between": [3, 50000]}}, "contract.value is between 3 and 50,000"),
        ({"contract.value": {"greater_than": 3, "less_than": 9}}, "contract.value is more than 3 and is less than 9"),
        ({"contract.status": {"not_equals": "x"}, "company.is_active": True}, "contract.status is not x and company.is_active is true"),
        ({"any": [{"a": 1}, {"all": [{"b": 2}, {"c": 3}]}]}, "a is 1 or (b is 2 and c is 3)"),
        ({"not": {"segment": "vip"}}, "not (in segment vip)"),
        ({"exists": {"company.contracts": {"status": "active"}}}, "one of company.contracts whose status is active"),
        ({"none": {"company.contracts": {}}}, "none of company.contracts"),
        ({"count": {"company.contracts": {"at_least": 2, "at_most": 4, "where": {"status": "active"}}}}, "at least 2 and at most 4 of company.contracts whose status is active"),
        ({"received": {"template": "hello"}}, "has received template hello"),
        ({"opened": {"within": "3d"}}, "has opened anything within the last 3d"),
        ({"contract.end_date": {"within_next": "90d"}}, "contract.end_date lies within the next 90d"),
        ({"contract.status": {"is_empty": ["a list that no check has seen"]}}, "contract.status is_empty a list that no check has seen"),
        ({"contract.status": ["a" * 200]}, "contract.status is " + "a" * 140 + "…"),
    ],
)  # fmt: skip
def test_7_a_rule_is_said_in_words(rule: object, words: str) -> None:
    """§7: each operator and group, and what is too long is cut."""
    assert rule_words(rule) == words


def test_4_2_an_audience_is_said_in_words() -> None:
    """4.1, 4.2: from where, whose, in which order, and how many."""
    assert audience_words({"from": "company.contacts", "where": {"active": True}, "order_by": "created_at"}) == "all contacts of company.contacts whose active is true, by created_at"
    assert audience_words({"max": 2, "first_of": [{"email": "a@example.com"}, "all"]}, frozenset({"email"})) == "at most 2 contacts: the first that there are of (1) email is … (2) all"


def test_3_a_trigger_is_said_in_words() -> None:
    """3.1 to 3.5: each kind, with what it asks for."""
    assert trigger_words({"date": "contract.end_date", "every": "1y", "where": {"contract.status": "active"}}) == "on contract.end_date, again every 1y, of those whose contract.status is active"
    assert trigger_words({"schedule": "0 9 1 * *", "for": "vip"}) == "at 09:00 on day 1 of each month, for segment vip"
    assert trigger_words({"once": "2026-12-24T09:00", "for": "vip"}) == "once, at 2026-12-24T09:00, for segment vip"
    assert trigger_words({"event": "signed", "where": {"contact.email": "a@example.com"}}, frozenset({"email"})) == "when signed happens, of those whose contact.email is …"
