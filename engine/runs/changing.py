"""The definitions against those that the ledger last followed: what was changed, whom it touches, and what is refused (§8)."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import duckdb

from engine.definitions.definitions import Definitions
from engine.errors import DefinitionsInError
from engine.ledger.history import EnrollmentFilter
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
    return SinceApplied(labelled_since(applied.compiled, definitions), (*refusals(both), *_about_another(both, ledger)), (), both)


def refusals(both: Revisions) -> tuple[Problem, ...]:
    """8.7 and 8.10: what no apply follows, since the ledger would know nobody again."""
    return (*unsaid_renames(both), *changed_identities(both))


def _about_another(both: Revisions, ledger: Reading) -> Iterator[Problem]:
    """8.10 across a removal: a sequence that the last apply did not have, and whose people of before were about another entity.

    Only such sequences are asked about, so that an edit of any other costs no question.
    """
    old, new = both.kind("sequences")
    was_called = {now: before for before, now in both.renamed.items()}
    for id, said in sorted(new.items()):
        if was_called.get(id, id) in old:
            continue
        for row in ledger.enrollments(EnrollmentFilter(sequence=id), limit=1).rows:
            # What was renamed since is asked under its id of now, and is another sequence.
            if row.sequence == id and row.entity != said.get("about"):
                yield Problem(
                    "E261",
                    f"`{id}` was about `{row.entity}` before it was removed, and is about `{said.get('about')}` now",
                    both.after.where("sequence", id).value("about"),
                    "give it another id: the ledger keeps the people of the one before under this id, and would take them for its own",
                )


def refuse(definitions: Definitions, ledger: Reading) -> None:
    """DefinitionsInError where an apply must not follow the definitions."""
    refused = since_applied(definitions, ledger).refused
    if refused:
        raise DefinitionsInError(refused)
