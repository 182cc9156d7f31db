"""A plan for a site, on the ledger as it is: what plan, explain and diff look at. Nothing is written."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime

import duckdb
import pyarrow as pa

from engine.definitions.definitions import Definitions
from engine.definitions.histories import histories
from engine.facts.snapshot import Needs, Snapshot
from engine.ledger.ledger import Reading
from engine.ledger.records import CONTROLS, Candidates, LedgerView
from engine.plan.plan import Plan
from engine.plan.planning import make_plan
from engine.plan.remembering import remember
from engine.plan.touching import Touched
from engine.problems import Problem
from engine.runs.as_found import as_found, is_stopped_now, refused_orders
from engine.runs.changing import since_applied
from engine.runs.frozen import frozen
from engine.runs.opening import Site

Inspect = Callable[[duckdb.DuckDBPyConnection], None]


@dataclass(frozen=True)
class Planned:
    """A plan, how old the ledger is that it was made on (None when it was the ledger itself), and which ledger that is.

    `changed` is what the definitions changed since the last apply, with the people that it touches; an apply refuses for `refused` (§8).
    """

    plan: Plan
    ledger_as_of: datetime | None
    lineage: str
    changed: tuple[Touched, ...] = ()
    refused: tuple[Problem, ...] = ()


def plan_now(
    site: Site, *, allowed: Mapping[str, float] | None = None, inspect: Inspect | None = None, supposed: pa.Table | None = None, looking_back: bool = False
) -> Planned:
    """The plan at the site's now; `supposed` are occurrences by hand as if the ledger had them, for a dry run.

    `looking_back`: the now is past, and the ledger is as it was then. Of the kill switch nothing is remembered, so it is left out.
    """
    with site.read_facts() as snapshot, site.read_ledger() as ledger:
        since = since_applied(site.definitions, ledger)
        plan = plan_on(site, snapshot, ledger, allowed=allowed, inspect=inspect or since.count, supposed=supposed, looking_back=looking_back)
        if not looking_back:
            plan = replace(plan, diagnostics=(*refused_orders(site), *frozen(site.definitions), *plan.diagnostics))
        return Planned(plan, ledger.copied_at, ledger.head().lineage, since.touched, since.refused)


@contextmanager
def facts_with_past(site: Site, also: Needs | None = None) -> Iterator[Snapshot]:
    """The CRM, and beside it what rules on history ask of the ledger, where the definitions have any (7.6). `also`: more fields to read."""
    with site.read_facts(also) as snapshot:
        if histories(site.definitions):
            with site.read_ledger() as ledger:
                remember(snapshot.connection, site.definitions, ledger.view, site.now)
        yield snapshot


def plan_on(
    site: Site,
    snapshot: Snapshot,
    ledger: Reading,
    *,
    definitions: Definitions | None = None,
    allowed: Mapping[str, float] | None = None,
    inspect: Inspect | None = None,
    supposed: pa.Table | None = None,
    looking_back: bool = False,
    unpaused: bool = False,
) -> Plan:
    """The plan on an open snapshot and ledger, for the site's definitions or others over the same facts.

    A ledger that was opened to read is looked at as the next apply will find it, unless `looking_back`. `unpaused`: as if nothing was stopped or
    paused, to see what a pause keeps from going.
    """
    if not looking_back:
        as_found(ledger, site)
    said = definitions or site.definitions

    def view(asked: Candidates) -> LedgerView:
        found = _with(ledger.view(replace(asked, as_of=site.now) if looking_back else asked), supposed)
        return _without_pauses(found) if unpaused else with_kill_switch(found, not looking_back and is_stopped_now(site))

    return make_plan(
        _with_all_active(said) if unpaused else said,
        snapshot,
        view,
        site.now,
        environment=site.environment.name,
        address_key=site.pseudonyms.address_key,
        allowed=allowed,
        inspect=inspect,
    )


def _with(view: LedgerView, supposed: pa.Table | None) -> LedgerView:
    if supposed is None:
        return view
    return replace(view, tables={**view.tables, "occurrences": pa.concat_tables([view.tables["occurrences"], supposed])})


def _without_pauses(view: LedgerView) -> LedgerView:
    controls = view.tables["controls"]
    kept = pa.array([action == "cancelled" for action in controls["action"].to_pylist()], pa.bool_())
    return replace(view, tables={**view.tables, "controls": controls.filter(kept)})


def _with_all_active(definitions: Definitions) -> Definitions:
    """The same with every sequence active that its status holds (6.1)."""
    active = {id: said.model_copy(update={"status": "active"}) if said.status in ("paused", "draft") else said for id, said in definitions.sequences.items()}
    return replace(definitions, sequences=active)


def with_kill_switch(view: LedgerView, stopped: bool) -> LedgerView:
    """The kill switch as the planner sees it: one more stop of the whole project (6.1)."""
    if not stopped:
        return view
    stop = pa.Table.from_pylist([{"scope": "project", "action": "stopped"}], CONTROLS)
    return replace(view, tables={**view.tables, "controls": pa.concat_tables([view.tables["controls"], stop])})
