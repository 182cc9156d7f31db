"""A large company's CRM and ledger, made with INSERT … SELECT: a million contacts, 200,000 enrollments on their way, and the
2,000,000 sends of those and of the enrollments that ended before."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import duckdb

from engine.ledger.duckdb import DuckdbLedger
from engine.ledger.duckdb.files import LedgerFiles
from engine.ledger.keys import define_send_key
from engine.ledger.pseudonyms import make_pseudonym_key
from engine.runs.opening import Site, open_site

# A Monday, 09:00 in Bangkok: what is due at nine has just become due.
NOW = datetime(2026, 11, 23, 2, 0)
CONTACTS, CONTRACTS, WELCOMED, PAST = 1_000_000, 400_000, 100_000, 1_680_000
_FILES = {
    "engine.yaml": """\
format: 1
name: bench
timezone: Asia/Bangkok
locales: [en, th]
sender: {name: Harmony Music, address: hello@example.com, postal_address: "1 Sukhumvit Road, Bangkok"}
links: {unsubscribe: "https://mail.example.com/u/{token}"}
environments:
  bench: {facts: {duckdb: state/crm.duckdb}, ledger: {duckdb: state/ledger.duckdb}, transport: outbox}
topics: {product-news: {name: {en: Product news}, consent: opt_out}}
""",
    "definitions/crm.yaml": """\
entities:
  company:
    table: companies
    key: id
    fields: {name: text, industry: text, country: text, is_active: boolean}
    relations: {contacts: {many: contact, via: contact.company_id}, contracts: {many: contract, via: contract.company_id}}
  contact:
    table: contacts
    key: id
    fields: {name: text, email: text, contact_type: text, language: text, is_active: boolean, unsubscribed: boolean, company_id: integer}
    relations: {company: {one: company, via: company_id}}
  contract:
    table: contracts
    key: id
    fields: {contract_number: text, company_id: integer, end_date: date, monthly_value: decimal, currency: text, status: text}
    relations: {company: {one: company, via: company_id}}
contact: {entity: contact, address: email, name: name, language: language, active: is_active, unsubscribed: unsubscribed}
""",
    "definitions/types/renewal.yaml": """\
id: renewal
about: contract
category: transactional
variables:
  company_name: {value: company.name, description: Trading name, sample: Lotus Hotel}
  contact_name: {value: contact.name, description: Name, sample: Ana, default: ""}
  contract_number: {value: contract.contract_number, description: Number, sample: C-1}
  end_date: {value: contract.end_date, format: long_date, description: Last day, sample: 2026-12-31}
  monthly_value: {value: contract.monthly_value, format: money, currency: contract.currency, description: Monthly value, sample: 4500, default: ""}
""",
    "definitions/types/news.yaml": """\
id: news
about: contact
category: marketing
topic: product-news
variables:
  company_name: {value: company.name, description: Trading name, sample: Lotus Hotel}
  contact_name: {value: contact.name, description: Name, sample: Ana, default: ""}
""",
    "definitions/templates/renewal.yaml": """\
id: renewal
type: renewal
subject: {en: "Your contract {{ contract_number }}", th: "สัญญา {{ contract_number }}"}
body: {en: {file: renewal.en.md}, th: {file: renewal.th.md}}
""",
    "definitions/templates/renewal.en.md": "Dear {{ contact_name }},\n\nthe contract of {{ company_name }} ends on {{ end_date }} ({{ monthly_value }}).\n",
    "definitions/templates/renewal.th.md": "เรียน {{ contact_name }}\n\nสัญญาของ {{ company_name }} สิ้นสุด {{ end_date }} ({{ monthly_value }})\n",
    "definitions/templates/news.yaml": """\
id: news
type: news
subject: {en: "News for {{ company_name }}"}
body: {en: {file: news.en.md}}
""",
    "definitions/templates/news.en.md": "Dear {{ contact_name }},\n\nthere is news for {{ company_name }}. [Unsubscribe]({{ unsubscribe_url }})\n",
    "definitions/sequences/renewal.yaml": """\
id: renewal
status: active
about: contract
active_from: 2026-01-01
trigger: {date: contract.end_date, where: {contract.status: active}}
audience: {first_of: [{contact_type: billing}, all], max: 1}
goal: {contract.status: renewed}
exit_when: {company.is_active: false}
at: "09:00"
steps:
  - {id: notice-30, before: 30d, template: renewal}
  - {id: notice-14, before: 14d, template: renewal, if: {contract.monthly_value: {greater_than_or_equal: 1000}}}
  - {id: notice-7, before: 7d, template: renewal}
