"""Template types: what a template of this kind may say, and whether it is transactional or marketing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from pydantic import Field as PydanticField
from pydantic import model_validator

from engine.definitions.base import EntityName, FieldName, FileId, Flag, Model
from engine.definitions.rules import RuleField

VariableFormat = Literal["date", "long_date", "datetime", "money", "number", "text"]
FUNCTIONS = ("value", "days_until", "days_since", "count", "sum", "list", "text")


class Variable(Model):
    """A path or one typed function of paths, and how it is shown.

    `value: contract.end_date` · `days_until: contract.end_date` · `days_since: …` · `count: company.invoices` ·
    `sum: company.invoices.amount` · `list: company.invoices` with `fields` · `text: "{company.name}, {company.city}"`.
    `where` narrows count, sum and list. A variable without a value and without `default` holds the mail back (6.13).
    """

    value: str | None = None
    days_until: str | None = None
    days_since: str | None = None
    count: str | None = None
    sum: str | None = None
    list: str | None = None
    text: str | None = None
    where: RuleField | None = None
    fields: tuple[FieldName, ...] | None = None
    format: VariableFormat | None = None
    currency: str | None = None
    description: str
    sample: Any
    default: Any = None

    @model_validator(mode="after")
    def _one_function(self) -> Variable:
        said = [name for name in FUNCTIONS if getattr(self, name) is not None]
        if len(said) != 1:
            raise ValueError("a variable is one of " + ", ".join(f"`{name}:`" for name in FUNCTIONS))
        if self.where is not None and said[0] not in ("count", "sum", "list"):
            raise ValueError("`where` belongs to count, sum and list")
        if (self.fields is not None) != (said[0] == "list"):
            raise ValueError("`fields` belongs to `list:`, which needs it")
        if isinstance(self.default, Mapping | Sequence) and not isinstance(self.default, str) and said[0] != "list":
            raise ValueError('`default` takes one value, such as `default: ""`; only a `list:` has several')
        return self

    @property
    def function(self) -> str:
        return next(name for name in FUNCTIONS if getattr(self, name) is not None)

    @property
    def path(self) -> str:
        """What the function is of: a path, or for `text` the pattern."""
        return str(getattr(self, self.function))

    @property
    def has_default(self) -> bool:
        return "default" in self.model_fields_set


class TemplateType(Model):
    """One file of `definitions/types/`. `common.yaml` belongs to every type and has only id, description and variables."""

    id: FileId
    name: str = ""
    description: str = ""
    about: EntityName | None = None
    category: Literal["transactional", "marketing"] | None = None
    topic: str | None = None
    extends: FileId | None = None
    abstract: Flag = PydanticField(default=False, description="Only to be extended; no template may have it")
    variables: dict[FieldName, Variable] = {}
