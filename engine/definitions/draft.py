"""The definitions while they are read: what could be understood, and what is known to be broken."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from engine.definitions.crm import Crm
from engine.definitions.definitions import Kind, Layout, Places
from engine.definitions.paths import Path, PathError, Scope, resolve
from engine.definitions.project import Project
from engine.definitions.segments import Segment
from engine.definitions.sequences import EnrollmentFile, Sequence
from engine.definitions.templates import Template
from engine.definitions.types import TemplateType


@dataclass
class Draft:
    """What checks look at. A name in `broken` has a file that could not be read: its problem is told there, and no reference to it is one more.

    `project` or `crm` is None when its file is broken; what depends on it is then not checked.
    """

    project: Project | None = None
    crm: Crm | None = None
    types: dict[str, TemplateType] = field(default_factory=dict)
    templates: dict[str, Template] = field(default_factory=dict)
    layouts: dict[str, Layout] = field(default_factory=dict)
    segments: dict[str, Segment] = field(default_factory=dict)
    sequences: dict[str, Sequence] = field(default_factory=dict)
    enrollments: dict[str, EnrollmentFile] = field(default_factory=dict)
    partials: dict[str, str] = field(default_factory=dict)
    bodies: dict[str, str] = field(default_factory=dict)
    members: dict[str, tuple[str, ...]] = field(default_factory=dict)
    places: dict[tuple[Kind, str], Places] = field(default_factory=dict)
    data: dict[tuple[Kind, str], Any] = field(default_factory=dict)
    broken: set[tuple[Kind, str]] = field(default_factory=set)

    def where(self, kind: Kind, id: str) -> Places:
        return self.places[(kind, id)]

    def of(self, kind: Kind) -> Mapping[str, Any]:
        """Everything of a kind that is named by an id."""
        kinds: dict[Kind, Mapping[str, Any]] = {
            "type": self.types, "template": self.templates, "layout": self.layouts, "segment": self.segments,
            "sequence": self.sequences, "enrollment": self.enrollments,
        }  # fmt: skip
        return kinds[kind]

    def follow(self, scope: Scope, parts: tuple[str, ...]) -> Path | None:
        """Where a path leads; None where that cannot be said because the map is broken on the way. Raises PathError."""
        if self.crm is None or self.crm.contact.entity not in self.crm.entities or (scope.record is not None and scope.record not in self.crm.entities):
            return None
        try:
            return resolve(self.crm, scope, parts)
        except PathError as error:
            if error.broken_map:
                return None
            raise
