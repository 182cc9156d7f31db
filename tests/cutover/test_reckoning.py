"""Which occurrence a mail of another system belonged to."""

from __future__ import annotations

from datetime import datetime

import pytest

from engine.cutover.finding import Value
from engine.cutover.reckoning import base_by_hand, key_of, occasion_of_date, value_of
from engine.definitions.definitions import Definitions
from engine.definitions.loading import load
from engine.definitions.trees import MemoryTree
from tests.cutover.world import RENEWAL, WELCOME
from tests.plan.base import base_files

SIGNED = """
id: signed
status: active
about: contract
trigger: {date: contract.signed_at}
audience: {from: contract.company.contacts}
steps:
  - {id: thanks, after: 36h, template: notice}
"""
END = Value(datetime(2026, 4, 1), True)


@pytest.fixture(scope="module")
def definitions() -> Definitions:
    files = base_files() | {f"definitions/sequences/{name}.yaml": text for name, text in (("renewal", RENEWAL), ("welcome", WELCOME), ("signed", SIGNED))}
    loaded = load(MemoryTree({path: text.encode() for path, text in files.items()}))
    assert loaded.definitions is not None, loaded.problems
    return loaded.definitions


@pytest.mark.parametrize(
    ("sent", "key", "current"),
    [
        ("2026-03-02T02:00", "2026-04-01", True),  # when it was due
        ("2026-03-02T00:30", "2026-04-01", True),  # some hours before
        ("2026-02-20T02:00", "2026-04-01", True),  # by a system that writes earlier
        ("2026-03-09T20:00", "2026-04-01", True),  # late, and not yet expired for a day
        ("2026-03-11T02:00", "2026-04-10", False),  # too late to be this one's
        ("2025-03-02T02:00", "2025-04-01", False),  # last year's
        ("2025-03-01T20:00", "2025-04-01", False),  # the local day counts: 3 in the morning of 2 March in Bangkok
    ],
)
def test_3_1_a_mail_belongs_to_the_value_that_it_fits(definitions: Definitions, sent: str, key: str, current: bool) -> None:
    """The CRM's own date where the time fits, else the date that would have made the step due on that day."""
    renewal = definitions.sequences["renewal"]
    found = occasion_of_date(definitions, renewal, renewal.steps[0], END, datetime.fromisoformat(sent), is_date=True)
    assert (found.key, found.reckoned) == (key, not current)


def test_3_1_an_instant_is_counted_back_exactly(definitions: Definitions) -> None:
    """Without a value of the CRM's: 36 hours before the mail."""
    signed = definitions.sequences["signed"]
    found = occasion_of_date(definitions, signed, signed.steps[0], None, datetime(2026, 3, 3, 12), is_date=False)
    assert (found.key, found.base_at) == ("2026-03-02T00:00:00Z", datetime(2026, 3, 2))


def test_3_5_the_base_of_a_path_by_hand_lies_before_its_waits(definitions: Definitions) -> None:
    """Who got the letter after 3 and then 7 days was enrolled ten days before it."""
    welcome = definitions.sequences["welcome"]
    assert base_by_hand(definitions, welcome, welcome.steps[2], datetime(2026, 3, 11, 2)) == datetime(2026, 3, 1, 2)


@pytest.mark.parametrize("value", [datetime(2026, 12, 31), datetime(2026, 12, 31, 2), datetime(2026, 12, 31, 2, 0, 0, 5)])
def test_a_key_reads_back(value: datetime) -> None:
    """Dates and instants, also with a fraction of a second."""
    is_date = value == datetime(2026, 12, 31)
    base_date, base_at = value_of(key_of(value, is_date=is_date))
    assert (base_date == value.date(), base_at == value) == (is_date, not is_date)
