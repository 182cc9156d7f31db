"""The words of the Django CRM in ours: ids, rules, variables, triggers, and template text."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterator, Mapping
from typing import Any

from engine.definitions.crm import Crm
from engine.definitions.crm import Field as CrmField

OPERATORS = (
    "equals", "not_equals", "contains", "not_contains", "starts_with", "ends_with", "greater_than", "greater_than_or_equal", "less_than",
    "less_than_or_equal", "between", "in_list", "is_empty", "is_not_empty",
)  # fmt: skip
_OTHER_NAMES = {
    "eq": "equals",
    "in": "in_list",
    "gt": "greater_than",
    "gte": "greater_than_or_equal",
    "lt": "less_than",
    "lte": "less_than_or_equal",
    "ne": "not_equals",
}
# What a kind of mail is about, by the word that it begins with; all others are about the contact.
_ABOUT = {"renewal": "contract", "contract": "contract", "payment": "invoice", "invoice": "invoice", "zone": "zone", "quarterly": "company"}
MARKETING = ("newsletter", "seasonal", "announcement", "quarterly", "promotion")
# The variables that its mails know, as our functions of paths. Each is taken where the map has the field.
VARIABLES: Mapping[str, Mapping[str, Any]] = {
    "company_name": {"value": "company.name", "description": "Name of the company", "sample": "Lotus Hotel"},
    "contact_name": {"value": "contact.name", "description": "Name of the contact", "sample": "Ana"},
    "contract_number": {"value": "contract.contract_number", "description": "Contract number", "sample": "C-2026-0042"},
    "start_date": {"value": "contract.start_date", "format": "date", "description": "First day of the contract", "sample": "2026-01-01"},
    "end_date": {"value": "contract.end_date", "format": "date", "description": "Last day of the contract", "sample": "2026-12-31"},
    "days_until_expiry": {"days_until": "contract.end_date", "description": "Days until the contract ends", "sample": 30},
    "monthly_value": {
        "value": "contract.monthly_value",
        "format": "money",
        "currency": "contract.currency",
        "description": "Monthly value",
        "sample": 4500,
        "default": "",
    },
    "invoice_number": {"value": "invoice.invoice_number", "description": "Invoice number", "sample": "INV-2026-00042"},
    "issue_date": {"value": "invoice.issue_date", "format": "date", "description": "Day of the invoice", "sample": "2026-12-01"},
    "due_date": {"value": "invoice.due_date", "format": "date", "description": "Day on which the invoice is due", "sample": "2026-12-31"},
    "amount": {"value": "invoice.amount", "format": "money", "currency": "invoice.currency", "description": "Amount of the invoice", "sample": 4500},
    "invoice_amount": {"value": "invoice.amount", "format": "money", "currency": "invoice.currency", "description": "Amount of the invoice", "sample": 4500},
    "days_overdue": {"days_since": "invoice.due_date", "description": "Days since the invoice was due", "sample": 3},
    "days_until_due": {"days_until": "invoice.due_date", "description": "Days until the invoice is due", "sample": 7},
    "zone_name": {"value": "zone.name", "description": "Name of the zone", "sample": "Lobby"},
}
_NAMES = re.compile(r"\{\{\s*([A-Za-z_]\w*)|\{%-?\s*(?:el)?if\s+(?:not\s+)?([A-Za-z_]\w*)")
# Django writes a filter's argument behind a colon, Jinja in parentheses.
_ARGUMENT = re.compile(r"\|\s*(\w+):(\"[^\"{}]*\"|'[^'{}]*'|\d+)")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029]")


class NotCarried(Exception):
    """Something that has no place in our language; the text says what."""


def slug(text: str) -> str:
    """An id: lower-case letters, digits and hyphens; empty where nothing is left.

    >>> slug("Renewal_30 Days!"), slug("../../etc"), slug("ข่าว")
    ('renewal-30-days', 'etc', '')
    """
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    return "-".join(re.findall(r"[a-z0-9]+", plain.lower()))[:60].strip("-")


def clean(text: str) -> str:
    """One line without control characters: a name, a subject."""
    return " ".join(_CONTROL.sub(" ", text).split())


def paragraphs(text: str) -> str:
    """Text of several lines without control characters, its lines as they were."""
    return _CONTROL.sub("", text.replace("\r\n", "\n").replace("\r", "\n"))


def jinja(text: str) -> str:
    """Django's template language where it differs in writing alone.

    >>> jinja('{{ name|default:"you" }}')
    '{{ name|default("you") }}'
    """
    return _ARGUMENT.sub(r"|\1(\2)", paragraphs(text))


def names_in(*texts: str) -> Iterator[str]:
    """The variables that a template names."""
    for text in texts:
        for found in _NAMES.finditer(text):
            yield found[1] or found[2]


def about_of(kind: str, crm: Crm) -> str:
    """The entity that a kind of mail is about: the contact where the map has no better one."""
    entity = _ABOUT.get(slug(kind).split("-")[0], "")
    return entity if entity in crm.entities else crm.contact.entity


def variable_of(name: str, crm: Crm) -> dict[str, Any] | None:
    """A variable's declaration; None where nothing is known of it, or the map has no such field."""
    said = VARIABLES.get(name)
    if said is None:
        return None
    for word in ("value", "days_until", "days_since", "currency"):
        path = said.get(word)
        if path is not None and field_of(crm, path) is None:
            return None
    return dict(said)


