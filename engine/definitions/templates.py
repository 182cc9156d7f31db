"""Templates and layouts: subjects and bodies per language."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Discriminator, Tag

from engine.definitions.base import FileId, Model, Text, shape


class BodyFile(Model):
    """A body in a file beside the template: `.md` or `.html`."""

    file: Text


Body = Annotated[Annotated[Text, Tag("<scalar>")] | Annotated[BodyFile, Tag("<mapping>")], Discriminator(shape)]


class Template(Model):
    """One file of `definitions/templates/`. A body is `{file: NAME.en.md}` or the Markdown itself; `text` is made from it when not given."""

    id: FileId
    type: FileId
    name: str = ""
    description: str = ""
    layout: str | None = "default"
    status: Literal["active", "inactive"] = "active"
    subject: dict[str, Text]
    preheader: dict[str, Text] = {}
    body: dict[str, Body]
    text: dict[str, Body] = {}
