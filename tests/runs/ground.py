"""A whole project on disk, with its CRM in a DuckDB file and its ledger: what the runs work on."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email import policy
from email.message import EmailMessage
from email.parser import BytesParser
from pathlib import Path

import duckdb

from engine.clock import naive_utc
from engine.ledger.duckdb import DuckdbLedger
from engine.ledger.pseudonyms import make_pseudonym_key
from engine.runs.applying import Applied, apply
from engine.runs.opening import Site, open_site
from tests.plan.base import COLUMNS, TABLES, Row, base_files, company, contact
from tests.plan.story import entity_of, sequences
from tests.quick import BEGAN


@dataclass
class Ground:
    """`at` is ISO 8601 with an offset. Mails go to state/outbox."""

    root: Path
    environ: Mapping[str, str]

    @classmethod
    def make(cls, root: Path, *said: str | Row, more: str = "") -> Ground:
        """Texts are sequences, mappings are records, as in the stories."""
        rows: dict[str, list[Row]] = {}
        for row in said:
            if isinstance(row, dict):
                rows.setdefault(entity_of(row), []).append(row)
        rows.setdefault("company", [company(1)])
        rows.setdefault("contact", [contact(1)])
        ground = cls(root, {name: value for name, value in os.environ.items() if not name.startswith("ENGINE_")})
        for path, text in (base_files(more=more) | sequences(*(text for text in said if isinstance(text, str)))).items():
            ground.write(path, text)
        make_pseudonym_key(root / "state")
        ground.facts(rows)
        site = ground.site(BEGAN.replace(tzinfo=UTC).isoformat())
        DuckdbLedger.create(site.ledger_path, site.definitions.project.name, site.environment.name, now=BEGAN, pseudonyms=site.pseudonyms)
        return ground

    def write(self, path: str, text: str) -> None:
        (self.root / path).parent.mkdir(parents=True, exist_ok=True)
        (self.root / path).write_text(text, encoding="utf-8")

    def change(self, path: str, old: str, new: str) -> None:
        text = (self.root / path).read_text(encoding="utf-8")
        assert text.count(old) == 1, old
        self.write(path, text.replace(old, new))

    def facts(self, rows: Mapping[str, Sequence[Row]]) -> None:
        """The CRM as it is from now on, whole."""
        file = self.root / "state" / "crm.duckdb"
        file.unlink(missing_ok=True)
        with duckdb.connect(str(file)) as crm:
            for entity, columns in COLUMNS.items():
                crm.execute(f"CREATE TABLE {TABLES[entity]} ({', '.join(f'{name} {kind}' for name, kind in columns.items())})")
                for row in rows.get(entity, ()):
                    crm.execute(f"INSERT INTO {TABLES[entity]} VALUES ({', '.join('?' for _ in columns)})", [row.get(name) for name in columns])

    def site(self, at: str) -> Site:
        return open_site(self.root, None, self.environ, naive_utc(datetime.fromisoformat(at)))

    def apply(self, at: str, **allowed: float) -> Applied:
        return apply(self.site(at), environ=self.environ, allowed={name.replace("__", "."): limit for name, limit in allowed.items()}, reason="a test", by="test")

    def mails(self) -> list[EmailMessage]:
        """The mails of the outbox, by the address that they went to."""
        found = [BytesParser(policy=policy.default).parsebytes(path.read_bytes()) for path in sorted((self.root / "state" / "outbox").rglob("*.eml"))]
        return sorted((mail for mail in found if isinstance(mail, EmailMessage)), key=lambda mail: str(mail["To"]))
