"""What rules on history ask the ledger (semantics 7.6), before anything is judged. Without such a rule nothing is asked."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

import duckdb

from engine.clock import reach_back
from engine.definitions.definitions import Definitions
from engine.definitions.histories import histories
from engine.ledger.records import OCCURRENCE, Candidates, LedgerView, PastAsked
from engine.plan.identity import identity
from engine.tables import make


def remember(connection: duckdb.DuckDBPyConnection, definitions: Definitions, view_of: Callable[[Candidates], LedgerView], now: datetime) -> None:
    """Fill the table `history`, for every cursor of the connection, with what the ledger has; this plan's own rows are not in it."""
    asked = past_asked(definitions, now)
    if not asked:
        return
    view = view_of(Candidates(OCCURRENCE.empty_table(), (), now, definitions.former_names, history=asked))
    rows = identity(definitions, view, now).named_view(view).tables["history"]
    make(connection, "CREATE OR REPLACE TABLE history", rows)


def past_asked(definitions: Definitions, now: datetime) -> tuple[PastAsked, ...]:
    """One question for each kind and sequence, as far back as the rule that looks back longest."""
    zone = definitions.project.timezone
    since: dict[tuple[str, str | None], datetime | None] = {}
    for rule in histories(definitions):
        begins = reach_back(now, rule.within, zone) if rule.within is not None else None
        place = (rule.kind, rule.sequence)
        before = since.get(place, begins)
        since[place] = None if begins is None or before is None else min(begins, before)
    return tuple(PastAsked(kind, sequence, begins, now) for (kind, sequence), begins in sorted(since.items(), key=lambda item: (item[0][0], item[0][1] or "")))  # type: ignore[arg-type]  # kinds are those of rules
