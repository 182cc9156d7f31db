"""A template as its readers would see it: with samples, with one contact's values, and in the cases that break layouts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from engine.definitions.definitions import Definitions
from engine.definitions.types import Variable
from engine.definitions.variables import category_of, variables_of
from engine.messages.message import Message
from engine.messages.rendering import Rendered, Renderer
from engine.messages.sources import locale_used
from engine.messages.unsubscribe import link_of

# Where nothing has been sent there is no send key; a preview's mail says so.
PREVIEW_KEY = "00000000-0000-0000-0000-000000000000"
LONGEST_NAME = "Professor Dr. Maximiliana Wattanasirichaikul-Papadopoulos von Hohenstein"
LONGEST_THAI = "ดร.กาญจนาภรณ์ ศรีวัฒนวงศ์ไพศาลกิจเจริญรุ่งเรืองทรัพย์"
LONGEST_COMPANY = "The Grand Chao Phraya Riverside Convention Hotel, Serviced Residences & Spa Bangkok Sathorn"
LONGEST_WORD = "Krungthepmahanakhonamonrattanakosinmahintharayutthaya"
MANY = 20


@dataclass(frozen=True, slots=True)
class Case:
    """One set of values to look at a template with."""

    id: str
    title: str
    locale: str
    variables: Mapping[str, Any]
    contact_name: str
    # The variables of each record, where the mail is about several (4.8).
    items: tuple[Mapping[str, Any], ...] = ()


@dataclass(frozen=True, slots=True)
class Preview:
    """A rendered case: the parts, the mail itself, and the language that was used (not always the one asked for)."""

    case: Case
    locale: str
    rendered: Rendered
    message: Message


def samples(definitions: Definitions, type_id: str) -> dict[str, Any]:
    """The sample of each variable of a type."""
    return {name: variable.sample for name, variable in variables_of(definitions, type_id).items()}


def sample_case(definitions: Definitions, template_id: str, locale: str | None = None) -> Case:
    """The samples of the type's variables."""
    values = samples(definitions, definitions.templates[template_id].type)
    return Case("samples", "The samples of the type", locale or definitions.project.fallback, values, str(values.get("contact_name") or ""))


def hard_cases(definitions: Definitions, template_id: str) -> tuple[Case, ...]:
    """Longest names, missing optional values, each further language, twenty items, and text that looks like HTML."""
    type_id = definitions.templates[template_id].type
    variables = variables_of(definitions, type_id)
    plain = samples(definitions, type_id)
    first = definitions.project.fallback
    long = {name: _long(name, variable, value) for name, variable, value in ((name, variables[name], plain[name]) for name in variables)}
    none = {name: (None if variable.has_default else [] if variable.function == "list" else plain[name]) for name, variable in variables.items()}
    many = {name: _many(variable, plain[name]) for name, variable in variables.items()}
    nasty = {name: '<b>Tom & Jerry\'s</b> "Bar"' if _is_text(variable, plain[name]) else plain[name] for name, variable in variables.items()}
    cases = [
        Case("longest", "The longest names", first, long, LONGEST_NAME),
        Case("missing", "Every optional value is missing", first, none, ""),
        Case("twenty", "Twenty items in each list, and twenty records", first, many, str(plain.get("contact_name") or ""), (many,) * MANY),
        Case("html", "Values that look like HTML", first, nasty, "<b>Tom & Jerry's</b>"),
    ]
    for locale in definitions.project.locales[1:]:
        local = {**long, "contact_name": LONGEST_THAI if locale == "th" else LONGEST_NAME}
        shown = {name: local[name] for name in variables}
        cases.append(Case(f"longest-{locale}", f"The longest names, in {locale}", locale, shown, str(local["contact_name"])))
    return tuple(cases)


def _is_text(variable: Variable, sample: Any) -> bool:
    return variable.function in ("value", "text") and isinstance(sample, str) and variable.format in (None, "text")


def _long(name: str, variable: Variable, sample: Any) -> Any:
    if not _is_text(variable, sample):
        return sample
    whole = {"contact_name": LONGEST_NAME, "company_name": LONGEST_COMPANY}
    return whole.get(name) or (f"{sample} {LONGEST_WORD}" if name.endswith("name") else sample)


def _many(variable: Variable, sample: Any) -> Any:
    if variable.function != "list" or not isinstance(sample, list | tuple):
        return sample
    items = list(sample) or [dict.fromkeys(variable.fields or (), "1")]
    return [items[index % len(items)] for index in range(MANY)]


def make_preview(
    renderer: Renderer,
    template_id: str,
    case: Case,
    *,
    due_at: datetime,
    to_address: str = "preview@example.com",
    unsubscribe_url: str | None = None,
    mark: str = "",
) -> Preview:
    """A case as a mail. `mark` goes before the subject of a mail to a tester. Raises RenderFailed or TemplateBroken."""
    definitions = renderer.definitions
    link = unsubscribe_url
    if link is None and definitions.project.links.unsubscribe is not None:
        link = link_of(definitions.project.links.unsubscribe, "preview")
    if category_of(definitions, template_id) != "marketing" and unsubscribe_url is None:
        link = None
    rendered = renderer.render_parts(template_id, case.locale, case.variables, due_at=due_at, unsubscribe_url=link, items=case.items)
    message = renderer.render(
        template_id,
        case.locale,
        case.variables,
        contact_name=case.contact_name,
        to_address=to_address,
        send_key=PREVIEW_KEY,
        due_at=due_at,
        unsubscribe_url=link,
        subject_mark=mark,
        items=case.items,
    )
    return Preview(case, locale_used(definitions, template_id, case.locale), rendered, message)
