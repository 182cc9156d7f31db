"""Of a large CRM the part that the coming days are about: what a simulated apply of a few records can ask for, and nothing else.

Rules, audiences and variables reach other records by the map's relations alone, and what an address said may stand at another contact that has the
same. So the plan of some records is the same on the records that these lead to as on all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import timedelta

import duckdb
import pyarrow as pa

from engine.definitions.crm import Crm
from engine.definitions.definitions import Definitions
from engine.facts.names import literal, quoted
from engine.facts.sandbox import open_sandbox, seal
from engine.facts.snapshot import Snapshot
from engine.relations.binding import Binder, sql
from engine.relations.joins import column, foreign_key
from engine.relations.people import normal_address
from engine.tables import execute, give, put

# Fewer records are asked as quickly all of them.
LARGE = 20_000
# So far ahead a part is taken out: further, it is nearly all; nearer, it is taken out too often.
AHEAD = timedelta(days=16)
# A part that served fewer plans than this was not worth it, and the next would not be.
WORTH = 3

_RECORDS = pa.schema([("entity", pa.string()), ("key", pa.string())])


@dataclass
class NearFacts:
    """The facts of one course. `contacts_of` says who is on the way for some records (sequence, record), whatever they lead to now."""

    snapshot: Snapshot
    definitions: Definitions
    contacts_of: Callable[[pa.Table], list[str]]
    _near: Snapshot | None = None
    _covered: frozenset[tuple[str, str]] = frozenset()
    _served: int = field(default=WORTH)

    @property
    def is_large(self) -> bool:
        return sum(self.snapshot.counts.values()) >= LARGE

    def close(self) -> None:
        if self._near is not None:
            self._near.close()
        self._near = None

    def of(self, due: pa.Table, coming: Callable[[timedelta], pa.Table]) -> Snapshot:
        """The facts for a plan of `due` (sequence, record; NULL: the whole sequence, which all facts are for). `coming` are the records of the next days."""
        if not self.is_large or due["record"].null_count or not set(due["sequence"].unique().to_pylist()) <= set(self.definitions.sequences):
            return self.snapshot
        if self._near is None or not self._records(due) <= self._covered:
            if self._served < WORTH:
                return self.snapshot
            self.close()
            wanted = pa.concat_tables([due, coming(AHEAD)])
            self._covered, self._served = self._records(wanted), 0
            self._near = self._taken_out(wanted)
        self._served += 1
        return self._near

    def _records(self, pairs: pa.Table) -> frozenset[tuple[str, str]]:
        """The records of pairs (sequence, record), by entity; nobody is about a sequence that is gone."""
        about = {id: sequence.about for id, sequence in self.definitions.sequences.items()}
        both = zip(pairs["sequence"].to_pylist(), pairs["record"].to_pylist(), strict=True)
        return frozenset((about[sequence], record) for sequence, record in both if sequence in about)

    def _taken_out(self, wanted: pa.Table) -> Snapshot:
        contact = self.definitions.crm.contact.entity
        records = self._covered | {(contact, key) for key in self.contacts_of(wanted)}
        cursor = self.snapshot.connection.cursor()
        try:
            put(cursor, "fresh", pa.table([pa.array(part, pa.string()) for part in zip(*records, strict=True)], _RECORDS))
            _follow(cursor, self.definitions.crm, self.snapshot)
            connection = open_sandbox()
            for entity in self.snapshot.counts:
                rows = cursor.sql(
                    f"SELECT * FROM facts.{quoted(entity)} WHERE _key IN (SELECT key FROM near WHERE entity = {literal(entity)})"
                ).to_arrow_table()
                give(connection, rows, f"CREATE TABLE facts.{quoted(entity)} AS FROM arriving")
        finally:
            cursor.close()
        seal(connection)
        near = replace(self.snapshot, connection=connection)
        # They are the facts of that snapshot still.
        near.__dict__["digest"] = self.snapshot.digest
        return near


def _follow(cursor: duckdb.DuckDBPyConnection, crm: Crm, snapshot: Snapshot) -> None:
    """Fill near: the records of `fresh`, and all that any of them leads to."""
    execute(cursor, "CREATE OR REPLACE TEMP TABLE near (entity VARCHAR, key VARCHAR)")
    edges = list(_edges(crm, snapshot))
    while found := {entity for (entity,) in execute(cursor, "SELECT DISTINCT entity FROM fresh").fetchall()}:
        execute(cursor, "INSERT INTO near FROM fresh")
        steps = " UNION ALL ".join(select for source, select in edges if source in found) or "SELECT entity, key FROM fresh"
        execute(cursor, f"CREATE OR REPLACE TEMP TABLE fresh AS SELECT entity, key FROM ({steps}) WHERE key IS NOT NULL EXCEPT FROM near")
    # Whoever has the address of one of these may have said no for it (4.7).
    contact, binder = quoted(crm.contact.entity), Binder()
    address = sql(normal_address(column("p", crm.contact.address), binder))
    execute(
        cursor,
        f"INSERT INTO near SELECT {literal(crm.contact.entity)}, p._key FROM facts.{contact} p WHERE {address} IN "
        f"(SELECT {address} FROM facts.{contact} p WHERE p._key IN (SELECT key FROM near WHERE entity = {literal(crm.contact.entity)}))",
        binder.values,
    )


def _edges(crm: Crm, snapshot: Snapshot) -> Iterator[tuple[str, str]]:
    """For each relation the entity that it leads from, and the records that those of `fresh` lead to. A field that is not read leads nowhere."""
    for entity, said in crm.entities.items():
        if entity not in snapshot.fields:
            continue
        for relation in said.relations.values():
            owner, via = (relation.entity, relation.via.rpartition(".")[2]) if relation.many else (entity, relation.via)
            if relation.entity not in snapshot.fields or via not in snapshot.fields[owner]:
                continue
            pointer = sql(foreign_key(crm, owner, via, "t"))
            key, asked = ("t._key", pointer) if relation.many else (pointer, "t._key")
            yield (
                entity,
                f"SELECT {literal(relation.entity)} AS entity, {key} AS key FROM facts.{quoted(owner)} t "
                f"WHERE {asked} IN (SELECT key FROM fresh WHERE entity = {literal(entity)})",
            )
