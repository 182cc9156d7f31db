"""Planning, counting a segment and asking a rule, beside a bare scan of the columns that they need."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import duckdb

from engine.definitions.definitions import Definitions
from engine.facts.needs import needed
from engine.relations.binding import Binder, sql
from engine.relations.segments import members
from engine.runs.planning import plan_now
from tests.bench.measuring import Measure, best, rate, seconds
from tests.bench.world import NOW, World

# What the planner asks a ledger for.
_LEDGER = {
    "enrollments": "sequence entity record occurrence contact base_date base_at began exit_at exit_reason exit_final",
    "sends": "sequence entity record occurrence contact step state reason decided_at due_at address_key",
    "occurrences": "sequence entity record occurrence base_at source override",
    "suppressions": "address_key reason topic",
}


def measures(world: World, rounds: int) -> Iterator[Measure]:
    site = world.site
    bare = duckdb.connect()
    bare.execute(f"ATTACH '{site.root / 'state' / 'crm.duckdb'}' AS crm (READ_ONLY)")
    bare.execute(f"ATTACH '{site.ledger_path.with_suffix('.copy.duckdb')}' AS ledger (READ_ONLY)")
    scans = [*_crm_scans(site.definitions), *(_scan(f"ledger.{table}", columns.split()) for table, columns in _LEDGER.items())]

    def scan() -> None:
        for query in scans:
            bare.execute(query).fetchall()

    plans = []
    ours, base = best(lambda: plans.append(plan_now(site).plan.summary), scan, rounds)
    considered, sends = plans[0]["considered"], plans[0]["send"]
    what = f"plan, {world.contacts:,} contacts, {world.live:,} enrollments on their way, {world.sends:,} past sends"
    note = f"{considered:,} considered, {sends:,} due; {ours / considered * 1e6:.0f} µs a candidate. Bare: one hash over the columns that the plan reads, of CRM and ledger"
    yield Measure(what, seconds(ours), seconds(base), ours / base, "at most 3 times the bare scan", ours / base <= 3, note)
    yield from _segment(world, bare, rounds)
    bare.close()


def _crm_scans(definitions: Definitions) -> Iterator[str]:
    for name, fields in needed(definitions).items():
        entity = definitions.crm.entities[name]
        yield _scan(f"crm.{entity.table}", sorted({entity.key, *fields}))


def _scan(table: str, columns: Iterable[str]) -> str:
    # A hash of all values: what max() or count() ask is answered from the file's statistics, and reads nothing.
    return f"SELECT bit_xor(hash({', '.join(columns)})) FROM {table}"


def _segment(world: World, bare: duckdb.DuckDBPyConnection, rounds: int) -> Iterator[Measure]:
    binder = Binder()
    select = sql(members(world.site.definitions, "large-hotels", NOW, binder))
    scans = [
        _scan("crm.contacts", ("id", "company_id", "unsubscribed")),
        _scan("crm.companies", ("id", "industry", "country")),
        _scan("crm.contracts", ("company_id", "monthly_value", "status")),
    ]

    def scan() -> None:
        for query in scans:
            bare.execute(query).fetchall()

    with world.site.read_facts() as snapshot:
        found: list[int] = []
        ours, base = best(lambda: found.append(_one(snapshot.connection, f"SELECT count(*) FROM ({select})", binder)), scan, rounds)
        note = f"{found[0]:,} members, {rate(world.contacts, ours)} contacts; two fields of a relation, a negation, and `exists` over another"
        yield Measure(f"count a segment's members among {world.contacts:,} contacts", seconds(ours), seconds(base), ours / base, "", None, note)
        ours, base = best(lambda: _one(snapshot.connection, f"SELECT count(*) FROM ({select}) WHERE key = '17'", binder), scan, rounds)
        yield Measure("ask that rule of one contact", seconds(ours), seconds(base), ours / base, "", None)


def _one(connection: duckdb.DuckDBPyConnection, query: str, binder: Binder) -> int:
    (row,) = connection.execute(query, binder.values).fetchall()
    return int(row[0])
