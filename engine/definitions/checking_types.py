"""Template types and their variables: every path leads somewhere, every function and format fits what it is given."""

from __future__ import annotations

import re
from collections.abc import Iterator

from engine.definitions import references
from engine.definitions.base import Loc
from engine.definitions.checking_rules import Context, check_rule
from engine.definitions.definitions import Places
from engine.definitions.draft import Draft
from engine.definitions.paths import Path, PathError, Scope
from engine.definitions.translating import did_you_mean
from engine.definitions.types import TemplateType, Variable
from engine.definitions.variables import ALWAYS, COMMON, lineage
from engine.problems import Origin, Problem

_DATES = ("date", "timestamp")
_NUMBERS = ("integer", "decimal")
_SHOWS = {"date": _DATES, "long_date": _DATES, "datetime": ("timestamp",), "money": _NUMBERS, "number": _NUMBERS}
_CURRENCY_CODE = re.compile(r"[A-Z]{3}\Z")
_PART = re.compile(r"\{([^{}]*)\}")


def about(draft: Draft, type_id: str) -> tuple[str, str] | None:
    """What a type is about, and the type that says so."""
    return next(((type_.about, type_.id) for type_ in lineage(draft.types, type_id) if type_.about is not None), None)


def types(draft: Draft) -> Iterator[Problem]:
    for id, type_ in draft.types.items():
        places = draft.where("type", id)
        if id == COMMON:
            for key in ("about", "category", "topic", "extends", "abstract"):
                if key in type_.model_fields_set:
                    yield Problem("E251", f"`common` belongs to every type and has no `{key}`", places.key(key), "take it out; say it in the types themselves")
            continue
        if type_.about is not None:
            yield from references.entity(draft, type_.about, places.value("about"))
        yield from _extends(draft, type_, places)
        category = next((above.category for above in lineage(draft.types, id) if above.category is not None), None)
        topic = next((above.topic for above in lineage(draft.types, id) if above.topic is not None), None)
        complete = all(above.extends is None or above.extends in draft.types for above in lineage(draft.types, id))
        if category is None and complete and not type_.abstract:
            yield Problem("E259", f"the type `{id}` has no category", places.value(), "write `category: transactional`, or `category: marketing` and `topic:`")
        if category == "marketing" and topic is None and complete and not type_.abstract:
            yield Problem(
                "E252",
                "marketing needs a topic that people can unsubscribe from",
                places.value("category"),
                "write `topic: product-news`, one of `topics:` in engine.yaml",
            )
        if type_.topic is not None:
            if category == "transactional":
                yield Problem(
                    "E252", "a topic belongs to marketing, and this type is transactional", places.key("topic"), "take it out, or write `category: marketing`"
                )
            else:
                yield from references.topic(draft, type_.topic, places.value("topic"))


def _extends(draft: Draft, type_: TemplateType, places: Places) -> Iterator[Problem]:
    if type_.extends is None:
        return
    place = places.value("extends")
    if type_.extends == COMMON:
        yield Problem("E251", "`common` belongs to every type without `extends`", place, "take it out")
        return
    yield from references.refer(draft, "type", type_.extends, place)
    trail = [above.id for above in lineage(draft.types, type_.id)]
    last = draft.types[trail[-1]]
    if last.extends == type_.id and type_.id == min(trail):
        others = tuple((draft.where("type", id).value("extends"), f"`{id}` extends `{draft.types[id].extends}`") for id in trail[1:])
        yield Problem("E242", f"the type `{type_.id}` extends itself: {' → '.join([*trail, type_.id])}", place, "take one `extends` out", others)
    parent = draft.types.get(type_.extends)
    inherited = about(draft, type_.extends)
    if parent is not None and type_.about is not None and inherited is not None and inherited[0] != type_.about:
        yield Problem(
            "E245", f"`{type_.id}` is about `{type_.about}`, and `{type_.extends}`, which it extends, is about `{inherited[0]}`", place, "both are about the same, or the parent does not say it",
            ((draft.where("type", inherited[1]).value("about"), "what it extends"),),
        )  # fmt: skip


def variables(draft: Draft) -> Iterator[Problem]:
    for id, type_ in draft.types.items():
        places = draft.where("type", id)
        for name, variable in type_.variables.items():
            yield from _declared_twice(draft, type_, name, variable)
            if variable.sample is None:
                yield Problem(
                    "E104", f"`{name}` has no sample", places.value("variables", name, "sample"), "write what a value looks like; previews and checks use it"
                )
            for scope in _scopes(draft, type_):
                found = list(_variable(draft, places, ("variables", name), variable, scope))
                if found:
                    # The same variable for another entity would say the same again.
                    yield from found
                    break


def _scopes(draft: Draft, type_: TemplateType) -> list[Scope]:
    """What is at hand where the variables of a type are used: its own entity, or those of the types that extend it."""
    crm = draft.crm
    if crm is None:
        return []
    users = list(draft.types.values()) if type_.id == COMMON else [other for other in draft.types.values() if type_ in list(lineage(draft.types, other.id))]
    found = dict.fromkeys(said[0] for said in (about(draft, other.id) for other in users) if said is not None and said[0] in crm.entities)
    return [Scope(entity, contact=True) for entity in found] or [Scope(None, contact=True)]


def _declared_twice(draft: Draft, type_: TemplateType, name: str, variable: Variable) -> Iterator[Problem]:
    places = draft.where("type", type_.id)
    if name in ALWAYS:
        yield Problem("E249", f"`{name}` is always there", places.key("variables", name), "take it out; templates can use it without a declaration")
        return
    above = [draft.types[COMMON]] if COMMON in draft.types and type_.id != COMMON else []
    above += list(lineage(draft.types, type_.id))[1:]
    for other in above:
        if name in other.variables and _meaning(other.variables[name]) != _meaning(variable):
            at = draft.where("type", other.id).key("variables", name)
            yield Problem(
                "E249",
                f"`{name}` is declared differently in `{other.id}`",
                places.key("variables", name),
                "give one of the two another name",
                ((at, "declared here"),),
            )
            return


