"""The definitions as one validated, digested model, and where each part of it stands in the files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from engine.definitions.base import Loc
from engine.definitions.crm import Crm
from engine.definitions.project import Project
from engine.definitions.segments import Segment
from engine.definitions.sequences import EnrollmentFile, Sequence
from engine.definitions.templates import Template
from engine.definitions.types import TemplateType
from engine.problems import Origin

Kind = Literal["project", "crm", "type", "template", "layout", "segment", "sequence", "enrollment"]


@dataclass(frozen=True, slots=True)
class Places:
    """Where each key and value of one YAML file stands. `()` is the document itself."""

    file: str
    keys: Mapping[Loc, Origin] = field(default_factory=dict)
    values: Mapping[Loc, Origin] = field(default_factory=dict)

    def key(self, *loc: str | int) -> Origin:
        """The place of the key (or list item) at loc, or of the nearest place above it."""
        return self._nearest(self.keys, loc) or self.value(*loc)

    def value(self, *loc: str | int) -> Origin:
        """The place of the value at loc, or of the nearest place above it."""
        return self._nearest(self.values, loc) or Origin(self.file)

    def _nearest(self, table: Mapping[Loc, Origin], loc: Loc) -> Origin | None:
        nearest = getattr(table, "nearest", None)
        if nearest is not None:
            # Places that are found by walking say it in one walk.
            found: Origin | None = nearest(loc)
            return found
        for length in range(len(loc), -1, -1):
            if loc[:length] in table:
                return table[loc[:length]]
        return None


@dataclass(frozen=True)
class Layout:
    """An HTML page that bodies are put into: the file's text."""

    id: str
    file: str
    html: str


@dataclass(frozen=True)
class Definitions:
    """Everything that the YAML says. Equal digests mean equal behavior; comments, key order and file order are not in it.

    `partials` has the text of each file of `definitions/partials/` by its path below that folder.
    `bodies` has the text of each body file by its path in the project; `members` the keys of static segments, also
    those read from files; both are part of the digest.
    """

    project: Project
    crm: Crm
    types: Mapping[str, TemplateType]
    templates: Mapping[str, Template]
    layouts: Mapping[str, Layout]
    segments: Mapping[str, Segment]
    sequences: Mapping[str, Sequence]
    enrollments: Mapping[str, EnrollmentFile]
    bodies: Mapping[str, str]
    members: Mapping[str, tuple[str, ...]]
    places: Mapping[tuple[Kind, str], Places]
    digest: str
    commit: str | None = None
    partials: Mapping[str, str] = field(default_factory=dict)
    # The sequences as they stand in the files, as canonical JSON: what a later change is compared with (§8).
    compiled: str = "{}"

    @property
    def former_names(self) -> Mapping[str, str]:
        """What the files say that sequences were called before (8.7)."""
        return {id: sequence.renamed_from for id, sequence in self.sequences.items() if sequence.renamed_from is not None}

    def where(self, kind: Kind, id: str) -> Places:
        return self.places.get((kind, id)) or Places(f"definitions/{kind}s/{id}.yaml")
