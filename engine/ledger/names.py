"""What sequences and steps are called now, and under which ids the ledger keeps them (semantics 8.7).

The ledger keeps everything of a sequence under the id that it had first, also after it was renamed: so its history, its pauses and
the keys of its sends stay one, and no renaming can send a mail twice. Only what people and definitions call it changes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, TypeVar

import pyarrow as pa

from engine.ledger.history import ControlRow, EnrollmentRow, Page, SendRow
from engine.ledger.orders import Order
from engine.ledger.records import Candidates, Claimed

T = TypeVar("T")
# (kept under, step kept under or '', called, since)
Named = tuple[str, str, str, datetime]


@dataclass(frozen=True)
class Names:
    """`called` is the present name by (sequence, step) as kept, `former` where an old name is kept. A sequence's own step is ''."""

    called: Mapping[tuple[str, str], str] = field(default_factory=dict)
    former: Mapping[tuple[str, str], str] = field(default_factory=dict)

    @classmethod
    def of(cls, rows: Iterable[Named]) -> Names:
        """Of the rows of the table `names`: the latest of each holds."""
        called: dict[tuple[str, str], str] = {}
        former: dict[tuple[str, str], str] = {}
        for sequence, step, name, _ in sorted(rows, key=lambda row: row[3]):
            called[(sequence, step)] = name
            # Keyed by where it is looked for: the sequence as kept and the name, or '' and the name of a sequence.
            place = sequence if step else ""
            former[(place, step or sequence)] = step or sequence
            former[(place, name)] = step or sequence
        return cls(called, former)

    def __bool__(self) -> bool:
        return bool(self.called)

    def with_renamed(self, renamed: Mapping[str, str]) -> Names:
        """These, and what files call sequences whose renaming no apply has followed yet: present by former name."""
        called, former = dict(self.called), dict(self.former)
        for name, before in renamed.items():
            kept = self.kept(name, before)
            called[(kept, "")] = name
            former |= {("", kept): kept, ("", name): kept}
        return Names(called, former) if renamed else self

    # --- as kept --------------------------------------------------------------------------------------------

    def kept(self, name: str, renamed_from: str | None = None) -> str:
        """The id under which a sequence of this name is kept. `renamed_from` is what its file says."""
        return self._kept("", name, renamed_from)

    def kept_step(self, sequence: str, name: str, renamed_from: str | None = None) -> str:
        """The same for a step of a sequence as kept."""
        return self._kept(sequence, name, renamed_from)

    def _kept(self, place: str, name: str, renamed_from: str | None) -> str:
        for asked in (name, renamed_from):
            if asked is None:
                continue
            for (sequence, step), called in self.called.items():
                if called == asked and ((sequence, bool(step)) == (place, True) if place else not step):
                    return step or sequence
        return name if renamed_from is None else self.former.get((place, renamed_from), renamed_from)

    # --- as called ------------------------------------------------------------------------------------------

    def name(self, kept: str) -> str:
        return self.called.get((kept, ""), kept)

    def step(self, sequence: str, kept: str) -> str:
        """What a step is called, of a sequence as kept."""
        return self.called.get((sequence, kept), kept)

    def send(self, row: SendRow) -> SendRow:
        if not self.called:
            return row
        return replace(row, sequence=self.name(row.sequence), step=self.step(row.sequence, row.step))

    def sends(self, page: Page[SendRow]) -> Page[SendRow]:
        return replace(page, rows=tuple(map(self.send, page.rows))) if self.called else page

    def enrollments(self, page: Page[EnrollmentRow]) -> Page[EnrollmentRow]:
        if not self.called:
            return page
        rows = (replace(row, sequence=self.name(row.sequence), last_step=row.last_step and self.step(row.sequence, row.last_step)) for row in page.rows)
        return replace(page, rows=tuple(rows))

    def control(self, row: ControlRow) -> ControlRow:
        return replace(row, sequence=self.name(row.sequence)) if self.called and row.sequence is not None else row

    def claimed(self, claims: list[Claimed]) -> list[Claimed]:
        if not self.called:
            return claims
        return [replace(one, sequence=self.name(one.sequence), step=self.step(one.sequence, one.step)) for one in claims]

    def orders(self, orders: Mapping[str, Order]) -> Mapping[str, Order]:
        """Orders about sequences as they are called now, as kept."""
        if not self.called:
            return orders
        return {id: replace(order, sequence=order.sequence and self.kept(order.sequence)) for id, order in orders.items()}

    def choices(self, choices: Mapping[str, T]) -> Mapping[str, T]:
        return {self.kept(name): value for name, value in choices.items()} if self.called else choices


class Calling:
    """The part of a ledger that is told what definitions call its sequences."""

    _renamed: Mapping[str, str] = {}

    def know(self, renamed: Mapping[str, str]) -> None:
        self._renamed = renamed


def names_of(rows: Iterable[Mapping[str, Any]]) -> Names:
    """Of the view's table `names`."""
    return Names.of((row["sequence"], row["step"], row["name"], row["since"]) for row in rows)


def as_kept(candidates: Candidates, names: Names) -> Candidates:
    """The question under the ids that the ledger keeps."""
    if not names and not candidates.former:
        return candidates
    asked = {past.sequence for past in candidates.history if past.sequence is not None}
    kept = {
        name: names.kept(name, candidates.former.get(name))
        for name in {*candidates.occurrences["sequence"].unique().to_pylist(), *candidates.whole_sequences, *asked}
    }
    occurrences = candidates.occurrences
    column = pa.array([kept[name] for name in occurrences["sequence"].to_pylist()], pa.string())
    occurrences = occurrences.set_column(occurrences.schema.get_field_index("sequence"), "sequence", column)
    history = tuple(replace(past, sequence=past.sequence and kept[past.sequence]) for past in candidates.history)
    return replace(candidates, history=history, occurrences=occurrences, whole_sequences=tuple(sorted({kept[name] for name in candidates.whole_sequences})))
