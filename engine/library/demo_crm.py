"""A CRM of a company that does not exist, as a DuckDB file: the same day and seed give the same records.

Around `today` there is something of everything that a plan can say: mails that are due, steps that are passed over, people
who wait, records that nobody can be told about. Addresses lie under example.com, example.org and .example only.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from engine.library import demo_names as names
from engine.messages.addresses import normalize

COMPANIES = 500
# Companies up to this one have no reminder due, so that the contacts whom the enrollment files name get one mail and not three.
QUIET = 60
# The keys that `definitions/enrollments/` and `definitions/segments/vip.yaml` name.
WELCOMED = (17, 23, 31, 44, 52)
VIP = (5, 12, 24, 28, 41, 58, 77, 90, 113, 150)

_TABLES = {
    "companies": "id INTEGER, name VARCHAR, industry VARCHAR, country VARCHAR, city VARCHAR, billing_entity VARCHAR, payment_terms INTEGER, is_active BOOLEAN",
    "contacts": "id INTEGER, name VARCHAR, email VARCHAR, phone VARCHAR, title VARCHAR, department VARCHAR, contact_type VARCHAR, language VARCHAR, "
    "is_active BOOLEAN, unsubscribed BOOLEAN, company_id INTEGER",
    "contracts": "id INTEGER, contract_number VARCHAR, company_id INTEGER, start_date DATE, end_date DATE, signed_date DATE, monthly_value DECIMAL(12, 2), "
    "currency VARCHAR, status VARCHAR, deleted BOOLEAN",
    "invoices": "id INTEGER, invoice_number VARCHAR, company_id INTEGER, contract_id INTEGER, issue_date DATE, due_date DATE, paid_date DATE, "
    "amount DECIMAL(12, 2), currency VARCHAR, status VARCHAR",
    "zones": "id INTEGER, name VARCHAR, company_id INTEGER, platform VARCHAR, status VARCHAR, offline_since TIMESTAMP, last_seen TIMESTAMP",
}


@dataclass(frozen=True)
class DemoCrm:
    """What was made: how many records of each table, and the addresses that a mailbox provider would have refused before."""

    counts: dict[str, int]
    bounced: tuple[str, ...]


@dataclass
class _Company:
    id: int
    name: str
    industry: str
    country: str
    city: str
    slug: str
    active: bool | None
    currency: str
    thai: bool
    hot: str | None = None
    contacts: list[dict[str, Any]] = field(default_factory=list)


def make_demo_crm(path: Path, today: date, seed: int = 7) -> DemoCrm:
    """Writes the CRM to one DuckDB file, in place of what was there."""
    maker = _Maker(today, random.Random(seed))
    maker.all()
    path.parent.mkdir(parents=True, exist_ok=True)
    for old in (path, path.with_name(path.name + ".wal")):
        old.unlink(missing_ok=True)
    with duckdb.connect(str(path)) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        for table, columns in _TABLES.items():
            connection.execute(f"CREATE TABLE {table} ({columns})")
            rows = maker.rows[table]
            connection.register("made", pa.Table.from_pylist(rows))
            connection.execute(f"INSERT INTO {table} BY NAME SELECT * FROM made")
            connection.unregister("made")
    return DemoCrm({table: len(rows) for table, rows in maker.rows.items()}, tuple(maker.bounced))


class _Maker:
    def __init__(self, today: date, chance: random.Random) -> None:
        self.today, self.chance = today, chance
        self.rows: dict[str, list[dict[str, Any]]] = {table: [] for table in _TABLES}
        self.bounced: list[str] = []
        self.companies: list[_Company] = []
        self._slugs: set[str] = set()
        self._addresses: set[str] = set()

    def all(self) -> None:
        self.companies = [self._company(number) for number in range(1, COMPANIES + 1)]
        self._choose_hot()
        for company in self.companies:
            self._contacts(company)
            self._contracts(company)
            self._zones(company)
        self._mend_named()
        for company in self.companies:
            self.rows["contacts"] += company.contacts

    def day(self, offset: int) -> date:
        return self.today + timedelta(days=offset)

    # --- companies ---------------------------------------------------------------------------------------------------

    def _company(self, number: int) -> _Company:
        chance = self.chance
        industry = chance.choices(["hotel", "restaurant", "retail", "spa", "office"], [34, 28, 18, 12, 8])[0]
        country = chance.choices(["Thailand", "Singapore", "Vietnam", "Malaysia"], [84, 6, 5, 5])[0]
        city, city_thai = chance.choice(names.CITIES[country])
        word = chance.choice(names.WORDS)
        thai_script = country == "Thailand" and chance.random() < 0.2
        if thai_script:
            name = names.THAI_FORMS[industry].format(chance.choice(names.THAI_WORDS), city_thai)
        else:
            name = chance.choice(names.FORMS[industry]).format(word, city)
        if number % 120 == 70:
            name = names.LONG_COMPANIES[number // 120 % len(names.LONG_COMPANIES)]
        active = None if number % 97 == 0 else chance.random() > 0.03 or number <= QUIET
        slug = f"{word}-{industry}-{city}".lower().replace(" ", "-")
        while slug in self._slugs:
            slug = f"{slug.rstrip('0123456789').rstrip('-')}-{number}"
        self._slugs.add(slug)
        company = _Company(number, name, industry, country, city, slug, active, "THB" if country == "Thailand" else "USD", country == "Thailand")
        self.rows["companies"].append(
            {"id": number, "name": name, "industry": industry, "country": country, "city": city, "billing_entity": f"{word} {city} Co., Ltd.",
             "payment_terms": chance.choice([15, 30, 30, 45]), "is_active": active}
        )  # fmt: skip
        return company

    def _choose_hot(self) -> None:
        """Companies for which something happens around today, one thing each."""
        wanted = [
            *["notice-30"] * 9, *["passed-30"] * 8, *["notice-14"] * 6, *["notice-7"] * 4, "urgent", "urgent", *["urgent-small"] * 2,
            *["reminder-7"] * 9, *["reminder-14"] * 5, *["reminder-14-small"] * 6, *["overdue"] * 9, *["overdue-last"] * 5, *["issued"] * 7,
            *["offline-48h"] * 6, *["offline-7d"] * 4, *["offline-new"] * 5, *["signed"] * 3, "no-amount", *["renewed"] * 6, *["cancelled"] * 4,
            "nobody-renewal", "nobody-renewal", "nobody-overdue", "nobody-zone", "shared-renewal", "shared-overdue", "bounced-renewal", "bounced-overdue",
        ]  # fmt: skip
        free = [company for company in self.companies if company.id > QUIET and company.active]
        # The longest names belong into mails that are really sent.
        long = [company for company in free if company.id % 120 == 70]
        rest = [company for company in free if company not in long]
        self.chance.shuffle(rest)
        for company, hot in zip([*long, *rest], ["notice-30", "overdue", "reminder-7", "notice-14", *wanted][: len(wanted) + len(long)], strict=False):
            company.hot = hot

    # --- contacts ----------------------------------------------------------------------------------------------------

    def _contacts(self, company: _Company) -> None:
        chance = self.chance
        kinds = ["primary"]
        if chance.random() < 0.72:
            kinds += ["billing"] * chance.choice([1, 1, 1, 2])
        kinds += [kind for kind, share in (("technical", 0.5), ("decision", 0.35), ("other", 0.3)) if chance.random() < share]
        if company.hot in ("shared-renewal", "shared-overdue"):
            kinds = ["primary", "billing", "billing"]
        if company.hot in ("bounced-renewal", "bounced-overdue"):
            kinds = ["primary", "billing"]
        if company.hot == "nobody-zone":
            kinds = []
        for kind in kinds:
            company.contacts.append(self._contact(company, kind))
        self._flaws(company)

    def _contact(self, company: _Company, kind: str) -> dict[str, Any]:
        chance = self.chance
        number = sum(len(other.contacts) for other in self.companies[: company.id]) + 1
        if chance.random() < (0.62 if company.thai else 0.05):
            (first, latin_first), (last, latin_last) = chance.choice(names.THAI_FIRST), chance.choice(names.THAI_LAST)
            name, local, language = f"{first} {last}", f"{latin_first}.{latin_last}", "th"
            if chance.random() < 0.3:
                name = f"{latin_first.title()} {latin_last.title()}"
        else:
            first, last = chance.choice(names.ENGLISH_FIRST), chance.choice(names.ENGLISH_LAST)
            plain = last.lower().replace("'", "").replace(" ", "").replace("í", "i").replace("ü", "u")
            name, local, language = f"{first} {last}", f"{first.lower()}.{plain}", "en"
        if number % 151 == 50:
            name, local, language = names.LONGEST[number // 151 % len(names.LONGEST)]
        domain = chance.choices([f"{company.slug}.example", "example.com", "example.org"], [85, 9, 6])[0]
        address = f"{local}@{domain}"
        if address in self._addresses:
            address = f"{local}.{number}@{domain}"
        self._addresses.add(address)
        titles = {"primary": "General Manager", "billing": "Accountant", "technical": "Engineer", "decision": "Owner", "other": "Assistant"}
        return {
            "id": number, "name": name, "email": address, "phone": f"+66 2 555 {number % 10000:04d}", "title": titles[kind], "department": kind.title(),
            "contact_type": kind, "language": None if number % 23 == 0 else language, "is_active": chance.random() > 0.04,
            "unsubscribed": None if number % 61 == 0 else chance.random() < 0.08, "company_id": company.id,
        }  # fmt: skip

    def _flaws(self, company: _Company) -> None:
        """What a real CRM has: no address, something that is none, one box for everybody, people who have left."""
        contacts = company.contacts
        for contact in contacts:
            flaw = self.chance.random()
            if flaw < 0.03:
                contact["email"] = self.chance.choice([None, "", "  "])
            elif flaw < 0.045:
                contact["email"] = self.chance.choice([*names.NO_ADDRESSES, f"{contact['id']}@example"])
            elif flaw < 0.06:
                contact["email"] = f" {contact['email'].title()} "
            if contact["id"] % 149 == 0:
                contact["name"] = None
        if company.hot in ("nobody-renewal", "nobody-overdue"):
            for index, contact in enumerate(contacts):
                contact.update(is_active=False) if index % 2 else contact.update(email=None)
        elif company.hot is not None:
            # At least one good contact of each kind, so that what should be sent is sent.
            for contact in {contact["contact_type"]: contact for contact in contacts}.values():
                contact.update(is_active=True, email=normalize(contact["email"]) or f"office.{contact['id']}@{company.slug}.example")
        if company.hot in ("shared-renewal", "shared-overdue"):
            for contact in contacts[1:]:
                contact.update(email=f"accounts@{company.slug}.example", is_active=True)
        elif company.hot is None and company.id % 40 == 0:
            for contact in contacts:
                contact["email"] = f"info@{company.slug}.example"
        if company.hot in ("bounced-renewal", "bounced-overdue") or (company.hot is None and company.id % 83 == 0 and contacts):
            bounced = contacts[-1]
            bounced.update(is_active=True, email=f"gone.{bounced['id']}@{company.slug}.example")
            self.bounced.append(bounced["email"])

    def _mend_named(self) -> None:
        """The contacts whom the definitions name by key can be written to; two of the VIPs have unsubscribed."""
        by_key = {contact["id"]: contact for company in self.companies for contact in company.contacts}
        for number in {*WELCOMED, *VIP}:
            contact = by_key[number]
            slug = self.companies[contact["company_id"] - 1].slug
            contact.update(email=f"guest.{number}@{slug}.example", is_active=True, unsubscribed=number in (58, 90))
            if contact["language"] is None:
                contact["language"] = "en"

    # --- contracts and invoices ----------------------------------------------------------------------------------------

    def _contracts(self, company: _Company) -> None:
        chance = self.chance
        offset, status = self._term(company)
        value = Decimal(chance.choice([1500, 2400, 3200, 4500, 5800, 7500, 9800, 12500, 18000, 26500, 48000]))
        if company.hot == "urgent":
            value = Decimal(chance.choice([18000, 26500]))
        if company.hot == "urgent-small":
            value = Decimal(3200)
        if company.currency == "USD":
            value = (value / 35).quantize(Decimal("0.01"))
        last = self._contract(company, offset, value, status)
        if chance.random() < 0.55:
            self._contract(company, offset - 365, value, "renewed" if offset > 365 or chance.random() < 0.8 else "expired")
        if company.id % 17 == 0:
            self._contract(company, chance.randint(40, 300), value, "draft", deleted=company.id % 34 == 0)
        if not self._is_new(company):
            self._invoices(company, last, value)

    def _is_new(self, company: _Company) -> bool:
        return company.id % 29 == 0 and company.hot is None

    def _term(self, company: _Company) -> tuple[int, str]:
        """Days until the contract ends, and its status."""
        chance = self.chance
        windows = {
            "notice-30": (24, 29), "passed-30": (16, 21), "notice-14": (9, 13), "notice-7": (3, 6), "urgent": (1, 1), "urgent-small": (1, 1),
            "nobody-renewal": (24, 29), "shared-renewal": (24, 29), "bounced-renewal": (10, 13),
        }  # fmt: skip
        if company.hot in windows:
            return chance.randint(*windows[company.hot]), "active"
        if company.hot in ("renewed", "cancelled"):
            return chance.randint(5, 28), company.hot
        if company.hot is None and chance.random() < 0.08:
            return chance.randint(-120, -20), chance.choice(["expired", "active", "cancelled"])
        return chance.randint(45, 400), "active"

    def _contract(self, company: _Company, offset: int, value: Decimal, status: str, *, deleted: bool = False) -> dict[str, Any]:
        number = len(self.rows["contracts"]) + 1
        end = self.day(offset)
        start = end - timedelta(days=364)
        signed = self.day(-2) if company.hot == "signed" and status == "active" else start - timedelta(days=self.chance.randint(5, 40))
        row = {
            "id": number, "contract_number": f"C-{start.year}-{number:04d}", "company_id": company.id, "start_date": start, "end_date": end,
            "signed_date": None if status == "draft" else signed, "monthly_value": value if number % 41 else None, "currency": company.currency,
            "status": status, "deleted": deleted,
        }  # fmt: skip
        self.rows["contracts"].append(row)
        return row

    def _invoices(self, company: _Company, contract: dict[str, Any], value: Decimal) -> None:
        chance = self.chance
        small = Decimal(chance.choice([4500, 7500, 9800, 12840]))
        large = Decimal(chance.choice([21400, 36000, 64200]))
        for months in range(chance.randint(1, 4), 0, -1):
            due = -35 * months - chance.randint(5, 20)
            self._invoice(company, contract, due, value or small, "paid" if chance.random() < 0.94 else chance.choice(["cancelled", "overdue"]))
        windows: dict[str, tuple[int, int, Decimal, str]] = {
            "reminder-7": (2, 6, small, "sent"), "reminder-14": (9, 13, large, "sent"), "reminder-14-small": (9, 13, small, "sent"),
            "overdue": (-9, -4, small, "overdue"), "overdue-last": (-20, -15, small, "overdue"), "issued": (29, 29, small, "sent"),
            "nobody-overdue": (-8, -5, small, "overdue"), "shared-overdue": (-8, -5, small, "overdue"), "bounced-overdue": (-8, -5, small, "overdue"),
            "no-amount": (3, 5, small, "sent"),
        }  # fmt: skip
        if company.hot in windows:
            first, last, amount, status = windows[company.hot]
            row = self._invoice(company, contract, chance.randint(first, last), amount, status)
            if company.hot == "no-amount":
                row["amount"] = None
            if status == "overdue" and chance.random() < 0.5:
                self._invoice(company, contract, -chance.randint(40, 60), small, "overdue")
        elif company.hot == "notice-30" and chance.random() < 0.5:
            self._invoice(company, contract, -chance.randint(40, 60), small, "overdue")
            self._invoice(company, contract, -chance.randint(70, 90), large, "overdue")
        elif company.hot is None and chance.random() < 0.4:
            # Due in some weeks: upcoming, and issued too long ago for a notice of the invoice itself.
            self._invoice(company, contract, chance.randint(16, 25), small if chance.random() < 0.7 else large, "sent")

    def _invoice(self, company: _Company, contract: dict[str, Any], due: int, amount: Decimal, status: str) -> dict[str, Any]:
        number = len(self.rows["invoices"]) + 1
        due_day = self.day(due)
        paid = due_day - timedelta(days=self.chance.randint(-3, 12)) if status == "paid" else None
        row = {
            "id": number, "invoice_number": f"INV-{due_day.year}-{number:05d}", "company_id": company.id, "contract_id": contract["id"],
            "issue_date": due_day - timedelta(days=30), "due_date": due_day, "paid_date": paid, "amount": amount,
            "currency": company.currency, "status": status,
        }  # fmt: skip
        self.rows["invoices"].append(row)
        return row

    # --- zones ---------------------------------------------------------------------------------------------------------

    def _zones(self, company: _Company) -> None:
        chance = self.chance
        hours = {"offline-48h": (60, 100), "offline-7d": (180, 220), "offline-new": (10, 30), "nobody-zone": (60, 90)}
        offline: Sequence[tuple[int, int]] = [hours[company.hot]] * (2 if company.id % 3 == 0 else 1) if company.hot in hours else ()
        for index, name in enumerate(self._zone_names(chance.randint(2, 5))):
            number = len(self.rows["zones"]) + 1
            status = chance.choices(["online", "no_device", "expired"], [90, 6, 4])[0]
            # Midnight of the day, UTC, and hours before it: whatever the hour of the plan, the windows hold.
            midnight = datetime.combine(self.today, time())
            seen: datetime | None = midnight - timedelta(minutes=chance.randint(1, 90))
            since = None
            if index < len(offline):
                status, since = "offline", midnight - timedelta(hours=chance.randint(*offline[index]), minutes=chance.randint(0, 59))
            elif number % 67 == 0:
                status, since = "offline", midnight - timedelta(days=chance.randint(40, 200))
            self.rows["zones"].append(
                {"id": number, "name": name, "company_id": company.id, "platform": chance.choice(names.PLATFORMS), "status": status, "offline_since": since,
                 "last_seen": since or (seen if status == "online" else None)}
            )  # fmt: skip

    def _zone_names(self, count: int) -> Iterator[str]:
        yield from self.chance.sample(names.ZONES, count)
