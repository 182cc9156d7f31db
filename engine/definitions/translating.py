"""Pydantic's words in plain ones: one problem per mistake, at its place, with what could stand there."""

from __future__ import annotations

import re
import types
import typing
from collections.abc import Iterator
from difflib import get_close_matches
from typing import Annotated, Any, get_args, get_origin

from pydantic import BaseModel, ValidationError

from engine.definitions.base import Loc
from engine.definitions.definitions import Places
from engine.problems import Origin, Problem

# What to write where a key is missing; the words of language.md.
EXAMPLES = {
    "about": "about: contract", "address": "address: email", "after": "after: 90d", "body": "body: {en: {file: NAME.en.md}}", "contact": "contact: {entity: contact, address: email}",
    "duckdb": "duckdb: state/crm.duckdb", "smtp": "smtp: {host: smtp.example.com}", "env": "{env: SMTP_PASSWORD}", "date": "trigger: {date: contract.end_date}", "description": "description: Last day of the contract", "entities": "entities: {contact: {table: contacts, key: id, fields: {email: text}}}",
    "entity": "entity: contact", "environments": "environments: {dev: {facts: {duckdb: state/crm.duckdb}, ledger: {duckdb: state/ledger.duckdb}, transport: outbox}}",
    "facts": "facts: {duckdb: state/crm.duckdb}", "fields": "fields: {name: text, email: text}", "file": "{file: NAME.en.md}", "for": "for: SEGMENT", "format": "format: 1", "host": "host: smtp.example.com",
    "key": "key: id", "ledger": "ledger: {duckdb: state/ledger.duckdb}", "locales": "locales: [en]", "max": "max: 3", "name": "name: harmony", "per": "per: 24h",
    "sample": "sample: C-2026-0042", "sender": "sender: {name: Harmony Music, address: hello@example.com}", "sequence": "sequence: onboarding",
    "steps": "steps: [{id: notice-30, before: 30d, template: renewal-30-days}]", "subject": 'subject: {en: "Welcome, {{ contact_name }}"}', "template": "template: renewal-30-days",
    "timezone": "timezone: Asia/Bangkok", "trigger": "trigger: {date: contract.end_date}, or trigger: manual", "type": "type: renewal-30-days", "use": "use: tips",
    "via": "via: company_id", "unsubscribe": 'unsubscribe: "https://mail.example.com/u/{token}"',
}  # fmt: skip

_CUSTOM = {
    "duration": "E116",
    "time_of_day": "E117",
    "zone": "E118",
    "day": "E119",
    "cron": "E127",
    "weekday": "E129",
    "file_id": "E115",
    "name": "E115",
    "trigger": "E106",
    "cap": "E106",
    "number": "E105",
    "value_error": "E121",
}
_EXPECTED = {
    "string_type": "text", "int_type": "a whole number", "int_from_float": "a whole number", "bool_type": "true or false", "float_type": "a number", "dict_type": "a mapping",
    "model_type": "a mapping", "model_attributes_type": "a mapping", "tuple_type": "a list", "list_type": "a list",
}  # fmt: skip


