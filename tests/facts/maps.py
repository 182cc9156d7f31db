"""A small map of a CRM, loaded from YAML as a user writes it, and the parts that tests change."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from engine.definitions.definitions import Definitions
from engine.definitions.loading import load
from engine.definitions.trees import MemoryTree
from engine.facts.snapshot import Snapshot

NOW = datetime(2026, 3, 1, 2, 0)

PROJECT = """\
format: 1
name: facts
timezone: Asia/Bangkok
locales: [en]
sender: {name: Lotus, address: hello@example.com}
environments:
  dev: {facts: {duckdb: crm.duckdb}, ledger: {duckdb: ledger.duckdb}}
"""

CRM = """\
entities:
  company:
    table: companies
    key: id
    fields:
      name: text
      founded: date
    relations:
      contacts: {many: contact, via: contact.company_id}
  contact:
    table: contacts
    key: id
    fields:
      name: {type: text, pii: true}
      email: {type: text, pii: true}
      is_active: boolean
      unsubscribed: boolean
      zone: text
      company_id: integer
    relations:
      company: {one: company, via: company_id}
  contract:
    table: contracts
    key: id
    fields:
      company_id: integer
      end_date: date
      signed_at: timestamp
      monthly_value: decimal
      status: text
    relations:
      company: {one: company, via: company_id}
contact: {entity: contact, address: email, name: name, active: is_active, unsubscribed: unsubscribed, timezone: zone}
"""

TYPE = """\
id: renewal
description: A contract ends
about: contract
category: transactional
variables:
  end_date: {value: contract.end_date, format: date, description: Last day, sample: 2026-12-31}
"""

TEMPLATE = """\
id: renewal
type: renewal
layout: null
subject: {en: "Your contract ends on {{ end_date }}"}
body: {en: "It ends on {{ end_date }}."}
"""

SEQUENCE = """\
id: renewal
about: contract
status: active
trigger: {date: contract.end_date, where: {contract.status: active}}
steps:
  - {id: notice-30, before: 30d, template: renewal}
"""


def definitions(crm: str = CRM, **files: str) -> Definitions:
    """The definitions as the loader reads them; `files` by kind replace the ones above."""
    tree = {
        "engine.yaml": files.get("project", PROJECT),
        "definitions/crm.yaml": crm,
        "definitions/types/renewal.yaml": files.get("type", TYPE),
        "definitions/templates/renewal.yaml": files.get("template", TEMPLATE),
        "definitions/sequences/renewal.yaml": files.get("sequence", SEQUENCE),
    }
    loaded = load(MemoryTree({path: text.encode() for path, text in tree.items()}))
    assert loaded.definitions is not None, loaded.problems
    return loaded.definitions


def one(entity_yaml: str) -> Definitions:
    """Definitions whose contact entity is the whole map: what stands under `contact:` is given, indented by four."""
    crm = f"entities:\n  contact:\n{entity_yaml}\ncontact: {{entity: contact, address: email}}\n"
    template_type = TYPE.replace("about: contract", "about: contact").replace("contract.end_date", "contact.email").replace("format: date, ", "")
    sequence = "id: renewal\nabout: contact\nstatus: draft\ntrigger: manual\nsteps:\n  - {id: hello, wait: 0d, template: renewal}\n"
    return definitions(crm, type=template_type, sequence=sequence)


def rows(snapshot: Snapshot, entity: str, *columns: str) -> list[Any]:
    """The records as tuples of these columns, by key."""
    names = ", ".join(f'"{column}"' for column in columns)
    return snapshot.connection.execute(f'SELECT {names} FROM facts."{entity}" ORDER BY _key').fetchall()