def _meaning(variable: Variable) -> tuple[object, ...]:
    """What a variable gives. Another description or sample for the same value is no other variable."""
    return (variable.function, variable.path, variable.where, variable.fields, variable.format, variable.currency, variable.has_default, variable.default)


def _variable(draft: Draft, places: Places, loc: Loc, variable: Variable, scope: Scope) -> Iterator[Problem]:
    function, place = variable.function, places.value(*loc, variable.function)
    if function == "text":
        yield from _pattern(draft, variable.path, place, scope)
        yield from _formats(draft, places, loc, variable, None, scope)
        return
    parts = tuple(variable.path.split("."))
    try:
        path = draft.follow(scope, parts)
    except PathError as error:
        yield references.path_problem(draft, error, parts, place)
        return
    if path is None:
        return
    if function in ("count", "sum", "list"):
        wrong = _over_many(draft, function, variable.path, path, place)
    else:
        wrong = _of_one(draft, function, variable.path, path, place)
    if wrong is not None:
        yield wrong
        return
    if variable.fields is not None and draft.crm is not None:
        known = draft.crm.entities[path.end].fields
        for index, name in enumerate(variable.fields):
            if name not in known:
                help = did_you_mean(name, known, f"the fields of {path.end} are")
                yield Problem("E238", f"`{path.end}` has no field `{name}`", places.value(*loc, "fields", index), help)
    yield from check_rule(variable.where, Context(draft, places, (*loc, "where"), Scope(path.end, bare=True)))
    yield from _formats(draft, places, loc, variable, path, scope)


def _over_many(draft: Draft, function: str, text: str, path: Path, place: Origin) -> Problem | None:
    if not path.many:
        return Problem(
            "E250",
            f"`{function}:` is over many records, and `{text}` leads to one",
            place,
            "name a to-many relation, such as `company.invoices`; for one value write `value:`",
        )
    if function == "sum":
        if path.field is None:
            return Problem("E250", f"`sum:` adds up a field, and `{text}` names none", place, f"write `sum: {text}.FIELD`")
        if path.field.type not in _NUMBERS:
            return Problem("E250", f"`sum:` adds up numbers, and `{text}` is {path.field.type}", place, "name a field that is integer or decimal")
    elif path.field is not None:
        shorter = text.rpartition(".")[0]
        return Problem("E250", f"`{function}:` is of records, and `{text}` is a field", place, f"write `{function}: {shorter}`")
    return None


def _of_one(draft: Draft, function: str, text: str, path: Path, place: Origin) -> Problem | None:
    if path.many:
        return Problem("E306", f"`{text}` leads to many records: which of them?", place, "use `count:`, `sum:` or `list:`")
    if path.field is None:
        return references.to_a_record(draft, text, path, place)
    if function in ("days_until", "days_since") and path.field.type not in _DATES:
        return Problem("E250", f"`{function}:` counts days to a date, and `{text}` is {path.field.type}", place, "name a date or a timestamp")
    return None


def _pattern(draft: Draft, pattern: str, place: Origin, scope: Scope) -> Iterator[Problem]:
    named = _PART.findall(pattern)
    if not named or re.search(r"[{}]", _PART.sub("", pattern)):
        yield Problem("E250", "`text:` is a pattern with paths in braces", place, 'such as "{company.name}, {company.city}"')
        return
    for text in named:
        path = references.field_path(draft, scope, text.strip(), place, "a part of `text:`")
        if isinstance(path, Problem):
            yield path


def _formats(draft: Draft, places: Places, loc: Loc, variable: Variable, path: Path | None, scope: Scope) -> Iterator[Problem]:
    """`format:` fits what the variable gives, and money has a currency."""
    gives = _gives(variable, path)
    at = places.value(*loc, "format")
    fitting = _SHOWS.get(variable.format or "")
    if fitting is not None and gives not in fitting:
        what = {
            "list": "a list",
            "text": "text",
            "boolean": "true or false",
            "integer": "a number",
            "decimal": "a number",
            "date": "a date",
            "timestamp": "a timestamp",
        }[gives]
        shows = "numbers" if fitting == _NUMBERS else "dates and timestamps" if fitting == _DATES else "timestamps"
        yield Problem(
            "E255",
            f"`format: {variable.format}` shows {shows}, and this is {what}",
            at,
            "take it out, or write one that fits: " + ", ".join([*(name for name, types in _SHOWS.items() if gives in types), "text"]),
        )
        return
    if variable.format == "money" and variable.currency is None:
        yield Problem("E255", "money needs a currency", at, "write `currency: contract.currency`, or a code such as `currency: THB`")
    if variable.currency is None or _CURRENCY_CODE.match(variable.currency):
        return
    place = places.value(*loc, "currency")
    if variable.format != "money":
        yield Problem("E255", "`currency` belongs to `format: money`", places.key(*loc, "currency"), "add `format: money`, or take it out")
        return
    found = references.field_path(draft, scope, variable.currency, place, "a currency")
    if isinstance(found, Problem):
        yield found
    elif found is not None and found.field is not None and found.field.type != "text":
        yield Problem("E255", f"a currency is text, and `{variable.currency}` is {found.field.type}", place, "name a field with codes such as THB")


def _gives(variable: Variable, path: Path | None) -> str:
    if variable.function in ("count", "days_until", "days_since"):
        return "integer"
    if variable.function == "list":
        return "list"
    return path.field.type if path is not None and path.field is not None else "text"
