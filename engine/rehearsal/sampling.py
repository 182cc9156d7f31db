"""A campaign test from real data: the records around one contact, with made-up names and addresses and keys of their own.

Nothing that identifies a person goes over: what the map calls pii, names, and every text that no rule looks at is left
out, and the case's defaults stand in for it. Dates, amounts and choices stay, because the plan depends on them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import duckdb

from engine.clock import aware
from engine.definitions.cases import Case, key_at
from engine.definitions.crm import Crm
from engine.definitions.definitions import Definitions
from engine.definitions.paths import Path, PathError, Scope, resolve
from engine.definitions.rules import All, AnyOf, Compare, Not, Related, Rule
from engine.definitions.using import rules_of
from engine.definitions.yaml_writing import as_block
from engine.errors import WrongUsage
from engine.rehearsal.given import filled, links
from engine.rehearsal.proving import Prover, each_kind
from engine.rehearsal.updating import row_of
from engine.runs.opening import Site

# So many related records of a kind are enough for a test that somebody reads.
MOST = 20
WIDTH = 120
_Key = tuple[str, str]


def case_of_contact(site: Site, contact: str) -> str:
    """One case as YAML, to be put into a file of definitions/tests/. WrongUsage for a contact that is not in the CRM."""
    definitions = site.definitions
    with site.read_facts() as snapshot:
        sample = _Sample(definitions, snapshot.connection, snapshot.fields)
        sample.take(definitions.crm.contact.entity, contact)
        records = sample.made_up()
    now = aware(site.now, definitions.project.timezone).isoformat(timespec="minutes")
    said: dict[str, Any] = {"name": "as it was for one contact", "now": now, "given": records, "expect": {}}
    case = Case.model_validate(said)
    with Prover(definitions) as prover:
        ran = prover.run(case)
    for kind, rows in each_kind(ran.rows):
        if rows or kind == "sends":
            said["expect"][kind] = [row_of(definitions, case, row) for row in rows]
    if not ran.rows:
        said["expect"] = {"nothing": True}
    head = "# Made from real data; names, addresses and keys are made up. The ledger was not asked: what was sent before is not in it.\n"
    return head + as_block([said], 0, width=WIDTH).lstrip("\n") + "\n"


class _Sample:
    """Records around a contact, as they are met: what it leads to, what belongs to that, and what these lead to."""

    def __init__(self, definitions: Definitions, connection: duckdb.DuckDBPyConnection, fields: Mapping[str, tuple[str, ...]]) -> None:
        self.definitions, self.fields = definitions, fields
        self.cursor = connection.cursor()
        self.rows: dict[_Key, dict[str, Any]] = {}
        self.numbers: dict[str, dict[str, int]] = {}

    def take(self, entity: str, key: str) -> None:
        if not self._add(entity, "_key", key):
            raise WrongUsage(f"there is no {entity} {key} in the CRM", help="say the key that the CRM has for the contact")
        owners = list(self._follow_one(list(self.rows)))
        many = [found for owner in owners for found in self._follow_many(owner)]
        list(self._follow_one(many))

    def _add(self, entity: str, field: str, value: str) -> list[_Key]:
        names = [name for name in self.fields[entity] if name != "_key"]
        columns = ", ".join(f'"{name}"' for name in ("_key", *names))
        found = self.cursor.execute(
            f'SELECT {columns} FROM facts."{entity}" WHERE CAST("{field}" AS VARCHAR) = $1 ORDER BY try_cast("_key" AS BIGINT), "_key" LIMIT {MOST}', [value]
        ).fetchall()
        new = []
        for row in found:
            key = (entity, str(row[0]))
            if key not in self.rows:
                self.rows[key] = dict(zip(("_key", *names), row, strict=True))
                numbers = self.numbers.setdefault(entity, {})
                numbers[key[1]] = len(numbers) + 1
                new.append(key)
        return new or [(entity, str(row[0])) for row in found]

    def _follow_one(self, begin: list[_Key]) -> Iterator[_Key]:
        for key in begin:
            for via, there in links(self.definitions, key[0]).items():
                value = self.rows[key].get(via)
                if there in self.fields and value is not None:
                    yield from self._add(there, "_key", str(value))

    def _follow_many(self, owner: _Key) -> Iterator[_Key]:
        """What belongs to the record: by its own relations, and by those of others that lead to it."""
        entities = self.definitions.crm.entities
        own = {(one.many, one.via.removeprefix(f"{one.many}.")) for one in entities[owner[0]].relations.values() if one.many}
        others = {(name, one.via) for name, entity in entities.items() for one in entity.relations.values() if one.one == owner[0]}
        for name, via in sorted(own | others):
            if name in self.fields and via in self.fields[name]:
                yield from self._add(name, via, owner[1])

    def made_up(self) -> dict[str, list[dict[str, Any]]]:
        """The rows by entity, with new keys, the joins kept, and nothing personal."""
        made: dict[str, list[dict[str, Any]]] = {}
        kept = kept_texts(self.definitions)
        for (name, key), row in self.rows.items():
            made.setdefault(name, []).append(self._row(name, key, row, kept))
        return made

    def _new_key(self, name: str, key: str, type_: str) -> int | str | None:
        """The made-up key of a record as a field of this type holds it; None for one that was not met."""
        number = self.numbers.get(name, {}).get(key)
        made = None if number is None else key_at(self.definitions.crm, name, number)
        return str(made) if made is not None and type_ == "text" else made

    def _row(self, name: str, key: str, row: Mapping[str, Any], kept: frozenset[_Key]) -> dict[str, Any]:
        entity, contact = self.definitions.crm.entities[name], self.definitions.crm.contact
        new: dict[str, Any] = {entity.key: self._new_key(name, key, entity.fields[entity.key].type if entity.key in entity.fields else "")}
        leads = links(self.definitions, name)
        personal = {contact.address, contact.name} if name == contact.entity else set()
        defaults = filled(self.definitions, name, new)
        for field, value in row.items():
            if field in ("_key", entity.key):
                continue
            declared = entity.fields[field]
            if field in leads:
                linked = self._new_key(leads[field], str(value), declared.type)
                if linked is not None:
                    new[field] = linked
            elif value is None or (isinstance(value, str) and not value.strip()):
                if defaults.get(field) is not None:
                    new[field] = None
            elif declared.pii or field in personal or (declared.type == "text" and not declared.choices and (name, field) not in kept):
                # A number or a date that is personal has no default to stand in for it.
                continue
            else:
                new[field] = _plain(value)
        return new


def kept_texts(definitions: Definitions) -> frozenset[_Key]:
    """The fields of entities that a rule compares, and those that say the language and the zone: without their values the plan would be another."""
    crm, contact = definitions.crm, definitions.crm.contact
    found = {(contact.entity, name) for name in (contact.language, contact.timezone) if name}
    found |= {(name, field) for name, entity in crm.entities.items() for field in entity.fields if field == "currency" or field.endswith("_currency")}
    abouts = tuple(Scope(about, contact=True) for about in sorted({sequence.about for sequence in definitions.sequences.values()}))
    # A rule of an audience may begin at the contact, with or without its name.
    people = (Scope(contact.entity, contact=True), Scope(contact.entity, bare=True))
    for sequence in definitions.sequences.values():
        found.update(_compared(crm, rules_of(sequence), (Scope(sequence.about, contact=True), *people)))
    for segment in definitions.segments.values():
        found.update(_compared(crm, rules_of(segment), (Scope(segment.entity), Scope(segment.entity, bare=True))))
    for variable in (one for type_ in definitions.types.values() for one in type_.variables.values()):
        inside = tuple(Scope(path.end, bare=True) for path in _paths(crm, tuple(variable.path.split(".")), abouts))
        found.update(_compared(crm, rules_of(variable.where), inside))
    return frozenset(found)


def _compared(crm: Crm, rules: Iterable[Rule], scopes: tuple[Scope, ...]) -> Iterator[_Key]:
    """The entity and field of all that the rules compare, in whichever of the scopes it can be meant."""
    for rule in rules:
        if isinstance(rule, Compare):
            yield from ((path.end, path.field_name) for path in _paths(crm, rule.path, scopes) if path.field_name is not None)
        elif isinstance(rule, All | AnyOf):
            yield from _compared(crm, rule.rules, scopes)
        elif isinstance(rule, Not):
            yield from _compared(crm, (rule.rule,), scopes)
        elif isinstance(rule, Related) and rule.where is not None:
            yield from _compared(crm, (rule.where,), tuple(Scope(path.end, bare=True) for path in _paths(crm, rule.path, scopes)))


def _paths(crm: Crm, parts: tuple[str, ...], scopes: tuple[Scope, ...]) -> Iterator[Path]:
    for scope in scopes:
        with suppress(PathError):
            yield resolve(crm, scope, parts)


def _plain(value: Any) -> Any:
    """A value as YAML writes it."""
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    if isinstance(value, datetime):
        return f"{value.isoformat(timespec='seconds')}+00:00"
    return value.isoformat() if isinstance(value, date) else value
