"""`snapshot`: the facts and the ledger's relations in a folder, with tokens in place of keys and personal values, so that CI can plan on them."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from engine.definitions.crm import Entity
from engine.definitions.definitions import Definitions
from engine.definitions.triggers import EventTrigger
from engine.errors import EngineError, WrongUsage
from engine.facts.names import quoted
from engine.facts.needs import everything
from engine.facts.reading import read_snapshot
from engine.facts.saved import FOLDER
from engine.facts.snapshot import Snapshot
from engine.ledger.duckdb import DuckdbLedger
from engine.ledger.duckdb.files import LedgerFiles
from engine.ledger.history import AppliedDefinitions
from engine.ledger.keys import send_key
from engine.ledger.pseudonyms import KEY_FILE, Pseudonyms
from engine.ledger.records import Candidates, LedgerView
from engine.runs.opening import Site
from engine.runs.saved import MANIFEST, personal_field
from engine.runs.tokens import Tokens

LEDGER = "ledger.duckdb"
_IDENTITY = ("sequence", "step", "entity", "record", "occurrence", "contact")


@dataclass(frozen=True)
class Made:
    """What a snapshot has: records by entity, rows of the ledger, and the sequences that it cannot judge, each with the field that it asks for."""

    folder: Path
    records: Mapping[str, int]
    enrollments: int
    sends: int
    not_judged: Mapping[str, str]


def make_snapshot(site: Site, folder: Path, environment: str) -> Made:
    """Write an anonymised snapshot, for an environment of that name. WrongUsage for a folder with other files in it."""
    _prepare(folder)
    definitions = site.definitions
    key = secrets.token_hex(32)
    pseudonyms = Pseudonyms(key.encode())
    tokens = Tokens(pseudonyms.key)
    not_judged = {id: field for id in sorted(definitions.sequences) if (field := personal_field(definitions, id)) is not None}
    kept = [id for id in sorted(definitions.sequences) if id not in not_judged]
    with (
        read_snapshot(definitions, site.environment.facts, now=site.now, root=site.root, needs=everything(definitions)) as snapshot,
        site.read_ledger() as ledger,
    ):
        view = ledger.view(_asked(definitions, kept))
        names = ledger.names()
        # By the id under which the ledger keeps a sequence.
        abouts = {names.kept(id): definitions.sequences[id].about for id in kept}
        relations = {name: _only(table, {names.kept(id) for id in kept}) for name, table in view.tables.items()}
        applied = ledger.applied_definitions()
        _take_keys(site, snapshot, relations, tokens, abouts)
        (folder / FOLDER).mkdir()
        for name in sorted(definitions.crm.entities):
            pq.write_table(_records(site, snapshot, name, tokens), folder / FOLDER / f"{name}.parquet", compression="zstd")
    (folder / KEY_FILE).write_text(key + "\n", encoding="ascii")
    hidden = _Hidden(definitions, tokens, pseudonyms, abouts)
    rows = {name: [hidden.row(name, row) for row in table.to_pylist()] for name, table in relations.items()}
    _write_ledger(folder / LEDGER, definitions.project.name, environment, pseudonyms, site.now, rows, view, applied)
    _write_manifest(folder, site, tokens, not_judged)
    return Made(folder, dict(snapshot.counts), len(rows["enrollments"]), sum(row["state"] != "skipped" for row in rows["decided"]), not_judged)


def _prepare(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if any(folder.iterdir()):
            raise WrongUsage(f"there is something in {folder} already", help="name a new folder, or empty this one")
    except OSError as error:
        raise EngineError(f"{folder} cannot be written: {error.strerror}") from None


def _asked(definitions: Definitions, kept: Iterable[str]) -> Candidates:
    """All that the ledger has of the sequences that are kept."""
    nobody = pa.table({name: pa.array([], pa.string()) for name in ("sequence", "entity", "record", "occurrence")})
    since = datetime(1970, 1, 2)
    return Candidates(nobody, tuple(kept), since, former=definitions.former_names, events=tuple(sorted(definitions.crm.events)), ticks=True, memberships=True)


def _only(table: pa.Table, kept: set[str]) -> pa.Table:
    """Without rows of sequences that are not judged: their dates alone could be somebody's birthday."""
    if "sequence" not in table.schema.names:
        return table
    return table.filter(pc.or_kleene(pc.is_null(table["sequence"]), pc.is_in(table["sequence"], pa.array(sorted(kept), pa.string()))))


