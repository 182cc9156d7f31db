"""Segments: who belongs together, by rules (always current) or as a curated list of members."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Discriminator, Tag, model_validator

from engine.definitions.base import EntityName, FileId, Model, RecordKey, Text, shape
from engine.definitions.rules import RuleField


class MembersFile(Model):
    """A CSV file beside the segment with a column named `key`."""

    file: Text


def list_or_file(value: object) -> str:
    """Members are a list of keys, or a mapping that names a file."""
    return "<mapping>" if shape(value) == "<mapping>" else "<list>"


class Segment(Model):
    """One file of `definitions/segments/`."""

    id: FileId
    name: str = ""
    entity: EntityName
    description: str = ""
    owner: str | None = None
    visibility: Literal["public", "private"] = "public"
    status: Literal["active", "paused", "archived"] = "active"
    tags: tuple[str, ...] = ()
    rules: RuleField | None = None
    members: Annotated[Annotated[tuple[RecordKey, ...], Tag("<list>")] | Annotated[MembersFile, Tag("<mapping>")], Discriminator(list_or_file)] | None = None

    @model_validator(mode="after")
    def _either(self) -> Segment:
        if (self.rules is None) == (self.members is None):
            raise ValueError("a segment has `rules:` or `members:`, one of the two")
        return self
