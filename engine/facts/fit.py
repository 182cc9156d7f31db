"""Whether the map fits the CRM: everything `validate --facts` says, with counts and with the place in the map."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from pathlib import Path

import duckdb

from engine.clock import FIRST_DAY, LAST_DAY, to_utc, zones
from engine.definitions.definitions import Definitions
from engine.definitions.paths import PathError, Scope, resolve
from engine.definitions.sequences import Sequence
from engine.definitions.triggers import DateTrigger, EventTrigger
from engine.facts.columns import has_text
from engine.facts.names import quoted
from engine.facts.needs import everything
from engine.facts.problems import DANGLING, FAR_DATES, NO_FLAG, UNKNOWN_ZONE, counted, field_place, mend, place
from engine.facts.reading import Facts, Reading, opened, read
from engine.problems import Problem

__all__ = ["check_facts", "mend"]


def check_facts(definitions: Definitions, source: Facts, root: Path, now: datetime) -> list[Problem]:
    """Every declared field of every entity against the CRM, sorted by place. Raises FactsUnreadable when it cannot be opened.

    Errors stop a plan that needs the field; warnings are what the semantics tolerates, and counts.
    """
    every = everything(definitions)
    with opened(definitions, source, root, every) as (connection, tables):
        reading = read(definitions, connection, tables, every)
        found = list(reading.problems)
        for check in (_dangling, _unknown_zones, _missing_flags, _far_dates):
            found.extend(check(definitions, reading))
    connection.close()
    return sorted(found, key=lambda problem: problem.sort_key)


def _has(reading: Reading, entity: str, field: str | None = None) -> bool:
    """Whether the entity stands in schema facts (it has no error), with the field."""
    if entity not in reading.built:
        return False
    return field is None or field in reading.shapes[entity].fields


def _count(connection: duckdb.DuckDBPyConnection, sql: str, values: dict[str, object] | None = None) -> tuple[int, ...]:
    return connection.execute(sql, values or {}).fetchone() or ()


def _dangling(definitions: Definitions, reading: Reading) -> Iterator[Problem]:
    """Values of `via` that are no record's key (7.5: such a path has no value). Each field once, whatever relations use it."""
    told: set[tuple[str, str, str]] = set()
    for name, entity in definitions.crm.entities.items():
        for relation_name, relation in entity.relations.items():
            if relation.one is not None:
                holder, via, target = name, relation.via, relation.one
            else:
                holder, via, target = relation.entity, relation.via.rpartition(".")[2], name
            if (holder, via, target) in told or not _has(reading, holder, via) or not _has(reading, target):
                continue
            told.add((holder, via, target))
            value = f"CAST(h.{quoted(via)} AS VARCHAR)"
            with_value = f"h.{quoted(via)} IS NOT NULL AND {has_text(value)}"
            lost = f"NOT EXISTS (SELECT 1 FROM facts.{quoted(target)} AS t WHERE t._key = {value})"
            there, nowhere = _count(reading.connection, f"SELECT count(*), count(*) FILTER ({lost}) FROM facts.{quoted(holder)} AS h WHERE {with_value}")
            if nowhere:
                yield Problem(
                    DANGLING,
                    f"`{holder}.{via}` of {counted(nowhere, 'record')} (of {there:,} that have a value) is the key of no `{target}`",
                    place(definitions, name, "relations", relation_name),
                    "none of them fits: is `via:` the right field?" if nowhere == there else "a path over it has no value (semantics 7.5)",
                    severity="warning",
                )


def _unknown_zones(definitions: Definitions, reading: Reading) -> Iterator[Problem]:
    contact = definitions.crm.contact
    if contact.timezone is None or not _has(reading, contact.entity, contact.timezone):
        return
    column = quoted(contact.timezone)
    (unknown,) = _count(
        reading.connection,
        f"SELECT count(*) FROM facts.{quoted(contact.entity)} WHERE {has_text(column)} AND NOT list_contains($zones, {column})",
        {"zones": sorted(zones())},
    )
    if unknown:
        yield Problem(
            UNKNOWN_ZONE,
            f"`{contact.entity}.{contact.timezone}` of {counted(unknown, 'record')} is no IANA time zone; the project's is used for them",
            definitions.where("crm", "crm").value("contact", "timezone"),
            "such as Asia/Bangkok or Europe/Berlin",
            severity="warning",
        )


