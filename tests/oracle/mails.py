"""4.8: which sends are one mail. Caps and guards count mails."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, TypeVar

from .facts import key_order

if TYPE_CHECKING:
    from .gates import Decision
    from .ledger import Decided

Row = TypeVar("Row", bound="Decided")


def of_one_mail(row: Decision, sends: Iterable[Decision]) -> list[Decision]:
    """The sends of this plan that go with it, the first by base first."""
    if row.mail is None:
        return [row]
    return sorted((one for one in sends if one.mail == row.mail), key=_in_order)


def leading(sends: list[Decision]) -> list[Decision]:
    """One send for each mail."""
    return [row for row in sends if of_one_mail(row, sends)[0] == row]


def one_each(rows: Iterable[Row]) -> list[Row]:
    """One row for each mail of the ledger: those of one run, sequence, step, contact and template."""
    found: dict[object, Row] = {}
    for number, row in enumerate(rows):
        found.setdefault(number if row.mail is None else (row.at, row.mail), row)
    return list(found.values())


def _in_order(row: Decision) -> tuple[object, ...]:
    return (row.base, key_order(row.record), row.occurrence)
