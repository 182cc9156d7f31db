"""A year of the demo company, day by day: `python -m tests.soak.year SEED DAYS` says what was wrong, as one line of JSON.

People unsubscribe, contracts are renewed, moved and cancelled, invoices are paid or not, zones fail and come back; the job is down for
days, runs twice, and the definitions are edited while people are on their way. After each apply the ledger is counted again by what
stands here, in plain Python, and not by the engine's own SQL.
"""

from __future__ import annotations

import json
import random
import re
import sys
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from email import message_from_bytes
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import duckdb

import tests.conftest  # noqa: F401 - what a test sees is not what the machine's environment says
from engine.library.demo_crm import make_demo_crm
from engine.plan.plan import Plan
from engine.runs.applying import apply
from engine.runs.opening import Site, open_site
from engine.runs.planning import plan_now
from tests.cli.conftest import KEY, engine

ZONE = ZoneInfo("Asia/Bangkok")
FIRST = date(2026, 1, 5)
# The library's cap and windows, said once more: what is judged may not be asked how it is judged.
CAP, CAP_DAYS = 4, 7
WINDOWS = {"contract-sent": (8, 18), "quarterly-review": (9, 17)}
FINAL = ("send", "wait", "hold", "exit", "complete")
# A notice comes 30 days before the end; a contract that was the same for so long, with the job running, must have been considered.
NOTICE = timedelta(days=31)


