"""The definitions against those that the ledger last followed: what was changed, whom it touches, and what is refused (§8)."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field

import duckdb

from engine.definitions.definitions import Definitions
from engine.errors import DefinitionsInError
from engine.ledger.ledger import Reading
from engine.plan.change import Change
from engine.plan.labelling import is_known, labelled_since
from engine.plan.likeness import changed_identities, unsaid_renames
from engine.plan.revisions import Revisions
from engine.plan.touching import Touched, touched
from engine.problems import Problem


@dataclass
class SinceApplied:
    """What lies between the last apply and the definitions. `touched` is filled by `count` when a plan has been made."""

    changes: tuple[Change, ...] = ()
    refused: tuple[Problem, ...] = ()
    touched: tuple[Touched, ...] = ()
    _both: Revisions | None = field(default=None, repr=False)

    @property
    def count(self) -> Callable[[duckdb.DuckDBPyConnection], None] | None:
        """Counts people on the tables of a plan; None where nothing was changed, so that it costs nothing."""
        return self._count if self.changes else None

    def _count(self, cursor: duckdb.DuckDBPyConnection) -> None:
        if self._both is not None:
            self.touched = touched(cursor, self.changes, self._both)


def since_applied(definitions: Definitions, ledger: Reading) -> SinceApplied:
    """Nothing before the first apply, and where the digest is the same."""
    applied = ledger.applied_definitions()
    if applied is None or applied.digest == definitions.digest or not is_known(applied.compiled):
        return SinceApplied()
    both = Revisions.of(json.loads(applied.compiled), definitions, None)
    return SinceApplied(labelled_since(applied.compiled, definitions), refusals(both), (), both)


def refusals(both: Revisions) -> tuple[Problem, ...]:
    """8.7 and 8.10: what no apply follows, since the ledger would know nobody again."""
    return (*unsaid_renames(both), *changed_identities(both))


def refuse(definitions: Definitions, ledger: Reading) -> None:
    """DefinitionsInError where an apply must not follow the definitions."""
    refused = since_applied(definitions, ledger).refused
    if refused:
        raise DefinitionsInError(refused)