def field_of(crm: Crm, path: str) -> CrmField | None:
    """The field of `entity.field`."""
    entity, _, name = path.partition(".")
    found = crm.entities.get(entity)
    return found.fields.get(name) if found is not None else None


# --- rules ------------------------------------------------------------------------------------------------------


def condition(crm: Crm, entity: str, name: str, operator: str, value: Any) -> dict[str, Any]:
    """One condition as our rule. NotCarried where field, operator or value have no place."""
    path = _path(crm, entity, name)
    field = field_of(crm, path)
    if field is None:
        raise NotCarried(f"the map has no field for `{clean(name)[:60]}`")
    word = _OTHER_NAMES.get(operator, operator)
    if word not in OPERATORS:
        raise NotCarried(f"nobody knows the operator `{clean(operator)[:40]}`")
    if word in ("is_empty", "is_not_empty"):
        return {path: {word: True}}
    if word == "between":
        ends = [value.get("min"), value.get("max")] if isinstance(value, dict) else _list(value)
        if len(ends) != 2:
            raise NotCarried(f"`between` on `{path}` has not two ends")
        return {path: {"between": [_typed(field, end, path) for end in ends]}}
    if word == "in_list":
        return {path: [_typed(field, item, path) for item in _list(value)]}
    typed = _typed(field, value, path)
    return {path: typed} if word == "equals" else {path: {word: typed}}


def _path(crm: Crm, entity: str, name: str) -> str:
    words = name.replace("__", ".").split(".")
    if len(words) == 1:
        return f"{entity}.{words[0]}"
    if len(words) == 2 and words[0] in crm.entities:
        return ".".join(words)
    raise NotCarried(f"the map has no field for `{clean(name)[:60]}`")


def _list(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list) else [part.strip() for part in str(value).split(",") if part.strip()]


def _typed(field: CrmField, value: Any, path: str) -> Any:
    """The operand as the field's type has it."""
    if field.type == "boolean":
        if isinstance(value, bool):
            return value
        word = str(value).strip().lower()
        if word not in ("true", "false", "1", "0", "yes", "no"):
            raise NotCarried(f"`{path}` is a boolean, and its value is none")
        return word in ("true", "1", "yes")
    if field.type in ("integer", "decimal"):
        try:
            number = float(value)
        except (TypeError, ValueError):
            raise NotCarried(f"`{path}` is a number, and its value is none") from None
        return int(number) if number.is_integer() else number
    if value is None or not str(value).strip():
        raise NotCarried(f"the condition on `{path}` has no value")
    return clean(str(value))


def rules(crm: Crm, said: str, otherwise: str) -> tuple[str, dict[str, Any]]:
    """The entity of a segment and its rules, out of its JSON. NotCarried for anything that is no list of conditions."""
    try:
        criteria = json.loads(said)
    except ValueError:
        raise NotCarried("its criteria are not JSON") from None
    if isinstance(criteria, list):
        criteria = {"rules": criteria}
    several = next((criteria[key] for key in ("rules", "conditions", "filters") if isinstance(criteria, dict) and isinstance(criteria.get(key), list)), None)
    if not several:
        raise NotCarried("it has no rules")
    entity = str(criteria.get("entity") or criteria.get("entity_type") or otherwise).rstrip("s").replace("companie", "company")
    if entity not in crm.entities:
        raise NotCarried(f"the map has no entity `{clean(entity)[:40]}`")
    match = str(criteria.get("match_type") or criteria.get("match") or criteria.get("logic") or criteria.get("operator") or "all").lower()
    return entity, {"any" if match in ("any", "or") else "all": [_rule(crm, entity, one) for one in several]}


def _rule(crm: Crm, entity: str, said: Any) -> dict[str, Any]:
    if not isinstance(said, dict):
        raise NotCarried("one of its rules is none")
    inner = next((said[key] for key in ("rules", "conditions") if isinstance(said.get(key), list)), None)
    if inner is not None:
        match = str(said.get("match_type") or said.get("operator") or "all").lower()
        return {"any" if match in ("any", "or") else "all": [_rule(crm, entity, one) for one in inner]}
    whose = str(said.get("entity") or entity)
    return condition(crm, whose if whose in crm.entities else entity, str(said.get("field", "")), str(said.get("operator", "equals")), said.get("value"))
