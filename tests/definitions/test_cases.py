"""Campaign tests as files: what they may say, and the moments that a timeline means."""

from __future__ import annotations

from datetime import date, datetime

import pytest

from engine.definitions.cases import Case
from engine.definitions.loading import MemoryTree, load
from engine.definitions.reading_cases import moments_of, read_cases
from engine.rehearsal.proving import reasons_by_kind
from tests.definitions.projects import files


def told(text: str) -> list[str]:
    """The problems of one file of cases as `CODE line: message`."""
    tree = MemoryTree({**files(), "definitions/tests/renewal.yaml": text})
    loaded = load(tree)
    assert loaded.problems == (), "a case is no part of the definitions"
    return [f"{one.code} {one.origin and one.origin.line}: {one.message}" for one in read_cases(tree, loaded.definitions, reasons_by_kind())[1]]


def test_all_that_is_wrong_is_told_at_once() -> None:
    """Item 8: typed, each mistake with its line: in what is given, in what happens then, and in what is expected."""
    assert told("""\
- name: one
  now: 2026-03-02T09:00
  given:
    contract: [{id: 7, company_id: one, monthly_value: "4,500"}, {id: 7}]
    contrct: []
    enrolled: [{sequence: welcom, record: 1}]
  then: [{on: 2026-03-03, contract: [{status: renewed}]}]
  expect:
    sends: [{sequence: renewals, contact: 1}, {sequence: renewal, contact: 2, template: nothing}]
    skips: [{sequence: renewal, reason: codition_false}]
- name: one
  now: 2026-03-02T09:00
  until: 2028-03-05
  sequences: [welcome]
  expect: {sends: [{sequence: renewal}]}
""") == [
        "E281 4: `company_id` of a contract: `one` is no whole number", "E281 4: `monthly_value` of a contract: `4,500` is no number",
        "E281 4: the contract 7 is given twice", "E237 5: there is no entity `contrct`", "E234 6: there is no sequence `welcom`",
        "E282 7: something happens later, and there is only one day", "E281 7: the contract has no key", "E234 9: there is no sequence `renewals`",
        "E282 9: no contact 2 is given", "E231 9: there is no template `nothing`", "E282 10: `codition_false` is no reason for one of the skips",
        "E114 11: two cases are named `one`", "E282 13: 735 days are more than 400", "E282 15: `renewal` takes no part in this case",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("said", "moments"),
    [
        ({"now": "2026-03-02T09:00"}, ["2026-03-02 02:00"]),
        ({"now": "2026-03-02T09:00:00+00:00"}, ["2026-03-02 09:00"]),
        ({"now": "2026-03-02"}, ["2026-03-02 02:00"]),
        ({"now": "2026-03-02T10:30", "days": 3}, ["2026-03-02 03:30", "2026-03-03 03:30", "2026-03-04 03:30"]),
        ({"now": "2026-03-02T09:00", "until": "2026-03-03"}, ["2026-03-02 02:00", "2026-03-03 02:00"]),
        ({"now": "2026-03-02T09:00", "days": ["2026-04-01", "2026-03-05T18:00"]}, ["2026-03-02 02:00", "2026-03-05 11:00", "2026-04-01 02:00"]),
    ],
)
def test_the_moments_of_a_timeline(said: dict[str, object], moments: list[str]) -> None:
    """Item 8: a moment without an offset is the project's, a day has the time of day of `now`, and a bare `now` is 09:00."""
    case = Case.model_validate({"name": "x", "expect": {}, **said})
    assert list(moments_of(case, "Asia/Bangkok")) == [datetime.fromisoformat(moment) for moment in moments]


def test_a_timeline_keeps_its_time_of_day_over_a_clock_change() -> None:
    """5.2: each day at the wall time of `now`, whatever the offset is."""
    case = Case.model_validate({"name": "x", "expect": {}, "now": "2026-03-28T09:00", "days": 2})
    assert moments_of(case, "Europe/Berlin") == (datetime(2026, 3, 28, 8), datetime(2026, 3, 29, 7))


def test_5_5_the_first_moment_is_now_itself() -> None:
    """5.5: the second 01:30 of the night when New York's clocks go back is an hour after the first; the case begins there."""
    case = Case.model_validate({"name": "x", "expect": {}, "now": "2026-11-01T01:30:00-05:00", "days": 2})
    assert moments_of(case, "America/New_York") == (datetime(2026, 11, 1, 6, 30), datetime(2026, 11, 2, 6, 30))
    named = case.model_copy(update={"days": (date(2026, 11, 1), date(2026, 11, 2))})
    assert moments_of(named, "America/New_York") == moments_of(case, "America/New_York")


def test_days_are_counted_before_they_are_made() -> None:
    """Item 8: millions of days, and years that no calendar of ours has, are told and not computed."""
    one = "- name: one\n  now: {now}\n  days: {days}\n  expect: {{}}\n"
    assert told(one.format(now="2026-03-02T09:00", days=5000000)) == ["E282 3: 5,000,000 days are more than 400"]
    assert told(one.format(now="0001-01-01T00:00", days=2)) == ["E282 2: this is not between 1970-01-02 and 2100-12-31"]
    assert told(one.format(now="2026-03-02T09:00", days="[9999-12-31]")) == ["E282 3: this is not between 1970-01-02 and 2100-12-31"]


def test_a_broken_case_stops_no_apply() -> None:
    """A case is read by `test` and `validate` alone: the definitions, their digest too, are the same with it and without."""
    with_it = load(MemoryTree({**files(), "definitions/tests/x.yaml": "- name: ["})).definitions
    without = load(MemoryTree(files())).definitions
    assert with_it is not None and without is not None and with_it.digest == without.digest
