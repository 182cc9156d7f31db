"""What became of an order: it is in the ledger, or lies where the run that holds the ledger reads it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from engine.views.answered import as_json as answered


@dataclass(frozen=True)
class Ordered:
    """`message` is what a person reads. `rows` is how many rows of the ledger the order set or lifted: None while nobody knows.

    An order that is not `carried_out` lies at `left_in_inbox`, or was a dry run; `held_by` names who holds the ledger, where that is known.
    """

    order: str
    message: str
    rows: int | None = None
    carried_out: bool = True
    left_in_inbox: Path | None = None
    held_by: str | None = None
    dry_run: bool = False

    def adding(self, *lines: str) -> Ordered:
        """The same, with more to say; what is empty is left out."""
        return replace(self, message="\n".join([self.message, *(line for line in lines if line)]))


def as_json(ordered: Ordered) -> str:
    return answered(
        "order",
        order=ordered.order,
        carried_out=ordered.carried_out,
        rows=ordered.rows,
        left_in_inbox=None if ordered.left_in_inbox is None else str(ordered.left_in_inbox),
        held_by=ordered.held_by,
        dry_run=ordered.dry_run,
        message=ordered.message,
    )
