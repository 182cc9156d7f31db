"""One value by a path: the column at its end, with the to-one hops on the way as joins."""

from __future__ import annotations

from sqlglot import exp

from engine.definitions.paths import Hop, Path
from engine.relations.joins import Joins
from engine.relations.joins import column as named


def column(path: Path, *, record: str | None, contact: str | None, joins: Joins) -> exp.Expression:
    """The field that the path ends at, from the record or contact under these aliases; NULL where a hop leads nowhere (7.5).

    `contract.company.industry` from the alias `record` is `"record.company"."industry"`.
    """
    if path.field_name is None:
        raise ValueError(f"a path to {path.end} is a record, not a value")
    return named(arrive(start(path, record=record, contact=contact), path.hops, joins), path.field_name)


def start(path: Path, *, record: str | None, contact: str | None) -> str:
    """The alias at which the path starts."""
    alias = record if path.start == "record" else contact
    if alias is None:
        raise ValueError(f"no {path.start} is at hand for a path that starts there")
    return alias


def arrive(alias: str, hops: tuple[Hop, ...], joins: Joins) -> str:
    """The alias of the record at the end of to-one hops."""
    for hop in hops:
        if hop.many:
            raise ValueError(f"`{hop.name}` leads to many records and has no one value")
        alias = joins.hop(alias, hop)
    return alias


def split(hops: tuple[Hop, ...]) -> tuple[tuple[Hop, ...], tuple[Hop, ...]]:
    """The to-one hops before the first to-many hop, and the rest."""
    first = next((index for index, hop in enumerate(hops) if hop.many), len(hops))
    return hops[:first], hops[first:]