@dataclass
class Year:
    """One company, its ledger, and what was seen."""

    root: Path
    chance: random.Random
    faults: dict[str, str] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)
    # Each contract's (status, end), since when; the days on which its record was unreached; and the days with an apply.
    contracts: dict[str, tuple[tuple[str, date], date]] = field(default_factory=dict)
    unreached: dict[str, date] = field(default_factory=dict)
    ran: list[date] = field(default_factory=list)
    seen: set[str] = field(default_factory=set)
    down_until: date = FIRST
    edited: list[str] = field(default_factory=list)
    fresh: set[str] = field(default_factory=set)

    # --- the company ------------------------------------------------------------------------------------------------------

    @property
    def crm(self) -> Path:
        return self.root / "state" / "crm.duckdb"

    def begin(self) -> None:
        said = engine("init", str(self.root), "--now", _instant(FIRST, 8))
        assert said.code == 0, said.err
        make_demo_crm(self.crm, FIRST)
        text = self.read("engine.yaml")
        # Guards are judged elsewhere; here a whole year has to go through.
        wide = "guards: {max_sends: {per_run: 9000, per_day: 9000}, min_facts: {contact: 1}}\n"
        self.write("engine.yaml", re.sub(r"^guards:.*?\n(?=\S)", wide, text, flags=re.M | re.S))

    def read(self, path: str) -> str:
        return (self.root / path).read_text(encoding="utf-8")

    def write(self, path: str, text: str) -> None:
        (self.root / path).write_text(text, encoding="utf-8")

    def happen(self, today: date) -> None:
        """What changed in the CRM since yesterday."""
        chance = self.chance
        with duckdb.connect(str(self.crm)) as crm:

            def some(table: str, where: str, most: int) -> list[Any]:
                ids = [row[0] for row in crm.execute(f"SELECT id FROM {table} WHERE {where} ORDER BY id").fetchall()]
                return chance.sample(ids, min(len(ids), chance.randint(0, most)))

            def change(table: str, ids: list[Any], to: str, *values: object) -> None:
                for id in ids:
                    crm.execute(f"UPDATE {table} SET {to} WHERE id = ?", [*values, id])

            change("contacts", some("contacts", "NOT unsubscribed", 2), "unsubscribed = true")
            change("contacts", some("contacts", "is_active", 1), "is_active = false")
            change("contacts", some("contacts", "NOT is_active", 1), "is_active = true")
            for id in some("contacts", "true", 1):
                crm.execute("UPDATE contacts SET email = ? WHERE id = ?", [chance.choice([f"moved{id}@example.com", None, "nobody", "shared@example.org"]), id])
            change("contracts", some("contracts", "status = 'sent'", 2), "status = 'active', signed_date = ?", today)
            soon = f"status = 'active' AND end_date BETWEEN DATE '{today}' AND DATE '{today + timedelta(days=25)}'"
            change("contracts", some("contracts", soon, 2), "status = 'renewed'")
            change("contracts", some("contracts", soon, 1), "end_date = end_date + 90")
            change("contracts", some("contracts", "status = 'active'", 1), "status = 'cancelled'")
            change("contracts", some("contracts", f"status = 'active' AND end_date < DATE '{today}'", 9), "status = 'expired'")
            self._new_contracts(crm, today)
            change("invoices", some("invoices", "status = 'sent'", 6), "status = 'paid', paid_date = ?", today)
            change("invoices", some("invoices", f"status = 'sent' AND due_date < DATE '{today}'", 9), "status = 'overdue'")
            change("invoices", some("invoices", "status = 'overdue'", 3), "status = 'paid', paid_date = ?", today)
            self._new_invoices(crm, today)
            failed = datetime.combine(today, datetime.min.time()) + timedelta(minutes=chance.randint(0, 1439)) - timedelta(days=1)
            change("zones", some("zones", "status = 'online'", 5), "status = 'offline', offline_since = ?", failed)
            change("zones", some("zones", "status = 'offline'", 5), "status = 'online', offline_since = NULL")
            if chance.random() < 0.02:
                crm.execute("DELETE FROM contacts WHERE id = ?", [chance.randint(1, 1500)])
            crm.execute("CHECKPOINT")
            for id, status, end in crm.execute("SELECT id, status, end_date FROM contracts WHERE NOT deleted").fetchall():
                known = self.contracts.get(str(id))
                if known is None or known[0] != (status, end):
                    self.contracts[str(id)] = ((status, end), today)

    def _new_contracts(self, crm: duckdb.DuckDBPyConnection, today: date) -> None:
        for _ in range(self.chance.randint(0, 2)):
            crm.execute(
                "INSERT INTO contracts SELECT max(id) + 1, 'N-' || (max(id) + 1), ?, ?, ?, NULL, ?, 'THB', 'sent', false FROM contracts",
                [self.chance.randint(1, 500), today, today + timedelta(days=self.chance.choice([40, 90, 365])), self.chance.choice([4500, 12000])],
            )

    def _new_invoices(self, crm: duckdb.DuckDBPyConnection, today: date) -> None:
        for _ in range(self.chance.randint(0, 6)):
            crm.execute(
                "INSERT INTO invoices SELECT max(id) + 1, 'N-' || (max(id) + 1), ?, NULL, ?, ?, NULL, ?, 'THB', 'sent' FROM invoices",
                [self.chance.randint(1, 500), today, today + timedelta(days=30), self.chance.choice([3000, 25000])],
            )

    def edit(self) -> None:
        """One small edit of the definitions, of a kind that people make."""
        edits = [
            ("contract-renewal", '"09:00"', '"10:30"'), ("contract-renewal", '"10:30"', '"09:00"'),
            ("contract-renewal", "before: 14d", "before: 15d"), ("contract-renewal", "before: 15d", "before: 14d"),
            ("payment-reminder", "before: 7d", "before: 6d"), ("payment-reminder", "before: 6d", "before: 7d"),
            ("payment-overdue", "status: active", "status: paused"), ("payment-overdue", "status: paused", "status: active"),
            ("zone-offline", "max: 2", "max: 1"), ("zone-offline", "max: 1", "max: 2"),
            ("welcome", "wait: 3d", "wait: 4d"), ("welcome", "wait: 4d", "wait: 3d"),
        ]  # fmt: skip
        sequence, old, new = self.chance.choice(edits)
        path = f"definitions/sequences/{sequence}.yaml"
        text = self.read(path)
        if old in text:
            self.write(path, text.replace(old, new, 1))
            self.edited.append(f"{sequence}: {new}")
            self.counts["edits"] += 1

    def order(self, now: str) -> None:
        """A person at the command line: most orders find somebody, and none may fail in a way that is not told."""
        contact = str(self.chance.randint(1, 1500))
        words = self.chance.choice([
            ("enroll", "product-news", "--segment", "hotels-in-thailand"), ("enroll", "welcome", "--contact", contact), ("pause", "welcome", "--contact", contact),
            ("resume", "welcome", "--contact", contact), ("cancel", "welcome", "--contact", contact), ("suppress", f"moved{contact}@example.com", "--reason", "bounced"),
            ("stop", "zone-offline"), ("start", "zone-offline"),
        ])  # fmt: skip
        said = engine("-C", str(self.root), *words, "--now", now)
        self.counts["orders"] += 1
        if said.code not in (0, 1, 64) or "Traceback" in said.err:
            self.fault(f"{now}: {' '.join(words)}", f"exit {said.code}: {said.err[-300:]}")

    # --- the engine -------------------------------------------------------------------------------------------------------

    def run(self, instant: datetime, today: date) -> None:
        """Plan, look at the plan, apply, look at the ledger and at what arrived."""
        site = open_site(self.root, None, {"ENGINE_PSEUDONYM_KEY": KEY}, instant.astimezone(UTC).replace(tzinfo=None))
        self.judge_plan(plan_now(site).plan, today)
        applied = apply(site, environ={}, by="year")
        self.counts["applies"] += 1
        if applied.exit_code != 0:
            self.fault(f"apply at {instant.isoformat()}", f"exit {applied.exit_code}")
        self.ran.append(today)
        self.judge_sent(site, instant)

    def judge_plan(self, plan: Plan, today: date) -> None:
        """6.18: every enrollment in exactly one of five, and the counts agree with the rows."""
        buckets: Counter[tuple[str, ...]] = Counter()
        sums: dict[str, Counter[str]] = defaultdict(Counter)
        columns = [plan.decisions.column(name).to_pylist() for name in ("decision", "sequence", "record", "occurrence", "contact")]
        for decision, sequence, record, occurrence, contact in zip(*columns, strict=True):
            if decision in FINAL:
                buckets[sequence, record, occurrence, contact] += 1
                sums[sequence][decision] += 1
            elif decision == "unreached" and sequence == "contract-renewal":
                self.unreached[f"{record} {occurrence}"] = today
        twice = [key for key, number in buckets.items() if number > 1]
        if twice:
            self.fault(f"{plan.now}: in two at once", f"{twice[:3]}")
        for one in plan.sequences:
            said = {name: one.counts[name] for name in FINAL}
            if one.counts["considered"] != sum(said.values()) or any(sums[one.id][name] != number for name, number in said.items()):
                self.fault(f"{plan.now}: {one.id} does not add up", f"{dict(one.counts)} against {dict(sums[one.id])}")
        self.counts["considered"] += sum(one.counts["considered"] for one in plan.sequences)

    def judge_sent(self, site: Site, instant: datetime) -> None:
        for key, to in self._arrived():
            if key in self.seen:
                self.fault(f"{instant.isoformat()}: twice", f"{key} to {to}")
            self.seen.add(key)
            self.counts["mails"] += 1
        with duckdb.connect(str(site.ledger_path), read_only=True) as ledger:
            # One row a mail: records that a contact's mail combines (4.8) are one.
            sent = ledger.execute("SELECT DISTINCT coalesce(message, send_key)::VARCHAR, sequence, category, address_key, decided_at FROM sends WHERE state = 'sent'").fetchall()
        marketing: dict[str, list[date]] = defaultdict(list)
        for key, sequence, category, address, decided in sent:
            local = decided.replace(tzinfo=UTC).astimezone(ZONE)
            if category == "marketing":
                marketing[address].append(local.date())
            if sequence in WINDOWS and key in self.fresh:
                opens, closes = WINDOWS[sequence]
                if not opens <= local.hour < closes or local.weekday() > 4:
                    self.fault(f"{local}: outside the window", f"{sequence} {key}")
        if {row[0] for row in sent} != self.seen:
            self.fault(f"{instant.isoformat()}: the ledger and the outbox differ", f"{len(sent)} against {len(self.seen)}")
        for address, days in marketing.items():
            days.sort()
            if any((days[at + CAP] - days[at]).days < CAP_DAYS for at in range(len(days) - CAP)):
                self.fault(f"above the cap: {address[:8]}", f"{days}")

    def _arrived(self) -> Iterator[tuple[str, str]]:
        """The mails of this run as they lie in the outbox, which is emptied: what comes twice is a new file."""
        self.fresh = set()
        for path in sorted((self.root / "state" / "outbox").glob("*.eml")):
            mail = message_from_bytes(path.read_bytes())
            key = str(mail["X-Engine-Send"])
            self.fresh.add(key)
            yield key, str(mail["To"])
            path.unlink()

    def judge_contracts(self, today: date) -> None:
        """Each contract that ends today, and has been so for a month, was told: somebody is enrolled for it, or it is named as unreached."""
        if not self.ran or (today - self.ran[-1]).days > 3:
            return
        ending = [key for key, ((status, end), since) in self.contracts.items() if status == "active" and end == today and today - since >= NOTICE]
        with duckdb.connect(str(self.root / "state" / "ledger.duckdb"), read_only=True) as ledger:
            enrolled = {
                row[0]
                for row in ledger.execute("SELECT record FROM enrollments WHERE sequence = 'contract-renewal' AND occurrence = ?", [str(today)]).fetchall()
            }
        for key in ending:
            self.counts["contracts that ended"] += 1
            if key not in enrolled and f"{key} {today}" not in self.unreached:
                self.fault(f"contract {key} ended on {today}", "nobody was considered, and it was never unreached")

    def fault(self, what: str, text: str) -> None:
        self.faults[what] = f"{text}; edits: {self.edited[-3:]}"

    def day(self, today: date) -> None:
        chance = self.chance
        self.happen(today)
        if chance.random() < 0.1:
            self.edit()
        if chance.random() < 0.03:
            self.down_until = today + timedelta(days=chance.randint(1, 9))
        if today >= self.down_until:
            for hour in sorted(chance.sample(range(7, 20), chance.choice([1, 1, 2]))):
                if chance.random() < 0.15:
                    self.order(_instant(today, hour))
                self.run(datetime(today.year, today.month, today.day, hour, chance.choice([5, 25, 45]), tzinfo=ZONE), today)
        self.judge_contracts(today)


def _instant(day: date, hour: int) -> str:
    return datetime(day.year, day.month, day.day, hour, tzinfo=ZONE).isoformat()


def main(seed: int, days: int) -> None:
    with tempfile.TemporaryDirectory(prefix="engine-year-") as name:
        year = Year(Path(name) / "company", random.Random(seed))
        year.begin()
        for offset in range(days):
            year.day(FIRST + timedelta(days=offset))
            if len(year.faults) > 20:
                break
        year.counts["days"] = offset + 1
    print(json.dumps({"counts": dict(year.counts), "faults": year.faults}))


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
