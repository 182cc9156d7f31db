"""New keys for the records of one entity, wherever the ledger names them (semantics 8.10): nothing that was sent is sent again.

No key column is updated in place (reliability.md §3.8): all rows go into a new file, which is verified and then takes the ledger's place.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import duckdb
import pyarrow as pa

from engine.errors import EngineError, LedgerRefused
from engine.ledger.care import Rekeyed
from engine.ledger.duckdb import opening
from engine.ledger.duckdb.caring import copy_held
from engine.ledger.duckdb.files import Hold, LedgerFiles, refuse_network_disk
from engine.ledger.duckdb.home import Home
from engine.ledger.duckdb.rebuilding import attached, put_in_place, workshop
from engine.ledger.duckdb.statements import migrations
from engine.ledger.duckdb.verifying import verify
from engine.ledger.identity import Identity
from engine.ledger.keys import define_send_key
from engine.ledger.ledger import LedgerBroken

# Tables that name a record by entity and key; memberships name it by the sequence alone.
_OF_AN_ENTITY = ("occurrences", "enrollments", "enrollment_history", "sends", "address_slots", "controls", "inbox_events")
_OF_A_CONTACT = ("enrollments", "enrollment_history", "sends", "controls")
# A mail that a provider may know under its old key would be another one to it under a new key.
_ON_THE_WAY = "state IN ('claimed', 'dispatching') OR (state = 'planned' AND (ambiguous OR payload_hash IS NOT NULL OR known_until IS NOT NULL))"


@dataclass(frozen=True)
class NewKeys:
    """What is asked for: the records of `entity` that were called by the keys of `map` are called by its values.

    `field` identifies a record from now on. `sequences` are about the entity, by the ids that the ledger keeps; of `by_record` among them
    the key of an occurrence is the record's (3.2).
    """

    entity: str
    map: Mapping[str, str]
    field: str
    is_contact: bool
    sequences: Sequence[str]
    by_record: Sequence[str]


def rekey(files: LedgerFiles, identity: Identity, wanted: NewKeys, *, backup: Path | None, keep_missing: bool, now: datetime) -> Rekeyed:
    """All or nothing, under the lock, with a backup first. Without `backup` it is only told what would be done.

    EngineError for keys of the ledger that the map lacks, but with `keep_missing`; for two records that would be one; and while mails
    are on their way.
    """
    opening.refuse_missing(files)
    refuse_network_disk(files.ledger.parent)
    with Hold(files, "state rekey", now):
        opening.require_space(files)
        with closing(opening.connect_patiently(files)) as connection:
            opening.check(connection, files, identity)
            connection.execute("CHECKPOINT")
        with closing(attached(None, source=files.ledger)) as connection:
            _stage(connection, wanted)
            found = _looked_at(connection, wanted)
        if backup is None or (found.missing and not keep_missing):
            return found
        copy_held(files, backup)
        try:
            return _rekeyed(files, wanted, found, backup, now)
        except duckdb.Error as error:
            raise LedgerBroken(f"the ledger {files.ledger} could not be written anew; it is as it was", help="look at the disk, then run it again") from error


def _stage(connection: duckdb.DuckDBPyConnection, wanted: NewKeys) -> None:
    """The question as tables of the connection."""
    tables = {
        "new_keys": pa.table({"old": pa.array(wanted.map.keys(), pa.string()), "new": pa.array(wanted.map.values(), pa.string())}),
        "of_entity": pa.table({"entity": pa.array([wanted.entity], pa.string())}),
        "about_it": pa.table({"sequence": pa.array(wanted.sequences, pa.string())}),
        "by_record": pa.table({"sequence": pa.array(wanted.by_record, pa.string())}),
    }
    for name, table in tables.items():
        connection.register("arriving", table)
        connection.execute(f"CREATE TEMP TABLE {name} AS FROM arriving")
        connection.unregister("arriving")


def _looked_at(connection: duckdb.DuckDBPyConnection, wanted: NewKeys) -> Rekeyed:
    asked = [f"SELECT record AS key FROM source.{table} WHERE entity = (FROM of_entity)" for table in _OF_AN_ENTITY]
    asked.append("SELECT record FROM source.memberships WHERE sequence IN (FROM about_it)")
    if wanted.is_contact:
        asked += [f"SELECT contact FROM source.{table}" for table in _OF_A_CONTACT]
    # A file that enrolls a segment has a row of its own, which is about no record.
    connection.execute(f"CREATE TEMP TABLE known AS SELECT DISTINCT key FROM ({' UNION ALL '.join(asked)}) WHERE key <> ''")
    (on_the_way,) = connection.execute(f"SELECT count(*) FROM source.sends WHERE {_ON_THE_WAY}").fetchall()[0]
    if on_the_way:
        raise EngineError(
            f"{on_the_way:,} mails are on their way, and a provider may know them by their keys",
            help="let `engine apply` or `engine deliver` end them first; `engine sends --state planned` shows what waits for another attempt",
        )
    twice = connection.execute(
        "SELECT count(*) FROM (SELECT coalesce(n.new, k.key) AS key FROM known k LEFT JOIN new_keys n ON n.old = k.key GROUP BY ALL HAVING count(*) > 1)"
    ).fetchall()[0][0]
    if twice:
        raise EngineError(
            f"{twice:,} new keys would be those of two records each, and their histories one",
            help="every new key stands once, and is no key that a record without a new one keeps; nothing was changed",
        )
    missing = connection.execute("SELECT key FROM known WHERE key NOT IN (SELECT old FROM new_keys) ORDER BY key").fetchall()
    (known,) = connection.execute("SELECT count(*) FROM known").fetchall()[0]
    return Rekeyed(known - len(missing), tuple(key for (key,) in missing))


def _rekeyed(files: LedgerFiles, wanted: NewKeys, found: Rekeyed, backup: Path, now: datetime) -> Rekeyed:
    with workshop(files.ledger) as folder:
        made = LedgerFiles(folder / "ledger.duckdb")
        with closing(attached(made.ledger, source=files.ledger)) as connection:
            for migration in migrations():
                connection.execute(migration)
            _stage(connection, wanted)
            sends = _copied(connection, wanted)
            _Rekeying(connection, made).remember(wanted, found, sends, now)
            connection.execute("CHECKPOINT")
        checked = verify(made.ledger, files.read_witness())
        if checked.faults or checked.head is None:
            fault = checked.faults[0]
            raise LedgerRefused(
                f"the ledger with the new keys is not whole ({fault.asked}: {fault.fault}); the ledger is as it was", help="run `engine state verify`"
            )
        put_in_place(made.ledger, files.ledger)
    files.write_witness(checked.head)
    files.leave_copy()
    return Rekeyed(found.known, found.missing, sends, backup)


def _copied(connection: duckdb.DuckDBPyConnection, wanted: NewKeys) -> int:
    """Every row of every table, under the new keys; how many sends have another key now."""
    define_send_key(connection)
    named = dict(_new_columns("sends", {"entity", "record", "occurrence", "contact"}, wanted))
    connection.execute(
        "CREATE TEMP TABLE new_send_keys AS SELECT t.send_key AS old, send_key(t.sequence, t.step, t.entity, "
        f"{named['record']}, {named.get('occurrence', 't.occurrence')}, {named.get('contact', 't.contact')}) AS new FROM source.sends t"
    )
    columns: dict[str, set[str]] = {}
    for table, column in connection.execute("SELECT table_name, column_name FROM duckdb_columns() WHERE database_name = 'source' AND NOT internal").fetchall():
        columns.setdefault(table, set()).add(column)
    for table, its in sorted(columns.items()):
        replaced = ", ".join(f"{new} AS {column}" for column, new in _new_columns(table, its, wanted))
        connection.execute(f"INSERT INTO {table} BY NAME SELECT *{f' REPLACE ({replaced})' if replaced else ''} FROM source.{table} t ORDER BY t.rowid")
        counts = connection.execute(f"SELECT (SELECT count(*) FROM {table}), (SELECT count(*) FROM source.{table})").fetchall()[0]
        if counts[0] != counts[1]:
            raise EngineError(f"giving {table} the new keys lost rows; the ledger is as it was", help="run `engine state verify`")
    return int(connection.execute("SELECT count(*) FROM new_send_keys WHERE old <> new").fetchall()[0][0])


def _new_columns(table: str, columns: set[str], wanted: NewKeys) -> Iterator[tuple[str, str]]:
    """The columns of a table that name a record or a send, with what they become."""
    of_entity = "t.entity = (FROM of_entity)" if "entity" in columns else "t.sequence IN (FROM about_it)"
    if table in _OF_AN_ENTITY or table == "memberships":
        yield "record", f"CASE WHEN {of_entity} THEN {_new('record')} ELSE t.record END"
    if wanted.by_record and {"entity", "occurrence"} <= columns:
        yield "occurrence", f"CASE WHEN {of_entity} AND t.sequence IN (FROM by_record) THEN {_new('occurrence')} ELSE t.occurrence END"
    if wanted.is_contact and table in _OF_A_CONTACT:
        yield "contact", _new("contact")
    for column in sorted({"send_key", "holder", "message"} & columns):
        yield column, f"coalesce((SELECT k.new FROM new_send_keys k WHERE k.old = t.{column}), t.{column})"


def _new(column: str) -> str:
    return f"coalesce((SELECT n.new FROM new_keys n WHERE n.old = t.{column}), t.{column})"


class _Rekeying(Home):
    """The ledger that was written anew."""

    def remember(self, wanted: NewKeys, found: Rekeyed, sends: int, now: datetime) -> None:
        """One link of the chain; and what identifies a record is as the definitions say it now, so that an apply follows them."""
        with self._transaction("rekey", now) as transaction:
            transaction.cover("rekey", wanted.entity, wanted.field, json.dumps(sorted(wanted.map.items())), found.known, len(found.missing), sends)
            rows = self._rows(
                "SELECT d.digest, d.compiled FROM runs r JOIN definitions_applied d ON d.digest = r.definitions_digest ORDER BY r.serial DESC LIMIT 1"
            )
            for digest, compiled in rows:
                said = json.loads(compiled)
                if wanted.entity in said.get("crm", {}).get("entities", {}):
                    said["crm"]["entities"][wanted.entity]["key"] = wanted.field
                    kept = json.dumps(said, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
                    self._rows("UPDATE definitions_applied SET compiled = $kept WHERE digest = $digest", {"kept": kept, "digest": digest})