def _take_keys(site: Site, snapshot: Snapshot, relations: Mapping[str, pa.Table], tokens: Tokens, abouts: Mapping[str, str]) -> None:
    """All keys of each entity: those of records, those that records lead to, and those that the ledger remembers."""
    definitions = site.definitions
    keys: dict[str, set[str]] = {
        name: {key for (key,) in snapshot.connection.execute(f"SELECT _key FROM facts.{quoted(name)}").fetchall()} for name in definitions.crm.entities
    }
    for name, entity in definitions.crm.entities.items():
        for via, there in _leads(definitions, name, entity).items():
            keys[there] |= {
                _as_key(value)
                for (value,) in snapshot.connection.execute(
                    f"SELECT DISTINCT {quoted(via)} FROM facts.{quoted(name)} WHERE {quoted(via)} IS NOT NULL"
                ).fetchall()
            }
    for table in relations.values():
        for row in table.to_pylist():
            of = _entity_of(abouts, row)
            if row.get("record") is not None and of in keys:
                keys[of].add(row["record"])
            if row.get("contact") is not None:
                keys[definitions.crm.contact.entity].add(row["contact"])
    contact = definitions.crm.contact
    for name, several in keys.items():
        # Where the key is the address, what stands for it must be one too.
        both = name == contact.entity and _column(definitions.crm.entities[name], contact.address) == _column(
            definitions.crm.entities[name], definitions.crm.entities[name].key
        )
        tokens.take_keys(name, several, "@example.com" if both else "")
        for key in several if both else ():
            tokens.settle_address(site.pseudonyms.address_key(key), str(tokens.key(name, key)))


def _entity_of(abouts: Mapping[str, str], row: Mapping[str, Any]) -> str:
    """Whose record a row is about: it says so, or its sequence does. EngineError where neither does: such a key is not let out."""
    if row.get("record") is None or row.get("entity") is not None:
        return str(row.get("entity"))
    if row.get("sequence") not in abouts:
        raise EngineError("the ledger has a record of which nothing says what it is", help="this is a defect; the folder is not whole, and holds no person")
    return abouts[str(row["sequence"])]


def _column(entity: Entity, name: str) -> str:
    """The column of a field, or of the key."""
    field = entity.fields.get(name)
    return field.column if field is not None and field.column is not None else name


def _leads(definitions: Definitions, name: str, entity: Entity) -> dict[str, str]:
    """Fields of an entity that hold keys of another: those of its own relations, and those by which others count it as theirs."""
    found = {relation.via: relation.one for relation in entity.relations.values() if relation.one is not None}
    for owner, other in definitions.crm.entities.items():
        for relation in other.relations.values():
            if relation.many == name:
                found.setdefault(relation.via.rpartition(".")[2], owner)
    return {via: there for via, there in found.items() if via in entity.fields and there is not None}


def _as_key(value: Any) -> str:
    """A value of a field as the key of the record that it leads to."""
    text = str(value)
    return text.rstrip("0").rstrip(".") if "." in text and type(value).__name__ == "Decimal" else text


