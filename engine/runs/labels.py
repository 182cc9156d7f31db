"""What people call a record: its name, or that of the record that it belongs to; never a field that is personal."""

from __future__ import annotations

from collections.abc import Sequence

from engine.definitions.definitions import Definitions
from engine.facts.names import quoted
from engine.facts.snapshot import Needs, Snapshot

_NAME = "name"
_SHOWN = 3


class Labels:
    """By entity: where its label comes from."""

    def __init__(self, definitions: Definitions) -> None:
        entities = definitions.crm.entities
        own = {name for name, entity in entities.items() if _NAME in entity.fields and not entity.fields[_NAME].pii and entity.fields[_NAME].type == "text"}
        # The record that it belongs to is what people know: a contract is that of Lotus Hotel.
        self._via = {
            name: next(((relation.via, relation.one) for relation in entity.relations.values() if relation.one in own), None)
            for name, entity in entities.items()
        }
        self._own = own

    def needs(self) -> Needs:
        """The fields that labels read."""
        found: dict[str, frozenset[str]] = {name: frozenset([_NAME]) for name in self._own}
        for name, way in self._via.items():
            if way is not None:
                found[name] = found.get(name, frozenset()) | {way[0]}
        return found

    def of(self, snapshot: Snapshot, entity: str, keys: Sequence[str]) -> tuple[str, ...]:
        """The labels of the first few of the records, each once; empty where none may be shown."""
        way = self._via[entity]
        if way is not None:
            via, there = way
            query = f"""SELECT t.{_NAME} FROM (SELECT unnest($1::VARCHAR[]) AS k, generate_subscripts($1::VARCHAR[], 1) AS place) w
                        JOIN facts.{quoted(entity)} r ON r._key = w.k JOIN facts.{quoted(there)} t ON t._key = CAST(r.{quoted(via)} AS VARCHAR)"""
        elif entity in self._own:
            query = f"""SELECT t.{_NAME} FROM (SELECT unnest($1::VARCHAR[]) AS k, generate_subscripts($1::VARCHAR[], 1) AS place) w
                        JOIN facts.{quoted(entity)} t ON t._key = w.k"""
        else:
            return ()
        rows = snapshot.connection.execute(query + f" WHERE t.{_NAME} IS NOT NULL ORDER BY w.place", [list(keys)]).fetchall()
        return tuple(dict.fromkeys(name for (name,) in rows))[:_SHOWN]
