"""The pieces of which the worlds and the hand-made tests are built: the map of a CRM, types, templates, steps."""

from __future__ import annotations

from typing import Any
from zlib import crc32

Raw = dict[str, Any]

TOPICS: Raw = {
    "product-news": {
        "name": {"en": "Product news", "th": "News"},
        "consent": "opt_out",
    },
    "partner-offers": {
        "name": {"en": "Partner offers", "th": "Offers"},
        "consent": "opt_in",
    },
}
# The kinds of a template type: transactional, or marketing with a topic.
KINDS: dict[str, Raw] = {
    "notice": {"category": "transactional"},
    "news": {"category": "marketing", "topic": "product-news"},
    "offers": {"category": "marketing", "topic": "partner-offers"},
}


def engine_yaml(
    timezone: str = "Asia/Bangkok",
    guards: Raw | None = None,
    caps: list[Raw] | None = None,
) -> Raw:
    found: Raw = {
        "format": 1,
        "name": "oracle-world",
        "timezone": timezone,
        "locales": ["en", "th"],
        "sender": {
            "name": "Oracle",
            "address": "hello@example.com",
            "reply_to": "support@example.com",
            "postal_address": "1 Example Road, Bangkok",
        },
        "links": {"unsubscribe": "https://mail.example.com/u/{token}"},
        "owners": {"accounts": "accounts@example.com"},
        "environments": {
            "dev": {
                "facts": {"duckdb": "state/crm.duckdb"},
                "ledger": {"duckdb": "state/ledger.duckdb"},
                "transport": "outbox",
            }
        },
        "topics": TOPICS,
    }
    if guards:
        found["guards"] = guards
    if caps:
        found["caps"] = caps
    return found


def crm_yaml() -> Raw:
    return {
        "entities": {
            "company": {
                "table": "companies",
                "key": "id",
                "fields": {
                    "name": "text",
                    "industry": "text",
                    "country": "text",
                    "is_active": "boolean",
                },
                "relations": {
                    "contacts": {"many": "contact", "via": "contact.company_id"},
                    "contracts": {"many": "contract", "via": "contract.company_id"},
                    "invoices": {"many": "invoice", "via": "invoice.company_id"},
                },
            },
            "contact": {
                "table": "contacts",
                "key": "id",
                "fields": {
                    "name": {"type": "text", "pii": True},
                    "email": {"type": "text", "pii": True},
                    "contact_type": "text",
                    "language": "text",
                    "is_active": "boolean",
                    "unsubscribed": "boolean",
                    "wants_offers": "boolean",
                    "zone": "text",
                    "trial_end": "date",
                    "company_id": "integer",
                },
                "relations": {"company": {"one": "company", "via": "company_id"}},
            },
            "contract": {
                "table": "contracts",
                "key": "id",
                "fields": {
                    "contract_number": "text",
                    "company_id": "integer",
                    "end_date": "date",
                    "signed_at": "timestamp",
                    "monthly_value": "decimal",
                    "status": "text",
                },
                "relations": {"company": {"one": "company", "via": "company_id"}},
            },
            "invoice": {
                "table": "invoices",
                "key": "id",
                "fields": {
                    "invoice_number": "text",
                    "company_id": "integer",
                    "contract_id": "integer",
                    "due_date": "date",
                    "amount": "decimal",
                    "status": "text",
                },
                "relations": {
                    "company": {"one": "company", "via": "company_id"},
                    "contract": {"one": "contract", "via": "contract_id"},
                },
            },
        },
        "contact": {
            "entity": "contact",
            "address": "email",
            "name": "name",
            "language": "language",
            "active": "is_active",
            "unsubscribed": "unsubscribed",
            "consent": {"partner-offers": "wants_offers"},
            "timezone": "zone",
        },
        "events": {
            "signed": {"entity": "contract", "at": "signed_at"},
            "fell_due": {"entity": "invoice", "at": "due_date"},
            "visited": {"entity": "contact"},
            "called": {"entity": "contract"},
        },
    }


