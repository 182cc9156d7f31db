"""What the CRM knows of the records and people that a log names: asked once for all of them, in sets."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

import duckdb
import pyarrow as pa

from engine.definitions.definitions import Definitions
from engine.definitions.triggers import DateTrigger
from engine.facts.names import quoted
from engine.facts.snapshot import Snapshot
from engine.relations.binding import Binder, sql
from engine.relations.people import receivers
from engine.relations.triggers import trigger_path, trigger_values


@dataclass(frozen=True, slots=True)
class Person:
    """A contact of the CRM. `address` is trimmed and in lower case, None where there is none."""

    key: str
    address: str | None
    active: bool
    locale: str | None


@dataclass(frozen=True, slots=True)
class Value:
    """What a date trigger sees of one record now; `at` is naive UTC, a date as its midnight, None for no value or one out of range."""

    at: datetime | None
    matches: bool


class Crm:
    """The people and records of one snapshot that a file names."""

    def __init__(self, definitions: Definitions, snapshot: Snapshot, now: datetime) -> None:
        self._definitions, self._snapshot, self._now = definitions, snapshot, now
        self.people: dict[str, Person] = {}
        self.by_address: dict[str, list[str]] = defaultdict(list)

    def look_for_people(self, keys: Iterable[str], addresses: Iterable[str]) -> None:
        """Fill `people` and `by_address` for these; addresses are trimmed and in lower case."""
        cursor = self._snapshot.connection.cursor()
        try:
            entity = self._definitions.crm.contact.entity
            cursor.execute(f"CREATE OR REPLACE TEMP TABLE everybody AS SELECT _key AS contact FROM facts.{quoted(entity)}")
            _put(cursor, "wanted", list(keys))
            _put(cursor, "wanted_addresses", list(addresses))
            binder = Binder()
            cursor.execute(f"CREATE OR REPLACE TEMP TABLE receiving AS {sql(receivers(self._definitions.crm, binder, 'everybody'))}", binder.values)
            rows = cursor.execute(
                "SELECT contact, address, active, language FROM receiving WHERE contact IN (FROM wanted) OR address IN (FROM wanted_addresses) ORDER BY contact"
            ).fetchall()
        finally:
            cursor.close()
        for key, address, active, language in rows:
            self.people[key] = Person(key, address, bool(active), language)
            if address is not None:
                self.by_address[address].append(key)

    def records(self, entity: str, keys: Iterable[str]) -> set[str]:
        """Those keys that are records of the entity."""
        cursor = self._snapshot.connection.cursor()
        try:
            _put(cursor, "wanted", list(keys))
            return {key for (key,) in cursor.execute(f"SELECT _key FROM facts.{quoted(entity)} WHERE _key IN (FROM wanted)").fetchall()}
        finally:
            cursor.close()

    def keys_by(self, entity: str, field: str, values: Iterable[str]) -> Mapping[str, tuple[str, ...]]:
        """The records that have each value in a field."""
        cursor = self._snapshot.connection.cursor()
        found: dict[str, tuple[str, ...]] = {}
        try:
            _put(cursor, "wanted", list(values))
            rows = cursor.execute(
                f"SELECT CAST({quoted(field)} AS VARCHAR) AS said, _key FROM facts.{quoted(entity)} WHERE said IN (FROM wanted) ORDER BY ALL"
            ).fetchall()
        finally:
            cursor.close()
        for said, key in rows:
            found[said] = (*found.get(said, ()), key)
        return found

    def values(self, sequence: str, records: Iterable[str]) -> Mapping[str, Value]:
        """What a sequence's date trigger sees of these records; those that are not there are left out."""
        cursor = self._snapshot.connection.cursor()
        try:
            _put(cursor, "wanted", list(records))
            binder = Binder()
            select = sql(trigger_values(self._definitions, self._definitions.sequences[sequence], self._now, binder))
            rows = cursor.execute(
                f"SELECT record, CASE WHEN in_range THEN value_at END, matches FROM ({select}) WHERE record IN (FROM wanted)", binder.values
            ).fetchall()
        finally:
            cursor.close()
        return {record: Value(at, bool(matches)) for record, at, matches in rows}

    def is_date(self, sequence: str) -> bool:
        """Whether a date trigger looks at a date, and not at an instant."""
        path = trigger_path(self._definitions, self._definitions.sequences[sequence])
        return path.field is not None and path.field.type == "date"


def is_dated(definitions: Definitions, sequence: str) -> bool:
    """Whether the sequence begins by a date of its record."""
    return isinstance(definitions.sequences[sequence].trigger, DateTrigger)


def _put(cursor: duckdb.DuckDBPyConnection, name: str, keys: list[str]) -> None:
    cursor.register("arriving", pa.table({"key": pa.array(sorted(set(keys)), pa.string())}))
    cursor.execute(f"CREATE OR REPLACE TEMP TABLE {name} AS FROM arriving")
    cursor.unregister("arriving")
