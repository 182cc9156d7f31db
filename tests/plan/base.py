"""The project on which the stories stand: companies with contacts, contracts and invoices; types and templates for each."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from textwrap import dedent
from typing import Any

Row = dict[str, Any]

ENGINE = """\
format: 1
name: stories
timezone: {zone}
locales: [en, th]
sender: {{name: Harmony Music, address: hello@example.com, postal_address: "1 Example Road, Bangkok"}}
links: {{unsubscribe: "https://mail.example.com/u/{{token}}"}}
topics:
  product-news: {{name: {{en: Product news}}, consent: opt_out}}
  partner-offers: {{name: {{en: Offers}}, consent: opt_in}}
environments:
  dev: {{facts: {{duckdb: state/crm.duckdb}}, ledger: {{duckdb: state/ledger.duckdb}}, transport: outbox}}
"""

CRM = """\
entities:
  company:
    table: companies
    key: id
    fields: {name: text, industry: text}
    relations:
      contacts: {many: contact, via: contact.company_id}
      invoices: {many: invoice, via: invoice.company_id}
  contact:
    table: contacts
    key: id
    fields:
      name: text
      email: text
      kind: text
      language: text
      is_active: boolean
      unsubscribed: boolean
      wants_offers: boolean
      trial_end: date
      zone: text
      company_id: integer
    relations: {company: {one: company, via: company_id}}
  contract:
    table: contracts
    key: id
    fields: {number: text, company_id: integer, end_date: date, signed_at: timestamp, monthly_value: decimal, status: text}
    relations: {company: {one: company, via: company_id}}
  invoice:
    table: invoices
    key: id
    fields: {company_id: integer, due_date: date, status: text}
    relations: {company: {one: company, via: company_id}}
contact:
  {entity: contact, address: email, name: name, language: language, active: is_active, unsubscribed: unsubscribed, consent: {partner-offers: wants_offers}, timezone: zone}
events: {signed: {entity: contract, at: signed_at}, fell_due: {entity: invoice, at: due_date}, visited: {entity: contact}}
"""

# By template: what its type is about, and the type's category. `notice` alone uses a variable that can be missing.
TEMPLATES = {
    "notice": ("contract", "category: transactional"),
    "reminder": ("contract", "category: transactional"),
    "upsell": ("contract", "category: marketing\ntopic: product-news"),
    "late": ("invoice", "category: transactional"),
    "hello": ("contact", "category: transactional"),
    "tips": ("contact", "category: transactional"),
    "news": ("contact", "category: marketing\ntopic: product-news"),
    "offers": ("contact", "category: marketing\ntopic: partner-offers"),
}
_USES = {"notice": "Contract {{ number }} ends soon."}
_VARIABLES = {"contract": "variables: {number: {value: contract.number, description: Number, sample: C-1}}"}

COLUMNS: Mapping[str, Mapping[str, str]] = {
    "company": {"id": "BIGINT", "name": "VARCHAR", "industry": "VARCHAR"},
    "contact": {
        "id": "BIGINT", "name": "VARCHAR", "email": "VARCHAR", "kind": "VARCHAR", "language": "VARCHAR", "is_active": "BOOLEAN", "unsubscribed": "BOOLEAN",
        "wants_offers": "BOOLEAN", "trial_end": "DATE", "zone": "VARCHAR", "company_id": "BIGINT",
    },
    "contract": {
        "id": "BIGINT", "number": "VARCHAR", "company_id": "BIGINT", "end_date": "DATE", "signed_at": "TIMESTAMP", "monthly_value": "DECIMAL(14,2)",
        "status": "VARCHAR",
    },
    "invoice": {"id": "BIGINT", "company_id": "BIGINT", "due_date": "DATE", "status": "VARCHAR"},
}  # fmt: skip
TABLES = {"company": "companies", "contact": "contacts", "contract": "contracts", "invoice": "invoices"}


def base_files(zone: str = "Asia/Bangkok", more: str = "") -> dict[str, str]:
    """The project's files by path; `more` is added to engine.yaml."""
    found = {"engine.yaml": ENGINE.format(zone=zone) + dedent(more), "definitions/crm.yaml": CRM}
    for id, (about, category) in TEMPLATES.items():
        found[f"definitions/types/{id}.yaml"] = f"id: {id}\nabout: {about}\n{category}\n{_VARIABLES.get(about, '')}\n"
        found[f"definitions/templates/{id}.yaml"] = template(id)
    return found


def template(id: str, *, status: str = "active", body: str = "") -> str:
    """The file of one template."""
    marketing = "marketing" in TEMPLATES[id][1]
    text = body or _USES.get(id, f"This is {id}." + (" [No more of this]({{ unsubscribe_url }})" if marketing else ""))
    thai = ', th: "สวัสดี"' if id == "hello" else ""
    return f'id: {id}\ntype: {id}\nstatus: {status}\nsubject: {{en: "{id}"{thai}}}\nbody: {{en: "{text}"{thai}}}\n'


def company(id: int = 1, **said: Any) -> Row:
    return {"id": id, "name": f"Company {id}", "industry": "hotel", **said}


def contact(id: int = 1, **said: Any) -> Row:
    """A contact who can be mailed, of company 1."""
    plain = {"id": id, "name": f"Person {id}", "email": f"person{id}@example.com", "is_active": True, "unsubscribed": False, "company_id": 1}
    return typed({**plain, **said})


def contract(id: int = 7, **said: Any) -> Row:
    """An active contract of company 1."""
    return typed({"id": id, "number": f"C-{id}", "company_id": 1, "status": "active", **said})


def invoice(id: int = 5, **said: Any) -> Row:
    return typed({"id": id, "company_id": 1, "status": "open", **said})


def typed(row: Row) -> Row:
    """Days and instants (UTC) are written as text in stories."""
    found = dict(row)
    for name in ("end_date", "due_date", "trial_end"):
        if isinstance(found.get(name), str):
            found[name] = date.fromisoformat(found[name])
    if isinstance(found.get("signed_at"), str):
        found["signed_at"] = datetime.fromisoformat(found["signed_at"])
    return found
