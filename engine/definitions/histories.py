"""Which rules on history the definitions have (semantics 7.6): what a plan must ask the ledger before it can judge them."""

from __future__ import annotations

from collections.abc import Iterator

from engine.definitions.definitions import Definitions
from engine.definitions.rules import History, Rule, walk
from engine.definitions.sequences import Sequence


def histories(definitions: Definitions) -> tuple[History, ...]:
    """Every rule on history, of segments, sequences and variables."""
    rules = [rule for sequence in definitions.sequences.values() for rule in rules_of_sequence(sequence)]
    rules += [segment.rules for segment in definitions.segments.values()]
    rules += [variable.where for type_ in definitions.types.values() for variable in type_.variables.values()]
    return tuple(found for rule in rules if rule is not None for found in walk(rule) if isinstance(found, History))


def rules_of_sequence(sequence: Sequence) -> Iterator[Rule | None]:
    """Every rule that stands in a sequence's file."""
    yield from (getattr(sequence.trigger, "where", None), sequence.goal, sequence.exit_when)
    if sequence.audience is not None:
        yield sequence.audience.where
        yield from (group for group in sequence.audience.first_of or () if not isinstance(group, str))
    for step in sequence.steps:
        yield step.if_
        yield from (choice.if_ for choice in step.choices)