def problems_of(error: ValidationError, model: type[BaseModel], data: Any, places: Places) -> list[Problem]:
    """What Pydantic found in one file, sorted by place. Of several words about one place the first stays."""
    found: dict[Loc, Problem] = {}
    missing: list[tuple[Loc, str]] = []
    unknown: dict[Loc, list[str]] = {}
    for detail in error.errors(include_url=False):
        loc = real_loc(detail["loc"], data, keep_last=detail["type"] == "missing")
        if detail["type"] == "missing":
            missing.append((loc[:-1], str(loc[-1])))
            continue
        if detail["type"] == "extra_forbidden":
            unknown.setdefault(loc[:-1], []).append(str(loc[-1]))
            continue
        if detail["type"] == "too_short" and _value_at(data, loc):
            # Pydantic counts only the entries that it could read; what is wrong with the others is told at their places.
            continue
        found.setdefault(loc, _problem(detail, loc, data, places))
    absent: dict[Loc, list[str]] = {}
    for above, key in missing:
        absent.setdefault(above, []).append(key)
    for above, keys in unknown.items():
        for key in keys:
            known = tuple(dict.fromkeys(keys_at(model, above)))
            meant = _meant(key, known, absent.get(above, []))
            if meant in absent.get(above, []):
                # The key is there, misspelled: that it is missing is the same mistake.
                absent[above].remove(meant)
            found[(*above, key)] = unknown_key(key, known, meant, places.key(*above, key))
    for above, keys in absent.items():
        for key in keys:
            place = places.key(*above)
            help = f"write `{EXAMPLES[key]}`" if key in EXAMPLES else ""
            found.setdefault(
                (*above, key), Problem("E104", f"`{key}` is missing" + (f" in `{above[-1]}`" if above and isinstance(above[-1], str) else ""), place, help)
            )
    return sorted(found.values(), key=lambda problem: problem.sort_key)


def unknown_key(key: str, known: tuple[str, ...], meant: str | None, place: Origin) -> Problem:
    """A key that nothing reads."""
    if key == "<<":
        return Problem("E103", "`<<` is no key: YAML 1.2 has no merge keys", place, "write the keys out")
    listed = ", ".join(known[:12]) + (", …" if len(known) > 12 else "") if meant else ", ".join(known)
    return Problem(
        "E103", f"unknown key `{key}`", place, f"did you mean `{meant}`? Known here: {listed}" if meant else f"known here: {listed}" if known else "remove it"
    )


def closest(word: str, known: typing.Iterable[str]) -> str | None:
    """The known word that was probably meant.

    >>> closest("contract_numbr", ["contract_number", "end_date"])
    'contract_number'
    """
    words = list(known)
    folded = {name.casefold().replace("-", "_"): name for name in words}
    close = get_close_matches(word.casefold().replace("-", "_"), list(folded), 1, 0.6)
    return folded[close[0]] if close else None


def did_you_mean(word: str, known: typing.Iterable[str], what: str = "known") -> str:
    """`did you mean …?` and what there is; at most ten are listed."""
    words = sorted(known)
    meant = closest(word, words)
    listed = f"{what}: {', '.join(words[:12])}" + (", …" if len(words) > 12 else "") if words else ""
    return f"did you mean `{meant}`? {listed[:1].upper()}{listed[1:]}" if meant else listed


def _meant(key: str, known: tuple[str, ...], absent: list[str]) -> str | None:
    return closest(key, absent) or closest(key, known)


def real_loc(loc: tuple[str | int, ...], data: Any, keep_last: bool = False) -> Loc:
    """Pydantic's loc without what is no part of the file: tags of unions, the short forms that a model spells out.

    >>> real_loc(("steps", 0, "template", "<list>", 1, "use"), {"steps": [{"template": [{}, {"use": 1}]}]})
    ('steps', 0, 'template', 1, 'use')
    """
    real: list[str | int] = []
    here = data
    for index, part in enumerate(loc):
        last = index == len(loc) - 1
        tag = isinstance(part, str) and part.startswith("<") and part.endswith(">")
        below = (isinstance(here, dict) and part in here and not tag) or (isinstance(here, list) and isinstance(part, int) and 0 <= part < len(here))
        if below:
            here = here[part]
        elif not (last and keep_last):
            continue
        real.append(part)
    return tuple(real)