def _missing_flags(definitions: Definitions, reading: Reading) -> Iterator[Problem]:
    """Contacts without a value in a flag, and what that counts as (4.7)."""
    contact = definitions.crm.contact
    said: list[tuple[str | None, str, tuple[str, ...]]] = [
        (contact.active, "active", ("active",)),
        (contact.unsubscribed, "not unsubscribed", ("unsubscribed",)),
    ]
    for topic, consent in contact.consent.items():
        opt_in = topic in definitions.project.topics and definitions.project.topics[topic].consent == "opt_in"
        said.append((consent, "no consent" if opt_in else "consent", ("consent", topic)))
    for field, meaning, loc in said:
        if field is None or not _has(reading, contact.entity, field):
            continue
        (empty,) = _count(reading.connection, f"SELECT count(*) FROM facts.{quoted(contact.entity)} WHERE {quoted(field)} IS NULL")
        if empty:
            yield Problem(
                NO_FLAG,
                f"`{contact.entity}.{field}` of {counted(empty, 'record')} has no value, which counts as {meaning}",
                definitions.where("crm", "crm").value("contact", *loc),
                "",
                severity="warning",
            )


def _far_dates(definitions: Definitions, reading: Reading) -> Iterator[Problem]:
    """Values of date triggers, and moments of events, that belong to no occurrence: none, before 1970-01-02, after 2100 (3.1)."""
    told: set[tuple[str, str]] = set()
    for sequence in definitions.sequences.values():
        named = _date_of(definitions, sequence)
        if named is None:
            continue
        try:
            path = resolve(definitions.crm, Scope(sequence.about, contact=True), tuple(named.split(".")))
        except PathError:
            continue
        name, field_name = path.end, path.field_name
        if field_name is None or (name, field_name) in told or not _has(reading, name, field_name):
            continue
        told.add((name, field_name))
        first, last = _range(definitions, path.field.type if path.field is not None else "date")
        empty, early, late = _count(
            reading.connection,
            f"SELECT count(*) FILTER ({quoted(field_name)} IS NULL), count(*) FILTER ({quoted(field_name)} < $first), count(*) FILTER ({quoted(field_name)} > $last)"
            f" FROM facts.{quoted(name)}",
            {"first": first, "last": last},
        )
        said = [f"{counted(early, 'record')} before {FIRST_DAY}"] * bool(early) + [f"{counted(late, 'record')} after {LAST_DAY.year}"] * bool(late)
        if empty:
            said.insert(0, f"{counted(empty, 'record')} without a value")
        if said:
            yield Problem(
                FAR_DATES,
                f"`{name}.{field_name}`: {', '.join(said)}; they start no sequence",
                field_place(definitions, name, field_name),
                "that may be meant: a record without the date has nothing to be told" if not early and not late else "",
                severity="warning",
            )


def _date_of(definitions: Definitions, sequence: Sequence) -> str | None:
    """The field whose values start the sequence."""
    if isinstance(sequence.trigger, DateTrigger):
        return sequence.trigger.date
    event = definitions.crm.events.get(sequence.trigger.event) if isinstance(sequence.trigger, EventTrigger) else None
    return f"{event.entity}.{event.at}" if event is not None and event.at is not None else None


def _range(definitions: Definitions, field_type: str) -> tuple[date | datetime, date | datetime]:
    if field_type == "date":
        return FIRST_DAY, LAST_DAY
    zone = definitions.project.timezone
    after_last = to_utc(datetime.combine(LAST_DAY + timedelta(days=1), time()), zone)
    return to_utc(datetime.combine(FIRST_DAY, time()), zone), after_last - timedelta(microseconds=1)
