"""Two sets of definitions side by side, in the form that a ledger keeps (`engine.definitions.compiling`)."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from engine.definitions.definitions import Definitions

Said = Mapping[str, Any]


@dataclass(frozen=True)
class Revisions:
    """`old` and `new` are parsed; `after` tells where the new ones stand, `before` where the old ones did, if they are files still."""

    old: Said
    new: Said
    after: Definitions
    before: Definitions | None

    @classmethod
    def of(cls, old: Said, after: Definitions, before: Definitions | None) -> Revisions:
        return cls(old, json.loads(after.compiled), after, before)

    def kind(self, name: str) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
        """Everything of a kind by id, before and after."""
        return self.old.get(name, {}), self.new.get(name, {})

    @cached_property
    def renamed(self) -> Mapping[str, str]:
        """The sequences that were renamed: what each is called now, by its old id."""
        old, new = self.kind("sequences")
        return {said["renamed_from"]: id for id, said in new.items() if said.get("renamed_from") in old and said["renamed_from"] not in new and id not in old}

    @cached_property
    def personal(self) -> frozenset[str]:
        """The names of personal fields: what one of these is compared with is said nowhere."""
        found: set[str] = set()
        for said in (self.old, self.new):
            crm = said.get("crm", {})
            fields = [entity.get("fields", {}) for entity in crm.get("entities", {}).values()]
            found |= {name for named in fields for name, field in named.items() if isinstance(field, Mapping) and field.get("pii")}
            found |= {str(crm.get("contact", {}).get(key, "")).rpartition(".")[2] for key in ("address", "name")}
        return frozenset(found)

    def steps_renamed(self, sequence: str) -> Mapping[str, str]:
        """The steps of a sequence (by its id now) that were renamed: what each is called now, by its old id."""
        old, new = self.kind("sequences")
        was = old.get(next((before for before, now in self.renamed.items() if now == sequence), sequence), {})
        there, here = {step["id"] for step in was.get("steps", ())}, {step["id"] for step in new.get(sequence, {}).get("steps", ())}
        return {
            step["renamed_from"]: step["id"]
            for step in new.get(sequence, {}).get("steps", ())
            if step.get("renamed_from") in there and step["renamed_from"] not in here and step["id"] not in there
        }

    # --- who uses what; one None where nobody does ------------------------------------------------------------------------------------------------

    def uses_of_template(self, id: str) -> list[tuple[str | None, str | None]]:
        _, sequences = self.kind("sequences")
        found: list[tuple[str | None, str | None]] = [
            (name, step["id"]) for name, said in sorted(sequences.items()) for step in said["steps"] if id in templates_of(step)
        ]
        return found or [(None, None)]

    def uses_of_type(self, id: str) -> list[str | None]:
        """The sequences with a template of the type, or of one that extends it; `common` is part of every type."""
        _, templates = self.kind("templates")
        _, types = self.kind("types")

        def is_of(kind: str | None) -> bool:
            seen: set[str] = set()
            while kind is not None and kind not in seen:
                if kind == id:
                    return True
                seen.add(kind)
                kind = types.get(kind, {}).get("extends")
            return False

        return self._with_a_template({name for name, said in templates.items() if id == "common" or is_of(said.get("type"))})

    def uses_of_layout(self, id: str) -> list[str | None]:
        _, templates = self.kind("templates")
        return self._with_a_template({name for name, said in templates.items() if said.get("layout", "default") == id})

    def uses_of_segment(self, id: str) -> list[str | None]:
        """The sequences that ask for the segment, themselves or through another segment."""
        _, sequences = self.kind("sequences")
        _, segments = self.kind("segments")
        meant, wave = {id}, {id}
        while wave:
            wave = {name for name, said in segments.items() if name not in meant and wave & set(_segments_in(said))}
            meant |= wave
        return or_none([name for name, said in sorted(sequences.items()) if meant & set(_segments_in(said))])

    def _with_a_template(self, templates: set[str]) -> list[str | None]:
        _, sequences = self.kind("sequences")
        return or_none([name for name, said in sorted(sequences.items()) if any(templates & templates_of(step) for step in said["steps"])])


def or_none(sequences: list[str]) -> list[str | None]:
    """The sequences that a change touches; None where it touches no sequence."""
    return [*sequences] or [None]


def templates_of(step: Said) -> frozenset[str]:
    """The templates that a step may use."""
    said = step.get("template")
    return frozenset({said}) if isinstance(said, str) else frozenset(choice.get("use", "") for choice in said or ())


def _segments_in(said: Any) -> Iterator[str]:
    """Every segment that is named in a rule, or as a trigger's members."""
    if isinstance(said, Mapping):
        for key, value in said.items():
            if key in ("segment", "enters", "for") and isinstance(value, str):
                yield value
            else:
                yield from _segments_in(value)
    elif isinstance(said, list):
        for value in said:
            yield from _segments_in(value)
