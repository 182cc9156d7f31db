"""A whole project on disk with one mail due for each of its contacts: what an apply is killed on."""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path

import duckdb

from engine.ledger.keys import send_key
from engine.ledger.pseudonyms import make_pseudonym_key
from engine.runs.opening import open_site

NOW = datetime(2026, 1, 5, 2, 0)
ENROLLMENT = "first-letter"
_FILES = {
    "engine.yaml": """\
format: 1
name: crash
timezone: Asia/Bangkok
locales: [en]
sender: {name: Harmony Music, address: hello@example.com, postal_address: "1 Sukhumvit Road, Bangkok"}
environments:
  test:
    facts: {duckdb: state/crm.duckdb}
    ledger: {duckdb: state/ledger.duckdb}
    transport: {smtp: {host: 127.0.0.1, port: "${SMTP_PORT}", tls: none}}
    allow_recipients: ["*"]
""",
    "definitions/crm.yaml": """\
entities:
  contact:
    table: contacts
    key: id
    fields: {name: text, email: text}
contact: {entity: contact, address: email, name: name}
""",
    "definitions/types/hello.yaml": """\
id: hello
about: contact
category: transactional
variables:
  contact_name: {value: contact.name, description: Name, sample: Ana}
""",
    "definitions/templates/hello.yaml": 'id: hello\ntype: hello\nsubject: {en: "Hello {{ contact_name }}"}\nbody: {en: {file: hello.en.md}}\n',
    "definitions/templates/hello.en.md": "Dear {{ contact_name }},\n\nwe are glad that you are here.\n",
    "definitions/sequences/hello.yaml": """\
id: hello
about: contact
status: active
trigger: manual
steps:
  - {id: letter, wait: 0d, template: hello}
""",
}


IN_A_FILE = "{duckdb: state/ledger.duckdb}"
# LEDGER_URL is in the environment of whoever works on it.
ON_POSTGRES = '{postgres: "${LEDGER_URL}", schema: "crash eight"}'


def make_project(root: Path, count: int, ledger: str = IN_A_FILE, environ: Mapping[str, str] = os.environ) -> Path:
    """The project, its CRM of `count` contacts, all of them enrolled by one file, and its empty ledger. The root."""
    for name, text in (_FILES | {"engine.yaml": _FILES["engine.yaml"].replace(IN_A_FILE, ledger)}).items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    enrolled = f"id: {ENROLLMENT}\nsequence: hello\ncontacts: {list(range(count))}\n"
    (root / "definitions" / "enrollments").mkdir()
    (root / "definitions" / "enrollments" / f"{ENROLLMENT}.yaml").write_text(enrolled, encoding="utf-8")
    (root / "state").mkdir()
    make_pseudonym_key(root / "state")
    with duckdb.connect(str(root / "state" / "crm.duckdb")) as crm:
        crm.execute(
            "CREATE TABLE contacts AS SELECT i::INTEGER AS id, 'Person ' || i AS name, 'person' || i || '@example.com' AS email FROM range($1) t(i)", [count]
        )
    site = open_site(root, None, {**environ, "SMTP_PORT": "25"}, NOW - timedelta(minutes=1))
    site.home.create(site.now)
    return root


def key_of(number: int) -> str:
    """The send key of the contact's one letter."""
    return send_key("hello", "letter", "contact", str(number), ENROLLMENT, str(number))


def address_of(number: int) -> str:
    return f"person{number}@example.com"