def _records(site: Site, snapshot: Snapshot, name: str, tokens: Tokens) -> pa.Table:
    """The records of an entity by the columns of the map, in the order of their tokens."""
    definitions, entity = site.definitions, site.definitions.crm.entities[name]
    leads, contact = _leads(definitions, name, entity), definitions.crm.contact
    table = snapshot.connection.sql(f"SELECT * FROM facts.{quoted(name)}").to_arrow_table()
    key_column = _column(entity, entity.key)
    columns: dict[str, pa.Array] = {key_column: pa.array([tokens.key(name, key) for key in table["_key"].to_pylist()], pa.string())}
    for field, said in entity.fields.items():
        column, values, type_ = said.column or field, table[field].to_pylist(), table[field].type
        if column in columns:
            continue
        if field == entity.key:
            values = [tokens.key(name, _as_key(value)) if value is not None else None for value in values]
        elif field in leads:
            values = [tokens.key(leads[field], _as_key(value)) if value is not None else None for value in values]
            type_ = pa.string() if said.type == "text" else pa.int64()
            values = [int(value) if value is not None and value.isdecimal() else None for value in values] if said.type != "text" else values
        elif said.pii and name == contact.entity and field == contact.address:
            values = [tokens.address(value, site.pseudonyms.address_key(value)) if value is not None and value.strip() else value and "" for value in values]
        elif said.pii:
            values = [tokens.value(f"{name}.{field}", value) for value in values]
        if said.type == "timestamp":
            # With its zone: a wall time could be read in another one.
            type_, values = pa.timestamp("us", "UTC"), [value.replace(tzinfo=None) if value is not None else None for value in values]
        columns[column] = pa.array(values, type_)
    made = pa.table(columns)
    order = pc.sort_indices(pa.table({"w": pc.utf8_length(made[key_column]), "k": made[key_column]}), sort_keys=[("w", "ascending"), ("k", "ascending")])
    return made.take(order)


class _Hidden:
    """Rows of the ledger's relations with tokens in place of what is personal."""

    def __init__(self, definitions: Definitions, tokens: Tokens, pseudonyms: Pseudonyms, abouts: Mapping[str, str]) -> None:
        self._definitions, self._tokens, self._pseudonyms, self._abouts = definitions, tokens, pseudonyms, abouts
        self._events = {id: definitions.crm.events[one.trigger.event] for id, one in definitions.sequences.items() if isinstance(one.trigger, EventTrigger)}

    def row(self, relation: str, row: dict[str, Any]) -> dict[str, Any]:
        made, tokens = dict(row), self._tokens
        if row.get("record") is not None:
            made["record"] = tokens.key(_entity_of(self._abouts, row), row["record"]) if row["record"] else row["record"]
        if row.get("contact") is not None:
            made["contact"] = tokens.key(self._definitions.crm.contact.entity, row["contact"])
        if row.get("address_key") is not None:
            made["address_key"] = self._pseudonyms.address_key(str(tokens.address_of(row["address_key"])))
        if row.get("occurrence") is not None and row.get("sequence") in self._events:
            made["occurrence"] = self._event(row["sequence"], row["occurrence"])
        if relation == "events":
            made["id"] = tokens.hash(f"event:{row['id']}")[:24]
        return made

    def _event(self, sequence: str, occurrence: str) -> str:
        """An event's id; of a mapped table it is the record's key."""
        event = self._events[sequence]
        mapped = event.at is not None
        return str(self._tokens.key(event.entity, occurrence)) if mapped else self._tokens.hash(f"event:{occurrence}")[:24]


# --- the ledger ---------------------------------------------------------------------------------------------------------