""",
    "definitions/sequences/welcome.yaml": """\
id: welcome
status: active
about: contact
trigger: manual
steps:
  - {id: welcome, wait: 0d, template: news}
  - {id: tips, wait: 3d, at: "09:00", template: news}
  - {id: check-in, wait: 1w, at: "09:00", template: news, if: {contact.contact_type: [billing, primary]}}
""",
    "definitions/segments/large-hotels.yaml": """\
id: large-hotels
entity: contact
rules:
  all:
    - company.industry: hotel
    - company.country: [Thailand, Singapore]
    - not: {contact.unsubscribed: true}
    - exists: {company.contracts: {monthly_value: {greater_than_or_equal: 5000}, status: active}}
""",
}
_CRM = """
CREATE TABLE companies AS SELECT i::INTEGER AS id, 'Company ' || i AS name, ['hotel', 'restaurant', 'retail', 'spa', 'office'][1 + i % 5] AS industry,
    ['Thailand', 'Singapore', 'Vietnam'][1 + i % 3] AS country, i % 50 <> 7 AS is_active, hash(i)::VARCHAR AS billing_entity FROM range($contracts) t(i);
CREATE TABLE contacts AS SELECT i::INTEGER AS id, 'Person ' || i AS name, CASE WHEN i % 60 <> 11 THEN 'person' || i || '@example.com' END AS email,
    hash(i)::VARCHAR AS phone, ['billing', 'primary', 'technical'][1 + (i // $contracts)] AS contact_type, ['en', 'th', NULL][1 + i % 3] AS language,
    i % 40 <> 3 AS is_active, i % 25 = 9 AS unsubscribed, (i % $contracts)::INTEGER AS company_id FROM range($contacts) t(i);
CREATE TABLE contracts AS SELECT i::INTEGER AS id, 'C-' || i AS contract_number, i::INTEGER AS company_id,
    DATE '2026-11-23' - 60 + (i * 7919 % 120)::INTEGER AS end_date, (100 + i * 37 % 9000)::DECIMAL(12, 2) AS monthly_value, 'THB' AS currency,
    CASE WHEN i % 20 = 13 THEN 'renewed' ELSE 'active' END AS status, hash(i)::VARCHAR AS note FROM range($contracts) t(i);
"""
# Renewals that are on their way and what was sent of them, as a run each day would have left them; the same for a letter in three
# parts; and renewals of earlier years, with three sends each. `due.days` is how long until the contract ends.
_LEDGER = """
INSERT INTO starts VALUES ('renewal', 1, TIMESTAMP '2025-12-31 17:00:00'), ('welcome', 1, TIMESTAMP '2026-01-01 00:00:00');
CREATE TEMP TABLE due AS SELECT id, end_date, end_date - DATE '2026-11-23' AS days FROM crm.contracts WHERE status = 'active' AND id % 50 <> 7;
CREATE TEMP TABLE old AS SELECT i, (i % $contracts)::VARCHAR AS record, strftime(DATE '2026-11-23' - 120 - ((i // $contracts) * 365 + i * 7919 % 120)::INTEGER, '%Y-%m-%d') AS occurrence
    FROM range($past // 3) t(i);
INSERT INTO enrollments BY NAME
    SELECT 'renewal' AS sequence, 'contract' AS entity, id::VARCHAR AS record, strftime(end_date, '%Y-%m-%d') AS occurrence, id::VARCHAR AS contact,
        end_date AS base_date, NULL::TIMESTAMP AS base_at, end_date::TIMESTAMP - INTERVAL 30 DAY + INTERVAL 2 HOUR AS began, 'past' AS run_id,
        NULL::TIMESTAMP AS exit_at, NULL::VARCHAR AS exit_reason, NULL::BOOLEAN AS exit_final
    FROM due WHERE days BETWEEN 1 AND 29
    UNION ALL
    SELECT 'welcome', 'contact', (i + $contracts)::VARCHAR, 'fair', (i + $contracts)::VARCHAR, NULL, TIMESTAMP '2026-11-23 02:00:00' - to_days((i % 14)::INTEGER),
        TIMESTAMP '2026-11-23 02:00:00' - to_days((i % 14)::INTEGER), 'past', NULL, NULL, NULL
    FROM range($welcomed) t(i)
    UNION ALL
    SELECT 'renewal', 'contract', record, occurrence, record, occurrence::DATE, NULL, occurrence::TIMESTAMP - INTERVAL 30 DAY, 'past',
        occurrence::TIMESTAMP, 'complete', true FROM old;
INSERT INTO occurrences SELECT sequence, entity, record, occurrence, base_at, 'person', false, '', 'bench', base_at FROM enrollments WHERE sequence = 'welcome';
CREATE TEMP TABLE moves AS
    SELECT *, CASE step WHEN 'notice-30' THEN 30 WHEN 'notice-14' THEN 14 ELSE 7 END AS ahead
    FROM enrollments, (VALUES ('notice-30'), ('notice-14'), ('notice-7')) s(step) WHERE sequence = 'renewal';
CREATE TEMP TABLE went AS
    SELECT sequence, entity, record, occurrence, contact, step, base_date - ahead + INTERVAL 2 HOUR AS done_at
    FROM moves WHERE base_date - ahead < DATE '2026-11-23'
    UNION ALL
    SELECT sequence, entity, record, occurrence, contact, 'welcome', base_at FROM enrollments WHERE sequence = 'welcome' AND base_at < TIMESTAMP '2026-11-23'
    UNION ALL
    SELECT sequence, entity, record, occurrence, contact, 'tips', base_at + INTERVAL 3 DAY FROM enrollments
    WHERE sequence = 'welcome' AND base_at + INTERVAL 3 DAY < TIMESTAMP '2026-11-23';
INSERT INTO sends BY NAME
    SELECT send_key(sequence, step, entity, record, occurrence, contact) AS send_key, row_number() OVER () AS number, sequence, step, entity, record, occurrence,
        contact, 'sent' AS state, done_at AS due_at, done_at + INTERVAL 7 DAY AS expires_at, done_at AS decided_at, done_at AS judged_at, 'past' AS run_id,
        CASE sequence WHEN 'welcome' THEN 'news' ELSE 'renewal' END AS template, 'en' AS locale,
        CASE sequence WHEN 'welcome' THEN 'marketing' ELSE 'transactional' END AS category, sha256('person' || contact || '@example.com') AS address_key,
        1 AS position, 1 AS token, 1 AS attempts, 'smtp' AS transport, done_at AS first_dispatch_at, done_at AS sent_at, done_at AS updated_at
    FROM went;
INSERT INTO suppressions SELECT 'past', sha256('person' || i || '@example.com'), 'bounce', NULL, TIMESTAMP '2026-11-01', 'bench', '', NULL, NULL
    FROM range(0, $contacts, 97) t(i);
INSERT INTO fact_counts VALUES (1, 'contact', $contacts), (1, 'contract', $contracts), (1, 'company', $contracts);
UPDATE ledger_meta SET next_number = (SELECT max(number) + 1 FROM sends);
"""


@dataclass(frozen=True)
class World:
    """The site, and what is in it."""

    site: Site
    contacts: int
    live: int
    sends: int


def project_files(root: Path, files: Mapping[str, str]) -> None:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def make_world(root: Path, scale: float) -> World:
    """The project with its CRM and ledger at `scale` times the full size."""
    project_files(root, _FILES)
    (root / "state").mkdir()
    make_pseudonym_key(root / "state")
    sizes = {"contacts": int(CONTACTS * scale), "contracts": int(CONTRACTS * scale), "welcomed": int(WELCOMED * scale), "past": int(PAST * scale)}
    with duckdb.connect(str(root / "state" / "crm.duckdb")) as crm:
        _run(crm, _CRM, sizes)
    site = open_site(root, None, os.environ, NOW)
    DuckdbLedger.create(site.ledger_path, "bench", "bench", now=NOW - timedelta(days=1), pseudonyms=site.pseudonyms)
    with duckdb.connect(str(site.ledger_path)) as ledger:
        ledger.execute(f"ATTACH '{root / 'state' / 'crm.duckdb'}' AS crm (READ_ONLY)")
        define_send_key(ledger)
        _run(ledger, _LEDGER, sizes)
        counts = ledger.execute("SELECT (SELECT count(*) FROM enrollments WHERE exit_at IS NULL), (SELECT count(*) FROM sends)").fetchall()[0]
    LedgerFiles(site.ledger_path).leave_copy()
    return World(site, sizes["contacts"], *counts)


def _run(connection: duckdb.DuckDBPyConnection, script: str, sizes: dict[str, int]) -> None:
    for sentence in duckdb.extract_statements(script):
        text = sentence.query
        connection.execute(text, {name: value for name, value in sizes.items() if f"${name}" in text})
