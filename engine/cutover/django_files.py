"""Templates, types, segments and sequences of the Django CRM as files of ours; nothing is written here."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml

from engine.cutover.django_tables import Found, Tables
from engine.cutover.django_words import MARKETING, NotCarried, about_of, clean, condition, field_of, jinja, names_in, paragraphs, rules, slug, variable_of
from engine.definitions.definitions import Definitions

# Always there in a template.
_BUILT_IN = {"current_year", "unsubscribe_url", "items", "forloop", "loop"}


@dataclass(frozen=True, slots=True)
class LeftOut:
    """Something that was not carried over, and why. Names are those of definitions, never of people."""

    what: str
    why: str


@dataclass
class Made:
    """Files by their path in the project. `objects` lists the files of each definition, so that one can be left out whole.

    `templates` and `sequences` map the rows' ids to ours; `steps` a step's row to (sequence, step).
    """

    files: dict[str, str] = field(default_factory=dict)
    objects: dict[str, list[str]] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)
    left_out: list[LeftOut] = field(default_factory=list)
    templates: dict[str, str] = field(default_factory=dict)
    sequences: dict[str, str] = field(default_factory=dict)
    steps: dict[str, tuple[str, str]] = field(default_factory=dict)
    order: dict[str, list[str]] = field(default_factory=dict)

    def add(self, path: str, name: str, files: Mapping[str, str]) -> None:
        """A definition with the files that belong to it; `path` is its YAML."""
        self.files.update(files)
        self.objects[path] = list(files)
        self.names[path] = name

    def drop(self, path: str, why: str) -> None:
        for file in self.objects.pop(path):
            self.files.pop(file, None)
        self.left_out.append(LeftOut(self.names[path], why))


def written(value: Mapping[str, Any]) -> str:
    """YAML that reads back as the same value, whatever the texts in it are."""
    return yaml.safe_dump(dict(value), sort_keys=False, allow_unicode=True, width=120)


def make(tables: Tables, definitions: Definitions) -> Made:
    """All definitions that the rows make, before anybody has checked them."""
    made = Made()
    _templates(made, tables, definitions)
    for row in tables.of("segment"):
        _segment(made, row, tables, definitions)
    for row in tables.of("sequence"):
        _sequence(made, row, tables, definitions)
    return made


# --- templates --------------------------------------------------------------------------------------------------


def _templates(made: Made, tables: Tables, definitions: Definitions) -> None:
    """One template for each kind of mail, with a text for each language; rows of one kind and language are templates of their own."""
    kinds: dict[tuple[str, str], int] = {}
    for row in tables.of("template"):
        key = (slug(row.text("template_type", "type")), row.text("language"))
        kinds[key] = kinds.get(key, 0) + 1
    groups: dict[str, list[Found]] = {}
    for row in tables.of("template"):
        kind = slug(row.text("template_type", "type"))
        alone = kind and kinds[kind, row.text("language")] == 1
        groups.setdefault((kind if alone else slug(row.text("name"))) or f"template-{slug(row.id)}", []).append(row)
    for id, rows in groups.items():
        for row in rows:
            made.templates[row.id] = id
        name = f"template `{id}`"
        if id in definitions.templates:
            made.left_out.append(LeftOut(name, "the project has a template of this id; it is left as it is"))
            continue
        kind = slug(rows[0].text("template_type", "type")) or id
        _type(made, kind, rows, definitions)
        made.add(f"definitions/templates/{id}.yaml", name, dict(_template(id, kind, rows, definitions)))


def _template(id: str, kind: str, rows: list[Found], definitions: Definitions) -> Iterator[tuple[str, str]]:
    first = definitions.project.fallback
    value: dict[str, Any] = {"id": id, "type": kind, "name": clean(rows[0].text("name")) or id}
    subject, body, text = {}, {}, {}
    files: dict[str, str] = {}
    whole = False
    for row in rows:
        language = row.text("language").strip().lower() or first
        html, plain = row.get("body_html", "html_body", "html", "body", "content"), row.get("body_text", "text_body", "text")
        subject[language] = jinja(clean(row.text("subject")))
        if html is not None:
            whole = whole or "<html" in html.lower()
            body[language] = {"file": f"{id}.{language}.html"}
            files[f"definitions/templates/{id}.{language}.html"] = jinja(html)
            if plain is not None:
                text[language] = {"file": f"{id}.{language}.txt"}
                files[f"definitions/templates/{id}.{language}.txt"] = jinja(plain)
        else:
            body[language] = {"file": f"{id}.{language}.md"}
            files[f"definitions/templates/{id}.{language}.md"] = jinja(plain or "")
    if whole or "default" not in definitions.layouts:
        value["layout"] = None
    if not all(row.yes("is_active", "active") for row in rows):
        value["status"] = "inactive"
    value |= {"subject": subject, "body": body, **({"text": text} if text else {})}
    yield f"definitions/templates/{id}.yaml", written(value)
    yield from files.items()


def _type(made: Made, kind: str, rows: list[Found], definitions: Definitions) -> None:
    """The type of a template, where the project has none: its variables are those that the texts name and the map can answer."""
    path = f"definitions/types/{kind}.yaml"
    if kind in definitions.types or path in made.files:
        return
    common = set(definitions.types["common"].variables) if "common" in definitions.types else set()
    texts = [
        row.text(*columns)
        for row in rows
        for columns in (("subject",), ("body_html", "html_body", "html", "body", "content"), ("body_text", "text_body", "text"))
    ]
    variables = {}
    for name in dict.fromkeys(names_in(*texts)):
        declared = variable_of(name, definitions.crm) if name not in common | _BUILT_IN else None
        if declared is not None:
            variables[name] = declared
    value: dict[str, Any] = {"id": kind, "name": kind.replace("-", " ").capitalize(), "about": about_of(kind, definitions.crm), "category": "transactional"}
    if kind.split("-")[0] in MARKETING:
        value |= {"category": "marketing", "topic": next(iter(definitions.project.topics), "news")}
    made.add(path, f"type `{kind}`", {path: written({**value, "variables": variables})})


# --- segments ---------------------------------------------------------------------------------------------------


def _segment(made: Made, row: Found, tables: Tables, definitions: Definitions) -> None:
    id = slug(row.text("name")) or f"segment-{slug(row.id)}"
    name, path = f"segment `{id}`", f"definitions/segments/{id}.yaml"
    if id in definitions.segments or path in made.files:
        made.left_out.append(LeftOut(name, "there is a segment of this id already"))
        return
    status = row.text("status").strip().lower()
    value: dict[str, Any] = {"id": id, "name": clean(row.text("name")) or id}
    try:
        entity = row.text("entity", "entity_type") or "company"
        if row.text("segment_type", "type").strip().lower() == "static":
            entity, members = _members(row, tables)
            content: dict[str, Any] = {"members": members}
        else:
            entity, ruled = rules(definitions.crm, row.text("filter_criteria", "criteria", "rules"), entity)
            content = {"rules": ruled}
    except NotCarried as error:
        made.left_out.append(LeftOut(name, str(error)))
        return
    value["entity"] = entity
    if row.get("description"):
        value["description"] = paragraphs(row.text("description"))
    if status in ("paused", "archived"):
        value["status"] = status
    if row.text("visibility").strip().lower() == "private":
        value["visibility"] = "private"
    tags = [tag for tag in map(slug, _tags(row.text("tags"))) if tag]
    if tags:
        value["tags"] = tags
    made.add(path, name, {path: written({**value, **content})})


def _tags(said: str) -> list[str]:
    try:
        found = json.loads(said)
    except ValueError:
        return said.split(",")
    return [str(tag) for tag in found] if isinstance(found, list) else [said]


def _members(row: Found, tables: Tables) -> tuple[str, list[str]]:
    for entity in ("contact", "company"):
        table = tables.of(f"segment_{'contacts' if entity == 'contact' else 'companies'}")
        keys = [one.text(f"{entity}_id") for one in table if one.get("customersegment_id", "segment_id") == row.id and one.get(f"{entity}_id")]
        if keys:
            return entity, keys
    raise NotCarried("it is a list without members")


# --- sequences --------------------------------------------------------------------------------------------------


def _sequence(made: Made, row: Found, tables: Tables, definitions: Definitions) -> None:
    id = slug(row.text("name")) or f"sequence-{slug(row.id)}"
    name, path = f"sequence `{id}`", f"definitions/sequences/{id}.yaml"
    if id in definitions.sequences or path in made.files:
        made.left_out.append(LeftOut(name, "there is a sequence of this id already"))
        return
    rows = sorted(
        (one for one in tables.of("step") if one.get("sequence_id", "email_sequence_id") == row.id),
        key=lambda one: one.number("step_number", "step_order", "order", "position"),
    )
    if not rows:
        made.left_out.append(LeftOut(name, "it has no steps"))
        return
    trigger = _trigger(made, row, name, definitions)
    # A draft: a person looks at it, and says `active` in its file.
    value: dict[str, Any] = {"id": id, "name": clean(row.text("name")) or id}
    if row.get("description"):
        value["description"] = paragraphs(row.text("description"))
    value |= {"status": "draft", **trigger.head}
    made.sequences[row.id] = id
    steps: list[dict[str, Any]] = []
    days = 0
    for number, one in enumerate(rows, 1):
        days += max(0, one.number("delay_days", "days_delay", "days_after", "wait_days"))
        steps.append(_step(made, one, number, id, [step["id"] for step in steps], trigger, days, name, definitions))
    value["steps"] = steps
    made.order[id] = [step["id"] for step in steps]
    made.add(path, name, {path: written(value)})


@dataclass(frozen=True)
class _Trigger:
    """The head of a sequence, and how its steps count: `before` days in front of the date, behind it, or (None) from step to step."""

    head: dict[str, Any]
    about: str
    before: int | None
    dated: bool


def _trigger(made: Made, row: Found, name: str, definitions: Definitions) -> _Trigger:
    said = slug(row.text("trigger_event", "trigger_type", "trigger", "sequence_type"))
    if said in ("", "triggered"):
        said = slug(row.text("sequence_type", "type"))
    ahead = abs(row.number("trigger_days_before"))
    crm = definitions.crm
    for words, path, where, before in (
        (("contract-signed",), "contract.signed_date", {"contract.status": "active"}, None),
        (("renewal-30-days", "renewal-7-days", "auto-renewal"), "contract.end_date", {"contract.status": "active"}, ahead or (7 if "7" in said else 30)),
        (("payment-overdue", "auto-payment"), "invoice.due_date", {"invoice.status": ["sent", "overdue"]}, None),
    ):
        if said not in words:
            continue
        if field_of(crm, path) is None:
            made.left_out.append(LeftOut(f"the trigger of {name}", f"the map has no `{path}`; it is written as a manual one"))
            break
        entity = path.split(".")[0]
        kept = {key: value for key, value in where.items() if field_of(crm, key) is not None}
        return _Trigger({"about": entity, "trigger": {"date": path, **({"where": kept} if kept else {})}}, entity, before, True)
    else:
        if said not in ("manual", ""):
            made.left_out.append(LeftOut(f"the trigger of {name}", f"nobody knows `{said}`; it is written as a manual one"))
    contact = crm.contact.entity
    return _Trigger({"about": contact, "trigger": "manual"}, contact, None, False)


def _step(
    made: Made, row: Found, number: int, sequence: str, taken: list[str], trigger: _Trigger, days: int, name: str, definitions: Definitions
) -> dict[str, Any]:
    template = made.templates.get(row.text("template_id", "email_template_id"), "")
    id = slug(row.text("name")) or template or f"step-{number}"
    if id in taken:
        id = f"{id}-{number}"
    made.steps[row.id] = (sequence, id)
    step: dict[str, Any] = {"id": id}
    if not trigger.dated:
        step["wait"] = f"{max(0, row.number('delay_days', 'days_delay', 'days_after', 'wait_days'))}d"
    elif trigger.before is not None and trigger.before > days:
        step["before"] = f"{trigger.before - days}d"
    else:
        step["after"] = f"{days - (trigger.before or 0)}d"
    at = row.text("time_of_day", "send_time", "send_at")[:5]
    if len(at) == 5 and at[2] == ":" and at.replace(":", "").isdecimal():
        step["at"] = at
    step["template"] = template or "none"
    if not row.yes("is_active", "active"):
        step["active"] = False
    asked = _condition(row)
    if asked is not None:
        try:
            step["if"] = condition(definitions.crm, *_whose(asked[0], definitions), asked[1], asked[2])
        except NotCarried as error:
            # A step without its condition would reach people that it never reached.
            step["active"] = False
            made.left_out.append(LeftOut(f"the condition of step `{id}` of {name}", f"{error}; the step is written as inactive"))
    return step


def _condition(row: Found) -> tuple[str, str, Any] | None:
    said = row.get("condition", "conditions")
    if said is not None and said.strip().startswith("{"):
        try:
            value = json.loads(said)
        except ValueError:
            value = {}
        if value.get("field"):
            return str(value["field"]), str(value.get("operator", "equals")), value.get("value")
    name = row.get("condition_field")
    return None if name is None else (name, row.text("condition_operator") or "equals", row.get("condition_value"))


def _whose(name: str, definitions: Definitions) -> tuple[str, str]:
    """A condition's field is of the company or of the contact; the contact goes first."""
    contact = definitions.crm.contact.entity
    if "." in name or "__" in name or name in definitions.crm.entities[contact].fields:
        return contact, name
    return ("company" if "company" in definitions.crm.entities else contact), name