def _write_ledger(
    path: Path,
    project: str,
    environment: str,
    pseudonyms: Pseudonyms,
    now: datetime,
    rows: Mapping[str, list[dict[str, Any]]],
    view: LedgerView,
    applied: AppliedDefinitions | None,
) -> None:
    """A ledger file with these rows. It is for reading: nobody sends from a snapshot."""
    DuckdbLedger.create(path, project, environment, now=now, pseudonyms=pseudonyms)
    files = LedgerFiles(path)
    files.copy.unlink(missing_ok=True)
    with duckdb.connect(str(path)) as connection:

        def put(table: str, several: list[dict[str, Any]]) -> None:
            if several:
                arriving = pa.Table.from_pylist(several)
                connection.register("arriving", arriving)
                connection.execute(f"INSERT INTO {table} BY NAME SELECT * FROM arriving")
                connection.unregister("arriving")

        serial = {"serial": 0}
        for name in ("starts", "step_starts", "names", "followed", "fact_counts"):
            put(name, [{**serial, **row} for row in rows[name]])
        put("rosters", [{**serial, "kept_at": now, **row} for row in rows["rosters"]])
        put("memberships", [{"changed_at": now, **row} for row in rows["memberships"]])
        put("ticks", [{"closed_at": now, **row} for row in rows["ticks"]])
        put("occurrences", [{**row, "note": "", "taken_by": "", "taken_at": row["base_at"]} for row in rows["occurrences"]])
        put("enrollments", [{**row, "run_id": ""} for row in rows["enrollments"]])
        put("sends", list(_sends(rows)))
        put("controls", [{**row, "order_id": "", "ordered_by": "", "ordered_at": now, "note": ""} for row in rows["controls"]])
        put("suppressions", [{**row, "order_id": "", "since": now, "ordered_by": "", "note": ""} for row in rows["suppressions"]])
        put(
            "inbox_events",
            [
                {"event_id" if name == "id" else name: value for name, value in row.items()} | {"received_at": row["happened_at"], "told_by": ""}
                for row in rows["events"]
            ],
        )
        if applied is not None:
            put("definitions_applied", [{"digest": applied.digest, "compiled": applied.compiled, "first_run": "", "first_now": applied.now}])
            run = {
                "run_id": applied.run_id,
                "serial": 0,
                "now": applied.now,
                "engine_version": "",
                "definitions_digest": applied.digest,
                "commit": applied.commit,
            }
            put("runs", [{**run, "facts_digest": "", "plan_digest": "", "host": "", "pid": 0, "overrides": "[]", "planned": "{}"}])
        connection.execute("UPDATE ledger_meta SET last_now = $1", [view.last_now])


def _sends(rows: Mapping[str, list[dict[str, Any]]]) -> Iterable[dict[str, Any]]:
    """What was decided, with what caps count by where a mail went."""
    recent = {tuple(row[name] for name in _IDENTITY): row for row in rows["recent_sends"]}
    decided = {tuple(row[name] for name in _IDENTITY): row for row in rows["decided"]}
    for number, identity in enumerate(sorted({*recent, *decided}, key=lambda one: tuple(map(str, one))), 1):
        row, beside = decided.get(identity), recent.get(identity, {})
        said = row or beside
        skipped = said["state"] == "skipped"
        # Nobody works on a snapshot: what a worker held is planned, as a dead worker's rows are.
        state = "planned" if said["state"] in ("claimed", "dispatching") else said["state"]
        yield {
            **dict(zip(_IDENTITY, identity, strict=True)), "send_key": send_key(*identity), "number": number, "state": state,
            "reason": said.get("reason") or ("unknown" if state in ("skipped", "failed") else None), "due_at": said.get("due_at") or said["decided_at"],
            "decided_at": said["decided_at"], "judged_at": said["decided_at"], "updated_at": said["decided_at"], "run_id": "",
            "address_key": None if skipped else said["address_key"], "template": None if skipped else beside.get("template") or "", "category": beside.get("category"),
            "topic": beside.get("topic"), "ambiguous": bool(said.get("ambiguous")) and state not in ("skipped", "failed"), "sent_at": said["decided_at"] if state == "sent" else None,
        }  # fmt: skip


def _write_manifest(folder: Path, site: Site, tokens: Tokens, not_judged: Mapping[str, str]) -> None:
    definitions = site.definitions
    listed: dict[str, set[str]] = {}
    for id, keys in definitions.members.items():
        listed.setdefault(definitions.segments[id].entity, set()).update(keys)
    for file in definitions.enrollments.values():
        listed.setdefault(definitions.sequences[file.sequence].about, set()).update(map(str, file.contacts or ()))
    manifest = {
        "format": 1, "anonymised": True, "taken_at": f"{site.now.isoformat()}Z", "definitions": definitions.digest, "commit": definitions.commit,
        "not_judged": dict(not_judged), "named": {entity: dict(sorted(tokens.named(entity, keys).items())) for entity, keys in sorted(listed.items())},
    }  # fmt: skip
    (folder / MANIFEST).write_text(json.dumps(manifest, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
