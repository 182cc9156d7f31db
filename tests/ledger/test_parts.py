"""A ledger is put together of parts: none of them may stand in another's way."""

from __future__ import annotations

from collections import defaultdict

import pytest

from engine.ledger.duckdb import DuckdbLedger
from engine.ledger.postgres import PostgresLedger

# Says the same in both.
_ALIKE = {"_count"}


@pytest.mark.parametrize("ledger", [DuckdbLedger, PostgresLedger])
def test_no_two_parts_of_a_ledger_have_a_method_of_one_name(ledger: type) -> None:
    """Of two siblings with one name the first would answer for the second, and no type checker says so."""
    owners: dict[str, list[type]] = defaultdict(list)
    for part in ledger.__mro__[1:-1]:
        for name, value in vars(part).items():
            if callable(value) and not name.startswith("__") and name not in _ALIKE and not getattr(value, "__isabstractmethod__", False):
                owners[name].append(part)
    siblings = {name: parts for name, parts in owners.items() if any(not issubclass(one, other) for one in parts for other in parts[parts.index(one) :])}
    assert siblings == {}
