"""Sequences and steps as the definitions call them, and as the ledger keeps them (semantics 8.7).

A plan is made under the names of the definitions; its send keys and what an apply writes are under the ids that the ledger keeps.
Without a renaming all this is nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

import pyarrow as pa
import pyarrow.compute as pc

from engine.definitions.definitions import Definitions
from engine.errors import DefinitionsInError
from engine.ledger.names import Names, names_of
from engine.ledger.records import NAMES, LedgerView
from engine.problems import Problem

Step = tuple[str, str]


@dataclass(frozen=True)
class Identity:
    """`sequences` and `steps` are what the definitions call otherwise than the ledger: kept ids by names, names by kept ids.

    `names` are the rows that an apply writes: what the ledger does not know yet.
    """

    sequences: Mapping[str, str] = field(default_factory=dict)
    steps: Mapping[Step, Step] = field(default_factory=dict)
    called: Mapping[str, str] = field(default_factory=dict)
    called_steps: Mapping[Step, str] = field(default_factory=dict)
    names: pa.Table = field(default_factory=NAMES.empty_table)

    def __bool__(self) -> bool:
        return bool(self.called or self.called_steps)

    def kept_sequence(self, sequence: str) -> str:
        """The id under which the ledger keeps a sequence of the definitions."""
        return self.sequences.get(sequence, sequence)

    def kept(self, sequence: str, step: str) -> Step:
        """Where the ledger keeps a step of the definitions."""
        sequence = self.kept_sequence(sequence)
        return self.steps.get((sequence, step), (sequence, step))

    def named_view(self, view: LedgerView) -> LedgerView:
        """What the ledger answered, under the names of the definitions."""
        if not self:
            return view
        return replace(view, tables={name: table if name in ("names", "followed") else self.named(table) for name, table in view.tables.items()})

    def kept_changes(self, changes: Mapping[str, pa.Table]) -> Mapping[str, pa.Table]:
        """What a plan writes, under the ids of the ledger."""
        if not self:
            return changes
        return {name: table if name in ("names", "followed") else self._kept(table) for name, table in changes.items()}

    def named(self, table: pa.Table) -> pa.Table:
        """A table of the ledger under the names of the definitions."""
        if "sequence" not in table.schema.names or not table.num_rows:
            return table
        kept = table["sequence"]
        if "step" in table.schema.names and self.called_steps:
            table = _with(table, "step", _replaced_pairs(kept, table["step"], self.called_steps))
        return _with(table, "sequence", _replaced(kept, self.called))

    def _kept(self, table: pa.Table) -> pa.Table:
        if "sequence" not in table.schema.names or not table.num_rows:
            return table
        kept = _replaced(table["sequence"], self.sequences)
        if "step" in table.schema.names and self.steps:
            table = _with(table, "step", _replaced_pairs(kept, table["step"], {place: step for place, (_, step) in self.steps.items()}))
        return _with(table, "sequence", kept)


# Nothing was ever renamed.
UNCHANGED = Identity()


def identity(definitions: Definitions, view: LedgerView, now: datetime) -> Identity:
    """Which is which. Raises DefinitionsInError where two claim one history, or where one has a history of its own already."""
    names = names_of(view.tables["names"].to_pylist())
    if not names and not any(s.renamed_from is not None or any(step.renamed_from for step in s.steps) for s in definitions.sequences.values()):
        return UNCHANGED
    problems: list[Problem] = []
    kept = {id: names.kept(id, sequence.renamed_from) for id, sequence in definitions.sequences.items()}
    known = set(view.tables["starts"]["sequence"].to_pylist()) | set(view.tables["enrollments"]["sequence"].to_pylist())
    problems += _clashes(definitions, kept, names, known)
    steps: dict[Step, Step] = {}
    called_steps: dict[Step, str] = {}
    known_steps = set(zip(view.tables["step_starts"]["sequence"].to_pylist(), view.tables["step_starts"]["step"].to_pylist(), strict=True))
    for id, sequence in definitions.sequences.items():
        own = {step.id: names.kept_step(kept[id], step.id, step.renamed_from) for step in sequence.steps}
        problems += _step_clashes(definitions, id, kept[id], own, names, known_steps)
        steps |= {(kept[id], name): (kept[id], stored) for name, stored in own.items() if name != stored}
        called_steps |= {(kept[id], stored): name for name, stored in own.items() if name != stored}
    if problems:
        raise DefinitionsInError(problems)
    # What is gone from the definitions is called as it was last.
    gone = {
        sequence: name
        for (sequence, step), name in names.called.items()
        if not step and sequence not in kept.values() and name not in kept and name != sequence
    }
    called = gone | {stored: id for id, stored in kept.items() if id != stored}
    rows = [*_new_names(names, {(stored, ""): id for id, stored in kept.items()}, now), *_new_names(names, _all_steps(definitions, kept, steps), now)]
    return Identity({name: stored for stored, name in called.items()}, steps, called, called_steps, pa.Table.from_pylist(rows, NAMES))


def _all_steps(definitions: Definitions, kept: Mapping[str, str], steps: Mapping[Step, Step]) -> Mapping[Step, str]:
    return {steps.get((kept[id], step.id), (kept[id], step.id)): step.id for id, sequence in definitions.sequences.items() for step in sequence.steps}


def _new_names(names: Names, now_called: Mapping[Step, str], now: datetime) -> Iterator[dict[str, object]]:
    """A row for each that is called otherwise than the ledger knows; what was never renamed has none."""
    for (sequence, step), name in sorted(now_called.items()):
        if names.called.get((sequence, step), step or sequence) != name:
            yield {"sequence": sequence, "step": step, "name": name, "since": now}


def _clashes(definitions: Definitions, kept: Mapping[str, str], names: Names, known: set[str]) -> Iterator[Problem]:
    for id, stored in kept.items():
        others = [other for other, where in kept.items() if where == stored and other != id]
        places = definitions.where("sequence", id)
        if others and definitions.sequences[id].renamed_from is None and names.name(stored) != id:
            yield Problem(
                "E262", f"`{id}` was renamed to `{others[0]}`, which has its history", places.value("id"),
                "give the new sequence an id that was never used; mails are remembered by it",
            )  # fmt: skip
        elif others and definitions.sequences[id].renamed_from is not None and names.name(stored) != id:
            was = definitions.sequences[id].renamed_from
            yield Problem(
                "E262", f"`renamed_from: {was}`: its history went to `{others[0]}`", places.value("renamed_from"), "two cannot have one history; take the line out of one of them",
            )  # fmt: skip
        elif id != stored and id in known and names.name(id) == id:
            yield Problem(
                "E262", f"`{id}` has a history of its own, and cannot take that of `{definitions.sequences[id].renamed_from or stored}` too",
                places.value("renamed_from"), "take `renamed_from` out; where it was forgotten, put the old id back instead",
            )  # fmt: skip


def _step_clashes(definitions: Definitions, id: str, stored: str, own: Mapping[str, str], names: Names, known: set[Step]) -> Iterator[Problem]:
    places = definitions.where("sequence", id)
    for index, step in enumerate(definitions.sequences[id].steps):
        others = [other for other, where in own.items() if where == own[step.id] and other != step.id]
        if others and names.step(stored, own[step.id]) != step.id:
            if step.renamed_from is None:
                yield Problem(
                    "E262", f"the step `{step.id}` was renamed to `{others[0]}`, which has its history", places.value("steps", index, "id"),
                    "give the new step an id that was never used; mails are remembered by it",
                )  # fmt: skip
            else:
                yield Problem(
                    "E262", f"`renamed_from: {step.renamed_from}`: its history went to `{others[0]}`", places.value("steps", index, "renamed_from"),
                    "two cannot have one history; take the line out of one of them",
                )  # fmt: skip
        elif step.id != own[step.id] and (stored, step.id) in known and names.step(stored, step.id) == step.id:
            yield Problem(
                "E262", f"the step `{step.id}` has a history of its own, and cannot take that of `{step.renamed_from or own[step.id]}` too",
                places.value("steps", index, "renamed_from"), "take `renamed_from` out; where it was forgotten, put the old id back instead",
            )  # fmt: skip


def _with(table: pa.Table, name: str, column: pa.ChunkedArray | pa.Array) -> pa.Table:
    return table.set_column(table.schema.get_field_index(name), table.schema.field(name), column)


def _replaced(column: pa.ChunkedArray, by: Mapping[str, str]) -> pa.ChunkedArray:
    """The column with all replacements made at once."""
    if not by:
        return column
    found = pc.index_in(column, value_set=pa.array(by.keys(), pa.string()), skip_nulls=True)
    return pc.coalesce(pc.take(pa.array(by.values(), pa.string()), found), column)


def _replaced_pairs(sequences: pa.ChunkedArray, steps: pa.ChunkedArray, by: Mapping[Step, str]) -> pa.ChunkedArray:
    pairs = pc.binary_join_element_wise(sequences, steps, "\0")
    found = pc.index_in(pairs, value_set=pa.array(["\0".join(place) for place in by], pa.string()), skip_nulls=True)
    return pc.coalesce(pc.take(pa.array(by.values(), pa.string()), found), steps)
