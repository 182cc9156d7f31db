"""New keys for the records of one entity, wherever a ledger names them (semantics 8.10): what either home has to ask, change and refuse.

A home gives the question as tables of its connection: new_keys (old, new), of_entity (entity), about_it (sequence), by_record (sequence), and
new_send_keys (old, new) once it has reckoned them.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa

from engine.errors import EngineError
from engine.ledger.care import Rekeyed

# Tables that name a record by entity and key; memberships name it by the sequence alone.
_OF_AN_ENTITY = ("occurrences", "enrollments", "enrollment_history", "sends", "address_slots", "controls", "inbox_events")
_OF_A_CONTACT = ("enrollments", "enrollment_history", "sends", "controls")
# A mail that a provider may know under its old key would be another one to it under a new key.
ON_THE_WAY = "state IN ('claimed', 'dispatching') OR (state = 'planned' AND (ambiguous OR payload_hash IS NOT NULL OR known_until IS NOT NULL))"
# Of `known` (key): the new keys that two records would have, and the keys that have no new one.
TWICE = "SELECT count(*) FROM (SELECT coalesce(n.new, k.key) AS key FROM known k LEFT JOIN new_keys n ON n.old = k.key GROUP BY 1 HAVING count(*) > 1) q"
MISSING = "SELECT key FROM known WHERE key NOT IN (SELECT old FROM new_keys) ORDER BY key"

# The definitions of the last apply.
LAST_APPLIED = "SELECT d.digest, d.compiled FROM runs r JOIN definitions_applied d ON d.digest = r.definitions_digest ORDER BY r.serial DESC LIMIT 1"


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

    def tables(self) -> dict[str, pa.Table]:
        """The question, as far as it can be said before the ledger is read."""
        return {
            "new_keys": pa.table({"old": pa.array(self.map.keys(), pa.string()), "new": pa.array(self.map.values(), pa.string())}),
            "of_entity": pa.table({"entity": pa.array([self.entity], pa.string())}),
            "about_it": pa.table({"sequence": pa.array(self.sequences, pa.string())}),
            "by_record": pa.table({"sequence": pa.array(self.by_record, pa.string())}),
        }

    def known(self, source: str = "") -> str:
        """The query for the keys that the ledger knows; `source` stands before the names of its tables."""
        asked = [f"SELECT record AS key FROM {source}{table} WHERE entity = (SELECT entity FROM of_entity)" for table in _OF_AN_ENTITY]
        asked.append(f"SELECT record FROM {source}memberships WHERE sequence IN (SELECT sequence FROM about_it)")
        if self.is_contact:
            asked += [f"SELECT contact FROM {source}{table}" for table in _OF_A_CONTACT]
        # A file that enrolls a segment has a row of its own, which is about no record.
        return f"SELECT DISTINCT key FROM ({' UNION ALL '.join(asked)}) q WHERE key <> ''"

    def columns_of(self, table: str, columns: set[str]) -> Iterator[tuple[str, str]]:
        """The columns of a table `t` that name a record or a send, with what they become."""
        of_entity = "t.entity = (SELECT entity FROM of_entity)" if "entity" in columns else "t.sequence IN (SELECT sequence FROM about_it)"
        if table in _OF_AN_ENTITY or table == "memberships":
            yield "record", f"CASE WHEN {of_entity} THEN {_new('record')} ELSE t.record END"
        if self.by_record and {"entity", "occurrence"} <= columns:
            yield "occurrence", f"CASE WHEN {of_entity} AND t.sequence IN (SELECT sequence FROM by_record) THEN {_new('occurrence')} ELSE t.occurrence END"
        if self.is_contact and table in _OF_A_CONTACT:
            yield "contact", _new("contact")
        # The plan's lock has a holder too, which is no send.
        of_sends = {"send_key", "message", *(("holder",) if table == "address_slots" else ())}
        for column in sorted(of_sends & columns):
            yield column, f"coalesce((SELECT k.new FROM new_send_keys k WHERE k.old = t.{column}), t.{column})"

    def covered(self, found: Rekeyed, sends: int) -> tuple[object, ...]:
        """What the link of the chain says of it."""
        return "rekey", self.entity, self.field, json.dumps(sorted(self.map.items())), found.known, len(found.missing), sends

    def applied(self, compiled: str) -> str | None:
        """The definitions of the last apply as if `field` had identified a record then, so that an apply follows them; None: they know no such entity."""
        said = json.loads(compiled)
        if self.entity not in said.get("crm", {}).get("entities", {}):
            return None
        said["crm"]["entities"][self.entity]["key"] = self.field
        return json.dumps(said, sort_keys=True, ensure_ascii=False, separators=(",", ":"))


def _new(column: str) -> str:
    return f"coalesce((SELECT n.new FROM new_keys n WHERE n.old = t.{column}), t.{column})"


def refuse(on_the_way: int, twice: int) -> None:
    """EngineError while mails are on their way, and for two records that would be one."""
    if on_the_way:
        raise EngineError(
            f"{on_the_way:,} mails are on their way, and a provider may know them by their keys",
            help="let `engine apply` or `engine deliver` end them first; `engine sends --state planned` shows what waits for another attempt",
        )
    if twice:
        raise EngineError(
            f"{twice:,} new keys would be those of two records each, and their histories one",
            help="every new key stands once, and is no key that a record without a new one keeps; nothing was changed",
        )