def keys_at(annotation: Any, loc: Loc) -> Iterator[str]:
    """The keys that a model knows at a place, unions taken together."""
    origin = get_origin(annotation)
    if origin is Annotated:
        yield from keys_at(get_args(annotation)[0], loc)
    elif origin in (typing.Union, types.UnionType):
        for member in get_args(annotation):
            yield from keys_at(member, loc)
    elif isinstance(annotation, type) and issubclass(annotation, BaseModel):
        names = {field.alias or name: field.annotation for name, field in annotation.model_fields.items()}
        if not loc:
            yield from names
        elif loc[0] in names:
            yield from keys_at(names[str(loc[0])], loc[1:])
    elif loc and origin is dict:
        yield from keys_at(get_args(annotation)[1], loc[1:])
    elif loc and origin in (tuple, list):
        yield from keys_at(get_args(annotation)[0], loc[1:])


def _value_at(data: Any, loc: Loc) -> Any:
    for part in loc:
        data = data[part]
    return data


def _problem(detail: Any, loc: Loc, data: Any, places: Places) -> Problem:
    kind, context = detail["type"], detail.get("ctx") or {}
    place = places.value(*loc)
    name = f"`{loc[-1]}`" if loc and isinstance(loc[-1], str) else "this entry" if loc else "the file"
    if detail["loc"] and detail["loc"][-1] == "[key]":
        return Problem("E115", *swapped(str(context.get("reason") or detail["msg"]), places.key(*loc)))
    if kind == "rule":
        inside = (*loc, *context.get("inside", ()))
        message, way_out = parted(context["reason"])
        return Problem(context.get("code", "E301"), message, places.key(*inside), context.get("help") or way_out)
    if kind in _CUSTOM:
        return _custom(kind, detail, loc, data, places)
    value = _value_at(data, loc)
    if kind in ("literal_error", "enum"):
        # A short form, `name: txt`, stands for a mapping: the key that is wrong is the one inside.
        inner = detail["loc"][-1]
        name = f"`{inner}`" if isinstance(inner, str) and not inner.startswith("<") else name
        known = re.findall(r"'([^']*)'", context.get("expected", "")) or [str(context.get("expected", ""))]
        return _not_one_of(name, value, known, place)
    if kind in ("union_tag_invalid", "union_tag_not_found"):
        known = list(dict.fromkeys(keys_at_tag(context)))
        return Problem("E106", f"{name} has none of the keys that it may have", place, f"write one of: {', '.join(f'`{key}:`' for key in known)}")
    if kind == "string_too_short":
        return Problem("E105", f"{name} is empty", place, "write a text, or take the key out")
    if kind == "too_short":
        return Problem("E105", f"{name} is empty", place, "at least one entry is needed")
    if kind in ("greater_than_equal", "less_than_equal"):
        return Problem("E105", f"{name} is {value}; it must be {context.get('ge', context.get('le'))} or {'more' if 'ge' in context else 'less'}", place)
    if kind in _EXPECTED:
        return _wrong_kind(name, value, _EXPECTED[kind], place)
    return Problem("E105", f"{name}: {detail['msg'][:1].lower()}{detail['msg'][1:]}", place)


def keys_at_tag(context: dict[str, Any]) -> Iterator[str]:
    """The keys that a union of mappings is told apart by, from the tags it expected or the one it was given."""
    for tag in re.findall(
        r"<(?:one of )?([^>]*)>", str(context.get("tag", "")) if "one of" in str(context.get("tag", "")) else str(context.get("expected_tags", ""))
    ):
        yield from (part for part in tag.split(", ") if part != "scalar")


def _custom(kind: str, detail: Any, loc: Loc, data: Any, places: Places) -> Problem:
    context = detail.get("ctx") or {}
    if kind == "value_error":
        return _one_of_keys(str(context.get("error", detail["msg"])), loc, data, places)
    message = str(context.get("reason") or detail["msg"])
    if kind == "zone":
        from engine.clock import zones

        meant = closest(str(context.get("zone", "")), zones())
        name = str(context.get("zone", ""))
        return Problem(
            "E118",
            f"`{name}` is not a time zone",
            places.value(*loc),
            f"did you mean `{meant}`?" if meant else "write an IANA name such as Asia/Bangkok, or UTC",
        )
    return Problem(_CUSTOM[kind], *swapped(message, places.value(*loc)))


