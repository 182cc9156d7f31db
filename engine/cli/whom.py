"""Whom an order is about: a sequence, contacts or records, one or many, said, in a file or a segment."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, TypeVar

import click

from engine.cli.door import Door
from engine.cli.ordering import entity_named, record_named, sequence_named
from engine.errors import DefinitionsInError, WrongUsage

if TYPE_CHECKING:
    from engine.definitions.definitions import Definitions

Wrapped = TypeVar("Wrapped", bound=Callable[..., Any])
_SAID = 3
_PLACES = 10


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
        click.option(
            "--company", "companies", multiple=True, metavar="KEY", help="A company of a SEQUENCE: its contacts, where the sequence is about contacts."
        ),
        click.option("--record", "records", multiple=True, metavar="ENTITY:KEY", help="What the way is about, such as contract:17; may be said several times."),
        click.option("--contact", "contacts", multiple=True, metavar="KEY", help="The contact's key in the CRM; may be said several times."),
        click.argument("sequence", required=False),
    ):
        function = decorate(function)
    return function


@dataclass(frozen=True)
class Whom:
    """`contacts`, or records of `entity`, of one sequence or of all; `places` says where a file names each key.

    Contacts that were named by what they belong to are `of` it, in words; `beside` is what else is to be said of whom was named.
    """

    sequence: str | None = None
    contacts: tuple[str, ...] = ()
    entity: str | None = None
    records: tuple[str, ...] = ()
    places: dict[str, str] = field(default_factory=dict)
    # Only keys that were typed are said again: those of a segment or a file may be addresses.
    typed: bool = True
    of: str = ""
    beside: str = ""

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
                said.append(_several(len(keys), noun) + self.of)
            else:
                said += [f"{noun} {key}" for key in keys]
        return ", ".join(said) or "the whole project"


def chosen_by(door: Door, given: dict[str, Any], *, say_keys: bool = True) -> Whom:
    """Whom the options of `whom` name; `say_keys`: keys that were typed are said again. WrongUsage for what is not there, before anything is changed."""
    sequence, contacts, companies = given["sequence"], list(given["contacts"]), given["companies"]
    segment, file, keys_of = given["segment"], given["file"], given["keys_of"]
    definitions = _definitions(door) if sequence or given["records"] or segment or keys_of or companies else None
    if sequence and definitions:
        sequence_named(definitions, sequence)
    named = [record_named(definitions, text) if definitions else _split(text) for text in given["records"]]
    if companies:
        named += _companies(door, sequence, companies)
    places: dict[str, str] = {}
    placed = None
    if file:
        placed, places = _of(definitions, keys_of), _places(file)
        if placed is None:
            contacts += places
        else:
            named += [(placed, key) for key in places]
    if segment:
        entity, keys = _members(door, segment)
        if entity is None:
            contacts += keys
        else:
            named += [(entity, key) for key in keys]
    meant = Whom(sequence, tuple(contacts), None, (), places, say_keys and not (file or segment))
    if definitions is None:
        beside = "The definitions cannot be read now, so a record is meant itself, and not the contacts that belong to it." if named else ""
        return _gathered((replace(meant, beside=beside), named))
    return _gathered(_by_belonging(door, meant, named, definitions, placed))


def _gathered(found: tuple[Whom, Sequence[tuple[str, str]]]) -> Whom:
    """Contacts and records as one order names them: each once, and of one kind where they are many."""
    meant, named = found
    entities = {entity for entity, _ in named}
    whom = replace(
        meant, contacts=tuple(dict.fromkeys(meant.contacts)), entity=next(iter(entities), None), records=tuple(dict.fromkeys(key for _, key in named))
    )
    if len(entities) > 1 or (whom.many and whom.contacts and whom.records):
        raise WrongUsage("many at once are contacts, or records of one entity", help="give one order for each kind")
    return whom


def _by_belonging(
    door: Door, meant: Whom, named: Sequence[tuple[str, str]], definitions: Definitions, placed: str | None
) -> tuple[Whom, Sequence[tuple[str, str]]]:
    """Where the sequence is about contacts, a company is its contacts, as `engine enroll` puts them on the way (3.5). Other records stay.

    `placed` is the entity of the keys that a file names; None is contacts.
    """
    crm = definitions.crm
    owners = {relation.one for relation in crm.entities[crm.contact.entity].relations.values() if relation.one} - {crm.contact.entity}
    of_contacts = [(entity, key) for entity, key in named if entity in owners]
    if meant.sequence is None:
        beside = f"Only what is about the {of_contacts[0][0]} itself is meant; to mean its contacts too, name the SEQUENCE." if of_contacts else ""
        return replace(meant, beside=beside), named
    if definitions.sequences[meant.sequence].about != crm.contact.entity:
        return meant, named
    # About a contact and for a contact are one way here.
    themselves = tuple(key for entity, key in named if entity == crm.contact.entity)
    meant = replace(meant, contacts=(*meant.contacts, *themselves))
    rest = [(entity, key) for entity, key in named if entity not in owners and entity != crm.contact.entity]
    return (_with_contacts_of(door, meant, of_contacts, placed) if of_contacts else meant), rest


def _with_contacts_of(door: Door, meant: Whom, owners: Sequence[tuple[str, str]], placed: str | None) -> Whom:
    """Also the contacts of these companies, as the CRM has them now. WrongUsage where they have none, and nobody else is named."""
    from engine.cli.enrolling import belonging, records_of
    from engine.runs.planning import facts_with_past

    site = door.site()
    contact = site.definitions.crm.contact.entity
    by_entity: dict[str, list[str]] = {}
    for entity, key in owners:
        by_entity.setdefault(entity, []).append(key)
    with facts_with_past(site, belonging(site, contact)) as snapshot:
        found = {entity: records_of(site, snapshot, contact, entity, keys) for entity, keys in by_entity.items()}
    # A contact and a company may have the same key: only those of the file have a line in it.
    lines = {(placed, key): place for key, place in meant.places.items()}
    whose = {contact: lines.get((entity, key), "") for entity, key in owners for contact in found[entity].get(key, ())}
    without = list(dict.fromkeys((entity, key) for entity, key in owners if not found[entity].get(key)))
    noun = owners[0][0]
    if not whose and not meant.contacts:
        raise WrongUsage(f"no contact of the CRM belongs to {'that ' + noun if len(owners) == 1 else 'any of those ' + _many(noun)}; nothing was changed")
    one = len(owners) == 1 and meant.typed
    return replace(
        meant,
        contacts=(*meant.contacts, *whose),
        places=meant.places if placed is None else {contact: place for contact, place in whose.items() if place},
        typed=False,
        of="" if meant.contacts else f" of {noun} {owners[0][1]}" if one else f" of {_several(len(set(owners)), noun)}",
        beside=_without(noun, len(without), [lines[owner] for owner in without if owner in lines]),
    )


def _without(noun: str, count: int, lines: Sequence[str]) -> str:
    """How many have nobody, and where the file names them; nothing where all have."""
    if not count:
        return ""
    where = f" ({', '.join(lines[:_PLACES])}{', …' if len(lines) > _PLACES else ''})" if lines else ""
    return f"{_several(count, noun)} {'has' if count == 1 else 'have'} no contact in the CRM{where}: nothing changes there."


def _companies(door: Door, sequence: str | None, keys: Sequence[str]) -> list[tuple[str, str]]:
    """What --company names. WrongUsage without a sequence, which says what a company means, or with one that companies have no part in."""
    definitions = door.site().definitions
    entity = entity_named(definitions, "company")
    if sequence is None:
        raise WrongUsage(
            "--company needs a SEQUENCE: it says whether a company or its contacts are on the way", help="`--record company:KEY` is what is about the company"
        )
    about, contact = definitions.sequences[sequence].about, definitions.crm.contact.entity
    belongs = any(relation.one == entity for relation in definitions.crm.entities[contact].relations.values())
    if about != entity and not (about == contact and belongs):
        from engine.views.phrases import with_article

        raise WrongUsage(
            f"`{sequence}` is about {with_article(about)}, not about {with_article(entity)}",
            help=f"name the record, --record {about}:KEY, or who gets its mails, --contact KEY",
        )
    return [(entity, key) for key in keys]


def _several(count: int, noun: str) -> str:
    return f"{count:,} {noun if count == 1 else _many(noun)}"


def _many(noun: str) -> str:
    return f"{noun[:-1]}ies" if noun.endswith("y") else f"{noun}s"


def _places(file: str) -> dict[str, str]:
    """Where a file names each key first. WrongUsage where it names nobody."""
    from engine.cli.keys_from import named_in

    places: dict[str, str] = {}
    for one in named_in(file):
        places.setdefault(one.key, one.place)
    if not places:
        raise WrongUsage(f"{file} names nobody", help="write one key a line, or a CSV with the column `key`")
    return places


def _definitions(door: Door) -> Definitions | None:
    """None where they are in error: an order never waits for a YAML file, and then no name is checked."""
    try:
        return door.site().definitions
    except DefinitionsInError:
        return None


def _split(text: str) -> tuple[str, str]:
    entity, sign, key = text.partition(":")
    if not (entity and sign and key.strip()):
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