def type_yaml(about: str, kind: str) -> Raw:
    """A type for each entity and kind: `contract-notice`, `company-news`, …"""
    variables: Raw = {
        "reader": {
            "value": "contact.name",
            "description": "Who reads it",
            "sample": "Ana",
        },
        "reader_or_blank": {
            "value": "contact.name",
            "description": "Who reads it, if known",
            "sample": "Ana",
            "default": "",
        },
        "customer": {
            "value": "company.name",
            "description": "Company",
            "sample": "Lotus",
        },
    }
    if about == "contract":
        variables |= {
            "number": {
                "value": "contract.contract_number",
                "description": "Number",
                "sample": "C-1",
            },
            "ends": {
                "value": "contract.end_date",
                "description": "Last day",
                "sample": "2026-12-31",
            },
            "days_left": {
                "days_until": "contract.end_date",
                "description": "Days",
                "sample": 30,
            },
            "monthly": {
                "value": "contract.monthly_value",
                "description": "Value",
                "sample": 4500,
            },
        }
    if about == "invoice":
        variables |= {
            "number": {
                "value": "invoice.invoice_number",
                "description": "Number",
                "sample": "I-1",
            },
            "days_late": {
                "days_since": "invoice.due_date",
                "description": "Days",
                "sample": 3,
            },
        }
    return {
        "id": f"{about}-{kind}",
        "name": f"{about} {kind}",
        "description": "For the oracle",
        "about": about,
        **KINDS[kind],
        "variables": variables,
    }


def types_yaml() -> dict[str, Raw]:
    abouts = ("company", "contact", "contract", "invoice")
    return {f"{a}-{k}": type_yaml(a, k) for a in abouts for k in KINDS}


def template_yaml(
    name: str,
    about: str = "contract",
    kind: str = "notice",
    variables: tuple[str, ...] = (),
    thai: bool = False,
    status: str = "active",
) -> Raw:
    """Marketing carries the unsubscribe link. Some Thai texts use a variable less."""
    used = {"en": variables, "th": variables[: -1 if crc32(name.encode()) % 3 == 0 else None]}
    words = {locale: " ".join(f"{{{{ {variable} }}}}" for variable in said) for locale, said in used.items()}
    link = "" if kind == "notice" else "\n\nTo stop: {{ unsubscribe_url }}\n"
    locales = ("en", "th") if thai else ("en",)
    return {
        "id": name,
        "type": f"{about}-{kind}",
        "status": status,
        "subject": {locale: f"{name} {locale}" for locale in locales},
        "body": {locale: f"Hello {words[locale]} in {locale}.{link}" for locale in locales},
    }


def empty_facts() -> dict[str, list[Raw]]:
    return {"company": [], "contact": [], "contract": [], "invoice": []}


def company(key: int, **values: Any) -> Raw:
    return {
        "id": key,
        "name": f"Company {key}",
        "industry": None,
        "country": None,
        "is_active": True,
    } | values


def contact(key: int, **values: Any) -> Raw:
    return {
        "id": key,
        "name": f"Contact {key}",
        "email": f"c{key}@example.com",
        "contact_type": None,
        "language": None,
        "is_active": True,
        "unsubscribed": False,
        "wants_offers": None,
        "zone": None,
        "trial_end": None,
        "company_id": 1,
    } | values


def contract(key: int, **values: Any) -> Raw:
    return {
        "id": key,
        "contract_number": f"C-{key}",
        "company_id": 1,
        "end_date": None,
        "signed_at": None,
        "monthly_value": None,
        "status": "active",
    } | values


def invoice(key: int, **values: Any) -> Raw:
    return {
        "id": key,
        "invoice_number": f"I-{key}",
        "company_id": 1,
        "contract_id": None,
        "due_date": None,
        "amount": None,
        "status": "sent",
    } | values