def parted(message: str) -> tuple[str, str]:
    """A sentence and the way out behind it.

    >>> parted("`1m`: does `m` mean minutes or months? Write `1min` or `1mo`")
    ('`1m`: does `m` mean minutes or months?', 'write `1min` or `1mo`')
    """
    for mark, kept in (("; ", ""), ("? ", "?")):
        head, found, tail = message.partition(mark)
        if found:
            return head + kept, tail[:1].lower() + tail[1:]
    return message, ""


def swapped(message: str, place: Origin) -> tuple[str, Origin, str]:
    head, tail = parted(message)
    return head, place, tail


def _one_of_keys(message: str, loc: Loc, data: Any, places: Places) -> Problem:
    """A rule of a model about several keys: the place is the second of those that it names, else the mapping."""
    value = _value_at(data, loc)
    named = [key for key in re.findall(r"`(\w+):?`", message) if isinstance(value, dict) and key in value]
    if isinstance(value, dict) and len(named) > 1:
        return Problem("E121", message, places.key(*loc, named[1]), "keep one of " + " and ".join(f"`{key}`" for key in named))
    return Problem(
        "E121", message, places.key(*loc, *named[:1]), "add one of them" if "one of" in message or " is " in message else "write what it needs, or take it out"
    )


def _not_one_of(name: str, value: Any, known: list[str], place: Origin) -> Problem:
    if isinstance(value, dict | list):
        return _wrong_kind(name, value, " or ".join(f"`{word}`" for word in known), place)
    meant = closest(str(value), known)
    hint = f"did you mean `{meant}`? " if meant else ""
    if value == "smtp" and "outbox" in known:
        return Problem("E106", f"{name}: `smtp` needs its settings", place, "write `transport: {smtp: {host: smtp.example.com, port: 587, tls: starttls}}`")
    if len(known) == 1:
        return Problem("E106", f"{name} is `{_shown(value)}`; it can only be `{known[0]}`", place, f"write `{known[0]}`" if not hint else hint.strip())
    return Problem("E106", f"{name} cannot be `{_shown(value)}`", place, f"{hint}{'It' if hint else 'it'} is one of: {', '.join(known)}")


def _wrong_kind(name: str, value: Any, expected: str, place: Origin) -> Problem:
    if value is None:
        return Problem("E105", f"{name} has no value", place, f"write {expected}, or take the key out")
    found = (
        "a mapping" if isinstance(value, dict) else "a list" if isinstance(value, list) else f"`{_shown(value)}`" if isinstance(value, bool)
        else f"the number {value}" if isinstance(value, int | float) else f"the text `{_shown(value)}`"
    )  # fmt: skip
    help = ""
    if expected == "text" and not isinstance(value, dict | list):
        help = f'put it in quotes: "{_shown(value)}"'
    elif expected == "text" and isinstance(value, dict):
        help = "text that begins with `{` goes into quotes"
    elif expected == "a mapping" and name.strip("`") in EXAMPLES:
        help = f"write `{EXAMPLES[name.strip('`')]}`"
    elif expected == "a list" and not isinstance(value, dict):
        help = f"put it in brackets: [{_shown(value)}]"
    elif expected == "true or false" and str(value).lower() in ("yes", "no", "on", "off", "1", "0"):
        help = f"write `{'true' if str(value).lower() in ('yes', 'on', '1') else 'false'}`; in YAML 1.2 `{value}` is {'a number' if isinstance(value, int) else 'text'}"
    elif expected == "a whole number" and isinstance(value, str) and value.strip().isdigit():
        help = f"take the quotes away: {value.strip()}"
    return Problem("E105", f"{name} takes {expected}, and this is {found}", place, help)


def _shown(value: Any) -> str:
    text = "true" if value is True else "false" if value is False else "null" if value is None else str(value)
    return text if len(text) <= 60 else text[:59] + "…"
