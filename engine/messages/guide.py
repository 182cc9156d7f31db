"""The variable guide: what a template of a type may say, where each value comes from, and how it will look."""

from __future__ import annotations

from dataclasses import dataclass

from engine.definitions.definitions import Definitions
from engine.definitions.types import Variable
from engine.definitions.variables import ALWAYS, COMMON, about_of, category_of_type, variables_of
from engine.messages.filters import NAMES as FILTERS
from engine.messages.values import is_missing, item_kinds, kind_of, shower


@dataclass(frozen=True, slots=True)
class GuideRow:
    """One variable. `write` is what an author copies into a template; `from_` says which field or function it is."""

    name: str
    description: str
    kind: str
    from_: str
    write: str
    shows: str
    default: str | None
    declared_in: str
    fields: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Guide:
    """The guide of one type."""

    type: str
    name: str
    description: str
    category: str | None
    about: str | None
    rows: tuple[GuideRow, ...]
    filters: tuple[tuple[str, str], ...]


def guide_of(definitions: Definitions, type_id: str, locale: str | None = None) -> Guide:
    """Every variable of a type, its own and inherited ones, in the order of their names, then those that are always there."""
    type_ = definitions.types[type_id]
    about, language = about_of(definitions, type_id), locale or definitions.project.fallback
    rows = [_row(definitions, type_id, about, name, variable, language) for name, variable in sorted(variables_of(definitions, type_id).items())]
    for name, (description, sample) in ALWAYS.items():
        fields = tuple(row.name for row in rows if row.declared_in) if name == "items" else ()
        kind = "list" if name == "items" else "number" if isinstance(sample, int) else "text"
        shows = "" if name == "items" else str(sample)
        rows.append(GuideRow(name, description, kind, "always there", _write(name, fields), shows, None, "", fields))
    return Guide(type_id, type_.name, type_.description, category_of_type(definitions, type_id), about, tuple(rows), tuple(FILTERS.items()))


def _row(definitions: Definitions, type_id: str, about: str | None, name: str, variable: Variable, locale: str) -> GuideRow:
    kind = kind_of(definitions, about, variable)
    fields = tuple(item_kinds(definitions, about, variable)) if kind == "list" else ()
    source = variable.path if variable.function == "value" else f"{variable.function} of {variable.path}"
    if variable.format is not None:
        source += f", as {variable.format}"
    write = _write(name, fields)
    shows, declared_in = _shows(definitions, about, variable, locale), _declared_in(definitions, type_id, name)
    return GuideRow(name, variable.description, kind, source, write, shows, _default(variable), declared_in, fields)


def _write(name: str, fields: tuple[str, ...]) -> str:
    return f"{{% for item in {name} %}}{{{{ item.{fields[0]} }}}}{{% endfor %}}" if fields else f"{{{{ {name} }}}}"


def _shows(definitions: Definitions, about: str | None, variable: Variable, locale: str) -> str:
    if is_missing(variable.sample):
        return ""
    try:
        shown = shower(definitions, about, variable, locale)(variable.sample)
    except (ValueError, TypeError, AttributeError):
        return str(variable.sample)
    if isinstance(shown, list):
        return "; ".join(", ".join(str(value) for value in item.values()) for item in shown) or "an empty list"
    return str(shown)


def _default(variable: Variable) -> str | None:
    return None if not variable.has_default else "" if variable.default is None else str(variable.default)


def _declared_in(definitions: Definitions, type_id: str, name: str) -> str:
    """The type whose file has the variable: the nearest, going up."""
    here: str | None = type_id
    seen: set[str] = set()
    while here is not None and here in definitions.types and here not in seen:
        if name in definitions.types[here].variables:
            return here
        seen.add(here)
        here = definitions.types[here].extends
    return COMMON
