"""Whom an order is about: a sequence, contacts or records, one or many, said, in a file or a segment."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

import click

from engine.cli.door import Door
from engine.cli.ordering import entity_named, record_named, sequence_named
from engine.errors import DefinitionsInError, WrongUsage

if TYPE_CHECKING:
    from engine.definitions.definitions import Definitions

Wrapped = TypeVar("Wrapped", bound=Callable[..., Any])
_SAID = 3


def whom(function: Wrapped) -> Wrapped:
    """The argument and options that say whom."""
    for decorate in (
        click.option("--dry-run", is_flag=True, help="Say whom it would touch, and change nothing."),
        click.option("--note", default="", help="Why; `engine enrollments` and `engine status` show it."),
        click.option("--keys-of", metavar="ENTITY", help="What the keys of FILE are, if not contacts."),
        click.option(
            "--from", "file", type=click.Path(dir_okay=False), metavar="FILE", help="Keys of a CSV (column `key`), JSON or Excel file, or one a line."
        ),
        click.option("--segment", metavar="ID", help="The members of a segment, as they are now."),
        click.option("--record", "records", multiple=True, metavar="ENTITY:KEY", help="What the way is about, such as contract:17; may be said several times."),
        click.option("--contact", "contacts", multiple=True, metavar="KEY", help="The contact's key in the CRM; may be said several times."),
        click.argument("sequence", required=False),
    ):
        function = decorate(function)
    return function


@dataclass(frozen=True)
class Whom:
    """`contacts`, or records of `entity`, of one sequence or of all; `places` says where a file names each key."""

    sequence: str | None = None
    contacts: tuple[str, ...] = ()
    entity: str | None = None
    records: tuple[str, ...] = ()
    places: dict[str, str] = field(default_factory=dict)
    # Only keys that were typed are said again: those of a segment or a file may be addresses.
    typed: bool = True

    @property
    def many(self) -> bool:
        return len(self.contacts) > 1 or len(self.records) > 1

    @property
    def keys(self) -> tuple[str, ...]:
        return self.records or self.contacts

    @property
    def target(self) -> dict[str, Any]:
        """The part of an order that says whom."""
        if self.many:
            return {"sequence": self.sequence, "entity": self.entity, "contacts": self.contacts, "records": self.records}
        one: dict[str, Any] = {"sequence": self.sequence, "entity": self.entity}
        return one | {"contact": next(iter(self.contacts), None), "record": next(iter(self.records), None)}

    def meets(self, sequence: str | None, entity: str | None, record: str | None, contact: str | None) -> bool:
        """Whether a way is meant."""
        return (
            self.sequence in (None, sequence)
            and (not self.contacts or contact in self._contacts)
            and (not self.records or (entity == self.entity and record in self._records))
        )

    def __post_init__(self) -> None:
        object.__setattr__(self, "_contacts", frozenset(self.contacts))
        object.__setattr__(self, "_records", frozenset(self.records))

    _contacts: frozenset[str] = field(init=False, repr=False, default=frozenset())
    _records: frozenset[str] = field(init=False, repr=False, default=frozenset())

    def __str__(self) -> str:
        said = [f"`{self.sequence}`"] if self.sequence else []
        for noun, keys in (("contact", self.contacts), (self.entity or "record", self.records)):
            if len(keys) > _SAID or (keys and not self.typed):
                said.append(f"{len(keys):,} {noun if len(keys) == 1 else noun[:-1] + 'ies' if noun.endswith('y') else noun + 's'}")
            else:
                said += [f"{noun} {key}" for key in keys]
        return ", ".join(said) or "the whole project"


def chosen_by(door: Door, given: dict[str, Any]) -> Whom:
    """Whom the options of `whom` name. WrongUsage for what is not there, before anything is changed."""
    sequence, contacts, records = given["sequence"], list(given["contacts"]), list(given["records"])
    segment, file, keys_of = given["segment"], given["file"], given["keys_of"]
    definitions = _definitions(door) if sequence or records or segment or keys_of else None
    if sequence and definitions:
        sequence_named(definitions, sequence)
    named = [record_named(definitions, text) if definitions else _split(text) for text in records]
    places: dict[str, str] = {}
    if file:
        from engine.cli.keys_from import named_in

        entity = _of(definitions, keys_of)
        for one in named_in(file):
            places.setdefault(one.key, one.place)
        if not places:
            raise WrongUsage(f"{file} names nobody", help="write one key a line, or a CSV with the column `key`")
        if entity is None:
            contacts += places
        else:
            named += [(entity, key) for key in places]
    if segment:
        entity, keys = _members(door, segment)
        if entity is None:
            contacts += keys
        else:
            named += [(entity, key) for key in keys]
    entities = {entity for entity, _ in named}
    whom = Whom(
        sequence, tuple(dict.fromkeys(contacts)), next(iter(entities), None), tuple(dict.fromkeys(key for _, key in named)), places, not (file or segment)
    )
    if len(entities) > 1 or (whom.many and whom.contacts and whom.records):
        raise WrongUsage("many at once are contacts, or records of one entity", help="give one order for each kind")
    return whom


def _definitions(door: Door) -> Definitions | None:
    """None where they are in error: an order never waits for a YAML file, and then no name is checked."""
    try:
        return door.site().definitions
    except DefinitionsInError:
        return None


def _split(text: str) -> tuple[str, str]:
    entity, sign, key = text.partition(":")
    if not (entity and sign and key):
        raise WrongUsage(f"{text!r} names no record", help="write ENTITY:KEY")
    return entity, key


def _of(definitions: Definitions | None, keys_of: str | None) -> str | None:
    """The entity of a file's keys; None for contacts."""
    if keys_of is None or definitions is None:
        return keys_of
    entity = entity_named(definitions, keys_of)
    return None if entity == definitions.crm.contact.entity else entity


def _members(door: Door, id: str) -> tuple[str | None, list[str]]:
    """A segment's entity, None for contacts, and its members now."""
    from engine.cli.enrolling import members_now
    from engine.definitions.translating import did_you_mean
    from engine.runs.planning import facts_with_past

    site = door.site()
    if id not in site.definitions.segments:
        raise WrongUsage(f"there is no segment `{id}`", help=did_you_mean(id, site.definitions.segments, "the segments are"))
    with facts_with_past(site) as snapshot:
        members = members_now(site, snapshot, id)
    if not members:
        raise WrongUsage(f"the segment `{id}` has no members now; nothing was changed")
    entity = members[0][0]
    return (None if entity == site.definitions.crm.contact.entity else entity), [key for _, key in members]
