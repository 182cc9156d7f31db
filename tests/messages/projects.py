"""A small project in memory: one type, one template, and what a test puts in their place."""

from __future__ import annotations

from engine.definitions.definitions import Definitions
from engine.definitions.loading import load
from engine.definitions.trees import MemoryTree
from engine.messages.checking import check_templates
from engine.problems import Problem

PROJECT = """\
format: 1
name: harmony
timezone: Asia/Bangkok
locales: [en, th]
sender: {name: Harmony Music, address: hello@example.com, reply_to: support@example.com, postal_address: "1 Sukhumvit Road, Bangkok"}
links: {unsubscribe: "https://mail.example.com/u/{token}"}
environments: {dev: {facts: {duckdb: crm.duckdb}, ledger: {duckdb: ledger.duckdb}}}
topics: {product-news: {name: {en: Product news, th: ข่าวสาร}}}
"""
CRM = """\
entities:
  company:
    table: companies
    key: id
    fields: {name: text}
    relations: {contacts: {many: contact, via: contact.company_id}, invoices: {many: invoice, via: invoice.company_id}}
  contact:
    table: contacts
    key: id
    fields: {name: text, email: text, company_id: integer}
    relations: {company: {one: company, via: company_id}}
  contract:
    table: contracts
    key: id
    fields: {number: text, company_id: integer, end_date: date, value: decimal, currency: text, seen: timestamp}
    relations: {company: {one: company, via: company_id}}
  invoice:
    table: invoices
    key: id
    fields: {number: text, company_id: integer, amount: decimal, currency: text, due: date}
contact: {entity: contact, address: email, name: name}
"""
COMMON = """\
id: common
variables:
  company_name: {value: company.name, description: Trading name, sample: Lotus Hotel}
  contact_name: {value: contact.name, description: Name, sample: Ana, default: ""}
"""
TYPE = """\
id: renewal
about: contract
category: CATEGORY
variables:
  number: {value: contract.number, description: Number, sample: C-1}
  end_date: {value: contract.end_date, format: long_date, description: Last day, sample: 2026-12-31}
  raw_date: {value: contract.end_date, description: Last day, sample: 2026-12-31}
  seen: {value: contract.seen, format: datetime, description: Seen, sample: "2026-11-20T07:42:00"}
  days: {days_until: contract.end_date, description: Days left, sample: 30}
  value: {value: contract.value, format: money, currency: contract.currency, description: Value, sample: 4500, default: ""}
  site: {value: contract.currency, description: A link, sample: "https://example.com", default: ""}
  invoices: {list: company.invoices, fields: [number, amount, currency, due], description: Unpaid, sample: [{number: I-1, amount: 5, currency: THB, due: 2026-11-01}]}
"""
TEMPLATE = """\
id: letter
type: renewal
subject:
  en: "Hello {{ company_name }}"
  th: "สวัสดี {{ company_name }}"
body:
  en: {file: letter.en.md}
  th: {file: letter.th.md}
"""


def files(
    body: str = "Hello\n", *, html: str | None = None, template: str = TEMPLATE, category: str = "transactional", more: dict[str, str] | None = None
) -> dict[str, bytes]:
    """The files of the project, with this body in English (Markdown, or HTML when `html` is given)."""
    if html is not None:
        template = template.replace("letter.en.md", "letter.en.html")
    texts = {
        "engine.yaml": PROJECT,
        "definitions/crm.yaml": CRM,
        "definitions/types/common.yaml": COMMON,
        "definitions/types/renewal.yaml": TYPE.replace(
            "category: CATEGORY", "category: marketing\ntopic: product-news" if category == "marketing" else f"category: {category}"
        ),
        "definitions/templates/letter.yaml": template,
        "definitions/templates/letter.en.html" if html is not None else "definitions/templates/letter.en.md": html if html is not None else body,
        "definitions/templates/letter.th.md": "สวัสดี {{ company_name }} {% if unsubscribe_url %}{{ unsubscribe_url }}{% endif %}\n",
        **(more or {}),
    }
    return {path: text.encode() for path, text in texts.items()}


def project(body: str = "Hello\n", **given: object) -> Definitions:
    loaded = load(MemoryTree(files(body, **given)))  # type: ignore[arg-type]  # passed on as they are
    assert loaded.definitions is not None, loaded.problems
    return loaded.definitions


def problems(body: str = "Hello\n", **given: object) -> list[Problem]:
    tree = MemoryTree(files(body, **given))  # type: ignore[arg-type]  # passed on as they are
    loaded = load(tree)
    assert loaded.definitions is not None, loaded.problems
    return check_templates(loaded.definitions, tree.read)
